//! What Chromium 156, Firefox 153 and WebKitGTK 2.50.6 ask, as their requests were recorded for films
//! of a minute with the index at either end.

use hyper::header::LAST_MODIFIED;

use super::{Play, SIP, Stop};
use crate::check::exchange::{End, Exchange};
use crate::check::film::family;
use crate::check::judge::{Asked, judge_any};
use crate::check::rules::{body, identity, part};
use crate::semantics::EntityTag;

/// Chromium and Firefox begin later reads at a multiple of this, in bytes.
const BLOCK: u64 = 32 * 1024;

/// The multiple that a position is in.
const fn block(position: u64) -> u64 {
    position - position % BLOCK
}

/// Everything, left early; then ranges with explicit ends under `If-Range`, and a piece of the cache
/// that is asked for again.
pub(super) async fn chromium(play: &mut Play<'_>) -> Result<(), Stop> {
    let all = Asked {
        first: 0,
        last: None,
    };
    let first = play.part(play.get(SIP), all).await?;
    if matches!(first.end, End::Broken(_)) && first.body_bytes() < BLOCK {
        let detail = format!("{} bytes came", first.body.len());
        play.find_all(vec![(body::BEGINNING, detail)], &first)?;
    }
    if first.status.as_u16() != 206 {
        // It has noticed that there are no ranges, and asks for none.
        return Ok(());
    }
    let Some(length) = play.length() else {
        return Ok(());
    };
    let last = length.saturating_sub(1);
    let strong = first.etag().filter(|etag| !etag.is_weak());
    for position in play
        .film
        .index_at_end()
        .into_iter()
        .chain([Play::tenths(length, 8), Play::tenths(length, 2)])
    {
        let asked = Asked {
            first: block(position),
            last: Some(last),
        };
        match &strong {
            Some(etag) => if_range(play, asked, etag).await?,
            None => {
                play.part(play.get(SIP), asked).await?;
            }
        }
    }
    let asked = Asked {
        first: BLOCK.min(block(last)),
        last: Some((2 * BLOCK - 1).min(last)),
    };
    revalidate(play, asked, &first).await
}

/// A range under the tag that was told with the first answer.
async fn if_range(play: &mut Play<'_>, asked: Asked, etag: &EntityTag) -> Result<(), Stop> {
    let ask = play.get(SIP).with("If-Range", etag.as_str());
    let answer = play.ask(&ask.with("Range", asked.field())).await?;
    if answer.status.as_u16() != 200 {
        return play.judge(asked, &answer);
    }
    let is_same = answer.etag().is_some_and(|now| now.strong_eq(etag));
    let broken = if is_same {
        let detail = format!("If-Range: {etag} is the ETag of this very answer, and not held true");
        (body::IF_RANGE, detail)
    } else {
        let now = answer
            .etag()
            .map_or_else(|| "missing".to_owned(), |now| now.to_string());
        (
            identity::ETAG_CONSTANT,
            format!("the ETag was {etag} and is {now}"),
        )
    };
    play.find_all(vec![broken], &answer)
}

/// A piece that it has, to learn whether it is still current.
async fn revalidate(play: &mut Play<'_>, asked: Asked, first: &Exchange) -> Result<(), Stop> {
    let Some(etag) = first.etag() else {
        return Ok(());
    };
    let mut ask = play.get(SIP).with("If-None-Match", etag.as_str());
    if let Some(date) = first.field(&LAST_MODIFIED) {
        ask = ask.with("If-Modified-Since", date);
    }
    let answer = play.ask(&ask.with("Range", asked.field())).await?;
    match answer.status.as_u16() {
        304 => Ok(()),
        206 => play.judge(asked, &answer),
        status => {
            let detail = format!("the status is {status}");
            play.find_all(vec![(body::REVALIDATION, detail)], &answer)
        }
    }
}

/// Open-ended ranges only, never a condition, and the end read to its last byte.
pub(super) async fn firefox(play: &mut Play<'_>) -> Result<(), Stop> {
    let from = |first: u64| Asked { first, last: None };
    let first = play.part(play.get(SIP), from(0)).await?;
    if first.status.as_u16() != 206 {
        // It reads on to wherever a viewer seeks.
        return Ok(());
    }
    let Some(length) = play.length() else {
        return Ok(());
    };
    let last = length.saturating_sub(1);
    let positions = [
        play.film.index_at_end().unwrap_or(BLOCK),
        3 * BLOCK,
        Play::tenths(length, 8),
    ];
    for position in positions {
        let asked = from(block(position.min(last)));
        play.part(play.get(SIP), asked).await?;
    }
    // Read as far as it goes: what Firefox does not get here it asks for without end.
    let end = from(block(last));
    play.part(play.get(2 * BLOCK), end).await?;
    Ok(())
}

/// No range at first; then open-ended ones, each on a connection of its own.
pub(super) async fn webkitgtk(play: &mut Play<'_>) -> Result<(), Stop> {
    let whole = play.ask(&play.get(SIP)).await?;
    let mut broken = Vec::new();
    match whole.status.as_u16() {
        200 => {
            if whole.content_length().is_none() {
                let detail = "the answer has no Content-Length".to_owned();
                broken.push((body::WHOLE_LENGTH_TOLD, detail));
            }
        }
        206 => {
            let detail = "a request without Range is answered 206".to_owned();
            broken.push((body::STREAM_LENGTH, detail));
        }
        status => broken.push((part::STATUS, format!("the status is {status}"))),
    }
    judge_any(&whole, play.film, &mut play.known, &mut broken);
    play.find_all(broken, &whole)?;
    let Some(length) = play.length() else {
        return Ok(());
    };
    let last = length.saturating_sub(1);
    let seek = Play::tenths(length, 8);
    let mut positions = vec![seek, seek.saturating_sub(8192), seek.saturating_add(49152)];
    positions.extend(play.film.index_at_end());
    if play
        .film
        .bytes_are
        .is_some_and(|bytes_are| family(bytes_are) == "mp3")
    {
        // Where an ID3v1 tag would be.
        positions.push(length.saturating_sub(128));
    }
    for position in positions {
        let ask = play.get(SIP).with("Accept-Encoding", "identity");
        let asked = Asked {
            first: position.min(last),
            last: None,
        };
        play.part(ask, asked).await?;
    }
    Ok(())
}
