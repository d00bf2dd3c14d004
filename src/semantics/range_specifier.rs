//! The `Range` field of a request (RFC 9110 sections 14.1.1, 14.1.2 and 14.2).
//!
//! Grammar and satisfiability are apart: [`RangesSpecifier::parse`] says what the client wrote,
//! [`RangeSpec::resolve`] what it means for an object of a known length.

use std::fmt;

use super::content_range::{CompleteLength, InclRange};

/// A `Range` value that follows the grammar: the unit `bytes` and at least one [`RangeSpec`].
///
/// ```
/// use s3reel::semantics::RangesSpecifier;
/// let range = RangesSpecifier::parse(b"Bytes=0-1").unwrap();
/// assert_eq!(range.to_string(), "bytes=0-1");
/// assert!(RangesSpecifier::parse(b"bytes=+0-1").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangesSpecifier(Members);

/// Most values have one member, which needs no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Members {
    One([RangeSpec; 1]),
    /// Two at least.
    Several(Vec<RangeSpec>),
}

/// One member of a range set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// `first-` or `first-last`.
    Int(IntRange),
    /// `-n`: the last `n` bytes.
    Suffix(u64),
}

/// `int-range`: both ends included, `last` absent for "to the end".
///
/// `first > last` is kept, because the grammar cannot forbid it and the answer to it (416) is a
/// decision, not a parse error. Numbers beyond 64 bits saturate: no object reaches that far, so
/// nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntRange {
    /// Position of the first byte wanted.
    pub first: u64,
    /// Position of the last byte wanted.
    pub last: Option<u64>,
}

/// Why a `Range` value says nothing to us and is ignored (RFC 9110 section 14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSyntaxError {
    /// A range unit other than `bytes`, or no unit at all.
    Unit,
    /// A member that is neither `first-`, `first-last` nor `-n`, or no member.
    Grammar,
}

impl fmt::Display for RangeSyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unit => "range unit is not `bytes`",
            Self::Grammar => "range set does not follow the grammar",
        })
    }
}

impl std::error::Error for RangeSyntaxError {}

/// What a member means for one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// These bytes exist.
    Range(InclRange),
    /// No byte of the object is in it.
    Unsatisfiable,
}

impl RangesSpecifier {
    /// Reads a field value. Time and memory are linear in its length.
    ///
    /// # Errors
    /// [`RangeSyntaxError`] when the field has to be ignored.
    pub fn parse(value: &[u8]) -> Result<Self, RangeSyntaxError> {
        let equals = value
            .iter()
            .position(|&byte| byte == b'=')
            .ok_or(RangeSyntaxError::Unit)?;
        let (unit, set) = value.split_at(equals);
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return Err(RangeSyntaxError::Unit);
        }
        let mut members = set
            .strip_prefix(b"=")
            .unwrap_or(set)
            .split(|&byte| byte == b',')
            .map(trim_whitespace)
            // Section 5.6.1.2: a recipient must take empty list members and ignore them.
            .filter(|member| !member.is_empty())
            .map(RangeSpec::parse);
        let first = members.next().ok_or(RangeSyntaxError::Grammar)??;
        let Some(second) = members.next() else {
            return Ok(first.into());
        };
        let members: Result<_, _> = [Ok(first), second].into_iter().chain(members).collect();
        Ok(Self(Members::Several(members?)))
    }

    /// The members in the order they were written; never empty.
    #[must_use]
    pub fn members(&self) -> &[RangeSpec] {
        match &self.0 {
            Members::One(only) => only,
            Members::Several(members) => members,
        }
    }

    /// The only member, if there is just one.
    #[must_use]
    pub fn single(&self) -> Option<RangeSpec> {
        match &self.0 {
            Members::One([only]) => Some(*only),
            Members::Several(_) => None,
        }
    }
}

impl From<RangeSpec> for RangesSpecifier {
    fn from(member: RangeSpec) -> Self {
        Self(Members::One([member]))
    }
}

impl From<InclRange> for RangeSpec {
    fn from(range: InclRange) -> Self {
        Self::Int(IntRange {
            first: range.first(),
            last: Some(range.last()),
        })
    }
}

impl fmt::Display for RangesSpecifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes=")?;
        for (index, member) in self.members().iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{member}")?;
        }
        Ok(())
    }
}

impl RangeSpec {
    fn parse(member: &[u8]) -> Result<Self, RangeSyntaxError> {
        let dash = member
            .iter()
            .position(|&byte| byte == b'-')
            .ok_or(RangeSyntaxError::Grammar)?;
        let (first, rest) = member.split_at(dash);
        let last = rest.strip_prefix(b"-").unwrap_or(rest);
        match (first.is_empty(), last.is_empty()) {
            (true, true) => Err(RangeSyntaxError::Grammar),
            (true, false) => Ok(Self::Suffix(saturating_digits(last)?)),
            (false, open_end) => Ok(Self::Int(IntRange {
                first: saturating_digits(first)?,
                last: if open_end {
                    None
                } else {
                    Some(saturating_digits(last)?)
                },
            })),
        }
    }

    /// True for `first > last`, which no object can satisfy.
    #[must_use]
    pub fn is_reversed(self) -> bool {
        match self {
            Self::Int(IntRange {
                first,
                last: Some(last),
            }) => first > last,
            Self::Int(_) | Self::Suffix(_) => false,
        }
    }

    /// The bytes it names in an object of `complete` length: an end beyond the last byte is
    /// clamped, a suffix longer than the object is all of it.
    #[must_use]
    pub fn resolve(self, complete: CompleteLength) -> Resolved {
        let range = complete.whole().and_then(|whole| match self {
            Self::Int(IntRange { first, last }) => {
                let last = last.map_or(whole.last(), |last| last.min(whole.last()));
                InclRange::new(first, last)
            }
            Self::Suffix(0) => None,
            Self::Suffix(count) => {
                InclRange::new(complete.bytes().saturating_sub(count), whole.last())
            }
        });
        range.map_or(Resolved::Unsatisfiable, Resolved::Range)
    }
}

impl fmt::Display for RangeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(IntRange {
                first,
                last: Some(last),
            }) => write!(f, "{first}-{last}"),
            Self::Int(IntRange { first, last: None }) => write!(f, "{first}-"),
            Self::Suffix(count) => write!(f, "-{count}"),
        }
    }
}

/// OWS of RFC 9110 section 5.6.3 is space and tab, nothing else.
fn trim_whitespace(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// `1*DIGIT`, saturating. Written out because `u64::parse` takes a sign and refuses long numbers.
fn saturating_digits(text: &[u8]) -> Result<u64, RangeSyntaxError> {
    text.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
        digit
            .map(|digit| number.saturating_mul(10).saturating_add(digit))
            .ok_or(RangeSyntaxError::Grammar)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn int(first: u64, last: impl Into<Option<u64>>) -> RangeSpec {
        RangeSpec::Int(IntRange {
            first,
            last: last.into(),
        })
    }

    #[test]
    fn every_form_of_the_grammar_is_understood() {
        for (value, members) in [
            ("bytes=0-1", vec![int(0, 1)]),
            ("Bytes=0-1", vec![int(0, 1)]),
            ("BYTES=7-", vec![int(7, None)]),
            ("bytes=-500", vec![RangeSpec::Suffix(500)]),
            ("bytes=-0", vec![RangeSpec::Suffix(0)]),
            ("bytes=007-08", vec![int(7, 8)]),
            ("bytes=9-5", vec![int(9, 5)]),
            ("bytes=0-4,", vec![int(0, 4)]),
            ("bytes=,,0-4 ,\t, -1", vec![int(0, 4), RangeSpec::Suffix(1)]),
            ("bytes= 0-4", vec![int(0, 4)]),
            ("bytes=0-18446744073709551616", vec![int(0, u64::MAX)]),
            ("bytes=99999999999999999999999-", vec![int(u64::MAX, None)]),
        ] {
            let parsed = RangesSpecifier::parse(value.as_bytes()).unwrap();
            assert_eq!(parsed.members(), members, "{value:?}");
        }
    }

    #[test]
    fn what_is_not_the_grammar_is_not_half_understood() {
        use RangeSyntaxError::{Grammar, Unit};
        for (value, error) in [
            ("items=0-4", Unit),
            ("0-4", Unit),
            ("bytes", Unit),
            ("", Unit),
            ("bytes =0-4", Unit),
            ("bytes=", Grammar),
            ("bytes=,", Grammar),
            ("bytes=-", Grammar),
            ("bytes=7", Grammar),
            ("bytes=alpha", Grammar),
            ("bytes=+5-10", Grammar),
            ("bytes=5-+10", Grammar),
            ("bytes=0 - 9", Grammar),
            ("bytes=0-1-2", Grammar),
            ("bytes=--1", Grammar),
            ("bytes=0x0-1", Grammar),
            ("bytes=0-1,junk", Grammar),
            ("bytes=0-1;2-3", Grammar),
            ("bytes=\u{663}-\u{664}", Grammar),
        ] {
            assert_eq!(
                RangesSpecifier::parse(value.as_bytes()),
                Err(error),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_member_is_resolved_against_the_length() {
        let range = |first, last| Resolved::Range(InclRange::new(first, last).unwrap());
        for (member, length, resolved) in [
            (int(0, 1), 1000, range(0, 1)),
            (int(0, 1), 1, range(0, 0)),
            (int(0, None), 1000, range(0, 999)),
            (int(999, None), 1000, range(999, 999)),
            (int(5, 5000), 1000, range(5, 999)),
            (int(0, u64::MAX), 1000, range(0, 999)),
            (int(1000, None), 1000, Resolved::Unsatisfiable),
            (int(u64::MAX, None), 1000, Resolved::Unsatisfiable),
            (int(9, 5), 1000, Resolved::Unsatisfiable),
            (RangeSpec::Suffix(500), 1000, range(500, 999)),
            (RangeSpec::Suffix(5000), 1000, range(0, 999)),
            (RangeSpec::Suffix(0), 1000, Resolved::Unsatisfiable),
            (int(0, None), 0, Resolved::Unsatisfiable),
            (RangeSpec::Suffix(5), 0, Resolved::Unsatisfiable),
        ] {
            let complete = CompleteLength::new(length);
            assert_eq!(member.resolve(complete), resolved, "{member} of {length}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_what_is_parsed(members in prop::collection::vec(
            prop_oneof![
                any::<(u64, Option<u64>)>().prop_map(|(first, last)| int(first, last)),
                any::<u64>().prop_map(RangeSpec::Suffix),
            ], 1..20))
        {
            let printed = RangesSpecifier(Members::Several(members.clone())).to_string();
            let parsed = RangesSpecifier::parse(printed.as_bytes()).unwrap();
            prop_assert_eq!(parsed.to_string(), printed);
            prop_assert_eq!(parsed.single().is_some(), members.len() == 1);
            prop_assert_eq!(parsed.members().len(), members.len());
        }

        #[test]
        fn no_bytes_make_the_parser_panic(value in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = RangesSpecifier::parse(&value);
            let mut ranged = b"bytes=".to_vec();
            ranged.extend(value);
            let _ = RangesSpecifier::parse(&ranged);
        }
    }
}
