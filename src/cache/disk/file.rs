//! A block as a file: its bytes, and behind them what tells whether they are right.
//!
//! The bytes come first, so that they lie at the same places as in a page. The end has the name and the
//! length of the block and a CRC of it all. Nothing is trusted that does not agree with it: a file that
//! was cut, written half, overwritten, renamed or copied from elsewhere is no block.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read as _, Write as _};
use std::ops::Range;
#[cfg(not(target_os = "linux"))]
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;

use super::name::BlockName;
use crate::cache::eviction::MOST_USES;
use crate::storage::Piece;
use crate::storage::piece::{FilePart, in_page_cache, read_if_in_page_cache};

/// What every file of ours ends with begins with this; the last character is the version of the form.
const MARK: &[u8; 8] = b"s3reelB1";

/// Bytes behind those of the block: mark, name, length, and the CRC-32 of block and all of these.
pub const END_BYTES: u64 = 8 + 40 + 8 + 4;

/// Bytes that are copied rather than sent from the file: a call to the kernel less for as few.
const COPIED_BYTES: usize = 16 * 1024;

/// A block whose file is open, and was found right.
#[derive(Debug)]
pub struct OpenBlock {
    file: Arc<File>,
    length: u64,
    /// Of when it was found right.
    stamp: Stamp,
    /// Since they were taken.
    uses: AtomicU8,
}

/// What changes when anyone writes to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    length: u64,
    /// Seconds and nanoseconds of the last change.
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        // The metadata of the standard library asks for all there is, and this is asked for every part
        // that is sent.
        #[cfg(target_os = "linux")]
        let stamp = rustix::fs::fstat(file).map(|status| Self {
            length: u64::try_from(status.st_size).unwrap_or_default(),
            changed: (
                status.st_ctime,
                i64::try_from(status.st_ctime_nsec).unwrap_or_default(),
            ),
        })?;
        #[cfg(not(target_os = "linux"))]
        let stamp = file.metadata().map(|metadata| Self {
            length: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })?;
        Ok(stamp)
    }
}

impl OpenBlock {
    fn new(file: File, length: u64) -> io::Result<Self> {
        let stamp = Stamp::of(&file)?;
        Ok(Self {
            file: Arc::new(file),
            length,
            stamp,
            uses: AtomicU8::new(0),
        })
    }

    /// Opens a block again that was found right then, if that needs no wait for the disk and nobody has
    /// written to it since.
    #[must_use]
    pub fn again(path: &Path, stamp: Stamp) -> Option<Self> {
        let length = stamp.length.checked_sub(END_BYTES)?;
        let open = Self::new(open_if_known(path).ok()?, length).ok()?;
        (open.stamp == stamp).then_some(open)
    }

    /// Of when it was found right.
    #[must_use]
    pub const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Counts a use.
    pub fn used(&self) {
        // More say no more, so a block that many use is not written to again and again, and one that is
        // lost between two threads says nothing.
        let uses = self.uses.load(Ordering::Relaxed);
        if uses < MOST_USES {
            self.uses.store(uses.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// How often it was used since this was asked.
    #[must_use]
    pub fn take_uses(&self) -> u8 {
        self.uses.swap(0, Ordering::Relaxed)
    }

    /// Whether it can be told at all what the kernel holds of it, where it has just been read or written.
    #[must_use]
    pub fn can_be_sent(&self) -> bool {
        in_page_cache(&self.file, 0..1)
    }

    /// Whether parts of it are on their way.
    #[must_use]
    pub fn is_being_sent(&self) -> bool {
        Arc::strong_count(&self.file) > 1
    }

    /// Bytes from `range` of the block, if they can be had without waiting for the disk, and nobody has
    /// written to the file since it was found right.
    #[must_use]
    pub fn at_hand(&self, range: Range<u64>) -> Option<Piece> {
        if range.end > self.length {
            return None;
        }
        let length = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        let piece = if length <= COPIED_BYTES {
            Piece::Memory(read_if_in_page_cache(&self.file, range.start, length).ok()?)
        } else if in_page_cache(&self.file, range.clone()) {
            Piece::File(FilePart::new(Arc::clone(&self.file), range.start, length))
        } else {
            return None;
        };
        // After that: file systems of a network do not get here, which might be asked, and hang.
        let is_as_it_was = Stamp::of(&self.file).is_ok_and(|stamp| stamp == self.stamp);
        is_as_it_was.then_some(piece)
    }
}

/// Why there is no block in a file.
#[derive(Debug)]
pub enum Unreadable {
    /// There is no such file.
    Missing,
    /// What is in it is not the block.
    Damaged,
    /// What the file system says.
    Io(io::Error),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Io(error),
        }
    }
}

/// Writes a block under its own name, or nothing: first under the name `beside`, which has to be on the
/// same file system. The kernel may lose it with the power, or half of it; that is told when it is read.
///
/// # Errors
/// What the file system says; nothing is left behind then, if it lets us.
pub fn write(
    path: &Path,
    beside: &Path,
    name: &BlockName,
    pieces: &[Bytes],
) -> io::Result<OpenBlock> {
    let written = write_beside(beside, name, pieces).and_then(|(file, length)| {
        fs::rename(beside, path)?;
        // Being renamed is a change too.
        OpenBlock::new(file, length)
    });
    if written.is_err() {
        // It is looked for at the next start as well.
        let _ = fs::remove_file(beside);
    }
    written
}

fn write_beside(beside: &Path, name: &BlockName, pieces: &[Bytes]) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(beside)?;
    do_not_note_reads(&file);
    let mut crc = crc32fast::Hasher::new();
    let mut length = 0_u64;
    for piece in pieces {
        crc.update(piece);
        length = length.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
    }
    let end = end(name, length);
    crc.update(&end);
    let sum = crc.finalize().to_le_bytes();
    let parts = pieces.iter().map(Bytes::as_ref).chain([&end[..], &sum[..]]);
    write_at_once(&mut file, parts)?;
    Ok((file, length))
}

/// Writes parts as if they were one. The page cache takes memory in parts as large as what it is given at
/// once, if the file system lets it, and sending a file costs by the part.
fn write_at_once<'a>(file: &mut File, parts: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
    let mut slices: Vec<_> = parts.map(IoSlice::new).collect();
    let mut left = &mut slices[..];
    // Drops what is empty in front, so that no write tells that nothing was written.
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads a block of `length` bytes.
///
/// # Errors
/// [`Unreadable`], also for a single wrong bit.
pub fn read(path: &Path, name: &BlockName, length: u64) -> Result<(Bytes, OpenBlock), Unreadable> {
    // What is written while it is read is another change.
    let file = File::open(path)?;
    do_not_note_reads(&file);
    let open = OpenBlock::new(file, length)?;
    let expected = length.saturating_add(END_BYTES);
    if open.stamp.length != expected {
        return Err(Unreadable::Damaged);
    }
    let room = usize::try_from(expected).map_err(|_| Unreadable::Damaged)?;
    let mut all = Vec::with_capacity(room);
    (&*open.file).take(expected).read_to_end(&mut all)?;
    let whole = u64::try_from(all.len()).ok() == Some(expected);
    let mut all = Bytes::from(all);
    let block = all.split_to(usize::try_from(length).unwrap_or(0).min(all.len()));
    let (told, sum) = all.split_at(all.len().saturating_sub(4));
    let mut crc = crc32fast::Hasher::new();
    crc.update(&block);
    crc.update(told);
    let is_right = whole && told == end(name, length) && sum == crc.finalize().to_le_bytes();
    if is_right {
        Ok((block, open))
    } else {
        Err(Unreadable::Damaged)
    }
}

/// Has the kernel not look each time whether it is time to note when the file was read last.
#[cfg(target_os = "linux")]
fn do_not_note_reads(file: &File) {
    // Refused for files of others, which are read all the same.
    let _ = rustix::fs::fcntl_setfl(file, rustix::fs::OFlags::NOATIME);
}

/// Elsewhere no file is sent.
#[cfg(not(target_os = "linux"))]
const fn do_not_note_reads(_: &File) {}

/// Opens a file whose path the kernel holds in memory.
#[cfg(target_os = "linux")]
fn open_if_known(path: &Path) -> io::Result<File> {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
    use rustix::io::Errno;

    let open = |flags| openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = match open(flags | OFlags::NOATIME) {
        // It is another's.
        Err(Errno::PERM) => open(flags),
        opened => opened,
    };
    Ok(opened?.into())
}

/// Elsewhere none is sent, so none is opened.
#[cfg(not(target_os = "linux"))]
fn open_if_known(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

fn end(name: &BlockName, length: u64) -> Vec<u8> {
    [&MARK[..], &name.to_bytes(), &length.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(position: u64) -> BlockName {
        BlockName {
            object: [1; 16],
            version: [2; 16],
            position,
        }
    }

    #[test]
    fn a_block_is_read_back_and_with_any_bit_wrong_or_byte_missing_it_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (path, beside) = (folder.path().join("a"), folder.path().join("b"));
        let pieces = [Bytes::from_static(b"0123"), Bytes::from_static(b"456789")];
        write(&path, &beside, &name(3), &pieces).unwrap();
        assert!(!beside.exists());
        assert_eq!(read(&path, &name(3), 10).unwrap().0, "0123456789");
        let right = fs::read(&path).unwrap();
        let is_damaged = |name: BlockName, length| {
            matches!(read(&path, &name, length), Err(Unreadable::Damaged))
        };
        // Another block's file under this name, and one of another length.
        assert!(is_damaged(name(4), 10));
        assert!(is_damaged(name(3), 9));
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 1 << (at % 8);
            fs::write(&path, &wrong).unwrap();
            assert!(is_damaged(name(3), 10), "{at}");
            fs::write(&path, &right[..at]).unwrap();
            assert!(is_damaged(name(3), 10), "cut at {at}");
        }
        fs::write(&path, [&right[..], b"."].concat()).unwrap();
        assert!(is_damaged(name(3), 10), "longer");
        fs::remove_file(&path).unwrap();
        assert!(matches!(
            read(&path, &name(3), 10),
            Err(Unreadable::Missing)
        ));
        fs::create_dir(&path).unwrap();
        assert!(read(&path, &name(3), 10).is_err());
    }

    #[test]
    fn a_block_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let beside = folder.path().join("b");
        let nowhere = folder.path().join("none/a");
        assert!(write(&nowhere, &beside, &name(0), &[Bytes::from_static(b"a")]).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // A full disk.
        let full = Path::new("/dev/full");
        if full.exists() {
            let error = write_beside(full, &name(0), &[Bytes::from_static(b"a")]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        }
    }
}
