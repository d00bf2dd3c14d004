//! An S3 with one film that breaks off where a test tells it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

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
        steps(asked, &whole, fault.as_ref())
    })
    .await
}

fn steps(asked: &Asked, whole: &[u8], fault: Option<&Fault>) -> Vec<Step> {
    let length = whole.len();
    let range = range_asked(asked, length);
    let (first, last) = range.unwrap_or((0, length - 1));
    let shift = usize::from(fault == Some(&Fault::OtherBytes));
    let told = format!("bytes {}-{}/{length}", first + shift, last);
    let etag = match fault {
        Some(Fault::OtherVersion) => "\"2\"",
        _ => "\"1\"",
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
