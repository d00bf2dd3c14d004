//! Sample entries (ISO/IEC 14496-12 section 8.5.2): how the samples of a track are coded.

use super::boxes::{BoxType, boxes};

/// Most entries that are told: films have one a track, and a handful of tracks.
pub const MAX_ENTRIES: usize = 16;

/// The boxes that lead from an index to the tables of a track.
const WAY: [&[u8; 4]; 5] = [b"trak", b"mdia", b"minf", b"stbl", b"stsd"];

/// Bytes before the entries: version, flags and their number, which is not believed.
const STSD_HEAD: usize = 8;

/// The types of the sample entries in the content of a `moov` box, or in as much of it as there is,
/// in the order of the tracks: `avc1`, `mp4a` and so on.
///
/// ```
/// # fn of(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
/// #     [&u32::try_from(content.len() + 8).unwrap().to_be_bytes()[..], kind, content].concat()
/// # }
/// use s3reel::media::{BoxType, sample_entry::sample_entries};
/// let table = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &of(b"hev1", b"...")].concat();
/// let mut moov = of(b"stsd", &table);
/// for outer in [b"stbl", b"minf", b"mdia", b"trak"] {
///     moov = of(outer, &moov);
/// }
/// assert_eq!(sample_entries(&moov), [BoxType(*b"hev1")]);
/// ```
#[must_use]
pub fn sample_entries(moov: &[u8]) -> Vec<BoxType> {
    let mut found = Vec::new();
    descend(moov, &WAY, &mut found);
    found
}

/// Follows the way inwards. It goes no deeper than the way is long, and each box is read once.
fn descend(bytes: &[u8], way: &[&[u8; 4]], found: &mut Vec<BoxType>) {
    let Some((next, way)) = way.split_first() else {
        let entries = bytes.get(STSD_HEAD..).unwrap_or_default();
        let room = MAX_ENTRIES.saturating_sub(found.len());
        found.extend(boxes(entries).map(|(kind, _)| kind).take(room));
        return;
    };
    for (kind, content) in boxes(bytes) {
        if kind.0 == **next && found.len() < MAX_ENTRIES {
            descend(content, way, found);
        }
    }
}

/// Whether this entry is HEVC with parameter sets that may stand among the samples.
#[must_use]
pub fn is_hev1(entry: BoxType) -> bool {
    entry.0 == *b"hev1"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries_of(file: &[u8]) -> Vec<String> {
        let moov = boxes(file).find(|(kind, _)| *kind == BoxType::MOOV);
        let (_, moov) = moov.unwrap();
        let names = sample_entries(moov)
            .into_iter()
            .map(|kind| kind.to_string());
        names.collect()
    }

    #[test]
    fn the_samples_have_pictures_in_h264_and_sound_in_aac() {
        for file in [
            &include_bytes!("../../localstack/media/clock.mp4")[..],
            include_bytes!("../../localstack/media/clock-moov-last.mp4"),
        ] {
            assert_eq!(entries_of(file), ["avc1", "mp4a"]);
        }
    }

    #[test]
    fn what_is_cut_off_tells_what_it_has() {
        let file = include_bytes!("../../localstack/media/clock.mp4");
        // The table of the first track, and not that of the second.
        assert_eq!(entries_of(&file[..1000]), ["avc1"]);
        assert_eq!(entries_of(&file[..60]), Vec::<String>::new());
    }
}
