//! Media types by file extension, and which types a browser would run.

use std::sync::Arc;

/// Extension and type, in the names that browsers know. Sources: the IANA registry, and for the
/// few that it lacks (`audio/flac` before RFC 9639, `video/x-matroska`) what browsers accept.
const BY_EXTENSION: &[(&str, &str)] = &[
    ("aac", "audio/aac"),
    ("avif", "image/avif"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4s", "video/iso.segment"),
    ("m4v", "video/mp4"),
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("srt", "application/x-subrip"),
    ("ts", "video/mp2t"),
    ("txt", "text/plain; charset=utf-8"),
    ("vtt", "text/vtt"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
];

/// The type that a key's extension stands for; never one that a browser would run.
///
/// ```
/// assert_eq!(s3reel::object::media_type::by_extension("a/Film.MP4"), Some("video/mp4"));
/// assert_eq!(s3reel::object::media_type::by_extension("page.html"), None);
/// ```
#[must_use]
pub fn by_extension(key: &str) -> Option<&'static str> {
    let name = key.rsplit('/').next().unwrap_or(key);
    let (_, extension) = name.rsplit_once('.')?;
    BY_EXTENSION
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(extension))
        .map(|(_, media_type)| *media_type)
}

/// The type of what nothing better is known of.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// Whether a stored type says anything. Uploads without a type are stored as `binary/octet-stream`, the
/// commonest reason that media in S3 does not play.
#[must_use]
pub fn says_something(stored: &str) -> bool {
    let essence = stored.split(';').next().unwrap_or(stored).trim();
    is_media_type(stored)
        && !essence.eq_ignore_ascii_case(OCTET_STREAM)
        && !essence.eq_ignore_ascii_case("binary/octet-stream")
}

/// The type of an answer, and whether a browser would run what has it.
#[derive(Debug, Clone)]
pub struct MediaType {
    text: Text,
    is_active: bool,
}

/// A type is told with every answer, so a clone of it costs next to nothing.
#[derive(Debug, Clone)]
enum Text {
    OfProgram(&'static str),
    Stored(Arc<str>),
}

impl PartialEq for MediaType {
    fn eq(&self, other: &Self) -> bool {
        (self.as_str(), self.is_active) == (other.as_str(), other.is_active)
    }
}

impl Eq for MediaType {}

impl Default for MediaType {
    fn default() -> Self {
        Self::of_program("")
    }
}

impl MediaType {
    /// A type that is part of the program, and that no browser runs.
    #[must_use]
    pub const fn of_program(text: &'static str) -> Self {
        Self {
            text: Text::OfProgram(text),
            is_active: false,
        }
    }

    /// A type that was stored, and what [`is_active`] says of it.
    #[must_use]
    pub fn stored(text: &str, is_active: bool) -> Self {
        Self {
            text: Text::Stored(text.into()),
            is_active,
        }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.text {
            Text::OfProgram(text) => text,
            Text::Stored(text) => text,
        }
    }

    /// Whether a browser would run it as a document or script of our origin.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.is_active
    }
}

/// True for exactly one media type, `type/subtype` with parameters at most (RFC 9110 section 8.3.1).
/// Anything else, such as a list, is read differently by different browsers.
#[must_use]
pub fn is_media_type(content_type: &str) -> bool {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let is_token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let is_pair = essence
        .trim()
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
    // A comma outside quotes would begin another type. Where quotes end is in doubt once there is a
    // backslash: not every reader knows that it hides the quote after it (section 5.6.4).
    let in_doubt = parameters.contains('\\');
    let mut quoted = false;
    let lists = parameters.chars().any(|c| {
        quoted ^= c == '"';
        c == ',' && (!quoted || in_doubt)
    });
    is_pair && !lists && !quoted
}

/// True for types that a browser would run as a document or script of our origin: HTML, XHTML,
/// SVG, other XML and scripts.
#[must_use]
pub fn is_active(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or(content_type)
        .trim()
        .to_ascii_lowercase();
    matches!(
        essence.as_str(),
        "text/html"
            | "text/xml"
            | "application/xml"
            | "text/xsl"
            | "text/jscript"
            | "text/livescript"
            | "multipart/x-mixed-replace"
    ) || essence.ends_with("+xml")
        || essence.contains("javascript")
        || essence.contains("ecmascript")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_extension_stands_for_an_active_type() {
        for (_, media_type) in BY_EXTENSION {
            assert!(is_media_type(media_type), "{media_type}");
            assert!(!is_active(media_type), "{media_type}");
        }
    }

    #[test]
    fn what_is_not_one_type_is_none() {
        for one in [
            "video/mp4",
            "text/plain; charset=utf-8",
            "audio/ogg;codecs=\"vorbis, opus\"",
            "audio/ogg;title=\"say \\\"opus\\\"\"",
            "application/vnd.apple.mpegurl",
        ] {
            assert!(is_media_type(one), "{one}");
        }
        for none in [
            "",
            "video",
            "video/",
            "/mp4",
            "video/mp4,text/html",
            "video/mp4;a=b,text/html",
            "video/mp4;a=\"b,text/html",
            // A list for readers that know what a backslash means, and one for those that do not.
            "video/mp4;a=\"\\\"\",text/html;b=\"",
            "video/mp4;a=\"\\\",text/html\"",
            "video mp4/x",
            "*",
        ] {
            assert!(!is_media_type(none), "{none}");
        }
    }

    #[test]
    fn active_types_are_seen_through_case_and_parameters() {
        for active in [
            "text/html",
            "Text/HTML; charset=utf-8",
            "image/svg+xml",
            "application/xhtml+xml ;x=y",
            "text/javascript",
            "application/x-javascript",
            "application/xml",
        ] {
            assert!(is_active(active), "{active}");
        }
        for passive in [
            "video/mp4",
            "text/plain",
            "image/png",
            "application/pdf",
            "",
        ] {
            assert!(!is_active(passive), "{passive}");
        }
    }
}
