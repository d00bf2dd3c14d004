//! What an answer about a file has to be before a byte of it is passed on.

use hyper::StatusCode;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, HeaderMap, HeaderName,
    LAST_MODIFIED,
};

use super::version::DatedVersion;
use crate::object::media_type::by_extension;
use crate::object::representation::{FieldValue, StoredType};
use crate::object::{ObjectKey, Representation};
use crate::semantics::{CompleteLength, ContentRange, HttpDate, InclRange, RangeSpec};
use crate::storage::error::BadAnswer;
use crate::storage::http::answer::{Extent, check_extent};

/// The head of an answer about a file, read: the fields that the API documents
/// (`content-length`, `content-type`, `last-modified`) and those of HTTP that go with them.
#[derive(Debug, Clone)]
pub struct FileHead {
    status: StatusCode,
    content_type: Option<StoredType>,
    content_length: Option<u64>,
    content_range: Option<String>,
    last_modified: Option<HttpDate>,
    date: Option<HttpDate>,
}

/// Whether an answer may be a page for people instead of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// It is no page.
    None,
    /// It is one, and the file may be one too. What HEAD says of the file tells.
    Unclear,
    /// It is one, and the file is not.
    Certain,
}

impl FileHead {
    /// Reads the head of a success.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(status: StatusCode, headers: &HeaderMap) -> Result<Self, BadAnswer> {
        let length = only(headers, &CONTENT_LENGTH).map_err(|Repeated| BadAnswer::Length)?;
        let length = length.map(|length| length.parse().map_err(|_| BadAnswer::Length));
        let range = only(headers, &CONTENT_RANGE).map_err(|Repeated| BadAnswer::ContentRange)?;
        // The bytes of a coding are others than those that lengths and ranges count.
        let coding = only(headers, &CONTENT_ENCODING).map_err(|Repeated| BadAnswer::Malformed)?;
        if coding.is_some_and(|coding| FieldValue::parse_content_encoding(coding).is_some()) {
            return Err(BadAnswer::Malformed);
        }
        // Two types or dates are none, which is what is unreadable.
        let field = |name| only(headers, name).ok().flatten();
        let date = |name| field(name).and_then(HttpDate::parse);
        Ok(Self {
            status,
            content_type: field(&CONTENT_TYPE).and_then(StoredType::parse),
            content_length: length.transpose()?,
            content_range: range.map(ToOwned::to_owned),
            last_modified: date(&LAST_MODIFIED),
            date: date(&DATE),
        })
    }

    /// Whether it may be a page to sign in on, which a workspace, or what stands before it, serves
    /// where it wants a person.
    #[must_use]
    pub fn suspicion(&self, key: &ObjectKey) -> Suspicion {
        if !self.is_html() {
            return Suspicion::None;
        }
        // Nothing whose name says that it is media is HTML.
        if by_extension(key.as_str()).is_some() {
            Suspicion::Certain
        } else {
            Suspicion::Unclear
        }
    }

    /// Whether it tells when the file was changed, as every answer about a file does.
    #[must_use]
    pub const fn is_dated(&self) -> bool {
        self.last_modified.is_some()
    }

    fn is_html(&self) -> bool {
        let essence = self.content_type.as_ref().map(|value| {
            let value = value.as_str();
            value
                .split(';')
                .next()
                .unwrap_or(value)
                .trim()
                .to_ascii_lowercase()
        });
        matches!(
            essence.as_deref(),
            Some("text/html" | "application/xhtml+xml")
        )
    }

    /// Whether this is about the very file that `known` is: type, date and length agree, and a date
    /// there is, which pages that are made on the spot have not.
    #[must_use]
    pub fn agrees_with(&self, known: &Self) -> bool {
        let length = self.complete_length();
        self.content_type == known.content_type
            && self.last_modified.is_some()
            && self.last_modified == known.last_modified
            && length.is_some()
            && length == known.complete_length()
    }

    fn complete_length(&self) -> Option<CompleteLength> {
        match &self.content_range {
            Some(range) => ContentRange::parse(range).ok().map(ContentRange::complete),
            None => self.content_length.map(CompleteLength::new),
        }
    }

    /// Checks the figures of an answer with bytes against what was asked.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn extent(&self, asked: Option<RangeSpec>) -> Result<Extent, BadAnswer> {
        let range = self.content_range.as_deref();
        let is_part = self.status == StatusCode::PARTIAL_CONTENT;
        if is_part != range.is_some() || !(is_part || self.status == StatusCode::OK) {
            return Err(BadAnswer::Status);
        }
        // A part whose length is left to the framing says it in its range.
        let told = range.and_then(|range| ContentRange::parse(range).ok());
        let length = self
            .content_length
            .or_else(|| told.map(|told| InclRange::byte_count(told.range())));
        check_extent(
            asked,
            range,
            length.and_then(|length| i64::try_from(length).ok()),
        )
    }

    /// What HEAD says of a file.
    ///
    /// # Errors
    /// When it has no length, or is about a part.
    pub fn of_whole(&self) -> Result<Representation, BadAnswer> {
        if self.status != StatusCode::OK || self.content_range.is_some() {
            return Err(BadAnswer::Status);
        }
        let length = self.content_length.ok_or(BadAnswer::Length)?;
        Ok(self.representation(CompleteLength::new(length)))
    }

    /// What is known of a file of this length.
    #[must_use]
    pub fn representation(&self, length: CompleteLength) -> Representation {
        let mut representation = Representation::of_length(length);
        representation.content_type.clone_from(&self.content_type);
        representation.validators.last_modified = self.last_modified;
        let version = self
            .last_modified
            .map(|modified| DatedVersion { modified, length });
        representation.validators.etag = version.and_then(|version| version.tag(self.date));
        representation
    }
}

/// A field that has one value has several.
#[derive(Debug, PartialEq, Eq)]
struct Repeated;

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Repeated),
        (Some(_), Some(_)) => Err(Repeated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::RangesSpecifier;

    const DATE_FIELD: (&str, &str) = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

    fn head(status: u16, fields: &[(&str, &str)]) -> Result<FileHead, BadAnswer> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        FileHead::read(StatusCode::from_u16(status).unwrap(), &headers)
    }

    fn key(key: &str) -> ObjectKey {
        ObjectKey::new(key.to_owned()).unwrap()
    }

    #[test]
    fn a_page_is_suspicious_and_for_media_certainly_wrong() {
        let page = head(200, &[HTML]).unwrap();
        for (name, suspicion) in [
            ("film.mp4", Suspicion::Certain),
            ("film.MP4", Suspicion::Certain),
            ("page.html", Suspicion::Unclear),
            ("page", Suspicion::Unclear),
        ] {
            assert_eq!(page.suspicion(&key(name)), suspicion, "{name}");
        }
        for content_type in ["video/mp4", "application/octet-stream", "application/json"] {
            let head = head(200, &[("content-type", content_type)]).unwrap();
            assert_eq!(head.suspicion(&key("film.mp4")), Suspicion::None);
        }
        let xhtml = head(200, &[("content-type", "Application/XHTML+xml")]).unwrap();
        assert_eq!(xhtml.suspicion(&key("film.mp4")), Suspicion::Certain);
    }

    #[test]
    fn a_genuine_page_is_what_its_head_says() {
        let length = ("content-length", "10");
        let known = head(200, &[HTML, DATE_FIELD, length]).unwrap();
        let part = ("content-range", "bytes 0-1/10");
        let two = ("content-length", "2");
        for (status, fields, agrees) in [
            (200, vec![HTML, DATE_FIELD, length], true),
            (206, vec![HTML, DATE_FIELD, two, part], true),
            (200, vec![HTML, DATE_FIELD, ("content-length", "11")], false),
            (200, vec![HTML, DATE_FIELD], false),
            (200, vec![HTML, length], false),
            (
                200,
                vec![("content-type", "text/html"), DATE_FIELD, length],
                false,
            ),
            (
                206,
                vec![HTML, DATE_FIELD, two, ("content-range", "bytes 0-1/11")],
                false,
            ),
        ] {
            let answer = head(status, &fields).unwrap();
            assert_eq!(answer.agrees_with(&known), agrees, "{fields:?}");
        }
        let undated = head(200, &[HTML, length]).unwrap();
        assert!(!undated.agrees_with(&undated), "a page made on the spot");
    }

    #[test]
    fn figures_that_contradict_the_request_or_each_other_are_refused() {
        let asked = RangesSpecifier::parse(b"bytes=0-1").unwrap().single();
        let ten = ("content-length", "10");
        let two = ("content-length", "2");
        let part = ("content-range", "bytes 0-1/10");
        for (status, fields, asked, outcome) in [
            (200, vec![ten], None, Ok(())),
            (206, vec![two, part], asked, Ok(())),
            (206, vec![part], asked, Ok(())),
            (200, vec![], None, Err(BadAnswer::Length)),
            (200, vec![ten, ten], None, Err(BadAnswer::Length)),
            (
                200,
                vec![("content-length", "-1")],
                None,
                Err(BadAnswer::Length),
            ),
            (
                200,
                vec![("content-length", "18446744073709551615")],
                None,
                Err(BadAnswer::Length),
            ),
            (200, vec![ten], asked, Err(BadAnswer::Status)),
            (200, vec![two, part], asked, Err(BadAnswer::Status)),
            (206, vec![two], asked, Err(BadAnswer::Status)),
            (204, vec![], None, Err(BadAnswer::Status)),
            (
                206,
                vec![two, ("content-range", "")],
                asked,
                Err(BadAnswer::ContentRange),
            ),
            (
                206,
                vec![two, ("content-range", "bytes 1-2/10")],
                asked,
                Err(BadAnswer::ContentRange),
            ),
            (206, vec![ten, part], asked, Err(BadAnswer::Length)),
            (
                206,
                vec![two, part, part],
                asked,
                Err(BadAnswer::ContentRange),
            ),
            (
                200,
                vec![ten, ("content-encoding", "gzip")],
                None,
                Err(BadAnswer::Malformed),
            ),
            (
                200,
                vec![ten, ("content-encoding", "identity")],
                None,
                Ok(()),
            ),
        ] {
            let extent = head(status, &fields).and_then(|head| head.extent(asked));
            assert_eq!(extent.map(drop), outcome, "{status} {fields:?}");
        }
    }
}
