//! Where the process is in its life, as health checks tell it.

use std::sync::atomic::{AtomicU8, Ordering};

/// Starting, serving, or draining before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not listening yet.
    Starting,
    /// Serving.
    Serving,
    /// Told to stop: no new work should come here.
    Draining,
    /// The time for draining is over: what is not finished is cut.
    Cutting,
}

impl Phase {
    /// One word for the readiness answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining | Self::Cutting => "draining",
        }
    }
}

/// The phase, shared by all workers.
#[derive(Debug, Default)]
pub struct Lifecycle(AtomicU8);

impl Lifecycle {
    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            2 => Phase::Draining,
            _ => Phase::Cutting,
        }
    }

    /// Goes forward to a phase; there is no way back from draining.
    pub fn reach(&self, phase: Phase) {
        let step = match phase {
            Phase::Starting => 0,
            Phase::Serving => 1,
            Phase::Draining => 2,
            Phase::Cutting => 3,
        };
        self.0.fetch_max(step, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draining_is_final() {
        let lifecycle = Lifecycle::default();
        assert_eq!(lifecycle.phase(), Phase::Starting);
        lifecycle.reach(Phase::Draining);
        lifecycle.reach(Phase::Serving);
        assert_eq!(lifecycle.phase(), Phase::Draining);
    }
}
