//! Figures in Prometheus' text format.
//!
//! Base units, prefix `s3reel_`, no key in a label. Those of single origins are [`OriginMetrics`].

mod blocks;
mod disk;
mod origin;
mod spread;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::core::{AtomicU64, GenericCounter, GenericCounterVec};
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

pub use blocks::BlockFound;
pub use origin::OriginMetrics;
pub use spread::SpreadGauge;

use origin::OriginFigures;
use spread::{SpreadCounter, SpreadFigures, SpreadHistogram};

type Counter = GenericCounter<AtomicU64>;
type CounterVec = GenericCounterVec<AtomicU64>;

/// Time buckets in seconds, from a cache hit on loopback to the longest first byte we wait for.
const FIRST_BYTE_BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Time buckets in seconds for whole answers, up to a film that is watched to its end.
const DURATION_BUCKETS: &[f64] = &[
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 600.0, 3600.0, 14_400.0,
];

/// Method, status and route of most requests there are. Their figures are looked up once: that costs
/// more than to count.
const PARTS_OF_OBJECTS: (&str, u16, &str) = ("GET", 206, "object");

/// All figures of one service. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    spread: SpreadFigures,
    requests: CounterVec,
    durations: HistogramVec,
    /// Those of the two for [`PARTS_OF_OBJECTS`].
    parts: OnceLock<(Arc<SpreadCounter>, Arc<SpreadHistogram>)>,
    first_byte: Arc<SpreadHistogram>,
    sent_bytes: Arc<SpreadCounter>,
    in_flight: Arc<SpreadGauge>,
    aborted: CounterVec,
    streams_open: Arc<SpreadGauge>,
    shed: CounterVec,
    auth: CounterVec,
    tls_handshakes: CounterVec,
    origins: OriginFigures,
    cache: CacheFigures,
    disk: disk::DiskFigures,
}

/// Those of the cache.
#[derive(Debug)]
struct CacheFigures {
    bytes: IntGauge,
    blocks: IntGauge,
    evictions: Counter,
    wasted: Counter,
}

impl CacheFigures {
    fn declare(register: &Declare<'_>) -> Result<Self, MetricsError> {
        Ok(Self {
            bytes: register.gauge(
                "s3reel_cache_bytes",
                "Bytes of blocks in memory, those on their way included.",
            )?,
            blocks: register.gauge("s3reel_cache_blocks", "Blocks in memory.")?,
            evictions: register.counter(
                "s3reel_cache_evictions_total",
                "Blocks that had to go for others.",
            )?,
            wasted: register.counter(
                "s3reel_cache_wasted_bytes_total",
                "Bytes of blocks that went before anyone had read them.",
            )?,
        })
    }
}

/// A name or help text that Prometheus refuses, or a name taken twice: a fault of this program.
pub type MetricsError = prometheus::Error;

impl Metrics {
    /// All figures at zero, in a registry of their own so that several services can live in one
    /// process.
    ///
    /// # Errors
    /// [`MetricsError`] when a figure is declared wrongly, which a test excludes.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let spread = SpreadFigures::default();
        let register = Declare {
            registry: &registry,
            spread: &spread,
        };
        let metrics = Self {
            requests: register.counters(
                "s3reel_requests_total",
                "Answers given to viewers, by method, status code and route.",
                &["method", "code", "route"],
            )?,
            durations: register.histograms(
                "s3reel_request_duration_seconds",
                "Time from the head of a request to the last byte of its answer.",
                &["route"],
                DURATION_BUCKETS,
            )?,
            parts: OnceLock::new(),
            first_byte: spread.histogram(&register.histogram(
                "s3reel_time_to_first_byte_seconds",
                "Time from the head of a request to the head of its answer.",
                FIRST_BYTE_BUCKETS,
            )?),
            sent_bytes: spread.counter(register.counter(
                "s3reel_response_bytes_total",
                "Body bytes handed to viewers' connections.",
            )?),
            in_flight: spread.gauge(register.gauge(
                "s3reel_requests_in_flight",
                "Requests whose answer is not finished.",
            )?),
            aborted: register.counters(
                "s3reel_responses_aborted_total",
                "Answers that ended before their last byte, by the side that ended them and why.",
                &["side", "reason"],
            )?,
            streams_open: spread.gauge(register.gauge(
                "s3reel_streams_open",
                "Answers with objects in flight, as S3REEL_MAX_STREAMS counts them.",
            )?),
            shed: register.counters(
                "s3reel_requests_shed_total",
                "Requests for objects that were refused because a limit of ours was reached, by limit.",
                &["reason"],
            )?,
            auth: register.counters(
                "s3reel_auth_decisions_total",
                "Requests whose signature was decided on, by result and by the key if that is one in force.",
                &["result", "key_pair_id"],
            )?,
            tls_handshakes: register.counters(
                "s3reel_tls_handshakes_total",
                "Connections of viewers by what came of TLS: what is spoken over it, or why nothing is.",
                &["outcome"],
            )?,
            origins: OriginFigures::declare(&register)?,
            cache: CacheFigures::declare(&register)?,
            disk: disk::DiskFigures::declare(&register)?,
            registry: registry.clone(),
            spread: spread.clone(),
        };
        let build = IntGauge::with_opts(
            Opts::new("s3reel_build_info", "1, with the version as label.")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        registry.register(Box::new(build))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(metrics)
    }

    /// All figures in Prometheus' text format, version 0.0.4.
    ///
    /// # Errors
    /// [`MetricsError`] when a figure cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, MetricsError> {
        self.spread.gather();
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// A request began.
    pub fn request_began(&self) {
        self.in_flight.inc();
    }

    /// A request ended, well or not.
    pub fn request_ended(&self, method: &str, code: u16, route: &str, duration: Duration) {
        self.in_flight.dec();
        let seconds = duration.as_secs_f64();
        let of = |route| self.durations.with_label_values(&[route]);
        if (method, code, route) == PARTS_OF_OBJECTS {
            let (count, duration) = self.parts.get_or_init(|| {
                let labels = &[method, &code.to_string(), route];
                let count = self.requests.with_label_values(labels);
                (
                    self.spread.counter(count),
                    self.spread.histogram(&of(route)),
                )
            });
            count.inc();
            duration.observe(seconds);
        } else {
            let labels = &[method, &code.to_string(), route];
            self.requests.with_label_values(labels).inc();
            of(route).observe(seconds);
        }
    }

    /// The head of an answer was ready.
    pub fn answered(&self, after: Duration) {
        self.first_byte.observe(after.as_secs_f64());
    }

    /// Body bytes were handed to a viewer's connection.
    pub fn sent(&self, bytes: u64) {
        self.sent_bytes.inc_by(bytes);
    }

    /// An answer ended early.
    pub fn aborted(&self, side: &str, reason: &str) {
        self.aborted.with_label_values(&[side, reason]).inc();
    }

    /// A request was refused because a limit of ours was reached.
    pub fn shed(&self, reason: &str) {
        self.shed.with_label_values(&[reason]).inc();
    }

    /// A signature was decided on. `key_pair_id` is that of a key in force, or `-`.
    pub fn auth_decided(&self, result: &str, key_pair_id: &str) {
        self.auth.with_label_values(&[result, key_pair_id]).inc();
    }

    /// TLS was agreed on with a viewer, or not.
    pub fn tls_handshake(&self, outcome: &str) {
        self.tls_handshakes.with_label_values(&[outcome]).inc();
    }

    /// Answers with objects that are in flight now.
    #[must_use]
    pub fn streams_open(&self) -> &SpreadGauge {
        &self.streams_open
    }

    /// The figures of the origin of this name, which has to be one of few.
    #[must_use]
    pub fn of_origin(&self, name: &str) -> OriginMetrics {
        self.origins.of(name)
    }

    /// What the cache holds now, and did so far.
    pub fn cache_holds(&self, bytes: u64, blocks: usize, evicted: u64, wasted: u64) {
        self.cache.bytes.set(bytes.try_into().unwrap_or(i64::MAX));
        self.cache.blocks.set(blocks.try_into().unwrap_or(i64::MAX));
        let grown = |counter: &Counter, to: u64| counter.inc_by(to.saturating_sub(counter.get()));
        grown(&self.cache.evictions, evicted);
        grown(&self.cache.wasted, wasted);
    }

    /// Requests whose answer is not finished now.
    #[must_use]
    pub fn requests_in_flight(&self) -> i64 {
        self.in_flight.get()
    }
}

/// Declares figures in a registry; every one has a help text.
struct Declare<'a> {
    registry: &'a Registry,
    spread: &'a SpreadFigures,
}

impl Declare<'_> {
    fn counter(&self, name: &str, help: &str) -> Result<Counter, MetricsError> {
        let counter = Counter::new(name, help)?;
        self.registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<CounterVec, MetricsError> {
        let counters = CounterVec::new(Opts::new(name, help), labels)?;
        self.registry.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, MetricsError> {
        let gauge = IntGauge::new(name, help)?;
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, MetricsError> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.registry.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let histogram = Histogram::with_opts(options)?;
        self.registry.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let histograms = HistogramVec::new(options, labels)?;
        self.registry.register(Box::new(histograms.clone()))?;
        Ok(histograms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_in_prometheus_text_format() {
        let metrics = Metrics::new().unwrap();
        metrics.request_began();
        metrics.request_ended("GET", 206, "object", Duration::from_millis(3));
        metrics.sent(2);
        let text = String::from_utf8(metrics.encode().unwrap()).unwrap();
        assert!(
            text.contains("# TYPE s3reel_requests_total counter"),
            "{text}"
        );
        assert!(
            text.contains(r#"s3reel_requests_total{code="206",method="GET",route="object"} 1"#),
            "{text}"
        );
        assert!(text.contains("s3reel_response_bytes_total 2"), "{text}");
        assert!(text.contains("s3reel_requests_in_flight 0"), "{text}");
        assert!(text.contains("s3reel_build_info{version="), "{text}");
    }
}
