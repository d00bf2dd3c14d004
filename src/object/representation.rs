//! What is known of one version of an object without reading it.

use std::fmt;

use super::media_type::{MediaType, by_extension, is_active, says_something};
use super::version_id::VersionId;
use crate::semantics::{CompleteLength, Validators};

/// One version of an object as HTTP describes it (RFC 9110 section 8): length, type, coding and
/// validators. Nothing else of what S3 says about an object is ever passed on.
#[derive(Debug, Clone)]
pub struct Representation {
    /// Length of all of it.
    pub length: CompleteLength,
    /// Entity tag and date.
    pub validators: Validators,
    /// Its name in a bucket that keeps versions. No viewer is told.
    pub version: Option<VersionId>,
    /// `Content-Type` as stored.
    pub content_type: Option<StoredType>,
    /// `Content-Encoding` as stored, without `aws-chunked` and `identity`.
    pub content_encoding: Option<FieldValue>,
    /// `Content-Language` as stored.
    pub content_language: Option<FieldValue>,
    /// `Content-Disposition` as stored.
    pub content_disposition: Option<FieldValue>,
    /// `Cache-Control` as stored.
    pub cache_control: Option<FieldValue>,
    /// `Expires` as stored.
    pub expires: Option<FieldValue>,
}

impl Representation {
    /// An object of this length about which nothing else is known.
    #[must_use]
    pub fn of_length(length: CompleteLength) -> Self {
        Self {
            length,
            validators: Validators::default(),
            version: None,
            content_type: None,
            content_encoding: None,
            content_language: None,
            content_disposition: None,
            cache_control: None,
            expires: None,
        }
    }
}

/// A field value that can stand in an answer: no control characters but tab, not empty.
///
/// Stored metadata may hold anything; what cannot be sent is dropped where it is read, so that it
/// can neither split an answer nor make one fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldValue(String);

impl FieldValue {
    /// Checks a value (RFC 9110 section 5.5); `None` for one that cannot be sent or says nothing.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim_matches([' ', '\t']);
        let sendable = value.chars().all(|c| c == '\t' || !c.is_ascii_control());
        (sendable && !value.is_empty()).then(|| Self(value.to_owned()))
    }

    /// The codings of a `Content-Encoding` without those that are not codings of the stored
    /// bytes: `aws-chunked` is framing of the upload and `identity` means none.
    #[must_use]
    pub fn parse_content_encoding(value: &str) -> Option<Self> {
        let codings: Vec<&str> = value
            .split(',')
            .map(str::trim)
            .filter(|coding| {
                !coding.is_empty()
                    && !coding.eq_ignore_ascii_case("aws-chunked")
                    && !coding.eq_ignore_ascii_case("identity")
            })
            .collect();
        Self::parse(&codings.join(", "))
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A `Content-Type` as stored, looked at once: every answer has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredType {
    value: FieldValue,
    /// `None` if it says nothing.
    media_type: Option<MediaType>,
}

impl StoredType {
    /// Checks a value; `None` for one that cannot be sent or is empty.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let value = FieldValue::parse(value)?;
        let text = value.as_str();
        let media_type = says_something(text).then(|| MediaType::stored(text, is_active(text)));
        Some(Self { value, media_type })
    }

    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.value.as_str()
    }

    /// The type that it says, if it says one that anyone can do something with.
    #[must_use]
    pub const fn media_type(&self) -> Option<&MediaType> {
        self.media_type.as_ref()
    }
}

/// The type that an answer about an object is given: the stored one if it says something, else by the key's
/// extension.
#[must_use]
pub fn told(stored: Option<&StoredType>, key: &str) -> Option<MediaType> {
    let stored = stored.and_then(StoredType::media_type).cloned();
    stored.or_else(|| by_extension(key).map(MediaType::of_program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_cannot_be_sent_is_dropped() {
        for (value, kept) in [
            ("video/mp4", Some("video/mp4")),
            (" padded\t", Some("padded")),
            ("na\u{ef}ve", Some("na\u{ef}ve")),
            ("a\tb", Some("a\tb")),
            ("", None),
            ("  ", None),
            ("a\r\nSet-Cookie: b", None),
            ("a\0b", None),
            ("a\u{7f}", None),
        ] {
            let parsed = FieldValue::parse(value);
            assert_eq!(parsed.as_ref().map(FieldValue::as_str), kept, "{value:?}");
        }
    }

    #[test]
    fn codings_that_are_none_are_dropped() {
        for (value, kept) in [
            ("gzip", Some("gzip")),
            ("aws-chunked", None),
            ("aws-chunked,gzip", Some("gzip")),
            ("gzip, AWS-chunked, br", Some("gzip, br")),
            ("identity", None),
            ("", None),
        ] {
            let parsed = FieldValue::parse_content_encoding(value);
            assert_eq!(parsed.as_ref().map(FieldValue::as_str), kept, "{value:?}");
        }
    }

    #[test]
    fn a_stored_type_is_told_as_it_was_stored_if_it_says_something() {
        for (stored, told) in [
            ("video/mp4", Some(("video/mp4", false))),
            (
                " Text/HTML; charset=x ",
                Some(("Text/HTML; charset=x", true)),
            ),
            ("binary/octet-stream", None),
            ("video/mp4, text/html", None),
        ] {
            let stored_type = StoredType::parse(stored).unwrap();
            let seen = stored_type
                .media_type()
                .map(|media_type| (media_type.as_str(), media_type.is_active()));
            assert_eq!(seen, told, "{stored}");
        }
        assert_eq!(StoredType::parse(" "), None);
    }

    #[test]
    fn a_stored_type_that_says_something_stands_and_others_are_repaired_by_extension() {
        for (stored, key, sent) in [
            (Some("video/mp4"), "a.webm", Some("video/mp4")),
            (Some("Audio/MPEG; x=y"), "a", Some("Audio/MPEG; x=y")),
            (Some("text/html"), "a.mp4", Some("text/html")),
            (None, "films/a.MP4", Some("video/mp4")),
            (
                Some("binary/octet-stream"),
                "a.m3u8",
                Some("application/vnd.apple.mpegurl"),
            ),
            (Some("Application/Octet-Stream"), "a.vtt", Some("text/vtt")),
            (
                Some("application/octet-stream; charset=x"),
                "a.mp3",
                Some("audio/mpeg"),
            ),
            (Some("video/mp4, text/html"), "a.mp4", Some("video/mp4")),
            (Some("video"), "a.webm", Some("video/webm")),
            (None, "a.html", None),
            (None, "a", None),
            (Some("binary/octet-stream"), "mp4", None),
        ] {
            let stored = stored.and_then(StoredType::parse);
            let told = told(stored.as_ref(), key);
            let told = told.as_ref().map(MediaType::as_str);
            assert_eq!(told, sent, "{stored:?} {key}");
        }
    }
}
