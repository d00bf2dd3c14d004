//! The body of one answer, as a stream that cannot lie about its length.

use std::error::Error;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::OriginTimeouts;
use crate::storage::ObjectBody;
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::telemetry::OriginMetrics;

/// Streams exactly the promised bytes, or ends with an error. Dropping it closes the connection
/// to the origin unless the body was read to its end.
pub struct CheckedBody<S> {
    source: S,
    remaining: u64,
    target: String,
    limits: OriginTimeouts,
    pace: Pace,
    /// Runs only while the origin owes us bytes that the viewer is ready for.
    deadline: Option<Pin<Box<Sleep>>>,
    waiting: Waiting,
    metrics: Arc<OriginMetrics>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The viewer's: it has not asked for more yet.
    Viewer,
    /// The origin's: it was asked and has nothing yet.
    Origin,
}

impl<S> CheckedBody<S> {
    /// A body that has to be `promised` bytes long.
    #[must_use]
    pub fn new(
        source: S,
        promised: u64,
        target: String,
        limits: OriginTimeouts,
        metrics: Arc<OriginMetrics>,
    ) -> Self {
        metrics.s3_bodies_open().inc();
        Self {
            source,
            remaining: promised,
            target,
            limits,
            pace: Pace::default(),
            deadline: None,
            waiting: Waiting::Viewer,
            metrics,
        }
    }

    fn fail(&mut self, kind: ReadErrorKind) -> ReadError {
        self.remaining = 0;
        if let ReadErrorKind::BadAnswer(reason) = kind {
            self.metrics.s3_bad_answer(reason.as_str());
        }
        ReadError::new(kind, self.target.clone())
    }

    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        let idle = self.limits.idle;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(idle)));
        if self.waiting == Waiting::Viewer {
            // The first poll that finds nothing. Set anew rather than made anew: a timer costs an
            // allocation.
            deadline.as_mut().reset(Instant::now() + idle);
            self.waiting = Waiting::Origin;
            self.pace.asked();
        }
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Some(Err(self.fail(ReadErrorKind::TimedOut))))
    }
}

impl<S, E> Stream for CheckedBody<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.remaining == 0 {
            return Poll::Ready(None);
        }
        if this.pace.is_below(this.limits.min_rate) {
            return Poll::Ready(Some(Err(this.fail(ReadErrorKind::TimedOut))));
        }
        let Poll::Ready(next) = Pin::new(&mut this.source).poll_next(cx) else {
            return this.poll_idle(cx);
        };
        this.waiting = Waiting::Viewer;
        match next {
            Some(Ok(chunk)) => {
                let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                this.metrics.s3_read(length);
                this.pace.came(length);
                match this.remaining.checked_sub(length) {
                    Some(remaining) => {
                        this.remaining = remaining;
                        Poll::Ready(Some(Ok(chunk)))
                    }
                    None => Poll::Ready(Some(Err(
                        this.fail(ReadErrorKind::BadAnswer(BadAnswer::Body))
                    ))),
                }
            }
            Some(Err(error)) => {
                let failure = this.fail(ReadErrorKind::Unreachable).because(error);
                Poll::Ready(Some(Err(failure)))
            }
            None => Poll::Ready(Some(Err(
                this.fail(ReadErrorKind::BadAnswer(BadAnswer::Body))
            ))),
        }
    }
}

/// How fast the origin sends while it is waited for. The viewer's own pauses do not count.
#[derive(Debug, Default)]
struct Pace {
    /// Since when it is waited for, if it is.
    since: Option<Instant>,
    waited: Duration,
    bytes: u64,
}

/// How long the origin is waited for until its rate is judged.
const RATE_WINDOW: Duration = Duration::from_secs(30);

impl Pace {
    fn asked(&mut self) {
        self.since = Some(Instant::now());
    }

    fn came(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(since) = self.since.take() {
            self.waited = self.waited.saturating_add(since.elapsed());
        }
    }

    /// Judges a full window, and begins another.
    fn is_below(&mut self, least_per_second: u64) -> bool {
        if self.waited < RATE_WINDOW {
            return false;
        }
        let Self { waited, bytes, .. } = std::mem::take(self);
        bytes < least_per_second.saturating_mul(waited.as_secs())
    }
}

impl<S, E> ObjectBody for CheckedBody<S>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
}

impl<S> Drop for CheckedBody<S> {
    fn drop(&mut self) {
        self.metrics.s3_bodies_open().dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    /// A body whose bytes come in pieces of this size, so long after each other.
    async fn outcome(piece: usize, every: Duration) -> (u64, Option<ReadErrorKind>) {
        const PROMISED: u64 = 10_000_000;
        let (mut sender, receiver) = tokio::io::duplex(piece);
        tokio::spawn(async move {
            let piece = vec![7; piece];
            loop {
                tokio::time::sleep(every).await;
                if tokio::io::AsyncWriteExt::write_all(&mut sender, &piece)
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        let source = Pieces(receiver, piece);
        let metrics = Arc::new(crate::telemetry::Metrics::new().unwrap().of_origin("/"));
        let limits = OriginTimeouts::default();
        let mut body = CheckedBody::new(source, PROMISED, "GetObject".to_owned(), limits, metrics);
        let mut bytes = 0;
        loop {
            match poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
                Some(Ok(chunk)) => bytes += u64::try_from(chunk.len()).unwrap(),
                Some(Err(error)) => return (bytes, Some(error.kind)),
                None => return (bytes, None),
            }
        }
    }

    struct Pieces(tokio::io::DuplexStream, usize);

    impl Stream for Pieces {
        type Item = Result<Bytes, std::io::Error>;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            let mut piece = vec![0; self.1];
            let mut buffer = tokio::io::ReadBuf::new(&mut piece);
            ready!(tokio::io::AsyncRead::poll_read(
                Pin::new(&mut self.0),
                cx,
                &mut buffer
            ))?;
            let bytes = Bytes::copy_from_slice(buffer.filled());
            Poll::Ready(Some(Ok(bytes)))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_drips_is_given_up_after_half_a_minute_and_a_slow_one_is_not() {
        let second = Duration::from_secs(1);
        let (bytes, error) = outcome(1000, second).await;
        assert_eq!(error, Some(ReadErrorKind::TimedOut));
        assert!((29_000..=32_000).contains(&bytes), "{bytes}");
        assert_eq!(outcome(20_000, second).await, (10_000_000, None));
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_is_silent_is_given_up_after_its_idle_time() {
        let (bytes, error) = outcome(1_000_000, Duration::from_secs(7)).await;
        assert_eq!((bytes, error), (0, Some(ReadErrorKind::TimedOut)));
    }
}
