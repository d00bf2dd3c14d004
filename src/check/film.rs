//! What is behind an address, apart from any player: found out first, so that the players' requests
//! can be those that players make of this file.

use std::fmt;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;

use super::exchange::{Ask, Exchange};
use super::limits::Spending;
use super::target::MediaUrl;
use super::visitor::{AskError, Visitor};
use crate::media::sample_entry::sample_entries;
use crate::media::{BoxHeader, BoxType, IndexPlace, Walk, WalkError};
use crate::object::first_bytes::by_first_bytes;
use crate::semantics::{ContentRange, EntityTag};

/// How much of the beginning is read, in bytes.
const BEGINNING: u64 = 64 * 1024;

/// How much of an index is looked at for the coding of tracks. It stands before a track's long tables.
const INDEX_BYTES: u64 = 128 * 1024;

/// What a browser sends when somebody types the address, compression included.
pub const NAVIGATION: &[(&str, &str)] = &[
    ("User-Agent", super::players::CHROMIUM_AGENT),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Connection", "keep-alive"),
];

/// What the questions about the file itself carry.
pub const PLAIN: &[(&str, &str)] = &[
    ("User-Agent", super::players::CHROMIUM_AGENT),
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),
    ("Connection", "keep-alive"),
];

/// Why there is nothing to play at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoFilm {
    /// Nobody answers in HTTP.
    Ask(AskError),
    /// The answer is a refusal.
    Status(String),
    /// The answer is something else than audio or video.
    NoMedia(String),
}

impl fmt::Display for NoFilm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask(error) => error.fmt(f),
            Self::Status(answered) => write!(f, "nothing to play: the answer is {answered}"),
            Self::NoMedia(what) => write!(f, "no audio or video: {what}"),
        }
    }
}

impl std::error::Error for NoFilm {}

/// A file that may be played.
#[derive(Debug)]
pub struct Film {
    /// Its address, as it was given.
    pub url: MediaUrl,
    /// The answer to somebody who types the address.
    pub whole: Exchange,
    /// Its first bytes, at most 64 KiB; empty if they came encoded.
    pub beginning: Vec<u8>,
    /// How long it is in bytes, if that was told.
    pub length: Option<u64>,
    /// What its bytes are.
    pub bytes_are: Option<&'static str>,
    /// What its index told, if it has the form of an MP4.
    pub mp4: Option<Mp4>,
}

/// What is known of the boxes of a file.
#[derive(Debug, Clone)]
pub struct Mp4 {
    /// Where the index is; `None` when the way to it could not be walked, for want of ranges or for
    /// its length.
    pub index: Option<IndexPlace>,
    /// Where the index starts, in bytes.
    pub index_at: Option<u64>,
    /// How the samples of its tracks are coded.
    pub entries: Vec<BoxType>,
    /// What is wrong with its boxes.
    pub fault: Option<String>,
}

impl Film {
    /// Asks what is behind an address.
    ///
    /// # Errors
    /// [`NoFilm`] when there is nothing that could be played.
    pub async fn look(
        url: &MediaUrl,
        connector: &HttpsConnector<HttpConnector>,
        spending: &mut Spending,
    ) -> Result<Self, NoFilm> {
        let mut visitor = Visitor::new(connector, spending);
        let ask = Ask::get(NAVIGATION, BEGINNING);
        let whole = visitor.ask(url, &ask).await.map_err(NoFilm::Ask)?;
        if !whole.status.is_success() {
            return Err(NoFilm::Status(whole.answered()));
        }
        let (mut beginning, mut length) = (Vec::new(), None);
        let plain = if whole.content_coding().is_some() {
            let ask = Ask::get(PLAIN, BEGINNING);
            &visitor.ask(url, &ask).await.map_err(NoFilm::Ask)?
        } else {
            &whole
        };
        if plain.content_coding().is_none() || by_first_bytes(&plain.body).is_some() {
            beginning.clone_from(&plain.body);
            length = complete_length(plain);
        }
        let bytes_are = by_first_bytes(&beginning);
        is_media(plain, &beginning, bytes_are)?;
        let mut film = Self {
            url: url.clone(),
            whole,
            beginning,
            length,
            bytes_are,
            mp4: None,
        };
        if bytes_are.is_some_and(|bytes_are| family(bytes_are) == "mp4") {
            film.mp4 = Some(film.boxes(&mut visitor).await);
        }
        Ok(film)
    }

    /// The strong tag that the first answer had.
    #[must_use]
    pub fn strong_etag(&self) -> Option<EntityTag> {
        self.whole.etag().filter(|etag| !etag.is_weak())
    }

    /// Where the index is, if that is known.
    #[must_use]
    pub fn index(&self) -> Option<IndexPlace> {
        self.mp4.as_ref()?.index
    }

    /// Where an index starts that stands at the end.
    #[must_use]
    pub fn index_at_end(&self) -> Option<u64> {
        let mp4 = self.mp4.as_ref()?;
        mp4.index_at.filter(|_| mp4.index == Some(IndexPlace::Last))
    }

    async fn boxes(&self, visitor: &mut Visitor<'_>) -> Mp4 {
        let mut mp4 = Mp4 {
            index: None,
            index_at: None,
            entries: Vec::new(),
            fault: None,
        };
        let Some(length) = self.length else {
            return mp4;
        };
        let mut walk = Walk::new(length);
        while let Some(at) = walk.wants() {
            let Some(header) = self.bytes(visitor, at, BoxHeader::MAX_BYTES, length).await else {
                return mp4;
            };
            match walk.take(&header) {
                Ok(()) => {}
                Err(error @ WalkError::TooMany) => {
                    mp4.fault = Some(error.to_string());
                    return mp4;
                }
                Err(error) => mp4.fault = Some(error.to_string()),
            }
        }
        mp4.index = Some(walk.index_place());
        let Some(index) = walk.index() else {
            return mp4;
        };
        mp4.index_at = Some(index.start);
        let wanted = index.end.saturating_sub(index.content).min(INDEX_BYTES);
        if let Some(content) = self.bytes(visitor, index.content, wanted, length).await {
            mp4.entries = sample_entries(&content);
        }
        mp4
    }

    /// Bytes of the file: from its beginning, where that has them all, or asked for. Fewer where the
    /// file ends, or the server cuts ranges short; `None` without ranges.
    async fn bytes(
        &self,
        visitor: &mut Visitor<'_>,
        at: u64,
        count: u64,
        length: u64,
    ) -> Option<Vec<u8>> {
        let end = at.saturating_add(count).min(length);
        let known = usize::try_from(at).ok()?..usize::try_from(end).ok()?;
        if let Some(known) = self.beginning.get(known) {
            return Some(known.to_vec());
        }
        let last = end.checked_sub(1)?;
        let ask = Ask::get(PLAIN, count).with("Range", format!("bytes={at}-{last}"));
        let answer = visitor.ask(&self.url, &ask).await.ok()?;
        let is_part = answer.status.as_u16() == 206;
        let starts = content_range(&answer).map(|range| range.range().first());
        (is_part && starts == Some(at)).then_some(answer.body)
    }
}

/// Whether this can be played at all; whether it really does is for the players to say.
fn is_media(
    answer: &Exchange,
    beginning: &[u8],
    bytes_are: Option<&'static str>,
) -> Result<(), NoFilm> {
    let media_type = answer.media_type();
    let told = if media_type.is_empty() {
        "no Content-Type".to_owned()
    } else {
        format!("Content-Type {media_type}")
    };
    let none = |what: String| Err(NoFilm::NoMedia(what));
    if bytes_are == Some("application/vnd.apple.mpegurl") {
        return none("it is an HLS playlist; check the files that it names".to_owned());
    }
    if let Some(bytes_are) = bytes_are.filter(|bytes_are| !is_audio_or_video(bytes_are)) {
        return none(format!("the bytes are {bytes_are}, with {told}"));
    }
    if beginning.is_empty() && answer.content_coding().is_none() {
        return none(format!("the body is empty, with {told}"));
    }
    let is_text = std::str::from_utf8(beginning.get(..256).unwrap_or(beginning))
        .is_ok_and(|text| !text.contains(|c: char| c.is_control() && !c.is_ascii_whitespace()));
    if bytes_are.is_none() && (is_text && !beginning.is_empty() || !is_audio_or_video(&media_type))
    {
        let what = if is_text {
            "text"
        } else {
            "of no known medium"
        };
        return none(format!("the bytes are {what}, with {told}"));
    }
    Ok(())
}

/// The length of the whole: of an answer with everything, or of one with a part of it.
fn complete_length(answer: &Exchange) -> Option<u64> {
    match answer.status.as_u16() {
        200 => answer.content_length(),
        206 => content_range(answer).map(|range| range.complete().bytes()),
        _ => None,
    }
}

/// The `Content-Range`, if it is a possible one with a total.
#[must_use]
pub fn content_range(answer: &Exchange) -> Option<ContentRange> {
    let value = answer.headers.get(hyper::header::CONTENT_RANGE)?;
    ContentRange::parse(value.to_str().ok()?).ok()
}

/// Whether a media type is one of audio or video.
#[must_use]
pub fn is_audio_or_video(media_type: &str) -> bool {
    media_type.starts_with("video/")
        || media_type.starts_with("audio/")
        || matches!(media_type, "application/mp4" | "application/ogg")
}

/// Types that stand for the same container have one family; others are their own.
#[must_use]
pub fn family(media_type: &str) -> &str {
    match media_type {
        "video/mp4" | "audio/mp4" | "application/mp4" | "video/quicktime" | "video/x-m4v"
        | "audio/x-m4a" | "audio/m4a" | "video/3gpp" | "audio/3gpp" | "video/3gpp2" => "mp4",
        "video/webm" | "audio/webm" | "video/x-matroska" | "audio/x-matroska"
        | "video/matroska" | "audio/matroska" => "matroska",
        "video/ogg" | "audio/ogg" | "application/ogg" | "audio/opus" => "ogg",
        "audio/mpeg" | "audio/mp3" | "audio/x-mp3" | "audio/x-mpeg" => "mp3",
        "audio/aac" | "audio/aacp" | "audio/x-aac" => "aac",
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => "wav",
        "audio/flac" | "audio/x-flac" => "flac",
        other => other,
    }
}
