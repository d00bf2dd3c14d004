//! Reads as files of a folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::body::FileBody;
use super::error::{folder_error, read_error};
use super::folder::{FileVersion, Folder, OpenFile};
use super::pool::BlockingPlaces;
use crate::object::{ObjectKey, Representation};
use crate::semantics::range_specifier::Resolved;
use crate::semantics::{EntityTag, Validators};
use crate::storage::capability::Capabilities;
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::http::OriginTimeouts;
use crate::storage::{
    BoxFuture, Nothing, ObjectHead, ObjectRead, ObjectReader, ReadRequest, Served, Source,
};
use crate::telemetry::Metrics;

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

/// Reads files of one folder as objects. Clones share what bounds them, so all workers of an origin
/// should have clones of one.
#[derive(Clone)]
pub struct FileReader {
    pub(super) config: Arc<FileConfig>,
    pub(super) places: BlockingPlaces,
    pub(super) metrics: Arc<Metrics>,
}

impl FileReader {
    /// A reader of a folder, which need not be there yet.
    #[must_use]
    pub fn new(config: FileConfig, metrics: Arc<Metrics>) -> Self {
        Self {
            config: Arc::new(config),
            places: BlockingPlaces::default(),
            metrics,
        }
    }

    /// Whether the folder can be read.
    ///
    /// # Errors
    /// Why it cannot: [`ReadErrorKind::Misconfigured`] if it is not there or may not be read.
    pub async fn probe(&self) -> Result<(), ReadError> {
        let target = || format!("folder {}", self.config.folder);
        let limit = self.config.timeouts.first_byte;
        let path = self.config.folder.clone();
        let work = move || Folder::open(path.as_path())?.dir().entries().map(drop);
        let outcome = self.places.run(limit, work).await.and_then(|opened| opened);
        outcome.map_err(|error| folder_error(error, target()))
    }

    async fn open(&self, key: &ObjectKey) -> Result<OpenFile, ReadError> {
        let started = Instant::now();
        let target = || format!("open of {key}");
        let (folder, name) = (self.config.folder.clone(), key.as_str().to_owned());
        let work = move || match Folder::open(folder.as_path()) {
            Ok(folder) => Ok(folder.file(&name)),
            Err(error) => Err(error),
        };
        let opened = self.places.run(self.config.timeouts.first_byte, work);
        let opened = match opened.await {
            Ok(Ok(Ok(Some(file)))) => Ok(file),
            Ok(Ok(Ok(None))) => Err(ReadError::new(ReadErrorKind::NotFound, target())),
            Ok(Ok(Err(error))) | Err(error) => Err(read_error(error, target())),
            Ok(Err(error)) => Err(folder_error(error, target())),
        };
        self.count("open", started, opened.as_ref().err());
        opened
    }

    pub(super) fn count(&self, operation: &str, started: Instant, error: Option<&ReadError>) {
        let outcome = error.map_or("ok", |error| error.kind.as_str());
        self.metrics
            .s3_called(operation, outcome, started.elapsed());
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
        let (places, metrics) = (self.places.clone(), Arc::clone(&self.metrics));
        let idle = self.config.timeouts.idle;
        Ok(ObjectRead {
            representation,
            extent,
            body: match extent {
                Some(extent) => {
                    Box::pin(FileBody::new(file, extent, places, idle, target, metrics))
                }
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
                representation: representation(self.open(&key).await?.version()),
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
