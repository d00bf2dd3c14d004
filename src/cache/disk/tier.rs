//! The shelf, and the thread that keeps it.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::file::Unreadable;
use super::index::{Gone, ShelfFigures};
use super::name::{BlockName, Digest};
use super::shelf::Shelf;
use crate::storage::Piece;
use crate::storage::file::pool::{BlockingPool, Work};
use crate::telemetry::Metrics;

/// Blocks that wait to be written. They are in memory as long, beyond what the cache may have.
const MOST_WAITING: usize = 8;

/// How long a block may take to be read. One from its origin seldom takes longer.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

/// Objects whose forgetting is remembered at most while nothing is written.
const MOST_FORGOTTEN: usize = 4096;

/// How long nothing is written after the file system has failed: a full disk is not emptied by trying.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Where blocks are kept on disk, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskConfig {
    /// `S3REEL_CACHE_DIR`: the folder, for one process alone.
    pub folder: PathBuf,
    /// `S3REEL_CACHE_DISK`: bytes that it may take; default 10 GiB.
    pub capacity: u64,
}

/// Blocks on disk, for all who read.
#[derive(Debug)]
pub struct DiskTier {
    shelf: Arc<Shelf>,
    /// `None` when it ends.
    work: Option<SyncSender<Waiting>>,
    handed: AtomicU64,
    forgotten: Arc<Forgotten>,
    /// Cuts the end of the work short.
    ending: Arc<AtomicBool>,
    /// For reads: a disk that hangs holds up nothing else with these.
    threads: BlockingPool,
    /// It is left alone after a failure, as far as that has been looked at.
    may_rest: AtomicBool,
    /// Until when.
    resting: Mutex<Option<Instant>>,
    metrics: Arc<Metrics>,
}

/// A block that waits to be written.
struct Waiting {
    number: u64,
    name: BlockName,
    pieces: Vec<Bytes>,
}

/// Objects that were forgotten while blocks of theirs may have been waiting: up to which number.
type Forgotten = Mutex<Vec<(Digest, u64)>>;

impl DiskTier {
    /// Takes the folder over and begins to look for what is in it. Of its files `most_open` are kept
    /// open, so that they can be sent.
    ///
    /// # Errors
    /// What the file system says; [`io::ErrorKind::WouldBlock`] when another process has the folder.
    pub fn start(config: &DiskConfig, most_open: usize, metrics: Arc<Metrics>) -> io::Result<Self> {
        let shelf = Arc::new(Shelf::open(&config.folder, config.capacity, most_open)?);
        let (work, waiting) = sync_channel(MOST_WAITING);
        let ending = Arc::new(AtomicBool::new(false));
        let forgotten = Arc::new(Forgotten::default());
        let keeper = Keeper {
            shelf: Arc::clone(&shelf),
            metrics: Arc::clone(&metrics),
            ending: Arc::clone(&ending),
            forgotten: Arc::clone(&forgotten),
            failed: None,
        };
        thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || keeper.keep(&waiting))?;
        Ok(Self {
            shelf,
            work: Some(work),
            handed: AtomicU64::new(0),
            forgotten,
            ending,
            threads: BlockingPool::new()?,
            may_rest: AtomicBool::new(false),
            resting: Mutex::new(None),
            metrics,
        })
    }

    /// Whether a block is there, as far as is known. Costs no call to the system.
    #[must_use]
    pub fn has(&self, name: &BlockName) -> bool {
        !self.rests() && self.shelf.has(name)
    }

    /// Whether there is any block of any version of an object.
    #[must_use]
    pub fn has_any_of(&self, object: &Digest) -> bool {
        !self.rests() && self.shelf.has_any_of(object)
    }

    /// Bytes of a block as they lie on disk, if they can be had without waiting for it. They were found
    /// right when the block was written or read. That is a use of it if an answer has just come to it.
    #[must_use]
    pub fn at_hand(&self, name: &BlockName, range: Range<u64>, is_use: bool) -> Option<Piece> {
        if self.rests() {
            return None;
        }
        let piece = self.shelf.at_hand(name, range, is_use)?;
        if is_use {
            self.metrics.disk_at_hand();
        }
        Some(piece)
    }

    /// Whether a block is likely to be at hand.
    #[must_use]
    pub fn is_likely_at_hand(&self, name: &BlockName) -> bool {
        !self.rests() && self.shelf.is_right(name)
    }

    /// A block that was at hand could not be sent: it is not again before it was read and checked.
    pub fn distrust(&self, name: &BlockName) {
        self.metrics.disk_read("failed");
        self.shelf.distrust(name);
    }

    /// Reads a block of `length` bytes, if it is there and right, and soon. Dropping the future leaves
    /// the read to end by itself.
    pub async fn read(&self, name: BlockName, length: u64) -> Option<Bytes> {
        if !self.shelf.used(&name) {
            return None;
        }
        let blocks = Arc::clone(&self.shelf);
        let reading = move || blocks.read(&name, length);
        let read = self.threads.run(Work::Read, MOST_PATIENCE, reading).await;
        let (block, outcome) = match read.unwrap_or_else(|error| Err(Unreadable::Io(error))) {
            Ok(block) => (Some(block), "read"),
            Err(Unreadable::Missing) => (None, "missing"),
            Err(Unreadable::Damaged) => (None, "damaged"),
            Err(Unreadable::Io(error)) => {
                log::warn!("a block on disk could not be read, its origin is asked: {error}");
                self.rest();
                (None, "failed")
            }
        };
        self.metrics.disk_read(outcome);
        block
    }

    /// Leaves the disk alone for a while.
    fn rest(&self) {
        let until = Instant::now().checked_add(AFTER_FAILURE);
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        *resting = until;
        self.may_rest.store(true, Ordering::Relaxed);
    }

    fn rests(&self) -> bool {
        // Asked for every answer, by all threads.
        if !self.may_rest.load(Ordering::Relaxed) {
            return false;
        }
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        let rests = resting.is_some_and(|until| Instant::now() < until);
        self.may_rest.store(rests, Ordering::Relaxed);
        rests
    }

    /// Has a block written some time; false if there is no time for it.
    #[must_use]
    pub fn keep(&self, name: BlockName, pieces: Vec<Bytes>) -> bool {
        let number = self.handed.fetch_add(1, Ordering::Relaxed);
        let work = Waiting {
            number,
            name,
            pieces,
        };
        let sent = self.work.as_ref().map(|queue| queue.try_send(work));
        let is_full = matches!(
            sent,
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_)))
        );
        if is_full {
            self.metrics.disk_written("dropped");
        }
        !is_full
    }

    /// Forgets all blocks of an object, those that wait to be written too. Their files are there until
    /// they are removed.
    #[must_use]
    pub fn forget(&self, object: Digest) -> Vec<Gone> {
        let last = self.handed.load(Ordering::Relaxed);
        let mut forgotten = self
            .forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        forgotten.retain(|(known, _)| *known != object);
        forgotten.truncate(MOST_FORGOTTEN);
        forgotten.insert(0, (object, last));
        drop(forgotten);
        self.shelf.forget(&object)
    }

    /// Removes the files of forgotten blocks. Blocks.
    pub fn remove(&self, gone: Vec<Gone>) {
        self.shelf.remove(gone);
    }

    /// What it holds and did.
    #[must_use]
    pub fn figures(&self) -> ShelfFigures {
        self.shelf.figures()
    }
}

impl Drop for DiskTier {
    /// The thread ends by itself with the block that it is writing, and does not keep others. It is not
    /// waited for: a disk that hangs must not hold up the end, and a file that was cut is none.
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.work = None;
    }
}

/// What the thread has.
struct Keeper {
    shelf: Arc<Shelf>,
    metrics: Arc<Metrics>,
    ending: Arc<AtomicBool>,
    forgotten: Arc<Forgotten>,
    failed: Option<Instant>,
}

impl Keeper {
    fn keep(mut self, waiting: &Receiver<Waiting>) {
        if let Err(error) = self.shelf.find_blocks(&self.ending) {
            log::warn!("blocks on disk could not be looked for: {error}");
        }
        loop {
            // Looks up now and then, since a sender may be held by a reader that takes long to end.
            match waiting.recv_timeout(AFTER_FAILURE) {
                Ok(_) if self.ending.load(Ordering::Relaxed) => return,
                Ok(work) => {
                    self.write(&work);
                    self.shelf.remove(Vec::new());
                    // What was forgotten before this one waited for nothing that waits still.
                    self.forgotten().retain(|(_, before)| *before > work.number);
                }
                Err(RecvTimeoutError::Timeout) => self.shelf.remove(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn forgotten(&self) -> MutexGuard<'_, Vec<(Digest, u64)>> {
        let forgotten = self.forgotten.lock();
        forgotten.unwrap_or_else(PoisonError::into_inner)
    }

    fn is_forgotten(&self, work: &Waiting) -> bool {
        let forgotten = self.forgotten();
        let mut of_object = forgotten
            .iter()
            .filter(|(object, _)| *object == work.name.object);
        of_object.any(|(_, before)| work.number < *before)
    }

    fn write(&mut self, work: &Waiting) {
        let rests = self
            .failed
            .is_some_and(|failed| failed.elapsed() < AFTER_FAILURE);
        if rests || self.is_forgotten(work) {
            self.metrics.disk_written("dropped");
            return;
        }
        match self.shelf.write(&work.name, &work.pieces) {
            Ok(()) => {
                self.failed = None;
                if self.is_forgotten(work) {
                    let gone = self.shelf.forget(&work.name.object);
                    self.shelf.remove(gone);
                }
                self.metrics.disk_written("written");
            }
            Err(error) => {
                log::warn!("a block could not be written to disk: {error}");
                self.failed = Some(Instant::now());
                self.metrics.disk_written("failed");
            }
        }
    }
}
