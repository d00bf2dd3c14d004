//! A connection's stream, as `h2` has it and as we do: what leaves together, and what comes after its end.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// A stream that is lent out, and wanted back.
pub struct Lent<T>(Rc<RefCell<T>>);

/// Whose it is.
pub struct Lender<T> {
    stream: Rc<RefCell<T>>,
    /// What was written has not left.
    is_waiting: Cell<bool>,
}

/// Lends a stream out.
pub fn lend<T>(stream: T) -> (Lender<T>, Lent<T>) {
    let stream = Rc::new(RefCell::new(stream));
    let lent = Lent(Rc::clone(&stream));
    let is_waiting = Cell::new(false);
    (Lender { stream, is_waiting }, lent)
}

/// Bytes that are read and thrown away at most: news of what was taken, a few for each frame.
const MOST_BYTES: usize = 1024 * 1024;

/// How long a viewer may take for all of that, and how long it may say nothing: nginx's defaults for the
/// same, `lingering_time` and `lingering_timeout`.
const LINGER: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(5);

impl<T: AsyncWrite + Unpin> Lender<T> {
    /// Sends what was written to what is lent.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut *self.stream.borrow_mut()).poll_flush(cx);
        self.is_waiting.set(flushed.is_pending());
        flushed
    }

    /// Whether something of what was written had not left when it was tried last.
    pub fn is_waiting(&self) -> bool {
        self.is_waiting.get()
    }
}

impl<T: AsyncRead + Unpin> Lender<T> {
    /// Once what was lent is gone: reads on until the viewer closes, or for some time. It tells us what it
    /// takes until it has taken all, and to have closed before that would reset the connection,
    /// with what is still on its way.
    pub async fn linger(self) {
        if let Some(stream) = Rc::into_inner(self.stream) {
            // Whatever ends it, it is closed now.
            let _ = timeout(LINGER, throw_away(stream.into_inner())).await;
        }
    }
}

/// Reads to the end, or until nothing has come for long.
async fn throw_away(mut stream: impl AsyncRead + Unpin) {
    let mut rest = vec![0; 4096];
    let mut thrown = 0_usize;
    while thrown < MOST_BYTES {
        match timeout(SILENCE, stream.read(&mut rest)).await {
            Ok(Ok(length)) if length > 0 => thrown = thrown.saturating_add(length),
            Ok(Ok(_) | Err(_)) | Err(_) => return,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Lent<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Lent<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_write_vectored()
    }

    /// Whoever lent it does that: `h2` would have each frame leave by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}
