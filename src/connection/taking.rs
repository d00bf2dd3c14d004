//! Whether a viewer takes what it is given, watched while nobody else looks.

use std::io;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::alarm::Alarm;
use super::pace::{LetGo, Pace, ViewerLimits};

/// The account of one viewer, and the clock that wakes us when it may have taken nothing for too long.
pub struct Taking {
    pace: Pace,
    patience: Alarm,
}

impl Taking {
    /// An account of a new viewer.
    #[must_use]
    pub fn new(limits: ViewerLimits) -> Self {
        Self {
            pace: Pace::new(limits),
            patience: Alarm::default(),
        }
    }

    /// The viewer would take more, and there is nothing: what comes now is not its doing.
    pub const fn has_nothing_to_take(&mut self) {
        self.pace.has_nothing_to_take();
    }

    /// Keeps account of an attempt to give it something, with the number of bytes that it took.
    /// Whoever finds that it took none is woken when that has lasted too long.
    ///
    /// # Errors
    /// [`LetGo`] when it takes too little.
    pub fn account(
        &mut self,
        cx: &mut Context<'_>,
        taken: &Poll<io::Result<usize>>,
    ) -> Result<(), LetGo> {
        match taken {
            Poll::Ready(Ok(length)) => {
                let length = u64::try_from(*length).unwrap_or(u64::MAX);
                self.pace.took(length, Instant::now)
            }
            Poll::Ready(Err(_)) => Ok(()),
            Poll::Pending => self.waits(cx),
        }
    }

    /// Fails when the viewer has taken nothing for too long, and otherwise sees to it that we are
    /// asked again when it has.
    fn waits(&mut self, cx: &mut Context<'_>) -> Result<(), LetGo> {
        let now = Instant::now();
        let Some(end) = self.pace.waits(now) else {
            return Ok(());
        };
        match self.patience.poll(cx, end) {
            Poll::Ready(()) => Err(LetGo::Timeout),
            Poll::Pending => Ok(()),
        }
    }
}
