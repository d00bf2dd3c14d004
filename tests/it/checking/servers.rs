//! An honest server of one file, and ways to break it.

use crate::support::scripted::Asked;
use crate::support::{Scripted, Step};

/// The tag of everything.
pub const ETAG: &str = "\"v1\"";

/// An answer before it is sent, so that it can be spoilt.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: &'static str,
    pub fields: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Whether the connection is closed afterwards.
    pub closes: bool,
}

impl Answer {
    pub fn of(status: &'static str, fields: &[(&'static str, &str)], body: &[u8]) -> Self {
        let owned = |&(name, value): &(&'static str, &str)| (name, value.to_owned());
        Self {
            status,
            fields: fields.iter().map(owned).collect(),
            body: body.to_vec(),
            closes: false,
        }
    }

    /// A refusal without a body.
    pub fn refusal(status: &'static str) -> Self {
        Self::of(status, &[("Content-Length", "0")], b"")
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self = self.without(name);
        self.fields.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| *known != name);
        self
    }

    /// Whether it is a part.
    pub fn is_part(&self) -> bool {
        self.status.starts_with("206")
    }

    /// The body in chunks, without a length.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        let mut body = format!("{:x}\r\n", self.body.len()).into_bytes();
        body.extend(&self.body);
        body.extend(b"\r\n0\r\n\r\n");
        self.body = body;
        self.without("Content-Length")
            .with("Transfer-Encoding", "chunked")
    }

    fn steps(self) -> Vec<Step> {
        let head = self.fields.iter().fold(
            format!("HTTP/1.1 {}\r\n", self.status),
            |head, (name, value)| format!("{head}{name}: {value}\r\n"),
        );
        let bytes = [head.as_bytes(), b"\r\n", &self.body].concat();
        let mut steps = vec![Step::Send(bytes)];
        if self.closes {
            steps.push(Step::Close);
        }
        steps
    }
}

/// First and last position that a request asks for.
pub fn range(asked: &Asked, length: usize) -> Option<(usize, usize)> {
    let range = asked.header("Range")?.strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    let last = last.parse().unwrap_or(usize::MAX).min(length - 1);
    Some((first.parse().ok()?, last))
}

/// What a server without a flaw answers.
pub fn honest(asked: &Asked, film: &[u8]) -> Answer {
    let length = film.len();
    let common = [
        ("Accept-Ranges", "bytes"),
        ("Content-Type", "video/mp4"),
        ("ETag", ETAG),
        ("Access-Control-Allow-Origin", "*"),
    ];
    if asked.header("If-None-Match") == Some(ETAG) {
        return Answer::of("304 Not Modified", &common[2..], b"");
    }
    let holds = asked.header("If-Range").is_none_or(|tag| tag == ETAG);
    let is_head = asked.line.starts_with("HEAD");
    let answer = match range(asked, length).filter(|_| holds && !is_head) {
        Some((first, _)) if first >= length => {
            let told = format!("bytes */{length}");
            Answer::of("416 Range Not Satisfiable", &common, b"").with("Content-Range", told)
        }
        Some((first, last)) => {
            let told = format!("bytes {first}-{last}/{length}");
            Answer::of("206 Partial Content", &common, &film[first..=last])
                .with("Content-Range", told)
        }
        None => Answer::of("200 OK", &common, film),
    };
    let told = answer.body.len().to_string();
    let mut answer = answer.with("Content-Length", told);
    if is_head {
        answer.body.clear();
    }
    answer
}

/// A way to spoil an answer; the file is there to take other bytes from.
pub type Flaw = fn(&Asked, Answer, &[u8]) -> Answer;

/// A server of one file with a flaw.
pub async fn server(film: Vec<u8>, flaw: Flaw) -> Scripted {
    Scripted::start(move |asked| flaw(asked, honest(asked, &film), &film).steps()).await
}
