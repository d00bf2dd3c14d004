//! The bytes of a range of a file, a piece at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;

use super::error::{piece_error, read_error};
use super::folder::OpenFile;
use super::pool::{BlockingPool, Work};
use crate::semantics::InclRange;
use crate::storage::error::ReadError;
use crate::storage::{BoxFuture, ObjectBody, Paused};
use crate::telemetry::OriginMetrics;

/// Bytes that are read at once. The first piece is small, since a viewer may want the head of a file
/// only; more than the largest is no faster, as the system reads ahead by itself.
const FIRST_PIECE: u64 = 64 * 1024;
const LARGEST_PIECE: u64 = 256 * 1024;

/// Reads a piece on the pool for blocking work when it is asked for more, and never ahead: what the
/// system has read ahead is in its own cache and not in our memory.
pub struct FileBody {
    file: Arc<OpenFile>,
    pool: BlockingPool,
    metrics: Arc<OriginMetrics>,
    target: String,
    /// The longest that a piece may take.
    idle: Duration,
    first: u64,
    last: u64,
    next: u64,
    state: State,
}

enum State {
    Idle,
    Reading(BoxFuture<'static, Result<Bytes, ReadError>>),
    Ended,
}

impl FileBody {
    /// The body of a range that the file has.
    #[must_use]
    pub fn new(
        file: OpenFile,
        range: InclRange,
        pool: BlockingPool,
        idle: Duration,
        target: String,
        metrics: Arc<OriginMetrics>,
    ) -> Self {
        metrics.s3_bodies_open().inc();
        Self {
            file: Arc::new(file),
            pool,
            metrics,
            target,
            idle,
            first: range.first(),
            last: range.last(),
            next: range.first(),
            state: State::Idle,
        }
    }

    /// Begins to read the next piece.
    fn begin(&self) -> BoxFuture<'static, Result<Bytes, ReadError>> {
        let most = if self.next == self.first {
            FIRST_PIECE
        } else {
            LARGEST_PIECE
        };
        let missing = InclRange::new(self.next, self.last).map_or(0, InclRange::byte_count);
        let length = usize::try_from(missing.min(most)).unwrap_or(0);
        let (file, pool) = (Arc::clone(&self.file), self.pool.clone());
        let (next, idle, target) = (self.next, self.idle, self.target.clone());
        Box::pin(async move {
            match pool
                .run(Work::Read, idle, move || file.piece(next, length))
                .await
            {
                Ok(Ok(piece)) => Ok(piece),
                Ok(Err(error)) => Err(piece_error(error, target)),
                Err(error) => Err(read_error(error, target)),
            }
        })
    }
}

impl Stream for FileBody {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Idle if this.next > this.last => this.state = State::Ended,
                State::Idle => this.state = State::Reading(this.begin()),
                State::Reading(reading) => {
                    let read = ready!(reading.as_mut().poll(cx));
                    this.state = if read.is_ok() {
                        State::Idle
                    } else {
                        State::Ended
                    };
                    if let Ok(piece) = &read {
                        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                        this.metrics.s3_read(length);
                        this.next = this.next.saturating_add(length);
                    }
                    return Poll::Ready(Some(read));
                }
            }
        }
    }
}

impl ObjectBody for FileBody {
    /// Keeps the file open, so that what was begun is played on also when it is replaced meanwhile.
    fn pause(mut self: Pin<&mut Self>, unread: u64) -> Paused {
        let back = self.next.checked_sub(unread);
        let Some(next) = back.filter(|&next| next >= self.first) else {
            return Paused::No;
        };
        if matches!(self.state, State::Ended) && self.next <= self.last {
            // It has failed, and does not begin again.
            return Paused::No;
        }
        self.next = next;
        self.state = State::Idle;
        Paused::Yes
    }
}

impl Drop for FileBody {
    fn drop(&mut self) {
        self.metrics.s3_bodies_open().dec();
    }
}
