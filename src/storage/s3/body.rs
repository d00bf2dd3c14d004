//! The body of one answer of S3, as a stream that cannot lie about its length.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep};

use crate::storage::ObjectBody;
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::telemetry::Metrics;

/// Streams exactly the promised bytes, or ends with an error. Dropping it closes the connection
/// to S3 unless the body was read to its end.
pub struct S3Body {
    source: ByteStream,
    remaining: u64,
    target: String,
    idle: Duration,
    /// Runs only while S3 owes us bytes that the viewer is ready for.
    deadline: Option<Pin<Box<Sleep>>>,
    waiting: Waiting,
    metrics: Arc<Metrics>,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The viewer's: it has not asked for more yet.
    Viewer,
    /// S3's: it was asked and has nothing yet.
    Origin,
}

impl S3Body {
    /// A body that has to be `promised` bytes long.
    #[must_use]
    pub fn new(
        source: ByteStream,
        promised: u64,
        target: String,
        idle: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        metrics.s3_bodies_open().inc();
        Self {
            source,
            remaining: promised,
            target,
            idle,
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
        let idle = self.idle;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(idle)));
        if self.waiting == Waiting::Viewer {
            // The first poll that finds nothing. Set anew rather than made anew: a timer costs an
            // allocation.
            deadline.as_mut().reset(Instant::now() + idle);
            self.waiting = Waiting::Origin;
        }
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Some(Err(self.fail(ReadErrorKind::TimedOut))))
    }
}

impl Stream for S3Body {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.remaining == 0 {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = Pin::new(&mut this.source).poll_next(cx) else {
            return this.poll_idle(cx);
        };
        this.waiting = Waiting::Viewer;
        match next {
            Some(Ok(chunk)) => {
                let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                this.metrics.s3_read(length);
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

impl ObjectBody for S3Body {}

impl Drop for S3Body {
    fn drop(&mut self) {
        self.metrics.s3_bodies_open().dec();
    }
}
