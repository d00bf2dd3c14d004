//! Media types by the first bytes of an object, for what neither its stored type nor its extension
//! says anything about.
//!
//! Signatures are those of the WHATWG MIME Sniffing standard and, where that has none, of the
//! formats' own: ISO/IEC 14496-12 (`ftyp` brands), RFC 9559 (EBML's `DocType`), RFC 3533 (Ogg), ISO/IEC
//! 13818-1 (transport streams), 11172-3 and 13818-3 (MP3), 13818-7 (ADTS), RFC 8216 (HLS) and WebVTT.

/// How many first bytes are looked at: enough for the longest MP3 frame and the head of the next.
pub const FIRST_BYTES: u64 = 2048;

/// What begins like this is of this type.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
];

/// Boxes that a QuickTime file without a `ftyp` begins with.
const QUICKTIME_BOXES: [&[u8]; 3] = [b"moov", b"mdat", b"wide"];

/// The type of what begins so, in the names that browsers know; `None` for what is no medium that
/// they play, and so never a type that they would run.
///
/// ```
/// use s3reel::object::first_bytes::by_first_bytes;
/// assert_eq!(by_first_bytes(b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello"), Some("text/vtt"));
/// assert_eq!(by_first_bytes(b"<html><script>"), None);
/// ```
#[must_use]
pub fn by_first_bytes(head: &[u8]) -> Option<&'static str> {
    let by_signature = SIGNATURES
        .iter()
        .find(|(signature, _)| head.starts_with(signature))
        .map(|(_, media_type)| *media_type);
    by_signature
        .or_else(|| text(head))
        .or_else(|| riff(head))
        .or_else(|| ogg(head))
        .or_else(|| ebml(head))
        .or_else(|| iso_bmff(head))
        .or_else(|| transport_stream(head))
        .or_else(|| mp3(head))
        .or_else(|| adts(head))
}

/// WebVTT and HLS: a word that ends where its line or the word does.
fn text(head: &[u8]) -> Option<&'static str> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let begins_with = |word: &[u8]| {
        text.strip_prefix(word)
            .is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')))
    };
    if begins_with(b"WEBVTT") {
        Some("text/vtt")
    } else if begins_with(b"#EXTM3U") {
        Some("application/vnd.apple.mpegurl")
    } else {
        None
    }
}

fn riff(head: &[u8]) -> Option<&'static str> {
    let form = head.strip_prefix(b"RIFF")?.get(4..)?;
    if form.starts_with(b"WEBPVP") {
        Some("image/webp")
    } else if form.starts_with(b"WAVE") {
        Some("audio/wav")
    } else {
        None
    }
}

fn ogg(head: &[u8]) -> Option<&'static str> {
    let has_video = || contains(head, b"\x80theora");
    head.starts_with(b"OggS").then(|| {
        if has_video() {
            "video/ogg"
        } else {
            "audio/ogg"
        }
    })
}

fn ebml(head: &[u8]) -> Option<&'static str> {
    let header = head.strip_prefix(b"\x1a\x45\xdf\xa3")?;
    // The element DocType, with its length in one byte or in several.
    let at = header
        .windows(2)
        .position(|element| element == b"\x42\x82")?;
    let value = header.get(at..)?.get(2..)?;
    let length_bytes = usize::try_from(value.first()?.leading_zeros()).ok()?;
    let doc_type = value.get(length_bytes..)?.get(1..)?;
    if doc_type.starts_with(b"webm") {
        Some("video/webm")
    } else if doc_type.starts_with(b"matroska") {
        Some("video/x-matroska")
    } else {
        None
    }
}

fn iso_bmff(head: &[u8]) -> Option<&'static str> {
    let (size, rest) = head.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    if QUICKTIME_BOXES.contains(&kind.as_slice()) {
        return Some("video/quicktime");
    }
    if kind != b"ftyp" {
        return None;
    }
    let (major, rest) = rest.split_first_chunk::<4>()?;
    // Compatible brands follow the minor version, as far as the box goes.
    let box_bytes = usize::try_from(u32::from_be_bytes(*size)).ok()?;
    let brands = rest.get(4..box_bytes.saturating_sub(12).min(rest.len()));
    let is_avif = |brand: &[u8]| brand == b"avif" || brand == b"avis";
    let mut compatible = brands.unwrap_or_default().chunks_exact(4);
    match major {
        b"qt  " => Some("video/quicktime"),
        b"M4A " | b"M4B " | b"M4P " => Some("audio/mp4"),
        major if is_avif(major) || compatible.any(is_avif) => Some("image/avif"),
        // Still images of other codecs, which not every browser shows.
        b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1" => None,
        _ => Some("video/mp4"),
    }
}

/// Packets of 188 bytes, each beginning with the sync byte.
fn transport_stream(head: &[u8]) -> Option<&'static str> {
    const PACKET: usize = 188;
    const SYNC: u8 = 0x47;
    let mut packets = head.chunks(PACKET).take(4);
    let has_two = head.len() > PACKET;
    let in_sync = packets.all(|packet| packet.first() == Some(&SYNC));
    (has_two && in_sync).then_some("video/mp2t")
}

/// MP3 without a tag: a frame, and where it ends another of the same kind, or the end.
fn mp3(head: &[u8]) -> Option<&'static str> {
    let first = Mp3Frame::parse(head)?;
    let next = Mp3Frame::parse(head.get(first.bytes..)?)?;
    (next.version == first.version).then_some("audio/mpeg")
}

/// The head of a frame of MPEG audio, layer III.
struct Mp3Frame {
    /// 3 for MPEG 1, 2 for MPEG 2, 0 for MPEG 2.5.
    version: u8,
    bytes: usize,
}

impl Mp3Frame {
    fn parse(head: &[u8]) -> Option<Self> {
        const KILOBITS_1: [usize; 16] = [
            0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0,
        ];
        const KILOBITS_2: [usize; 16] = [
            0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0,
        ];
        const HERTZ: [usize; 3] = [44_100, 48_000, 32_000];
        let &[0xff, second, third, ..] = head else {
            return None;
        };
        let version = second >> 3 & 3;
        let is_layer_3 = second >> 1 & 3 == 1;
        if second >> 5 != 7 || version == 1 || !is_layer_3 {
            return None;
        }
        let (kilobits, samples_per_8, divisor) = match version {
            3 => (KILOBITS_1, 144, 1),
            2 => (KILOBITS_2, 72, 2),
            _ => (KILOBITS_2, 72, 4),
        };
        let kilobits = *kilobits.get(usize::from(third >> 4))?;
        let hertz = HERTZ.get(usize::from(third >> 2 & 3))? / divisor;
        let padding = usize::from(third >> 1 & 1);
        let bytes = samples_per_8 * kilobits * 1000 / hertz + padding;
        (kilobits > 0).then_some(Self { version, bytes })
    }
}

/// AAC in ADTS frames: two in a row.
fn adts(head: &[u8]) -> Option<&'static str> {
    let next = adts_frame(head)?;
    adts_frame(head.get(next..)?)?;
    Some("audio/aac")
}

/// The length of an ADTS frame in bytes.
fn adts_frame(head: &[u8]) -> Option<usize> {
    let &[0xff, second, _, fourth, fifth, sixth, ..] = head else {
        return None;
    };
    let bytes = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
    (second & 0xf6 == 0xf0 && bytes >= 7).then_some(bytes)
}

fn contains(head: &[u8], what: &[u8]) -> bool {
    head.windows(what.len()).any(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::media_type::{is_active, is_media_type};
    use proptest::prelude::*;

    fn after(prefix: &[u8], rest: &[u8]) -> Vec<u8> {
        [prefix, rest].concat()
    }

    fn frames(head: &[u8], bytes: usize) -> Vec<u8> {
        let mut frame = head.to_vec();
        frame.resize(bytes, 0);
        frame.repeat(2)
    }

    fn ftyp(major: &[u8], compatible: &[&[u8]]) -> Vec<u8> {
        let brands = compatible.concat();
        let size = u32::try_from(16 + brands.len()).unwrap().to_be_bytes();
        [&size[..], b"ftyp", major, &[0, 0, 2, 0], &brands, b"rest"].concat()
    }

    #[test]
    fn what_browsers_play_is_known_by_its_first_bytes() {
        let packet = after(b"G\x40\x00\x10", &[0xff; 184]);
        for (head, media_type) in [
            (ftyp(b"isom", &[b"iso2", b"avc1"]), "video/mp4"),
            (ftyp(b"iso9", &[]), "video/mp4"),
            (ftyp(b"M4V ", &[b"mp42"]), "video/mp4"),
            (ftyp(b"M4A ", &[b"mp42"]), "audio/mp4"),
            (ftyp(b"qt  ", &[]), "video/quicktime"),
            (b"\0\0\0\x08wide\0\0\0\0mdat".to_vec(), "video/quicktime"),
            (ftyp(b"avif", &[]), "image/avif"),
            (ftyp(b"mif1", &[b"miaf", b"avif"]), "image/avif"),
            (
                b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm".to_vec(),
                "video/webm",
            ),
            (
                b"\x1a\x45\xdf\xa3\xa3\x42\x82\x40\x08matroska".to_vec(),
                "video/x-matroska",
            ),
            (after(b"OggS", b"\0\x02........OpusHead"), "audio/ogg"),
            (after(b"OggS", b"\0\x02........\x80theora"), "video/ogg"),
            (b"ID3\x04\0\0".to_vec(), "audio/mpeg"),
            // 128 kbit/s at 44.1 kHz; 320 at 32 kHz, the longest; MPEG 2 and 2.5.
            (frames(b"\xff\xfb\x90\x64", 417), "audio/mpeg"),
            (frames(b"\xff\xfa\xe8\x00", 1440), "audio/mpeg"),
            (frames(b"\xff\xf3\x82\x00", 209), "audio/mpeg"),
            (frames(b"\xff\xe3\x88\x00", 576), "audio/mpeg"),
            (frames(b"\xff\xf1\x50\x80\x02\x1f\xfc", 16), "audio/aac"),
            (b"fLaC\0\0\0\x22".to_vec(), "audio/flac"),
            (b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), "audio/wav"),
            (b"RIFF\x24\0\0\0WEBPVP8 ".to_vec(), "image/webp"),
            (packet.repeat(3), "video/mp2t"),
            (
                b"#EXTM3U\n#EXT-X-VERSION:3".to_vec(),
                "application/vnd.apple.mpegurl",
            ),
            (b"\xef\xbb\xbfWEBVTT - English\r\n".to_vec(), "text/vtt"),
            (b"WEBVTT".to_vec(), "text/vtt"),
            (b"\xff\xd8\xff\xe0".to_vec(), "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n\0".to_vec(), "image/png"),
            (b"GIF89a".to_vec(), "image/gif"),
        ] {
            assert_eq!(by_first_bytes(&head), Some(media_type), "{head:x?}");
        }
    }

    #[test]
    fn what_is_no_medium_has_no_type() {
        for head in [
            &b""[..],
            b"<!DOCTYPE html><script>",
            b"<svg xmlns='http://www.w3.org/2000/svg'>",
            b"%PDF-1.7",
            b"WEBVTTX",
            b"#EXTM3U8",
            b"RIFF\x24\0\0\0AVI LIST",
            b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84mkvx",
            b"\x1a\x45\xdf\xa3\x42\x82\0",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            b"\0\0\0\x18ftyp",
            b"G and some text that is not a stream",
            // One frame of MP3, and none after it.
            b"\xff\xfb\x90\x64 and then something else",
            b"\xff\xfb\x00\x64",
            b"\xff\xff\xff\xff",
        ] {
            assert_eq!(by_first_bytes(head), None, "{head:x?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_first_the_type_is_one_that_no_browser_runs(
            start in proptest::sample::select(vec![
                &b""[..], b"RIFF", b"OggS", b"\x1a\x45\xdf\xa3\x42\x82", b"\0\0\0\x20ftyp", b"G",
                b"\xff\xfb", b"\xff\xf1",
            ]),
            rest: Vec<u8>,
        ) {
            if let Some(media_type) = by_first_bytes(&after(start, &rest)) {
                prop_assert!(is_media_type(media_type) && !is_active(media_type));
            }
        }
    }
}
