//! What was found, in the form of the JSON.

use serde::Serialize;

use super::film::{Film, NoFilm};
use super::limits::Spending;
use super::notes::Note;
use super::play::{Finding, Played, Verdict};
use super::target::MediaUrl;
use crate::media::IndexPlace;

/// All addresses that were checked.
#[derive(Debug, Serialize)]
pub struct Report {
    /// One for each address, in the order they were given.
    pub urls: Vec<UrlReport>,
}

impl Report {
    /// Whether every player plays everything, warnings included.
    #[must_use]
    pub fn all_play(&self) -> bool {
        self.urls.iter().all(UrlReport::all_play)
    }
}

/// What was found at one address.
#[derive(Debug, Serialize)]
pub struct UrlReport {
    /// The address.
    pub url: String,
    /// Why there is nothing to play, in one sentence; the rest is empty then.
    pub error: Option<String>,
    /// The file.
    pub file: Option<FileReport>,
    /// One for each player.
    pub players: Vec<PlayerReport>,
    /// What breaks no player.
    pub notes: Vec<NoteReport>,
    /// Requests that were sent.
    pub requests: u32,
    /// Bytes of bodies that were read.
    pub bytes: u64,
}

impl UrlReport {
    fn all_play(&self) -> bool {
        let plays =
            |player: &PlayerReport| matches!(player.verdict, "plays" | "plays-with-a-warning");
        self.error.is_none() && self.players.iter().all(plays)
    }

    /// The report on an address with nothing to play.
    #[must_use]
    pub fn of_nothing(url: &MediaUrl, error: &NoFilm, spending: &Spending) -> Self {
        Self {
            url: url.to_string(),
            error: Some(error.to_string()),
            file: None,
            players: Vec::new(),
            notes: Vec::new(),
            requests: spending.requests(),
            bytes: spending.bytes(),
        }
    }

    /// The report on a film.
    #[must_use]
    pub fn of_film(film: &Film, played: &[Played], notes: &[Note], spending: &Spending) -> Self {
        Self {
            url: film.url.to_string(),
            error: None,
            file: Some(FileReport::of(film)),
            players: played.iter().map(PlayerReport::of).collect(),
            notes: notes.iter().map(NoteReport::of).collect(),
            requests: spending.requests(),
            bytes: spending.bytes(),
        }
    }
}

/// A file.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// Where it is, after all redirects.
    pub final_url: String,
    /// Its length in bytes.
    pub length: Option<u64>,
    /// Its `Content-Type`, without parameters.
    pub content_type: String,
    /// What its bytes are.
    pub bytes_are: Option<&'static str>,
    /// `first`, `last`, `missing`, or nothing where that is not known or has no meaning.
    pub index: Option<&'static str>,
    /// How the samples of its tracks are coded.
    pub tracks: Vec<String>,
    /// Its entity tag.
    pub etag: Option<String>,
}

impl FileReport {
    fn of(film: &Film) -> Self {
        let entries = film.mp4.as_ref().map(|mp4| mp4.entries.as_slice());
        Self {
            final_url: film.whole.url.to_string(),
            length: film.length,
            content_type: film.whole.media_type(),
            bytes_are: film.bytes_are,
            index: film.index().map(|place| match place {
                IndexPlace::First => "first",
                IndexPlace::Last => "last",
                IndexPlace::Missing => "missing",
            }),
            tracks: entries
                .unwrap_or_default()
                .iter()
                .map(ToString::to_string)
                .collect(),
            etag: film.whole.etag().map(|etag| etag.to_string()),
        }
    }
}

/// A player's verdict.
#[derive(Debug, Serialize)]
pub struct PlayerReport {
    /// Who.
    pub player: &'static str,
    /// `plays`, `plays-with-a-warning`, `fails` or `unknown`.
    pub verdict: &'static str,
    /// Why it is unknown.
    pub unfinished: Option<String>,
    /// What does not hold; the first one that fails is the last one met.
    pub findings: Vec<FindingReport>,
}

impl PlayerReport {
    fn of(played: &Played) -> Self {
        Self {
            player: played.player.name,
            verdict: match played.verdict() {
                Verdict::Plays => "plays",
                Verdict::PlaysWithAWarning => "plays-with-a-warning",
                Verdict::Unknown => "unknown",
                Verdict::Fails => "fails",
            },
            unfinished: played.unfinished.clone(),
            findings: played.findings.iter().map(FindingReport::of).collect(),
        }
    }

    /// The rule that decides the verdict: the one that fails, else the first that warns.
    #[must_use]
    pub fn first_broken(&self) -> Option<&FindingReport> {
        let fatal = self.findings.iter().find(|finding| finding.fails);
        fatal.or_else(|| self.findings.first())
    }
}

/// A rule that does not hold for a player.
#[derive(Debug, Serialize)]
pub struct FindingReport {
    /// Its name.
    pub rule: &'static str,
    /// Whether the player fails by it; else it is a warning.
    pub fails: bool,
    /// What the rule demands.
    pub demands: &'static str,
    /// What was seen.
    pub detail: String,
    /// What it does to the player.
    pub effect: &'static str,
    /// `apple-documentation`, `webkit-source`, `public-report`, `measured` or `policy`.
    pub source: &'static str,
    /// Where to look.
    pub reference: &'static str,
    /// The request.
    pub asked: String,
    /// Its answer.
    pub answered: String,
    /// What to do.
    pub fix: &'static str,
}

impl FindingReport {
    fn of(finding: &Finding) -> Self {
        Self {
            rule: finding.rule.name,
            fails: finding.is_fatal,
            demands: finding.rule.demands,
            detail: finding.detail.clone(),
            effect: finding.effect.what,
            source: finding.effect.source.kind(),
            reference: finding.effect.source.reference(),
            asked: finding.asked.clone(),
            answered: finding.answered.clone(),
            fix: finding.rule.fix,
        }
    }
}

/// What breaks no player.
#[derive(Debug, Serialize)]
pub struct NoteReport {
    /// The name of the rule.
    pub rule: &'static str,
    /// What the rule demands.
    pub demands: &'static str,
    /// What was seen.
    pub detail: String,
    /// The request.
    pub asked: String,
    /// Its answer.
    pub answered: String,
    /// What to do.
    pub fix: &'static str,
}

impl NoteReport {
    fn of(note: &Note) -> Self {
        Self {
            rule: note.rule.name,
            demands: note.rule.demands,
            detail: note.detail.clone(),
            asked: note.asked.clone(),
            answered: note.answered.clone(),
            fix: note.rule.fix,
        }
    }
}
