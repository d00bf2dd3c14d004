//! Boxes of files that anybody may put behind a URL.

use s3reel::media::boxes::boxes;
use s3reel::media::sample_entry::{MAX_ENTRIES, sample_entries};
use s3reel::media::walk::MAX_BOXES;
use s3reel::media::{BoxHeader, IndexPlace, Walk};

/// The laws for a file, and for a file that is said to be longer than what there is of it.
pub fn hold(file: &[u8]) {
    let header = BoxHeader::parse(file).ok();
    let figures = header.map(|header| (header.kind().0.to_vec(), header.header_bytes()));
    let told = figures_of(file);
    assert_eq!(
        figures,
        told.as_ref().map(|(kind, head, _)| (kind.clone(), *head)),
        "the header"
    );
    if let (Some(header), Some((_, _, size))) = (header, told) {
        let end = |start: u64| size.map_or(Some(1000), |size| start.checked_add(size));
        assert_eq!(header.end(7, 1000), end(7));
        assert_eq!(header.end(u64::MAX, 1000), end(u64::MAX));
    }

    // The boxes tile the file from its beginning.
    let mut rest = file;
    for (kind, content) in boxes(file) {
        let head = if rest.starts_with(&[0, 0, 0, 1]) {
            16
        } else {
            8
        };
        assert_eq!(rest.get(4..8), Some(&kind.0[..]));
        assert!(rest[head..].starts_with(content));
        rest = &rest[head + content.len()..];
    }
    assert!(rest.is_empty() || figures_of(rest).is_none());
    assert!(sample_entries(file).len() <= MAX_ENTRIES);

    let length = u64::try_from(file.len()).unwrap_or(u64::MAX);
    for length in [length, length.saturating_mul(2), u64::MAX] {
        let mut walk = Walk::new(length);
        let mut steps = 0;
        let mut at = 0;
        while let Some(wanted) = walk.wants() {
            assert!(steps == 0 || wanted > at, "the walk does not go on");
            (at, steps) = (wanted, steps + 1);
            let begin = usize::try_from(at).map_or(file.len(), |at| at.min(file.len()));
            let _ = walk.take(&file[begin..file.len().min(begin.saturating_add(16))]);
        }
        assert!(steps <= MAX_BOXES + 1);
        match walk.index() {
            None => assert_eq!(walk.index_place(), IndexPlace::Missing),
            Some(index) => {
                assert_ne!(walk.index_place(), IndexPlace::Missing);
                assert!(index.start < index.content.max(1) && index.content <= index.end);
                assert!(index.end <= length);
            }
        }
    }
}

/// ISO/IEC 14496-12 section 4.2 once more: the type, the length of the header, and that of the box.
fn figures_of(bytes: &[u8]) -> Option<(Vec<u8>, u64, Option<u64>)> {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |sum: u64, &byte| sum << 8 | u64::from(byte))
    };
    let kind = bytes.get(4..8)?.to_vec();
    match number(bytes.get(..4)?) {
        0 => Some((kind, 8, None)),
        1 => {
            let size = number(bytes.get(8..16)?);
            (size >= 16).then_some((kind, 16, Some(size)))
        }
        size => (size >= 8).then_some((kind, 8, Some(size))),
    }
}
