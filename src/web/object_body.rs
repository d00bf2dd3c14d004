//! The bytes of an object on their way to one viewer.

use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::decide::OpenBody;
use crate::storage::error::ReadError;
use crate::storage::{Body, Paused};

/// The largest piece handed to the connection at once, in bytes. The server copies each piece
/// into its write buffer and asks for the next when that has drained, so this is what a stalled
/// viewer holds there. Larger ones cost more CPU on long bodies, since they leave the processor's
/// cache between copy and write: measured with `benches/pass-through`, 64 KiB a fifth more.
const PIECE_BYTES: usize = 32 * 1024;

/// How long a viewer may take nothing while little has been sent. One that stops there wanted the
/// head of the file or nothing, and will most likely not go on soon; if it does, that is one call.
pub const EARLY_HOLD: Duration = Duration::from_secs(1);

/// What counts as little: above what the sockets on the way take without anyone reading.
const EARLY_BYTES: u64 = 1024 * 1024;

/// What is left to send, and the read that it comes from.
pub struct ObjectContent {
    promised: u64,
    remaining: u64,
    current: Bytes,
    /// `None` after the last byte or an error: the read is given up as early as it can be.
    rest: Option<Body>,
    turn: Turn,
    resumes: u32,
}

/// Who has to do something next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// The viewer has to take what it was given at this time.
    Viewer(Instant),
    /// The origin has to send.
    Origin,
}

impl ObjectContent {
    /// Exactly `promised` bytes. What the origin sends beyond is not passed on: handing the server
    /// more than was promised would make it spin.
    #[must_use]
    pub fn new(body: OpenBody, promised: u64) -> Self {
        Self {
            promised,
            remaining: promised,
            current: body.first,
            rest: Some(body.rest),
            turn: Turn::Viewer(Instant::now()),
            resumes: 0,
        }
    }

    /// Whether there is anything left to send.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.remaining > 0
    }

    /// How often the read was opened again.
    #[must_use]
    pub const fn resumes(&self) -> u32 {
        self.resumes
    }

    /// The next piece.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        self.turn = Turn::Origin;
        let piece = ready!(self.poll_next(cx));
        self.turn = Turn::Viewer(Instant::now());
        Poll::Ready(piece)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        while self.current.is_empty() {
            let Some(rest) = &mut self.rest else {
                return Poll::Ready(None);
            };
            let next = ready!(rest.as_mut().poll_next(cx));
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
        let length = self.current.len().min(PIECE_BYTES).min(most);
        let piece = self.current.split_to(length);
        let sent = u64::try_from(length).unwrap_or(u64::MAX);
        self.remaining = self.remaining.saturating_sub(sent);
        if self.remaining == 0 {
            self.rest = None;
        }
        Poll::Ready(Some(Ok(piece)))
    }

    /// Gives up the read and what is buffered of it, if the viewer has taken nothing for `hold`, or
    /// for [`EARLY_HOLD`] at the beginning.
    pub fn pause_if_held(&mut self, hold: Duration) {
        // Once only: each read that is given up leaves megabytes in its socket that S3 has sent and
        // bills, so a viewer that drips must not be able to ask for that every second.
        let is_early =
            self.resumes == 0 && self.promised.saturating_sub(self.remaining) < EARLY_BYTES;
        let hold = if is_early { hold.min(EARLY_HOLD) } else { hold };
        let is_held = match self.turn {
            Turn::Viewer(since) => since.elapsed() >= hold,
            Turn::Origin => false,
        };
        let Some(rest) = self.rest.as_mut().filter(|_| is_held) else {
            return;
        };
        let unread = u64::try_from(self.current.len()).unwrap_or(u64::MAX);
        if rest.as_mut().pause(unread) == Paused::Yes {
            self.current = Bytes::new();
        }
    }
}
