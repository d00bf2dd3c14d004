//! A viewer's connection, under the HTTP server: one request at a time, heads in time, and an end for
//! viewers that take nothing.
//!
//! The server decodes a request that was sent ahead (pipelined) while the answer before it is still
//! being made, and then encodes that answer as if it belonged to the later request: a GET followed
//! by a HEAD loses its body. It also times only the first head of a connection. So [`Connection`]
//! stands between it and the socket: it hands over one complete head and holds back what follows
//! until that answer has ended, and it closes a connection whose head does not come in time,
//! whichever request it is. It still reads ahead a little, because reading is the only way to
//! notice that a viewer has left.
//!
//! The server waits for ever until a viewer takes its bytes, and asks the body for nothing
//! meanwhile, so nothing above can end that. Writes pass here too, so here is the clock: see
//! [`pace`].

pub mod head;
pub mod pace;
pub mod turn;

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use head::HeadScan;
use pace::Pace;
pub use pace::{LetGo, ViewerLimits};
pub use turn::Turn;

/// Bytes that are read ahead at most, and so the longest head that can come: far above what is
/// answered with 431, so that such a head gets that answer.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// Bytes of a request body, or of requests that get no answer, that are read and thrown away after
/// the last answer, so that closing does not reset the connection before that answer was read.
const MAX_DISCARDED_BYTES: usize = 1024 * 1024;

/// Bytes that are read from the socket at once. A browser's head has about a thousand.
const READ_BYTES: usize = 4 * 1024;

/// A viewer's TCP connection.
pub struct Connection {
    stream: TcpStream,
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
    pace: Pace,
    /// Wakes us when the viewer may have taken nothing for too long. It is set anew only when it
    /// has passed, since it would be set with nearly every write otherwise.
    patience: Option<Pin<Box<Sleep>>>,
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
    /// Takes over a socket. Each request head has to come within `head_timeout` of its first byte,
    /// and answers have to be taken within `limits`.
    #[must_use]
    pub fn new(stream: TcpStream, head_timeout: Duration, limits: ViewerLimits) -> Self {
        Self {
            stream,
            turn: Rc::new(Turn::default()),
            held: BytesMut::new(),
            scan: HeadScan::default(),
            released: 0,
            input: Input::Open,
            has_tail: false,
            has_begun: false,
            discarded: 0,
            head_timeout,
            head_deadline: None,
            pace: Pace::new(limits),
            patience: None,
        }
    }

    /// Whose turn it is on this connection, for whoever answers its requests.
    #[must_use]
    pub fn turn(&self) -> Rc<Turn> {
        Rc::clone(&self.turn)
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
            self.turn.request_came();
        }
    }

    /// Reads more from the socket into what is held.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut space);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
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
        // In the midst of the answer before it would be taken for a part of that. Otherwise,
        // whatever does not fit into the socket's buffer is not worth waiting for.
        if !self.has_tail {
            let _ = self.stream.try_write(answer.as_bytes());
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

    /// Keeps account of a write, and ends the connection of a viewer that takes too little.
    fn account(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.has_tail = written.is_pending();
        let verdict = match &written {
            Poll::Ready(Ok(length)) => {
                let length = u64::try_from(*length).unwrap_or(u64::MAX);
                self.pace.took(length, Instant::now())
            }
            Poll::Ready(Err(_)) => Ok(()),
            Poll::Pending => self.poll_patience(cx),
        };
        match verdict {
            Ok(()) => written,
            Err(why) => Poll::Ready(Err(self.let_go(why))),
        }
    }

    /// Fails when the viewer has taken nothing for too long, and otherwise sees to it that we are
    /// asked again when it has.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Result<(), LetGo> {
        let now = Instant::now();
        let Some(end) = self.pace.waits(now) else {
            return Ok(());
        };
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep_until(end)));
        while patience.as_mut().poll(cx).is_ready() {
            if now >= end {
                return Err(LetGo::Timeout);
            }
            patience.as_mut().reset(end);
        }
        Ok(())
    }

    /// Resets the connection when the server drops it, which it does with this error: an orderly
    /// end would keep what the viewer does not take in the kernel for minutes more.
    fn let_go(&mut self, why: LetGo) -> io::Error {
        self.turn.let_go(why);
        if let Err(error) = self.stream.set_zero_linger() {
            log::debug!("SO_LINGER could not be set: {error}");
        }
        io::ErrorKind::TimedOut.into()
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
                    this.turn.wake_when_answered(cx.waker());
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
                    this.turn.wake_when_answered(cx.waker());
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
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.account(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_viewer()?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.account(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
