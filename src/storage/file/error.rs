//! The one door for what the file system says, as a [`ReadErrorKind`].

use std::io;

use rustix::io::Errno;

use super::folder::PieceError;
use crate::storage::error::{ReadError, ReadErrorKind};

/// Turns a failure into a [`ReadError`]. `target` names what was attempted, for the log.
#[must_use]
pub fn read_error(error: io::Error, target: String) -> ReadError {
    ReadError::new(kind(&error), target).because(error)
}

/// The same for a piece of an open file.
#[must_use]
pub fn piece_error(error: PieceError, target: String) -> ReadError {
    match error {
        PieceError::Changed => {
            ReadError::new(ReadErrorKind::Changed, target).because("the file was written to")
        }
        PieceError::Io(error) => read_error(error, target),
    }
}

fn kind(error: &io::Error) -> ReadErrorKind {
    let errno = Errno::from_io_error(error);
    match errno {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => return ReadErrorKind::Overloaded,
        // The server of a network file system has another file by now, or none.
        Some(Errno::STALE) => return ReadErrorKind::OriginFailed,
        _ => {}
    }
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ReadErrorKind::Denied,
        io::ErrorKind::TimedOut => ReadErrorKind::TimedOut,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NotConnected => ReadErrorKind::Unreachable,
        _ => ReadErrorKind::OriginFailed,
    }
}

/// Turns the failure to open the folder itself into a [`ReadError`]: nothing can be said of its
/// files then, least of all that they do not exist.
#[must_use]
pub fn folder_error(error: io::Error, target: String) -> ReadError {
    let kind = match kind(&error) {
        ReadErrorKind::NotFound | ReadErrorKind::Denied => ReadErrorKind::Misconfigured,
        kind => kind,
    };
    ReadError::new(kind, target).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_system_says_has_its_kind() {
        for (errno, expected, of_folder) in [
            (
                Errno::NOENT,
                ReadErrorKind::NotFound,
                ReadErrorKind::Misconfigured,
            ),
            (
                Errno::ACCESS,
                ReadErrorKind::Denied,
                ReadErrorKind::Misconfigured,
            ),
            (
                Errno::PERM,
                ReadErrorKind::Denied,
                ReadErrorKind::Misconfigured,
            ),
            (
                Errno::IO,
                ReadErrorKind::OriginFailed,
                ReadErrorKind::OriginFailed,
            ),
            (
                Errno::STALE,
                ReadErrorKind::OriginFailed,
                ReadErrorKind::OriginFailed,
            ),
            (
                Errno::MFILE,
                ReadErrorKind::Overloaded,
                ReadErrorKind::Overloaded,
            ),
            (
                Errno::TIMEDOUT,
                ReadErrorKind::TimedOut,
                ReadErrorKind::TimedOut,
            ),
        ] {
            let io = || io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!(read_error(io(), "a".to_owned()).kind, expected, "{errno:?}");
            let folder = folder_error(io(), "a".to_owned());
            assert_eq!(folder.kind, of_folder, "{errno:?}");
        }
        let short = piece_error(
            PieceError::Io(io::ErrorKind::UnexpectedEof.into()),
            String::new(),
        );
        assert_eq!(short.kind, ReadErrorKind::OriginFailed);
        let changed = piece_error(PieceError::Changed, String::new());
        assert_eq!(changed.kind, ReadErrorKind::Changed);
    }
}
