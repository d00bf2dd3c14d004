//! What the largest head costs that is looked at, full of whatever is slowest to read.
//!
//! ```text
//! cargo bench --bench heads
//! ```
//!
//! Each line has the milliseconds for one field (or path, or head) of that size, the median of many
//! runs and the 99th percentile, and how much more that is than for half the size: 2 is linear, 4 would be
//! quadratic. Larger heads are answered with 431 unread, which `tests/it/fuzzing.rs` checks.

#![expect(clippy::print_stdout, reason = "the report")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use s3reel::connection::head::HeadScan;
use s3reel::object::RequestKey;
use s3reel::semantics::preconditions::TagCondition;
use s3reel::semantics::{
    CompleteLength, Conditions, EntityTag, IfRange, Preconditions, RangesSpecifier, Validators,
};

/// The largest head that is looked at.
const HEAD_BYTES: usize = 16 * 1024;

/// The longest path that is looked at.
const PATH_BYTES: usize = 4096;

/// The longest head that is waited for.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// How long each case is repeated.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

struct Case {
    name: &'static str,
    largest: usize,
    make: fn(usize) -> String,
    read: fn(&str),
}

const CASES: &[Case] = &[
    Case {
        name: "Range, single bytes",
        largest: HEAD_BYTES,
        make: |size| repeated(size, "bytes=", |at| format!("{at}-{at},", at = at * 2)),
        read: range,
    },
    Case {
        name: "Range, the whole object each time",
        largest: HEAD_BYTES,
        make: |size| repeated(size, "bytes=", |_| "0-,".to_owned()),
        read: range,
    },
    Case {
        name: "Range, 16 parts and empty members",
        largest: HEAD_BYTES,
        make: |size| {
            repeated(size, "bytes=", |at| match at {
                0..16 => format!("{at}000-{at}000,"),
                _ => ",".to_owned(),
            })
        },
        read: range,
    },
    Case {
        name: "Range, one long number",
        largest: HEAD_BYTES,
        make: |size| repeated(size, "bytes=", |_| "9".to_owned()),
        read: range,
    },
    Case {
        name: "If-None-Match, short tags",
        largest: HEAD_BYTES,
        make: |size| repeated(size, "", |_| "\"\",".to_owned()),
        read: tags,
    },
    Case {
        name: "If-None-Match, tags like ours",
        largest: HEAD_BYTES,
        make: |size| repeated(size, "", |_| format!("W/{OURS},")),
        read: tags,
    },
    Case {
        name: "If-None-Match, quotes",
        largest: HEAD_BYTES,
        make: |size| repeated(size, "", |_| "\"".to_owned()),
        read: tags,
    },
    Case {
        name: "If-None-Match, commas",
        largest: HEAD_BYTES,
        make: |size| repeated(size, "", |_| ",".to_owned()),
        read: tags,
    },
    Case {
        name: "If-Range, spaces around a date",
        largest: HEAD_BYTES,
        make: |size| repeated(size, "Sun, 06 Nov 1994 08:49:37 GMT", |_| " ".to_owned()),
        read: |text| drop(black_box(IfRange::parse(text))),
    },
    Case {
        name: "path, encoded",
        largest: PATH_BYTES,
        make: |size| repeated(size, "/", |_| "%2e".to_owned()),
        read: |text| drop(black_box(RequestKey::from_path(text))),
    },
    Case {
        name: "path, slashes and dots",
        largest: PATH_BYTES,
        make: |size| repeated(size, "/", |_| "/...".to_owned()),
        read: |text| drop(black_box(RequestKey::from_path(text))),
    },
    Case {
        name: "head without end, byte by byte",
        largest: READ_AHEAD_BYTES,
        make: |size| repeated(size, "GET / HTTP/1.1\r\n", |_| "a:b\r\n".to_owned()),
        read: |text| {
            let mut scan = HeadScan::default();
            for end in 1..=text.len() {
                black_box(
                    text.as_bytes()
                        .get(..end)
                        .and_then(|head| scan.find_end(head)),
                );
            }
        },
    },
];

const OURS: &str = "\"9a0364b9e99bb480dd25e1f0284c855\"";

/// A text of about this size: a beginning and as many members as there is room for.
fn repeated(size: usize, beginning: &str, member: impl Fn(usize) -> String) -> String {
    let mut text = beginning.to_owned();
    for next in (0..).map(member) {
        if text.len() + next.len() > size {
            break;
        }
        text.push_str(&next);
    }
    text
}

/// Reads and decides, as for a GET of an object of a gigabyte.
fn range(text: &str) {
    let conditions = Conditions {
        range: RangesSpecifier::parse(text.as_bytes()).ok(),
        ..Conditions::default()
    };
    black_box(conditions.select(&Validators::default(), CompleteLength::new(1 << 30)));
}

fn tags(text: &str) {
    let conditions = Preconditions {
        if_none_match: Some(TagCondition::parse(text)),
        ..Preconditions::default()
    };
    let ours = Validators {
        etag: EntityTag::parse("\"9a0364b9e99bb480dd25e1f0284c85ff\"").ok(),
        last_modified: None,
    };
    black_box(conditions.evaluate(&ours));
}

/// Milliseconds of the median run and of the 99th of a hundred; the slowest ones waited for a core.
fn measure(read: fn(&str), text: &str) -> (f64, f64) {
    let begun = Instant::now();
    let mut runs = Vec::new();
    while begun.elapsed() < LONG_ENOUGH {
        let run = Instant::now();
        read(black_box(text));
        runs.push(run.elapsed());
    }
    runs.sort_unstable();
    let milliseconds = |run: Option<&Duration>| run.map_or(0.0, Duration::as_secs_f64) * 1e3;
    (
        milliseconds(runs.get(runs.len() / 2)),
        milliseconds(runs.get(runs.len() * 99 / 100)),
    )
}

fn main() {
    println!("| full of | bytes | median ms | 99 % ms | times half the size |");
    println!("|---|---|---|---|---|");
    for case in CASES {
        let text = (case.make)(case.largest);
        let (half, _) = measure(case.read, &(case.make)(case.largest / 2));
        let (median, most) = measure(case.read, &text);
        let (name, bytes, ratio) = (case.name, text.len(), median / half);
        println!("| {name} | {bytes} | {median:.4} | {most:.4} | {ratio:.1} |");
    }
}
