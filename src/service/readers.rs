//! The stack of readers that viewers are served through.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::cache::{CacheConfig, Cached, Engine};
use crate::storage::ObjectReader;
use crate::storage::gate::{Gate, Gated};
use crate::storage::health::OriginHealth;
use crate::storage::resume::Resuming;
use crate::storage::retry::RetryBudget;
use crate::storage::s3::pace::ReadFor;
use crate::storage::s3::{S3Client, S3Connection, S3Reader};
use crate::telemetry::Metrics;

/// Makes the readers of workers, and has what they share.
#[derive(Clone)]
pub struct Readers {
    connection: S3Connection,
    health: Arc<OriginHealth>,
    metrics: Arc<Metrics>,
    budget: Arc<RetryBudget>,
    gate: Arc<Gate>,
    total: Duration,
}

impl Readers {
    /// Readers over a bucket. `concurrency` calls of theirs may await S3 at once, and all calls for
    /// one answer have `total`.
    pub fn new(
        connection: S3Connection,
        health: Arc<OriginHealth>,
        metrics: Arc<Metrics>,
        concurrency: usize,
        total: Duration,
    ) -> Self {
        Self {
            connection,
            health,
            metrics,
            budget: Arc::new(RetryBudget::default()),
            gate: Arc::new(Gate::new(concurrency)),
            total,
        }
    }

    /// A reader without a cache, with connections of its own.
    pub fn direct(&self, client: S3Client) -> Arc<dyn ObjectReader> {
        let metrics = || Arc::clone(&self.metrics);
        let (connection, health) = (self.connection.clone(), Arc::clone(&self.health));
        let reader = S3Reader::new(client, connection, health, metrics());
        let gated = Arc::new(Gated::new(reader, Arc::clone(&self.gate)));
        let budget = Arc::clone(&self.budget);
        Arc::new(Resuming::new(gated, metrics(), budget, self.total))
    }

    /// The cache that all workers share, unless there is to be none.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn cache(&self, config: CacheConfig, concurrency: usize) -> io::Result<Option<Cache>> {
        if config.memory == 0 {
            return Ok(None);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fills")
            .enable_all()
            .build()?;
        let settings = self.connection.config();
        let origin = format!(
            "{}/{}",
            self.connection.describe(),
            settings.bucket.as_str()
        );
        let engine = Arc::new(Engine::new(
            origin.into(),
            config,
            self.direct(self.connection.client(ReadFor::Cache)),
            Arc::new(Gate::new(concurrency)),
            Arc::clone(&self.budget),
            runtime.handle().clone(),
            Arc::clone(&self.metrics),
        ));
        Ok(Some(Cache {
            engine,
            runtime: Some(runtime),
        }))
    }
}

/// The reader of a worker: over the cache if there is one.
pub fn over(cache: Option<&Arc<Engine>>, direct: Arc<dyn ObjectReader>) -> Arc<dyn ObjectReader> {
    match cache {
        Some(engine) => Arc::new(Cached::new(Arc::clone(engine), direct)),
        None => direct,
    }
}

/// An engine and the runtime that it asks S3 on.
pub struct Cache {
    engine: Arc<Engine>,
    /// Taken when it ends.
    runtime: Option<Runtime>,
}

impl Cache {
    /// The engine.
    pub const fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // What it still fetches is for nobody any more, and waiting is not allowed here.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
