//! A long film in a real player: what it shows, and what it asks for it.

use std::fmt::Write as _;

use bytes::Bytes;
use s3reel::embedded_s3::shelf::Metadata;
use serde_json::{Value, json};

use super::footage::Footage;
use super::relay::{Ending, Exchange, Pace};
use super::{Browser, Relay, TestS3};

/// Three times what the films need, evenly: what is far ahead has not been loaded when somebody
/// seeks there. (After a burst WebKitGTK often waits for the whole film, whoever serves it.)
pub const PACE: Pace = Pace {
    burst: 256 * 1024,
    rate: 768 * 1024,
};

/// How a player comes to a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// On a page of the same origin.
    SameOrigin,
    /// On a page of another origin, which may read it.
    CrossOrigin,
    /// The browser is sent to it.
    Document,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SameOrigin, Self::CrossOrigin, Self::Document];
}

/// The key of the captions.
pub const CAPTIONS: &str = "captions.vtt";

/// A cue for each tenth second, numbered from 0.
pub fn captions() -> String {
    let mut text = "WEBVTT\n".to_owned();
    for ten in 0..6 {
        let _ = write!(text, "\n00:{ten}0.000 --> 00:{ten}9.999\ncue {ten}\n");
    }
    text
}

/// Puts an object with a type.
pub async fn put(s3: &TestS3, key: &str, content_type: &str, bytes: Bytes) {
    let metadata = Metadata {
        content_type: Some(content_type.to_owned()),
        ..Metadata::default()
    };
    s3.put_with(key, bytes, metadata).await;
}

/// A film that is seen over a line, in a browser.
pub struct Scene<'a> {
    /// The browser.
    pub browser: &'a Browser,
    /// The line.
    pub relay: &'a Relay,
    /// The film.
    pub footage: Footage,
    /// How the player comes to it.
    pub way: Way,
}

impl Scene<'_> {
    /// What is asked for.
    pub fn target(&self) -> String {
        format!("/{}", self.footage.name)
    }

    /// Begins to play, seeks to where nothing has been loaded, there and back, and plays to the end.
    pub async fn perform(&self) -> Result<(), String> {
        self.begin().await?;
        for part in [0.8, 0.4] {
            self.leap(self.footage.seconds * part).await?;
        }
        self.leap(self.footage.seconds - 0.6).await?;
        let ended = self.run("return finish(player);", Value::Null).await?;
        expect(&ended, "ended", &json!(true))
    }

    /// Goes there and begins to play, with captions where they can be.
    pub async fn begin(&self) -> Result<(), String> {
        self.start().await?;
        if self.way == Way::Document {
            return Ok(());
        }
        let captions = self.relay.url(&format!("/{CAPTIONS}"));
        let script = with_player("return cues(player, given[0]);");
        let cues = self.browser.attempt(&script, vec![json!(captions)]).await?;
        if cues == 6 {
            Ok(())
        } else {
            Err(format!("cues: {cues}"))
        }
    }

    /// The same without captions.
    pub async fn start(&self) -> Result<(), String> {
        let film = self.relay.url(&self.target());
        match self.way {
            Way::SameOrigin => self.browser.open(&self.relay.page()).await,
            Way::CrossOrigin => self.browser.open(&self.relay.foreign_page()).await,
            Way::Document => self.browser.open(&film).await,
        }
        if self.way != Way::Document {
            let mut attributes = json!({ "src": film });
            if self.way == Way::CrossOrigin {
                attributes["crossorigin"] = json!("anonymous");
            }
            let add = self
                .browser
                .attempt("add('video', given[0]);", vec![attributes]);
            add.await?;
        }
        let began = self.run("return begin(player);", Value::Null).await?;
        expect(&began, "width", &json!(self.footage.width))?;
        let duration = began["duration"].as_f64().unwrap_or_default();
        if (duration - self.footage.seconds).abs() > 0.2 {
            return Err(format!("another length: {began}"));
        }
        Ok(())
    }

    /// Seeks to where nothing has been loaded and plays on there, which takes a request for it.
    pub async fn leap(&self, to: f64) -> Result<(), String> {
        let before = self.relay.record(<[_]>::len);
        let there = self
            .run("return leap(player, given[0]);", json!(to))
            .await?;
        let reached = there["reached"].as_f64().unwrap_or_default();
        if (reached - to).abs() > 0.5 {
            return Err(format!("not {to} is reached: {there}"));
        }
        if self.footage.width > 0 && there["pixels"].as_u64().unwrap_or_default() < 20 {
            return Err(format!("no picture: {there}"));
        }
        // Nothing has to be exact about the last second, which may be beyond the last cue.
        if self.way != Way::Document && to < 59.0 {
            expect(
                &there,
                "caption",
                &json!(format!("cue {:.0}", (to / 10.0).floor())),
            )?;
        }
        if !self.footage.is_sought_by_range(self.browser.engine()) {
            return Ok(());
        }
        expect(&there, "loaded", &json!(false))?;
        let part = to / self.footage.seconds;
        let asked = |exchange: &Exchange| {
            let first = exchange.first().map(|first| self.footage.part(first));
            let there = first.is_some_and(|first| (first - part).abs() < 0.04);
            there && exchange.asked.target() == self.target() && exchange.response.status == 206
        };
        if self
            .relay
            .record(|record| record[before..].iter().any(asked))
        {
            Ok(())
        } else {
            Err(format!("no request for what is at {to}"))
        }
    }

    /// Runs a script about the player, and gives the player's state unless it has failed.
    pub async fn run(&self, script: &str, given: Value) -> Result<Value, String> {
        let state = self
            .browser
            .attempt(&with_player(script), vec![given])
            .await?;
        expect(&state, "error", &Value::Null)?;
        Ok(state)
    }

    /// Every answer was of the film and as its head said, and none was cut.
    pub fn check_answers(&self, film: &Bytes) {
        let record = self.relay.record(<[_]>::to_vec);
        let of_film = |exchange: &&Exchange| exchange.asked.target() == self.target();
        for exchange in record.iter().filter(of_film) {
            assert_ne!(exchange.ending, Ending::Cut, "{}", exchange.asked.head);
            check_answer(exchange, film);
        }
    }
}

/// A script about the player.
pub fn with_player(script: &str) -> String {
    format!("const player = document.querySelector('video, audio'); {script}")
}

/// The bytes of an answer are those that its head says, of this object, as far as they came.
pub fn check_answer(exchange: &Exchange, object: &Bytes) {
    let Exchange {
        asked, response, ..
    } = exchange;
    let length = object.len();
    let first = match response.status {
        // The player left before an answer came.
        0 => return,
        200 => 0,
        206 => exchange.first().expect("a range"),
        304 => return assert!(response.body.is_empty(), "{}", response.head),
        _ => panic!("{}\n{}", asked.head, response.head),
    };
    let last = asked.header("range").filter(|_| response.status == 206);
    let last = last.and_then(|range| range.rsplit_once('-')?.1.parse().ok());
    let last = last.map_or(length - 1, |last: usize| last.min(length - 1));
    if response.status == 206 {
        let range = format!("bytes {first}-{last}/{length}");
        assert_eq!(response.header("content-range"), Some(range.as_str()));
    }
    let promised = (last + 1 - first).to_string();
    assert_eq!(response.header("content-length"), Some(promised.as_str()));
    assert!(
        object[first..=last].starts_with(&response.body),
        "other bytes: {}\n{}",
        asked.head,
        response.head
    );
}

/// Fails unless the state has this value by this name.
pub fn expect(state: &Value, name: &str, expected: &Value) -> Result<(), String> {
    if &state[name] == expected {
        return Ok(());
    }
    Err(format!("{name} is not {expected}: {state}"))
}
