//! The way out over TLS: all that the server writes, heads and bodies, in ordinary chunks.
//!
//! What is encrypted has to be copied anyway, so nothing is gained by going past the server. HTTP/2 is
//! spoken over it as well, for which it is an ordinary stream.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::pace::{LetGo, ViewerLimits};
use super::taking::Taking;
use super::turn::Turn;

/// Encrypted bytes that wait for the viewer: two of the largest records with all that TLS 1.3 adds, so that
/// no third begins with the few bytes that would be left.
const WAITING_BYTES: usize = 2 * (16 * 1024 + 22);

/// A viewer's socket under TLS, with an account of what the viewer takes.
pub struct Encrypted {
    stream: TlsStream<TcpStream>,
    turn: Rc<Turn>,
    taking: Taking,
}

impl Encrypted {
    /// Takes over a stream, whose viewer has to take its bytes within `limits`.
    #[must_use]
    pub fn new(mut stream: TlsStream<TcpStream>, turn: Rc<Turn>, limits: ViewerLimits) -> Self {
        stream.get_mut().1.set_buffer_limit(Some(WAITING_BYTES));
        Self {
            stream,
            turn,
            taking: Taking::new(limits),
        }
    }

    /// The same for several answers at once, each of which has an account of its own. This one only ends a
    /// connection whose viewer takes nothing at all, for twice as long, so that those come first.
    #[must_use]
    pub fn of_many(stream: TlsStream<TcpStream>, limits: ViewerLimits) -> Self {
        let limits = ViewerLimits {
            timeout: limits.timeout.saturating_mul(2),
            min_rate: 0,
            ..limits
        };
        Self::new(stream, Rc::default(), limits)
    }

    /// Whether anything waits to be taken.
    pub(super) fn is_waiting(&self) -> bool {
        self.stream.get_ref().1.wants_write()
    }

    /// Reads from the stream.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match ready!(Pin::new(&mut self.stream).poll_read(cx, buffer)) {
            // It left without the word that TLS has for that, as many viewers do. A request that is cut
            // off is never answered, so nothing can be made of what is missing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                buffer.set_filled(before);
                Poll::Ready(Ok(()))
            }
            read => Poll::Ready(read),
        }
    }

    /// What the server writes. It leaves with the flush that follows, or when no more is held: many records
    /// with one call to the kernel.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_hold(cx, |writer| writer.write(bytes))
    }

    /// Has bytes encrypted and held.
    fn poll_hold(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let (_, session) = self.stream.get_mut();
            match write(&mut session.writer()) {
                // There is no room, or there was nothing to write.
                Ok(0) if session.wants_write() => {
                    let flushed = Pin::new(&mut self.stream).poll_flush(cx).map_ok(|()| 0);
                    ready!(self.account(cx, flushed))?;
                }
                held => return self.account(cx, Poll::Ready(held)),
            }
        }
    }

    /// Waits until the viewer has taken what was written.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The bytes themselves were counted when they were written.
        let flushed = Pin::new(&mut self.stream).poll_flush(cx).map_ok(|()| 0);
        self.account(cx, flushed).map_ok(|_| ())
    }

    /// Tells the viewer that nothing more comes, and closes our side.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx).map_ok(|()| 0);
        self.account(cx, closed).map_ok(|_| ())
    }

    /// Writes what is taken at once, if nothing is on its way before it.
    pub(super) fn try_write(&mut self, bytes: &[u8]) {
        if self.is_waiting() {
            return;
        }
        let mut nobody = Context::from_waker(Waker::noop());
        // Whatever does not fit is not worth waiting for, and closing sends the rest of a record.
        let _ = self.poll_write(&mut nobody, bytes);
        let _ = self.poll_flush(&mut nobody);
    }

    fn account(
        &mut self,
        cx: &mut Context<'_>,
        taken: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match self.taking.account(cx, &taken) {
            Ok(()) => taken,
            Err(why) => Poll::Ready(Err(self.let_go(why))),
        }
    }

    /// Resets the connection when the server drops it, see [`super::Outlet`].
    fn let_go(&self, why: LetGo) -> io::Error {
        self.turn.let_go(why);
        if let Err(error) = self.stream.get_ref().0.set_zero_linger() {
            log::debug!("SO_LINGER could not be set: {error}");
        }
        io::ErrorKind::TimedOut.into()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        (*self).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        (*self).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The head of a frame and what it is the head of make one record.
        self.poll_hold(cx, |writer| writer.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (*self).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (*self).poll_shutdown(cx)
    }
}
