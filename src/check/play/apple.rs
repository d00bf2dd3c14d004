//! What AVFoundation asks: the probe, everything with an explicit end on the same connection, small
//! reads from box to box, an index at the end, seeks that are given up by closing, and the last bytes.
//!
//! Sources: J. Spurlock's recording of an AVPlayer (iOS 14.5) in a public Swift playground, the same two
//! steps in <https://github.com/karlheyes/icecast-kh/issues/441>, the small reads in
//! <https://github.com/kiwix/kiwix-apple/issues/489>, and WebKit's `WebCoreAVFResourceLoader`. No public
//! recording shows `If-Range`, so none is sent.

use super::{Play, SIP, Stop};
use crate::check::exchange::{Ask, Reuse};
use crate::check::judge::Asked;
use crate::media::{BoxHeader, IndexPlace, Walk};

/// How much of an index at the end is read, in bytes.
const INDEX_BYTES: u64 = 256 * 1024;

pub(super) async fn play(play: &mut Play<'_>) -> Result<(), Stop> {
    let session = session_id();
    let get = |play: &Play<'_>, read| -> Ask {
        play.get(read)
            .with("X-Playback-Session-Id", session.clone())
    };
    let probe = play.part(get(play, SIP), Asked::PROBE).await?;
    let Some(length) = play.length() else {
        return Ok(());
    };
    let last = length.saturating_sub(1);
    let to_end = |first: u64| Asked {
        first: first.min(last),
        last: Some(last),
    };
    let all = play.part(get(play, SIP), to_end(0)).await?;
    if all.reuse == Reuse::Lost {
        play.lost_connection(&probe, &all)?;
    }
    if play.film.mp4.is_some() {
        let mut walk = Walk::new(length);
        while let Some(at) = walk.wants() {
            let end = at.saturating_add(BoxHeader::MAX_BYTES).min(length);
            let asked = Asked {
                first: at,
                last: Some(end.saturating_sub(1)),
            };
            let header = play.part(get(play, SIP), asked).await?;
            // What is wrong with the file was found before.
            let _ = walk.take(&header.body);
        }
        if let (IndexPlace::Last, Some(index)) = (walk.index_place(), walk.index()) {
            play.part(get(play, INDEX_BYTES), to_end(index.start))
                .await?;
        }
    }
    for tenths in [8, 2] {
        let asked = to_end(Play::tenths(length, tenths));
        play.part(get(play, SIP), asked).await?;
    }
    let end = to_end(length.saturating_sub(2));
    play.part(get(play, SIP), end).await?;
    Ok(())
}

/// A name for all requests of one film, in the form of a UUID
/// (<https://developer.apple.com/documentation/avfoundation/avurlasset/httpsessionidentifier>).
fn session_id() -> String {
    let [first, second] = [fastrand::u64(..), fastrand::u64(..)].map(|bits| format!("{bits:016X}"));
    let of = |text: &str, from, to| text.get(from..to).unwrap_or_default().to_owned();
    let groups = [
        of(&first, 0, 8),
        of(&first, 8, 12),
        format!("4{}", of(&first, 13, 16)),
        format!("8{}", of(&second, 1, 4)),
        of(&second, 4, 16),
    ];
    groups.join("-")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_session_id_has_the_form_of_a_uuid() {
        let id = super::session_id();
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
    }
}
