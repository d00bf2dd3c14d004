//! How many calls may wait for S3 at once.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::error::{ReadError, ReadErrorKind};
use super::{
    BoxFuture, Capabilities, ListRequest, Listing, ObjectHead, ObjectLister, ObjectRead,
    ObjectReader, ReadRequest,
};
use crate::object::ObjectKey;

/// How long a call may queue. A queue that is longer than a moment only adds to what viewers wait.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Lets so many calls through at once, until each has its answer's head; bodies do not count. A few
/// more wait for a moment, and what comes beyond is turned away.
#[derive(Debug)]
pub struct Gate {
    open: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
}

impl Gate {
    /// A gate for `concurrency` calls, and as many again that wait.
    #[must_use]
    pub fn new(concurrency: usize) -> Self {
        Self {
            open: Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            most_waiting: concurrency,
        }
    }

    /// Goes through, and keeps a place until the permit is dropped. Waits for a moment if all are
    /// taken.
    ///
    /// # Errors
    /// [`ReadErrorKind::Overloaded`] when that was not enough, or too many wait.
    pub async fn pass(&self, what: impl Display) -> Result<SemaphorePermit<'_>, ReadError> {
        if let Ok(permit) = self.open.try_acquire() {
            return Ok(permit);
        }
        let turned_away =
            || ReadError::new(ReadErrorKind::Overloaded, format!("a call for {what}"));
        let place = Place::take(&self.waiting);
        if place.behind >= self.most_waiting {
            return Err(turned_away());
        }
        match timeout(LONGEST_WAIT, self.open.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(turned_away()),
        }
    }
}

/// A place in the queue, left when dropped.
struct Place<'a> {
    waiting: &'a AtomicUsize,
    behind: usize,
}

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Self {
        let behind = waiting.fetch_add(1, Ordering::Relaxed);
        Self { waiting, behind }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A reader whose calls go through a gate that all workers share.
pub struct Gated {
    inner: Arc<dyn ObjectReader>,
    gate: Arc<Gate>,
}

impl Gated {
    /// Puts a gate before a reader.
    #[must_use]
    pub const fn new(inner: Arc<dyn ObjectReader>, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

/// A lister whose calls go through the same gate, each within a time.
pub struct GatedLister {
    inner: Box<dyn ObjectLister>,
    gate: Arc<Gate>,
    total: Duration,
}

impl GatedLister {
    /// Puts a gate before a lister, whose calls have `total`.
    #[must_use]
    pub const fn new(inner: Box<dyn ObjectLister>, gate: Arc<Gate>, total: Duration) -> Self {
        Self { inner, gate, total }
    }
}

impl ObjectLister for GatedLister {
    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, ReadError>> {
        Box::pin(async move {
            let target = format!("the listing of {}", request.prefix);
            let _permit = self.gate.pass(&target).await?;
            let listing = timeout(self.total, self.inner.list(request)).await;
            listing.unwrap_or_else(|_| Err(ReadError::new(ReadErrorKind::TimedOut, target)))
        })
    }
}

impl ObjectReader for Gated {
    fn read(&self, request: ReadRequest) -> BoxFuture<'_, Result<ObjectRead, ReadError>> {
        Box::pin(async move {
            let _permit = self.gate.pass(&request.key).await?;
            self.inner.read(request).await
        })
    }

    fn head(&self, key: ObjectKey) -> BoxFuture<'_, Result<ObjectHead, ReadError>> {
        Box::pin(async move {
            let _permit = self.gate.pass(&key).await?;
            self.inner.head(key).await
        })
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ObjectKey {
        ObjectKey::new("film.mp4".to_owned()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_for_a_moment_and_no_longer() {
        let gate = Gate::new(1);
        let first = gate.pass(&key()).await.unwrap();
        let second = gate.pass(&key()).await;
        assert_eq!(second.unwrap_err().kind, ReadErrorKind::Overloaded);
        drop(first);
        assert!(gate.pass(&key()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_wait_and_those_that_leave_make_room() {
        let gate = Gate::new(2);
        let key = key();
        let held = [
            gate.pass(&key).await.unwrap(),
            gate.pass(&key).await.unwrap(),
        ];
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(gate.pass(&key))).collect();
        for wait in &mut waiting {
            assert!(futures_poll(wait).is_pending());
        }
        let began = tokio::time::Instant::now();
        assert!(gate.pass(&key).await.is_err());
        assert_eq!(began.elapsed(), Duration::ZERO, "turned away, not queued");
        waiting.pop();
        let mut next = Box::pin(gate.pass(&key));
        assert!(futures_poll(&mut next).is_pending());
        drop(held);
        assert!(next.await.is_ok());
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(future).poll(&mut cx)
    }
}
