//! How fast a viewer takes what it is given, and when it is let go.

use std::time::Duration;

use tokio::time::Instant;

/// How long a viewer may take nothing, and how slowly it may take something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewerLimits {
    /// `S3REEL_VIEWER_TIMEOUT`: how long a viewer may take nothing at all of what it is given;
    /// default 15 min. Longer forgives longer pauses of players that never recover from a cut, and
    /// costs a connection and some hundred KiB for each viewer that went away without a word.
    pub timeout: Duration,
    /// `S3REEL_VIEWER_MIN_RATE`: bytes a second that a viewer takes at least while it takes
    /// anything; default 1 KiB, 0 for no such rate. The slowest speech has about as much.
    pub min_rate: u64,
    /// How much waiting for the viewer makes a window over which the rate is an average; 30 s. The
    /// sockets on the way take in bursts, so it has to be longer than the gaps between those.
    pub window: Duration,
}

impl Default for ViewerLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_mins(15),
            min_rate: 1024,
            window: Duration::from_secs(30),
        }
    }
}

/// Why we closed a viewer's connection in the midst of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetGo {
    /// It took nothing at all for too long.
    Timeout,
    /// It took too little for too long.
    TooSlow,
}

/// Slow windows in a row after which a viewer is let go. One alone may be a viewer that read a
/// little and went into a pause.
const SLOW_WINDOWS: u32 = 4;

/// Most bytes that a window with a long gap in it may have and still be slow: twice what the kernel
/// takes from us without anyone reading. A viewer that read more between two pauses was playing.
const SLOW_WINDOW_BYTES: u64 = 256 * 1024;

/// Keeps the account of one viewer. It judges only when the viewer takes something, so a full pause
/// is never judged, and it counts only time in which the viewer was offered something, so a slow
/// origin is never the viewer's fault.
///
/// A window begins with bytes that are taken, and ends with the first that are taken once its
/// waiting adds up to [`ViewerLimits::window`]. A viewer that reads steadily at the least rate or
/// faster is never slow, however large the bursts are in which the kernel takes its bytes: each
/// window begins with a burst and ends before one.
#[derive(Debug)]
pub struct Pace {
    limits: ViewerLimits,
    waiting_since: Option<Instant>,
    /// Waiting for the viewer within the window.
    waited: Duration,
    /// Bytes taken within the window.
    taken: u64,
    slow_windows: u32,
}

impl Pace {
    /// An account of a new viewer.
    #[must_use]
    pub fn new(limits: ViewerLimits) -> Self {
        Self {
            limits,
            waiting_since: None,
            waited: Duration::ZERO,
            taken: 0,
            slow_windows: 0,
        }
    }

    /// The viewer takes no more at the moment. When it has to take something again; `None` beyond
    /// the end of the clock.
    pub fn waits(&mut self, now: Instant) -> Option<Instant> {
        let since = *self.waiting_since.get_or_insert(now);
        since.checked_add(self.limits.timeout)
    }

    /// The viewer would take more, and there is nothing: what comes now is not its doing.
    pub const fn has_nothing_to_take(&mut self) {
        self.waiting_since = None;
    }

    /// The viewer took bytes. The clock is asked only if it was waited for.
    ///
    /// # Errors
    /// [`LetGo::TooSlow`] when that was too little, several times in a row.
    pub fn took(&mut self, bytes: u64, now: impl FnOnce() -> Instant) -> Result<(), LetGo> {
        // No window begins with waiting.
        let since = self.waiting_since.take().filter(|_| self.taken > 0);
        if let Some(since) = since {
            self.waited = self.waited.saturating_add(now().duration_since(since));
        }
        if self.waited >= self.limits.window {
            self.slow_windows = if self.was_slow() {
                self.slow_windows + 1
            } else {
                0
            };
            self.waited = Duration::ZERO;
            self.taken = 0;
        }
        self.taken = self.taken.saturating_add(bytes);
        if self.slow_windows >= SLOW_WINDOWS {
            return Err(LetGo::TooSlow);
        }
        Ok(())
    }

    fn was_slow(&self) -> bool {
        let least = |duration: Duration| u128::from(self.limits.min_rate) * duration.as_millis();
        let taken = u128::from(self.taken) * 1000;
        let most = least(self.limits.window).max(u128::from(SLOW_WINDOW_BYTES) * 1000);
        taken < least(self.waited) && taken <= most
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIB: u64 = 1024;

    /// A viewer that takes these bytes, each after it was waited for that many milliseconds.
    fn after(takes: impl IntoIterator<Item = (u64, u64)>) -> Result<(), LetGo> {
        let mut pace = Pace::new(ViewerLimits::default());
        let mut now = Instant::now();
        takes.into_iter().try_for_each(|(waited, bytes)| {
            pace.waits(now);
            now += Duration::from_millis(waited);
            pace.took(bytes, || now)
        })
    }

    #[test]
    fn a_viewer_that_drips_is_let_go_whether_we_see_it_byte_by_byte_or_in_bursts() {
        let seconds = |count: usize| std::iter::repeat_n((1000, 100), count);
        assert_eq!(after(seconds(100)), Ok(()), "too early");
        assert_eq!(after(seconds(200)), Err(LetGo::TooSlow));
        // 500 bytes a second, of which the kernel takes 64 KiB at once.
        let bursts = |count| std::iter::repeat_n((131_000, 64 * KIB), count);
        assert_eq!(after(bursts(4)), Ok(()), "too early");
        assert_eq!(after(bursts(6)), Err(LetGo::TooSlow));
    }

    #[test]
    fn pauses_are_never_too_slow_however_long_and_many() {
        // Half a minute of sound with 64 kbit/s between pauses of ten minutes.
        let plays = [(0, 128 * KIB), (15_000, 64 * KIB), (15_000, 64 * KIB)];
        let pauses = std::iter::repeat_n((600_000, 64 * KIB), 1);
        let hours = std::iter::repeat_n(plays.into_iter().chain(pauses), 50).flatten();
        assert_eq!(after(hours), Ok(()));
    }

    #[test]
    fn three_slow_windows_are_forgiven_once_the_viewer_reads_on() {
        let slow = std::iter::repeat_n((31_000, 10), 3);
        let fast = [(100, 300 * KIB), (31_000, 10)];
        let hours = std::iter::repeat_n(slow.chain(fast), 20).flatten();
        assert_eq!(after(hours), Ok(()));
    }

    #[test]
    fn a_slow_origin_is_not_the_viewers_fault() {
        let mut pace = Pace::new(ViewerLimits::default());
        let mut now = Instant::now();
        for _ in 0..1000 {
            // Nothing was refused in between: the viewer took all there was.
            now += Duration::from_secs(10);
            assert_eq!(pace.took(1, || now), Ok(()));
        }
    }

    #[test]
    fn a_rate_of_zero_lets_nobody_go() {
        let mut pace = Pace::new(ViewerLimits {
            min_rate: 0,
            ..ViewerLimits::default()
        });
        let mut now = Instant::now();
        for _ in 0..1000 {
            pace.waits(now);
            now += Duration::from_mins(1);
            assert_eq!(pace.took(1, || now), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn a_steady_reader_of_the_least_rate_is_never_let_go(
            rate in KIB..100 * KIB,
            bursts in prop::collection::vec(1..400 * KIB, 1..200),
        ) {
            // The kernel takes a burst when the viewer has read as much: rounded down in time,
            // since a reader of exactly the rate must not fail by a rounding.
            let takes = bursts.iter().scan(0, |before, &burst| {
                let waited = *before * 1000 / rate;
                *before = burst;
                Some((waited, burst))
            });
            prop_assert_eq!(after(takes), Ok(()));
        }
    }
}
