//! How many answers with objects may be in flight, and who is turned away first.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::semantics::{Conditions, RangeSpec};
use crate::telemetry::Metrics;

/// How many answers with objects may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// `S3REEL_MAX_STREAMS`: in all; default 4000. Each may cost two file descriptors and, while its
    /// viewer stalls, up to a megabyte, so more need more of both.
    pub total: usize,
    /// `S3REEL_MAX_STREAMS_PER_ADDRESS`: of one viewer's address, of which an IPv6 one is its network
    /// of 64 bits; default no such limit, since many viewers may share an address. A player needs
    /// two or three.
    pub per_address: Option<usize>,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            total: 4000,
            per_address: None,
        }
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
    /// That of the viewer's address.
    Address,
}

impl Full {
    /// The name in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "streams",
            Self::Address => "address",
        }
    }
}

/// The answers with objects that are in flight, of all workers.
#[derive(Debug)]
pub struct Streams {
    limits: StreamLimits,
    open: AtomicUsize,
    /// Only addresses that have some, so it is never larger than the number of streams.
    by_address: Mutex<HashMap<IpAddr, usize>>,
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
            by_address: Mutex::default(),
            metrics,
        }
    }

    /// Takes a place, which is free again when it is dropped.
    ///
    /// # Errors
    /// [`Full`] when there is none for this intent or for this address.
    pub fn enter(self: &Arc<Self>, intent: Intent, address: Option<IpAddr>) -> Result<Place, Full> {
        let place = self.take(intent, address.map(site));
        match &place {
            Ok(_) => {}
            Err(full) => self.metrics.shed(full.as_str()),
        }
        place
    }

    fn take(self: &Arc<Self>, intent: Intent, site: Option<IpAddr>) -> Result<Place, Full> {
        let of_site = match (site, self.limits.per_address) {
            (Some(site), Some(most)) => Some(self.take_of_site(site, most)?),
            _ => None,
        };
        let total = self.limits.total;
        let most = match intent {
            Intent::NewPlay => total - total / RESERVED_PART,
            Intent::Continues => total,
        };
        self.open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < most).then_some(open + 1)
            })
            .map_err(|_| Full::Total)?;
        self.metrics.streams_open().inc();
        Ok(Place {
            streams: Arc::clone(self),
            _of_site: of_site,
        })
    }

    fn take_of_site(self: &Arc<Self>, site: IpAddr, most: usize) -> Result<PlaceOfSite, Full> {
        let mut by_address = self.by_address();
        let open = by_address.get(&site).copied().unwrap_or(0);
        if open >= most {
            return Err(Full::Address);
        }
        by_address.insert(site, open + 1);
        Ok(PlaceOfSite {
            streams: Arc::clone(self),
            site,
        })
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing that is done under the lock can leave it in a wrong state.
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts as one address: with IPv6 each household has at least 2^64 of them.
fn site(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

/// The place of one answer. It belongs to the request while S3 is asked and then to the body, so it
/// is free again whenever either is dropped.
#[derive(Debug)]
pub struct Place {
    streams: Arc<Streams>,
    _of_site: Option<PlaceOfSite>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.open.fetch_sub(1, Ordering::Relaxed);
        self.streams.metrics.streams_open().dec();
    }
}

/// The place of one answer among those to the same address.
#[derive(Debug)]
struct PlaceOfSite {
    streams: Arc<Streams>,
    site: IpAddr,
}

impl Drop for PlaceOfSite {
    fn drop(&mut self) {
        let mut by_address = self.streams.by_address();
        match by_address.get_mut(&self.site) {
            Some(open) if *open > 1 => *open -= 1,
            _ => {
                by_address.remove(&self.site);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::{IfRange, RangesSpecifier};

    fn streams(total: usize, per_address: Option<usize>) -> Arc<Streams> {
        let metrics = Arc::new(Metrics::new().unwrap());
        let limits = StreamLimits { total, per_address };
        Arc::new(Streams::new(limits, metrics))
    }

    #[test]
    fn new_plays_are_turned_away_before_what_continues() {
        let streams = streams(20, None);
        let mut places: Vec<_> = (0..18)
            .map(|_| streams.enter(Intent::NewPlay, None).unwrap())
            .collect();
        assert_eq!(
            streams.enter(Intent::NewPlay, None).unwrap_err(),
            Full::Total
        );
        places.push(streams.enter(Intent::Continues, None).unwrap());
        places.push(streams.enter(Intent::Continues, None).unwrap());
        assert_eq!(
            streams.enter(Intent::Continues, None).unwrap_err(),
            Full::Total
        );
        // What continues counts too, so room for new plays comes with the third that leaves.
        places.truncate(18);
        assert!(streams.enter(Intent::NewPlay, None).is_err());
        places.pop();
        assert!(streams.enter(Intent::NewPlay, None).is_ok());
    }

    #[test]
    fn the_smallest_limit_lets_one_in() {
        let streams = streams(1, None);
        let place = streams.enter(Intent::NewPlay, None).unwrap();
        assert!(streams.enter(Intent::Continues, None).is_err());
        drop(place);
        assert!(streams.enter(Intent::NewPlay, None).is_ok());
    }

    #[test]
    fn addresses_are_counted_one_by_one_and_forgotten_at_zero() {
        let streams = streams(5, Some(2));
        let enter = |address: &str| {
            let address = address.parse().unwrap();
            streams.enter(Intent::Continues, Some(address))
        };
        let places = [enter("192.0.2.1").unwrap(), enter("192.0.2.1").unwrap()];
        assert_eq!(enter("192.0.2.1").unwrap_err(), Full::Address);
        let others = [enter("192.0.2.2").unwrap(), enter("2001:db8::1").unwrap()];
        // One network of 64 bits is one address.
        let another = enter("2001:db8::ffff:1").unwrap();
        assert_eq!(enter("2001:db8::2").unwrap_err(), Full::Address);
        // A place that was not to be had is not counted by its address either.
        assert_eq!(enter("192.0.2.3").unwrap_err(), Full::Total);
        assert_eq!(streams.by_address().len(), 3);
        drop(places);
        assert_eq!(streams.by_address().len(), 2);
        drop((others, another));
        assert!(streams.by_address().is_empty());
        assert_eq!(streams.open.load(Ordering::Relaxed), 0);
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
