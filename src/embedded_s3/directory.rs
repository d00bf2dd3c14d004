//! Objects that are files of a folder.
//!
//! Nothing outside the folder can be reached: see [`folder`](crate::storage::file::folder).

use std::future::Future as _;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use futures_core::Stream;
use s3s::StdError;
use s3s::dto::StreamingBlob;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::{JoinHandle, spawn_blocking};

use super::paging::{Collected, Collector, Page, PageRequest};
use super::shelf::{Entry, Metadata, Open};
use crate::object::key::MAX_KEY_BYTES;
use crate::object::media_type;
use crate::semantics::InclRange;
use crate::storage::file::folder::{FileVersion, Folder, OpenFile, PieceError, names_a_file};

/// A folder whose files are objects. Clones share it.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Folder>);

/// Bytes that are read from a file at once.
const READ_BYTES: u64 = 256 * 1024;

impl Directory {
    /// The folder at `path`.
    ///
    /// # Errors
    /// When it is none, or may not be read.
    pub fn open_folder(path: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(Folder::open(path)?)))
    }

    /// The file that a key names, if it names one.
    ///
    /// # Errors
    /// What the file system says, other than that there is no such file.
    pub async fn open(&self, key: &str) -> io::Result<Option<Box<dyn Open>>> {
        let folder = Arc::clone(&self.0);
        let key = key.to_owned();
        spawn_blocking(move || open_file(&folder, &key))
            .await
            .map_err(io::Error::other)?
    }

    /// One page of keys.
    ///
    /// # Errors
    /// What the file system says of the folder that was asked for.
    pub async fn list(&self, request: PageRequest) -> io::Result<Page> {
        let folder = Arc::clone(&self.0);
        spawn_blocking(move || {
            let mut collector = Collector::new(&request);
            walk(&folder, "", &request, &mut collector)?;
            Ok(collector.finish())
        })
        .await
        .map_err(io::Error::other)?
    }
}

fn open_file(folder: &Folder, key: &str) -> io::Result<Option<Box<dyn Open>>> {
    let file = match folder.file(key) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(None),
        // What may not be read is no object of this S3.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(error),
    };
    let entry = entry(key, file.version(), file.modified()?);
    let file = Arc::new(file);
    Ok(Some(Box::new(ObjectFile { entry, file })))
}

fn entry(key: &str, version: FileVersion, modified: SystemTime) -> Entry {
    Entry {
        length: version.length().bytes(),
        etag: version.tag(),
        modified,
        metadata: Metadata {
            content_type: media_type::by_extension(key).map(ToOwned::to_owned),
            ..Metadata::default()
        },
    }
}

/// Goes through the folder in the order of the keys' bytes, into those parts only that the request
/// can be about.
fn walk(
    folder: &Folder,
    path: &str,
    request: &PageRequest,
    collector: &mut Collector<'_>,
) -> io::Result<Collected> {
    for name in names(folder)? {
        let key = format!("{path}{name}");
        if key.len() > MAX_KEY_BYTES {
            // No key can be this long, and it bounds how deep this goes.
            continue;
        }
        let collected = if name.ends_with('/') {
            let wanted = key.starts_with(&request.prefix) || request.prefix.starts_with(&key);
            let rolled_up =
                request.by_folder && key.starts_with(&request.prefix) && key != request.prefix;
            match (wanted, rolled_up) {
                (false, _) => Collected::More,
                (true, true) => collector.add(&key, || None),
                (true, false) => match folder.folder(name.trim_end_matches('/')) {
                    Ok(Some(inner)) => walk(&inner, &key, request, collector)?,
                    // It went away, or we may not look into it.
                    Ok(None) | Err(_) => Collected::More,
                },
            }
        } else {
            collector.add(&key, || {
                let file = folder.file(&name).ok()??;
                Some(entry(&key, file.version(), file.modified().ok()?))
            })
        };
        if collected == Collected::Full {
            return Ok(Collected::Full);
        }
    }
    Ok(Collected::More)
}

/// Names of files and, with a final `/`, folders, sorted as keys are. Symbolic links to folders
/// are left out, since they could lead in circles; links to files are files.
fn names(folder: &Folder) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.dir().entries()? {
        let entry = entry?;
        let Ok(mut name) = entry.file_name().into_string() else {
            continue;
        };
        if !names_a_file(&name) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            name.push('/');
        } else if !kind.is_file() && !is_file(folder, &name) {
            continue;
        }
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

fn is_file(folder: &Folder, name: &str) -> bool {
    matches!(folder.file(name), Ok(Some(_)))
}

/// A file, open for reading.
struct ObjectFile {
    entry: Entry,
    file: Arc<OpenFile>,
}

impl Open for ObjectFile {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn bytes(self: Box<Self>, range: Option<InclRange>) -> StreamingBlob {
        StreamingBlob::new(FileChunks {
            file: self.file,
            next: range.map_or(0, InclRange::first),
            remaining: range.map_or(0, InclRange::byte_count),
            reading: None,
        })
    }
}

/// The bytes of a range, read a piece at a time on the pool for blocking work, the next piece
/// only when the last was taken.
struct FileChunks {
    file: Arc<OpenFile>,
    next: u64,
    remaining: u64,
    reading: Option<JoinHandle<Result<Bytes, PieceError>>>,
}

impl FileChunks {
    fn read(&self) -> JoinHandle<Result<Bytes, PieceError>> {
        let length = usize::try_from(self.remaining.min(READ_BYTES)).unwrap_or(0);
        let (file, next) = (Arc::clone(&self.file), self.next);
        spawn_blocking(move || file.piece(next, length))
    }
}

impl Stream for FileChunks {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.remaining == 0 {
            return Poll::Ready(None);
        }
        let mut reading = this.reading.take().unwrap_or_else(|| this.read());
        let Poll::Ready(read) = Pin::new(&mut reading).poll(cx) else {
            this.reading = Some(reading);
            return Poll::Pending;
        };
        let read = match read {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(PieceError::Changed)) => Err("the file was written to".into()),
            Ok(Err(PieceError::Io(error))) => Err(error.into()),
            Err(error) => Err(error.into()),
        };
        let length = read.as_ref().map_or(this.remaining, |piece| {
            u64::try_from(piece.len()).unwrap_or(u64::MAX)
        });
        this.next = this.next.saturating_add(length);
        this.remaining = this.remaining.saturating_sub(length);
        Poll::Ready(Some(read))
    }
}

impl ByteStream for FileChunks {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.remaining)
            .map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}
