//! The kinds of origins there are: the one place that knows which reader goes with which.

use std::sync::Arc;

use super::origin::OriginSource;
use crate::storage::databricks::{DatabricksConnection, DatabricksReader};
use crate::storage::error::ReadError;
use crate::storage::file::{FileReader, SharedFolder};
use crate::storage::health::{ListPermission, OriginHealth};
use crate::storage::http::Trust;
use crate::storage::s3::lister::S3Lister;
use crate::storage::s3::pace::ReadFor;
use crate::storage::s3::region::RegionalClient;
use crate::storage::s3::{S3Connection, S3Reader, probe};
use crate::storage::{BoxFuture, ObjectLister, ObjectReader};
use crate::telemetry::OriginMetrics;

/// An origin that readers can be made of.
pub trait Source: Send + Sync {
    /// Where it is asked, for the log: an endpoint or a region.
    fn describe(&self) -> String;

    /// A reader and a lister with connections of their own, which belong to the runtime that first uses
    /// them.
    fn open(
        &self,
        read_for: ReadFor,
        health: &Arc<OriginHealth>,
        metrics: &Arc<OriginMetrics>,
    ) -> Opened;

    /// Asks once whether it answers, and whether it may be listed.
    fn ask(&self) -> BoxFuture<'_, Result<ListPermission, ReadError>>;
}

/// The two ways to look into an origin, without anything around them.
pub struct Opened {
    /// Reads objects.
    pub reader: Arc<dyn ObjectReader>,
    /// Lists them.
    pub lister: Box<dyn ObjectLister>,
}

/// Gets an origin ready. Nothing is sent to it yet.
///
/// # Errors
/// A sentence why it cannot be served at all.
pub async fn connect(source: &OriginSource) -> Result<Arc<dyn Source>, String> {
    match source {
        OriginSource::S3(config) => Box::pin(S3Connection::load(config.as_ref().clone()))
            .await
            .map(|connection| -> Arc<dyn Source> { Arc::new(connection) })
            .map_err(|error| error.to_string()),
        OriginSource::File(config) => SharedFolder::new(config.clone())
            .map(|folder| -> Arc<dyn Source> { Arc::new(folder) })
            .map_err(|error| error.to_string()),
        OriginSource::Databricks(config) => {
            let trust = Trust::of_system().map_err(|error| error.to_string())?;
            let config = config.as_ref().clone();
            Ok(Arc::new(DatabricksConnection::new(config, trust)))
        }
    }
}

impl Source for S3Connection {
    fn describe(&self) -> String {
        Self::describe(self)
    }

    fn open(
        &self,
        read_for: ReadFor,
        health: &Arc<OriginHealth>,
        metrics: &Arc<OriginMetrics>,
    ) -> Opened {
        // One client for both: a client is a pool of connections of its runtime.
        let client = Arc::new(RegionalClient::new(self, read_for));
        let lister = S3Lister::new(Arc::clone(&client), self.clone(), Arc::clone(metrics));
        let reader = S3Reader::new(
            client,
            self.clone(),
            Arc::clone(health),
            Arc::clone(metrics),
        );
        Opened {
            reader: Arc::new(reader),
            lister: Box::new(lister),
        }
    }

    fn ask(&self) -> BoxFuture<'_, Result<ListPermission, ReadError>> {
        Box::pin(probe::ask(self))
    }
}

impl Source for SharedFolder {
    fn describe(&self) -> String {
        self.config().folder.to_string()
    }

    fn open(&self, _: ReadFor, health: &Arc<OriginHealth>, metrics: &Arc<OriginMetrics>) -> Opened {
        let reader = FileReader::new(self.clone(), Arc::clone(health), Arc::clone(metrics));
        Opened {
            lister: Box::new(reader.clone()),
            reader: Arc::new(reader),
        }
    }

    fn ask(&self) -> BoxFuture<'_, Result<ListPermission, ReadError>> {
        Box::pin(async { self.probe().await.map(|()| ListPermission::Granted) })
    }
}

impl Source for DatabricksConnection {
    fn describe(&self) -> String {
        Self::describe(self)
    }

    fn open(
        &self,
        read_for: ReadFor,
        health: &Arc<OriginHealth>,
        metrics: &Arc<OriginMetrics>,
    ) -> Opened {
        let client = self.client(read_for);
        let reader = DatabricksReader::new(client, Arc::clone(health), Arc::clone(metrics));
        Opened {
            lister: Box::new(reader.clone()),
            reader: Arc::new(reader),
        }
    }

    fn ask(&self) -> BoxFuture<'_, Result<ListPermission, ReadError>> {
        Box::pin(async { self.probe().await.map(|()| ListPermission::Granted) })
    }
}
