//! The way out of a connection, for whoever makes its answers.
//!
//! The HTTP server copies every piece of a body into a buffer of its own and writes that, 32 KiB at
//! a time. So bodies of objects go past it: the server is told of an answer whose end it need not
//! know, it writes a head with hardly any fields, and the body hands its pieces to the [`Outlet`],
//! which adds the fields to the head, and sends the pieces as they lie in memory, many with one call,
//! or in a file; only a few hundred bytes are put together first. The head waits for the first pieces and
//! leaves with them. A short body that is queued to its end before its head leaves is over for the
//! server: the outlet sees it off ([`Leaving`]), so that a short answer costs one round of the server and
//! not three.
//!
//! This holds what it promises only while the server does as follows, which tests pin:
//!
//! - it asks a body for its first piece before it writes the head, or writes it to its end first;
//! - between the handler's end and that first piece it writes nothing;
//! - it hands all it has to `poll_write`, an older answer's end and then the whole head, and calls
//!   `poll_flush` when all was accepted;
//! - it calls `poll_flush` as long as that says that it is not ready, also when it has nothing of its
//!   own to write, and does not end the connection before;
//! - it asks for no more while the body says that it is not ready, and asks again when woken;
//! - it asks for more after a flush that woke it, which happens when a file cannot be sent;
//! - it ends the connection when the body fails.

mod heads;

use std::cell::{RefCell, RefMut};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use super::pace::{LetGo, ViewerLimits};
use super::queue::Queue;
use super::socket::{poll_begin, poll_send_file};
use super::taking::Taking;
use super::turn::Turn;
use crate::storage::Piece;
use heads::Heads;
pub use heads::field_memory;

/// Pieces that one call to the kernel takes: more than lie in a window when they are as small as an
/// origin's answer comes in.
const MOST_SLICES: usize = 32;

/// Bytes that are put together for one plain call: to copy as few costs less than to tell the kernel where
/// they lie.
const FEW_BYTES: usize = 1024;

/// Sends what is to be sent, and keeps account of what the viewer takes. It is shared between a
/// connection and the answers to its requests, on one thread.
pub struct Outlet {
    turn: Rc<Turn>,
    sending: RefCell<Sending>,
}

struct Sending {
    stream: TcpStream,
    /// Field lines that belong to the head that the server writes next, until it has.
    awaited: Option<Vec<u8>>,
    /// Of heads that were accepted.
    heads: Heads,
    /// Bytes of body, in order.
    queue: Queue,
    /// Bytes of body that the viewer took and nobody was told of.
    taken: usize,
    /// The body waits until its head has left.
    is_awaited: bool,
    /// Why the file in front of the queue cannot be sent; told to the body.
    file_failed: Option<io::Error>,
    /// The answer that what is queued is the end of, if its body has ended already.
    leaving: Option<Box<dyn Leaving>>,
    taking: Taking,
}

/// An answer whose every byte is queued. It is dropped when the viewer has taken them, or when the
/// connection has ended.
pub trait Leaving {
    /// The viewer took this many bytes of its body.
    fn took(&mut self, bytes: usize);
}

/// Why what is queued is not sent.
#[derive(Debug)]
pub enum Unsendable {
    /// The viewer has left, or was let go because it took too little.
    Viewer(io::Error),
    /// The file in front cannot be read. Nothing is lost but time: its bytes can come from elsewhere.
    File(io::Error),
}

impl Outlet {
    /// The way out of a socket, whose viewer has to take its bytes within `limits`.
    #[must_use]
    pub fn new(stream: TcpStream, turn: Rc<Turn>, limits: ViewerLimits) -> Self {
        Self {
            turn,
            sending: RefCell::new(Sending {
                stream,
                awaited: None,
                heads: Heads::default(),
                queue: Queue::default(),
                taken: 0,
                is_awaited: false,
                file_failed: None,
                leaving: None,
                taking: Taking::new(limits),
            }),
        }
    }

    /// Bytes of body that wait to be taken.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.sending.borrow().queue.len()
    }

    /// Whether anything waits to be taken, a head too.
    pub(super) fn is_waiting(&self) -> bool {
        let sending = self.sending.borrow();
        !sending.queue.is_empty() || !sending.heads.is_empty()
    }

    /// Queues a piece of the body.
    pub fn push(&self, piece: Piece) {
        self.sending.borrow_mut().queue.push(piece);
    }

    /// Copies what is queued in memory, which may be small parts of something large.
    pub fn gather(&self) {
        self.sending.borrow_mut().queue.gather();
    }

    /// Forgets the body's bytes that were not taken: they come again.
    pub fn take_back(&self) {
        let mut sending = self.sending.borrow_mut();
        sending.queue.clear();
        sending.file_failed = None;
    }

    /// Bytes of body that the viewer took since this was last asked: that the kernel took for it.
    pub fn taken(&self) -> usize {
        std::mem::take(&mut self.sending.borrow_mut().taken)
    }

    /// Waits until the viewer takes something, so that nothing is asked for before. A head that has
    /// not left takes what there is along.
    ///
    /// # Errors
    /// When the viewer has left, or was let go because it took too little.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = self.sending.borrow_mut();
        if sending.awaited.is_some() {
            return Poll::Ready(Ok(()));
        }
        match sending.stream.poll_write_ready(cx) {
            Poll::Pending => self.account(&mut sending, cx, Poll::Pending).map_ok(|_| ()),
            ready @ Poll::Ready(_) => {
                if sending.queue.is_empty() {
                    sending.taking.has_nothing_to_take();
                }
                ready
            }
        }
    }

    /// Sends what is queued. Waits while the viewer takes nothing, or while the head has not left.
    ///
    /// # Errors
    /// [`Unsendable`].
    pub fn poll_send(&self, cx: &mut Context<'_>) -> Poll<Result<(), Unsendable>> {
        let mut sending = self.sending.borrow_mut();
        if sending.awaited.is_some() && !sending.queue.is_empty() {
            sending.is_awaited = true;
            return Poll::Pending;
        }
        let drained = self.poll_drain(&mut sending, cx);
        match sending.file_failed.take() {
            Some(error) => Poll::Ready(Err(Unsendable::File(error))),
            None => drained.map_err(Unsendable::Viewer),
        }
    }

    /// An answer is handed to the server now, whose body comes this way: its head comes first, to which
    /// these field lines belong. Not sooner, since the end of the answer before may leave while this one
    /// is made.
    pub fn expect_head(&self, fields: Vec<u8>) {
        self.sending.borrow_mut().awaited = Some(fields);
    }

    /// Whether an answer that is queued to its end can be left to us: nothing of it has been written,
    /// its head neither, and none of it is in a file alone, which may fail. Not the last of a connection:
    /// after that the server reads no more, and so would not notice that its viewer leaves.
    #[must_use]
    pub fn can_see_off(&self) -> bool {
        let sending = self.sending.borrow();
        sending.awaited.is_some() && !self.turn.is_over() && sending.queue.is_in_memory()
    }

    /// Takes over an answer whose body is queued to its end: the server may forget it, writes its head,
    /// and is not asked again when that has left.
    pub fn see_off(&self, answer: Box<dyn Leaving>) {
        self.sending.borrow_mut().leaving = Some(answer);
    }

    /// The connection is closed, whatever is queued.
    pub(super) fn has_ended(&self) {
        Self::settle(self.sending.borrow_mut());
    }

    /// Lets go of an answer that was seen off.
    fn settle(mut sending: RefMut<'_, Sending>) {
        if let Some(mut answer) = sending.leaving.take() {
            let taken = std::mem::take(&mut sending.taken);
            drop(sending);
            answer.took(taken);
        }
    }

    /// Reads from the socket.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut sending = self.sending.borrow_mut();
        Pin::new(&mut sending.stream).poll_read(cx, buffer)
    }

    /// What the server writes: heads, and bodies that it was given itself. A head that is awaited is
    /// accepted whole, and leaves with the body behind it.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut sending = self.sending.borrow_mut();
        if let Some(fields) = sending.awaited.take() {
            let Some(head) = bytes.strip_suffix(b"\r\n\r\n") else {
                // Without its length the viewer would take what follows for the body.
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            };
            sending.heads.push(head, fields);
            return Poll::Ready(Ok(bytes.len()));
        }
        // Of the answer before.
        ready!(self.poll_drain(&mut sending, cx))?;
        let written = Pin::new(&mut sending.stream).poll_write(cx, bytes);
        self.account(&mut sending, cx, written)
    }

    /// Sends what the server has not seen, and tells the body that its head has left.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = self.sending.borrow_mut();
        if sending.awaited.is_some() {
            return Poll::Ready(Ok(()));
        }
        let drained = self.poll_drain(&mut sending, cx);
        if std::mem::take(&mut sending.is_awaited) || sending.file_failed.is_some() {
            cx.waker().wake_by_ref();
        }
        if sending.leaving.is_none() {
            return drained;
        }
        // Nobody is left who could have bytes come from elsewhere, or give them back while the viewer
        // takes its time.
        if let Some(error) = sending.file_failed.take() {
            return Poll::Ready(Err(error));
        }
        if drained.is_pending() {
            sending.queue.gather();
        } else {
            Self::settle(sending);
        }
        drained
    }

    /// Closes our side.
    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = self.sending.borrow_mut();
        Pin::new(&mut sending.stream).poll_shutdown(cx)
    }

    /// Writes what the socket takes at once, if nothing is on its way before it.
    pub(super) fn try_write(&self, bytes: &[u8]) {
        let sending = self.sending.borrow();
        if sending.queue.is_empty() && sending.heads.is_empty() {
            // Whatever does not fit is not worth waiting for.
            let _ = sending.stream.try_write(bytes);
        }
    }

    /// Sends what is queued. Done as well when a file has failed, which the body is to be told of.
    fn poll_drain(&self, sending: &mut Sending, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        sending.file_failed = None;
        while !sending.heads.is_empty() || !sending.queue.is_empty() {
            if sending.heads.is_empty() && sending.queue.file().is_some() {
                let Some(taken) = ready!(self.poll_file(sending, cx))? else {
                    return Poll::Ready(Ok(()));
                };
                sending.took(taken);
                continue;
            }
            let taken = ready!(self.poll_memory(sending, cx))?;
            let of_body = sending.heads.advance(taken);
            sending.took(of_body);
        }
        Poll::Ready(Ok(()))
    }

    /// One call: what is left of heads, and as much of the queue as one call takes.
    fn poll_memory(&self, sending: &mut Sending, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Sending {
            stream,
            heads,
            queue,
            ..
        } = sending;
        let heads = heads.as_slice();
        let written = if queue.file().is_some() {
            poll_begin(stream, cx, heads)
        } else if heads.len().saturating_add(queue.len()) <= FEW_BYTES {
            let mut together = [0; FEW_BYTES];
            let mut end = 0;
            for part in std::iter::once(heads).chain(queue.in_memory()) {
                let begin = end;
                end += part.len();
                if let Some(place) = together.get_mut(begin..end) {
                    place.copy_from_slice(part);
                }
            }
            let together = together.get(..end).unwrap_or_default();
            Pin::new(stream).poll_write(cx, together)
        } else {
            let mut slices = [IoSlice::new(&[]); MOST_SLICES];
            let parts = std::iter::once(heads).chain(queue.in_memory());
            let parts = parts.filter(|part| !part.is_empty());
            let mut count = 0;
            for (slice, part) in slices.iter_mut().zip(parts) {
                *slice = IoSlice::new(part);
                count += 1;
            }
            let slices = slices.get(..count).unwrap_or(&slices);
            Pin::new(stream).poll_write_vectored(cx, slices)
        };
        let written = match written {
            Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            other => other,
        };
        self.account(sending, cx, written)
    }

    /// One call: as much of the file in front of the queue as one call takes; `None` if it failed, and
    /// its bytes are not in memory.
    fn poll_file(
        &self,
        sending: &mut Sending,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<usize>>> {
        let Some(part) = sending.queue.file() else {
            return Poll::Ready(Ok(Some(0)));
        };
        match poll_send_file(&sending.stream, cx, part) {
            Poll::Ready(Err(Unsendable::File(error))) => {
                if sending.queue.do_without_file() {
                    log::warn!(
                        "a block on disk could not be sent, and leaves from memory: {error}"
                    );
                    return Poll::Ready(Ok(Some(0)));
                }
                sending.file_failed = Some(error);
                Poll::Ready(Ok(None))
            }
            Poll::Ready(Err(Unsendable::Viewer(error))) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(sent)) => self
                .account(sending, cx, Poll::Ready(Ok(sent)))
                .map_ok(Some),
            Poll::Pending => self.account(sending, cx, Poll::Pending).map_ok(Some),
        }
    }

    /// Keeps account of a write, and ends the connection of a viewer that takes too little.
    fn account(
        &self,
        sending: &mut Sending,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match sending.taking.account(cx, &written) {
            Ok(()) => written,
            Err(why) => Poll::Ready(Err(self.let_go(sending, why))),
        }
    }

    /// Resets the connection when the server drops it, which it does with this error: an orderly
    /// end would keep what the viewer does not take in the kernel for minutes more.
    fn let_go(&self, sending: &Sending, why: LetGo) -> io::Error {
        self.turn.let_go(why);
        if let Err(error) = sending.stream.set_zero_linger() {
            log::debug!("SO_LINGER could not be set: {error}");
        }
        io::ErrorKind::TimedOut.into()
    }
}

impl Sending {
    /// The kernel took `length` bytes of what is queued.
    fn took(&mut self, length: usize) {
        self.queue.advance(length);
        self.taken = self.taken.saturating_add(length);
    }
}

#[cfg(test)]
mod tests;
