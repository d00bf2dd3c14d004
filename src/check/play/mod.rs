//! What each player asks of a film, as it was recorded, and what it makes of the answers.
//!
//! `apple` plays what Safari and AVPlayer ask, `browsers` what Chromium, Firefox and WebKitGTK do. A
//! sequence ends at the first answer that its player does not survive.

mod apple;
mod browsers;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;

use super::exchange::{Ask, Exchange};
use super::film::{Film, family};
use super::judge::{Asked, Broken, Known, judge_part};
use super::limits::Spending;
use super::players::Player;
use super::rules::{Effect, Engine, Rule, Severity, body, file, part};
use super::visitor::{AskError, Visitor};
use crate::media::IndexPlace;
use crate::media::sample_entry::is_hev1;

/// How much of a body is read before it is left, in bytes: as much as a player has read of a film by
/// the time that it knows its index.
const SIP: u64 = 64 * 1024;

/// A player's verdict on an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It plays, seeks and starts as it should.
    Plays,
    /// It plays, with something amiss.
    PlaysWithAWarning,
    /// It was not found out, because the check's own bounds were reached.
    Unknown,
    /// It does not play, or not to the end.
    Fails,
}

/// A rule that does not hold, with what showed it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which.
    pub rule: &'static Rule,
    /// What it does to this player.
    pub effect: &'static Effect,
    /// Whether the player fails by it.
    pub is_fatal: bool,
    /// What was seen.
    pub detail: String,
    /// The request that showed it.
    pub asked: String,
    /// Its answer.
    pub answered: String,
}

/// How a player fared.
#[derive(Debug)]
pub struct Played {
    /// Who.
    pub player: &'static Player,
    /// What broke, in the order it was met; each rule once.
    pub findings: Vec<Finding>,
    /// Why it was not played to the end, if our own bounds were the reason.
    pub unfinished: Option<String>,
}

impl Played {
    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if self.findings.iter().any(|finding| finding.is_fatal) {
            Verdict::Fails
        } else if self.unfinished.is_some() {
            Verdict::Unknown
        } else if self.findings.is_empty() {
            Verdict::Plays
        } else {
            Verdict::PlaysWithAWarning
        }
    }
}

/// Plays a film as this player does.
pub async fn play(
    player: &'static Player,
    film: &Film,
    connector: &HttpsConnector<HttpConnector>,
    spending: &mut Spending,
) -> Played {
    let mut play = Play {
        player,
        film,
        visitor: Visitor::new(connector, spending),
        known: Known::default(),
        findings: Vec::new(),
    };
    let outcome = match player.engine {
        Engine::Apple => apple::play(&mut play).await,
        Engine::Chromium => browsers::chromium(&mut play).await,
        Engine::Firefox => browsers::firefox(&mut play).await,
        Engine::WebKitGtk => browsers::webkitgtk(&mut play).await,
    };
    let outcome = outcome.and_then(|()| play.judge_file());
    Played {
        player,
        findings: play.findings,
        unfinished: match outcome {
            Ok(()) | Err(Stop::Failed) => None,
            Err(Stop::Limit(why)) => Some(why),
        },
    }
}

/// Why a sequence ends early.
enum Stop {
    /// The player does not survive the answer.
    Failed,
    /// The check may not go on.
    Limit(String),
}

/// A player at work.
struct Play<'a> {
    player: &'static Player,
    film: &'a Film,
    visitor: Visitor<'a>,
    known: Known,
    findings: Vec<Finding>,
}

impl Play<'_> {
    /// A GET with the player's own fields.
    fn get(&self, read: u64) -> Ask {
        Ask::get(self.player.fields, read)
    }

    /// Sends a request. That there is no answer is a finding too.
    async fn ask(&mut self, ask: &Ask) -> Result<Exchange, Stop> {
        match self.visitor.ask(&self.film.url, ask).await {
            Ok(answer) => Ok(answer),
            Err(AskError::Limit(why)) => Err(Stop::Limit(why.to_owned())),
            Err(error) => {
                let asked = ask.told(&self.film.url);
                let broken = (part::ANSWERS, error.to_string());
                self.find(broken, &asked, "nothing")?;
                Err(Stop::Failed)
            }
        }
    }

    /// Asks for a range and judges the answer.
    async fn part(&mut self, ask: Ask, asked: Asked) -> Result<Exchange, Stop> {
        let answer = self.ask(&ask.with("Range", asked.field())).await?;
        self.judge(asked, &answer)?;
        Ok(answer)
    }

    /// Judges an answer as one to a request for a range.
    fn judge(&mut self, asked: Asked, answer: &Exchange) -> Result<(), Stop> {
        let broken = judge_part(asked, answer, self.film, &mut self.known);
        self.find_all(broken, answer)
    }

    fn find_all(&mut self, broken: Vec<Broken>, answer: &Exchange) -> Result<(), Stop> {
        let answered = answer.answered();
        broken
            .into_iter()
            .try_for_each(|broken| self.find(broken, &answer.asked, &answered))
    }

    /// Notes that a rule does not hold, if this player cares; an error when it does not survive it.
    fn find(&mut self, (rule, detail): Broken, asked: &str, answered: &str) -> Result<(), Stop> {
        let Some(effect) = rule.effect_on(self.player.engine) else {
            return Ok(());
        };
        let is_fatal = match effect.severity {
            Severity::Fails => true,
            Severity::FailsIfIndexIsLast => self.film.index() == Some(IndexPlace::Last),
            Severity::Warns => false,
        };
        let is_known = self
            .findings
            .iter()
            .any(|known| known.rule.name == rule.name);
        if !is_known {
            self.findings.push(Finding {
                rule,
                effect,
                is_fatal,
                detail,
                asked: asked.to_owned(),
                answered: answered.to_owned(),
            });
        }
        if is_fatal { Err(Stop::Failed) } else { Ok(()) }
    }

    /// How long the film is, as far as the player can know.
    fn length(&self) -> Option<u64> {
        let length = self.film.length.or(self.known.total);
        length.filter(|&length| length > 0)
    }

    /// A position so many tenths into a film of `length` bytes.
    fn tenths(length: u64, tenths: u64) -> u64 {
        (length / 10).saturating_mul(tenths)
    }

    /// What the file itself does to the player.
    fn judge_file(&mut self) -> Result<(), Stop> {
        let whole = &self.film.whole;
        let (asked, answered) = (whole.asked.clone(), whole.answered());
        let mut broken: Vec<Broken> = Vec::new();
        if let Some(mp4) = &self.film.mp4 {
            match (&mp4.fault, mp4.index) {
                (fault, Some(IndexPlace::Missing)) => {
                    let missing = || "the file has no moov box".to_owned();
                    let detail = fault.clone().unwrap_or_else(missing);
                    broken.push((file::INDEX_THERE, detail));
                }
                (Some(fault), _) => broken.push((file::BOXES_WHOLE, fault.clone())),
                (None, _) => {}
            }
            if mp4.entries.iter().any(|&entry| is_hev1(entry)) {
                broken.push((file::HVC1, "a track is tagged hev1".to_owned()));
            }
        }
        let readable = ["mp4", "mp3", "aac", "wav", "flac"];
        match self.film.bytes_are {
            Some(bytes_are) if readable.contains(&family(bytes_are)) => {}
            Some(bytes_are) => broken.push((file::CONTAINER, format!("it is {bytes_are}"))),
            None => broken.push((
                file::CONTAINER,
                "the bytes are of no known medium".to_owned(),
            )),
        }
        broken
            .into_iter()
            .try_for_each(|broken| self.find(broken, &asked, &answered))
    }

    /// Notes that a connection did not live to the request after it.
    fn lost_connection(&mut self, before: &Exchange, answer: &Exchange) -> Result<(), Stop> {
        let closed = before.headers.get(hyper::header::CONNECTION);
        let detail = match closed {
            Some(value) => format!(
                "the answer before said Connection: {}",
                value.as_bytes().escape_ascii()
            ),
            None => "the server closed the connection after its answer".to_owned(),
        };
        self.find((body::KEPT, detail), &answer.asked, &before.answered())
    }
}
