//! Blocks on their way: one call to the origin, and what it brings.

use std::collections::VecDeque;
use std::hash::Hash;
use std::task::{Context, Poll};

use bytes::BytesMut;

use super::block::{Block, Phase, Ticket};
use super::block_key::BlockKey;
use super::store::{Inner, Store, size};
use super::sync::{Arc, MutexGuard, lock};

/// Pieces of a block that small arrivals make before they are gathered into larger ones.
const SMALL_PIECES: usize = 128;

/// What a larger one has at least, in bytes.
const GATHERED_BYTES: usize = 16 * 1024;

/// Blocks in a row that one call to the origin fills. Dropping it ends those that are not complete,
/// and who waits for them may ask anew.
#[derive(Debug)]
pub struct Run<O, E>
where
    O: Clone + Eq + Hash,
    E: Clone,
{
    store: Arc<Store<O, E>>,
    object: O,
    length: u64,
    /// The number of the block that is being filled.
    next: u64,
    /// It and those behind it.
    blocks: VecDeque<Arc<Block<E>>>,
    ticket: Arc<Ticket>,
    buffer: BytesMut,
    /// Pieces of the block so far.
    published: usize,
    /// Blocks that were completed and not asked for.
    completed: Vec<(u64, Arc<Block<E>>)>,
}

/// What comes after bytes were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// More bytes.
    More,
    /// Nothing: all blocks are complete, or nobody wants the others.
    End,
}

impl<O: Clone + Eq + Hash, E: Clone> Run<O, E> {
    /// A run of these blocks, which have to be in the store.
    pub(super) fn new(
        store: Arc<Store<O, E>>,
        object: O,
        first: u64,
        length: u64,
        blocks: VecDeque<Arc<Block<E>>>,
        ticket: Arc<Ticket>,
    ) -> Self {
        Self {
            store,
            object,
            length,
            next: first,
            blocks,
            ticket,
            buffer: BytesMut::new(),
            published: 0,
            completed: Vec::new(),
        }
    }

    /// Positions of the first and the last byte in the object that are to come; of the blocks before
    /// number `end`, if one is given.
    #[must_use]
    pub fn positions(&self, end: Option<u64>) -> (u64, u64) {
        let size = self.store.block_size();
        let own = self.numbers().end;
        let end = end.map_or(own, |end| end.min(own)).saturating_mul(size);
        let first = self.next.saturating_mul(size);
        (first, end.min(self.length).saturating_sub(1))
    }

    /// The numbers of its blocks that are not complete.
    #[must_use]
    pub fn numbers(&self) -> std::ops::Range<u64> {
        let blocks = u64::try_from(self.blocks.len()).unwrap_or(u64::MAX);
        self.next..self.next.saturating_add(blocks)
    }

    /// The length in bytes of the block that is next.
    #[must_use]
    pub fn next_length(&self) -> Option<u64> {
        self.blocks.front().map(|block| size(block.length()))
    }

    /// The blocks that were completed since this was last asked, each with its number.
    pub fn take_completed(&mut self) -> Vec<(u64, Arc<Block<E>>)> {
        std::mem::take(&mut self.completed)
    }

    /// Ready when nobody wants the run any more.
    pub fn poll_unwanted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut wanted = lock(&self.ticket.wanted);
        if wanted.by == 0 {
            return Poll::Ready(());
        }
        wanted.filler = Some(cx.waker().clone());
        Poll::Pending
    }

    fn key(&self, index: u64) -> BlockKey<O> {
        BlockKey {
            object: self.object.clone(),
            index,
        }
    }

    /// Takes bytes that follow those before. What is beyond the last block is dropped.
    pub fn push(&mut self, mut bytes: &[u8]) -> Next {
        while !bytes.is_empty() {
            let Some(block) = self.blocks.front().map(Arc::clone) else {
                return Next::End;
            };
            if self.buffer.capacity() == 0 {
                self.buffer = self.buffer_for(block.length());
            }
            let filled = block.filled();
            let missing = block
                .length()
                .saturating_sub(filled)
                .saturating_sub(self.buffer.len());
            let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
            self.buffer.extend_from_slice(taken);
            bytes = rest;
            let is_complete = taken.len() == missing;
            let is_small = self.buffer.len() < GATHERED_BYTES && self.published >= SMALL_PIECES;
            if is_complete || !is_small {
                self.published = self.published.saturating_add(1);
                block.append(self.buffer.split().freeze());
            }
            if is_complete && self.complete(&block) == Next::End {
                return Next::End;
            }
        }
        Next::More
    }

    /// A block is complete: whoever asks finds it from now on. Ends the run if it was the last, or
    /// nobody wants the others.
    fn complete(&mut self, block: &Arc<Block<E>>) -> Next {
        self.buffer = BytesMut::new();
        self.published = 0;
        self.blocks.pop_front();
        let key = self.key(self.next);
        self.next = self.next.saturating_add(1);
        block.end(Phase::Ready);
        let store = Arc::clone(&self.store);
        let mut inner = lock(&store.inner);
        if Store::is_current(&inner, &key, block) {
            let bytes = size(block.length());
            inner.filling = inner.filling.saturating_sub(bytes);
            self.completed.push((key.index, Arc::clone(block)));
            inner.queue.insert(key, bytes);
        }
        // Under the lock, so that nobody can join in between.
        let is_wanted = lock(&self.ticket.wanted).by > 0;
        if self.blocks.is_empty() {
            return Next::End;
        }
        // Most of one more block is in the sockets already, and players come back a little further
        // on: throwing it away would cost more than it saves.
        if is_wanted || self.blocks.len() == 1 {
            return Next::More;
        }
        self.abandon(inner, None);
        Next::End
    }

    /// Nothing more comes, for this reason.
    pub fn fail(mut self, why: E) {
        let store = Arc::clone(&self.store);
        let inner = lock(&store.inner);
        self.abandon(inner, Some(&why));
    }

    /// Takes the blocks that are not complete away, and tells those who wait.
    fn abandon(&mut self, mut inner: MutexGuard<'_, Inner<O, E>>, why: Option<&E>) {
        let blocks = std::mem::take(&mut self.blocks);
        for (number, block) in (self.next..).zip(&blocks) {
            let key = self.key(number);
            if Store::is_current(&inner, &key, block) {
                inner.blocks.remove(&key);
                let bytes = size(block.length());
                inner.held = inner.held.saturating_sub(bytes);
                inner.filling = inner.filling.saturating_sub(bytes);
            }
        }
        drop(inner);
        for block in blocks {
            block.end(Phase::Gone(why.cloned()));
        }
    }

    /// A buffer for a block, of one that has gone if there is one.
    fn buffer_for(&self, length: usize) -> BytesMut {
        let is_whole = size(length) == self.store.block_size();
        let spare = is_whole.then(|| lock(&self.store.inner).spare.pop());
        let mut buffer = spare.flatten().unwrap_or_default();
        buffer.reserve(length);
        buffer
    }
}

impl<O: Clone + Eq + Hash, E: Clone> Drop for Run<O, E> {
    fn drop(&mut self) {
        if !self.blocks.is_empty() {
            let store = Arc::clone(&self.store);
            self.abandon(lock(&store.inner), None);
        }
    }
}
