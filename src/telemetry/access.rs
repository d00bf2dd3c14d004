//! One line and one count a request, at its end, however it ends.

use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lifecycle::{Lifecycle, Phase};
use super::metrics::Metrics;
use super::request_id::RequestId;

/// The log target of access lines: `RUST_LOG=warn,s3reel::access=info` keeps just them.
pub const TARGET: &str = "s3reel::access";

/// The level of access lines.
const LEVEL: log::Level = log::Level::Info;

/// What kind of thing a request was for; a label of the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// An object of the bucket.
    Object,
    /// The page, its files and the listing under `/-/`.
    Page,
    /// Health checks under `/-/`.
    Health,
    /// Everything else, all of it refused.
    Other,
}

impl Route {
    /// The name in labels and lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Page => "page",
            Self::Health => "health",
            Self::Other => "other",
        }
    }
}

/// Who ended an answer before its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortedBy {
    /// The viewer closed its connection.
    Viewer,
    /// The viewer took nothing for too long, so we closed its connection.
    ViewerTimeout,
    /// The viewer took too little for too long, so we closed its connection.
    ViewerTooSlow,
    /// S3 broke off, stalled or changed the object.
    Origin,
    /// We are ending, and the drain timeout was over.
    Shutdown,
}

impl AbortedBy {
    /// Whose end it was, in labels and lines.
    #[must_use]
    pub const fn side(self) -> &'static str {
        match self {
            Self::Viewer | Self::ViewerTimeout | Self::ViewerTooSlow => "viewer",
            Self::Origin => "origin",
            Self::Shutdown => "shutdown",
        }
    }

    /// Why, in labels and lines.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Viewer => "left",
            Self::ViewerTimeout => "timeout",
            Self::ViewerTooSlow => "too_slow",
            Self::Origin => "failed",
            Self::Shutdown => "drain_timeout",
        }
    }
}

/// What the records of one worker are written with. All share it, and count who does: workers that
/// shared one would keep fetching that count from each other.
#[derive(Debug)]
pub struct Recorder {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether we are ending.
    pub lifecycle: Arc<Lifecycle>,
}

/// The story of one request. Dropping it writes the access line and counts the request, so that
/// none is forgotten: also one whose viewer left while S3 was still silent.
#[derive(Debug)]
pub struct AccessRecord {
    recorder: Rc<Recorder>,
    started: Instant,
    id: RequestId,
    method: Cow<'static, str>,
    viewer: Option<IpAddr>,
    /// What the request was for.
    pub route: Route,
    /// The path as it was asked for, without the query, which may hold a signature.
    path: String,
    /// The `Range` field as it was sent.
    range: Option<String>,
    /// How the cache served it; `-` without one.
    pub cache: &'static str,
    auth: &'static str,
    key_pair_id: Option<String>,
    status: Option<u16>,
    first_byte: Option<Duration>,
    promised: u64,
    sent: u64,
    resumes: u32,
    aborted_by: Option<AbortedBy>,
}

/// Methods that appear as labels; any other token is counted as `other`, or a stranger could fill
/// the memory with labels.
const METHODS: &[&str] = &[
    "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE",
];

impl AccessRecord {
    /// Begins the story when the head of a request has been read.
    #[must_use]
    pub fn begin(
        recorder: Rc<Recorder>,
        id: RequestId,
        method: &str,
        viewer: Option<IpAddr>,
    ) -> Self {
        recorder.metrics.request_began();
        let known = METHODS.iter().find(|&&known| known == method);
        Self {
            recorder,
            started: Instant::now(),
            id,
            method: known.map_or_else(|| method.to_owned().into(), |&known| known.into()),
            viewer,
            route: Route::Other,
            path: String::new(),
            range: None,
            cache: "-",
            auth: "-",
            key_pair_id: None,
            status: None,
            first_byte: None,
            promised: 0,
            sent: 0,
            resumes: 0,
            aborted_by: None,
        }
    }

    /// Takes down what was asked for, if a line will be written: the path without the query, and the
    /// `Range` field.
    pub fn asked_for(&mut self, path: &str, range: impl FnOnce() -> Option<String>) {
        if log::log_enabled!(target: TARGET, LEVEL) {
            path.clone_into(&mut self.path);
            self.range = range();
        }
    }

    /// The request's id.
    #[must_use]
    pub const fn id(&self) -> &RequestId {
        &self.id
    }

    /// The viewer's address.
    #[must_use]
    pub const fn viewer(&self) -> Option<IpAddr> {
        self.viewer
    }

    /// Its signature was decided on, with the name of the key if that is one in force: a name that a
    /// stranger made up has no place in a label.
    pub fn decided(&mut self, result: &'static str, key_pair_id: Option<String>) {
        let label = key_pair_id.as_deref().unwrap_or("-");
        self.recorder.metrics.auth_decided(result, label);
        self.auth = result;
        self.key_pair_id = key_pair_id;
    }

    /// The head of the answer was ready at `now`, and promises `promised` bytes of body.
    pub fn answered(&mut self, now: Instant, status: u16, promised: u64) {
        let after = now.saturating_duration_since(self.started);
        self.recorder.metrics.answered(after);
        self.first_byte = Some(after);
        self.status = Some(status);
        self.promised = promised;
    }

    /// Body bytes were handed to the connection.
    pub fn sent(&mut self, bytes: u64) {
        self.sent = self.sent.saturating_add(bytes);
        self.recorder.metrics.sent(bytes);
    }

    /// How often the read from S3 has been opened again so far.
    pub fn resumed(&mut self, times: u32) {
        self.resumes = times;
    }

    /// The answer ends here although more was promised.
    pub fn aborted(&mut self, by: AbortedBy) {
        self.aborted_by = Some(by);
    }

    fn ended_by(&self) -> Option<AbortedBy> {
        // An unfinished answer that nobody else ended was left by its viewer, or cut at our end.
        let unfinished = self.status.is_none() || self.sent < self.promised;
        let by = match self.recorder.lifecycle.phase() {
            Phase::Starting | Phase::Serving | Phase::Draining => AbortedBy::Viewer,
            Phase::Cutting => AbortedBy::Shutdown,
        };
        self.aborted_by.or(unfinished.then_some(by))
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        let method = match self.method {
            Cow::Borrowed(known) => known,
            Cow::Owned(_) => "other",
        };
        // 499 is nginx's name for "the viewer left before there was an answer"; it is never sent.
        let status = self.status.unwrap_or(499);
        self.recorder
            .metrics
            .request_ended(method, status, self.route.as_str(), duration);
        let ended_by = self.ended_by();
        if let Some(by) = ended_by {
            self.recorder.metrics.aborted(by.side(), by.reason());
        }
        log::log!(
            target: TARGET,
            LEVEL,
            request_id = self.id.as_str(),
            method = front(&self.method),
            route = self.route.as_str(),
            path = self.path.as_str(),
            range = front(self.range.as_deref().unwrap_or("-")),
            status = status,
            bytes = self.sent,
            promised = self.promised,
            first_byte_ms = milliseconds(self.first_byte),
            duration_ms = milliseconds(Some(duration)),
            peer = self.viewer.map_or_else(|| "-".to_owned(), |viewer| viewer.to_string()).as_str(),
            cache = self.cache,
            auth = self.auth,
            key_pair_id = self.key_pair_id.as_deref().unwrap_or("-"),
            resumes = self.resumes,
            aborted_by = ended_by.map_or("-", AbortedBy::side),
            abort_reason = ended_by.map_or("-", AbortedBy::reason);
            "request"
        );
    }
}

/// Longest field of a viewer's that a line tells, in bytes; a head may have 64 KiB.
const MAX_FIELD_BYTES: usize = 512;

/// The front of a text that a viewer chose.
fn front(text: &str) -> &str {
    let end = text.floor_char_boundary(MAX_FIELD_BYTES);
    text.get(..end).unwrap_or(text)
}

fn milliseconds(duration: Option<Duration>) -> Option<f64> {
    // Three decimals: microseconds are as fine as the clock is worth.
    duration.map(|duration| (duration.as_secs_f64() * 1e6).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(metrics: &Arc<Metrics>) -> AccessRecord {
        let recorder = Rc::new(Recorder {
            metrics: Arc::clone(metrics),
            lifecycle: Arc::new(Lifecycle::default()),
        });
        AccessRecord::begin(recorder, RequestId::random(), "GET", None)
    }

    #[test]
    fn a_finished_answer_is_not_aborted_and_an_unfinished_one_is_the_viewers() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let mut finished = record(&metrics);
        finished.answered(Instant::now(), 206, 2);
        finished.sent(2);
        assert_eq!(finished.ended_by(), None);
        let mut short = record(&metrics);
        short.answered(Instant::now(), 200, 10);
        short.sent(9);
        assert_eq!(short.ended_by(), Some(AbortedBy::Viewer));
        short.aborted(AbortedBy::Origin);
        assert_eq!(short.ended_by(), Some(AbortedBy::Origin));
        assert_eq!(record(&metrics).ended_by(), Some(AbortedBy::Viewer));
        let cut = record(&metrics);
        cut.recorder.lifecycle.reach(Phase::Draining);
        assert_eq!(cut.ended_by(), Some(AbortedBy::Viewer));
        cut.recorder.lifecycle.reach(Phase::Cutting);
        assert_eq!(cut.ended_by(), Some(AbortedBy::Shutdown));
    }

    #[test]
    fn a_line_tells_the_front_of_a_long_field_only() {
        assert_eq!(front("bytes=0-1"), "bytes=0-1");
        assert_eq!(front(&"x".repeat(70_000)).len(), 512);
        assert_eq!(front(&"\u{e9}x".repeat(1000)).len(), 512);
        assert_eq!(front(&format!("x{}", "\u{e9}".repeat(1000))).len(), 511);
    }

    #[test]
    fn every_record_is_counted_once_and_none_stays_in_flight() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let one = record(&metrics);
        assert_eq!(metrics.requests_in_flight(), 1);
        drop(one);
        assert_eq!(metrics.requests_in_flight(), 0);
    }
}
