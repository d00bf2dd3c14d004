//! Positions inside a representation of known length (RFC 9110 section 14.4).

use std::fmt;

/// Length of the whole representation in bytes: the number after `/` in `Content-Range`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompleteLength(u64);

impl CompleteLength {
    /// A length in bytes; zero is a real length, of an empty object.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The length in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// True for an object without content, to which no range applies.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All of it as a range; `None` when it is empty, since an inclusive range cannot be.
    #[must_use]
    pub fn whole(self) -> Option<InclRange> {
        let last = self.0.checked_sub(1)?;
        Some(InclRange { first: 0, last })
    }
}

impl fmt::Display for CompleteLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A non-empty byte range with both ends included, as in `Content-Range: bytes first-last/...`.
///
/// Inclusive ends cannot overflow at 2^64, which `start..end` can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InclRange {
    first: u64,
    last: u64,
}

impl InclRange {
    /// A range from `first` to `last`, both included; `None` when `first > last` or when the
    /// number of bytes would not fit in 64 bits.
    #[must_use]
    pub fn new(first: u64, last: u64) -> Option<Self> {
        last.checked_sub(first)?.checked_add(1)?;
        Some(Self { first, last })
    }

    /// Position of the first byte.
    #[must_use]
    pub const fn first(self) -> u64 {
        self.first
    }

    /// Position of the last byte.
    #[must_use]
    pub const fn last(self) -> u64 {
        self.last
    }

    /// Number of bytes, at least one.
    #[must_use]
    pub const fn byte_count(self) -> u64 {
        // Cannot overflow: `new` refused the only range that would.
        self.last - self.first + 1
    }
}

/// The value of a `Content-Range` field of a 206 answer (RFC 9110 section 14.4).
///
/// ```
/// use s3reel::semantics::ContentRange;
/// let content_range = ContentRange::parse("bytes 0-1/1000").unwrap();
/// assert_eq!(content_range.to_string(), "bytes 0-1/1000");
/// assert!(ContentRange::parse("bytes 5-2/1000").is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    range: InclRange,
    complete: CompleteLength,
}

/// Why a `Content-Range` value was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentRangeError {
    /// Not of the form `bytes first-last/total` with digits only; `*` as total is refused too,
    /// because no player can seek without it.
    Grammar,
    /// `last < first`, or the range reaches beyond the total.
    Impossible,
}

impl fmt::Display for ContentRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grammar => "content-range is not `bytes first-last/total`",
            Self::Impossible => "content-range names bytes that cannot exist",
        })
    }
}

impl std::error::Error for ContentRangeError {}

impl ContentRange {
    /// `range` of a representation of `complete` bytes; `None` when it reaches beyond the end.
    #[must_use]
    pub fn new(range: InclRange, complete: CompleteLength) -> Option<Self> {
        (range.last() < complete.bytes()).then_some(Self { range, complete })
    }

    /// Reads the value of a field that a server sent.
    ///
    /// # Errors
    /// [`ContentRangeError`] for anything that is not exactly one possible range with a total.
    pub fn parse(value: &str) -> Result<Self, ContentRangeError> {
        let grammar = || ContentRangeError::Grammar;
        let (unit, rest) = value.split_once(' ').ok_or_else(grammar)?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return Err(ContentRangeError::Grammar);
        }
        let (positions, total) = rest.split_once('/').ok_or_else(grammar)?;
        let (first, last) = positions.split_once('-').ok_or_else(grammar)?;
        let [first, last, total] = [first, last, total].map(digits);
        let (first, last, total) = (
            first.ok_or_else(grammar)?,
            last.ok_or_else(grammar)?,
            total.ok_or_else(grammar)?,
        );
        let range = InclRange::new(first, last).ok_or(ContentRangeError::Impossible)?;
        Self::new(range, CompleteLength::new(total)).ok_or(ContentRangeError::Impossible)
    }

    /// The bytes that the answer carries.
    #[must_use]
    pub const fn range(self) -> InclRange {
        self.range
    }

    /// The length of the whole representation.
    #[must_use]
    pub const fn complete(self) -> CompleteLength {
        self.complete
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.range.first(), self.range.last());
        write!(f, "bytes {first}-{last}/{}", self.complete)
    }
}

/// `1*DIGIT` that fits in 64 bits. `u64::parse` alone would take a leading `+`.
fn digits(text: &str) -> Option<u64> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn impossible_or_malformed_content_ranges_are_refused() {
        use ContentRangeError::{Grammar, Impossible};
        for (value, error) in [
            ("bytes 5-2/10", Impossible),
            ("bytes 0-10/10", Impossible),
            ("bytes 0-18446744073709551615/0", Impossible),
            ("bytes 0-1/*", Grammar),
            ("bytes */10", Grammar),
            ("bytes 0-1", Grammar),
            ("bytes +0-1/10", Grammar),
            ("bytes 0-1/10 ", Grammar),
            ("bytes  0-1/10", Grammar),
            ("bytes=0-1/10", Grammar),
            ("items 0-1/10", Grammar),
            ("bytes 0-1/99999999999999999999", Grammar),
            ("", Grammar),
        ] {
            assert_eq!(ContentRange::parse(value), Err(error), "{value:?}");
        }
    }

    #[test]
    fn a_range_of_all_64_bit_positions_has_no_length_and_is_refused() {
        assert!(InclRange::new(0, u64::MAX).is_none());
        assert_eq!(
            InclRange::new(1, u64::MAX).map(InclRange::byte_count),
            Some(u64::MAX)
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_is_what_is_parsed(first in 0..u64::MAX - 2, more in 0..1000_u64, beyond in 1..1000_u64) {
            let last = first.saturating_add(more).min(u64::MAX - 1);
            let total = CompleteLength::new(last.saturating_add(beyond));
            let content_range = InclRange::new(first, last)
                .and_then(|range| ContentRange::new(range, total))
                .unwrap();
            prop_assert_eq!(ContentRange::parse(&content_range.to_string()), Ok(content_range));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "(bytes )?[0-9+*/ -]{0,50}") {
            let _ = ContentRange::parse(&text);
        }
    }
}
