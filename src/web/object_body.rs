//! The bytes of an object on their way to one viewer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use std::io;
use std::rc::Rc;

use bytes::Bytes;

use super::decide::OpenBody;
use crate::connection::{Outlet, Unsendable};
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::storage::piece::SHORT_ANSWER_BYTES;
use crate::storage::{Body, ObjectBody, Paused, Piece};

/// How long a viewer may take nothing while little has been sent. One that stops there wanted the
/// head of the file or nothing, and will most likely not go on soon; if it does, that is one call.
pub const EARLY_HOLD: Duration = Duration::from_secs(1);

/// How long a viewer may take nothing before what it was given is given back to the cache, where it may
/// have to make room. One that takes four megabits a second never takes nothing for that long.
const GIVE_BACK_AFTER: Duration = Duration::from_millis(250);

/// What counts as little: above what the sockets on the way take without anyone reading.
const EARLY_BYTES: u64 = 1024 * 1024;

/// Bytes that wait to be taken by a viewer before no more are asked for: what a stalled viewer holds
/// here, and a piece. Fewer make more calls to the kernel, more hold more of the cache.
const WINDOW_BYTES: usize = 128 * 1024;

/// Bytes that a viewer takes before others have their turn.
const TURN_BYTES: usize = 1024 * 1024;

/// What is left to send, and the read that it comes from.
pub struct ObjectContent {
    promised: u64,
    remaining: u64,
    current: Piece,
    /// `None` after the last byte or an error: the read is given up as early as it can be.
    rest: Option<Body>,
    turn: Turn,
    resumes: u32,
    /// Where it goes past the server.
    outlet: Option<Rc<Outlet>>,
    /// It has ended, or failed, and what came before may not have been taken yet.
    end: Option<Result<(), ReadError>>,
}

/// How the next bytes are asked for.
type PollRest = fn(
    Pin<&mut (dyn ObjectBody + 'static)>,
    &mut Context<'_>,
) -> Poll<Option<Result<Piece, ReadError>>>;

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The viewer took all of it.
    Taken,
    /// All of it is queued, and waits for its head: the outlet can do the rest.
    Queued,
}

/// Why an answer ends before its last byte.
#[derive(Debug)]
pub enum Unsent {
    /// The bytes do not come.
    Read(ReadError),
    /// The viewer does not take them.
    Viewer(io::Error),
}

impl std::fmt::Display for Unsent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Viewer(error) => write!(f, "the viewer's connection: {error}"),
        }
    }
}

impl std::error::Error for Unsent {}

/// Who has to do something next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// The viewer has to take what it was given at this time.
    Viewer(Instant),
    /// The origin has to send.
    Origin,
}

impl ObjectContent {
    /// Exactly `promised` bytes from `now` on, which leave by `outlet` if there is one. What the origin
    /// sends beyond is not passed on.
    #[must_use]
    pub fn new(
        mut body: OpenBody,
        promised: u64,
        outlet: Option<Rc<Outlet>>,
        now: Instant,
    ) -> Self {
        if outlet.is_none() {
            body.first = body.take_bytes().into();
        }
        Self {
            promised,
            remaining: promised,
            current: body.first,
            rest: Some(body.rest),
            turn: Turn::Viewer(now),
            resumes: 0,
            outlet,
            end: None,
        }
    }

    /// Sends what is there by `outlet`, until all has been taken. A short answer that is all there is
    /// only queued.
    ///
    /// # Errors
    /// What came before a failed read is sent first, as long as the viewer takes it.
    pub fn poll_sent(
        &mut self,
        cx: &mut Context<'_>,
        outlet: &Outlet,
    ) -> Poll<Result<Sent, Unsent>> {
        let mut sent = 0_usize;
        loop {
            ready!(outlet.poll_ready(cx)).map_err(Unsent::Viewer)?;
            let has_filled = self.fill(cx, outlet);
            let before = outlet.queued();
            if before == 0 {
                return match self.end.take() {
                    Some(end) => Poll::Ready(end.map(|()| Sent::Taken).map_err(Unsent::Read)),
                    None => Poll::Pending,
                };
            }
            let is_all = matches!(self.end, Some(Ok(()))) && self.promised <= SHORT_ANSWER_BYTES;
            if is_all && outlet.can_see_off() {
                return Poll::Ready(Ok(Sent::Queued));
            }
            if has_filled {
                self.turn = Turn::Viewer(Instant::now());
            }
            let outcome = outlet.poll_send(cx);
            let taken = before.saturating_sub(outlet.queued());
            if taken > 0 || matches!(self.turn, Turn::Origin) {
                self.turn = Turn::Viewer(Instant::now());
            }
            match ready!(outcome) {
                Ok(()) => {}
                Err(Unsendable::Viewer(error)) => return Poll::Ready(Err(Unsent::Viewer(error))),
                Err(Unsendable::File(error)) => self.do_without_file(outlet, &error),
            }
            sent = sent.saturating_add(taken);
            if sent >= TURN_BYTES {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Queues what is there, up to a window. Whether that was something.
    fn fill(&mut self, cx: &mut Context<'_>, outlet: &Outlet) -> bool {
        let before = outlet.queued();
        while self.end.is_none() && outlet.queued() < WINDOW_BYTES {
            match self.poll_next(cx, usize::MAX, <dyn ObjectBody>::poll_piece) {
                Poll::Ready(Some(Ok(piece))) => outlet.push(piece),
                Poll::Ready(Some(Err(error))) => self.end = Some(Err(error)),
                // The server is not told how many bytes come, so it does not close the connection
                // after fewer.
                Poll::Ready(None) if self.remaining > 0 => {
                    let kind = ReadErrorKind::BadAnswer(BadAnswer::Body);
                    self.end = Some(Err(ReadError::new(kind, "a body that ends early")));
                }
                Poll::Ready(None) => self.end = Some(Ok(())),
                Poll::Pending => {
                    self.turn = Turn::Origin;
                    break;
                }
            }
        }
        outlet.queued() > before
    }

    /// How often the read was opened again.
    #[must_use]
    pub const fn resumes(&self) -> u32 {
        self.resumes
    }

    /// The next bytes, at most `most_bytes`.
    pub fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        most_bytes: usize,
    ) -> Poll<Option<Result<Bytes, ReadError>>> {
        self.turn = Turn::Origin;
        let next = self.poll_next(cx, most_bytes, |rest, cx| {
            rest.poll_next(cx).map_ok(Piece::Memory)
        });
        if next.is_ready() {
            self.turn = Turn::Viewer(Instant::now());
        }
        // Asked for bytes, no body hands out files.
        next.map(|next| next.and_then(|piece| piece.map(Piece::into_bytes).transpose()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        most_bytes: usize,
        poll: PollRest,
    ) -> Poll<Option<Result<Piece, ReadError>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        while self.current.is_empty() {
            let Some(rest) = &mut self.rest else {
                return Poll::Ready(None);
            };
            let next = ready!(poll(rest.as_mut(), cx));
            self.resumes = rest.resumes();
            match next {
                Some(Ok(chunk)) => self.current = chunk,
                Some(Err(error)) => {
                    self.rest = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => self.rest = None,
            }
        }
        let most = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let length = self.current.len().min(most_bytes).min(most);
        let piece = self.current.split_to(length);
        let sent = u64::try_from(length).unwrap_or(u64::MAX);
        self.remaining = self.remaining.saturating_sub(sent);
        // What is sent past the server may be given back until it has been taken.
        if self.remaining == 0 && self.outlet.is_none() {
            self.rest = None;
        }
        Poll::Ready(Some(Ok(piece)))
    }

    /// Looks whether the viewer keeps us waiting. After a moment it gives back what others may need
    /// more, and after `hold`, or [`EARLY_HOLD`] at the beginning, it gives up the read as well.
    pub fn look(&mut self, hold: Duration) {
        // Once only: each read that is given up leaves megabytes in its socket that S3 has sent and
        // bills, so a viewer that drips must not be able to ask for that every second.
        let is_early =
            self.resumes == 0 && self.promised.saturating_sub(self.remaining) < EARLY_BYTES;
        let hold = if is_early { hold.min(EARLY_HOLD) } else { hold };
        let waited = match self.turn {
            Turn::Viewer(since) => since.elapsed(),
            Turn::Origin => return,
        };
        if waited >= hold {
            self.give_up();
        } else if waited >= GIVE_BACK_AFTER {
            let _ = self.take_back(<dyn ObjectBody>::give_back);
        }
    }

    /// Has what is queued come again from elsewhere, since the file in front cannot be sent.
    fn do_without_file(&mut self, outlet: &Outlet, error: &io::Error) {
        log::warn!("a block on disk could not be sent, and comes from elsewhere: {error}");
        if self.take_back(<dyn ObjectBody>::file_failed) == Paused::No {
            let kind = ReadErrorKind::Internal;
            let error = ReadError::new(kind, "a file that does not come again");
            if !matches!(self.end, Some(Err(_))) {
                self.end = Some(Err(error));
            }
            outlet.take_back();
        }
    }

    fn give_up(&mut self) {
        if self.take_back(<dyn ObjectBody>::pause) == Paused::Yes {
            return;
        }
        // What is queued stays, by itself.
        if let Some(outlet) = &self.outlet {
            outlet.gather();
        }
        let unread = u64::try_from(self.current.len()).unwrap_or(u64::MAX);
        let rest = self.rest.as_mut();
        if rest.is_some_and(|rest| rest.as_mut().pause(unread) == Paused::Yes) {
            self.current = Piece::default();
        }
    }

    /// Has the read take back all that was not sent, if it can.
    fn take_back(
        &mut self,
        give: fn(Pin<&mut (dyn ObjectBody + 'static)>, u64) -> Paused,
    ) -> Paused {
        let Some(rest) = self.rest.as_mut() else {
            return Paused::No;
        };
        let queued = self.outlet.as_ref().map_or(0, |outlet| outlet.queued());
        let unread = queued.saturating_add(self.current.len());
        let unread = u64::try_from(unread).unwrap_or(u64::MAX);
        let given = give(rest.as_mut(), unread);
        if given == Paused::Yes {
            self.current = Piece::default();
            self.end = None;
            let queued = u64::try_from(queued).unwrap_or(u64::MAX);
            self.remaining = self.remaining.saturating_add(queued);
            if let Some(outlet) = &self.outlet {
                outlet.take_back();
            }
        }
        given
    }
}
