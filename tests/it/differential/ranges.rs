//! Values of `Range`, each an example of something.

/// What a `Range` field is an example of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One range of bytes that a film has.
    One,
    /// The end is 2^63 or more.
    HugeEnd,
    /// The start is 2^63 or more.
    HugeStart,
    /// The length of the suffix is 2^63 or more.
    HugeSuffix,
    /// No byte is in any of them.
    Beyond,
    /// The last no bytes.
    MinusZero,
    /// `first > last`.
    Reversed,
    /// One of several is `first > last`.
    OneReversed,
    /// One member that is no range.
    Malformed,
    /// One of several is no range.
    OneMalformed,
    /// Nothing after `=`, or commas only.
    Nothing,
    /// Spaces where the grammar has none.
    Spaced,
    /// Several ranges, with white space around a comma.
    SpacedList,
    /// Empty members beside one range.
    EmptyMembers,
    /// `Bytes`.
    UnitCase,
    /// A unit other than `bytes`.
    OtherUnit,
    /// No unit.
    NoUnit,
    /// Several ranges, far apart.
    Several,
    /// Several ranges that touch, overlap or are near each other.
    Near,
    /// Several ranges, of which one can be satisfied.
    OneLeft,
    /// Several ranges with more than the object in sum.
    TooMuch,
    /// More than 16 ranges.
    TooMany,
}

/// Values of `Range`. `{last}` is the position of the last byte, `{length}` the one after it.
const RANGES: &[(Kind, &str)] = &[
    (Kind::One, "bytes=0-0"),
    (Kind::One, "bytes=0-1"),
    (Kind::One, "bytes=0-"),
    (Kind::One, "bytes=0-{last}"),
    (Kind::One, "bytes=0-{length}"),
    (Kind::One, "bytes=5-9"),
    (Kind::One, "bytes=5-"),
    (Kind::One, "bytes=5-99999999"),
    (Kind::One, "bytes=007-08"),
    (Kind::One, "bytes={last}-"),
    (Kind::One, "bytes=-1"),
    (Kind::One, "bytes=-5"),
    (Kind::One, "bytes=-{length}"),
    (Kind::One, "bytes=-99999999"),
    (Kind::HugeEnd, "bytes=0-9223372036854775807"),
    (Kind::HugeEnd, "bytes=5-9223372036854775808"),
    (Kind::HugeEnd, "bytes=5-18446744073709551615"),
    (Kind::HugeEnd, "bytes=5-18446744073709551616"),
    (Kind::HugeEnd, "bytes=0-99999999999999999999999999"),
    (Kind::HugeStart, "bytes=9223372036854775808-"),
    (Kind::HugeStart, "bytes=18446744073709551616-"),
    (Kind::HugeSuffix, "bytes=-9223372036854775808"),
    (Kind::HugeSuffix, "bytes=-18446744073709551616"),
    (Kind::Beyond, "bytes={length}-"),
    (Kind::Beyond, "bytes={length}-99999999"),
    (Kind::Beyond, "bytes=99999999-,{length}-"),
    (Kind::MinusZero, "bytes=-0"),
    (Kind::Reversed, "bytes=5-2"),
    (Kind::Reversed, "bytes=99999999-5"),
    (Kind::OneReversed, "bytes=0-1,5-2"),
    (Kind::OneReversed, "bytes=5-2,0-1"),
    (Kind::Malformed, "bytes=alpha"),
    (Kind::Malformed, "bytes=7"),
    (Kind::Malformed, "bytes=-"),
    (Kind::Malformed, "bytes=--1"),
    (Kind::Malformed, "bytes=+2-5"),
    (Kind::Malformed, "bytes=2-+5"),
    (Kind::Malformed, "bytes=0-1-2"),
    (Kind::Malformed, "bytes=0x0-1"),
    (Kind::Malformed, "bytes=0-1;2-3"),
    (Kind::OneMalformed, "bytes=0-1,junk"),
    (Kind::OneMalformed, "bytes=junk,0-1"),
    (Kind::Nothing, "bytes="),
    (Kind::Nothing, "bytes=,"),
    (Kind::Spaced, "bytes=0 - 9"),
    (Kind::Spaced, "bytes=0 -9"),
    (Kind::Spaced, "bytes =0-9"),
    (Kind::EmptyMembers, "bytes=2-4,"),
    (Kind::EmptyMembers, "bytes=,2-4"),
    (Kind::EmptyMembers, "bytes=, ,2-4 ,"),
    (Kind::UnitCase, "Bytes=2-4"),
    (Kind::UnitCase, "BYTES=-1"),
    (Kind::OtherUnit, "items=0-4"),
    (Kind::OtherUnit, "seconds=0-4"),
    (Kind::NoUnit, "0-4"),
    (Kind::NoUnit, "bytes"),
    (Kind::Several, "bytes=0-1,1000-1999"),
    (Kind::SpacedList, "bytes=0-1, 1000-1999"),
    (Kind::SpacedList, "bytes=0-1 ,1000-1999"),
    (Kind::SpacedList, "bytes=0-1,\t1000-1999"),
    (Kind::Several, "bytes=-5,0-0"),
    (Kind::Several, "bytes=40000-59999,0-19999"),
    (Kind::Near, "bytes=0-0,2-2"),
    (Kind::Near, "bytes=0-9,5-19"),
    (Kind::Near, "bytes=0-9,10-19"),
    (Kind::Near, "bytes=5-19,0-9"),
    (Kind::Near, "bytes=0-9,266-270,5000-5001"),
    (Kind::OneLeft, "bytes=0-1,{length}-"),
    (Kind::OneLeft, "bytes=99999999-,-1"),
    (Kind::TooMuch, "bytes=0-,0-"),
    (Kind::TooMuch, "bytes=0-,1-,2-,3-,4-"),
    (Kind::TooMuch, "bytes=0-{last},-2"),
    (
        Kind::TooMany,
        "bytes=0-0,1000-1000,2000-2000,3000-3000,4000-4000,5000-5000,6000-6000,7000-7000,\
         8000-8000,9000-9000,10000-10000,11000-11000,12000-12000,13000-13000,14000-14000,\
         15000-15000,16000-16000",
    ),
];

/// One `Range` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    pub kind: Kind,
    value: &'static str,
}

impl Range {
    /// The value of the field for an object of this length.
    pub fn value(self, length: usize) -> String {
        self.value
            .replace("{last}", &length.saturating_sub(1).to_string())
            .replace("{length}", &length.to_string())
    }
}

/// All of them.
pub fn ranges() -> impl Iterator<Item = Range> {
    RANGES
        .iter()
        .map(|(kind, value)| Range { kind: *kind, value })
}
