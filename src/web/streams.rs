//! How many answers with objects may be in flight, and who is turned away first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::semantics::{Conditions, RangeSpec};
use crate::telemetry::Metrics;

/// How many answers with objects may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// `S3REEL_MAX_STREAMS`: in all; default 4000. Each may cost two file descriptors and, while its
    /// viewer stalls, up to a megabyte, so more need more of both.
    pub total: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { total: 4000 }
    }
}

/// What a request for an object is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// It asks for the beginning.
    NewPlay,
    /// It asks for something behind the beginning, or for more of a version that it knows: cutting it
    /// off would end a film that is being watched.
    Continues,
}

impl Intent {
    /// What a GET with these conditions is part of.
    #[must_use]
    pub fn of(conditions: &Conditions) -> Self {
        // Without a range, If-Range means nothing (RFC 9110 section 13.1.5).
        let Some(range) = &conditions.range else {
            return Self::NewPlay;
        };
        let is_beginning =
            |member: &RangeSpec| matches!(member, RangeSpec::Int(range) if range.first == 0);
        if conditions.if_range.is_none() && range.members().iter().any(is_beginning) {
            Self::NewPlay
        } else {
            Self::Continues
        }
    }
}

/// Which limit a request met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// That of all streams.
    Total,
}

impl Full {
    /// The name in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "streams",
        }
    }
}

/// The answers with objects that are in flight, of all workers.
#[derive(Debug)]
pub struct Streams {
    limits: StreamLimits,
    open: AtomicUsize,
    metrics: Arc<Metrics>,
}

/// Requests that continue may still come in when new plays are refused: they have this part of the
/// limit, a tenth, to themselves.
const RESERVED_PART: usize = 10;

impl Streams {
    /// Nothing in flight.
    #[must_use]
    pub fn new(limits: StreamLimits, metrics: Arc<Metrics>) -> Self {
        Self {
            limits,
            open: AtomicUsize::new(0),
            metrics,
        }
    }

    /// Takes a place, which is free again when it is dropped.
    ///
    /// # Errors
    /// [`Full`] when there is none for this intent.
    pub fn enter(self: &Arc<Self>, intent: Intent) -> Result<Place, Full> {
        let total = self.limits.total;
        let most = match intent {
            Intent::NewPlay => total - total / RESERVED_PART,
            Intent::Continues => total,
        };
        let entered = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < most).then_some(open + 1)
            });
        if entered.is_err() {
            self.metrics.shed(Full::Total.as_str());
            return Err(Full::Total);
        }
        self.metrics.streams_open().inc();
        Ok(Place {
            streams: Arc::clone(self),
        })
    }
}

/// The place of one answer. It belongs to the request while S3 is asked and then to the body, so it
/// is free again whenever either is dropped.
#[derive(Debug)]
pub struct Place {
    streams: Arc<Streams>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.open.fetch_sub(1, Ordering::Relaxed);
        self.streams.metrics.streams_open().dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::{IfRange, RangesSpecifier};

    fn streams(total: usize) -> Arc<Streams> {
        let metrics = Arc::new(Metrics::new().unwrap());
        Arc::new(Streams::new(StreamLimits { total }, metrics))
    }

    #[test]
    fn new_plays_are_turned_away_before_what_continues() {
        let streams = streams(20);
        let mut places: Vec<_> = (0..18)
            .map(|_| streams.enter(Intent::NewPlay).unwrap())
            .collect();
        assert_eq!(streams.enter(Intent::NewPlay).unwrap_err(), Full::Total);
        places.push(streams.enter(Intent::Continues).unwrap());
        places.push(streams.enter(Intent::Continues).unwrap());
        assert_eq!(streams.enter(Intent::Continues).unwrap_err(), Full::Total);
        // What continues counts too, so room for new plays comes with the third that leaves.
        places.truncate(18);
        assert!(streams.enter(Intent::NewPlay).is_err());
        places.pop();
        assert!(streams.enter(Intent::NewPlay).is_ok());
    }

    #[test]
    fn the_smallest_limit_lets_one_in() {
        let streams = streams(1);
        let place = streams.enter(Intent::NewPlay).unwrap();
        assert!(streams.enter(Intent::Continues).is_err());
        drop(place);
        assert!(streams.enter(Intent::NewPlay).is_ok());
    }

    #[test]
    fn a_range_behind_the_beginning_continues_and_so_does_one_of_a_known_version() {
        let intent = |range: Option<&str>, if_range: Option<&str>| {
            Intent::of(&Conditions {
                range: range.and_then(|range| RangesSpecifier::parse(range.as_bytes()).ok()),
                if_range: if_range.map(IfRange::parse),
                ..Conditions::default()
            })
        };
        for range in [
            None,
            Some("bytes=0-"),
            Some("bytes=0-1"),
            Some("bytes=5-,0-1"),
            Some("x"),
        ] {
            assert_eq!(intent(range, None), Intent::NewPlay, "{range:?}");
        }
        for range in ["bytes=1-", "bytes=-500", "bytes=5-9,100-"] {
            assert_eq!(intent(Some(range), None), Intent::Continues, "{range}");
        }
        assert_eq!(intent(Some("bytes=0-"), Some("\"1\"")), Intent::Continues);
        assert_eq!(intent(None, Some("\"1\"")), Intent::NewPlay);
    }
}
