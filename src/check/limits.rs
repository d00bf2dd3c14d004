//! How much a check may ask of a server, and how long it may take.

use std::time::Duration;

use tokio::time::Instant;

/// Bounds of the check of one address.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most requests, redirects included. A film takes about 60.
    pub requests: u32,
    /// Most bytes of bodies that are read.
    pub bytes: u64,
    /// Longest time in all.
    pub total: Duration,
    /// Longest time until a connection stands, TLS included.
    pub connect: Duration,
    /// Longest time until the head of an answer, and of silence within a body.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 150,
            bytes: 16 * 1024 * 1024,
            total: Duration::from_mins(1),
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(10),
        }
    }
}

/// What is spent of them.
#[derive(Debug, Clone)]
pub struct Spending {
    limits: Limits,
    requests: u32,
    bytes: u64,
    deadline: Instant,
}

impl Spending {
    /// Nothing yet; the clock runs from now.
    #[must_use]
    pub fn begin(limits: Limits) -> Self {
        Self {
            limits,
            requests: 0,
            bytes: 0,
            deadline: Instant::now() + limits.total,
        }
    }

    /// The bounds.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Requests so far.
    #[must_use]
    pub const fn requests(&self) -> u32 {
        self.requests
    }

    /// Bytes of bodies so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts a request; false when there may be no more.
    pub(super) fn take_request(&mut self) -> bool {
        let left = self.requests < self.limits.requests && self.bytes < self.limits.bytes;
        self.requests += u32::from(left);
        left
    }

    /// Counts bytes that came.
    pub(super) const fn count_bytes(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The moment until which something may take that may take so long by itself.
    pub(super) fn until(&self, at_most: Duration) -> Instant {
        (Instant::now() + at_most).min(self.deadline)
    }

    /// Whether all the time is over.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }
}
