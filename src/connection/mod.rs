//! A viewer's connection, under the HTTP server: one request at a time, heads in time, and an end for
//! viewers that take nothing.
//!
//! The server decodes a request that was sent ahead (pipelined) while the answer before it is still
//! being made, and then encodes that answer as if it belonged to the later request: a GET followed
//! by a HEAD loses its body. It also times only the first head of a connection. So [`Connection`]
//! stands between it and the socket: it hands over one complete head and holds back what follows
//! until that answer has ended, and it closes a connection whose head does not come in time,
//! whichever request it is, and one that is idle for too long. It still reads ahead a little,
//! because reading is the only way to notice that a viewer has left.
//!
//! What is written leaves by the [`Outlet`], bodies of objects past the server's own buffer; over TLS it is
//! encrypted instead. The server waits for ever until a viewer takes its bytes, so there is the clock
//! too: see [`pace`].

mod alarm;
mod encrypted;
pub mod head;
pub mod outlet;
pub mod pace;
mod pipe;
mod queue;
mod socket;
mod taking;
pub mod turn;
mod way;

use std::future::Future as _;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;

use alarm::Alarm;
pub use encrypted::Encrypted;
use head::HeadScan;
pub use outlet::{Leaving, Outlet, Unsendable, field_memory};
pub use pace::{LetGo, ViewerLimits};
pub use taking::Taking;
pub use turn::Turn;
use way::Way;

/// Bytes that are read ahead at most, and so the longest head that can come: far above what is
/// answered with 431, so that such a head gets that answer.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// Bytes of a request body, or of requests that get no answer, that are read and thrown away after
/// the last answer, so that closing does not reset the connection before that answer was read.
const MAX_DISCARDED_BYTES: usize = 1024 * 1024;

/// Bytes that are read from the socket at once. A browser's head has about a thousand.
const READ_BYTES: usize = 4 * 1024;

/// A viewer's connection, over which HTTP/1.1 is spoken.
pub struct Connection {
    way: Way,
    turn: Rc<Turn>,
    /// Read and not handed over: the head that is coming, or requests sent ahead.
    held: BytesMut,
    scan: HeadScan,
    /// How much of `held` the server may have: the rest of a complete head.
    released: usize,
    input: Input,
    /// The last write had to wait: the end of an answer is still in the server's buffer.
    has_tail: bool,
    /// Something of the next head has come, if only empty lines.
    has_begun: bool,
    /// Bytes thrown away after the last answer.
    discarded: usize,
    head_timeout: Duration,
    /// Runs while a head has begun and is not complete, and after the last answer.
    head_deadline: Option<Pin<Box<Sleep>>>,
    keep_alive: Duration,
    /// When it is closed unless another request has begun by then; `None` before the first one and
    /// while one is answered.
    idle_until: Option<Instant>,
    idle: Alarm,
    /// A request has come.
    has_asked: bool,
}

/// What a viewer's connection has to keep to.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Each request head has to come within this of its first byte.
    pub head: Duration,
    /// The next request has to begin within this of an answer's end.
    pub keep_alive: Duration,
    /// How answers have to be taken.
    pub taking: ViewerLimits,
}

/// What may still come from the viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// Requests.
    Open,
    /// Nothing: it closed its side between requests, or we gave up on it.
    Ended,
    /// Nothing: it closed its side while we were answering, so nobody reads the answer.
    ViewerLeft,
}

impl Connection {
    /// Takes over a socket, whose viewer has to keep to these times.
    #[must_use]
    pub fn plain(stream: TcpStream, times: Times) -> Self {
        let turn = Rc::new(Turn::default());
        let outlet = Outlet::new(stream, Rc::clone(&turn), times.taking);
        Self::by(Way::Plain(Rc::new(outlet)), turn, times)
    }

    /// The same over TLS.
    #[must_use]
    pub fn encrypted(stream: TlsStream<TcpStream>, times: Times) -> Self {
        let turn = Rc::new(Turn::default());
        let stream = Encrypted::new(stream, Rc::clone(&turn), times.taking);
        Self::by(Way::Encrypted(Box::new(stream)), turn, times)
    }

    fn by(way: Way, turn: Rc<Turn>, times: Times) -> Self {
        Self {
            way,
            turn,
            held: BytesMut::new(),
            scan: HeadScan::default(),
            released: 0,
            input: Input::Open,
            has_tail: false,
            has_begun: false,
            discarded: 0,
            head_timeout: times.head,
            head_deadline: None,
            keep_alive: times.keep_alive,
            idle_until: None,
            idle: Alarm::default(),
            has_asked: false,
        }
    }

    /// Whose turn it is on this connection, for whoever answers its requests.
    #[must_use]
    pub fn turn(&self) -> Rc<Turn> {
        Rc::clone(&self.turn)
    }

    /// The way out for bodies that do not go through the server, where there is one.
    #[must_use]
    pub fn outlet(&self) -> Option<Rc<Outlet>> {
        match &self.way {
            Way::Plain(outlet) => Some(Rc::clone(outlet)),
            Way::Encrypted(_) => None,
        }
    }

    /// Hands over what the server may have. True if that was something.
    fn hand_over(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let length = self.released.min(buffer.remaining());
        let Some(bytes) = self.held.get(..length) else {
            return false;
        };
        buffer.put_slice(bytes);
        self.held.advance(length);
        self.released -= length;
        length > 0
    }

    /// Looks for a complete head in what is held, if it is the viewer's turn.
    fn release_head(&mut self) {
        if self.turn.is_ours() {
            return;
        }
        if self.turn.is_over() {
            // What comes now is the rest of a body or a request that gets no answer.
            self.discarded = self.discarded.saturating_add(self.held.len());
            self.held.clear();
            if self.discarded > MAX_DISCARDED_BYTES {
                self.input = Input::Ended;
            }
            return;
        }
        self.has_begun |= !self.held.is_empty();
        let blank = head::leading_blank(&self.held);
        self.held.advance(blank);
        if let Some(length) = self.scan.find_end(&self.held) {
            self.scan = HeadScan::default();
            self.released = length;
            self.head_deadline = None;
            self.has_begun = false;
            self.idle_until = None;
            self.has_asked = true;
            self.turn.request_came();
        }
    }

    /// Reads more from the socket into what is held.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        match self.way.poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => {
                if buffer.filled().is_empty() {
                    self.input = if self.turn.is_ours() {
                        Input::ViewerLeft
                    } else {
                        Input::Ended
                    };
                }
                self.held.extend_from_slice(buffer.filled());
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }

    /// Closes the connection with a bare status: a head that never became a request has no other
    /// answer.
    fn refuse(&mut self, status: &str) {
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        // In the midst of the answer before it would be taken for a part of that.
        if !self.has_tail {
            self.way.try_write(answer.as_bytes());
        }
        self.input = Input::Ended;
        self.held.clear();
        self.released = 0;
    }

    /// Times the head that has begun, and what is left of a connection after its last answer: the
    /// server may be waiting for a request body that never comes.
    fn poll_head_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_awaited = self.has_begun || self.turn.is_over();
        if self.turn.is_ours() || !is_awaited {
            return Poll::Pending;
        }
        let timeout = self.head_timeout;
        let deadline = self
            .head_deadline
            .get_or_insert_with(|| Box::pin(sleep(timeout)));
        deadline.as_mut().poll(cx)
    }

    /// The server has written what it had: if that was the end of an answer, the connection is idle from
    /// now on.
    fn was_flushed(&mut self, cx: &mut Context<'_>) {
        if self.has_asked && !self.turn.is_ours() && self.idle_until.is_none() {
            self.idle_until = Instant::now().checked_add(self.keep_alive);
            // It is looked at when the reader is asked again.
            let _ = self.poll_idle(cx);
        }
    }

    /// Ready when no request has begun for too long. The server's own clock for this would be set anew
    /// for every request, and runs on while the end of an answer is still being taken.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.idle_until {
            Some(end) if !self.has_begun => self.idle.poll(cx, end),
            Some(_) | None => Poll::Pending,
        }
    }

    /// Whether writing makes sense.
    fn check_viewer(&self) -> io::Result<()> {
        if self.input == Input::ViewerLeft {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.turn.why_let_go().is_some() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.way.has_ended();
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            this.release_head();
            if this.hand_over(buffer) {
                return Poll::Ready(Ok(()));
            }
            if this.turn.is_over() && this.poll_head_deadline(cx).is_ready() {
                this.input = Input::Ended;
            }
            if this.input != Input::Open {
                // Whatever is held was sent by someone who has left.
                return Poll::Ready(Ok(()));
            }
            if this.held.len() >= READ_AHEAD_BYTES {
                if this.turn.is_ours() {
                    this.turn.wake_when_answered(cx.waker(), true);
                    return Poll::Pending;
                }
                this.refuse("431 Request Header Fields Too Large");
                continue;
            }
            match this.poll_fill(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if !this.turn.is_over() && this.poll_head_deadline(cx).is_ready() {
                        this.refuse("408 Request Timeout");
                        continue;
                    }
                    if this.poll_idle(cx).is_ready() {
                        this.input = Input::Ended;
                        continue;
                    }
                    let is_held_back = !this.held.is_empty();
                    this.turn.wake_when_answered(cx.waker(), is_held_back);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_viewer()?;
        let written = self.way.poll_write(cx, bytes);
        self.has_tail = written.is_pending();
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.way.is_waiting() {
            self.check_viewer()?;
        }
        let flushed = self.way.poll_flush(cx);
        if flushed.is_ready() {
            self.was_flushed(cx);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.way.poll_shutdown(cx)
    }
}
