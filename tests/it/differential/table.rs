//! Where we differ from others, and why. `src/manual/semantics.md` has the same table.

use std::fmt::Write as _;

use super::answers::{RANGES, STATUS};
use super::ranges::Kind;
use super::requests::{Date, Object, Request, Tag, Validator};
use crate::support::peers::Peer::{self, Apache, Nginx};

/// A difference that is known.
pub struct Row {
    /// Whose answers differ from ours.
    pub peers: &'static [Peer],
    /// In what: [`STATUS`], [`RANGES`], or a field.
    pub aspect: &'static str,
    /// What the requests have in common, for people.
    pub asked: &'static str,
    /// Whether a request is one of them.
    pub covers: fn(&Request) -> bool,
    /// Statuses of answers that this is about. Of theirs, when the statuses differ.
    pub theirs: &'static [u16],
    /// Ours, when the statuses differ.
    pub ours: &'static [u16],
    /// Theirs and ours in words, when the statuses are the same.
    pub words: Option<(&'static str, &'static str)>,
    /// Why ours is right, with the section that says so, of RFC 9110 where none is named.
    pub why: &'static str,
}

const BOTH: &[Peer] = &[Nginx, Apache];

/// A row about statuses.
const fn status(
    peers: &'static [Peer],
    asked: &'static str,
    covers: fn(&Request) -> bool,
    (theirs, ours): (&'static [u16], &'static [u16]),
    why: &'static str,
) -> Row {
    Row {
        peers,
        aspect: STATUS,
        asked,
        covers,
        theirs,
        ours,
        words: None,
        why,
    }
}

/// A row about a field of answers that have the same status.
const fn field(
    peers: &'static [Peer],
    aspect: &'static str,
    of: &'static [u16],
    words: (&'static str, &'static str),
    why: &'static str,
) -> Row {
    Row {
        peers,
        aspect,
        asked: "any",
        covers: |_| true,
        theirs: of,
        ours: of,
        words: Some(words),
        why,
    }
}

const SENT: (&str, &str) = ("sent", "not sent");
const NOT_SENT: (&str, &str) = ("not sent", "sent");

fn is(request: &Request, kinds: &[Kind]) -> bool {
    let range = request.range.filter(|_| request.method == "GET");
    range.is_some_and(|range| kinds.contains(&range.kind))
}

fn revalidates(request: &Request) -> bool {
    request.if_none_match.is_some() || request.if_modified_since.is_some()
}

/// All of them. A difference belongs to the first that fits it.
pub const ROWS: &[Row] = &[
    // Methods.
    status(
        &[Nginx],
        "OPTIONS",
        |asked| asked.method == "OPTIONS",
        (&[405], &[204]),
        "browsers ask so before a page of another origin may send conditions (9.3.7)",
    ),
    status(
        &[Apache],
        "OPTIONS",
        |asked| asked.method == "OPTIONS",
        (&[200], &[204]),
        "both say that it went well and that there is nothing to see (9.3.7, 15.3.5)",
    ),
    status(
        &[Apache],
        "POST",
        |asked| asked.method == "POST",
        (&[200, 206, 412], &[405]),
        "objects are only read; Apache gives files to POST as to GET, ranges included (14.2, 15.5.6)",
    ),
    // Conditions.
    status(
        &[Nginx],
        "`If-Match` or `If-None-Match` on two lines",
        |asked| [asked.if_match, asked.if_none_match].contains(&Some(Tag::TwoLines)),
        (&[400], &[200, 206, 304, 412, 416]),
        "the lines are one list (5.3)",
    ),
    status(
        &[Nginx],
        "`If-Range` on two lines",
        |asked| asked.if_range == Some(Validator::Tag(Tag::TwoLines)),
        (&[400], &[200]),
        "a validator that is none does not match, so the whole object is sent (13.1.5)",
    ),
    status(
        &[Nginx],
        "`If-Unmodified-Since` that is no date",
        |asked| matches!(asked.if_unmodified_since, Some(Date::Junk | Date::Number)),
        (&[412], &[200, 206, 304, 416]),
        "it has to be ignored (13.1.4)",
    ),
    status(
        BOTH,
        "`If-None-Match` that matches, and `If-Modified-Since` that does not or is no date",
        |asked| {
            let date = asked.if_modified_since;
            asked.if_none_match.is_some() && date.is_some() && date != Some(Date::Same)
        },
        (&[200, 206, 416], &[304]),
        "`If-Modified-Since` has to be ignored beside `If-None-Match` (13.1.3)",
    ),
    status(
        &[Nginx],
        "`If-Modified-Since` later than `Last-Modified`",
        |asked| matches!(asked.if_modified_since, Some(Date::Later | Date::Future)),
        (&[200, 206, 416], &[304]),
        "not modified since then either; nginx wants the very date by default (13.1.3)",
    ),
    status(
        &[Apache],
        "`If-Modified-Since` in the future",
        |asked| asked.if_modified_since == Some(Date::Future),
        (&[200, 206], &[304]),
        "a date all the same; RFC 2616 wanted it ignored (13.1.3)",
    ),
    status(
        &[Apache],
        "`If-Match` or `If-Unmodified-Since` that holds, and a revalidation that finds no change",
        |asked| {
            let holds = asked.if_match.is_some() || asked.if_unmodified_since.is_some();
            holds && revalidates(asked)
        },
        (&[200, 206], &[304]),
        "what holds leads on to the next condition (13.2.2)",
    ),
    status(
        &[Apache],
        "`If-Range`, and a revalidation that finds no change",
        |asked| asked.if_range.is_some() && revalidates(asked),
        (&[200, 206], &[304]),
        "`If-Range` comes last, and only where the answer would be 200 (13.2.2)",
    ),
    status(
        &[Apache],
        "`Range`, and `If-None-Match` with the weak form of the tag",
        |asked| asked.range.is_some() && asked.if_none_match == Some(Tag::Weak),
        (&[206], &[304]),
        "`If-None-Match` compares weakly, `Range` or not (13.1.2)",
    ),
    // Ranges.
    status(
        BOTH,
        "HEAD with `Range`",
        |asked| asked.method == "HEAD" && asked.range.is_some(),
        (&[206, 416], &[200]),
        "`Range` has a meaning for GET only and has to be ignored for others (14.2)",
    ),
    status(
        &[Nginx],
        "`Range` of an empty object",
        |asked| asked.object == Object::Empty && asked.range.is_some(),
        (&[416], &[200]),
        "`Range` may be ignored where there is nothing to select from (14.2)",
    ),
    status(
        &[Nginx],
        "a set that does not follow the grammar: `alpha`, `+2-5`, `0-1,junk`, `,`",
        |asked| is(asked, &[Kind::Malformed, Kind::OneMalformed, Kind::Nothing]),
        (&[416], &[200]),
        "an invalid set may be ignored or refused; ignoring it plays the object (14.2)",
    ),
    status(
        &[Nginx],
        "spaces inside a range: `0 - 9`",
        |asked| is(asked, &[Kind::Spaced]),
        (&[206], &[200]),
        "the grammar has none, so the set is invalid and may be ignored (14.1.1)",
    ),
    status(
        BOTH,
        "empty members of a set, or spaces around a comma",
        |asked| is(asked, &[Kind::EmptyMembers, Kind::SpacedList]),
        (&[200, 416], &[206]),
        "lists may have both, and recipients have to take them (5.6.1)",
    ),
    status(
        &[Apache],
        "an empty member before a range that is beyond the end",
        |asked| is(asked, &[Kind::EmptyMembers]) && asked.object == Object::Byte,
        (&[200], &[416]),
        "as above; what is left selects nothing (5.6.1, 15.5.17)",
    ),
    status(
        BOTH,
        "an end or a suffix of 2^63 or more",
        |asked| is(asked, &[Kind::HugeEnd, Kind::HugeSuffix]),
        (&[200, 416], &[206]),
        "numbers of any size have to be expected; these are clamped to the object (14.1.2)",
    ),
    status(
        &[Apache],
        "a start beyond the end, and it or the end 2^63 or more",
        |asked| is(asked, &[Kind::HugeEnd, Kind::HugeStart]),
        (&[200], &[416]),
        "numbers of any size have to be expected; this one selects nothing (14.1.2, 15.5.17)",
    ),
    status(
        &[Apache],
        "`-0`",
        |asked| is(asked, &[Kind::MinusZero]),
        (&[200], &[416]),
        "valid, and selects nothing (14.1.2, 15.5.17)",
    ),
    status(
        &[Apache],
        "first > last: `5-2`",
        |asked| is(asked, &[Kind::Reversed]),
        (&[200], &[416]),
        "an invalid set may be ignored or refused; a mistake in arithmetic should show (14.1.1, 14.2)",
    ),
    status(
        BOTH,
        "first > last in one of several: `0-1,5-2`",
        |asked| is(asked, &[Kind::OneReversed]),
        (&[200, 206], &[416]),
        "one invalid member makes the whole set invalid; then as above (14.1.1, 14.2)",
    ),
    status(
        BOTH,
        "more than 16 ranges",
        |asked| is(asked, &[Kind::TooMany]),
        (&[206], &[200]),
        "many small ranges may be ignored: each would be a read of its own from S3 (14.2)",
    ),
    status(
        &[Apache],
        "ranges that are more than the object in sum",
        |asked| is(asked, &[Kind::TooMuch, Kind::Several, Kind::Near]),
        (&[206], &[200]),
        "an answer has no reason to be larger than the object (14.2, 17.15)",
    ),
    Row {
        peers: &[Nginx],
        aspect: RANGES,
        asked: "ranges that overlap, touch or are at most 256 bytes apart",
        covers: |asked| is(asked, &[Kind::Near, Kind::Several, Kind::OneLeft]),
        theirs: &[206],
        ours: &[206],
        words: Some(("apart", "joined")),
        why: "they may be joined where a gap is less than the head of a part (15.3.7.2)",
    },
    Row {
        peers: &[Apache],
        aspect: RANGES,
        asked: "ranges that are at most 256 bytes apart",
        covers: |asked| is(asked, &[Kind::Near, Kind::Several]),
        theirs: &[206],
        ours: &[206],
        words: Some(("apart", "joined")),
        why: "Apache joins those only that overlap or touch; as above (15.3.7.2)",
    },
    // Fields.
    field(
        BOTH,
        "Last-Modified",
        &[304],
        SENT,
        "besides the tag it is not wanted there (15.4.5)",
    ),
    field(
        &[Apache],
        "ETag",
        &[412],
        SENT,
        "allowed; the answer is about the request, and HEAD tells the tag (8.8, 15.5.13)",
    ),
    field(
        &[Apache],
        "Last-Modified",
        &[412],
        SENT,
        "allowed; as above (8.8, 15.5.13)",
    ),
    field(
        &[Nginx],
        "Accept-Ranges",
        &[206, 304, 412, 416],
        NOT_SENT,
        "optional; we send it with every answer about an object (14.3)",
    ),
    field(
        &[Apache],
        "Accept-Ranges",
        &[416],
        NOT_SENT,
        "as above (14.3)",
    ),
    field(
        &[Nginx],
        "Allow",
        &[405],
        NOT_SENT,
        "it has to be there (15.5.6)",
    ),
    field(
        &[Apache],
        "Content-Range",
        &[416],
        NOT_SENT,
        "it tells the length, so that a client can ask again (15.5.17)",
    ),
    Row {
        asked: "HEAD of an empty object",
        covers: |asked| asked.method == "HEAD" && asked.object == Object::Empty,
        ..field(
            &[Apache],
            "Content-Length",
            &[200, 412],
            NOT_SENT,
            "it should be there when it is known, 0 included (8.6)",
        )
    },
    Row {
        asked: "GET with `Connection: close`",
        covers: |asked| asked.method == "GET",
        ..field(
            &[Apache],
            "Content-Length",
            &[416],
            NOT_SENT,
            "it should be there when it is known; without it a cut does not show (8.6)",
        )
    },
];

/// The rows as a table of the manual.
pub fn rendered() -> String {
    let mut text = "| peer | request | they | we | why |\n|---|---|---|---|---|\n".to_owned();
    for row in ROWS {
        let peers: Vec<_> = row.peers.iter().map(|peer| peer.name()).collect();
        let (theirs, ours) = match row.words {
            None => (either(row.theirs), either(row.ours)),
            Some((theirs, ours)) => {
                let of = either(row.theirs);
                let aspect = match row.aspect {
                    RANGES => RANGES.to_owned(),
                    field => format!("`{field}`"),
                };
                (format!("{of}: {aspect} {theirs}"), ours.to_owned())
            }
        };
        let (peers, asked, why) = (peers.join(", "), row.asked, row.why);
        let _ = writeln!(text, "| {peers} | {asked} | {theirs} | {ours} | {why} |");
    }
    text
}

fn either(statuses: &[u16]) -> String {
    let texts: Vec<_> = statuses.iter().map(ToString::to_string).collect();
    match texts.as_slice() {
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        _ => texts.concat(),
    }
}
