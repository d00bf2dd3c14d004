//! `s3reel check`: replays what players ask of a media URL, against any server, and says per player
//! what would break and why.
//!
//! Read in this order: [`rules`], what players demand and how that is known, as data; [`players`], what
//! each of them sends; [`target`], [`limits`] and [`visitor`], a client that knows its connections;
//! [`exchange`], a request and its answer; [`film`], what is behind an address; [`judge`], an answer
//! against its request; [`play`], the sequences; [`notes`], what breaks nobody; [`report`] and
//! [`text`].
//!
//! Everything that a server sends is bounded: requests, bytes, time, the length of heads, of redirect
//! chains and of walks through files ([`limits`], [`visitor`], [`crate::media::walk`]).

pub mod exchange;
pub mod film;
pub mod judge;
pub mod limits;
pub mod notes;
pub mod play;
pub mod players;
pub mod report;
pub mod rules;
pub mod target;
pub mod text;
pub mod visitor;

use film::Film;
use limits::{Limits, Spending};
use players::PLAYERS;
use report::UrlReport;
use target::MediaUrl;

use crate::storage::s3::connector::Trust;

/// Checks one address with all players, one after the other. It ends within `limits.total` and a
/// moment, whatever the server does. Dropping the future closes the connection.
pub async fn check(url: &MediaUrl, trust: &Trust, limits: Limits) -> UrlReport {
    let connector = visitor::connector(trust);
    let mut spending = Spending::begin(limits);
    let film = match Film::look(url, &connector, &mut spending).await {
        Ok(film) => film,
        Err(error) => return UrlReport::of_nothing(url, &error, &spending),
    };
    let mut played = Vec::new();
    for player in PLAYERS {
        played.push(play::play(player, &film, &connector, &mut spending).await);
    }
    let notes = notes::notes(&film, &connector, &mut spending).await;
    UrlReport::of_film(&film, &played, &notes, &spending)
}
