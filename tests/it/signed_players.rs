//! Private media in real players: one cookie opens a folder, and nothing beside it.

use s3reel::cache::CacheConfig;
use serde_json::{Value, json};

use crate::support::browser::NOWHERE;
use crate::support::page::sample;
use crate::support::relay::Pace;
use crate::support::scene::put;
use crate::support::signed::{LATER, Link, sign_everything};
use crate::support::{Browser, Engine, Relay, TestS3, TestService};

/// What is in the folder: name, type, and whether it has a picture.
const FOLDER: [(&str, &str, bool); 4] = [
    ("clock.mp4", "video/mp4", true),
    ("clock-moov-last.mp4", "video/mp4", true),
    ("clock.webm", "video/webm", true),
    ("tone.mp3", "audio/mpeg", false),
];

/// A playlist of parts that name no signature, as HLS has them.
const PLAYLIST: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\npart-1.ts\n#EXT-X-ENDLIST\n";

/// Plays a whole folder with a cookie for it, and nothing without.
async fn plays_a_folder(engine: Engine) {
    let s3 = TestS3::embedded().await;
    for (name, content_type, _) in FOLDER {
        for folder in ["films", "other"] {
            put(
                &s3,
                &format!("{folder}/{name}"),
                content_type,
                sample(name).into(),
            )
            .await;
        }
    }
    put(
        &s3,
        "films/clock.vtt",
        "text/vtt",
        sample("clock.vtt").into(),
    )
    .await;
    put(
        &s3,
        "films/clock.jpg",
        "image/jpeg",
        sample("clock.jpg").into(),
    )
    .await;
    put(
        &s3,
        "films/hls/list.m3u8",
        "application/vnd.apple.mpegurl",
        PLAYLIST.into(),
    )
    .await;
    put(
        &s3,
        "films/hls/part-1.ts",
        "video/mp2t",
        vec![0x47; 188].into(),
    )
    .await;
    let service = TestService::with(&s3, |config| {
        sign_everything(config);
        config.cache = CacheConfig::default();
    })
    .await;
    let browser = Browser::start(engine).await;
    let relay = Relay::before(service.address(), Pace::FULL).await;
    let run = async |script: &str, given: Value| browser.run(script, vec![given]).await;
    browser.open(&relay.page()).await;

    // Nothing plays before the cookies are there.
    let status = "return (await ask(given[0])).status;";
    assert_eq!(run(status, json!("/films/clock.mp4")).await, 403);
    let fails = "const player = add('video', { src: given[0] });
        player.load();
        await first(player, 'error');
        const { code } = player.error;
        dismiss(player);
        return code;";
    assert_eq!(run(fails, json!("/films/clock.mp4")).await, 4);

    let cookies = Link::of_ours("/films/", Some("/films/*"), ("KECDSA", "ecdsa"), LATER);
    let set = "for (const cookie of given[0]) document.cookie = cookie + '; path=/films/';";
    run(set, json!(cookies.cookies())).await;
    for (name, _, has_picture) in FOLDER {
        let play = "const [name, kind] = given[0];
            const player = add(kind, { src: '/films/' + name, poster: '/films/clock.jpg' });
            const found = kind === 'video' ? await cues(player, '/films/clock.vtt') : 8;
            const seen = await watch(player);
            dismiss(player);
            return { ...seen, found };";
        let kind = if has_picture { "video" } else { "audio" };
        let seen = run(play, json!([name, kind])).await;
        let reached = seen["reached"].as_f64().unwrap_or_default();
        assert!((0.75..0.85).contains(&reached), "{engine:?} {name}: {seen}");
        assert_eq!(seen["found"], 8, "{engine:?} {name}: {seen}");
        let colours = seen["pixels"].as_u64().unwrap_or_default();
        assert!(!has_picture || colours > 20, "{engine:?} {name}: {seen}");
    }
    // What playlists name has no signature of its own, and needs none.
    for name in ["hls/list.m3u8", "hls/part-1.ts", "clock.jpg"] {
        assert_eq!(
            run(status, json!(format!("/films/{name}"))).await,
            200,
            "{name}"
        );
    }
    let shown = "const image = add('img', { src: '/films/clock.jpg' });
        return [await first(image, 'load', 'error'), image.naturalWidth > 0];";
    assert_eq!(run(shown, Value::Null).await, json!(["load", true]));

    // Beside the folder nothing is open.
    assert_eq!(run(status, json!("/other/clock.mp4")).await, 403);
    assert_eq!(run(fails, json!("/other/clock.mp4")).await, 4);
    // Every answer with a film of the folder came by the cookies, and by none in an address.
    relay.record(|record| {
        for exchange in record {
            let target = exchange.asked.target();
            assert!(!target.contains('?'), "{target}");
            let has_cookies = exchange.asked.header("cookie").is_some();
            if matches!(exchange.response.status, 200 | 206) {
                assert!(
                    has_cookies && target.starts_with("/films/"),
                    "{}",
                    exchange.asked.head
                );
            }
        }
    });
    browser.open(NOWHERE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_cookie_plays_a_whole_folder_in_chromium() {
    plays_a_folder(Engine::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_cookie_plays_a_whole_folder_in_firefox() {
    plays_a_folder(Engine::Firefox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_cookie_plays_a_whole_folder_in_webkit() {
    plays_a_folder(Engine::WebKit).await;
}
