//! The blocks on disk: which are there, how many bytes they take, and which goes for the next.
//!
//! Everything here that touches files blocks. What is known of the files is in memory, so that asking
//! whether a block is there costs no call to the system.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use super::file::{self, END_BYTES, OpenBlock, Unreadable};
use super::index::{Gone, Index, ShelfFigures, taken_by};
use super::name::{BlockName, Digest};
use crate::storage::Piece;

/// Our part of the folder that was set. The number is that of the form of what is in it.
const OURS: &str = "s3reel-blocks-1";

/// Held locked by the process whose blocks these are.
const LOCK: &str = "lock";

/// How files begin that are being written.
const UNFINISHED: &str = "unfinished-";

/// Blocks that are taken in at once at start, so that nobody waits long for the index.
const PORTION: usize = 1000;

/// Blocks on disk.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    capacity: u64,
    index: Mutex<Index>,
    /// Blocks whose files were removed while they were being sent.
    leaving: Mutex<Vec<Gone>>,
    written: AtomicU64,
    /// Locked as long as it is open.
    _lock: File,
}

impl Shelf {
    /// The shelf in `folder`, which is made if it is not there, for `capacity` bytes, of whose files
    /// `most_open` are kept open. It knows no blocks before [`Self::find_blocks`].
    ///
    /// # Errors
    /// What the file system says; [`io::ErrorKind::WouldBlock`] when another process has it.
    pub fn open(folder: &Path, capacity: u64, most_open: usize) -> io::Result<Self> {
        let folder = folder.join(OURS);
        // What is kept may be private.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(LOCK))?;
        lock.try_lock().map_err(io::Error::from)?;
        Ok(Self {
            folder,
            capacity,
            index: Mutex::new(Index::new(capacity, most_open)),
            leaving: Mutex::default(),
            written: AtomicU64::new(0),
            _lock: lock,
        })
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // Nothing in it is half done at any place where it could panic.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for the blocks that were written before, the oldest first, and takes away what was not
    /// finished. Files that are not ours stay as they are.
    ///
    /// # Errors
    /// When our folder cannot be read; a part of it that cannot is left out.
    pub fn find_blocks(&self, ending: &AtomicBool) -> io::Result<()> {
        self.index().search_begins();
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_file()) {
                let name = entry.file_name();
                let name = name.to_str();
                if name.is_some_and(|name| name.starts_with(UNFINISHED)) {
                    // It is looked for at the next start as well.
                    let _ = fs::remove_file(entry.path());
                }
                continue;
            }
            let Ok(files) = fs::read_dir(entry.path()) else {
                continue;
            };
            for file in files.flatten() {
                if ending.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let name = file.file_name().to_str().and_then(BlockName::parse);
                let is_ours = |name: &BlockName| name.path_in(&self.folder) == file.path();
                let Some(name) = name.filter(is_ours) else {
                    continue;
                };
                if let Ok(metadata) = file.metadata()
                    && metadata.is_file()
                {
                    let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    found.push((written, name, metadata.len()));
                }
            }
        }
        found.sort_unstable_by_key(|(written, ..)| *written);
        let mut gone = Vec::new();
        for portion in found.chunks(PORTION) {
            let mut index = self.index();
            for (_, name, bytes) in portion {
                gone.extend(index.take_in(*name, *bytes));
            }
            gone.extend(index.make_room(0));
        }
        self.index().search_ended();
        self.remove(gone);
        Ok(())
    }

    /// Counts a use of a block; false if it is not there, as far as is known.
    pub fn used(&self, name: &BlockName) -> bool {
        self.index().used(name)
    }

    /// Whether a block is there, as far as is known.
    #[must_use]
    pub fn has(&self, name: &BlockName) -> bool {
        self.index().has(name)
    }

    /// Whether there is any block of any version of an object.
    #[must_use]
    pub fn has_any_of(&self, object: &Digest) -> bool {
        self.index().has_any_of(object)
    }

    /// Whether a block was found right, and can be sent.
    #[must_use]
    pub fn is_right(&self, name: &BlockName) -> bool {
        matches!(self.index().opened(name), Ok(_) | Err(Some(_)))
    }

    /// Bytes of a block, if that was found right and they can be had without waiting for the disk; that
    /// may be a use of it.
    #[must_use]
    pub fn at_hand(&self, name: &BlockName, range: Range<u64>, is_use: bool) -> Option<Piece> {
        let opened = self.index().opened(name);
        let open = match opened {
            Ok(open) => open,
            Err(stamp) => {
                let open = OpenBlock::again(&name.path_in(&self.folder), stamp?)?;
                let open = Arc::new(open);
                let closed = self.index().keep_open(name, Arc::clone(&open));
                drop(closed);
                open
            }
        };
        let piece = open.at_hand(range)?;
        if is_use {
            open.used();
        }
        Some(piece)
    }

    /// Has a block read and checked before it is at hand again.
    pub fn distrust(&self, name: &BlockName) {
        let closed = self.index().distrust(name);
        drop(closed);
    }

    /// Reads a block of `length` bytes, which is at hand then. One that is not there after all, or not
    /// right, is forgotten.
    ///
    /// # Errors
    /// [`Unreadable`]; it has to come from its origin then.
    pub fn read(&self, name: &BlockName, length: u64) -> Result<Bytes, Unreadable> {
        let path = name.path_in(&self.folder);
        let read = file::read(&path, name, length);
        let is_gone = match &read {
            // What passes, such as too many open files, says nothing about the block.
            Ok(_) | Err(Unreadable::Io(_)) => false,
            Err(Unreadable::Missing | Unreadable::Damaged) => true,
        };
        if is_gone {
            let was_there = self.index().forget_block(name);
            if was_there.is_some() {
                // If it cannot go it is written over some day, or found and refused again.
                let _ = fs::remove_file(path);
            }
        }
        let (block, open) = read?;
        if open.can_be_sent() {
            let closed = self.index().keep_open(name, Arc::new(open));
            drop(closed);
        }
        Ok(block)
    }

    /// Writes a block, and evicts what has to go for it. One that is there already is left.
    ///
    /// # Errors
    /// What the file system says. The block is not there then.
    pub fn write(&self, name: &BlockName, pieces: &[Bytes]) -> io::Result<()> {
        let length = pieces.iter().fold(END_BYTES, |sum, piece| {
            sum.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX))
        });
        if taken_by(length) > self.capacity {
            return Ok(());
        }
        let gone = {
            let mut index = self.index();
            if index.has(name) {
                return Ok(());
            }
            index.make_room(taken_by(length))
        };
        self.remove(gone);
        let path = name.path_in(&self.folder);
        if let Some(shelf) = path.parent()
            && !shelf.exists()
        {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(shelf)?;
        }
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let beside = self.folder.join(format!("{UNFINISHED}{number}"));
        let open = file::write(&path, &beside, name, pieces)?;
        let can_be_sent = open.can_be_sent();
        let mut index = self.index();
        index.insert(*name, length);
        let closed = can_be_sent.then(|| index.keep_open(name, Arc::new(open)));
        drop(index);
        drop(closed);
        Ok(())
    }

    /// Forgets all blocks of an object, whose files are to be removed then.
    #[must_use]
    pub fn forget(&self, object: &Digest) -> Vec<Gone> {
        self.index().forget(object)
    }

    /// What it holds and did.
    #[must_use]
    pub fn figures(&self) -> ShelfFigures {
        self.index().figures()
    }

    /// Removes the files of blocks that are not known any more. The last to close a removed file has the
    /// work of freeing it, which may wait for the disk: so those that are being sent are held until they
    /// have been, and closed with a later call.
    pub fn remove(&self, gone: Vec<Gone>) {
        for block in &gone {
            // What cannot go now is found again at the next start.
            let _ = fs::remove_file(block.name.path_in(&self.folder));
        }
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.extend(gone);
        leaving.retain(Gone::is_being_sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(object: u8, position: u64) -> BlockName {
        BlockName {
            object: [object; 16],
            version: [7; 16],
            position,
        }
    }

    fn block(fill: u8) -> [Bytes; 1] {
        [Bytes::from(vec![fill; 1000])]
    }

    fn files(folder: &Path) -> usize {
        let shelves = fs::read_dir(folder.join(OURS)).unwrap().flatten();
        let folders = shelves.filter(|shelf| shelf.path().is_dir());
        folders
            .map(|shelf| fs::read_dir(shelf.path()).unwrap().count())
            .sum()
    }

    #[test]
    fn blocks_are_found_again_and_what_was_not_finished_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), 1 << 20, 4).unwrap();
        shelf.write(&name(1, 0), &block(1)).unwrap();
        shelf.write(&name(1, 1), &block(2)).unwrap();
        assert!(shelf.has(&name(1, 1)) && !shelf.has(&name(1, 2)));
        drop(shelf);
        let ours = folder.path().join(OURS);
        fs::write(ours.join("unfinished-9"), "half a bl").unwrap();
        fs::write(ours.join("notes.txt"), "of the operator").unwrap();
        fs::write(ours.join("01/readme"), "of the operator").unwrap();
        let shelf = Shelf::open(folder.path(), 1 << 20, 4).unwrap();
        assert!(!shelf.has(&name(1, 0)));
        shelf.find_blocks(&AtomicBool::new(false)).unwrap();
        assert_eq!(shelf.read(&name(1, 1), 1000).unwrap(), vec![2; 1000]);
        assert!(shelf.has_any_of(&[1; 16]) && !shelf.has_any_of(&[2; 16]));
        assert_eq!(shelf.figures().blocks, 2);
        assert!(!ours.join("unfinished-9").exists());
        assert!(ours.join("notes.txt").exists() && ours.join("01/readme").exists());
    }

    #[test]
    fn a_folder_has_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), 1 << 20, 4).unwrap();
        let error = Shelf::open(folder.path(), 1 << 20, 4).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(shelf);
        assert!(Shelf::open(folder.path(), 1 << 20, 4).is_ok());
    }

    #[test]
    fn it_holds_no_more_than_it_may_and_what_is_used_stays() {
        let folder = tempfile::tempdir().unwrap();
        let capacity = 20 * taken_by(0);
        let shelf = Shelf::open(folder.path(), capacity, 4).unwrap();
        shelf.write(&name(1, 0), &block(1)).unwrap();
        for index in 0..100 {
            assert!(shelf.used(&name(1, 0)), "{index}");
            shelf.write(&name(2, index), &block(2)).unwrap();
            assert!(shelf.figures().held <= capacity);
        }
        let figures = shelf.figures();
        assert_eq!((figures.blocks, figures.evicted), (20, 81));
        assert_eq!(files(folder.path()), 20);
        // Less room than before.
        drop(shelf);
        let shelf = Shelf::open(folder.path(), capacity / 2, 4).unwrap();
        shelf.find_blocks(&AtomicBool::new(false)).unwrap();
        assert_eq!((shelf.figures().blocks, files(folder.path())), (10, 10));
        // More than all of it.
        let large = [Bytes::from(vec![0; 300_000])];
        shelf.write(&name(3, 0), &large).unwrap();
        assert!(!shelf.has(&name(3, 0)));
        assert_eq!(shelf.figures().blocks, 10);
    }

    #[test]
    fn what_is_sent_from_its_file_stays_also_after_that_was_closed() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), 20 * taken_by(0), 2).unwrap();
        for number in [0, 1] {
            shelf.write(&name(1, number), &block(1)).unwrap();
        }
        for is_use in [true, true, false] {
            assert!(shelf.at_hand(&name(1, 0), 0..10, is_use).is_some());
            assert!(shelf.at_hand(&name(1, 1), 0..10, false).is_some());
        }
        for index in 0..30 {
            shelf.write(&name(2, index), &block(2)).unwrap();
        }
        assert!(shelf.index().opened(&name(1, 0)).is_err(), "it is open");
        assert!(shelf.has(&name(1, 0)), "used, and gone");
        assert!(!shelf.has(&name(1, 1)), "not used, and there");
    }

    #[test]
    fn what_cannot_be_read_is_forgotten_and_can_be_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), 1 << 20, 4).unwrap();
        let path = name(1, 0).path_in(&folder.path().join(OURS));
        for harm in ["cut", "changed", "gone", "a folder"] {
            shelf.write(&name(1, 0), &block(1)).unwrap();
            match harm {
                "cut" => fs::write(&path, "s").unwrap(),
                "changed" => fs::write(&path, vec![1; 1000 + 60]).unwrap(),
                "gone" => fs::remove_file(&path).unwrap(),
                _ => {
                    fs::remove_file(&path).unwrap();
                    fs::create_dir(&path).unwrap();
                }
            }
            assert!(shelf.read(&name(1, 0), 1000).is_err(), "{harm}");
            assert!(!shelf.has(&name(1, 0)), "{harm}");
            assert_eq!(shelf.figures().held, 0, "{harm}");
        }
        fs::remove_dir(&path).unwrap();
        shelf.write(&name(1, 0), &block(3)).unwrap();
        assert_eq!(shelf.read(&name(1, 0), 1000).unwrap(), vec![3; 1000]);
    }

    #[test]
    fn an_object_is_forgotten_with_all_its_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), 1 << 20, 4).unwrap();
        for index in 0..5 {
            shelf.write(&name(1, index), &block(1)).unwrap();
            shelf.write(&name(2, index), &block(2)).unwrap();
        }
        let gone = shelf.forget(&[1; 16]);
        shelf.remove(gone);
        assert!(!shelf.has_any_of(&[1; 16]) && shelf.has(&name(2, 4)));
        assert_eq!(files(folder.path()), 5);
    }

    #[test]
    fn so_many_files_and_no_more_are_kept_open() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(folder.path(), 1 << 20, 2).unwrap();
        for number in 0..4 {
            shelf.write(&name(1, number), &block(1)).unwrap();
        }
        let open = |shelf: &Shelf| -> Vec<u64> {
            let is_open = |&number: &u64| shelf.index().opened(&name(1, number)).is_ok();
            (0..4).filter(is_open).collect()
        };
        let at_hand = |shelf: &Shelf| -> Vec<u64> {
            let at_hand = |&number: &u64| shelf.at_hand(&name(1, number), 0..10, true).is_some();
            (0..4).filter(at_hand).collect()
        };
        assert_eq!(open(&shelf), [2, 3]);
        shelf.read(&name(1, 0), 1000).unwrap();
        shelf.read(&name(1, 0), 1000).unwrap();
        assert_eq!(open(&shelf), [0, 3]);
        // The others are opened when they are wanted, and some are closed for that.
        assert_eq!(at_hand(&shelf), [0, 1, 2, 3]);
        assert_eq!(open(&shelf).len(), 2);
        shelf.distrust(&name(1, 3));
        assert_eq!(at_hand(&shelf), [0, 1, 2]);
        // Nor is one opened that somebody has written to since it was closed.
        let path = name(1, 0).path_in(&folder.path().join(OURS));
        assert!(shelf.index().opened(&name(1, 0)).is_err());
        fs::write(&path, fs::read(&path).unwrap()).unwrap();
        assert_eq!(at_hand(&shelf), [1, 2]);
        let beyond = shelf.at_hand(&name(1, 1), 0..1001, true);
        assert!(beyond.is_none(), "beyond its end");
        drop(shelf);
        // After a start nothing is trusted before it was read.
        let shelf = Shelf::open(folder.path(), 1 << 20, 2).unwrap();
        shelf.find_blocks(&AtomicBool::new(false)).unwrap();
        assert_eq!(at_hand(&shelf), Vec::<u64>::new());
        shelf.read(&name(1, 1), 1000).unwrap();
        assert_eq!(at_hand(&shelf), [1]);
    }
}
