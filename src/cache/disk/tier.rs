//! The shelf, and the thread that keeps it.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::file::Unreadable;
use super::name::{BlockName, Digest};
use super::shelf::{Shelf, ShelfFigures};
use crate::telemetry::Metrics;

/// Blocks that wait to be written. They are in memory as long, beyond what the cache may have.
const MOST_WAITING: usize = 8;

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
    writer: Option<JoinHandle<()>>,
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
    /// Takes the folder over and begins to look for what is in it.
    ///
    /// # Errors
    /// What the file system says; [`io::ErrorKind::WouldBlock`] when another process has the folder.
    pub fn start(config: &DiskConfig, metrics: Arc<Metrics>) -> io::Result<Self> {
        let shelf = Arc::new(Shelf::open(&config.folder, config.capacity)?);
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
        let writer = thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || keeper.keep(&waiting))?;
        Ok(Self {
            shelf,
            work: Some(work),
            handed: AtomicU64::new(0),
            forgotten,
            ending,
            writer: Some(writer),
            metrics,
        })
    }

    /// Whether a block is there, as far as is known. Costs no call to the system.
    #[must_use]
    pub fn has(&self, name: &BlockName) -> bool {
        self.shelf.has(name)
    }

    /// Whether there is any block of any version of an object.
    #[must_use]
    pub fn has_any_of(&self, object: &Digest) -> bool {
        self.shelf.has_any_of(object)
    }

    /// Reads a block of `length` bytes, if it is there and right. Blocks.
    #[must_use]
    pub fn read(&self, name: &BlockName, length: u64) -> Option<Bytes> {
        if !self.shelf.wants(name) {
            return None;
        }
        let (block, outcome) = match self.shelf.read(name, length) {
            Ok(block) => (Some(block), "read"),
            Err(Unreadable::Missing) => (None, "missing"),
            Err(Unreadable::Damaged) => (None, "damaged"),
            Err(Unreadable::Io(error)) => {
                log::warn!("a block on disk could not be read, its origin is asked: {error}");
                (None, "failed")
            }
        };
        self.metrics.disk_read(outcome);
        block
    }

    /// Has a block written some time, if there is nothing more urgent.
    pub fn keep(&self, name: BlockName, pieces: Vec<Bytes>) {
        let number = self.handed.fetch_add(1, Ordering::Relaxed);
        let work = Waiting {
            number,
            name,
            pieces,
        };
        let sent = self.work.as_ref().map(|queue| queue.try_send(work));
        if let Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) = sent {
            self.metrics.disk_written("dropped");
        }
    }

    /// Forgets all blocks of an object, those that wait to be written too. Blocks.
    pub fn forget(&self, object: Digest) {
        let last = self.handed.load(Ordering::Relaxed);
        let mut forgotten = self
            .forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Nothing older is waiting still.
        let waiting = u64::try_from(MOST_WAITING)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        forgotten.retain(|(_, number)| number.saturating_add(waiting) >= last);
        forgotten.push((object, last));
        drop(forgotten);
        self.shelf.forget(&object);
    }

    /// What it holds and did.
    #[must_use]
    pub fn figures(&self) -> ShelfFigures {
        self.shelf.figures()
    }
}

impl Drop for DiskTier {
    /// Ends with the block that is being written; others that wait are not kept.
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.work = None;
        if let Some(writer) = self.writer.take() {
            // It tells nothing, and a panic of its own has been told.
            let _ = writer.join();
        }
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
        if let Err(error) = self.shelf.find_blocks() {
            log::warn!("blocks on disk could not be looked for: {error}");
        }
        loop {
            // Looks up now and then, since a sender may be held by a reader that takes long to end.
            match waiting.recv_timeout(AFTER_FAILURE) {
                Ok(_) if self.ending.load(Ordering::Relaxed) => return,
                Ok(work) => self.write(&work),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn is_forgotten(&self, work: &Waiting) -> bool {
        let forgotten = self
            .forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
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
                    self.shelf.forget(&work.name.object);
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
