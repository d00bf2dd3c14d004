//! The decision: which answer an object gets (RFC 9110 sections 13.2.2 and 14.2).

use std::num::NonZeroU64;

use super::coalesce::{coalesce, is_too_much};
use super::content_range::{CompleteLength, InclRange};
use super::preconditions::{IfRange, Preconditions, Validators, Verdict};
use super::range_specifier::{IntRange, RangeSpec, RangesSpecifier, Resolved};

/// Everything in a request that can change which answer an existing object gets.
///
/// `range` is `None` for every method but GET: section 14.2 defines `Range` for no other.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// The conditions before `Range`.
    pub preconditions: Preconditions,
    /// `If-Range`; without `range` it says nothing.
    pub if_range: Option<IfRange>,
    /// `Range`, when it followed the grammar.
    pub range: Option<RangesSpecifier>,
}

/// Every answer that is not a failure. Deciding comes first, rendering once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// 200 with all bytes.
    Whole,
    /// 206 with these bytes.
    Part(InclRange),
    /// 206 with several ranges of bytes, apart from each other, in the order they were asked for.
    Parts(Vec<InclRange>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

impl Conditions {
    /// Gives a single range without an end one, so that at most so many bytes answer it.
    pub fn bound_open_end(&mut self, most: NonZeroU64) {
        let single = self.range.as_ref().and_then(RangesSpecifier::single);
        if let Some(RangeSpec::Int(IntRange { first, last: None })) = single {
            let last = Some(first.saturating_add(most.get() - 1));
            self.range = Some(RangeSpec::Int(IntRange { first, last }).into());
        }
    }

    /// Decides for an object with these validators and this length.
    #[must_use]
    pub fn select(&self, ours: &Validators, complete: CompleteLength) -> Selection {
        match self.preconditions.evaluate(ours) {
            Verdict::NotModified => return Selection::NotModified,
            Verdict::Failed => return Selection::PreconditionFailed,
            Verdict::Proceed => {}
        }
        let range_applies = self
            .if_range
            .as_ref()
            .is_none_or(|if_range| if_range.holds(ours));
        match &self.range {
            // Section 14.2: Range may be ignored when there is no content to select from.
            Some(range) if range_applies && !complete.is_empty() => select_range(range, complete),
            Some(_) | None => Selection::Whole,
        }
    }
}

fn select_range(range: &RangesSpecifier, complete: CompleteLength) -> Selection {
    if let Some(member) = range.single() {
        return match member.resolve(complete) {
            Resolved::Range(part) if !member.is_reversed() => Selection::Part(part),
            Resolved::Range(_) | Resolved::Unsatisfiable => Selection::Unsatisfiable,
        };
    }
    let members = range.members();
    if members.iter().any(|member| member.is_reversed()) {
        return Selection::Unsatisfiable;
    }
    let satisfiable: Vec<InclRange> = members
        .iter()
        .filter_map(|member| match member.resolve(complete) {
            Resolved::Range(range) => Some(range),
            Resolved::Unsatisfiable => None,
        })
        .collect();
    match satisfiable.as_slice() {
        [] => Selection::Unsatisfiable,
        _ if is_too_much(members.len(), &satisfiable, complete) => Selection::Whole,
        _ => match coalesce(&satisfiable).as_slice() {
            [only] => Selection::Part(*only),
            parts => Selection::Parts(parts.to_vec()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::preconditions::TagCondition;
    use crate::semantics::{EntityTag, HttpDate};
    use proptest::prelude::*;

    fn select(range: &str, length: u64) -> Selection {
        let conditions = Conditions {
            range: RangesSpecifier::parse(range.as_bytes()).ok(),
            ..Conditions::default()
        };
        conditions.select(&Validators::default(), CompleteLength::new(length))
    }

    fn part(first: u64, last: u64) -> Selection {
        Selection::Part(InclRange::new(first, last).unwrap())
    }

    fn parts(ranges: &[(u64, u64)]) -> Selection {
        let range = |(first, last): &(u64, u64)| InclRange::new(*first, *last).unwrap();
        Selection::Parts(ranges.iter().map(range).collect())
    }

    #[test]
    fn a_range_gets_the_answer_that_the_contract_promises() {
        use Selection::{Unsatisfiable, Whole};
        for (range, length, selection) in [
            ("bytes=0-1", 1000, part(0, 1)),
            ("bytes=0-", 1000, part(0, 999)),
            ("bytes=0-999", 1000, part(0, 999)),
            ("bytes=990-2000", 1000, part(990, 999)),
            ("bytes=-5", 1000, part(995, 999)),
            ("bytes=-5000", 1000, part(0, 999)),
            ("bytes=0-4,", 1000, part(0, 4)),
            ("bytes=0-1", 0, Whole),
            ("bytes=-1", 0, Whole),
            ("items=0-1", 1000, Whole),
            ("bytes=0-1,junk", 1000, Whole),
            ("bytes=5-2", 1000, Unsatisfiable),
            ("bytes=0-1,5-2", 1000, Unsatisfiable),
            ("bytes=-0", 1000, Unsatisfiable),
            ("bytes=1000-", 1000, Unsatisfiable),
            ("bytes=1000-,2000-", 1000, Unsatisfiable),
            ("bytes=0-1,5-6", 1000, part(0, 6)),
            ("bytes=0-1,2000-", 1000, part(0, 1)),
            ("bytes=0-1,500-501", 1000, parts(&[(0, 1), (500, 501)])),
            ("bytes=-1,0-0", 1000, parts(&[(999, 999), (0, 0)])),
            ("bytes=0-,0-", 1000, Whole),
        ] {
            assert_eq!(select(range, length), selection, "{range} of {length}");
        }
    }

    #[test]
    fn preconditions_come_before_range_and_if_range_decides_over_it() {
        let ours = Validators {
            etag: EntityTag::parse(r#""v1""#).ok(),
            last_modified: HttpDate::parse("Sun, 06 Nov 1994 08:49:37 GMT"),
        };
        let conditions =
            |none_match: Option<&str>, if_range: Option<&str>, range: &str| Conditions {
                preconditions: Preconditions {
                    if_none_match: none_match.map(TagCondition::parse),
                    ..Preconditions::default()
                },
                if_range: if_range.map(IfRange::parse),
                range: RangesSpecifier::parse(range.as_bytes()).ok(),
            };
        let length = CompleteLength::new(1000);
        for (none_match, if_range, range, selection) in [
            (Some(r#""v1""#), None, "bytes=0-1", Selection::NotModified),
            (Some(r#""v1""#), None, "bytes=2000-", Selection::NotModified),
            (Some(r#""v2""#), None, "bytes=0-1", part(0, 1)),
            (None, Some(r#""v1""#), "bytes=0-1", part(0, 1)),
            (None, Some(r#""v2""#), "bytes=0-1", Selection::Whole),
            (None, Some(r#""v2""#), "bytes=2000-", Selection::Whole),
            (
                None,
                Some(r#""v1""#),
                "bytes=2000-",
                Selection::Unsatisfiable,
            ),
        ] {
            let selected = conditions(none_match, if_range, range).select(&ours, length);
            assert_eq!(selected, selection, "{none_match:?} {if_range:?} {range}");
        }
    }

    proptest! {
        #[test]
        fn a_part_always_lies_inside_the_object(first: u64, last: Option<u64>, length in 1_u64..) {
            let last = last.map(|last| last.to_string()).unwrap_or_default();
            if let Selection::Part(range) = select(&format!("bytes={first}-{last}"), length) {
                prop_assert!(range.first() == first && range.last() < length);
            }
        }
    }
}
