//! Each kind of origin that the service can read, with a reader over it that is wrapped as in the service.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use s3reel::object::BucketName;
use s3reel::object::mount::Mount;
use s3reel::service::origin::{OriginConfig, OriginSource};
use s3reel::service::source::{Opened, connect};
use s3reel::storage::file::{FileConfig, FileReader, FolderPath, SharedFolder};
use s3reel::storage::gate::{Gate, Gated};
use s3reel::storage::health::OriginHealth;
use s3reel::storage::http::{OriginTimeouts, ReadFor};
use s3reel::storage::resume::Resuming;
use s3reel::storage::retry::RetryBudget;
use s3reel::storage::s3::S3Config;
use s3reel::storage::s3::client::Access;
use s3reel::storage::{ObjectLister, ObjectReader};
use s3reel::telemetry::{Metrics, OriginMetrics};
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
    pub lister: Box<dyn ObjectLister>,
    /// What they count.
    pub metrics: Arc<OriginMetrics>,
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

    /// It, as the service is told of it.
    pub fn source(&self) -> OriginSource {
        match self {
            Self::S3(s3) => {
                let bucket = BucketName::parse(s3.bucket()).expect("a name");
                let config = S3Config::of(bucket, Access::Explicit(s3.access().clone()));
                OriginSource::S3(Box::new(config))
            }
            Self::File(root) => OriginSource::File(file_config(root.path())),
            Self::Databricks(workspace) => {
                let config = workspace.connection().config().clone();
                OriginSource::Databricks(Box::new(config))
            }
        }
    }

    /// It, at a place of a service.
    pub fn at(&self, place: &str) -> OriginConfig {
        OriginConfig {
            mount: Mount::parse(place).expect("a place"),
            ..OriginConfig::of(self.source())
        }
    }

    /// Its readers, as the service makes them.
    pub async fn readers(&self) -> Readers {
        let metrics = metrics();
        let source = connect(&self.source()).await.expect("an origin");
        let Opened { reader, lister } = source.open(ReadFor::Viewer, &Arc::default(), &metrics);
        Readers {
            reader: wrapped(Arc::clone(&reader), &metrics),
            bare: reader,
            lister,
            metrics,
        }
    }
}

/// Figures of some origin.
pub fn metrics() -> Arc<OriginMetrics> {
    Arc::new(Metrics::new().expect("metrics").of_origin("/"))
}

fn file_config(folder: &Path) -> FileConfig {
    let folder = FolderPath::parse(folder.to_str().expect("UTF-8"));
    FileConfig {
        folder: folder.expect("a path"),
        timeouts: OriginTimeouts::default(),
    }
}

/// A folder as workers share it.
pub fn shared_folder(folder: &Path) -> SharedFolder {
    SharedFolder::new(file_config(folder)).expect("threads")
}

/// A reader of a folder.
pub fn file_reader(folder: &Path) -> FileReader {
    let health = Arc::new(OriginHealth::default());
    FileReader::new(shared_folder(folder), health, metrics())
}

/// A reader in the wrappers of the service, in their order.
pub fn wrapped(bare: Arc<dyn ObjectReader>, metrics: &Arc<OriginMetrics>) -> Arc<dyn ObjectReader> {
    let gated = Arc::new(Gated::new(bare, Arc::new(Gate::new(64))));
    let budget = Arc::new(RetryBudget::default());
    let total = Duration::from_secs(10);
    Arc::new(Resuming::new(gated, Arc::clone(metrics), budget, total))
}

/// A time long enough ago for a file's clock.
pub fn long_ago() -> SystemTime {
    SystemTime::now() - Duration::from_mins(10)
}
