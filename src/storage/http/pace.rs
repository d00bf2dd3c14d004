//! Small reads at the beginning of each answer, large ones later.
//!
//! What is read from an origin before the viewer takes it lies in our memory. hyper doubles its reads as
//! long as they come back full, up to 400 KiB, and keeps two. Large reads are what makes long bodies
//! cheap, so they are wanted, but not for a viewer that may have opened the film and read nothing.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::Uri;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

/// The largest read at the beginning, in bytes. Of these one is on its way to the viewer and one
/// waits behind it.
const FIRST_READS: usize = 32 * 1024;

/// How long the beginning is, in bytes: more than what the sockets on the way take from us without
/// anyone reading (about 200 KiB) with what lies between.
const BEGINNING: usize = 512 * 1024;

thread_local! {
    /// Where the small reads go before hyper's own buffer, which offers no safe way to read less
    /// than fits.
    static PIECE: RefCell<Box<[u8]>> = RefCell::new(vec![0; FIRST_READS].into_boxed_slice());
}

/// For whom answers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFor {
    /// For a viewer, who may not take them.
    Viewer,
    /// For the cache, which takes all.
    Cache,
}

/// Opens TCP connections that are read at this pace.
#[derive(Debug, Clone)]
pub struct PacedConnector(HttpConnector, ReadFor);

impl PacedConnector {
    /// Over this one.
    #[must_use]
    pub const fn new(tcp: HttpConnector, read_for: ReadFor) -> Self {
        Self(tcp, read_for)
    }
}

impl Service<Uri> for PacedConnector {
    type Response = Paced<TokioIo<TcpStream>>;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future =
        Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send + 'static>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.0.call(target);
        let beginning = match self.1 {
            ReadFor::Viewer => BEGINNING,
            ReadFor::Cache => 0,
        };
        Box::pin(async move {
            let stream = connecting.await?;
            Ok(Paced::new(stream, beginning))
        })
    }
}

/// A connection whose reads are small after each write, which is where an answer begins.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    /// How many bytes of an answer come in small pieces.
    beginning: usize,
    /// Bytes read since the last request was written.
    read: usize,
}

impl<S> Paced<S> {
    const fn new(stream: S, beginning: usize) -> Self {
        Self {
            stream,
            beginning,
            read: 0,
        }
    }
}

impl<S: Read + Unpin> Read for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.read >= this.beginning {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        PIECE.with_borrow_mut(|piece| {
            let room = piece.len().min(buffer.remaining());
            let (room, _) = piece.split_at_mut(room);
            let mut small = ReadBuf::new(room);
            ready!(Pin::new(&mut this.stream).poll_read(cx, small.unfilled()))?;
            this.read = this.read.saturating_add(small.filled().len());
            buffer.put_slice(small.filled());
            Poll::Ready(Ok(()))
        })
    }
}

impl<S: Write + Unpin> Write for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.read = 0;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.read = 0;
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
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

impl<S: Connection> Connection for Paced<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}
