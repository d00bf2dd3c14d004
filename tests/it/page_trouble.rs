//! What the page under `/-/` makes of what goes wrong.

use s3reel::embedded_s3::shelf::Metadata;
use s3reel::web::Browse;

use crate::support::film::range_asked;
use crate::support::page::{MEDIA, Visit, sample};
use crate::support::scripted::{answer, raw};
use crate::support::{Asked, Browser, Scripted, Step, TestService, until};

#[tokio::test]
async fn what_cannot_be_played_is_explained_with_the_request_id() {
    let visit = Visit::begin().await;
    visit.s3.put("broken.mp4", "no film").await;
    visit.s3.put("empty.mp4", "").await;
    for (target, sentence, has_id) in [
        ("none.mp4", "There is no object with this key", true),
        (
            "broken.mp4",
            "the file is damaged, or this browser does not support its format",
            false,
        ),
        ("empty.mp4", "It is empty.", false),
        ("%FF.mp4", "This link is damaged", false),
    ] {
        visit.open(&format!("/-/player/{target}")).await;
        let told =
            format!("document.getElementById('problem-text').textContent.includes('{sentence}')");
        visit.see(&told).await;
        let text = visit.text("#problem").await;
        let id = text.split_once("(Request id: ").map(|(_, rest)| rest);
        assert_eq!(id.is_some(), has_id, "{text}");
        if let Some((id, _)) = id.and_then(|rest| rest.split_once(')')) {
            assert_eq!(id.len(), 16, "{text}");
        }
        let role = visit
            .run("return document.getElementById('problem').role;")
            .await;
        assert_eq!(role, "alert");
    }
    // Once it is there it plays.
    visit.open("/-/player/none.mp4").await;
    visit
        .see("!document.getElementById('problem').hidden")
        .await;
    visit.s3.put("none.mp4", sample("clock.mp4")).await;
    visit.browser.click("#retry").await;
    visit.see(&format!("{MEDIA}?.currentTime > 0.1")).await;
    let hidden = visit
        .run("return document.getElementById('problem').hidden;")
        .await;
    assert_eq!(hidden, true);
}

/// Stops the page's clock, and counts what it is about to do or waits for, so that only what is done
/// in front of it has an effect.
const STOP_CLOCK: &str = "const start = Date.now();
    window.later = 0;
    Date.now = () => start + later;
    window.pending = new Set();
    const [wait, end, ask] = [setTimeout, clearTimeout, fetch].map(one => one.bind(window));
    window.setTimeout = (act, ...given) => {
        const timer = wait(() => { pending.delete(timer); act(); }, ...given);
        pending.add(timer);
        return timer;
    };
    window.clearTimeout = timer => { pending.delete(timer); end(timer); };
    window.fetch = (...given) => {
        const asked = ask(...given);
        pending.add(asked);
        asked.finally(() => pending.delete(asked)).catch(() => {});
        return asked;
    };";

/// What makes the page ask whether a film is still the same.
const OCCASIONS: [(&str, &str); 3] = [
    ("seek", "film.currentTime = film.duration * 0.7;"),
    (
        "go on",
        "film.pause(); await until('it stops', () => film.paused); film.play();",
    ),
    ("play on", "later += 60_000;"),
];

#[tokio::test]
async fn an_object_that_is_replaced_while_it_plays_is_noticed_and_its_new_version_plays() {
    let visit = Visit::begin().await;
    // Kept by browsers without asking: the new version has to come all the same.
    let stored = |content_type: &str| Metadata {
        content_type: Some(content_type.to_owned()),
        cache_control: Some("max-age=3600".to_owned()),
        ..Metadata::default()
    };
    let versions = [("clock.mp4", "video/mp4"), ("clock.webm", "video/webm")];
    let put = async |version: usize| {
        let (name, content_type) = versions[version % 2];
        let metadata = stored(content_type);
        visit.s3.put_with("film", sample(name), metadata).await;
    };
    put(0).await;
    visit.open("/-/player/film").await;
    visit.run(STOP_CLOCK).await;
    visit.see(&format!("{MEDIA}?.readyState > 0")).await;
    let duration = format!("return {MEDIA}.duration;");
    let mut durations = vec![visit.run(&duration).await];
    visit
        .run(&format!("{MEDIA}.muted = true; await {MEDIA}.play();"))
        .await;
    for (round, (occasion, act)) in OCCASIONS.iter().enumerate() {
        visit
            .see(&format!("{MEDIA}.currentTime > 0.1 && !{MEDIA}.paused"))
            .await;
        let quiet = visit
            .run("return document.getElementById('problem').hidden;")
            .await;
        assert_eq!(quiet, true, "{occasion}");
        visit.see("pending.size === 0").await;
        put(round + 1).await;
        visit.run(&format!("const film = {MEDIA}; {act}")).await;
        // What is not shown has no words.
        visit.see("document.getElementById('problem').innerText.includes('was replaced') && document.getElementById('problem').checkVisibility()").await;
        visit.see(&format!("{MEDIA}.paused")).await;
        assert_eq!(
            visit.text("#retry").await,
            "Play the new version",
            "{occasion}"
        );
        visit.browser.click("#retry").await;
        visit
            .see(&format!(
                "{MEDIA}.currentTime > 0.1 && !{MEDIA}.paused && !{MEDIA}.error"
            ))
            .await;
        durations.push(visit.run(&duration).await);
    }
    // Each round has shown the other film.
    assert_ne!(durations[0], durations[1], "{durations:?}");
    assert_eq!(durations[0..2], durations[2..4]);

    visit.s3.remove("film").await;
    visit.run(&format!("{MEDIA}.currentTime = 1;")).await;
    visit
        .see("document.getElementById('problem-text').textContent.includes('has been removed')")
        .await;
}

#[tokio::test]
async fn a_film_that_stays_the_same_is_never_said_to_be_replaced() {
    let visit = Visit::begin().await;
    visit.open("/-/player/clock.mp4").await;
    visit.run(STOP_CLOCK).await;
    visit.see(&format!("{MEDIA}?.readyState > 0")).await;
    visit
        .run(&format!("{MEDIA}.muted = true; await {MEDIA}.play();"))
        .await;
    for (occasion, act) in OCCASIONS {
        visit.see("pending.size === 0").await;
        let heads = visit.service.s3_calls("HeadObject").await;
        visit.run(&format!("const film = {MEDIA}; {act}")).await;
        until(occasion, async || {
            visit.service.s3_calls("HeadObject").await > heads
        })
        .await;
        visit.see(&format!("!{MEDIA}.paused")).await;
    }
    let quiet = visit
        .run("return document.getElementById('problem').hidden;")
        .await;
    assert_eq!(quiet, true);
}

/// An S3 that gives a film and denies its lists.
async fn without_lists() -> Scripted {
    let film = sample("clock.mp4");
    Scripted::start_denying_lists(move |asked: &Asked| -> Vec<Step> {
        let length = film.len().to_string();
        let mut fields = vec![("ETag", "\"1\""), ("Content-Type", "video/mp4")];
        if !asked.line.contains("/film.mp4") {
            return vec![raw("404 Not Found", &[("Content-Length", "0")], "")];
        }
        if asked.line.starts_with("HEAD") {
            fields.push(("Content-Length", &length));
            return vec![raw("200 OK", &fields, "")];
        }
        let Some((first, last)) = range_asked(asked, film.len()) else {
            return vec![answer("200 OK", &fields, film)];
        };
        let range = format!("bytes {first}-{last}/{length}");
        fields.push(("Content-Range", &range));
        vec![answer("206 Partial Content", &fields, &film[first..=last])]
    })
    .await
}

#[tokio::test]
async fn without_the_permission_to_list_the_page_says_so_and_plays_by_address() {
    let origin = without_lists().await;
    let service = TestService::at_address(origin.address(), |config| {
        config.web.browse = Browse::On;
    })
    .await;
    let refused = service.get("/-/list", &[]).await;
    assert_eq!(refused.status, 502);
    assert_eq!(refused.json()["type"], "urn:s3reel:problem:listing-denied");
    let browser = Browser::chromium().await;
    let url = format!("http://{}/-/player/film.mp4", service.address());
    browser.open(&url).await;
    let status = "await until('it is told', () => document.getElementById('status').innerText.includes('id:'));
        return document.getElementById('status').innerText;";
    let status = browser.run(status, vec![]).await;
    let status = status.as_str().unwrap();
    assert!(
        status.contains("its operator has to grant s3:ListBucket"),
        "{status}"
    );
    assert!(
        !status.contains("secret") && !status.contains("test-bucket"),
        "{status}"
    );
    let watch = format!("await until('it is there', () => {MEDIA}); return watch({MEDIA});");
    let seen = browser.run(&watch, vec![]).await;
    assert_eq!(seen["width"], 480, "{seen}");
}
