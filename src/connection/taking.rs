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

    /// It took so many bytes.
    ///
    /// # Errors
    /// [`LetGo::TooSlow`] when that is too little.
    pub fn took(&mut self, bytes: usize) -> Result<(), LetGo> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.pace.took(bytes, Instant::now)
    }

    /// It takes nothing now. Sees to it that we are asked again when that has lasted too long.
    ///
    /// # Errors
    /// [`LetGo::Timeout`] when it has.
    pub fn waits(&mut self, cx: &mut Context<'_>) -> Result<(), LetGo> {
        let now = Instant::now();
        let Some(end) = self.pace.waits(now) else {
            return Ok(());
        };
        match self.patience.poll(cx, end) {
            Poll::Ready(()) => Err(LetGo::Timeout),
            Poll::Pending => Ok(()),
        }
    }

    /// Keeps account of a write.
    ///
    /// # Errors
    /// [`LetGo`] when the viewer takes too little.
    pub fn account(
        &mut self,
        cx: &mut Context<'_>,
        written: &Poll<io::Result<usize>>,
    ) -> Result<(), LetGo> {
        match written {
            Poll::Ready(Ok(bytes)) => self.took(*bytes),
            Poll::Ready(Err(_)) => Ok(()),
            Poll::Pending => self.waits(cx),
        }
    }
}
