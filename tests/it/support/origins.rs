//! Each kind of origin that the service can read, with a reader over it that is wrapped as in the service.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use s3reel::object::{BucketName, KeyPrefix};
use s3reel::storage::databricks::DatabricksReader;
use s3reel::storage::file::{FileConfig, FileReader, FolderPath};
use s3reel::storage::gate::{Gate, Gated};
use s3reel::storage::http::{OriginTimeouts, ReadFor};
use s3reel::storage::resume::Resuming;
use s3reel::storage::retry::RetryBudget;
use s3reel::storage::s3::client::Access;
use s3reel::storage::s3::lister::S3Lister;
use s3reel::storage::s3::{BucketHealth, S3Config, S3Connection, S3Reader};
use s3reel::storage::{ObjectLister, ObjectReader};
use s3reel::telemetry::Metrics;
use tempfile::TempDir;

use super::{TestS3, Workspace};

/// An origin that is empty at first.
pub enum Origin {
    /// A bucket.
    S3(TestS3),
    /// A folder.
    File(TempDir),
    /// A volume of the stand-in for a workspace.
    Databricks(Workspace),
}

/// The readers of an origin.
pub struct Readers {
    /// As its module makes it.
    pub bare: Arc<dyn ObjectReader>,
    /// As viewers are served through it, but for the cache.
    pub reader: Arc<dyn ObjectReader>,
    /// Of the same origin.
    pub lister: Arc<dyn ObjectLister>,
    /// What they count.
    pub metrics: Arc<Metrics>,
}

impl Origin {
    /// One of each kind.
    pub async fn all() -> Vec<Self> {
        let mut all: Vec<_> = TestS3::all().await.into_iter().map(Self::S3).collect();
        all.push(Self::File(tempfile::tempdir().expect("a folder")));
        all.push(Self::Databricks(Workspace::start().await));
        all
    }

    /// A name for failure texts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::S3(s3) => s3.name(),
            Self::File(_) => "folder",
            Self::Databricks(_) => "volume of the stand-in",
        }
    }

    /// Where a key of a folder is.
    fn path(root: &TempDir, key: &str) -> PathBuf {
        let path = root.path().join(key);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        path
    }

    /// Puts an object in place of any that has its key, so that each of its versions can be told apart.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        match self {
            Self::S3(s3) => s3.put(key, bytes).await,
            Self::File(root) => {
                let new = root.path().join(".new");
                fs::write(&new, &bytes).expect("a file");
                fs::rename(new, Self::path(root, key)).expect("a file");
            }
            Self::Databricks(workspace) => workspace.put(key, bytes),
        }
    }

    /// Takes an object away.
    pub async fn remove(&self, key: &str) {
        match self {
            Self::S3(s3) => s3.remove(key).await,
            Self::File(root) => fs::remove_file(root.path().join(key)).expect("a file"),
            Self::Databricks(workspace) => workspace.remove(key),
        }
    }

    /// Its readers.
    pub async fn readers(&self) -> Readers {
        let metrics = Arc::new(Metrics::new().expect("metrics"));
        let counted = || Arc::clone(&metrics);
        let (bare, lister): (Arc<dyn ObjectReader>, Arc<dyn ObjectLister>) = match self {
            Self::S3(s3) => {
                let connection = S3Connection::load(S3Config {
                    bucket: BucketName::parse(s3.bucket()).expect("a name"),
                    prefix: KeyPrefix::default(),
                    force_path_style: None,
                    access: Access::Explicit(s3.access().clone()),
                    timeouts: OriginTimeouts::default(),
                });
                let connection = connection.await.expect("a connection");
                let client = connection.client(ReadFor::Viewer);
                let health = Arc::new(BucketHealth::default());
                (
                    Arc::new(S3Reader::new(
                        client.clone(),
                        connection.clone(),
                        health,
                        counted(),
                    )),
                    Arc::new(S3Lister::new(client, connection, counted())),
                )
            }
            Self::File(root) => {
                let reader = Arc::new(file_reader(root.path(), counted()));
                (Arc::clone(&reader) as _, reader)
            }
            Self::Databricks(workspace) => {
                let client = workspace.connection().client(ReadFor::Viewer);
                let reader = Arc::new(DatabricksReader::new(client, counted()));
                (Arc::clone(&reader) as _, reader)
            }
        };
        Readers {
            reader: wrapped(Arc::clone(&bare), &metrics),
            bare,
            lister,
            metrics,
        }
    }
}

/// A reader of a folder.
pub fn file_reader(folder: &std::path::Path, metrics: Arc<Metrics>) -> FileReader {
    let folder = FolderPath::parse(folder.to_str().expect("UTF-8"));
    let config = FileConfig {
        folder: folder.expect("a path"),
        timeouts: OriginTimeouts::default(),
    };
    FileReader::new(config, metrics)
}

/// A reader in the wrappers of the service, in their order.
pub fn wrapped(bare: Arc<dyn ObjectReader>, metrics: &Arc<Metrics>) -> Arc<dyn ObjectReader> {
    let gated = Arc::new(Gated::new(Shared(bare), Arc::new(Gate::new(64))));
    let budget = Arc::new(RetryBudget::default());
    let total = Duration::from_secs(10);
    Arc::new(Resuming::new(gated, Arc::clone(metrics), budget, total))
}

/// A reader that was chosen at run time, as one that is known when compiling.
struct Shared(Arc<dyn ObjectReader>);

impl ObjectReader for Shared {
    fn read(
        &self,
        request: s3reel::storage::ReadRequest,
    ) -> s3reel::storage::BoxFuture<
        '_,
        Result<s3reel::storage::ObjectRead, s3reel::storage::ReadError>,
    > {
        self.0.read(request)
    }

    fn head(
        &self,
        key: s3reel::object::ObjectKey,
    ) -> s3reel::storage::BoxFuture<
        '_,
        Result<s3reel::storage::ObjectHead, s3reel::storage::ReadError>,
    > {
        self.0.head(key)
    }

    fn capabilities(&self) -> s3reel::storage::Capabilities {
        self.0.capabilities()
    }
}

/// A time long enough ago for a file's clock.
pub fn long_ago() -> SystemTime {
    SystemTime::now() - Duration::from_mins(10)
}
