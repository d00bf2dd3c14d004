//! Whether an answer is what its request demands: each way in which it is not, in the order in which
//! a player meets it.

use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, TRANSFER_ENCODING};

use super::exchange::{End, Exchange};
use super::film::{Film, content_range, family, is_audio_or_video};
use super::rules::{Rule, body, identity, part};
use crate::semantics::{ContentRange, EntityTag};

/// A rule that does not hold, and what was seen.
pub type Broken = (&'static Rule, String);

/// A range as it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Position of its first byte.
    pub first: u64,
    /// Position of its last byte; `None` for all the rest.
    pub last: Option<u64>,
}

impl Asked {
    /// The first two bytes, which Apple's players begin with.
    pub const PROBE: Self = Self {
        first: 0,
        last: Some(1),
    };

    /// The value of `Range`.
    #[must_use]
    pub fn field(self) -> String {
        let last = self.last.map(|last| last.to_string()).unwrap_or_default();
        format!("bytes={}-{last}", self.first)
    }

    fn is_probe(self) -> bool {
        (self.first, self.last) == (0, Some(1))
    }
}

/// What one player has been told so far.
#[derive(Debug, Default)]
pub struct Known {
    /// The total of the first `Content-Range`.
    pub total: Option<u64>,
    /// The first entity tag.
    pub etag: Option<EntityTag>,
}

/// Judges the answer to a request for a range.
pub fn judge_part(asked: Asked, answer: &Exchange, film: &Film, known: &mut Known) -> Vec<Broken> {
    let mut broken = Vec::new();
    match (answer.status.as_u16(), answer.field(&CONTENT_RANGE)) {
        (206, Some(field)) => match content_range(answer) {
            Some(range) => {
                judge_range(asked, range, film, known, &mut broken);
                judge_length(range, answer, &mut broken);
                if asked.is_probe() && matches!(answer.end, End::Broken(_)) {
                    let detail = format!("{} of 2 bytes came", answer.body.len());
                    broken.push((part::PROBE_EXACT, detail));
                }
                judge_bytes(range, answer, film, &mut broken);
            }
            None if is_without_total(&field) => {
                broken.push((part::TOTAL_TOLD, format!("Content-Range is {field:?}")));
            }
            None => {
                broken.push((
                    part::CONTENT_RANGE_FORM,
                    format!("Content-Range is {field:?}"),
                ));
            }
        },
        (206, None) => {
            let what = "the answer has status 206 and no Content-Range";
            broken.push((part::CONTENT_RANGE, what.to_owned()));
        }
        (200, Some(_)) => {
            let what = "the answer has status 200 and a Content-Range";
            broken.push((part::STATUS_IS_206, what.to_owned()));
        }
        (200, None) => {
            let what = "the range is ignored: the answer is the whole file";
            broken.push((part::RANGE_SERVED, what.to_owned()));
        }
        (status, _) => {
            broken.push((part::STATUS, format!("the status is {status}")));
            return broken;
        }
    }
    judge_any(answer, film, known, &mut broken);
    broken
}

/// Judges what holds for every successful answer: coding, type, tag.
pub fn judge_any(answer: &Exchange, film: &Film, known: &mut Known, broken: &mut Vec<Broken>) {
    if let Some(coding) = answer.content_coding() {
        // Media that came without a coding before is the same as this.
        let is_known_plain = answer.body.len() >= 2 && film.beginning.starts_with(&answer.body);
        let detail = format!("Content-Encoding is {coding}");
        if is_known_plain {
            let detail = format!("{detail}, and the bytes are not encoded");
            broken.push((body::CODING_TRUE, detail));
        } else {
            broken.push((body::NOT_COMPRESSED, detail));
        }
    }
    let media_type = answer.media_type();
    let bytes_are = film.bytes_are.unwrap_or("of no known medium");
    if !is_audio_or_video(&media_type) {
        let told = if media_type.is_empty() {
            "there is no Content-Type".to_owned()
        } else {
            format!("Content-Type is {media_type}")
        };
        broken.push((
            body::MEDIA_TYPE,
            format!("{told}, the bytes are {bytes_are}"),
        ));
    } else if film.bytes_are.is_some() && family(&media_type) != family(bytes_are) {
        let detail = format!("Content-Type is {media_type}, the bytes are {bytes_are}");
        broken.push((body::TYPE_FITS, detail));
    }
    match (answer.etag(), &known.etag) {
        (Some(etag), None) => known.etag = Some(etag),
        (Some(etag), Some(known)) if !etag.weak_eq(known) => {
            let detail = format!("the ETag was {known} and is {etag}");
            broken.push((identity::ETAG_CONSTANT, detail));
        }
        (None, Some(known)) => {
            let detail = format!("the ETag was {known} and is missing");
            broken.push((identity::ETAG_CONSTANT, detail));
        }
        _ => {}
    }
    if let End::Broken(why) = &answer.end {
        let detail = format!("{} bytes came, then: {why}", answer.body.len());
        broken.push((body::COMPLETE, detail));
    }
}

/// `bytes first-last/*`.
fn is_without_total(field: &str) -> bool {
    field
        .strip_suffix("/*")
        .is_some_and(|range| ContentRange::parse(&format!("{range}/{}", u64::MAX)).is_ok())
}

fn judge_range(
    asked: Asked,
    told: ContentRange,
    film: &Film,
    known: &mut Known,
    broken: &mut Vec<Broken>,
) {
    let (range, total) = (told.range(), told.complete().bytes());
    let before = film.length.or(known.total);
    known.total = known.total.or(Some(total));
    match before {
        Some(length) if total < length => {
            let detail = format!("the total is {total}, and the whole file has {length} bytes");
            broken.push((part::TOTAL_TRUE, detail));
        }
        Some(length) if total > length => {
            let detail = format!("the length was {length} and is {total}");
            broken.push((identity::TOTAL_CONSTANT, detail));
        }
        _ => {}
    }
    let end_of_file = total.saturating_sub(1);
    let last = asked.last.unwrap_or(end_of_file).min(end_of_file);
    let is_whole = range.first() == 0 && range.last() == end_of_file;
    let detail = format!("{} was asked for, {told} was answered", asked.field());
    if range.first() == asked.first && range.last() == last {
        // As it has to be.
    } else if is_whole {
        broken.push((part::NOT_WHOLE, detail));
    } else if range.first() != asked.first || range.last() > last {
        broken.push((part::RANGE_START, detail));
    } else if asked.is_probe() {
        broken.push((part::PROBE_EXACT, detail));
    } else {
        broken.push((part::NOT_SHORTENED, detail));
    }
}

fn judge_length(told: ContentRange, answer: &Exchange, broken: &mut Vec<Broken>) {
    let count = told.range().byte_count();
    match answer.content_length() {
        None => {
            let chunked = answer.headers.contains_key(TRANSFER_ENCODING);
            let how = if chunked {
                "the answer is chunked"
            } else {
                "there is no Content-Length"
            };
            broken.push((body::LENGTH_TOLD, how.to_owned()));
        }
        Some(length) if length != count => {
            let detail = format!("Content-Length is {length} for a part of {count} bytes");
            broken.push((body::LENGTH_TRUE, detail));
        }
        Some(_) => {}
    }
    // Without a length in the head only the body shows it.
    let is_short = answer.end == End::Complete && answer.body_bytes() < count;
    if is_short && !answer.headers.contains_key(CONTENT_LENGTH) {
        let detail = format!("the body ends after {} of {count} bytes", answer.body.len());
        broken.push((body::LENGTH_TRUE, detail));
    }
}

/// Compares a body with the beginning of the file, as far as both have the same positions.
fn judge_bytes(told: ContentRange, answer: &Exchange, film: &Film, broken: &mut Vec<Broken>) {
    let Ok(first) = usize::try_from(told.range().first()) else {
        return;
    };
    let known = film.beginning.iter().skip(first);
    let differs = known
        .zip(&answer.body)
        .position(|(one, other)| one != other);
    if let Some(at) = differs.filter(|_| answer.content_coding().is_none()) {
        let detail = format!(
            "byte {} differs from the one at this position before",
            first + at
        );
        broken.push((body::SAME_BYTES, detail));
    }
}
