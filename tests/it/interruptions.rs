//! What goes wrong behind us while a film plays, as a viewer with a real player feels it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use s3reel::cache::CacheConfig;
use serde_json::json;

use crate::support::browser::NOWHERE;
use crate::support::film::{Break, Mishaps, film_with};
use crate::support::footage::{MOOV_FIRST, SECOND_VERSION};
use crate::support::relay::{Ending, Exchange, Pace};
use crate::support::scene::{PACE, Scene, Way, check_answer, put};
use crate::support::{Browser, Engine, Relay, TestS3, TestService, until};

/// Where S3 breaks off, and how: on the way to what is played in the first nine seconds.
const BREAKS: [(usize, Break); 4] = [
    (500_000, Break::Reset),
    (1_000_000, Break::Stall),
    (1_500_000, Break::Close),
    (2_000_000, Break::Stall),
];

/// Faster than [`PACE`], for what a browser has to read before it tells what it makes of it.
const SWIFT: Pace = Pace {
    burst: 256 * 1024,
    rate: 3 * 1024 * 1024,
};

/// A film on a page, over a line to a service.
async fn scene_over<'a>(
    browser: &'a Browser,
    service: &TestService,
    pace: Pace,
    relay: &'a mut Option<Relay>,
) -> Scene<'a> {
    let scene = Scene {
        browser,
        relay: relay.insert(Relay::before(service.address(), pace).await),
        footage: MOOV_FIRST,
        way: Way::SameOrigin,
    };
    scene.start().await.expect("a beginning");
    scene
}

/// S3 resets, stalls and throttles while a film plays, and the player does not notice.
async fn outlives_faults(browser: &Browser, cache: CacheConfig) {
    let film = MOOV_FIRST.bytes();
    let mishaps = Arc::new(Mutex::new(Mishaps {
        breaks: BREAKS.into(),
        refusals_after_break: 1,
        ..Mishaps::default()
    }));
    let origin = film_with(film.clone(), Arc::clone(&mishaps)).await;
    let service = TestService::at_address(origin.address(), |config| {
        config.cache = cache;
        config.s3.timeouts.idle = Duration::from_millis(300);
    })
    .await;
    let mut relay = None;
    let scene = scene_over(browser, &service, PACE, &mut relay).await;
    // Around each of them it is looked at what came.
    let times: Vec<_> = BREAKS
        .iter()
        .map(|&(at, _)| MOOV_FIRST.part(at) * MOOV_FIRST.seconds)
        .collect();
    let script = "const loaded = () => player.buffered.length && player.buffered.end(0);
        await until('it is loaded', () => player.error || loaded() > given[0].at(-1) + 1);
        for (const at of given[0]) {
          if (player.error) break;
          player.currentTime = at - 0.3;
          await until(`it plays past ${at}`, () => player.error || player.currentTime > at + 0.3);
        }
        return state(player);";
    let played = scene.run(script, json!(times)).await;
    played.expect("a film that plays on");
    let left = mishaps.lock().expect("a lock").breaks.clone();
    assert!(left.is_empty(), "{left:?} did not happen");
    // No player had to help itself.
    scene.check_answers(&film);
    browser.open(NOWHERE).await;
}

/// Every answer is of one version, the one that its tag names. Gives those of the second one.
fn of_second_version(scene: &Scene) -> Vec<Exchange> {
    let record = scene.relay.record(<[_]>::to_vec);
    let mut tags = record.iter();
    let first = tags.find_map(|exchange| exchange.response.header("etag"));
    let first = first.expect("a tag").to_owned();
    let (old, new) = (MOOV_FIRST.bytes(), SECOND_VERSION.bytes());
    let mut second = Vec::new();
    for exchange in record {
        let tag = exchange.response.header("etag");
        if tag.is_some_and(|tag| tag != first) {
            check_answer(&exchange, &new);
            let asked_for = exchange.asked.header("if-range");
            // Who asks for the rest of the first gets all of the second.
            if asked_for == Some(&first) {
                assert_eq!(exchange.response.status, 200, "{}", exchange.asked.head);
            }
            second.push(exchange);
        } else {
            check_answer(&exchange, &old);
        }
    }
    second
}

/// Chromium asks for the rest of what it has, and gets the whole that there is; the others ask for
/// the rest of whatever there is.
fn check_condition(engine: Engine, second: &[Exchange]) {
    let conditional = second
        .iter()
        .filter(|exchange| exchange.asked.header("if-range").is_some());
    assert_eq!(conditional.count() > 0, engine == Engine::Chromium);
}

/// The film is replaced while it plays, and the viewer seeks.
async fn is_replaced(browser: &Browser) {
    let s3 = TestS3::embedded().await;
    let key = MOOV_FIRST.name;
    put(&s3, key, "video/mp4", MOOV_FIRST.bytes()).await;
    let service = TestService::over(&s3).await;
    let mut relay = None;
    let scene = scene_over(browser, &service, SWIFT, &mut relay).await;
    put(&s3, key, "video/mp4", SECOND_VERSION.bytes()).await;
    // What players make of two versions is their own: here, none shows a mix.
    let seen = scene.run("return leap(player, given[0]);", json!(48)).await;
    let error = seen.unwrap_err();
    println!("replaced: {error}");
    let second = of_second_version(&scene);
    assert!(!second.is_empty(), "nothing of the second version");
    check_condition(browser.engine(), &second);
    browser.open(NOWHERE).await;
}

/// The film is replaced while it plays, and S3 breaks off what is left of the first version.
async fn is_replaced_and_breaks_off(browser: &Browser) {
    let mishaps = Arc::new(Mutex::new(Mishaps {
        // No reset, which would throw away what is on its way. Twice, as WebKitGTK leaves its first
        // request soon.
        breaks: [(1_500_000, Break::Close); 2].into(),
        successor: Some(SECOND_VERSION.bytes()),
        ..Mishaps::default()
    }));
    let origin = film_with(MOOV_FIRST.bytes(), mishaps).await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let mut relay = None;
    let scene = scene_over(browser, &service, PACE, &mut relay).await;
    // Nothing can be continued, and the player has to see that.
    let cut = |exchange: &Exchange| exchange.ending == Ending::Cut;
    until("the answer is cut", async || {
        scene.relay.record(|record| record.iter().any(cut))
    })
    .await;
    // A WebKit player never asks again.
    if browser.engine() != Engine::WebKit {
        until("the player asks again", async || {
            !of_second_version(&scene).is_empty()
        })
        .await;
    }
    let second = of_second_version(&scene);
    check_condition(browser.engine(), &second);
    browser.open(NOWHERE).await;
}

async fn goes_on(engine: Engine) {
    let browser = Browser::start(engine).await;
    let without = CacheConfig {
        memory: 0,
        ..CacheConfig::default()
    };
    for cache in [without, CacheConfig::default()] {
        outlives_faults(&browser, cache).await;
    }
    is_replaced(&browser).await;
    is_replaced_and_breaks_off(&browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_plays_on_through_faults_of_s3_and_gets_no_answer_of_two_versions() {
    goes_on(Engine::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_plays_on_through_faults_of_s3_and_gets_no_answer_of_two_versions() {
    goes_on(Engine::Firefox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webkit_plays_on_through_faults_of_s3_and_gets_no_answer_of_two_versions() {
    goes_on(Engine::WebKit).await;
}
