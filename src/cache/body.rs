//! The bytes of one answer, out of blocks.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::block::{Block, Interest, RunSoFar};
use super::directory::Known;
use super::engine::{Engine, SharedError};
use super::identity::ObjectIdentity;
use super::store::Found;
use super::window::Window;
use crate::semantics::InclRange;
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::retry::{BACKOFF, PATIENCE, is_worth_waiting, jittered};
use crate::storage::version::PinnedVersion;
use crate::storage::{Body, BoxFuture, ObjectBody, ObjectRead, ObjectReader, Paused};

/// How many bytes are fetched by one call at most. It is what S3's own parts usually are; a larger
/// call saves nothing any more.
pub const RUN_BYTES: u64 = 8 * 1024 * 1024;

/// How often a block that went before it was read is asked for anew, without a byte in between.
const MOST_ATTEMPTS: u32 = 3;

/// How the first block of an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstBlock {
    /// It was complete.
    Ready,
    /// Someone else was fetching it.
    Coming,
    /// It was fetched for this answer.
    Begun,
    /// It was on disk.
    OnDisk,
    /// There was no room for it: the bytes come from S3 as without a cache.
    PassedBy,
}

/// A body that reads blocks, and sees to it that those are fetched that are not there.
pub struct BlockBody {
    engine: Arc<Engine>,
    /// For when there is no room: the viewer's own worker reads then.
    reader: Arc<dyn ObjectReader>,
    known: Arc<Known>,
    identity: ObjectIdentity,
    next: u64,
    last: u64,
    window: Window,
    first_index: u64,
    first_block: Option<FirstBlock>,
    stash: Option<Bytes>,
    state: State,
    /// In the run that the viewer reads.
    interest: Option<Interest>,
    /// In the one that is fetched ahead of it.
    ahead: Option<Interest>,
    /// Blocks asked for anew since the last byte.
    attempts: u32,
    /// Since when there are none.
    lost_since: Option<Instant>,
    has_begun: bool,
    resumes: u32,
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
    /// Past the cache: an opening read, and up to where.
    Opening(InclRange, BoxFuture<'static, Result<ObjectRead, ReadError>>),
    Passing(Body),
}

impl BlockBody {
    /// The bytes of `extent` of a version whose identity is known.
    pub fn new(
        engine: Arc<Engine>,
        reader: Arc<dyn ObjectReader>,
        known: Arc<Known>,
        identity: ObjectIdentity,
        extent: InclRange,
    ) -> Self {
        let size = engine.blocks.block_size();
        let unit = (RUN_BYTES / size).max(1);
        let most = engine.config().read_ahead.div_ceil(size);
        Self {
            window: Window::new(most, unit),
            first_index: extent.first() / size,
            engine,
            reader,
            known,
            identity,
            next: extent.first(),
            last: extent.last(),
            first_block: None,
            stash: None,
            state: State::Between,
            interest: None,
            ahead: None,
            attempts: 0,
            lost_since: None,
            has_begun: false,
            resumes: 0,
        }
    }

    /// How the first block was found, once there are bytes.
    #[must_use]
    pub const fn first_block(&self) -> Option<FirstBlock> {
        self.first_block
    }

    /// Waits for the first bytes, which come again when the body is read.
    pub fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ReadError>> {
        match ready!(self.poll_bytes(cx)) {
            Some(Ok(bytes)) => {
                self.stash = Some(bytes);
                Poll::Ready(Ok(()))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }

    fn last_index(&self) -> u64 {
        self.last / self.engine.blocks.block_size()
    }

    /// Goes to the block of the next byte.
    fn enter(&mut self) {
        let size = self.engine.blocks.block_size();
        let index = self.next / size;
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
            self.engine.of_one_tier(&self.identity, index, most)
        };
        let blocks = Arc::clone(&self.engine.blocks);
        let found = blocks.find(&self.identity, self.identity.length(), index, most);
        let (block, how) = match found {
            Found::Ready(block) => (block, FirstBlock::Ready),
            Found::Coming(block, interest) => {
                self.interest = Some(interest);
                (block, FirstBlock::Coming)
            }
            Found::Begun(block, interest, run) => {
                self.window = opened;
                self.interest = Some(interest);
                self.engine.fill(Arc::clone(&self.known), run);
                let how = if self.engine.is_on_disk(&self.identity, index) {
                    FirstBlock::OnDisk
                } else {
                    FirstBlock::Begun
                };
                (block, how)
            }
            Found::Full => {
                self.first_block.get_or_insert(FirstBlock::PassedBy);
                self.pass_by();
                return;
            }
        };
        self.first_block.get_or_insert(how);
        self.state = State::In {
            index,
            block: Arc::downgrade(&block),
            awaited: Some(block),
            has_waited: false,
        };
        self.fetch_ahead(index);
    }

    /// Begins the next run if the window is low.
    fn fetch_ahead(&mut self, index: u64) {
        let end = index.saturating_add(self.window.ahead());
        let last = self.last_index().min(end);
        if last <= index {
            return;
        }
        let blocks = Arc::clone(&self.engine.blocks);
        let Some(missing) = blocks.first_missing(&self.identity, index.saturating_add(1), last)
        else {
            return;
        };
        if !self.window.is_low(index, missing) {
            return;
        }
        let (window, last) = (self.window, self.last_index());
        let most = |before: Option<RunSoFar>| {
            let most = window.run(missing, last, before.map(|run| run.blocks));
            self.engine.of_one_tier(&self.identity, missing, most)
        };
        match blocks.find(&self.identity, self.identity.length(), missing, most) {
            Found::Begun(_, interest, run) => {
                self.ahead = Some(interest);
                self.engine.fill(Arc::clone(&self.known), run);
            }
            Found::Coming(_, interest) => self.ahead = Some(interest),
            Found::Ready(_) | Found::Full => {}
        }
    }

    /// Reads to the end of the run as if there were no cache.
    fn pass_by(&mut self) {
        self.interest = None;
        self.ahead = None;
        let end = (self.next / RUN_BYTES)
            .saturating_add(1)
            .saturating_mul(RUN_BYTES);
        let last = self.last.min(end.saturating_sub(1));
        self.state = match (self.version(), InclRange::new(self.next, last)) {
            (Some(version), Some(range)) => State::Opening(range, version.open(range)),
            _ => State::Between,
        };
    }

    fn version(&self) -> Option<PinnedVersion> {
        let key = self.identity.key().clone();
        PinnedVersion::new(Arc::clone(&self.reader), key, &self.known.representation)
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        if let Some(stash) = self.stash.take() {
            return Poll::Ready(Some(Ok(stash)));
        }
        let size = self.engine.blocks.block_size();
        loop {
            if self.next > self.last {
                self.interest = None;
                self.ahead = None;
                self.state = State::Between;
                return Poll::Ready(None);
            }
            match &mut self.state {
                State::Between => self.enter(),
                State::In { index, .. } if *index != self.next / size => self.enter(),
                State::In {
                    index,
                    block,
                    awaited,
                    has_waited,
                } => {
                    let Some(block) = awaited.take().or_else(|| block.upgrade()) else {
                        // It had to go before its viewer was done: there are more viewers than room.
                        self.pass_by();
                        continue;
                    };
                    let offset = usize::try_from(self.next % size).unwrap_or(usize::MAX);
                    match block.poll_read(offset, cx) {
                        Poll::Ready(Ok(bytes)) => {
                            return Poll::Ready(Some(Ok(self.hand_out(bytes))));
                        }
                        Poll::Ready(Err(why)) => {
                            if let Some(error) = self.after_loss(why) {
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
                    if let Some(error) = self.after_wait(why) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
                State::Opening(range, opening) => {
                    let range = *range;
                    let read = ready!(opening.as_mut().poll(cx));
                    let checked = read.and_then(|read| match self.version() {
                        Some(version) => version.check(read, range),
                        None => Err(ReadError::new(
                            ReadErrorKind::Internal,
                            "a version without a tag",
                        )),
                    });
                    match checked {
                        Ok(body) => self.state = State::Passing(body),
                        Err(error) => return Poll::Ready(Some(Err(self.fail(error)))),
                    }
                }
                State::Passing(body) => match ready!(body.as_mut().poll_next(cx)) {
                    Some(Ok(bytes)) => return Poll::Ready(Some(Ok(self.hand_out(bytes)))),
                    Some(Err(error)) => return Poll::Ready(Some(Err(self.fail(error)))),
                    None => {
                        self.resumes = self.resumes.saturating_add(body.resumes());
                        self.state = State::Between;
                    }
                },
            }
        }
    }

    /// Of what is there as much as was asked for.
    fn hand_out(&mut self, mut bytes: Bytes) -> Bytes {
        let missing = self.last.saturating_sub(self.next).saturating_add(1);
        bytes.truncate(usize::try_from(missing).unwrap_or(usize::MAX));
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.next = self.next.saturating_add(length);
        self.attempts = 0;
        self.lost_since = None;
        self.has_begun = true;
        bytes
    }

    /// The run ended before the byte that is wanted. An answer that has begun would be cut, so it
    /// waits and asks anew, as one without a cache does; one that has not tells the error.
    fn after_loss(&mut self, why: Option<SharedError>) -> Option<ReadError> {
        self.attempts = self.attempts.saturating_add(1);
        self.state = State::Between;
        let Some(why) = why else {
            if self.attempts >= MOST_ATTEMPTS {
                self.pass_by();
            }
            return None;
        };
        let may_wait = self.has_begun && is_worth_waiting(why.kind);
        let failures = usize::try_from(self.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(wait) = BACKOFF.get(failures).filter(|_| may_wait) else {
            return Some(self.fail(ReadError::shared(&why)));
        };
        self.lost_since.get_or_insert_with(Instant::now);
        self.state = State::Waiting(Box::pin(sleep(jittered(*wait))), why);
        None
    }

    /// The wait is over: goes on, if that is granted. The first time is a call like any other.
    fn after_wait(&mut self, why: SharedError) -> Option<ReadError> {
        if self.attempts <= 1 || self.engine.budget().again().is_some() {
            self.resumes = self.resumes.saturating_add(1);
            self.state = State::Between;
            return None;
        }
        if self
            .lost_since
            .is_some_and(|since| since.elapsed() >= PATIENCE)
        {
            return Some(self.fail(ReadError::shared(&why)));
        }
        let [.., longest] = BACKOFF;
        self.state = State::Waiting(Box::pin(sleep(jittered(longest))), why);
        None
    }

    fn fail(&mut self, error: ReadError) -> ReadError {
        if matches!(error.kind, ReadErrorKind::Changed | ReadErrorKind::NotFound) {
            self.engine.is_gone(&self.identity);
        }
        // Nothing more comes.
        self.last = 0;
        self.next = 1;
        error
    }
}

impl Stream for BlockBody {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_bytes(cx)
    }
}

impl ObjectBody for BlockBody {
    fn pause(mut self: Pin<&mut Self>, unread: u64) -> Paused {
        let stashed = self.stash.take().map_or(0, |stash| stash.len());
        let unread = unread.saturating_add(u64::try_from(stashed).unwrap_or(u64::MAX));
        self.next = self.next.saturating_sub(unread);
        self.interest = None;
        self.ahead = None;
        if matches!(self.state, State::Passing(_) | State::Opening(..)) {
            self.resumes = self.resumes.saturating_add(1);
        }
        self.state = State::Between;
        Paused::Yes
    }

    fn give_back(mut self: Pin<&mut Self>, unread: u64) -> Paused {
        match self.state {
            State::Between | State::In { .. } if unread <= self.next => {
                let stashed = self.stash.take().map_or(0, |stash| stash.len());
                let unread = unread.saturating_add(u64::try_from(stashed).unwrap_or(u64::MAX));
                self.next = self.next.saturating_sub(unread);
                Paused::Yes
            }
            State::Between
            | State::In { .. }
            | State::Waiting(..)
            | State::Opening(..)
            | State::Passing(_) => Paused::No,
        }
    }

    fn resumes(&self) -> u32 {
        let passing = match &self.state {
            State::Passing(body) => body.resumes(),
            State::Between | State::In { .. } | State::Waiting(..) | State::Opening(..) => 0,
        };
        self.resumes.saturating_add(passing)
    }
}
