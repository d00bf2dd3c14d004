//! Several ranges: how many are too many, and which are one (RFC 9110 sections 14.2 and 15.3.7.2).

use super::content_range::{CompleteLength, InclRange};

/// Most members that are served as parts. Tools ask for two or three.
const MAX_MEMBERS: usize = 16;

/// Gaps up to this many bytes are sent along: the head of a part takes about as much.
const MAX_GAP: u64 = 256;

/// True when the whole object is the better answer: so many members, or so much of them, that no
/// honest client asks for it. Overlapping ranges could otherwise make an answer much larger than
/// the object (CVE-2011-3192).
#[must_use]
pub fn is_too_much(members: usize, ranges: &[InclRange], complete: CompleteLength) -> bool {
    // A sum beyond 64 bits is more than any object.
    let sum = ranges
        .iter()
        .try_fold(0_u64, |sum, range| sum.checked_add(range.byte_count()));
    members > MAX_MEMBERS || sum.is_none_or(|sum| sum > complete.bytes())
}

/// Joins ranges that overlap or are near each other. What is left is in the order of the first
/// member of each.
#[must_use]
pub fn coalesce(ranges: &[InclRange]) -> Vec<InclRange> {
    let mut parts: Vec<InclRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut joined = *range;
        let mut at = parts.len();
        // A joined range may reach others that neither of the two reached alone.
        while let Some(near) = parts.iter().position(|part| are_near(*part, joined)) {
            joined = join(parts.remove(near), joined);
            at = at.min(near);
        }
        parts.insert(at.min(parts.len()), joined);
    }
    parts
}

fn are_near(one: InclRange, other: InclRange) -> bool {
    let reach = |range: InclRange| range.last().saturating_add(MAX_GAP).saturating_add(1);
    one.first() <= reach(other) && other.first() <= reach(one)
}

fn join(one: InclRange, other: InclRange) -> InclRange {
    let first = one.first().min(other.first());
    let last = one.last().max(other.last());
    // Both lie inside one object, so what spans them does too.
    InclRange::new(first, last).unwrap_or(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(pairs: &[(u64, u64)]) -> Vec<InclRange> {
        let range = |(first, last): &(u64, u64)| InclRange::new(*first, *last).unwrap();
        pairs.iter().map(range).collect()
    }

    #[test]
    fn near_ranges_are_joined_and_the_order_is_kept() {
        for (asked, left) in [
            (&[(0, 1), (500, 501)][..], &[(0, 1), (500, 501)][..]),
            (&[(500, 501), (0, 1)], &[(500, 501), (0, 1)]),
            (&[(0, 9), (5, 20)], &[(0, 20)]),
            (&[(0, 9), (10, 20)], &[(0, 20)]),
            (&[(0, 9), (266, 270)], &[(0, 270)]),
            (&[(0, 9), (267, 270)], &[(0, 9), (267, 270)]),
            // The last joins the two before it.
            (
                &[(0, 9), (2000, 2009), (400, 410), (100, 1900)],
                &[(0, 2009)],
            ),
            (
                &[(5000, 5001), (0, 1), (900, 901), (2, 880)],
                &[(5000, 5001), (0, 901)],
            ),
        ] {
            assert_eq!(coalesce(&ranges(asked)), ranges(left), "{asked:?}");
        }
    }

    #[test]
    fn too_many_and_too_much_is_the_whole_object() {
        let complete = CompleteLength::new(1000);
        let singles = ranges(&[(0, 0); 16]);
        assert!(!is_too_much(16, &singles, complete));
        assert!(is_too_much(17, &singles, complete));
        assert!(!is_too_much(2, &ranges(&[(0, 499), (500, 999)]), complete));
        assert!(is_too_much(2, &ranges(&[(0, 500), (500, 999)]), complete));
        let largest = CompleteLength::new(u64::MAX);
        let all_and_one = ranges(&[(0, u64::MAX - 1), (0, 0)]);
        assert!(is_too_much(2, &all_and_one, largest));
    }

    proptest! {
        #[test]
        fn every_byte_asked_for_is_in_exactly_one_part(
            pairs in prop::collection::vec((0_u64..3000, 0_u64..400), 1..16))
        {
            let asked: Vec<_> = pairs
                .iter()
                .map(|(first, more)| InclRange::new(*first, first + more).unwrap())
                .collect();
            let parts = coalesce(&asked);
            let holds = |range: &InclRange, byte| range.first() <= byte && byte <= range.last();
            for byte in 0..3400 {
                let wanted = asked.iter().any(|range| holds(range, byte));
                let times = parts.iter().filter(|range| holds(range, byte)).count();
                prop_assert!(times <= 1 && (times == 1 || !wanted), "byte {byte}: {parts:?}");
            }
        }
    }
}
