//! What is known of the blocks on disk: how many bytes they take, which are open, and which goes for the
//! next.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::file::{OpenBlock, Stamp};
use super::name::{BlockName, Digest};
use crate::cache::eviction::{Fate, Fifo, MOST_USES};

/// What file systems give away at once, in bytes.
const PAGE: u64 = 4096;

/// What the smallest block is counted as.
const LEAST: u64 = 16 * 1024;

/// What is known of all blocks. Nothing here touches a file.
#[derive(Debug)]
pub struct Index {
    capacity: u64,
    blocks: HashMap<BlockName, Entry>,
    /// How many blocks there are of each object.
    objects: HashMap<Digest, u64>,
    queue: Fifo<BlockName>,
    /// Those whose files were opened, the oldest first; some are closed again, and may be in it twice.
    opened: VecDeque<BlockName>,
    most_open: usize,
    held: u64,
    evicted: u64,
    /// Objects that were forgotten while blocks were looked for.
    forgotten: Option<HashSet<Digest>>,
}

#[derive(Debug)]
struct Entry {
    /// That it takes.
    bytes: u64,
    uses: u8,
    /// Of when it was found right, if it can be sent.
    stamp: Option<Stamp>,
    /// It is kept open to be sent.
    open: Option<Arc<OpenBlock>>,
}

impl Entry {
    fn used(&mut self, times: u8) {
        self.uses = self.uses.saturating_add(times).min(MOST_USES);
    }

    /// Takes over the uses that were counted with the open file, where they cost no look at the index.
    fn take_uses(&mut self) -> u8 {
        let times = self.open.as_ref().map_or(0, |open| open.take_uses());
        self.used(times);
        self.uses
    }

    fn keep_open(&mut self, open: Option<Arc<OpenBlock>>) -> Option<Arc<OpenBlock>> {
        self.take_uses();
        std::mem::replace(&mut self.open, open)
    }
}

/// A block that is not known any more, and its file if that was open.
#[derive(Debug)]
pub struct Gone {
    /// What it was called.
    pub name: BlockName,
    open: Option<Arc<OpenBlock>>,
}

impl Gone {
    /// Whether parts of its file are on their way, or about to be.
    #[must_use]
    pub fn is_being_sent(&self) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| Arc::strong_count(open) > 1 || open.is_being_sent())
    }
}

/// What a shelf holds and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShelfFigures {
    /// Bytes of files.
    pub held: u64,
    /// Blocks.
    pub blocks: usize,
    /// Blocks that had to go.
    pub evicted: u64,
}

/// What a file takes on disk, and of memory to know it: a cache of small objects must not be of millions.
#[must_use]
pub const fn taken_by(file: u64) -> u64 {
    let pages = file.div_ceil(PAGE).saturating_mul(PAGE);
    if pages < LEAST { LEAST } else { pages }
}

impl Index {
    /// Of no blocks yet: for `capacity` bytes of files, of which `most_open` are kept open.
    #[must_use]
    pub fn new(capacity: u64, most_open: usize) -> Self {
        Self {
            capacity,
            blocks: HashMap::new(),
            objects: HashMap::new(),
            queue: Fifo::new(capacity),
            opened: VecDeque::new(),
            most_open,
            held: 0,
            evicted: 0,
            forgotten: None,
        }
    }

    /// Whether a block is there.
    #[must_use]
    pub fn has(&self, name: &BlockName) -> bool {
        self.blocks.contains_key(name)
    }

    /// Whether there is any block of any version of an object.
    #[must_use]
    pub fn has_any_of(&self, object: &Digest) -> bool {
        self.objects.contains_key(object)
    }

    /// Counts a use of a block; false if it is not there.
    pub fn used(&mut self, name: &BlockName) -> bool {
        self.blocks.get_mut(name).is_some_and(|entry| {
            entry.used(1);
            true
        })
    }

    /// The file of a block, if it is kept open, and otherwise of when it was found right.
    ///
    /// # Errors
    /// There is no file; without a stamp the block has to be read first.
    pub fn opened(&self, name: &BlockName) -> Result<Arc<OpenBlock>, Option<Stamp>> {
        let entry = self.blocks.get(name).ok_or(None)?;
        entry.open.as_ref().map(Arc::clone).ok_or(entry.stamp)
    }

    /// Keeps the file of a block open no longer, and trusts it no longer.
    #[must_use]
    pub fn distrust(&mut self, name: &BlockName) -> Option<Arc<OpenBlock>> {
        let entry = self.blocks.get_mut(name)?;
        entry.stamp = None;
        entry.keep_open(None)
    }

    /// What of it there is and was.
    #[must_use]
    pub fn figures(&self) -> ShelfFigures {
        ShelfFigures {
            held: self.held,
            blocks: self.blocks.len(),
            evicted: self.evicted,
        }
    }

    /// From now until [`Self::search_ended`] it is remembered which objects are forgotten.
    pub fn search_begins(&mut self) {
        self.forgotten = Some(HashSet::new());
    }

    /// See [`Self::search_begins`].
    pub fn search_ended(&mut self) {
        self.forgotten = None;
    }

    /// Takes in a block that was found; if its object was forgotten meanwhile, it is to be removed.
    #[must_use]
    pub fn take_in(&mut self, name: BlockName, file: u64) -> Option<Gone> {
        let forgotten = self.forgotten.as_ref();
        if forgotten.is_some_and(|objects| objects.contains(&name.object)) {
            return Some(Gone { name, open: None });
        }
        self.insert(name, file);
        None
    }

    /// A block is there, in a file of so many bytes.
    pub fn insert(&mut self, name: BlockName, file: u64) {
        let bytes = taken_by(file);
        let entry = Entry {
            bytes,
            uses: 0,
            stamp: None,
            open: None,
        };
        if self.blocks.insert(name, entry).is_none() {
            self.held = self.held.saturating_add(bytes);
            let of_object = self.objects.entry(name.object).or_default();
            *of_object = of_object.saturating_add(1);
            self.queue.insert(name, bytes);
        }
    }

    /// Keeps the file of a block open, and has others closed if there are too many, once nobody waits
    /// for the index.
    #[must_use]
    pub fn keep_open(&mut self, name: &BlockName, open: Arc<OpenBlock>) -> Vec<Arc<OpenBlock>> {
        let mut closed = Vec::new();
        let Some(entry) = self.blocks.get_mut(name) else {
            return vec![open];
        };
        entry.stamp = Some(open.stamp());
        match entry.keep_open(Some(open)) {
            Some(before) => closed.push(before),
            None => self.opened.push_back(*name),
        }
        while self.opened.len() > self.most_open {
            let oldest = self.opened.pop_front();
            let oldest = oldest.and_then(|name| self.blocks.get_mut(&name));
            closed.extend(oldest.and_then(|entry| entry.keep_open(None)));
        }
        closed
    }

    fn remove(&mut self, name: &BlockName) -> Option<Gone> {
        let entry = self.blocks.remove(name)?;
        self.held = self.held.saturating_sub(entry.bytes);
        if let Some(of_object) = self.objects.get_mut(&name.object) {
            *of_object = of_object.saturating_sub(1);
            if *of_object == 0 {
                self.objects.remove(&name.object);
            }
        }
        Some(Gone {
            name: *name,
            open: entry.open,
        })
    }

    /// Forgets a block that is not there after all.
    #[must_use]
    pub fn forget_block(&mut self, name: &BlockName) -> Option<Gone> {
        self.queue.forget(|known| known == name);
        self.remove(name)
    }

    /// Forgets all blocks of an object.
    #[must_use]
    pub fn forget(&mut self, object: &Digest) -> Vec<Gone> {
        if let Some(forgotten) = &mut self.forgotten {
            forgotten.insert(*object);
        }
        if !self.has_any_of(object) {
            return Vec::new();
        }
        let of_object = |name: &&BlockName| name.object == *object;
        let names: Vec<_> = self.blocks.keys().filter(of_object).copied().collect();
        self.queue.forget(|name| name.object == *object);
        names.iter().filter_map(|name| self.remove(name)).collect()
    }

    /// Takes out what has to go for `bytes` more. Names of blocks that went for another reason are
    /// dropped from the queue on the way.
    #[must_use]
    pub fn make_room(&mut self, bytes: u64) -> Vec<Gone> {
        let mut gone = Vec::new();
        while self.held.saturating_add(bytes) > self.capacity {
            let Self { queue, blocks, .. } = self;
            let next = queue.evict(|name| match blocks.get_mut(name) {
                Some(entry) => {
                    let uses = entry.take_uses();
                    entry.uses = uses.saturating_sub(1);
                    Fate::Used(uses)
                }
                None => Fate::Gone,
            });
            let Some(name) = next else {
                break;
            };
            if let Some(block) = self.remove(&name) {
                self.evicted = self.evicted.saturating_add(1);
                gone.push(block);
            }
        }
        gone
    }
}
