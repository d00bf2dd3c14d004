//! One block: bytes that can be read while others still come, and who waits for them.

use std::ops::Range;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::eviction::{Fate, MOST_USES};
use super::sync::{Arc, Mutex, lock};

/// One block.
#[derive(Debug)]
pub struct Block<E> {
    length: usize,
    ticket: Arc<Ticket>,
    state: Mutex<State<E>>,
}

#[derive(Debug)]
struct State<E> {
    /// What has come, in order, each with where it begins. All are parts of one buffer.
    pieces: Vec<(usize, Bytes)>,
    filled: usize,
    phase: Phase<E>,
    waiting: Vec<Waker>,
    uses: u8,
    was_read: bool,
    /// The disk had no time for it.
    was_refused: bool,
}

#[derive(Debug)]
pub(super) enum Phase<E> {
    Filling,
    Ready,
    /// It will not be complete: why, unless the run just ended.
    Gone(Option<E>),
}

/// What is known of a run from one of its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSoFar {
    /// How many blocks it was to have.
    pub blocks: u64,
    /// How many viewers went along with it and have not come to another.
    pub viewers: usize,
}

/// Who wants a run.
#[derive(Debug)]
pub(super) struct Ticket {
    pub blocks: u64,
    pub wanted: Mutex<Wanted>,
}

#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub by: usize,
    pub filler: Option<Waker>,
}

/// Keeps a run going while it is held.
#[derive(Debug)]
pub struct Interest(Arc<Ticket>);

/// What is left of a block.
pub(super) struct Dissolved {
    /// Whether anyone ever read it.
    pub was_read: bool,
    /// Its buffer, if nobody has parts of it any more.
    pub buffer: Option<BytesMut>,
}

impl<E> State<E> {
    /// Counts a use.
    fn used(&mut self) {
        self.uses = self.uses.saturating_add(1).min(MOST_USES);
    }

    /// Bytes from `offset` on, as many as lie in one piece, if they are here.
    fn read(&mut self, offset: usize) -> Option<Bytes> {
        let behind = self.pieces.partition_point(|(begin, _)| *begin <= offset);
        let (begin, piece) = self.pieces.get(behind.checked_sub(1)?)?;
        let from = offset.saturating_sub(*begin);
        if from >= piece.len() {
            return None;
        }
        self.was_read = true;
        Some(piece.slice(from..))
    }
}

impl<E: Clone> Block<E> {
    pub(super) fn new(length: u64, ticket: Arc<Ticket>) -> Self {
        Self {
            length: usize::try_from(length).unwrap_or(usize::MAX),
            ticket,
            state: Mutex::new(State {
                pieces: Vec::new(),
                filled: 0,
                phase: Phase::Filling,
                waiting: Vec::new(),
                uses: 0,
                was_read: false,
                was_refused: false,
            }),
        }
    }

    /// How many bytes it has when it is complete.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// How many bytes of it are here.
    #[must_use]
    pub fn filled(&self) -> usize {
        lock(&self.state).filled
    }

    /// All of its pieces so far.
    #[must_use]
    pub fn pieces(&self) -> Vec<Bytes> {
        let state = lock(&self.state);
        state
            .pieces
            .iter()
            .map(|(_, piece)| piece.clone())
            .collect()
    }

    /// Takes note that bytes of it are sent from its file, and tells whether it can stand in for that up
    /// to `end`, if it may have to; that is a use of it.
    pub fn stands_in(&self, end: Option<usize>) -> bool {
        let mut state = lock(&self.state);
        state.was_read = true;
        let stands_in = end.is_some_and(|end| state.filled >= end);
        if stands_in {
            state.used();
        }
        stands_in
    }

    /// Takes note of whether the disk had time to take it, and tells whether it had none before.
    pub fn refused(&self, was_refused: bool) -> bool {
        std::mem::replace(&mut lock(&self.state).was_refused, was_refused)
    }

    /// A copy of these bytes, if they are here.
    #[must_use]
    pub fn copy(&self, range: Range<usize>) -> Option<Bytes> {
        let state = lock(&self.state);
        if range.end > state.filled || range.is_empty() {
            return None;
        }
        let mut copied = BytesMut::with_capacity(range.len());
        for (begin, piece) in &state.pieces {
            let first = range.start.saturating_sub(*begin).min(piece.len());
            let end = range.end.saturating_sub(*begin).min(piece.len());
            copied.extend_from_slice(piece.get(first..end)?);
        }
        Some(copied.freeze())
    }

    /// Whether bytes from `offset` on are here already.
    #[must_use]
    pub fn has(&self, offset: usize) -> bool {
        self.filled() > offset
    }

    /// The run that it came with.
    #[must_use]
    pub fn run(&self) -> RunSoFar {
        RunSoFar {
            blocks: self.ticket.blocks,
            viewers: lock(&self.ticket.wanted).by,
        }
    }

    /// Bytes from `offset` on, as many as lie in one piece; waits until there are any.
    ///
    /// # Errors
    /// Why there will be none; nothing if the run just ended and it should be asked for anew.
    pub fn poll_read(&self, offset: usize, cx: &mut Context<'_>) -> Poll<Result<Bytes, Option<E>>> {
        let mut state = lock(&self.state);
        if offset < state.filled {
            return Poll::Ready(state.read(offset).ok_or(None));
        }
        match &state.phase {
            Phase::Filling => {
                let waker = cx.waker();
                if !state.waiting.iter().any(|known| known.will_wake(waker)) {
                    state.waiting.push(waker.clone());
                }
                Poll::Pending
            }
            Phase::Ready => Poll::Ready(Err(None)),
            Phase::Gone(why) => Poll::Ready(Err(why.clone())),
        }
    }

    /// Counts a use; interest in its run while it is on its way.
    pub(super) fn used(&self) -> Option<Interest> {
        let mut state = lock(&self.state);
        state.used();
        match &state.phase {
            Phase::Filling => Some(Interest::of(&self.ticket)),
            Phase::Ready | Phase::Gone(_) => None,
        }
    }

    /// Bytes from `offset` on, as many as lie in one piece, if it is complete, and whether the disk had no
    /// time for it, which is forgotten with this. That may be a use of it.
    pub(super) fn read_if_ready(&self, offset: usize, is_use: bool) -> Option<(Bytes, bool)> {
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Ready) {
            return None;
        }
        let bytes = state.read(offset)?;
        if is_use {
            state.used();
        }
        Some((bytes, std::mem::take(&mut state.was_refused)))
    }

    pub(super) fn fate(&self) -> Fate {
        let mut state = lock(&self.state);
        match state.phase {
            // Of a name that was forgotten and came again: it is queued when it is complete.
            Phase::Filling => Fate::Gone,
            Phase::Ready | Phase::Gone(_) => {
                let uses = state.uses;
                state.uses = uses.saturating_sub(1);
                Fate::Used(uses)
            }
        }
    }

    pub(super) fn is_filling(&self) -> bool {
        matches!(lock(&self.state).phase, Phase::Filling)
    }

    /// What it held, once nobody else knows it.
    pub(super) fn dissolve(self) -> Dissolved {
        let mut state = lock(&self.state);
        let last = state.pieces.pop();
        state.pieces.clear();
        Dissolved {
            was_read: state.was_read,
            // All pieces are parts of one buffer, which the last alone still holds.
            buffer: last.and_then(|(_, piece)| piece.try_into_mut().ok()),
        }
    }

    pub(super) fn append(&self, piece: Bytes) {
        let waiting = {
            let mut state = lock(&self.state);
            let begin = state.filled;
            state.filled = begin.saturating_add(piece.len());
            state.pieces.push((begin, piece));
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(super) fn end(&self, phase: Phase<E>) {
        let waiting = {
            let mut state = lock(&self.state);
            state.phase = phase;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Interest {
    pub(super) fn of(ticket: &Arc<Ticket>) -> Self {
        let mut wanted = lock(&ticket.wanted);
        wanted.by = wanted.by.saturating_add(1);
        Self(Arc::clone(ticket))
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let filler = {
            let mut wanted = lock(&self.0.wanted);
            wanted.by = wanted.by.saturating_sub(1);
            (wanted.by == 0).then(|| wanted.filler.take()).flatten()
        };
        if let Some(filler) = filler {
            filler.wake();
        }
    }
}
