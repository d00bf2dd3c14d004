//! How long is waited for an origin.

use std::time::Duration;

/// How long an origin may take. Larger values forgive a slower origin and let viewers wait longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginTimeouts {
    /// `S3REEL_ORIGIN_CONNECT_TIMEOUT`: until the connection stands; default 1 s.
    pub connect: Duration,
    /// `S3REEL_ORIGIN_FIRST_BYTE_TIMEOUT`: until the head of the answer, each attempt; default 3 s.
    pub first_byte: Duration,
    /// `S3REEL_ORIGIN_IDLE_TIMEOUT`: between two pieces of a body while the viewer is ready for
    /// more; default 6 s.
    pub idle: Duration,
    /// `S3REEL_ORIGIN_MIN_RATE`: bytes a second that a body has to bring, over 30 s in which the viewer
    /// waits for it; default 16 KiB, 0 for no limit. A read that is slower is opened again.
    pub min_rate: u64,
    /// All calls and attempts of one request together; 10 s.
    pub total: Duration,
}

impl Default for OriginTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            first_byte: Duration::from_secs(3),
            idle: Duration::from_secs(6),
            min_rate: 16 * 1024,
            total: Duration::from_secs(10),
        }
    }
}
