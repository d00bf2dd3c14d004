//! Deliberately broken servers and files, and what each player makes of them.

use super::films::Film;
use super::servers::{Answer, Flaw, range};

/// A broken server.
pub struct Row {
    /// What it does, for people.
    pub what: &'static str,
    pub film: Film,
    pub flaw: Flaw,
    /// What becomes of it in Safari and AVPlayer, Chromium, Firefox and WebKitGTK.
    pub verdicts: [&'static str; 4],
}

const PLAYS: &str = "plays";

const fn row(what: &'static str, film: Film, flaw: Flaw, verdicts: [&'static str; 4]) -> Row {
    Row {
        what,
        film,
        flaw,
        verdicts,
    }
}

/// Spoils parts only.
fn parts(answer: Answer, spoil: impl FnOnce(Answer) -> Answer) -> Answer {
    if answer.is_part() {
        spoil(answer)
    } else {
        answer
    }
}

/// The whole film, whatever was asked for.
fn whole(answer: Answer, film: &[u8]) -> Answer {
    let mut answer = parts(answer, |answer| Answer {
        status: "200 OK",
        body: film.to_vec(),
        ..answer
            .without("Content-Range")
            .with("Content-Length", film.len().to_string())
    });
    answer = answer.without("Accept-Ranges");
    answer
}

/// One byte less than was asked for.
fn short_by_one(answer: Answer) -> Answer {
    parts(answer, |mut answer| {
        answer.body.pop();
        let length = answer.body.len().to_string();
        answer.with("Content-Length", length)
    })
}

/// All rows.
pub const ROWS: &[Row] = &[
    row(
        "nothing wrong",
        Film::First,
        |_, answer, _| answer,
        [PLAYS; 4],
    ),
    row(
        "nothing wrong, index at the end",
        Film::Last,
        |_, answer, _| answer,
        [PLAYS; 4],
    ),
    row(
        "ranges are ignored: 200 with everything",
        Film::First,
        |_, answer, film| whole(answer, film),
        [
            "fails: range-is-served",
            "warns: range-is-served",
            "warns: range-is-served",
            "fails: range-is-served",
        ],
    ),
    row(
        "the same, index at the end",
        Film::Last,
        |_, answer, film| whole(answer, film),
        [
            "fails: range-is-served",
            "warns: range-is-served",
            "warns: range-is-served",
            "fails: range-is-served",
        ],
    ),
    row(
        "200 with everything, chunked",
        Film::First,
        |asked, answer, film| {
            let answer = whole(answer, film);
            if asked.line.starts_with("HEAD") {
                answer
            } else {
                answer.chunked()
            }
        },
        [
            "fails: range-is-served",
            "warns: range-is-served",
            "warns: range-is-served",
            "fails: whole-has-a-length",
        ],
    ),
    row(
        "`Content-Length: 1` for the two bytes of the probe",
        Film::First,
        |asked, answer, _| match asked.header("Range") {
            Some("bytes=0-1") => short_by_one(answer),
            _ => answer,
        },
        ["fails: length-is-that-of-the-part", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "every range is a byte short, its length with it",
        Film::First,
        |_, answer, _| short_by_one(answer),
        [
            "fails: length-is-that-of-the-part",
            "warns: length-is-that-of-the-part",
            "fails: length-is-that-of-the-part",
            "warns: length-is-that-of-the-part",
        ],
    ),
    row(
        "the same, index at the end",
        Film::Last,
        |_, answer, _| short_by_one(answer),
        [
            "fails: length-is-that-of-the-part",
            "fails: length-is-that-of-the-part",
            "fails: length-is-that-of-the-part",
            "fails: length-is-that-of-the-part",
        ],
    ),
    row(
        "one byte of the probe's two, then the connection ends",
        Film::First,
        |asked, mut answer, _| {
            if asked.header("Range") == Some("bytes=0-1") {
                answer.body.pop();
                answer.closes = true;
            }
            answer
        },
        ["fails: probe-is-exact", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "the connection ends after 10 000 bytes",
        Film::First,
        |_, mut answer, _| {
            if answer.body.len() > 10_000 {
                answer.body.truncate(10_000);
                answer.closes = true;
            }
            answer
        },
        [
            "warns: body-is-complete",
            "fails: beginning-is-complete",
            "warns: body-is-complete",
            "fails: body-is-complete",
        ],
    ),
    row(
        "503 for every range but the first",
        Film::First,
        |asked, answer, film| match range(asked, film.len()) {
            Some((1.., _)) => Answer::refusal("503 Service Unavailable").with("Retry-After", "1"),
            _ => answer,
        },
        ["fails: status-is-success"; 4],
    ),
    row(
        "403 for the probe",
        Film::First,
        |asked, answer, _| match asked.header("Range") {
            Some("bytes=0-1") => Answer::refusal("403 Forbidden"),
            _ => answer,
        },
        ["fails: status-is-success", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "the connection ends after 40 000 bytes",
        Film::First,
        |_, mut answer, _| {
            if answer.body.len() > 40_000 {
                answer.body.truncate(40_000);
                answer.closes = true;
            }
            answer
        },
        [
            "warns: body-is-complete",
            "warns: body-is-complete",
            "warns: body-is-complete",
            "fails: body-is-complete",
        ],
    ),
    row(
        "another ETag with every seek",
        Film::First,
        |asked, answer, film| match range(asked, film.len()) {
            Some((100_000.., _)) if asked.header("If-Range").is_some() => {
                whole(answer, film).with("ETag", "\"v2\"")
            }
            Some((100_000.., _)) => answer.with("ETag", "\"v2\""),
            _ => answer,
        },
        [
            "warns: etag-is-constant",
            "warns: etag-is-constant",
            PLAYS,
            PLAYS,
        ],
    ),
    row(
        "`If-Range` never holds",
        Film::First,
        |asked, answer, film| {
            if asked.header("If-Range").is_some() {
                whole(answer, film)
            } else {
                answer
            }
        },
        [PLAYS, "warns: if-range-holds", PLAYS, PLAYS],
    ),
    row(
        "412 for a range with `If-None-Match`",
        Film::First,
        |asked, answer, _| match asked.header("If-None-Match") {
            Some(_) => Answer::refusal("412 Precondition Failed"),
            None => answer,
        },
        [PLAYS, "warns: revalidation-is-answered", PLAYS, PLAYS],
    ),
    row(
        "`application/octet-stream` and `nosniff`",
        Film::First,
        |_, answer, _| {
            answer
                .with("Content-Type", "application/octet-stream")
                .with("X-Content-Type-Options", "nosniff")
        },
        ["fails: type-is-of-media", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "no `Content-Type`",
        Film::First,
        |_, answer, _| answer.without("Content-Type"),
        ["fails: type-is-of-media", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "an MP4 as `audio/mpeg`",
        Film::First,
        |_, answer, _| answer.with("Content-Type", "audio/mpeg"),
        ["warns: type-fits-the-bytes", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "`Content-Range: bytes a-b/*`",
        Film::First,
        |_, answer, _| {
            parts(answer, |answer| {
                let told = answer.field("Content-Range").unwrap_or_default();
                let told = format!("{}/*", told.split('/').next().unwrap_or_default());
                answer.with("Content-Range", told)
            })
        },
        ["fails: total-is-told", "warns: total-is-told", PLAYS, PLAYS],
    ),
    row(
        "`Content-Range: bytes 0-1/2` for the probe",
        Film::First,
        |asked, answer, _| match asked.header("Range") {
            Some("bytes=0-1") => answer.with("Content-Range", "bytes 0-1/2"),
            _ => answer,
        },
        ["fails: total-is-true", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "the total of half the film, and no more than that half",
        Film::First,
        |asked, answer, film| {
            let half = film.len() / 2;
            match range(asked, half) {
                Some((first, last)) if answer.is_part() && first <= last => Answer {
                    body: film[first..=last].to_vec(),
                    ..answer
                        .with("Content-Length", (last - first + 1).to_string())
                        .with("Content-Range", format!("bytes {first}-{last}/{half}"))
                },
                _ => answer,
            }
        },
        [
            "fails: total-is-true",
            "warns: total-is-true",
            "fails: total-is-true",
            PLAYS,
        ],
    ),
    row(
        "a greater total in each range, as of a file that grows",
        Film::First,
        |_, answer, film| {
            parts(answer, |answer| {
                let told = answer.field("Content-Range").unwrap_or_default();
                let first: usize = told[6..told.find('-').unwrap_or(6)].parse().unwrap_or(0);
                let range = told.split('/').next().unwrap_or_default();
                let told = format!("{range}/{}", film.len() + first + 1);
                answer.with("Content-Range", told)
            })
        },
        ["warns: total-is-constant"; 4],
    ),
    row(
        "206 without `Content-Range`",
        Film::First,
        |_, answer, _| answer.without("Content-Range"),
        [
            "fails: part-has-content-range",
            "fails: part-has-content-range",
            "fails: part-has-content-range",
            PLAYS,
        ],
    ),
    row(
        "`Content-Range: bytes=a-b/n`",
        Film::First,
        |_, answer, _| {
            parts(answer, |answer| {
                let told = answer.field("Content-Range").unwrap_or_default();
                let told = told.replace("bytes ", "bytes=");
                answer.with("Content-Range", told)
            })
        },
        [
            "fails: content-range-is-well-formed",
            "fails: content-range-is-well-formed",
            "fails: content-range-is-well-formed",
            PLAYS,
        ],
    ),
    row(
        "`Content-Range` starts a byte later than asked",
        Film::First,
        |asked, answer, film| {
            parts(answer, |answer| {
                let (first, last) = range(asked, film.len()).unwrap_or_default();
                let told = format!("bytes {}-{last}/{}", (first + 1).min(last), film.len());
                answer.with("Content-Range", told)
            })
        },
        [
            "fails: part-starts-where-asked",
            "fails: part-starts-where-asked",
            "fails: part-starts-where-asked",
            "warns: part-starts-where-asked",
        ],
    ),
    row(
        "status 200 with `Content-Range` and a part",
        Film::First,
        |_, answer, _| {
            parts(answer, |answer| Answer {
                status: "200 OK",
                ..answer
            })
        },
        ["fails: part-has-status-206"; 4],
    ),
    row(
        "206 with everything",
        Film::First,
        |_, answer, film| {
            parts(answer, |answer| Answer {
                body: film.to_vec(),
                ..answer.with("Content-Length", film.len().to_string()).with(
                    "Content-Range",
                    format!("bytes 0-{}/{}", film.len() - 1, film.len()),
                )
            })
        },
        [
            "fails: part-is-not-the-whole",
            "warns: part-is-not-the-whole",
            "fails: part-is-not-the-whole",
            "warns: part-is-not-the-whole",
        ],
    ),
    row(
        "each range is cut to 100 000 bytes, correctly told",
        Film::First,
        |asked, answer, film| {
            parts(answer, |mut answer| {
                let (first, last) = range(asked, film.len()).unwrap_or_default();
                let last = last.min(first + 99_999);
                answer.body.truncate(last - first + 1);
                let length = answer.body.len().to_string();
                answer.with("Content-Length", length).with(
                    "Content-Range",
                    format!("bytes {first}-{last}/{}", film.len()),
                )
            })
        },
        ["warns: part-is-not-shortened", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "chunked 206",
        Film::First,
        |_, answer, _| parts(answer, Answer::chunked),
        ["fails: part-has-a-length", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "the same, ending a byte early, index at the end",
        Film::Last,
        |_, answer, _| {
            parts(answer, |mut answer| {
                answer.body.pop();
                answer.chunked()
            })
        },
        [
            "fails: part-has-a-length",
            "fails: length-is-that-of-the-part",
            "fails: length-is-that-of-the-part",
            "fails: length-is-that-of-the-part",
        ],
    ),
    row(
        "`Connection: close` with every answer",
        Film::First,
        |_, answer, _| Answer {
            closes: true,
            ..answer.with("Connection", "close")
        },
        ["warns: connection-is-kept", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "every connection is closed after its answer, unsaid",
        Film::First,
        |_, answer, _| Answer {
            closes: true,
            ..answer
        },
        ["warns: connection-is-kept", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "`Content-Encoding: gzip` on bytes that are not",
        Film::First,
        |_, answer, _| answer.with("Content-Encoding", "gzip"),
        [
            "fails: coding-is-what-it-says",
            "fails: coding-is-what-it-says",
            "fails: coding-is-what-it-says",
            "warns: media-is-not-compressed",
        ],
    ),
    row(
        "other bytes for ranges than for the whole",
        Film::First,
        |_, answer, _| {
            parts(answer, |mut answer| {
                answer.body.fill(b'x');
                answer
            })
        },
        [
            "warns: bytes-agree",
            "warns: bytes-agree",
            "warns: bytes-agree",
            // It asks for nothing twice.
            PLAYS,
        ],
    ),
    row(
        "206 for a request without Range",
        Film::First,
        |_, answer, film| {
            if answer.status.starts_with("200") {
                let told = format!("bytes 0-{}/{}", film.len() - 1, film.len());
                return Answer {
                    status: "206 Partial Content",
                    ..answer.with("Content-Range", told)
                };
            }
            answer
        },
        [PLAYS, PLAYS, PLAYS, "warns: whole-is-served"],
    ),
    row(
        "HEVC tagged `hev1`",
        Film::Hev1,
        |_, answer, _| answer,
        ["fails: hevc-is-hvc1", PLAYS, PLAYS, PLAYS],
    ),
    row(
        "a film that was cut off in uploading",
        Film::CutOff,
        |_, answer, _| answer,
        [
            "warns: index-is-there",
            "fails: index-is-there",
            "fails: index-is-there",
            "fails: index-is-there",
        ],
    ),
    row(
        "the same of one with its index first",
        Film::CutOffFirst,
        |_, answer, _| answer,
        ["warns: boxes-are-whole"; 4],
    ),
    row(
        "no ETag",
        Film::First,
        |_, answer, _| answer.without("ETag"),
        [PLAYS; 4],
    ),
];
