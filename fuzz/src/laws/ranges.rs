//! `Range` and the answer that follows from it.

use s3reel::semantics::coalesce::coalesce;
use s3reel::semantics::range_specifier::{IntRange, Resolved};
use s3reel::semantics::{
    CompleteLength, Conditions, InclRange, RangeSpec, RangesSpecifier, Selection, Validators,
};

/// Most members that are served as parts.
const MAX_MEMBERS: usize = 16;

/// Most bytes between two ranges that are sent as one.
const MAX_GAP: u128 = 256;

/// Lengths of objects at which arithmetic could go wrong.
const LENGTHS: &[u64] = &[
    0,
    1,
    2,
    1000,
    1 << 32,
    (1 << 53) - 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// The laws for a field value.
pub fn hold(value: &[u8]) {
    let parsed = RangesSpecifier::parse(value).ok();
    let members = parsed.as_ref().map(|asked| asked.members().to_vec());
    assert_eq!(members, members_of(value), "the grammar");
    let Some(asked) = parsed else {
        return;
    };
    let reparsed = RangesSpecifier::parse(asked.to_string().as_bytes());
    assert_eq!(reparsed.as_ref(), Ok(&asked), "printed and read");
    let near_the_ends = asked.members().iter().take(2).flat_map(|member| {
        let ends = match *member {
            RangeSpec::Int(IntRange { first, last }) => [first, last.unwrap_or(first)],
            RangeSpec::Suffix(count) => [count, count.saturating_sub(1)],
        };
        ends.map(|end| [end, end.saturating_add(1)])
    });
    for length in LENGTHS.iter().copied().chain(near_the_ends.flatten()) {
        resolve(&asked, length);
    }
}

/// Sections 14.1.1 and 14.1.2 once more, on text.
fn members_of(value: &[u8]) -> Option<Vec<RangeSpec>> {
    let (unit, set) = std::str::from_utf8(value).ok()?.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut members = Vec::new();
    for member in set
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
    {
        members.push(match member.split_once('-') {
            None if member.is_empty() => continue,
            None => return None,
            Some(("", count)) => RangeSpec::Suffix(super::digits(count)?),
            Some((first, last)) => RangeSpec::Int(IntRange {
                first: super::digits(first)?,
                last: match last {
                    "" => None,
                    last => Some(super::digits(last)?),
                },
            }),
        });
    }
    (!members.is_empty()).then_some(members)
}

/// What is asked of an object of this length.
fn resolve(asked: &RangesSpecifier, length: u64) {
    let complete = CompleteLength::new(length);
    let mut satisfiable = Vec::new();
    for member in asked.members() {
        let resolved = match member.resolve(complete) {
            Resolved::Range(range) => {
                satisfiable.push(range);
                Some((range.first(), range.last()))
            }
            Resolved::Unsatisfiable => None,
        };
        assert_eq!(resolved, ends_of(*member, length), "{member} of {length}");
    }
    // More are never joined.
    if asked.members().len() <= MAX_MEMBERS {
        join(&satisfiable);
    }
    let conditions = Conditions {
        range: Some(asked.clone()),
        ..Conditions::default()
    };
    let selection = conditions.select(&Validators::default(), complete);
    assert!(total(&sent(&selection)) <= u128::from(length), "{length}");
    let expected = select(asked, &satisfiable, complete);
    assert_eq!(selection, expected, "{asked} of {length}");
}

/// First and last byte that a member names.
fn ends_of(member: RangeSpec, length: u64) -> Option<(u64, u64)> {
    let end = length.checked_sub(1)?;
    match member {
        RangeSpec::Int(IntRange { first, last }) => {
            let last = last.unwrap_or(u64::MAX).min(end);
            (first <= last).then_some((first, last))
        }
        RangeSpec::Suffix(count) => (count > 0).then_some((length - count.min(length), end)),
    }
}

/// Joined ranges are far from each other, hold what was asked and little else, in order.
fn join(ranges: &[InclRange]) {
    let parts = coalesce(ranges);
    let holds = |part: &InclRange, range: &InclRange| {
        part.first() <= range.first() && range.last() <= part.last()
    };
    let first_members: Vec<_> = parts
        .iter()
        .map(|part| ranges.iter().position(|range| holds(part, range)))
        .collect();
    assert!(first_members.is_sorted(), "order: {ranges:?} as {parts:?}");
    assert!(!first_members.contains(&None), "{ranges:?} as {parts:?}");

    let by_position = |ranges: &[InclRange]| {
        let mut ends: Vec<_> = ranges.iter().map(|r| (r.first(), r.last())).collect();
        ends.sort_unstable();
        ends
    };
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (first, last) in by_position(ranges) {
        match joined.last_mut() {
            Some((_, end)) if u128::from(first) <= u128::from(*end) + MAX_GAP + 1 => {
                *end = last.max(*end);
            }
            _ => joined.push((first, last)),
        }
    }
    assert_eq!(by_position(&parts), joined, "{ranges:?}");
}

/// The decision as the contract words it.
fn select(asked: &RangesSpecifier, ranges: &[InclRange], complete: CompleteLength) -> Selection {
    let members = asked.members();
    if complete.is_empty() {
        return Selection::Whole;
    }
    if members.iter().any(|member| member.is_reversed()) || ranges.is_empty() {
        return Selection::Unsatisfiable;
    }
    let is_too_much = members.len() > MAX_MEMBERS || total(ranges) > complete.bytes().into();
    if is_too_much && members.len() > 1 {
        return Selection::Whole;
    }
    let parts = coalesce(ranges);
    match parts.as_slice() {
        [only] => Selection::Part(*only),
        _ => Selection::Parts(parts),
    }
}

fn sent(selection: &Selection) -> Vec<InclRange> {
    match selection {
        Selection::Part(range) => vec![*range],
        Selection::Parts(ranges) => ranges.clone(),
        _ => Vec::new(),
    }
}

fn total(ranges: &[InclRange]) -> u128 {
    ranges
        .iter()
        .map(|range| u128::from(range.byte_count()))
        .sum()
}
