//! How far ahead of a viewer is read: only as far as waiting showed to be worth it.

/// A viewer's window, in blocks. It begins closed, so that a probe or a read of the tail fetches
/// nothing but what it asks for, and opens when the viewer has to wait for a block that is not its
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    ahead: u64,
    most: u64,
    unit: u64,
}

impl Window {
    /// A closed window that opens to `most` blocks. Runs of blocks end at multiples of `unit`, so
    /// that those of different viewers meet.
    #[must_use]
    pub fn new(most: u64, unit: u64) -> Self {
        Self {
            ahead: 0,
            most,
            unit: unit.max(1),
        }
    }

    /// The viewer had to wait for blocks that are fetched `run` at a time.
    pub fn waited(&mut self, run: u64) {
        let doubled = if self.ahead == 0 {
            2
        } else {
            self.ahead.saturating_mul(2)
        };
        self.ahead = doubled.max(run).min(self.most);
    }

    /// How many blocks to fetch at once from `index` on, of an answer that ends with block `last`.
    /// `before` is how many were fetched with the block before it, if that may be doubled: viewers
    /// of one film go on where another has begun.
    #[must_use]
    pub fn run(&self, index: u64, last: u64, before: Option<u64>) -> u64 {
        let doubled = before.map_or(1, |before| before.saturating_mul(2).min(self.most));
        let wanted = self.ahead.max(doubled).max(1);
        let to_border = self.unit.saturating_sub(index % self.unit);
        // A rest that is shorter than the run goes with it: one call instead of two.
        let run = if wanted > 1 && wanted.saturating_mul(2) > to_border {
            to_border.min(self.most.max(1))
        } else {
            wanted.min(to_border)
        };
        run.min(last.saturating_sub(index).saturating_add(1))
    }

    /// Whether to fetch more now that the viewer is in block `index`, and blocks are there or on
    /// their way up to before `next`.
    #[must_use]
    pub fn is_low(&self, index: u64, next: u64) -> bool {
        let beyond = next.saturating_sub(index).saturating_sub(1);
        self.ahead > 0 && beyond < self.ahead.div_ceil(2)
    }

    /// How far the window reaches.
    #[must_use]
    pub const fn ahead(&self) -> u64 {
        self.ahead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_closed_until_a_viewer_waits_and_never_opens_beyond_its_bound() {
        let mut window = Window::new(8, 8);
        assert_eq!(window.run(0, 100, None), 1);
        assert!(!window.is_low(0, 1));
        let mut seen = Vec::new();
        for _ in 0..5 {
            window.waited(1);
            seen.push(window.ahead());
        }
        assert_eq!(seen, [2, 4, 8, 8, 8]);
        let mut none = Window::new(0, 8);
        none.waited(8);
        assert_eq!((none.ahead(), none.run(5, 100, Some(4))), (0, 1));
    }

    #[test]
    fn runs_end_at_borders_and_at_the_end_of_the_answer() {
        let mut window = Window::new(8, 8);
        window.waited(1);
        assert_eq!(window.run(1, 100, None), 2);
        window.waited(1);
        assert_eq!(window.run(3, 100, None), 5);
        window.waited(1);
        assert_eq!(window.run(8, 100, None), 8);
        assert_eq!(window.run(9, 100, None), 7);
        assert_eq!(window.run(8, 9, None), 2);
        assert_eq!(window.run(9, 9, None), 1);
        let begun = Window::new(8, 8);
        assert_eq!(begun.run(3, 100, Some(2)), 5);
        assert_eq!(begun.run(8, 100, Some(5)), 8);
        assert_eq!(begun.run(8, 100, None), 1);
    }

    #[test]
    fn a_long_read_takes_few_calls() {
        // Each block is waited for, as when the viewer is faster than the origin.
        let (mut window, mut index, mut calls) = (Window::new(8, 8), 0, 0);
        while index < 64 {
            if index > 0 {
                window.waited(1);
            }
            index += window.run(index, 63, None);
            calls += 1;
        }
        assert!(calls <= 10, "{calls}");
    }
}
