//! `s3reel check` as people run it: against broken servers, against those of others, against ours.

mod chromium;
mod films;
mod hostile;
mod manual;
mod peers;
mod servers;
mod table;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Output;
use std::time::{Duration, Instant};

use s3reel::check::limits::Limits;
use s3reel::check::target::MediaUrl;
use s3reel::storage::s3::connector::Trust;
use serde_json::Value;

use crate::support::program::command;
use crate::support::scripted::answer;
use crate::support::{Scripted, Step, TestS3, TestService};
use films::Film;
use servers::{Answer, server};
use table::ROWS;

/// Runs the program without blocking the servers of the test.
async fn run(arguments: &[&str]) -> Output {
    let mut command = command(&["check"]);
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output());
    output.await.expect("a thread").expect("a process")
}

/// What it prints with `--json` about one address, and its exit code.
async fn json(url: &str) -> (Value, Option<i32>) {
    let output = run(&["--json", url]).await;
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (report["urls"][0].clone(), output.status.code())
}

/// What becomes of the film in a player: `plays`, or how and by which rule it does not.
fn verdict(report: &Value, player: &str) -> String {
    let players = report["players"].as_array().expect("players");
    let found = players.iter().find(|one| one["player"] == player);
    let player = found.unwrap_or_else(|| panic!("no {player} in {report:#}"));
    let findings = player["findings"].as_array().expect("findings");
    let names: BTreeSet<_> = findings.iter().map(|one| one["rule"].as_str()).collect();
    assert_eq!(
        names.len(),
        findings.len(),
        "a rule is told twice: {player:#}"
    );
    let fatal = findings.iter().find(|finding| finding["fails"] == true);
    let first = fatal.or_else(|| findings.first());
    let rule = first.map_or("", |finding| finding["rule"].as_str().expect("a name"));
    match player["verdict"].as_str() {
        Some("fails") => format!("fails: {rule}"),
        Some("plays-with-a-warning") => format!("warns: {rule}"),
        Some(other) => other.to_owned(),
        None => panic!("no verdict"),
    }
}

/// The names of the rules that are noted.
fn notes(report: &Value) -> Vec<&str> {
    let notes = report["notes"].as_array().expect("notes");
    let names = notes.iter().map(|note| note["rule"].as_str());
    names.map(|name| name.expect("a name")).collect()
}

const PLAYERS: [&[&str]; 4] = [
    &["Safari (macOS)", "AVPlayer (macOS)", "AVPlayer (iOS)"],
    &["Chromium"],
    &["Firefox"],
    &["WebKitGTK"],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_server_fails_where_it_breaks_a_player_and_nowhere_else() {
    let mut wrong = String::new();
    for row in ROWS {
        let server = server(row.film.bytes(), row.flaw).await;
        let (report, code) = json(&format!("http://{}/film", server.address())).await;
        for (players, expected) in PLAYERS.iter().zip(row.verdicts) {
            for player in *players {
                let verdict = verdict(&report, player);
                if verdict != expected {
                    let _ = writeln!(wrong, "{}: {player} {verdict}, not {expected}", row.what);
                }
            }
        }
        let fails = row
            .verdicts
            .iter()
            .any(|verdict| verdict.starts_with("fails"));
        assert_eq!(code, Some(i32::from(fails)), "{}", row.what);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_service_plays_every_sample_in_every_player_without_a_warning() {
    for s3 in TestS3::all().await {
        let service = TestService::over(&s3).await;
        for (name, bytes) in s3reel::embedded_s3::samples::SAMPLES {
            s3.put(name, *bytes).await;
        }
        for (name, of_the_file) in [
            ("clock.mp4", vec![]),
            ("tone.mp3", vec![]),
            ("clock-moov-last.mp4", vec!["index-is-first"]),
        ] {
            let url = format!("http://{}/{name}", service.address());
            let (report, code) = json(&url).await;
            for player in PLAYERS.concat() {
                assert_eq!(verdict(&report, player), "plays", "{name}: {report:#}");
            }
            assert_eq!(notes(&report), of_the_file, "{name}, {}", s3.name());
            assert_eq!(code, Some(0));
        }
        // What may fail here is the container, wherever it is served.
        let url = format!("http://{}/clock.webm", service.address());
        let (report, code) = json(&url).await;
        assert_eq!(
            verdict(&report, "AVPlayer (iOS)"),
            "warns: container-is-known"
        );
        assert_eq!(verdict(&report, "Firefox"), "plays");
        assert_eq!((notes(&report), code), (vec![], Some(0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_player_asks_what_was_recorded_of_it() {
    let film = Film::Last.bytes();
    let last = film.len() - 1;
    let moov = film
        .windows(4)
        .position(|four| four == b"moov")
        .expect("moov")
        - 4;
    let server = server(film, |_, answer, _| answer).await;
    let (report, code) = json(&format!("http://{}/film", server.address())).await;
    assert_eq!(code, Some(0), "{report:#}");
    let asked = server.asked();
    let of = |agent: &str, field: &str| -> Vec<String> {
        let by = asked.iter().filter(|asked| {
            let by_it = asked
                .header("User-Agent")
                .is_some_and(|known| known.contains(agent));
            // What is asked about the file itself and as a page carries no page's address.
            by_it && (agent.contains("CoreMedia") || asked.header("Referer").is_some())
        });
        by.map(|asked| asked.header(field).unwrap_or("-").to_owned())
            .collect()
    };
    let (seek, back) = ((last + 1) / 10 * 8, (last + 1) / 10 * 2);
    let iphone = of("AppleCoreMedia/1.0.0.21E219 (iPhone", "Range");
    assert_eq!(
        iphone[..2],
        ["bytes=0-1".to_owned(), format!("bytes=0-{last}")]
    );
    assert_eq!(iphone[2], "bytes=0-15");
    assert_eq!(
        iphone[iphone.len() - 4..],
        [
            format!("bytes={moov}-{last}"),
            format!("bytes={seek}-{last}"),
            format!("bytes={back}-{last}"),
            format!("bytes={}-{last}", last - 1),
        ]
    );
    let sessions = of(
        "AppleCoreMedia/1.0.0.21E219 (iPhone",
        "X-Playback-Session-Id",
    );
    assert!(
        sessions
            .iter()
            .all(|id| *id == sessions[0] && id.len() == 36),
        "{sessions:?}"
    );
    assert!(
        of("AppleCoreMedia", "If-Range")
            .iter()
            .all(|field| field == "-")
    );
    assert_eq!(of("Version/17.4 Safari", "Range").len(), iphone.len());

    let block = |position: usize| position - position % 32_768;
    assert_eq!(
        of("Chrome/156", "Range"),
        [
            "bytes=0-".to_owned(),
            format!("bytes={}-{last}", block(moov)),
            format!("bytes={}-{last}", block(seek)),
            format!("bytes={}-{last}", block(back)),
            "bytes=32768-65535".to_owned(),
        ]
    );
    assert_eq!(
        of("Chrome/156", "If-Range"),
        ["-", "\"v1\"", "\"v1\"", "\"v1\"", "-"]
    );
    assert_eq!(of("Chrome/156", "If-None-Match")[4], "\"v1\"");

    let firefox = of("Firefox/153", "Range");
    assert_eq!(firefox[0], "bytes=0-");
    assert!(firefox.contains(&format!("bytes={}-", block(seek))));
    assert_eq!(firefox.last(), Some(&format!("bytes={}-", block(last))));
    assert!(
        firefox.iter().all(|range| range.ends_with('-')),
        "{firefox:?}"
    );
    assert!(
        of("Firefox/153", "If-Range")
            .iter()
            .all(|field| field == "-")
    );

    let webkit = of("Version/26.0 Safari", "Range");
    assert_eq!(webkit[..2], ["-".to_owned(), format!("bytes={seek}-")]);
    assert!(
        of("Version/26.0 Safari", "Connection")
            .iter()
            .all(|field| field == "close")
    );
    // A body that is left is left by closing.
    crate::support::until("all is closed", async || server.connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_no_player_is_noted() {
    let flaws: [(&str, servers::Flaw, &[&str]); 7] = [
        (
            "a weak tag",
            |_, answer, _| answer.with("ETag", "W/\"v1\""),
            &["etag-is-strong"],
        ),
        (
            "no tag",
            |_, answer, _| answer.without("ETag"),
            &["etag-is-strong"],
        ),
        (
            "HEAD is refused",
            |asked, answer, _| {
                let is_head = asked.line.starts_with("HEAD");
                if is_head {
                    Answer::refusal("405 Method Not Allowed")
                } else {
                    answer
                }
            },
            &["head-is-like-get"],
        ),
        (
            "HEAD has another length",
            |asked, answer, _| {
                let is_head = asked.line.starts_with("HEAD");
                if is_head {
                    answer.with("Content-Length", "0")
                } else {
                    answer
                }
            },
            &["head-is-like-get"],
        ),
        (
            "no CORS",
            |_, answer, _| answer.without("Access-Control-Allow-Origin"),
            &["cors-allows-pages"],
        ),
        (
            "CORS for anybody, with credentials",
            |_, answer, _| answer.with("Access-Control-Allow-Credentials", "true"),
            &["cors-names-the-page-with-credentials"],
        ),
        (
            "a redirect",
            |asked, answer, _| {
                if asked.line.contains(" /film ") {
                    return Answer::refusal("302 Found").with("Location", "/films/one");
                }
                answer
            },
            &["no-redirect"],
        ),
    ];
    for (what, flaw, expected) in flaws {
        let server = server(Film::First.bytes(), flaw).await;
        let (report, code) = json(&format!("http://{}/film", server.address())).await;
        assert_eq!(notes(&report), expected, "{what}: {report:#}");
        assert_eq!(code, Some(0), "{what}");
        assert_eq!(verdict(&report, "Safari (macOS)"), "plays", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_names_the_rule_the_request_the_answer_the_source_and_the_fix() {
    let row = ROWS
        .iter()
        .find(|row| row.what.contains("for the two bytes"))
        .expect("a row");
    let server = server(row.film.bytes(), row.flaw).await;
    let url = format!("http://{}/film?key=a", server.address());
    let output = run(&[&url]).await;
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).expect("text");
    for words in [
        "video/mp4, 1046297 bytes, index first, tracks avc1 mp4a, ETag \"v1\"",
        "Safari (macOS)    fails                length-is-that-of-the-part",
        "Chromium          plays\n",
        "demands   Content-Length and body are LAST - FIRST + 1 bytes",
        "asked     GET /film?key=a, Accept-Encoding: identity, Range: bytes=0-1",
        "answered  206 Partial Content, content-range: bytes 0-1/1046297, content-length: 1",
        "seen      Content-Length is 1 for a part of 2 bytes",
        "fails in  Safari (macOS), AVPlayer (macOS), AVPlayer (iOS): asks for the rest for ever",
        "source: public report, https://github.com/kiwix/kiwix-apple/pull/768",
        "fix       Count both ends: bytes 0-1 are two bytes.",
    ] {
        assert!(told.contains(words), "no {words:?} in\n{told}");
    }
}
