//! Files of one folder, and nothing outside it.
//!
//! Every path is opened relative to the folder through `cap-std`, which follows no symbolic link out,
//! and keys with empty, `.`, `..` or dot-file segments name nothing. A link to a file inside is that
//! file. What is no plain file (a folder, a device, a pipe, a socket) is not there.
//!
//! Everything here blocks.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{
    Dir, File, FileExt as _, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _,
};
use rustix::fs::OFlags;

use crate::semantics::{CompleteLength, HttpDate};

/// An open folder.
#[derive(Debug)]
pub struct Folder(Dir);

/// False for keys that no file of the folder has: dot files, segments that file systems collapse,
/// and characters that no key may have or that separate segments elsewhere.
#[must_use]
pub fn names_a_file(key: &str) -> bool {
    !key.contains(|c: char| c.is_control() || c == '\\')
        && key
            .split('/')
            .all(|segment| !segment.is_empty() && !segment.starts_with('.'))
}

impl Folder {
    /// The folder at `path`, which may be a link to it.
    ///
    /// # Errors
    /// When it is none, or may not be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Dir::open_ambient_dir(path, ambient_authority()).map(Self)
    }

    /// The file that a key names, if it names one.
    ///
    /// # Errors
    /// What the file system says, other than that there is no such file.
    pub fn file(&self, key: &str) -> io::Result<Option<OpenFile>> {
        let Some(target) = self.inside(key)? else {
            return Ok(None);
        };
        // Asked before anything is opened, since opening some devices does something.
        if present(self.0.metadata(&target))?.is_none_or(|metadata| !metadata.is_file()) {
            return Ok(None);
        }
        self.open_plain(&target)
    }

    /// The folder that a path names, if it names one; the empty path names this one.
    ///
    /// # Errors
    /// What the file system says, other than that there is no such folder.
    pub fn folder(&self, path: &str) -> io::Result<Option<Self>> {
        if path.is_empty() {
            return self.0.try_clone().map(Self).map(Some);
        }
        let Some(target) = self.inside(path)? else {
            return Ok(None);
        };
        Ok(present(self.0.open_dir(target))?.map(Self))
    }

    /// The folder itself.
    #[must_use]
    pub const fn dir(&self) -> &Dir {
        &self.0
    }

    /// Where a key leads, without links; `None` for out of the folder, nowhere, in a circle or to
    /// what has no key of its own, such as a dot file.
    fn inside(&self, key: &str) -> io::Result<Option<PathBuf>> {
        if !names_a_file(key) {
            return Ok(None);
        }
        let target = present(self.0.canonicalize(key))?;
        Ok(target.filter(|target| target.to_str().is_some_and(names_a_file)))
    }

    /// Opens a plain file, and nothing else. What was one a moment ago may be a pipe now, and to open
    /// that without the flag would wait for its other end.
    fn open_plain(&self, target: &Path) -> io::Result<Option<OpenFile>> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        let Some(file) = present(self.0.open_with(target, &options))? else {
            return Ok(None);
        };
        let metadata = file.metadata()?;
        let version = FileVersion::of(&metadata);
        Ok(metadata.is_file().then_some(OpenFile { file, version }))
    }
}

/// `None` for what is not there: nothing, a folder as if it were a file, a name too long for the file
/// system, links in a circle, or a way out of the folder.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound, PermissionDenied};
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            NotFound | NotADirectory | InvalidFilename => Ok(None),
            // A way out of the folder is refused by cap-std and not by the system.
            PermissionDenied if error.raw_os_error().is_none() => Ok(None),
            _ if is_circle(&error) => Ok(None),
            _ => Err(error),
        },
    }
}

fn is_circle(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Which content a file has, as far as the file system tells: it is another when the name was given
/// to another file, and when the file was written to.
///
/// Two writes within one tick of the file system's clock (1 to 10 ms on Linux) that leave the size as
/// it is cannot be told apart, nor can what is written through a memory map before it is flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileVersion {
    device: u64,
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl FileVersion {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        }
    }

    /// The opaque part of its entity tag: all that tells versions apart, so that different ones never
    /// have the same.
    #[must_use]
    pub fn tag(&self) -> String {
        let Self {
            device,
            inode,
            size,
            seconds,
            nanoseconds,
        } = self;
        let mut tag = format!("{device:x}-{inode:x}-{size:x}-");
        // Writing to a string cannot fail.
        let _ = write!(tag, "{seconds:x}.{nanoseconds:x}");
        tag
    }

    /// Length in bytes.
    #[must_use]
    pub const fn length(&self) -> CompleteLength {
        CompleteLength::new(self.size)
    }

    /// The second of the last change, if it can be written.
    #[must_use]
    pub fn modified(&self) -> Option<HttpDate> {
        HttpDate::from_epoch_seconds(self.seconds)
    }
}

/// A file, open for reading. It stays the same file when its name is given to another or taken away.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    version: FileVersion,
}

/// Why a piece of a file was not read.
#[derive(Debug)]
pub enum PieceError {
    /// Somebody has written into the file since it was opened.
    Changed,
    /// What the file system says.
    Io(io::Error),
}

impl OpenFile {
    /// Which version it is.
    #[must_use]
    pub const fn version(&self) -> FileVersion {
        self.version
    }

    /// The time of the last change.
    ///
    /// # Errors
    /// When the file system has none.
    pub fn modified(&self) -> io::Result<SystemTime> {
        Ok(self.file.metadata()?.modified()?.into_std())
    }

    /// `length` bytes from `first` on, which the file has to have. They are of its version: that is
    /// looked at again after they have been read, since a write changes the time first.
    ///
    /// # Errors
    /// [`PieceError::Changed`] if it was written to, or what the file system says.
    pub fn piece(&self, first: u64, length: usize) -> Result<Bytes, PieceError> {
        let mut piece = vec![0; length];
        let mut filled = 0;
        let mut at = first;
        while let Some(room) = piece.get_mut(filled..).filter(|room| !room.is_empty()) {
            let count = match self.file.read_at(room, at) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(PieceError::Io(error)),
            };
            if count == 0 {
                break;
            }
            filled = filled.saturating_add(count);
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        let now = self.file.metadata().map_err(PieceError::Io)?;
        if FileVersion::of(&now) != self.version {
            return Err(PieceError::Changed);
        }
        if filled < length {
            return Err(PieceError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(piece.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn keys_that_file_systems_collapse_and_dot_files_name_nothing() {
        for key in ["a.mp4", "a/b.mp4", "a b/c+d%.mp4", "a..b", "a./b"] {
            assert!(names_a_file(key), "{key}");
        }
        for key in [
            "", "/a", "a//b", "a/", ".", "..", "../a", "a/../b", ".hidden", "a/.git/b", "a\0b",
            "a\\b",
        ] {
            assert!(!names_a_file(key), "{key}");
        }
    }

    fn make_pipe(path: &Path) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    #[test]
    fn what_became_a_pipe_after_it_was_looked_at_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        make_pipe(&root.path().join("pipe.mp4"));
        let folder = Folder::open(root.path()).unwrap();
        assert!(folder.open_plain(Path::new("pipe.mp4")).unwrap().is_none());
        assert!(folder.file("pipe.mp4").unwrap().is_none());
    }

    #[test]
    fn links_inside_are_followed_and_others_are_not_there() {
        let root = tempfile::tempdir().unwrap();
        let served = root.path().join("served");
        fs::create_dir_all(served.join(".git")).unwrap();
        fs::create_dir(served.join("films")).unwrap();
        fs::write(root.path().join("secret"), "s").unwrap();
        fs::write(served.join(".git/config"), "s").unwrap();
        fs::write(served.join("films/a.mp4"), "a").unwrap();
        for (link, target) in [
            ("inside.mp4", "films/a.mp4"),
            ("folder", "films"),
            ("outside.mp4", "../secret"),
            ("absolute.mp4", "/etc/hostname"),
            ("nowhere.mp4", "nothing"),
            ("circle.mp4", "circle.mp4"),
            ("hidden.mp4", ".git/config"),
            ("git", ".git"),
            ("out", ".."),
            ("null.mp4", "/dev/null"),
        ] {
            symlink(target, served.join(link)).unwrap();
        }
        let folder = Folder::open(&served).unwrap();
        for (key, is_there) in [
            ("films/a.mp4", true),
            ("inside.mp4", true),
            ("folder/a.mp4", true),
            ("films", false),
            ("films/a.mp4/b", false),
            ("outside.mp4", false),
            ("absolute.mp4", false),
            ("nowhere.mp4", false),
            ("circle.mp4", false),
            ("hidden.mp4", false),
            ("git/config", false),
            ("out/secret", false),
            ("null.mp4", false),
            (&"x".repeat(300), false),
        ] {
            let file = folder
                .file(key)
                .unwrap_or_else(|error| panic!("{key}: {error}"));
            assert_eq!(file.is_some(), is_there, "{key}");
        }
        for (path, is_there) in [
            ("", true),
            ("films", true),
            ("folder", true),
            ("git", false),
            ("out", false),
            ("inside.mp4", false),
        ] {
            assert_eq!(folder.folder(path).unwrap().is_some(), is_there, "{path}");
        }
    }

    #[test]
    fn a_piece_is_of_the_version_that_was_opened_or_none() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        fs::write(&path, "0123456789").unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let open = || folder.file("a").unwrap().unwrap();
        let first = open();
        assert_eq!(first.piece(2, 3).unwrap(), "234");
        // Another file by the same name: this one is read on.
        fs::write(root.path().join("b"), "abcdefghij").unwrap();
        fs::rename(root.path().join("b"), &path).unwrap();
        assert_eq!(first.piece(5, 5).unwrap(), "56789");
        let second = open();
        assert_ne!(first.version(), second.version());
        assert_ne!(first.version().tag(), second.version().tag());
        fs::remove_file(&path).unwrap();
        assert_eq!(second.piece(0, 1).unwrap(), "a");
    }

    #[test]
    fn every_way_to_write_into_an_open_file_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a");
        let old = SystemTime::now() - std::time::Duration::from_mins(1);
        for write in ["other", "truncate", "append", "same"] {
            fs::write(&path, "0123456789").unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(old).unwrap();
            let opened = Folder::open(root.path())
                .unwrap()
                .file("a")
                .unwrap()
                .unwrap();
            assert!(opened.piece(0, 10).is_ok());
            match write {
                "truncate" => file.set_len(4).unwrap(),
                "append" => file.set_len(20).unwrap(),
                text => {
                    std::os::unix::fs::FileExt::write_at(&file, text.as_bytes(), 3)
                        .map(drop)
                        .unwrap();
                }
            }
            assert!(
                matches!(opened.piece(0, 4), Err(PieceError::Changed)),
                "{write}"
            );
        }
    }
}
