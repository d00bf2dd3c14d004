//! Reads as files of a folder.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::FileBody;
use super::error::{folder_error, read_error};
use super::folder::{FileVersion, Folder, OpenFile};
use super::pool::{BlockingPool, Work};
use crate::object::{ObjectKey, Representation};
use crate::semantics::range_specifier::Resolved;
use crate::semantics::{EntityTag, Validators};
use crate::storage::capability::Capabilities;
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::health::OriginHealth;
use crate::storage::http::OriginTimeouts;
use crate::storage::{
    BoxFuture, Nothing, ObjectHead, ObjectRead, ObjectReader, ReadRequest, Served, Source,
};
use crate::telemetry::OriginMetrics;

/// The absolute path of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderPath(PathBuf);

/// The path is not absolute, so what it means would depend on where the program was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderPathError;

impl fmt::Display for FolderPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a folder is named by its absolute path, such as file:/srv/media")
    }
}

impl std::error::Error for FolderPathError {}

impl FolderPath {
    /// Checks a path. Whether there is a folder is seen with each read.
    ///
    /// # Errors
    /// [`FolderPathError`] when it is not absolute.
    pub fn parse(path: &str) -> Result<Self, FolderPathError> {
        let path = Path::new(path);
        if path.is_absolute() && !path.as_os_str().as_encoded_bytes().contains(&0) {
            Ok(Self(path.to_owned()))
        } else {
            Err(FolderPathError)
        }
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for FolderPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// Which folder, and how long it may take.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// The folder. It is opened anew with each read, so it may come later than the service, and be a
    /// link that is pointed elsewhere.
    pub folder: FolderPath,
    /// `first_byte` is for opening, `idle` for each piece, `total` for listing; the others do not
    /// apply.
    pub timeouts: OriginTimeouts,
}

/// A folder, and what all workers share of it.
#[derive(Debug, Clone)]
pub struct SharedFolder {
    config: Arc<FileConfig>,
    pool: BlockingPool,
}

impl SharedFolder {
    /// A folder, which need not be there yet.
    ///
    /// # Errors
    /// When no pool for blocking work can be made.
    pub fn new(config: FileConfig) -> io::Result<Self> {
        Ok(Self {
            config: Arc::new(config),
            pool: BlockingPool::new()?,
        })
    }

    /// What it was made of.
    #[must_use]
    pub fn config(&self) -> &FileConfig {
        &self.config
    }

    /// Runs `work` in its folder, within so long.
    ///
    /// # Errors
    /// [`folder_error`] when the folder cannot be opened, [`read_error`] for the rest.
    pub(super) async fn with<T, F>(
        &self,
        what: Work,
        limit: Duration,
        target: &str,
        work: F,
    ) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    {
        let path = self.config.folder.clone();
        let opened = self.pool.run(what, limit, move || {
            Folder::open(path.as_path()).map(|folder| work(&folder))
        });
        match opened.await {
            Ok(Ok(Ok(outcome))) => Ok(outcome),
            Ok(Ok(Err(error))) | Err(error) => Err(read_error(error, target.to_owned())),
            Ok(Err(error)) => Err(folder_error(error, target.to_owned())),
        }
    }

    /// Whether the folder can be read.
    ///
    /// # Errors
    /// Why it cannot: [`ReadErrorKind::Misconfigured`] if it is not there or may not be read.
    pub async fn probe(&self) -> Result<(), ReadError> {
        let target = format!("folder {}", self.config.folder);
        let limit = self.config.timeouts.first_byte;
        let work = |folder: &Folder| folder.dir().entries().map(drop);
        let mut outcome = self.with(Work::Listing, limit, &target, work).await;
        if let Err(error) = &mut outcome
            && matches!(error.kind, ReadErrorKind::Denied | ReadErrorKind::NotFound)
        {
            error.kind = ReadErrorKind::Misconfigured;
        }
        outcome
    }
}

/// Reads files of one folder as objects.
#[derive(Clone)]
pub struct FileReader {
    pub(super) folder: SharedFolder,
    metrics: Arc<OriginMetrics>,
    health: Arc<OriginHealth>,
}

impl FileReader {
    /// A reader of a folder that all workers share.
    #[must_use]
    pub const fn new(
        folder: SharedFolder,
        health: Arc<OriginHealth>,
        metrics: Arc<OriginMetrics>,
    ) -> Self {
        Self {
            folder,
            metrics,
            health,
        }
    }

    async fn open(&self, key: &ObjectKey) -> Result<OpenFile, ReadError> {
        let started = Instant::now();
        let target = format!("open of {key}");
        let name = key.as_str().to_owned();
        let limit = self.folder.config.timeouts.first_byte;
        let opened = self
            .folder
            .with(Work::Read, limit, &target, move |folder| folder.file(&name));
        let opened = opened
            .await
            .and_then(|file| file.ok_or_else(|| ReadError::new(ReadErrorKind::NotFound, target)));
        self.count("open", started, opened.as_ref().err());
        opened
    }

    pub(super) fn count(&self, operation: &str, started: Instant, error: Option<&ReadError>) {
        let outcome = error.map_or("ok", |error| error.kind.as_str());
        self.metrics
            .s3_called(operation, outcome, started.elapsed());
        self.health.called(error.map(|error| error.kind));
    }

    async fn get(&self, request: ReadRequest) -> Result<ObjectRead, ReadError> {
        let target = format!("read of {}", request.key);
        let file = self.open(&request.key).await?;
        let representation = representation(file.version());
        if let Some(pin) = &request.pin {
            let etag = representation.validators.etag.as_ref();
            if !etag.is_some_and(|etag| etag.strong_eq(pin.etag())) {
                return Err(ReadError::new(ReadErrorKind::Changed, target));
            }
        }
        let length = representation.length;
        let extent = match request.range.map(|range| range.resolve(length)) {
            _ if length.is_empty() => None,
            None => length.whole(),
            Some(Resolved::Range(extent)) => Some(extent),
            Some(Resolved::Unsatisfiable) => {
                let kind = ReadErrorKind::RangeNotSatisfiable;
                return Err(ReadError::new(kind, target));
            }
        };
        let (pool, metrics) = (self.folder.pool.clone(), Arc::clone(&self.metrics));
        let idle = self.folder.config.timeouts.idle;
        Ok(ObjectRead {
            representation: representation.into(),
            extent,
            body: match extent {
                Some(extent) => Box::pin(FileBody::new(file, extent, pool, idle, target, metrics)),
                None => Box::pin(Nothing),
            },
            served: Served::now(Source::Origin),
        })
    }
}

impl ObjectReader for FileReader {
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
        Box::pin(self.get(request))
    }

    fn head(&self, key: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>> {
        Box::pin(async move {
            Ok(ObjectHead {
                representation: representation(self.open(&key).await?.version()).into(),
                served: Served::now(Source::Origin),
            })
        })
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }
}

/// What is told of a file. Its type is found as for an object that has none.
fn representation(version: FileVersion) -> Representation {
    let mut representation = Representation::of_length(version.length());
    representation.validators = Validators {
        etag: EntityTag::parse(&format!("\"{}\"", version.tag())).ok(),
        last_modified: version.modified(),
    };
    representation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_an_absolute_path() {
        assert_eq!(
            FolderPath::parse("/srv/media").unwrap().to_string(),
            "/srv/media"
        );
        for path in ["", "media", "./media", "~/media", "/srv\0/media"] {
            assert_eq!(FolderPath::parse(path), Err(FolderPathError), "{path}");
        }
    }
}
