//! What breaks no player but is worth knowing: HEAD, pages of other origins, redirects, validators,
//! compression, where the index is.

use hyper::Method;
use hyper::header::{ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;

use super::exchange::{Ask, Exchange};
use super::film::{Film, PLAIN};
use super::judge::Asked;
use super::limits::Spending;
use super::players::PAGE;
use super::rules::{Rule, body, file, identity};
use super::visitor::{AskError, Visitor};
use crate::media::IndexPlace;

/// A rule that no player fails by, and how it does not hold.
#[derive(Debug, Clone)]
pub struct Note {
    /// Which.
    pub rule: &'static Rule,
    /// What was seen.
    pub detail: String,
    /// The request that showed it.
    pub asked: String,
    /// Its answer.
    pub answered: String,
}

impl Note {
    fn of(rule: &'static Rule, detail: String, shown: &Exchange) -> Self {
        Self {
            rule,
            detail,
            asked: shown.asked.clone(),
            answered: shown.answered(),
        }
    }
}

/// Asks HEAD and as a page of another origin, and looks at what is known of the film.
pub async fn notes(
    film: &Film,
    connector: &HttpsConnector<HttpConnector>,
    spending: &mut Spending,
) -> Vec<Note> {
    let mut notes = of_film(film);
    let mut visitor = Visitor::new(connector, spending);
    let head = Ask {
        method: Method::HEAD,
        ..Ask::get(PLAIN, 0)
    };
    match visitor.ask(&film.url, &head).await {
        Ok(answer) => notes.extend(of_head(film, &answer)),
        Err(error) => notes.extend(unanswered(identity::HEAD, &error, &head, film)),
    }
    let origin = PAGE.trim_end_matches('/');
    let page = Ask::get(PLAIN, 1024)
        .with("Range", Asked::PROBE.field())
        .with("Origin", origin);
    match visitor.ask(&film.url, &page).await {
        Ok(answer) => notes.extend(of_page(origin, &answer)),
        Err(error) => notes.extend(unanswered(identity::CORS, &error, &page, film)),
    }
    notes
}

fn unanswered(rule: &'static Rule, error: &AskError, ask: &Ask, film: &Film) -> Option<Note> {
    (!matches!(error, AskError::Limit(_))).then(|| Note {
        rule,
        detail: error.to_string(),
        asked: ask.told(&film.url),
        answered: "nothing".to_owned(),
    })
}

fn of_film(film: &Film) -> Vec<Note> {
    let whole = &film.whole;
    let mut notes = Vec::new();
    let mut note = |rule, detail| notes.push(Note::of(rule, detail, whole));
    if whole.redirects > 0 {
        let times = if whole.redirects == 1 {
            "once"
        } else {
            "several times"
        };
        let detail = format!("redirected {times}, to {}", whole.url);
        note(identity::NO_REDIRECT, detail);
    }
    if film.url.is_secure() && !whole.url.is_secure() {
        note(identity::STAYS_SECURE, format!("it leads to {}", whole.url));
    }
    if let Some(coding) = whole.content_coding() {
        let detail = format!("with Accept-Encoding the answer is encoded as {coding}");
        note(body::NOT_COMPRESSED, detail);
    }
    match whole.etag() {
        None => note(identity::ETAG_STRONG, "there is no ETag".to_owned()),
        Some(etag) if etag.is_weak() => {
            note(identity::ETAG_STRONG, format!("the ETag {etag} is weak"));
        }
        Some(_) => {}
    }
    if film.index() == Some(IndexPlace::Last) {
        let at = film.index_at_end().unwrap_or_default();
        let detail = format!("it starts at byte {at}: players read the end before they start");
        note(file::INDEX_FIRST, detail);
    }
    notes
}

fn of_head(film: &Film, answer: &Exchange) -> Option<Note> {
    let plain = film.whole.content_coding().is_none();
    let detail = if answer.status.as_u16() != 200 {
        format!("the status of HEAD is {}", answer.status.as_u16())
    } else if answer.content_length() != film.length && plain {
        let told = |length: Option<u64>| length.map_or("none".to_owned(), |n| n.to_string());
        let (head, get) = (told(answer.content_length()), told(film.length));
        format!("Content-Length is {head} for HEAD and {get} for GET")
    } else if answer.media_type() != film.whole.media_type() {
        format!("Content-Type is {:?} for HEAD", answer.media_type())
    } else {
        return None;
    };
    Some(Note::of(identity::HEAD, detail, answer))
}

fn of_page(origin: &str, answer: &Exchange) -> Vec<Note> {
    let mut notes = Vec::new();
    let allowed = answer.field(&ACCESS_CONTROL_ALLOW_ORIGIN);
    let credentials = answer.field(&ACCESS_CONTROL_ALLOW_CREDENTIALS);
    match allowed.as_deref() {
        Some("*") if credentials.as_deref() == Some("true") => {
            let detail = "browsers refuse * where credentials are allowed".to_owned();
            notes.push(Note::of(identity::CORS_CREDENTIALS, detail, answer));
        }
        Some(allowed) if allowed == "*" || allowed == origin => {}
        Some(allowed) => {
            let detail = format!("Access-Control-Allow-Origin is {allowed} for {origin}");
            notes.push(Note::of(identity::CORS, detail, answer));
        }
        None => {
            let detail = "there is no Access-Control-Allow-Origin".to_owned();
            notes.push(Note::of(identity::CORS, detail, answer));
        }
    }
    notes
}
