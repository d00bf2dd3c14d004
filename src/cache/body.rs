//! The bytes of one answer, out of blocks.

mod object_body;

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::time::{Sleep, sleep};

use super::block::{Block, Interest, RunSoFar};
use super::directory::Known;
use super::disk::DiskTier;
use super::engine::{Engine, SharedError};
use super::identity::ObjectIdentity;
use super::in_file::is_from_memory;
use super::losses::{Losses, Then};
use super::past::PastCache;
use super::reader::Sources;
use super::store::Found;
use super::window::Window;
use crate::semantics::InclRange;
use crate::storage::Piece;
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::version::PinnedVersion;
use crate::telemetry::BlockFound;

/// How many bytes are fetched by one call at most. It is what S3's own parts usually are; a larger
/// call saves nothing any more.
pub const RUN_BYTES: u64 = 8 * 1024 * 1024;

/// Bytes of a file that are handed out at once: what is known of them is as old as they are.
const MOST_AT_HAND: u64 = 1024 * 1024;

/// A body that reads blocks, and sees to it that those are fetched that are not there.
pub struct BlockBody {
    sources: Arc<Sources>,
    known: Arc<Known>,
    identity: ObjectIdentity,
    next: u64,
    last: u64,
    window: Window,
    first_index: u64,
    first_block: Option<BlockFound>,
    /// The block that was counted last.
    counted: Option<u64>,
    stash: Option<Piece>,
    /// A file of the disk tier could not be sent: no other is tried for this answer.
    has_failed_file: bool,
    state: State,
    /// In the run that the viewer reads.
    interest: Option<Interest>,
    /// In the one that is fetched ahead of it.
    ahead: Option<Interest>,
    losses: Losses,
    resumes: u32,
}

/// What whoever reads can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    Bytes,
    /// Parts of files as well.
    Pieces,
}

enum State {
    /// No block is looked at.
    Between,
    /// A block, which may have to go while its viewer takes its time.
    In {
        index: u64,
        block: Weak<Block<SharedError>>,
        /// Held while bytes of it are waited for, or why they do not come would go with it.
        awaited: Option<Arc<Block<SharedError>>>,
        has_waited: bool,
    },
    /// Until the bytes are asked for anew that a run has failed to bring.
    Waiting(Pin<Box<Sleep>>, SharedError),
    /// Past the cache.
    Passing(PastCache),
}

impl BlockBody {
    /// The bytes of `extent` of a version whose identity is known.
    #[must_use]
    pub fn new(
        sources: Arc<Sources>,
        known: Arc<Known>,
        identity: ObjectIdentity,
        extent: InclRange,
    ) -> Self {
        let engine = &sources.engine;
        let size = engine.blocks.block_size();
        let unit = (RUN_BYTES / size).max(1);
        let most = engine.config().read_ahead.div_ceil(size);
        Self {
            window: Window::new(most, unit),
            first_index: extent.first() / size,
            sources,
            known,
            identity,
            next: extent.first(),
            last: extent.last(),
            first_block: None,
            counted: None,
            stash: None,
            has_failed_file: false,
            state: State::Between,
            interest: None,
            ahead: None,
            losses: Losses::default(),
            resumes: 0,
        }
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.sources.engine
    }

    /// How the first block was found, once there are bytes.
    #[must_use]
    pub const fn first_block(&self) -> Option<BlockFound> {
        self.first_block
    }

    /// Waits for the first bytes, which come again when the body is read.
    pub fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        match ready!(self.poll_any(cx, Wants::Pieces)) {
            Some(Ok(piece)) => {
                self.stash = Some(piece);
                Poll::Ready(Ok(()))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Takes note of where the block of the next byte was found. A viewer that pauses in it comes to it
    /// again, and that is no other use.
    fn found(&mut self, how: BlockFound) {
        self.first_block.get_or_insert(how);
        let index = self.next / self.engine().blocks.block_size();
        if self.counted.replace(index) != Some(index) {
            self.engine().metrics().cache_block(how);
        }
    }

    fn last_index(&self) -> u64 {
        self.last / self.engine().blocks.block_size()
    }

    /// The disk, for whoever can send files.
    fn files(&self, wants: Wants) -> Option<&Arc<DiskTier>> {
        let disk = self.engine().disk.as_ref();
        disk.filter(|_| wants == Wants::Pieces && !self.has_failed_file)
    }

    /// Bytes of the block of the next byte, if they leave from its file; and whether memory has it too.
    fn in_file(&self, index: u64, wants: Wants) -> Option<(Piece, bool)> {
        let disk = self.files(wants)?;
        let size = self.engine().blocks.block_size();
        let begin = index.saturating_mul(size);
        let end = begin.saturating_add(size);
        let end = end
            .min(self.last.saturating_add(1))
            .min(self.next.saturating_add(MOST_AT_HAND));
        let range = self.next.saturating_sub(begin)..end.saturating_sub(begin);
        let is_use = self.counted != Some(index);
        self.sources
            .in_file(disk, &self.identity, index, range, is_use)
    }

    /// Bytes of the block of the next byte, if that is complete in memory.
    fn in_memory(&self, index: u64) -> Option<Bytes> {
        let blocks = &self.engine().blocks;
        let offset = usize::try_from(self.next % blocks.block_size()).ok()?;
        let is_use = self.counted != Some(index);
        let ready = blocks.read_ready(&self.identity, index, offset, is_use)?;
        if let Some(block) = ready.refused {
            self.engine().offer(&self.identity, index, &block);
        }
        Some(ready.bytes)
    }

    /// Goes to the block of the next byte, or hands bytes of it out if they lie on disk.
    fn enter(&mut self, wants: Wants) -> Option<Piece> {
        let size = self.engine().blocks.block_size();
        let index = self.next / size;
        // Found with one look, as most probes are.
        let missing = self.last.saturating_sub(self.next).saturating_add(1);
        if is_from_memory(missing)
            && let Some(bytes) = self.in_memory(index)
        {
            self.found(BlockFound::InMemory);
            self.fetch_ahead(index, wants);
            return Some(bytes.into());
        }
        if let Some((piece, is_in_memory)) = self.in_file(index, wants) {
            self.found(BlockFound::OnDisk);
            if !is_in_memory {
                // It is of no run, and so past the one that was read.
                self.interest = None;
            }
            self.fetch_ahead(index, wants);
            return Some(piece);
        }
        self.enter_memory(index, wants);
        None
    }

    /// Goes to a block in memory, which is fetched if it is not there.
    fn enter_memory(&mut self, index: u64, wants: Wants) {
        let is_first = index == self.first_index;
        let mut opened = self.window;
        if !is_first {
            opened.waited(1);
        }
        let last = self.last_index();
        // Whoever has just come may leave again, unless others go the same way.
        let goes_on = self.window.ahead() > 0;
        let most = |before: Option<RunSoFar>| {
            let before = before.filter(|run| !is_first && (goes_on || run.viewers > 1));
            let most = opened.run(index, last, before.map(|run| run.blocks));
            self.engine().of_one_tier(&self.identity, index, most)
        };
        let blocks = Arc::clone(&self.engine().blocks);
        let found = blocks.find(&self.identity, self.identity.length(), index, most);
        let (block, how) = match found {
            Found::Ready(block) => {
                self.engine().offer_again(&self.identity, index, &block);
                (block, BlockFound::InMemory)
            }
            Found::Coming(block, interest) => {
                self.interest = Some(interest);
                (block, BlockFound::Coming)
            }
            Found::Begun(block, interest, run) => {
                self.window = opened;
                self.interest = Some(interest);
                self.engine().fill(Arc::clone(&self.known), run);
                let how = if self.engine().is_on_disk(&self.identity, index) {
                    BlockFound::OnDisk
                } else {
                    BlockFound::Begun
                };
                (block, how)
            }
            Found::Full => {
                self.pass_by();
                return;
            }
        };
        self.stand_in(index, block, how, wants);
    }

    /// Reads a block from now on.
    fn stand_in(
        &mut self,
        index: u64,
        block: Arc<Block<SharedError>>,
        how: BlockFound,
        wants: Wants,
    ) {
        self.found(how);
        self.state = State::In {
            index,
            block: Arc::downgrade(&block),
            awaited: Some(block),
            has_waited: false,
        };
        self.fetch_ahead(index, wants);
    }

    /// Begins the next run if the window is low. What is likely to be sent from its file is not fetched.
    fn fetch_ahead(&mut self, index: u64, wants: Wants) {
        let end = index.saturating_add(self.window.ahead());
        let last = self.last_index().min(end);
        if last <= index {
            return;
        }
        let blocks = Arc::clone(&self.engine().blocks);
        let mut missing = blocks.first_missing(&self.identity, index.saturating_add(1), last);
        if let Some(disk) = self.files(wants) {
            while let Some(number) = missing
                && disk.is_likely_at_hand(&self.engine().on_disk(&self.identity, number))
            {
                let next = number.saturating_add(1);
                missing = blocks.first_missing(&self.identity, next, last);
            }
        }
        let Some(missing) = missing else {
            return;
        };
        if !self.window.is_low(index, missing) {
            return;
        }
        let (window, last) = (self.window, self.last_index());
        let most = |before: Option<RunSoFar>| {
            let most = window.run(missing, last, before.map(|run| run.blocks));
            self.engine().of_one_tier(&self.identity, missing, most)
        };
        match blocks.find(&self.identity, self.identity.length(), missing, most) {
            Found::Begun(_, interest, run) => {
                self.ahead = Some(interest);
                self.engine().fill(Arc::clone(&self.known), run);
            }
            Found::Coming(_, interest) => self.ahead = Some(interest),
            Found::Ready(_) | Found::Full => {}
        }
    }

    /// Reads to the end of the run as if there were no cache.
    fn pass_by(&mut self) {
        self.found(BlockFound::PassedBy);
        self.interest = None;
        self.ahead = None;
        let end = (self.next / RUN_BYTES)
            .saturating_add(1)
            .saturating_mul(RUN_BYTES);
        let last = self.last.min(end.saturating_sub(1));
        self.state = match (self.version(), InclRange::new(self.next, last)) {
            (Some(version), Some(range)) => State::Passing(PastCache::open(version, range)),
            _ => State::Between,
        };
    }

    fn version(&self) -> Option<PinnedVersion> {
        let key = self.identity.key().clone();
        PinnedVersion::new(
            Arc::clone(&self.sources.reader),
            key,
            &self.known.representation,
        )
    }

    fn poll_any(
        &mut self,
        cx: &mut Context<'_>,
        wants: Wants,
    ) -> Poll<Option<Result<Piece, ReadError>>> {
        match self.stash.take() {
            // It is asked for anew below.
            Some(Piece::File(part)) if wants == Wants::Bytes => {
                let length = u64::try_from(Piece::File(part).len()).unwrap_or(u64::MAX);
                self.next = self.next.saturating_sub(length);
            }
            Some(stash) => return Poll::Ready(Some(Ok(stash))),
            None => {}
        }
        let size = self.engine().blocks.block_size();
        loop {
            if self.next > self.last {
                self.interest = None;
                self.ahead = None;
                self.state = State::Between;
                return Poll::Ready(None);
            }
            match &mut self.state {
                State::Between => {
                    if let Some(piece) = self.enter(wants) {
                        return Poll::Ready(Some(Ok(self.hand_out(piece))));
                    }
                }
                State::In { index, .. } if *index != self.next / size => {
                    self.state = State::Between;
                }
                State::In {
                    index,
                    block,
                    awaited,
                    has_waited,
                } => {
                    let Some(block) = awaited.take().or_else(|| block.upgrade()) else {
                        // It had to go before its viewer was done: there are more viewers than room.
                        let index = *index;
                        if let Some((piece, _)) = self.in_file(index, wants) {
                            self.found(BlockFound::OnDisk);
                            return Poll::Ready(Some(Ok(self.hand_out(piece))));
                        }
                        if self.engine().is_on_disk(&self.identity, index) {
                            let then = self.losses.lost(None);
                            let _ = self.go_on(then, None);
                        } else {
                            self.pass_by();
                        }
                        continue;
                    };
                    let offset = usize::try_from(self.next % size).unwrap_or(usize::MAX);
                    match block.poll_read(offset, cx) {
                        Poll::Ready(Ok(bytes)) => {
                            return Poll::Ready(Some(Ok(self.hand_out(bytes.into()))));
                        }
                        Poll::Ready(Err(why)) => {
                            let then = self.losses.lost(why.as_ref().map(|why| why.kind));
                            if let Some(error) = self.go_on(then, why) {
                                return Poll::Ready(Some(Err(error)));
                            }
                        }
                        Poll::Pending => {
                            if !std::mem::replace(has_waited, true) && *index != self.first_index {
                                self.window.waited(block.run().blocks);
                            }
                            *awaited = Some(block);
                            return Poll::Pending;
                        }
                    }
                }
                State::Waiting(wait, why) => {
                    ready!(wait.as_mut().poll(cx));
                    let why = Arc::clone(why);
                    let then = self.losses.waited(self.engine().budget());
                    if then == Then::Again {
                        self.resumes = self.resumes.saturating_add(1);
                    }
                    if let Some(error) = self.go_on(then, Some(why)) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                State::Passing(past) => match ready!(past.poll_next(cx)) {
                    Some(Ok(bytes)) => return Poll::Ready(Some(Ok(self.hand_out(bytes.into())))),
                    Some(Err(error)) => return Poll::Ready(Some(Err(self.fail(error)))),
                    None => {
                        self.resumes = self.resumes.saturating_add(past.resumes());
                        self.state = State::Between;
                    }
                },
            }
        }
    }

    /// Of what is there as much as was asked for.
    fn hand_out(&mut self, mut piece: Piece) -> Piece {
        let missing = self.last.saturating_sub(self.next).saturating_add(1);
        piece.truncate(usize::try_from(missing).unwrap_or(usize::MAX));
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.next = self.next.saturating_add(length);
        self.losses.recovered();
        piece
    }

    /// Goes on after a loss, or tells why it cannot.
    fn go_on(&mut self, then: Then, why: Option<SharedError>) -> Option<ReadError> {
        self.state = State::Between;
        match (then, why) {
            (Then::PassBy, _) => self.pass_by(),
            (Then::Wait(wait), Some(why)) => {
                self.state = State::Waiting(Box::pin(sleep(wait)), why);
            }
            (Then::Fail, Some(why)) => return Some(self.fail(ReadError::shared(&why))),
            (Then::Again | Then::Wait(_) | Then::Fail, _) => {}
        }
        None
    }

    fn fail(&mut self, error: ReadError) -> ReadError {
        if matches!(error.kind, ReadErrorKind::Changed | ReadErrorKind::NotFound) {
            self.engine().is_gone(&self.identity);
        }
        // Nothing more comes.
        self.last = 0;
        self.next = 1;
        error
    }
}
