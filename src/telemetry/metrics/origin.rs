//! The figures of single origins: what they were asked, what they answered, what was read from them.
//!
//! They are taken where an origin is called, so they mean "asked of S3" and "read from S3". The label
//! `origin` is where an origin is mounted, as the setting says it, so its values are as many as there
//! are origins.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntGauge, IntGaugeVec};

use super::blocks::{BlockCounters, BlockFound};
use super::spread::{SpreadCounter, SpreadFigures};
use super::{CounterVec, Declare, FIRST_BYTE_BUCKETS, MetricsError};

/// Those of all origins.
#[derive(Debug, Clone)]
pub(super) struct OriginFigures {
    spread: SpreadFigures,
    requests: CounterVec,
    first_byte: HistogramVec,
    bytes: CounterVec,
    bad_answers: CounterVec,
    bodies_open: IntGaugeVec,
    retries: CounterVec,
    resumes: CounterVec,
    cache_requests: CounterVec,
    cache_blocks: CounterVec,
}

impl OriginFigures {
    pub(super) fn declare(register: &Declare<'_>) -> Result<Self, MetricsError> {
        Ok(Self {
            spread: register.spread.clone(),
            requests: register.counters(
                "s3reel_s3_requests_total",
                "Calls to S3, by operation, outcome and origin.",
                &["operation", "outcome", "origin"],
            )?,
            first_byte: register.histograms(
                "s3reel_s3_first_byte_seconds",
                "Time from a call to S3 to the head of its answer, by origin.",
                &["origin"],
                FIRST_BYTE_BUCKETS,
            )?,
            bytes: register.counters(
                "s3reel_s3_bytes_total",
                "Body bytes of objects read from S3, by origin.",
                &["origin"],
            )?,
            bad_answers: register.counters(
                "s3reel_s3_bad_answers_total",
                "Answers of S3 that were not passed on because they contradict the request or themselves, by reason and origin.",
                &["reason", "origin"],
            )?,
            bodies_open: register.gauges(
                "s3reel_s3_bodies_open",
                "Object bodies of S3 that are being read, by origin.",
                &["origin"],
            )?,
            retries: register.counters(
                "s3reel_s3_retries_total",
                "Calls that were made again before their answer had begun, by reason and origin.",
                &["reason", "origin"],
            )?,
            resumes: register.counters(
                "s3reel_s3_resumes_total",
                "Reads that were opened again inside an answer, by reason, outcome and origin.",
                &["reason", "outcome", "origin"],
            )?,
            cache_requests: register.counters(
                "s3reel_cache_requests_total",
                "Reads and questions that the cache was asked, by outcome and origin.",
                &["outcome", "origin"],
            )?,
            cache_blocks: register.counters(
                "s3reel_cache_blocks_total",
                "Blocks that answers came to, by where they were found (in memory, coming for another answer, on disk, at their origin, or past the cache for want of room) and origin.",
                &["found", "origin"],
            )?,
        })
    }

    pub(super) fn of(&self, origin: &str) -> OriginMetrics {
        OriginMetrics {
            first_byte: self.first_byte.with_label_values(&[origin]),
            bytes: self.spread.counter(self.bytes.with_label_values(&[origin])),
            bodies_open: self.bodies_open.with_label_values(&[origin]),
            blocks: BlockCounters::of(&self.cache_blocks, origin, &self.spread),
            cache_hits: OnceLock::new(),
            all: self.clone(),
            origin: origin.to_owned(),
        }
    }
}

/// The figures of one origin. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct OriginMetrics {
    origin: String,
    all: OriginFigures,
    first_byte: Histogram,
    bytes: Arc<SpreadCounter>,
    bodies_open: IntGauge,
    blocks: BlockCounters,
    /// That of [`CACHE_HIT`]: looking it up costs more than to count.
    cache_hits: OnceLock<Arc<SpreadCounter>>,
}

/// How most of what the cache is asked ends.
const CACHE_HIT: &str = "hit";

impl OriginMetrics {
    /// A call to the origin was answered, or failed.
    pub fn s3_called(&self, operation: &str, outcome: &str, after: Duration) {
        self.all
            .requests
            .with_label_values(&[operation, outcome, &self.origin])
            .inc();
        self.first_byte.observe(after.as_secs_f64());
    }

    /// A call is made again.
    pub fn s3_retried(&self, reason: &str) {
        self.all
            .retries
            .with_label_values(&[reason, &self.origin])
            .inc();
    }

    /// Body bytes arrived.
    pub fn s3_read(&self, bytes: u64) {
        self.bytes.inc_by(bytes);
    }

    /// An answer was refused.
    pub fn s3_bad_answer(&self, reason: &str) {
        self.all
            .bad_answers
            .with_label_values(&[reason, &self.origin])
            .inc();
    }

    /// A read was opened again, or could not be.
    pub fn s3_resumed(&self, reason: &str, outcome: &str) {
        self.all
            .resumes
            .with_label_values(&[reason, outcome, &self.origin])
            .inc();
    }

    /// Object bodies that are being read now.
    #[must_use]
    pub const fn s3_bodies_open(&self) -> &IntGauge {
        &self.bodies_open
    }

    /// An answer came to a block.
    pub fn cache_block(&self, found: BlockFound) {
        self.blocks.count(found);
    }

    /// The cache was asked, with this outcome.
    pub fn cache_asked(&self, outcome: &str) {
        let look_up = || {
            let figures = &self.all.cache_requests;
            figures.with_label_values(&[outcome, &self.origin])
        };
        match outcome {
            CACHE_HIT => {
                let hits = || self.all.spread.counter(look_up());
                self.cache_hits.get_or_init(hits).inc();
            }
            _ => look_up().inc(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::Metrics;
    use std::time::Duration;

    #[test]
    fn each_origin_counts_for_itself() {
        let metrics = Metrics::new().unwrap();
        let (one, other) = (metrics.of_origin("/"), metrics.of_origin("//h/old"));
        one.s3_called("GetObject", "ok", Duration::from_millis(1));
        one.s3_read(10);
        other.s3_read(3);
        other.s3_bodies_open().inc();
        let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
        for line in [
            r#"s3reel_s3_requests_total{operation="GetObject",origin="/",outcome="ok"} 1"#,
            r#"s3reel_s3_bytes_total{origin="/"} 10"#,
            r#"s3reel_s3_bytes_total{origin="//h/old"} 3"#,
            r#"s3reel_s3_bodies_open{origin="/"} 0"#,
            r#"s3reel_s3_bodies_open{origin="//h/old"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
    }
}
