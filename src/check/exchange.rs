//! One request and its answer, as far as it was read.

use std::fmt::Write as _;

use hyper::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    LOCATION, TRANSFER_ENCODING,
};
use hyper::{HeaderMap, Method, StatusCode};

use super::target::MediaUrl;
use crate::semantics::EntityTag;

/// Longest value of a field that is shown, in bytes.
const SHOWN_BYTES: usize = 200;

/// Fields of answers that are shown: those that rules are about.
const SHOWN: [HeaderName; 8] = [
    CONTENT_RANGE,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    TRANSFER_ENCODING,
    ETAG,
    LOCATION,
    CONNECTION,
];

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Ask {
    /// GET, HEAD or OPTIONS.
    pub method: Method,
    /// All fields but `Host`.
    pub fields: Vec<(&'static str, String)>,
    /// How many bytes of the body are read; if there are more, the connection is closed in the midst
    /// of it, as players do.
    pub read: u64,
}

impl Ask {
    /// A GET with these fields.
    #[must_use]
    pub fn get(fields: &[(&'static str, &str)], read: u64) -> Self {
        let owned = |&(name, value): &(&'static str, &str)| (name, value.to_owned());
        Self {
            method: Method::GET,
            fields: fields.iter().map(owned).collect(),
            read,
        }
    }

    /// The same with one field more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The request line and the fields that matter, in one line.
    #[must_use]
    pub fn told(&self, url: &MediaUrl) -> String {
        let matters = |name: &str| {
            let name = name.to_ascii_lowercase();
            matches!(name.as_str(), "range" | "origin" | "accept-encoding")
                || name.starts_with("if-")
        };
        let mut told = format!("{} {}", self.method, cut(url.target()));
        for (name, value) in self.fields.iter().filter(|(name, _)| matters(name)) {
            let _ = write!(told, ", {name}: {value}");
        }
        told
    }
}

/// How the body of an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With its last byte.
    Complete,
    /// Before it: enough was read, and the connection was closed.
    Left,
    /// Before it: the server broke off, or was silent for too long.
    Broken(String),
}

/// Which connection a request went out on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// A new one, as there was none that could be used again.
    New,
    /// The one of the answer before.
    Kept,
    /// A new one, because the server closed the one of the answer before.
    Lost,
}

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What was asked, in one line.
    pub asked: String,
    /// Who answered, after all redirects.
    pub url: MediaUrl,
    /// How many redirects there were.
    pub redirects: usize,
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// How it ended.
    pub end: End,
    /// Which connection was used.
    pub reuse: Reuse,
}

impl Exchange {
    /// The value of a field as text; several are joined, and bytes outside ASCII escaped.
    #[must_use]
    pub fn field(&self, name: &HeaderName) -> Option<String> {
        let values = self.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| {
                value
                    .as_bytes()
                    .escape_ascii()
                    .to_string()
                    .replace("\\\"", "\"")
            })
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// What `Content-Length` says; `None` for a chunked answer.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        if self.headers.contains_key(TRANSFER_ENCODING) {
            return None;
        }
        self.headers
            .get(CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }

    /// The entity tag, if it is one.
    #[must_use]
    pub fn etag(&self) -> Option<EntityTag> {
        EntityTag::parse(self.headers.get(ETAG)?.to_str().ok()?).ok()
    }

    /// The media type without parameters, in lower case; empty if there is none.
    #[must_use]
    pub fn media_type(&self) -> String {
        let value = self.field(&CONTENT_TYPE).unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    }

    /// The content coding; `None` for none and for `identity`.
    #[must_use]
    pub fn content_coding(&self) -> Option<String> {
        let coding = self.field(&CONTENT_ENCODING)?.trim().to_ascii_lowercase();
        (!coding.is_empty() && coding != "identity").then_some(coding)
    }

    /// Bytes of the body that were read.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        u64::try_from(self.body.len()).unwrap_or(u64::MAX)
    }

    /// Status and fields that rules are about, in one line.
    #[must_use]
    pub fn answered(&self) -> String {
        let mut told = self.status.to_string();
        for name in &SHOWN {
            if let Some(value) = self.field(name) {
                let _ = write!(told, ", {name}: {}", cut(&value));
            }
        }
        match &self.end {
            End::Broken(why) => {
                let _ = write!(told, ", {} bytes, then {why}", self.body.len());
            }
            End::Complete | End::Left => {}
        }
        told
    }
}

/// As much of a text as is shown.
fn cut(text: &str) -> String {
    if text.len() <= SHOWN_BYTES {
        return text.to_owned();
    }
    let end = (0..=SHOWN_BYTES)
        .rev()
        .find(|&end| text.is_char_boundary(end));
    format!("{}...", text.get(..end.unwrap_or(0)).unwrap_or_default())
}
