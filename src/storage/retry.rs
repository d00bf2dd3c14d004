//! Calls that are made again, and how many of them there may be.
//!
//! Most faults of S3 are of one connection or one moment and gone when the call is made again. When
//! S3 is down they are not, and making every call three times would treble the load on what is
//! trying to get up. So all readers of an origin share one [`RetryBudget`].

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::telemetry::OriginMetrics;

/// Longest waits before the first, second and third further attempt. Each is a random part of this,
/// so that the viewers of a broken origin do not come back all at once; the first is short because
/// most faults are of one connection only.
pub const BACKOFF: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// Attempts for one answer that has not begun, the first included.
const ATTEMPTS: usize = 3;

/// Of the last so many calls ...
const WINDOW: u64 = 100;

/// ... so many may have been made again.
const AGAIN_PER_WINDOW: usize = 20;

/// Faults of a connection or a moment. Anything else would happen again.
#[must_use]
pub fn can_pass(kind: ReadErrorKind) -> bool {
    matches!(
        kind,
        ReadErrorKind::Unreachable
            | ReadErrorKind::TimedOut
            | ReadErrorKind::OriginFailed
            | ReadErrorKind::Throttled
            | ReadErrorKind::BadAnswer(BadAnswer::Body)
    )
}

/// How long an answer that has begun and gets no further waits for a further attempt to be granted.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What an answer that has begun is worth waiting for, since it would be cut otherwise.
#[must_use]
pub fn is_worth_waiting(kind: ReadErrorKind) -> bool {
    can_pass(kind) || kind == ReadErrorKind::Overloaded
}

/// A random part of a wait.
#[must_use]
pub fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(fastrand::f64())
}

/// What keeps an outage from being amplified: of any hundred calls at most twenty are made again.
#[derive(Debug, Default)]
pub struct RetryBudget(Mutex<Ledger>);

#[derive(Debug, Default)]
struct Ledger {
    /// Calls so far that were not made again.
    calls: u64,
    /// How many there had been at each call that was made again lately; ascending.
    again: VecDeque<u64>,
}

/// A further attempt that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted(u64);

impl RetryBudget {
    /// A call is made for the first time.
    pub fn call(&self) {
        self.with(|ledger| ledger.calls = ledger.calls.saturating_add(1));
    }

    /// Asks to make a call again.
    #[must_use]
    pub fn again(&self) -> Option<Granted> {
        self.with(|ledger| {
            let gone = ledger.calls.saturating_sub(WINDOW);
            while ledger.again.front().is_some_and(|&at| at < gone) {
                ledger.again.pop_front();
            }
            let has_room = ledger.again.len() < AGAIN_PER_WINDOW;
            has_room.then(|| {
                ledger.again.push_back(ledger.calls);
                Granted(ledger.calls)
            })
        })
    }

    /// Gives a grant back: the attempt went well, so there is no outage to spare.
    pub fn give_back(&self, granted: Granted) {
        self.with(|ledger| {
            if let Some(at) = ledger.again.iter().position(|&at| at == granted.0) {
                ledger.again.remove(at);
            }
        });
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Ledger) -> T) -> T {
        // Nothing panics while holding it, and a poisoned lock would still hold plain numbers.
        let mut ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(&mut ledger)
    }
}

/// Makes a call until it goes well, fails for good, or may not be made again; not beyond `total`,
/// which holds for all attempts and the waits between them. An origin that wants to be left alone
/// for longer than that is not waited for: its word is passed on at once.
///
/// # Errors
/// That of the last attempt.
pub async fn with_retries<T, C>(
    budget: &RetryBudget,
    metrics: &OriginMetrics,
    total: Duration,
    call: impl Fn() -> C,
) -> Result<T, ReadError>
where
    C: Future<Output = Result<T, ReadError>>,
{
    let deadline = Instant::now() + total;
    let mut waits = BACKOFF.iter().take(ATTEMPTS - 1);
    budget.call();
    loop {
        let error = match call().await {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        let Some(&wait) = waits.next().filter(|_| can_pass(error.kind)) else {
            return Err(error);
        };
        let wait = jittered(wait).max(error.retry_after.unwrap_or_default());
        let is_too_long = deadline.saturating_duration_since(Instant::now()) <= wait;
        if is_too_long || budget.again().is_none() {
            return Err(error);
        }
        log::debug!("made again in {wait:?}: {error}");
        metrics.s3_retried(error.kind.as_str());
        sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn failing(kind: ReadErrorKind) -> ReadError {
        ReadError::new(kind, "GetObject film.mp4")
    }

    async fn attempts(
        budget: &RetryBudget,
        total: Duration,
        outcome: impl Fn(u32) -> Result<(), ReadError>,
    ) -> (u32, Result<(), ReadError>) {
        let made = AtomicU32::new(0);
        let metrics = crate::telemetry::Metrics::new().unwrap().of_origin("/");
        let result = with_retries(budget, &metrics, total, || async {
            outcome(made.fetch_add(1, Ordering::Relaxed))
        })
        .await;
        (made.into_inner(), result)
    }

    const TOTAL: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_fault_of_a_moment_is_tried_again_and_another_is_not() {
        let budget = RetryBudget::default();
        let passing = |attempt| match attempt {
            0 | 1 => Err(failing(ReadErrorKind::Unreachable)),
            _ => Ok(()),
        };
        let (made, result) = attempts(&budget, TOTAL, passing).await;
        assert!(made == 3 && result.is_ok());
        for (kind, expected) in [
            (ReadErrorKind::OriginFailed, 3),
            (ReadErrorKind::NotFound, 1),
            (ReadErrorKind::Denied, 1),
            (ReadErrorKind::Changed, 1),
            (ReadErrorKind::BadAnswer(BadAnswer::Length), 1),
        ] {
            let (made, result) = attempts(&budget, TOTAL, |_| Err(failing(kind))).await;
            assert_eq!(made, expected, "{kind:?}");
            assert_eq!(result.unwrap_err().kind, kind);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_amplified_by_a_fifth_at_most_over_any_hundred_calls() {
        let budget = RetryBudget::default();
        let mut made = Vec::new();
        for _ in 0..500 {
            let (attempts, _) =
                attempts(&budget, TOTAL, |_| Err(failing(ReadErrorKind::Unreachable))).await;
            made.push(attempts);
        }
        for window in made.windows(100) {
            let sum: u32 = window.iter().sum();
            assert!((100..=120).contains(&sum), "{sum}");
        }
        // And it is used: some are tried again in every part of the outage.
        assert!(
            made.chunks_exact(150)
                .all(|part| part.iter().any(|&attempts| attempts > 1))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_wants_to_be_left_alone_is_and_for_too_long_is_passed_on_at_once() {
        let budget = RetryBudget::default();
        let asks = |seconds| {
            move |attempt| {
                let mut error = failing(ReadErrorKind::Throttled);
                error.retry_after = Some(Duration::from_secs(seconds));
                if attempt == 0 { Err(error) } else { Ok(()) }
            }
        };
        let begun = Instant::now();
        let (made, result) = attempts(&budget, TOTAL, asks(2)).await;
        assert!(made == 2 && result.is_ok());
        assert!(begun.elapsed() >= Duration::from_secs(2));
        let begun = Instant::now();
        let (made, result) = attempts(&budget, TOTAL, asks(30)).await;
        assert_eq!(made, 1);
        assert_eq!(
            result.unwrap_err().retry_after,
            Some(Duration::from_secs(30))
        );
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[test]
    fn what_went_well_leaves_room_for_others() {
        let budget = RetryBudget::default();
        let granted: Vec<_> = (0..AGAIN_PER_WINDOW)
            .map(|_| budget.again().unwrap())
            .collect();
        assert_eq!(budget.again(), None);
        budget.give_back(granted[0]);
        assert!(budget.again().is_some());
        assert_eq!(budget.again(), None);
        for _ in 0..=WINDOW {
            budget.call();
        }
        assert!(budget.again().is_some());
    }
}
