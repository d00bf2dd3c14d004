//! A body that opens its read again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep};

use crate::semantics::InclRange;
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::storage::retry::{BACKOFF, Granted, PATIENCE, RetryBudget, is_worth_waiting, jittered};
use crate::storage::version::PinnedVersion;
use crate::storage::{Body, BoxFuture, ObjectBody, ObjectRead, Paused};
use crate::telemetry::OriginMetrics;

/// Faults that one answer outlives, and how many bytes make room for one more. Without this bound
/// an origin that breaks off after every byte would be asked once for each.
const MAX_FAULTS: u64 = 16;
const BYTES_PER_FURTHER_FAULT: u64 = 1024 * 1024;

/// Whether an answer that has come so far may outlive one more fault.
fn has_room(faults: u64, handed_out: u64) -> bool {
    faults < MAX_FAULTS.saturating_add(handed_out / BYTES_PER_FURTHER_FAULT)
}

/// A body that knows which bytes are still missing.
pub struct ResumingBody {
    version: PinnedVersion,
    metrics: Arc<OriginMetrics>,
    budget: Arc<RetryBudget>,
    /// Position of the next byte to hand out; one beyond `last` when all have been.
    next: u64,
    /// Position of the last.
    last: u64,
    state: State,
    /// Why it is being opened again.
    reason: &'static str,
    /// Since when nothing came, why, and what was granted to get further.
    stuck: Option<Stuck>,
    /// Faults since the last byte.
    failures: usize,
    /// Faults in all.
    faults: u64,
    handed_out: u64,
    resumes: u32,
}

struct Stuck {
    since: Instant,
    fault: ReadError,
    granted: Option<Granted>,
}

enum State {
    Open(Body),
    /// Given up while the viewer pauses.
    Released,
    Waiting(Pin<Box<Sleep>>),
    Reopening(BoxFuture<'static, Result<ObjectRead, ReadError>>),
    Ended,
}

impl ResumingBody {
    /// A body over the first read of a version, which is of this extent.
    pub fn new(
        version: PinnedVersion,
        extent: InclRange,
        first: Body,
        budget: Arc<RetryBudget>,
        metrics: Arc<OriginMetrics>,
    ) -> Self {
        Self {
            version,
            metrics,
            budget,
            next: extent.first(),
            last: extent.last(),
            state: State::Open(first),
            reason: "",
            stuck: None,
            failures: 0,
            faults: 0,
            handed_out: 0,
            resumes: 0,
        }
    }

    /// What was not handed out yet.
    fn missing(&self) -> Option<InclRange> {
        InclRange::new(self.next, self.last)
    }

    /// Goes on after a fault, unless it is final or there were too many.
    fn after_fault(&mut self, error: ReadError) -> Result<(), ReadError> {
        let may_go_on = is_worth_waiting(error.kind) && has_room(self.faults, self.handed_out);
        let wait = BACKOFF.get(self.failures).filter(|_| may_go_on);
        let asked_for = error.retry_after.unwrap_or_default();
        let Some(wait) = wait.filter(|_| asked_for < PATIENCE) else {
            return Err(self.give_up(error));
        };
        log::info!("a read breaks off and is opened again: {error}");
        self.failures = self.failures.saturating_add(1);
        self.faults = self.faults.saturating_add(1);
        self.reason = error.kind.as_str();
        self.wait(jittered(*wait).max(asked_for));
        let since = self.stuck.take().map(|stuck| stuck.since);
        self.stuck = Some(Stuck {
            since: since.unwrap_or_else(Instant::now),
            fault: error,
            granted: None,
        });
        Ok(())
    }

    fn wait(&mut self, wait: Duration) {
        self.state = State::Waiting(Box::pin(sleep(wait)));
    }

    fn give_up(&mut self, error: ReadError) -> ReadError {
        self.state = State::Ended;
        self.metrics.s3_resumed(error.kind.as_str(), "failed");
        error
    }

    /// The wait is over: opens the read again, if that is granted. The first time is a call like any
    /// other, since a fault is healed by one; only further ones amplify an outage.
    fn after_wait(&mut self, missing: InclRange) -> Result<(), ReadError> {
        if self.failures <= 1 {
            self.budget.call();
        } else if let Some(granted) = self.budget.again() {
            if let Some(stuck) = &mut self.stuck {
                stuck.granted = Some(granted);
            }
        } else {
            let stuck = self.stuck.take();
            return match stuck {
                Some(stuck) if stuck.since.elapsed() >= PATIENCE => Err(self.give_up(stuck.fault)),
                stuck => {
                    self.stuck = stuck;
                    let [.., longest] = BACKOFF;
                    self.wait(jittered(longest));
                    Ok(())
                }
            };
        }
        self.state = State::Reopening(self.version.open(missing));
        Ok(())
    }

    /// Takes note of bytes that are handed out; an error if they are more than are missing.
    fn advance(&mut self, chunk: &Bytes) -> Result<(), ReadError> {
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let surplus = || {
            let kind = ReadErrorKind::BadAnswer(BadAnswer::Body);
            ReadError::new(kind, format!("body of {}", self.version.key()))
        };
        let room = self.missing().map_or(0, InclRange::byte_count);
        if length > room {
            return Err(surplus());
        }
        self.failures = 0;
        if let Some(granted) = self.stuck.take().and_then(|stuck| stuck.granted) {
            self.budget.give_back(granted);
        }
        self.next = self.next.saturating_add(length);
        self.handed_out = self.handed_out.saturating_add(length);
        Ok(())
    }
}

impl Stream for ResumingBody {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(missing) = this.missing() else {
                this.state = State::Ended;
                return Poll::Ready(None);
            };
            let fault = match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Released => {
                    this.reason = "viewer_paused";
                    this.budget.call();
                    this.state = State::Reopening(this.version.open(missing));
                    continue;
                }
                State::Waiting(wait) => {
                    ready!(wait.as_mut().poll(cx));
                    if let Err(error) = this.after_wait(missing) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    continue;
                }
                State::Reopening(opening) => {
                    let read = ready!(opening.as_mut().poll(cx));
                    match read.and_then(|read| this.version.check(read, missing)) {
                        Ok(body) => {
                            this.resumes = this.resumes.saturating_add(1);
                            this.metrics.s3_resumed(this.reason, "ok");
                            this.state = State::Open(body);
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                State::Open(body) => match ready!(body.as_mut().poll_next(cx)) {
                    Some(Ok(chunk)) => {
                        let advanced = this.advance(&chunk);
                        if advanced.is_err() {
                            this.state = State::Ended;
                        }
                        return Poll::Ready(Some(advanced.map(|()| chunk)));
                    }
                    Some(Err(error)) => error,
                    None => ReadError::new(
                        ReadErrorKind::BadAnswer(BadAnswer::Body),
                        format!("body of {}", this.version.key()),
                    ),
                },
            };
            if let Err(error) = this.after_fault(fault) {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl ObjectBody for ResumingBody {
    fn pause(mut self: Pin<&mut Self>, unread: u64) -> Paused {
        let this = &mut *self;
        let State::Open(body) = &mut this.state else {
            return Paused::No;
        };
        let Some(next) = this.next.checked_sub(unread) else {
            return Paused::No;
        };
        this.next = next;
        // What can wait by itself goes on with what it has, also if that is not the newest any more.
        if body.as_mut().pause(unread) == Paused::No {
            this.state = State::Released;
        }
        Paused::Yes
    }

    fn resumes(&self) -> u32 {
        self.resumes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_bounded_by_what_came_between_them() {
        const MIB: u64 = 1024 * 1024;
        for (faults, handed_out, room) in [
            (0, 0, true),
            (15, 0, true),
            (16, 0, false),
            (16, MIB - 1, false),
            (16, MIB, true),
            (116, 100 * MIB, false),
            (u64::MAX - 1, u64::MAX, false),
        ] {
            assert_eq!(has_room(faults, handed_out), room, "{faults} {handed_out}");
        }
    }
}
