//! An S3 with one film that breaks off where a test tells it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::content;
use super::scripted::{Asked, Scripted, Step, answer, error, raw};

/// What goes wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The body breaks off after so many bytes of it, in this way.
    Body(usize, Break),
    /// There is no answer at all.
    Nothing(Break),
    /// An error of S3: status line and code.
    Error(&'static str, &'static str),
    /// Bytes that begin one later than asked for, and say so.
    OtherBytes,
    /// Another version, whatever `If-Match` says.
    OtherVersion,
}

/// How a connection goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// A reset.
    Reset,
    /// An orderly end.
    Close,
    /// Silence.
    Stall,
}

impl From<Break> for Step {
    fn from(how: Break) -> Self {
        match how {
            Break::Reset => Self::Reset,
            Break::Close => Self::Close,
            Break::Stall => Self::Hold,
        }
    }
}

/// First and last position of a range that S3 is asked for, of an object of this length.
pub fn range_asked(asked: &Asked, length: usize) -> Option<(usize, usize)> {
    let range = asked.header("range")?.strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    let last = last
        .parse()
        .map_or(length - 1, |last: usize| last.min(length - 1));
    Some((first.parse().ok()?, last))
}

/// The film: version 1 of [`content`], under the tag `"1"`. Each answer to a GET has the next of the
/// faults, if that is one, and when there are no more it is right.
pub async fn film(length: usize, faults: impl IntoIterator<Item = Option<Fault>>) -> Scripted {
    let faults = Arc::new(Mutex::new(faults.into_iter().collect::<VecDeque<_>>()));
    let whole = content(1, length);
    Scripted::start(move |asked| {
        if asked.line.starts_with("HEAD") {
            let length = length.to_string();
            return vec![raw(
                "200 OK",
                &[("ETag", "\"1\""), ("Content-Length", &length)],
                "",
            )];
        }
        let fault = faults.lock().expect("a lock").pop_front().flatten();
        steps(asked, &whole, "\"1\"", fault.as_ref())
    })
    .await
}

/// What is still to go wrong with a film, by position, the first one first.
#[derive(Debug, Default)]
pub struct Mishaps {
    /// How a body breaks off at a position. It happens once, to the first read that comes there.
    pub breaks: VecDeque<(usize, Break)>,
    /// To so many requests S3 says next that it is asked too often.
    pub refusals: usize,
    /// How often it says so after each break.
    pub refusals_after_break: usize,
    /// What stands in its place after the last break, under the tag `"2"`.
    pub successor: Option<Bytes>,
}

/// An S3 with this film, under the tag `"1"`, and with what goes wrong on the way.
pub async fn film_with(whole: Bytes, mishaps: Arc<Mutex<Mishaps>>) -> Scripted {
    Scripted::start(move |asked| {
        let mut mishaps = mishaps.lock().expect("a lock");
        if mishaps.refusals > 0 {
            mishaps.refusals -= 1;
            return vec![error("503 Slow Down", "SlowDown")];
        }
        if let (true, Some(successor)) = (mishaps.breaks.is_empty(), &mishaps.successor) {
            if asked.header("if-match").is_some_and(|tag| tag != "\"2\"") {
                return vec![error("412 Precondition Failed", "PreconditionFailed")];
            }
            return steps(asked, successor, "\"2\"", None);
        }
        let (first, last) = range_asked(asked, whole.len()).unwrap_or((0, whole.len() - 1));
        let next = mishaps.breaks.front().copied();
        let Some((at, how)) = next.filter(|(at, _)| (first..=last).contains(at)) else {
            return steps(asked, &whole, "\"1\"", None);
        };
        mishaps.breaks.pop_front();
        mishaps.refusals = mishaps.refusals_after_break;
        steps(asked, &whole, "\"1\"", Some(&Fault::Body(at - first, how)))
    })
    .await
}

fn steps(asked: &Asked, whole: &[u8], etag: &str, fault: Option<&Fault>) -> Vec<Step> {
    let length = whole.len();
    let range = range_asked(asked, length);
    let (first, last) = range.unwrap_or((0, length - 1));
    let shift = usize::from(fault == Some(&Fault::OtherBytes));
    let told = format!("bytes {}-{}/{length}", first + shift, last);
    let etag = match fault {
        Some(Fault::OtherVersion) => "\"2\"",
        _ => etag,
    };
    let mut fields = vec![("ETag", etag), ("Content-Type", "video/mp4")];
    let status = if range.is_some() || fault == Some(&Fault::OtherBytes) {
        fields.push(("Content-Range", &told));
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let body = &whole[first..=last];
    match fault {
        None => vec![answer(status, &fields, body)],
        Some(Fault::OtherVersion) => {
            vec![answer(status, &fields, &content(2, length)[first..=last])]
        }
        Some(Fault::OtherBytes) => vec![answer(status, &fields, &body[1.min(body.len())..])],
        Some(&Fault::Nothing(how)) => vec![how.into()],
        Some(Fault::Error(status, code)) => vec![error(status, code)],
        Some(&Fault::Body(after, how)) => {
            let told = body.len().to_string();
            fields.push(("Content-Length", &told));
            // The last byte of a body is the last that can be missing.
            let sent = after.min(body.len() - 1);
            vec![raw(status, &fields, &body[..sent]), how.into()]
        }
    }
}
