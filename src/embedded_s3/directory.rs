//! Objects that are files of a folder.
//!
//! Nothing outside the folder can be reached: every path is opened relative to it through
//! `cap-std`, which follows no symbolic link out, and keys with empty, `.`, `..` or dot-file
//! segments name nothing. A link to a file inside is that file.

use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
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

/// A folder whose files are objects. Clones share it.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Dir>);

/// Bytes that are read from a file at once.
const READ_BYTES: u64 = 256 * 1024;

impl Directory {
    /// The folder at `path`.
    ///
    /// # Errors
    /// When it is none, or may not be read.
    pub fn open_folder(path: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        Ok(Self(Arc::new(dir)))
    }

    /// The file that a key names, if it names one.
    ///
    /// # Errors
    /// What the file system says, other than that there is no such file.
    pub async fn open(&self, key: &str) -> io::Result<Option<Box<dyn Open>>> {
        if !names_a_file(key) {
            return Ok(None);
        }
        let dir = Arc::clone(&self.0);
        let key = key.to_owned();
        spawn_blocking(move || open_file(&dir, &key))
            .await
            .map_err(io::Error::other)?
    }

    /// One page of keys.
    ///
    /// # Errors
    /// What the file system says of the folder that was asked for.
    pub async fn list(&self, request: PageRequest) -> io::Result<Page> {
        let dir = Arc::clone(&self.0);
        spawn_blocking(move || {
            let mut collector = Collector::new(&request);
            walk(&dir, "", &request, &mut collector)?;
            Ok(collector.finish())
        })
        .await
        .map_err(io::Error::other)?
    }
}

/// False for keys that no file of the folder has: dot files, segments that file systems collapse,
/// and characters that no key may have or that separate segments elsewhere.
fn names_a_file(key: &str) -> bool {
    !key.contains(|c: char| c.is_control() || c == '\\')
        && key
            .split('/')
            .all(|segment| !segment.is_empty() && !segment.starts_with('.'))
}

fn open_file(dir: &Dir, key: &str) -> io::Result<Option<Box<dyn Open>>> {
    if !is_served(dir, key) {
        return Ok(None);
    }
    let file = match dir.open(key) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let modified = metadata.modified()?.into_std();
    let entry = entry(key, metadata.len(), modified);
    Ok(Some(Box::new(OpenFile { entry, file })))
}

/// True for a file inside, or a link to one that has a key of its own. It is asked before anything
/// is opened: opening a pipe would wait for its other end. A link that leads nowhere, in a circle
/// or out of the folder is no file.
fn is_served(dir: &Dir, key: &str) -> bool {
    let is_file = dir.metadata(key).is_ok_and(|metadata| metadata.is_file());
    let has_key = dir
        .canonicalize(key)
        .is_ok_and(|target| target.to_str().is_some_and(names_a_file));
    is_file && has_key
}

/// Nothing there, a folder as if it were a file, a name too long for the file system, or a way out
/// of the folder: all of them are no object.
fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound, PermissionDenied};
    matches!(
        error.kind(),
        NotFound | NotADirectory | PermissionDenied | InvalidFilename
    )
}

/// The tag changes with every write that changes the time or the length; a file rewritten within
/// the clock's resolution to the same length goes unseen, as with every server of plain files.
fn entry(key: &str, length: u64, modified: SystemTime) -> Entry {
    let nanoseconds = modified
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    Entry {
        length,
        etag: format!("{nanoseconds:x}-{length:x}"),
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
    dir: &Dir,
    path: &str,
    request: &PageRequest,
    collector: &mut Collector<'_>,
) -> io::Result<Collected> {
    for name in names(dir)? {
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
                (true, false) => match dir.open_dir(name.trim_end_matches('/')) {
                    Ok(inner) => walk(&inner, &key, request, collector)?,
                    // It went away, or we may not look into it.
                    Err(_) => Collected::More,
                },
            }
        } else {
            collector.add(&key, || {
                let metadata = dir
                    .metadata(&name)
                    .ok()
                    .filter(cap_std::fs::Metadata::is_file)?;
                let modified = metadata.modified().ok()?.into_std();
                Some(entry(&key, metadata.len(), modified))
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
fn names(dir: &Dir) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in dir.entries()? {
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
        } else if !kind.is_file() && !is_served(dir, &name) {
            continue;
        }
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
}

/// A file, open for reading. It stays the same file when its name is given to another; only one
/// who writes into it in place can change what is read of it.
struct OpenFile {
    entry: Entry,
    file: File,
}

impl Open for OpenFile {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn bytes(self: Box<Self>, range: Option<InclRange>) -> StreamingBlob {
        let Self { file, .. } = *self;
        let chunks = range.map_or(FileChunks::empty(), |range| FileChunks::new(file, range));
        StreamingBlob::new(chunks)
    }
}

/// The bytes of a range, read a piece at a time on the pool for blocking work, the next piece
/// only when the last was taken.
struct FileChunks {
    state: ReadState,
    remaining: u64,
}

enum ReadState {
    Done,
    Idle(File),
    Reading(JoinHandle<io::Result<(File, Bytes)>>),
}

impl FileChunks {
    const fn empty() -> Self {
        Self {
            state: ReadState::Done,
            remaining: 0,
        }
    }

    fn new(file: File, range: InclRange) -> Self {
        let first = range.first();
        let length = range.byte_count().min(READ_BYTES);
        let reading = spawn_blocking(move || {
            let mut file = file;
            file.seek(SeekFrom::Start(first))?;
            read_piece(file, length)
        });
        Self {
            state: ReadState::Reading(reading),
            remaining: range.byte_count(),
        }
    }
}

fn read_piece(mut file: File, length: u64) -> io::Result<(File, Bytes)> {
    let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.by_ref().take(length).read_to_end(&mut piece)?;
    if piece.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((file, piece.into()))
}

impl Stream for FileChunks {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let ReadState::Idle(_) = this.state
            && let ReadState::Idle(file) = std::mem::replace(&mut this.state, ReadState::Done)
        {
            let length = this.remaining.min(READ_BYTES);
            this.state = ReadState::Reading(spawn_blocking(move || read_piece(file, length)));
        }
        let ReadState::Reading(reading) = &mut this.state else {
            return Poll::Ready(None);
        };
        let read = ready!(Pin::new(reading).poll(cx));
        match read.map_err(io::Error::other).flatten() {
            Ok((file, piece)) => {
                let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                this.remaining = this.remaining.saturating_sub(length);
                this.state = if this.remaining == 0 {
                    ReadState::Done
                } else {
                    ReadState::Idle(file)
                };
                Poll::Ready(Some(Ok(piece)))
            }
            Err(error) => {
                this.state = ReadState::Done;
                this.remaining = 0;
                Poll::Ready(Some(Err(error.into())))
            }
        }
    }
}

impl ByteStream for FileChunks {
    fn remaining_length(&self) -> RemainingLength {
        usize::try_from(self.remaining)
            .map_or_else(|_| RemainingLength::unknown(), RemainingLength::new_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_file_systems_collapse_and_dot_files_name_nothing() {
        for key in [
            "a.mp4",
            "a/b.mp4",
            "a b/c+d%.mp4",
            "..a".trim_start_matches('.'),
        ] {
            assert!(names_a_file(key), "{key}");
        }
        for key in [
            "", "/a", "a//b", "a/", ".", "..", "../a", "a/../b", ".hidden", "a/.git/b", "a\0b",
            "a\\b",
        ] {
            assert!(!names_a_file(key), "{key}");
        }
    }
}
