//! The blocks that are in memory or on their way, and who wants them: the state machine of the
//! cache. It knows threads but no runtime and no origin, so that a model checker can drive it.
//!
//! A block is readable up to where it is filled. Blocks are filled in runs, one run by one call to
//! the origin. A run belongs to no viewer: it goes on as long as anyone reads one of its blocks, and
//! for the rest of the block that it is at. Whoever asks for a block that is not there begins a run,
//! and whoever asks while it is on its way reads along, so each byte is asked for once.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use bytes::{Bytes, BytesMut};

use super::block::{Block, Interest, RunSoFar, Ticket};
use super::block_key::{BlockHasher, BlockKey, BlockRef, Named};
use super::eviction::{Fate, Fifo};
use super::run::Run;
use super::sync::{Arc, Mutex, lock};

/// Buffers of evicted blocks that are kept for the next: those of two long runs, or a sixteenth of the
/// room. Fresh memory has to be cleared by the kernel page by page, which is most of what a fill costs.
const MOST_SPARE: u64 = 16;

/// Where the blocks are.
#[derive(Debug)]
pub struct Store<O, E> {
    block_size: u64,
    /// For blocks; what is kept for the next ones is apart.
    capacity: u64,
    most_spare: usize,
    pub(super) inner: Mutex<Inner<O, E>>,
}

#[derive(Debug)]
pub(super) struct Inner<O, E> {
    pub blocks: HashMap<BlockKey<O>, Arc<Block<E>>, BlockHasher>,
    pub queue: Fifo<BlockKey<O>>,
    /// Bytes of all blocks, filled or not.
    pub held: u64,
    /// Of these, bytes of blocks that are not complete.
    pub filling: u64,
    pub spare: Vec<BytesMut>,
    evicted: u64,
    wasted: u64,
}

/// What a store holds and did, in bytes where nothing else is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreFigures {
    /// In all blocks.
    pub held: u64,
    /// Blocks.
    pub blocks: usize,
    /// Blocks that had to go.
    pub evicted: u64,
    /// In blocks that went before anyone read them.
    pub wasted: u64,
}

/// Bytes of a complete block.
#[derive(Debug)]
pub struct Ready<E> {
    /// The bytes.
    pub bytes: Bytes,
    /// The block, if the disk had no time for it.
    pub refused: Option<Arc<Block<E>>>,
}

/// What a look for a block came to.
#[derive(Debug)]
pub enum Found<O, E>
where
    O: Clone + Eq + Hash,
    E: Clone,
{
    /// Complete.
    Ready(Arc<Block<E>>),
    /// On its way, in a run that someone else began.
    Coming(Arc<Block<E>>, Interest),
    /// It was not there. Whoever asked has to see to it that the run is filled.
    Begun(Arc<Block<E>>, Interest, Run<O, E>),
    /// There is no room even for one block.
    Full,
}

impl<O: Clone + Eq + Hash, E: Clone> Store<O, E> {
    /// An empty store for `capacity` bytes in blocks of `block_size`.
    #[must_use]
    pub fn new(capacity: u64, block_size: u64) -> Self {
        let block_size = block_size.max(1);
        let most_spare = MOST_SPARE.min(capacity / 16 / block_size);
        let capacity = capacity.saturating_sub(most_spare.saturating_mul(block_size));
        Self {
            block_size,
            capacity,
            most_spare: usize::try_from(most_spare).unwrap_or(0),
            inner: Mutex::new(Inner {
                blocks: HashMap::default(),
                queue: Fifo::new(capacity),
                held: 0,
                filling: 0,
                spare: Vec::new(),
                evicted: 0,
                wasted: 0,
            }),
        }
    }

    /// The size of blocks in bytes; the last of an object may be shorter.
    #[must_use]
    pub const fn block_size(&self) -> u64 {
        self.block_size
    }

    /// The block at `index` of an object of `length` bytes. If it is not there, a run
    /// is begun with it, of at most as many blocks as `most` says, of those in a row that are not
    /// there either. It is told the run of the block before, if that is there.
    pub fn find(
        self: &Arc<Self>,
        object: &O,
        length: u64,
        index: u64,
        most: impl FnOnce(Option<RunSoFar>) -> u64,
    ) -> Found<O, E> {
        let mut inner = lock(&self.inner);
        if let Some(block) = inner.get(object, index) {
            return match block.used() {
                None => Found::Ready(Arc::clone(block)),
                Some(interest) => Found::Coming(Arc::clone(block), interest),
            };
        }
        let before = inner.get(object, index.wrapping_sub(1));
        let most = most(before.map(|block| block.run()));
        let mut key = BlockKey {
            object: object.clone(),
            index,
        };
        let mut blocks = VecDeque::new();
        let ticket = Arc::new(Ticket {
            blocks: self.missing(&inner, &key, length, most),
            wanted: Mutex::default(),
        });
        for number in 0..ticket.blocks {
            key.index = index.saturating_add(number);
            let size = self.size_of(key.index, length);
            if !self.make_room(&mut inner, size) {
                break;
            }
            let block = Arc::new(Block::new(size, Arc::clone(&ticket)));
            inner.blocks.insert(key.clone(), Arc::clone(&block));
            blocks.push_back(block);
        }
        drop(inner);
        let Some(first) = blocks.front().map(Arc::clone) else {
            return Found::Full;
        };
        let interest = Interest::of(&ticket);
        let store = Arc::clone(self);
        let run = Run::new(store, object.clone(), index, length, blocks, ticket);
        Found::Begun(first, interest, run)
    }

    /// A block that is there or on its way, without asking for it.
    #[must_use]
    pub fn peek(&self, object: &O, index: u64) -> Option<Arc<Block<E>>> {
        lock(&self.inner).get(object, index).map(Arc::clone)
    }

    /// Bytes of a block from `offset` in it on, as many as lie in one piece, if it is complete; without
    /// asking for it. That may be a use of it. It is the shortest way: most answers are short ones.
    #[must_use]
    pub fn read_ready(
        &self,
        object: &O,
        index: u64,
        offset: usize,
        is_use: bool,
    ) -> Option<Ready<E>> {
        let inner = lock(&self.inner);
        let block = inner.get(object, index)?;
        let (bytes, was_refused) = block.read_if_ready(offset, is_use)?;
        let refused = was_refused.then(|| Arc::clone(block));
        Some(Ready { bytes, refused })
    }

    /// The number of the first block from `index` to `last` that is neither there nor on its way.
    #[must_use]
    pub fn first_missing(&self, object: &O, index: u64, last: u64) -> Option<u64> {
        let inner = lock(&self.inner);
        (index..=last).find(|&index| inner.get(object, index).is_none())
    }

    /// Forgets the blocks of the objects that `is_meant` names; those on their way are still filled
    /// for who reads them now.
    pub fn forget(&self, is_meant: impl Fn(&O) -> bool) {
        let mut inner = lock(&self.inner);
        let Inner {
            blocks,
            queue,
            held,
            filling,
            ..
        } = &mut *inner;
        queue.forget(|key| is_meant(&key.object));
        blocks.retain(|key, block| {
            let stays = !is_meant(&key.object);
            if !stays {
                let size = size(block.length());
                *held = held.saturating_sub(size);
                if block.is_filling() {
                    *filling = filling.saturating_sub(size);
                }
            }
            stays
        });
    }

    /// What it holds and did.
    #[must_use]
    pub fn figures(&self) -> StoreFigures {
        let inner = lock(&self.inner);
        StoreFigures {
            held: inner.held,
            blocks: inner.blocks.len(),
            evicted: inner.evicted,
            wasted: inner.wasted,
        }
    }

    fn size_of(&self, index: u64, length: u64) -> u64 {
        let begin = index.saturating_mul(self.block_size);
        length.saturating_sub(begin).min(self.block_size)
    }

    /// How many blocks in a row are not there, from this one on: at most `most`, and no more than a
    /// small part of the room, or one run could push out what another has just filled.
    fn missing(&self, inner: &Inner<O, E>, first: &BlockKey<O>, length: u64, most: u64) -> u64 {
        let end = length.div_ceil(self.block_size);
        let share = (self.capacity / 16 / self.block_size).max(1);
        let most = most.min(share).min(end.saturating_sub(first.index)).max(1);
        let is_there = |&number: &u64| {
            let index = first.index.saturating_add(number);
            inner.get(&first.object, index).is_some()
        };
        (1..most).find(is_there).unwrap_or(most)
    }

    /// Evicts until there is room for a block that is being filled; false if there cannot be. Blocks
    /// on their way take three quarters at most, or what is complete would never stay.
    fn make_room(&self, inner: &mut Inner<O, E>, size: u64) -> bool {
        let filling = inner.filling.saturating_add(size);
        if filling > self.capacity / 4 * 3 || size == 0 {
            return false;
        }
        while inner.held.saturating_add(size) > self.capacity {
            let Inner { queue, blocks, .. } = inner;
            let gone = queue.evict(|key| blocks.get(key).map_or(Fate::Gone, |block| block.fate()));
            let Some(key) = gone else {
                return false;
            };
            if let Some(block) = inner.blocks.remove(&key) {
                inner.evicted = inner.evicted.saturating_add(1);
                inner.release(block, self.block_size, self.most_spare);
            }
        }
        inner.held = inner.held.saturating_add(size);
        inner.filling = filling;
        true
    }

    pub(super) fn is_current(
        inner: &Inner<O, E>,
        key: &BlockKey<O>,
        block: &Arc<Block<E>>,
    ) -> bool {
        let known = inner.blocks.get(key);
        known.is_some_and(|known| Arc::ptr_eq(known, block))
    }
}

impl<O: Eq + Hash, E> Inner<O, E> {
    fn get(&self, object: &O, index: u64) -> Option<&Arc<Block<E>>> {
        let name: &dyn Named<O> = &BlockRef(object, index);
        self.blocks.get(name)
    }
}

impl<O, E: Clone> Inner<O, E> {
    /// Takes note of a complete block that has gone, and keeps its buffer if nobody reads it.
    fn release(&mut self, block: Arc<Block<E>>, block_size: u64, most_spare: usize) {
        self.held = self.held.saturating_sub(size(block.length()));
        let length = size(block.length());
        let Some(left) = Arc::into_inner(block).map(Block::dissolve) else {
            return;
        };
        if !left.was_read {
            self.wasted = self.wasted.saturating_add(length);
        }
        if length == block_size && self.spare.len() < most_spare {
            self.spare.extend(left.buffer.map(|mut buffer| {
                buffer.clear();
                buffer
            }));
        }
    }
}

pub(super) fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
