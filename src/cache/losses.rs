//! Bytes that a run did not bring: how long an answer waits for others to bring them.

use std::time::Duration;

use tokio::time::Instant;

use crate::storage::error::ReadErrorKind;
use crate::storage::retry::{BACKOFF, PATIENCE, RetryBudget, is_worth_waiting, jittered};

/// How often a block that went before it was read is asked for anew, without a byte in between.
const MOST_ATTEMPTS: u32 = 3;

/// What one answer has lost since its last byte.
#[derive(Debug, Default)]
pub struct Losses {
    /// Blocks asked for anew.
    attempts: u32,
    /// Since when there are no bytes for a reason.
    since: Option<Instant>,
    has_begun: bool,
}

/// What follows from a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The block is asked for again at once.
    Again,
    /// The bytes are read past the cache.
    PassBy,
    /// It is asked for again after so long.
    Wait(Duration),
    /// The answer ends.
    Fail,
}

impl Losses {
    /// Bytes have come.
    pub fn recovered(&mut self) {
        *self = Self {
            has_begun: true,
            ..Self::default()
        };
    }

    /// The run ended before the byte that is wanted, for this reason if there was one. An answer that
    /// has begun would be cut, so it waits and asks anew, as one without a cache does.
    pub fn lost(&mut self, why: Option<ReadErrorKind>) -> Then {
        self.attempts = self.attempts.saturating_add(1);
        let Some(why) = why else {
            return if self.attempts >= MOST_ATTEMPTS {
                Then::PassBy
            } else {
                Then::Again
            };
        };
        let may_wait = self.has_begun && is_worth_waiting(why);
        let failures = usize::try_from(self.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(wait) = BACKOFF.get(failures).filter(|_| may_wait) else {
            return Then::Fail;
        };
        self.since.get_or_insert_with(Instant::now);
        Then::Wait(jittered(*wait))
    }

    /// The wait is over: goes on, if that is granted. The first time is a call like any other.
    pub fn waited(&self, budget: &RetryBudget) -> Then {
        if self.attempts <= 1 || budget.again().is_some() {
            return Then::Again;
        }
        if self.since.is_some_and(|since| since.elapsed() >= PATIENCE) {
            return Then::Fail;
        }
        let [.., longest] = BACKOFF;
        Then::Wait(jittered(longest))
    }
}
