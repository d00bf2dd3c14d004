//! What the answer of any origin that speaks HTTP has to be: the bytes that were asked for.

use crate::semantics::range_specifier::{IntRange, Resolved};
use crate::semantics::{CompleteLength, ContentRange, InclRange, RangeSpec};
use crate::storage::error::BadAnswer;

/// Which bytes an answer carries, of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The bytes; `None` for an empty object.
    pub range: Option<InclRange>,
    /// Length of the whole object.
    pub complete: CompleteLength,
}

/// Checks the figures of an answer to GetObject against what was asked.
///
/// # Errors
/// The first contradiction found.
pub fn check_extent(
    asked: Option<RangeSpec>,
    content_range: Option<&str>,
    content_length: Option<i64>,
) -> Result<Extent, BadAnswer> {
    let length = content_length
        .and_then(|length| u64::try_from(length).ok())
        .ok_or(BadAnswer::Length)?;
    match (asked, content_range) {
        (None, None) => {
            let complete = CompleteLength::new(length);
            Ok(Extent {
                range: complete.whole(),
                complete,
            })
        }
        // Servers differ on a range of an empty object; no content is right for all of them. Some name
        // bytes that there cannot be, as garage does for a suffix (`bytes 0-18446744073709551615/0`).
        (Some(_), told) if length == 0 && told.is_none_or(|told| told.ends_with("/0")) => {
            Ok(Extent {
                range: None,
                complete: CompleteLength::new(0),
            })
        }
        (Some(_), None) | (None, Some(_)) => Err(BadAnswer::Status),
        (Some(asked), Some(value)) => {
            let told = ContentRange::parse(value).map_err(|_| BadAnswer::ContentRange)?;
            if asked.resolve(told.complete()) != Resolved::Range(told.range()) {
                return Err(BadAnswer::ContentRange);
            }
            if told.range().byte_count() != length {
                return Err(BadAnswer::Length);
            }
            Ok(Extent {
                range: Some(told.range()),
                complete: told.complete(),
            })
        }
    }
}

/// The largest position that is written into a request: 2^53 - 1, the largest whole number that
/// every implementation of S3 reads exactly, and far beyond its largest object.
const LARGEST_POSITION: u64 = (1 << 53) - 1;

/// The same range with positions that every server can read. It names the same bytes of every
/// object that can exist.
#[must_use]
pub fn within_reach(range: RangeSpec) -> RangeSpec {
    match range {
        RangeSpec::Int(IntRange { first, last }) => RangeSpec::Int(IntRange {
            first: first.min(LARGEST_POSITION),
            last: last.filter(|&last| last < LARGEST_POSITION),
        }),
        RangeSpec::Suffix(count) => RangeSpec::Suffix(count.min(LARGEST_POSITION)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::RangesSpecifier;

    fn extent(
        asked: &str,
        content_range: &str,
        length: impl Into<Option<i64>>,
    ) -> Result<Extent, BadAnswer> {
        let asked = RangesSpecifier::parse(asked.as_bytes())
            .ok()
            .and_then(|range| range.single());
        let content_range = Some(content_range).filter(|value| !value.is_empty());
        check_extent(asked, content_range, length.into())
    }

    #[test]
    fn an_answer_that_fits_the_request_is_taken() {
        for (asked, content_range, length, range, complete) in [
            ("", "", 10, InclRange::new(0, 9), 10),
            ("", "", 0, None, 0),
            ("bytes=0-1", "bytes 0-1/10", 2, InclRange::new(0, 1), 10),
            ("bytes=0-1", "bytes 0-0/1", 1, InclRange::new(0, 0), 1),
            ("bytes=5-", "bytes 5-9/10", 5, InclRange::new(5, 9), 10),
            ("bytes=-3", "bytes 7-9/10", 3, InclRange::new(7, 9), 10),
            ("bytes=-30", "bytes 0-9/10", 10, InclRange::new(0, 9), 10),
            ("bytes=0-", "", 0, None, 0),
            ("bytes=-5", "bytes 0-18446744073709551615/0", 0, None, 0),
            ("bytes=-5", "bytes */0", 0, None, 0),
        ] {
            let complete = CompleteLength::new(complete);
            assert_eq!(
                extent(asked, content_range, length),
                Ok(Extent { range, complete }),
                "{asked} {content_range}"
            );
        }
    }

    #[test]
    fn an_answer_that_contradicts_the_request_is_refused() {
        for (asked, content_range, length, reason) in [
            ("", "", None, BadAnswer::Length),
            ("", "", Some(-1), BadAnswer::Length),
            ("", "bytes 0-9/10", Some(10), BadAnswer::Status),
            ("bytes=0-1", "", Some(10), BadAnswer::Status),
            ("bytes=0-1", "bytes 0-1/10", None, BadAnswer::Length),
            ("bytes=0-1", "bytes 0-1/10", Some(1), BadAnswer::Length),
            ("bytes=0-1", "bytes 0-1/10", Some(10), BadAnswer::Length),
            (
                "bytes=0-1",
                "bytes 0-2/10",
                Some(3),
                BadAnswer::ContentRange,
            ),
            (
                "bytes=2-3",
                "bytes 0-1/10",
                Some(2),
                BadAnswer::ContentRange,
            ),
            (
                "bytes=-5",
                "bytes 0-18446744073709551615/0",
                Some(5),
                BadAnswer::ContentRange,
            ),
            (
                "bytes=-5",
                "bytes 0-18446744073709551615/10",
                Some(0),
                BadAnswer::ContentRange,
            ),
            ("bytes=0-1", "bytes 0-1/*", Some(2), BadAnswer::ContentRange),
            ("bytes=0-1", "garbage", Some(2), BadAnswer::ContentRange),
            ("bytes=5-", "bytes 5-8/10", Some(4), BadAnswer::ContentRange),
            ("bytes=-3", "bytes 0-2/10", Some(3), BadAnswer::ContentRange),
        ] {
            assert_eq!(
                extent(asked, content_range, length),
                Err(reason),
                "{asked} {content_range} {length:?}"
            );
        }
    }

    #[test]
    fn positions_beyond_every_object_are_written_so_that_servers_can_read_them() {
        for (asked, written) in [
            ("bytes=0-1", "bytes=0-1"),
            ("bytes=0-18446744073709551615", "bytes=0-"),
            ("bytes=0-99999999999999999999999999", "bytes=0-"),
            (
                "bytes=99999999999999999999999999-",
                "bytes=9007199254740991-",
            ),
            (
                "bytes=-99999999999999999999999999",
                "bytes=-9007199254740991",
            ),
        ] {
            let range = RangesSpecifier::parse(asked.as_bytes()).unwrap();
            let range = within_reach(range.single().unwrap());
            assert_eq!(RangesSpecifier::from(range).to_string(), written);
        }
    }
}
