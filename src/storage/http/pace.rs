//! Small reads at the beginning of each answer, large ones later.
//!
//! What is read from an origin before the viewer takes it lies in our memory. hyper doubles its reads as
//! long as they come back full, up to 400 KiB, and keeps two. Large reads are what makes long bodies
//! cheap, so they are wanted, but not for a viewer that may have opened the film and read nothing.
//!
//! A connection that brought a long answer to its end had a viewer that read, and the next is most likely one
//! too: then reads are larger from the start. One that does not read ends its connection, so it has this once.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, Take};
use tokio::net::TcpStream;
use tower_service::Service;

/// The largest read at the beginning, in bytes. Of these one is on its way to the viewer and one
/// waits behind it.
const FIRST_READS: u64 = 32 * 1024;

/// The same on a connection whose viewers are known to read. Two of these, and what waits with them, are
/// still less than what a viewer may cost that reads nothing all the same.
const PROVEN_READS: u64 = 96 * 1024;

/// How long the beginning is, in bytes: more than what the sockets on the way take from us without
/// anyone reading (about 200 KiB) with what lies between.
const BEGINNING: u64 = 512 * 1024;

/// Bytes of an answer that nobody could have been sent without reading: above what the sockets on the way
/// take, with what waits in between.
const LONG: u64 = 1024 * 1024;

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
    type Response = Paced;
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
            Ok(Paced::new(stream.into_inner(), beginning))
        })
    }
}

/// A connection whose reads are small after each write, which is where an answer begins.
#[derive(Debug)]
pub struct Paced {
    /// Its limit is set before each read, which goes into hyper's own buffer.
    stream: TokioIo<Take<TcpStream>>,
    /// How many bytes of an answer come in small pieces.
    beginning: u64,
    /// How small those are.
    first_reads: u64,
    /// Bytes read since the last request was written.
    read: u64,
}

impl Paced {
    fn new(stream: TcpStream, beginning: u64) -> Self {
        Self {
            stream: TokioIo::new(stream.take(u64::MAX)),
            beginning,
            first_reads: FIRST_READS,
            read: 0,
        }
    }

    /// For writing a request, which comes only when the answer before was read to its end.
    fn socket(&mut self) -> TokioIo<&mut TcpStream> {
        if self.read >= LONG {
            self.first_reads = PROVEN_READS;
        }
        self.read = 0;
        TokioIo::new(self.stream.inner_mut().get_mut())
    }
}

impl Read for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let limit = if this.read < this.beginning {
            this.first_reads
        } else {
            u64::MAX
        };
        this.stream.inner_mut().set_limit(limit);
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let left = this.stream.inner().limit();
        this.read = this.read.saturating_add(limit.saturating_sub(left));
        Poll::Ready(Ok(()))
    }
}

impl Write for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket()).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.inner().get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.inner_mut().get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.inner_mut().get_mut()).poll_shutdown(cx)
    }
}

impl Connection for Paced {
    fn connected(&self) -> Connected {
        self.stream.inner().get_ref().connected()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper::rt::ReadBuf;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// Bytes of the first read of an answer of which more waits, and reads the rest.
    async fn first_read(paced: &mut Paced, origin: &mut TcpStream, answer: u64) -> usize {
        poll_fn(|cx| Pin::new(&mut *paced).poll_write(cx, b"GET"))
            .await
            .unwrap();
        let answer = vec![7; usize::try_from(answer).unwrap()];
        let mut space = vec![0; answer.len()];
        let read = async {
            let socket = paced.stream.inner().get_ref();
            let mut waiting = vec![0; usize::try_from(FIRST_READS).unwrap() + 1];
            let enough = waiting.len().min(answer.len());
            while socket.peek(&mut waiting).await.unwrap() < enough {
                tokio::task::yield_now().await;
            }
            let mut first = None;
            let mut left = answer.len();
            while left > 0 {
                let mut buffer = ReadBuf::new(&mut space);
                poll_fn(|cx| Pin::new(&mut *paced).poll_read(cx, buffer.unfilled()))
                    .await
                    .unwrap();
                let length = buffer.filled().len();
                first.get_or_insert(length);
                left -= length;
            }
            first.unwrap()
        };
        let (written, first) = tokio::join!(origin.write_all(&answer), read);
        written.unwrap();
        first
    }

    #[tokio::test]
    async fn reads_begin_small_and_less_so_once_a_long_answer_came_to_its_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ours = TcpStream::connect(address).await.unwrap();
        let (mut origin, _) = listener.accept().await.unwrap();
        let mut paced = Paced::new(ours, BEGINNING);
        let small = usize::try_from(FIRST_READS).unwrap();
        let proven = usize::try_from(PROVEN_READS).unwrap();
        for (answer, reads) in [
            (1000, 1000..=1000),
            (LONG - 1, small..=small),
            (LONG, small..=small),
            (LONG - 1, small + 1..=proven),
            (1000, 1000..=1000),
            (LONG - 1, small + 1..=proven),
        ] {
            let first = first_read(&mut paced, &mut origin, answer).await;
            assert!(reads.contains(&first), "{first} of {answer} bytes first");
        }
    }

    #[tokio::test]
    async fn the_cache_reads_as_much_as_there_is() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ours = TcpStream::connect(address).await.unwrap();
        let (mut origin, _) = listener.accept().await.unwrap();
        let mut paced = Paced::new(ours, 0);
        let first = first_read(&mut paced, &mut origin, BEGINNING).await;
        assert!(
            first > usize::try_from(FIRST_READS).unwrap(),
            "{first} bytes"
        );
    }
}
