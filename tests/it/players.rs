//! Long films in real players: what they show, and what they ask for it.

use std::time::Duration;

use s3reel::cache::CacheConfig;
use serde_json::json;

use crate::support::browser::NOWHERE;
use crate::support::footage::{Footage, MOOV_FIRST, MOOV_LAST, TONE, WEBM};
use crate::support::relay::{Ending, Pace};
use crate::support::scene::{CAPTIONS, PACE, Scene, Way, captions, put};
use crate::support::scripted::answer;
use crate::support::{Browser, Engine, Relay, Scripted, TestS3, TestService, until};

const ALL: [Footage; 4] = [MOOV_FIRST, MOOV_LAST, WEBM, TONE];

/// How long a viewer may take nothing before its read of S3 is given up.
const HOLD: Duration = Duration::from_millis(300);

/// Plays everything in every way over the embedded S3, and a film over the foreign one.
async fn plays(engine: Engine) {
    let browser = Browser::start(engine).await;
    for s3 in TestS3::all().await {
        let hold = |config: &mut crate::support::service::Setup| config.web.viewer_hold = HOLD;
        let bare = TestService::with(&s3, hold).await;
        let caching = TestService::with(&s3, |config| {
            hold(config);
            config.cache = CacheConfig::default();
        })
        .await;
        put(&s3, CAPTIONS, "text/vtt", captions().into()).await;
        let (footage, ways) = match s3 {
            TestS3::Embedded { .. } => (&ALL[..], &Way::ALL[..]),
            TestS3::Foreign { .. } => (&ALL[..1], &Way::ALL[1..2]),
        };
        for footage in footage {
            let film = footage.bytes();
            put(&s3, footage.name, footage.content_type, film.clone()).await;
            for &way in ways {
                let service = match way {
                    Way::SameOrigin => &bare,
                    Way::CrossOrigin | Way::Document => &caching,
                };
                let pace = if footage.is_sought_by_range(engine) {
                    PACE
                } else {
                    Pace::FULL
                };
                let scene = Scene {
                    browser: &browser,
                    // Another line is another origin, of which the browser has kept nothing.
                    relay: &Relay::before(service.address(), pace).await,
                    footage: *footage,
                    way,
                };
                let performed = scene.perform().await;
                let what = format!("{} {way:?} {}", footage.name, s3.name());
                performed.unwrap_or_else(|error| panic!("{what}: {error}"));
                scene.check_answers(&film);
            }
        }
        if matches!(s3, TestS3::Embedded { .. }) {
            outlives_the_hold(&browser, &bare).await;
        }
        browser.open(NOWHERE).await;
    }
    fails_without_ranges(&browser).await;
}

/// What all of this says of a server that always answers with the whole.
async fn fails_without_ranges(browser: &Browser) {
    let film = MOOV_FIRST.bytes();
    let server = Scripted::start(move |asked| {
        let is_captions = asked.target().ends_with(CAPTIONS);
        let (content_type, body) = if is_captions {
            ("text/vtt", captions().into())
        } else {
            ("video/mp4", film.clone())
        };
        vec![answer("200 OK", &[("Content-Type", content_type)], body)]
    })
    .await;
    let scene = Scene {
        browser,
        relay: &Relay::before(server.address(), PACE).await,
        footage: MOOV_FIRST,
        way: Way::SameOrigin,
    };
    let error = scene.perform().await.unwrap_err();
    println!("without ranges: {error}");
    // All else is as it should be.
    let known = ["error is not null", "is reached", "no request for"];
    assert!(known.iter().any(|known| error.contains(known)), "{error}");
    browser.open(NOWHERE).await;
}

/// A player that takes nothing for longer than the hold plays on when it goes on.
async fn outlives_the_hold(browser: &Browser, service: &TestService) {
    let scene = Scene {
        browser,
        relay: &Relay::before(service.address(), Pace::FULL).await,
        footage: TONE,
        way: Way::SameOrigin,
    };
    let film = scene.target();
    scene.begin().await.expect("a beginning");
    let pause = "player.pause(); return state(player);";
    scene.run(pause, json!(null)).await.expect("a paused film");
    // WebKitGTK pauses its own reading only when it has the whole film.
    let stops_reading = browser.engine() != Engine::WebKit;
    let expected = if stops_reading {
        Ending::Open
    } else {
        Ending::Whole
    };
    until("nothing of S3 is held for it", async || {
        let last = scene.relay.record(|record| {
            let mut last = record.iter().rev();
            let last = last.find(|exchange| exchange.asked.target() == film);
            last.map(|exchange| exchange.ending)
        });
        last == Some(expected) && service.figure("s3reel_s3_bodies_open").await == 0.0
    })
    .await;
    let resumed = "s3reel_s3_resumes_total{outcome=\"ok\",reason=\"viewer_paused\"}";
    let before = service.figure(resumed).await;
    let goes_on = "const { buffered, duration } = player;
        const edge = Math.min(buffered.end(buffered.length - 1), duration - 3);
        player.currentTime = edge - 0.5;
        player.play().catch(() => {});
        await until('it plays past the edge', () => player.error || player.currentTime > edge + 0.5);
        return state(player);";
    until("S3 is asked again", async || {
        // The browser's own connection holds much: it may take several times.
        let went_on = scene.run(goes_on, json!(null)).await;
        went_on.expect("a film that goes on");
        !stops_reading || service.figure(resumed).await > before
    })
    .await;
    scene.check_answers(&TONE.bytes());
    browser.open(NOWHERE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_plays_and_seeks_in_everything_however_it_comes_to_it() {
    plays(Engine::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_plays_and_seeks_in_everything_however_it_comes_to_it() {
    plays(Engine::Firefox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webkit_plays_and_seeks_in_everything_however_it_comes_to_it() {
    plays(Engine::WebKit).await;
}
