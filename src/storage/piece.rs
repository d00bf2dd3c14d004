//! Bytes of a body where they lie: in memory, or in a file that the kernel can send by itself.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of an answer that may be left to its connection when all of it is there: they are copied, if
/// they have to wait.
pub const SHORT_ANSWER_BYTES: u64 = 64 * 1024;

/// How far apart the bytes lie that are looked for in the page cache. It takes memory in parts that begin
/// at multiples of their size, as large as what was written at once but seldom smaller than this, and
/// gives up those that were taken or used together at about the same time.
const STEP: u64 = 64 * 1024;

/// The next bytes of a body.
#[derive(Debug, Clone)]
pub enum Piece {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    File(FilePart),
}

/// A part of a file whose bytes are known to be right.
#[derive(Debug, Clone)]
pub struct FilePart {
    file: Arc<File>,
    position: u64,
    length: usize,
    twin: Option<Arc<dyn Twin>>,
}

/// What has the bytes of a file in memory too.
pub trait Twin: Debug + Send + Sync {
    /// Bytes at these positions of the file, with memory of their own.
    fn copy(&self, range: Range<u64>) -> Option<Bytes>;

    /// The file could not be sent.
    fn file_failed(&self);
}

impl Piece {
    /// How many bytes it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::File(part) => part.len(),
        }
    }

    /// True if nothing is left of it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are in memory.
    #[must_use]
    pub fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Memory(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }

    /// Takes bytes from the front, at most all.
    pub fn advance(&mut self, length: usize) {
        let length = length.min(self.len());
        match self {
            Self::Memory(bytes) => bytes.advance(length),
            Self::File(part) => part.advance(length),
        }
    }

    /// Leaves so many bytes from the front, if it has more.
    pub fn truncate(&mut self, length: usize) {
        match self {
            Self::Memory(bytes) => bytes.truncate(length),
            Self::File(part) => part.length = part.length.min(length),
        }
    }

    /// Takes the first bytes off, at most all.
    #[must_use]
    pub fn split_to(&mut self, length: usize) -> Self {
        let mut first = self.clone();
        first.truncate(length);
        self.advance(length);
        first
    }
}

impl Default for Piece {
    fn default() -> Self {
        Self::Memory(Bytes::new())
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }
}

impl FilePart {
    /// `length` bytes of a file, from `position` on.
    #[must_use]
    pub const fn new(file: Arc<File>, position: u64, length: usize) -> Self {
        Self {
            file,
            position,
            length,
            twin: None,
        }
    }

    /// The same, whose bytes are in memory too, for when the file cannot be sent.
    #[must_use]
    pub fn with_twin(self, twin: Arc<dyn Twin>) -> Self {
        Self {
            twin: Some(twin),
            ..self
        }
    }

    /// Where its bytes are as well.
    #[must_use]
    pub fn twin(&self) -> Option<&dyn Twin> {
        self.twin.as_deref()
    }

    /// Its bytes out of memory, with memory of their own, if they are there.
    #[must_use]
    pub fn copy(&self) -> Option<Bytes> {
        let length = u64::try_from(self.length).ok()?;
        let end = self.position.checked_add(length)?;
        self.twin.as_ref()?.copy(self.position..end)
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// True if nothing is left of it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn advance(&mut self, length: usize) {
        self.length = self.length.saturating_sub(length);
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        self.position = self.position.saturating_add(length);
    }

    /// Has the kernel send bytes from the front of it, `most` at most, and tells how many it took.
    ///
    /// # Errors
    /// What the kernel says of the file or of the socket; [`io::ErrorKind::UnexpectedEof`] when the file
    /// has become shorter.
    #[cfg(target_os = "linux")]
    pub fn send(&self, socket: impl AsFd, most: usize) -> io::Result<usize> {
        let mut position = self.position;
        let wanted = self.length.min(most);
        match rustix::fs::sendfile(socket, &*self.file, Some(&mut position), wanted)? {
            0 if wanted > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            sent => Ok(sent),
        }
    }

    /// Puts bytes from the front of it into a pipe, `most` at most, and tells how many.
    ///
    /// # Errors
    /// What the kernel says of the file; [`io::ErrorKind::UnexpectedEof`] when it has become shorter.
    #[cfg(target_os = "linux")]
    pub fn fill(&self, pipe: impl AsFd, most: usize) -> io::Result<usize> {
        let mut position = self.position;
        let wanted = self.length.min(most);
        let flags = rustix::pipe::SpliceFlags::empty();
        match rustix::pipe::splice(&*self.file, Some(&mut position), pipe, None, wanted, flags)? {
            0 if wanted > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            filled => Ok(filled),
        }
    }

    /// Elsewhere no file is ever sent, see [`in_page_cache`].
    ///
    /// # Errors
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub fn send(&self, _: impl AsFd, _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Whether these bytes of a file can be had without waiting for the disk, as far as a byte here and
/// there tells. False where the system or the file system does not tell.
#[must_use]
pub fn in_page_cache(file: &File, bytes: Range<u64>) -> bool {
    let is_there = |at| read_now(file, at, &mut [0]).is_ok_and(|read| read == 1);
    // The front of what was read in order is given up first, and behind the end is nothing.
    let mut at = bytes.start;
    while at < bytes.end {
        if !is_there(at) {
            return false;
        }
        at = (at / STEP).saturating_add(1).saturating_mul(STEP);
    }
    bytes.is_empty() || is_there(bytes.end.saturating_sub(1))
}

/// Bytes of a file, if they can be had without waiting for the disk.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] if not all can, or it is not known; what the file system says otherwise.
pub fn read_if_in_page_cache(file: &File, position: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = BytesMut::zeroed(length);
    let read = read_now(file, position, &mut bytes)?;
    if read < length {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(bytes.freeze())
}

#[cfg(target_os = "linux")]
fn read_now(file: &File, position: u64, bytes: &mut [u8]) -> io::Result<usize> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    let mut slices = [io::IoSliceMut::new(bytes)];
    match preadv2(file, &mut slices, position, ReadWriteFlags::NOWAIT) {
        Err(Errno::OPNOTSUPP) => Err(io::ErrorKind::WouldBlock.into()),
        read => Ok(read?),
    }
}

#[cfg(not(target_os = "linux"))]
fn read_now(_: &File, _: u64, _: &mut [u8]) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    fn file(bytes: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Arc::new(file)
    }

    #[test]
    fn a_piece_is_taken_apart_alike_in_memory_and_in_a_file() {
        let bytes = b"0123456789";
        let memory = Piece::from(Bytes::from_static(bytes));
        let part = FilePart::new(file(bytes), 0, bytes.len());
        for mut piece in [memory, Piece::File(part)] {
            let content = |piece: &Piece| match piece {
                Piece::Memory(bytes) => bytes.to_vec(),
                Piece::File(part) => {
                    let (mut reader, writer) = UnixStream::pair().unwrap();
                    assert_eq!(part.send(&writer, usize::MAX).unwrap(), piece.len());
                    drop(writer);
                    let mut sent = Vec::new();
                    reader.read_to_end(&mut sent).unwrap();
                    sent
                }
            };
            let front = piece.split_to(3);
            assert_eq!(content(&front), b"012");
            piece.advance(2);
            assert_eq!(content(&piece), b"56789");
            piece.truncate(4);
            piece.truncate(20);
            assert_eq!((piece.len(), content(&piece)), (4, b"5678".to_vec()));
            assert_eq!(piece.split_to(9).len(), 4);
            piece.advance(1);
            assert!(piece.is_empty());
        }
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error_and_not_an_end() {
        let file = file(b"0123456789");
        let part = FilePart::new(Arc::clone(&file), 5, 5);
        file.set_len(5).unwrap();
        let (_reader, writer) = UnixStream::pair().unwrap();
        let error = part.send(&writer, 5).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(!in_page_cache(&file, 0..10));
        assert!(read_if_in_page_cache(&file, 0, 10).is_err());
    }
}
