//! The figures of the disk tier.

use std::sync::Arc;

use prometheus::IntGauge;

use super::spread::SpreadCounter;
use super::{Counter, CounterVec, Declare, Metrics, MetricsError};

/// What the disk tier holds and did.
#[derive(Debug)]
pub(super) struct DiskFigures {
    reads: CounterVec,
    at_hand: Arc<SpreadCounter>,
    writes: CounterVec,
    bytes: IntGauge,
    blocks: IntGauge,
    evictions: Counter,
}

impl DiskFigures {
    pub(super) fn declare(register: &Declare<'_>) -> Result<Self, MetricsError> {
        let reads = register.counters(
            "s3reel_cache_disk_reads_total",
            "Blocks that were wanted from disk, by outcome: at_hand in its file, read and checked, missing, damaged or failed.",
            &["outcome"],
        )?;
        Ok(Self {
            // Looked up once: there is one in most answers.
            at_hand: register.spread.counter(reads.with_label_values(&["at_hand"])),
            reads,
            writes: register.counters(
                "s3reel_cache_disk_writes_total",
                "Blocks for the disk, by outcome: written, dropped because the disk was behind or had just failed, or failed.",
                &["outcome"],
            )?,
            bytes: register.gauge("s3reel_cache_disk_bytes", "Bytes of blocks on disk.")?,
            blocks: register.gauge("s3reel_cache_disk_blocks", "Blocks on disk.")?,
            evictions: register.counter(
                "s3reel_cache_disk_evictions_total",
                "Blocks on disk that had to go for others.",
            )?,
        })
    }
}

impl Metrics {
    /// A block was looked for on disk, with this outcome.
    pub fn disk_read(&self, outcome: &str) {
        self.disk.reads.with_label_values(&[outcome]).inc();
    }

    /// A block on disk is sent from its file.
    pub fn disk_at_hand(&self) {
        self.disk.at_hand.inc();
    }

    /// A block was to be written to disk, with this outcome.
    pub fn disk_written(&self, outcome: &str) {
        self.disk.writes.with_label_values(&[outcome]).inc();
    }

    /// What the disk tier holds now, and did so far.
    pub fn disk_holds(&self, bytes: u64, blocks: usize, evicted: u64) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.disk.bytes.set(gauge(bytes));
        let blocks = i64::try_from(blocks).unwrap_or(i64::MAX);
        self.disk.blocks.set(blocks);
        let before = self.disk.evictions.get();
        self.disk.evictions.inc_by(evicted.saturating_sub(before));
    }
}
