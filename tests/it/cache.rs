//! Each byte leaves S3 once: blocks in memory, seen from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use s3reel::cache::CacheConfig;
use s3reel::embedded_s3::shelf::Metadata;

use crate::support::film::{Fault, film, range_asked};
use crate::support::scripted::{answer, error, raw};
use crate::support::{Asked, Client, Scripted, Step, TestS3, TestService, content, in_time, until};

const MIB: usize = 1024 * 1024;

/// Turns the cache on, as it is by default.
fn caching(config: &mut crate::support::service::Setup) {
    config.cache = CacheConfig::default();
}

/// All calls to S3 for objects so far.
async fn calls(service: &TestService) -> f64 {
    service.s3_calls("GetObject").await + service.s3_calls("HeadObject").await
}

/// An S3 with one film of so many bytes, of which each read is counted and waits for the gate.
async fn counting(length: usize, gate: Arc<AtomicBool>, sent: Arc<AtomicUsize>) -> Scripted {
    let whole = content(1, length);
    Scripted::start(move |asked: &Asked| {
        let etag = ("ETag", "\"1\"");
        let video = ("Content-Type", "video/mp4");
        if asked.line.starts_with("HEAD") {
            let length = length.to_string();
            return vec![raw(
                "200 OK",
                &[etag, video, ("Content-Length", &length)],
                "",
            )];
        }
        let (first, last) = range_asked(asked, length).expect("a ranged read");
        sent.fetch_add(last - first + 1, Ordering::Relaxed);
        let told = format!("bytes {first}-{last}/{length}");
        let fields = [etag, video, ("Content-Range", told.as_str())];
        let all = answer("206 Partial Content", &fields, &whole[first..=last]);
        if gate.load(Ordering::Relaxed) {
            vec![all]
        } else {
            vec![Step::Hold]
        }
    })
    .await
}

fn open_gate() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

#[tokio::test]
async fn what_was_read_once_is_not_asked_for_again() {
    for s3 in TestS3::all().await {
        s3.put("film.mp4", content(1, 3 * MIB + 77)).await;
        let service = TestService::with(&s3, caching).await;
        let whole = service.get("/film.mp4", &[]).await;
        assert!(whole.body == content(1, 3 * MIB + 77));
        assert_eq!(
            whole.header("cache-status"),
            Some("s3reel; fwd=miss; stored")
        );
        assert_eq!(whole.header("age"), None);
        let before = calls(&service).await;
        for range in [
            "bytes=0-1",
            "bytes=1048570-1048580",
            "bytes=-77",
            "bytes=3145728-",
        ] {
            let part = service.get("/film.mp4", &[("Range", range)]).await;
            assert_eq!(part.status, 206, "{range}");
            assert_eq!(part.header("cache-status"), Some("s3reel; hit"), "{range}");
            assert!(part.header("age").is_some());
            assert_eq!(part.header("etag"), whole.header("etag"));
        }
        let parts = [("Range", "bytes=0-9,2000000-2000009")];
        assert_eq!(service.get("/film.mp4", &parts).await.status, 206);
        let tag = whole.header("etag").unwrap();
        let unchanged = service.get("/film.mp4", &[("If-None-Match", tag)]).await;
        assert_eq!(unchanged.status, 304);
        let head = service.ask("HEAD", "/film.mp4", &[]).await;
        assert_eq!(head.header("content-length"), Some("3145805"));
        assert!(
            (calls(&service).await - before).abs() < 0.5,
            "S3 was asked again"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stampede_is_one_download() {
    let length = 20 * MIB;
    let (gate, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let origin = counting(length, Arc::clone(&gate), Arc::clone(&sent)).await;
    let service = TestService::at_address(origin.address(), |config| {
        caching(config);
        config.s3.timeouts.first_byte = Duration::from_secs(1);
    })
    .await;
    let address = service.address();
    let viewers: Vec<_> = (0..40)
        .map(|_| {
            tokio::spawn(async move {
                let mut viewer = Client::connect(address).await;
                in_time("a film", viewer.ask("GET", "/film.mp4", &[])).await
            })
        })
        .collect();
    until("all ask", async || {
        service.figure("s3reel_requests_in_flight").await > 39.5
    })
    .await;
    // The first call hangs until all wait for it, and is made again: by one of them, though on a busy
    // machine more than once before all are there.
    until("one of them asks S3", async || !origin.asked().is_empty()).await;
    let hung = origin.asked().len();
    gate.store(true, Ordering::Relaxed);
    let whole = content(1, length);
    let mut collapsed = 0;
    for viewer in viewers {
        let response = viewer.await.unwrap();
        assert!(response.body == whole, "other bytes");
        collapsed +=
            usize::from(response.header("cache-status") == Some("s3reel; fwd=miss; collapsed"));
    }
    assert!(collapsed >= 30, "{collapsed}");
    let asked = origin.asked();
    let ranges: Vec<_> = asked
        .iter()
        .map(|asked| asked.header("range").unwrap())
        .collect();
    assert!(hung <= 4, "{ranges:?}");
    assert!(
        asked.len() <= length / (8 * MIB) + 2 + 1 + hung,
        "{ranges:?}"
    );
    // What was sent once more are the calls that hung.
    assert!(sent.load(Ordering::Relaxed) <= length + hung * MIB);
}

#[tokio::test]
async fn opening_to_the_end_and_leaving_again_and_again_pulls_little_more_than_is_watched() {
    let length = 64 * MIB;
    let sent = Arc::new(AtomicUsize::new(0));
    let origin = counting(length, open_gate(), Arc::clone(&sent)).await;
    let service = TestService::at_address(origin.address(), caching).await;
    let mut at = 0;
    for _ in 0..40 {
        let range = format!("bytes={at}-");
        let mut viewer = service.client().await;
        viewer
            .request("GET", "/film.mp4", &[("Range", &range)])
            .await;
        let (_, status) = viewer.head().await;
        assert_eq!(status, 206);
        let taken = in_time("a megabyte", viewer.take(1_000_000)).await;
        assert!(taken == content(1, at + 1_000_000)[at..]);
        at += 500_000;
    }
    let played = at + 500_000;
    let pulled = service.figure("s3reel_s3_bytes_total").await;
    let played = f64::from(u32::try_from(played).unwrap());
    println!("{pulled} bytes for {played}");
    assert!(pulled <= played * 1.3, "{pulled} bytes for {played}");
    // Also what was asked for and then not taken stays within bounds.
    let asked = f64::from(u32::try_from(sent.load(Ordering::Relaxed)).unwrap());
    assert!(asked <= played * 2.0, "asked for {asked} bytes");
}

#[tokio::test]
async fn a_probe_and_a_read_of_the_tail_fetch_a_block_each() {
    let length = 20 * MIB;
    let sent = Arc::new(AtomicUsize::new(0));
    let origin = counting(length, open_gate(), Arc::clone(&sent)).await;
    let service = TestService::at_address(origin.address(), caching).await;
    for range in ["bytes=0-1", "bytes=20900000-"] {
        let part = service.get("/film.mp4", &[("Range", range)]).await;
        assert_eq!(part.status, 206);
    }
    assert_eq!(origin.asked().len(), 2);
    assert_eq!(sent.load(Ordering::Relaxed), 2 * MIB);
}

#[tokio::test]
async fn a_viewer_that_leaves_ends_nothing_that_another_waits_for() {
    let (gate, sent) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let origin = counting(MIB, Arc::clone(&gate), sent).await;
    let service = TestService::at_address(origin.address(), |config| {
        caching(config);
        config.s3.timeouts.first_byte = Duration::from_secs(1);
    })
    .await;
    let mut first = service.client().await;
    first.request("GET", "/film.mp4", &[]).await;
    until("S3 is asked", async || origin.asked().len() == 1).await;
    let mut second = service.client().await;
    second.request("GET", "/film.mp4", &[]).await;
    until("both wait", async || {
        service.figure("s3reel_requests_in_flight").await > 1.5
    })
    .await;
    drop(first);
    gate.store(true, Ordering::Relaxed);
    let response = in_time("the film", second.response("GET")).await;
    assert!(response.body == content(1, MIB));
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_given_up() {
    let gate = Arc::new(AtomicBool::new(false));
    let origin = counting(MIB, gate, Arc::default()).await;
    let service = TestService::at_address(origin.address(), |config| {
        caching(config);
        config.s3.timeouts.first_byte = Duration::from_secs(30);
    })
    .await;
    let mut viewer = service.client().await;
    viewer.request("GET", "/film.mp4", &[]).await;
    until("S3 is asked", async || origin.asked().len() == 1).await;
    let open = origin.connections();
    drop(viewer);
    let left = Instant::now();
    until("the call is given up", async || origin.connections() < open).await;
    assert!(
        left.elapsed() < Duration::from_secs(3),
        "{:?}",
        left.elapsed()
    );
}

#[tokio::test]
async fn a_new_version_and_a_corrected_type_are_seen_within_the_ttl() {
    for s3 in TestS3::all().await {
        let typed = |content_type: &str| Metadata {
            content_type: Some(content_type.to_owned()),
            ..Metadata::default()
        };
        s3.put_with("film.mp4", content(1, 100_000), typed("video/x-wrong"))
            .await;
        let ttl = Duration::from_secs(2);
        let service = TestService::with(&s3, |config| {
            caching(config);
            config.cache.metadata_ttl = ttl;
        })
        .await;
        let old = service.get("/film.mp4", &[]).await;
        assert_eq!(old.header("content-type"), Some("video/x-wrong"));
        // The same bytes and so the same tag, with another type.
        let asked = Instant::now();
        s3.put_with("film.mp4", content(1, 100_000), typed("video/mp4"))
            .await;
        let believed = service.get("/film.mp4", &[]).await;
        if asked.elapsed() < ttl / 2 {
            assert_eq!(believed.header("content-type"), Some("video/x-wrong"));
        }
        until("the corrected type", async || {
            let response = service.get("/film.mp4", &[]).await;
            assert!(response.body == content(1, 100_000));
            response.header("content-type") == Some("video/mp4")
        })
        .await;
        let overwritten = Instant::now();
        s3.put_with("film.mp4", content(2, 100_000), typed("video/mp4"))
            .await;
        until("the new version", async || {
            service.get("/film.mp4", &[]).await.body == content(2, 100_000)
        })
        .await;
        assert!(overwritten.elapsed() < ttl + Duration::from_secs(5));
    }
}

#[tokio::test]
async fn without_a_ttl_every_request_is_asked_about_and_bytes_are_kept() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 100_000)).await;
    let service = TestService::with(&s3, |config| {
        caching(config);
        config.cache.metadata_ttl = Duration::ZERO;
    })
    .await;
    for version in 1..10 {
        s3.put("film.mp4", content(version, 100_000)).await;
        for fresh in [true, false] {
            let bytes = service.figure("s3reel_s3_bytes_total").await;
            let response = service.get("/film.mp4", &[]).await;
            assert!(response.body == content(version, 100_000), "{version}");
            let pulled = service.figure("s3reel_s3_bytes_total").await - bytes;
            assert_eq!(pulled > 0.5, fresh, "{pulled} bytes for version {version}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_not_there_is_asked_for_once_a_moment_and_seen_when_it_comes() {
    let s3 = TestS3::embedded().await;
    let service = TestService::with(&s3, caching).await;
    for _ in 0..5 {
        assert_eq!(service.get("/film.mp4", &[]).await.status, 404);
    }
    let figure = "s3reel_s3_requests_total{operation=\"GetObject\",outcome=\"not_found\"}";
    assert!(service.figure(figure).await < 3.5);
    s3.put("film.mp4", content(1, 1000)).await;
    let stored = Instant::now();
    until("it is there", async || {
        service.get("/film.mp4", &[]).await.status == 200
    })
    .await;
    assert!(stored.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn purging_forgets_a_key_at_once() {
    let s3 = TestS3::embedded().await;
    s3.put("my film.mp4", content(1, 1000)).await;
    let service = TestService::with(&s3, caching).await;
    service.get("/my%20film.mp4", &[]).await;
    s3.put("my film.mp4", content(2, 1000)).await;
    assert!(service.get("/my%20film.mp4", &[]).await.body == content(1, 1000));
    let purged = service.admin_ask("POST", "/purge?key=my%20film.mp4").await;
    assert_eq!(purged.status, 200);
    assert!(service.get("/my%20film.mp4", &[]).await.body == content(2, 1000));
    assert_eq!(service.admin_ask("POST", "/purge").await.status, 400);
    assert_eq!(
        service.admin_ask("POST", "/purge?key=%zz").await.status,
        400
    );
    assert_eq!(service.admin_ask("GET", "/purge?key=a").await.status, 405);
}

#[tokio::test]
async fn while_s3_is_down_what_is_known_is_told_for_as_long_as_is_set() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let origin = Scripted::start(move |asked: &Asked| {
        if is_down.load(Ordering::Relaxed) {
            return vec![error("503 Service Unavailable", "ServiceUnavailable")];
        }
        let fields = [("ETag", "\"1\""), ("Content-Type", "video/mp4")];
        if asked.line.starts_with("HEAD") {
            return vec![raw(
                "200 OK",
                &[fields[0], fields[1], ("Content-Length", "1000")],
                "",
            )];
        }
        let told = [fields[0], fields[1], ("Content-Range", "bytes 0-999/1000")];
        vec![answer("206 Partial Content", &told, content(1, 1000))]
    })
    .await;
    for (stale, status) in [(Duration::from_mins(1), 200), (Duration::ZERO, 503)] {
        down.store(false, Ordering::Relaxed);
        let service = TestService::at_address(origin.address(), |config| {
            caching(config);
            config.cache.metadata_ttl = Duration::from_millis(50);
            config.cache.stale_if_error = stale;
        })
        .await;
        assert_eq!(service.get("/film.mp4", &[]).await.status, 200);
        down.store(true, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let response = service.get("/film.mp4", &[]).await;
        assert_eq!(response.status, status, "{stale:?}");
    }
}

#[tokio::test]
async fn blocks_take_no_more_room_than_they_may_and_bytes_pass_by_when_there_is_none() {
    let s3 = TestS3::embedded().await;
    for film in 0..8_u8 {
        s3.put(&format!("{film}.mp4"), content(film, 3 * MIB)).await;
    }
    let memory = 4 * 1024 * 1024;
    let service = TestService::with(&s3, |config| {
        config.cache = CacheConfig {
            memory,
            block_size: 256 * 1024,
            ..CacheConfig::default()
        };
    })
    .await;
    let address = service.address();
    // Each viewer pauses in the midst, and by then its blocks have to go for others.
    let mut viewers = Vec::new();
    for film in 0..8_u8 {
        let mut viewer = Client::connect(address).await;
        viewer.request("GET", &format!("/{film}.mp4"), &[]).await;
        viewer.head().await;
        let taken = in_time("a beginning", viewer.take(100_000)).await;
        viewers.push((film, viewer, taken));
        assert!(service.figure("s3reel_cache_bytes").await <= 4.0 * 1024.0 * 1024.0);
    }
    for (film, mut viewer, taken) in viewers {
        let rest = in_time("the rest", viewer.take(3 * MIB - 100_000)).await;
        assert!(
            [taken, rest].concat() == content(film, 3 * MIB),
            "film {film}"
        );
    }
    assert!(service.figure("s3reel_cache_bytes").await <= 4.0 * 1024.0 * 1024.0);
    assert!(service.figure("s3reel_cache_evictions_total").await > 0.5);
}

#[tokio::test]
async fn an_object_without_a_strong_tag_passes_by() {
    let origin = Scripted::start(|asked: &Asked| {
        let (first, last) = range_asked(asked, 1000).unwrap_or((0, 999));
        let told = format!("bytes {first}-{last}/1000");
        let body = content(1, 1000)[first..=last].to_vec();
        let weak = ("ETag", "W/\"1\"");
        match asked.header("range") {
            None => vec![answer("200 OK", &[weak], body)],
            Some(_) => vec![answer(
                "206 Partial Content",
                &[weak, ("Content-Range", &told)],
                body,
            )],
        }
    })
    .await;
    let service = TestService::at_address(origin.address(), caching).await;
    for _ in 0..2 {
        let response = service.get("/film.mp4", &[]).await;
        assert!(response.body == content(1, 1000));
        assert_eq!(response.header("cache-status"), Some("s3reel; fwd=bypass"));
    }
}

#[tokio::test]
async fn a_film_that_plays_outlives_more_failures_than_an_answer_that_has_not_begun() {
    let failure = || Some(Fault::Error("500 Internal Server Error", "InternalError"));
    // The first block is well; the calls for the next fail twice over and once more.
    let mut faults = vec![None];
    faults.extend((0..7).map(|_| failure()));
    let origin = film(3 * MIB, faults).await;
    let service = TestService::at_address(origin.address(), caching).await;
    let response = in_time("the film", service.get("/film.mp4", &[])).await;
    assert!(response.body == content(1, 3 * MIB), "cut");
    assert_eq!(origin.asked().len(), 9);

    // Known, but for a block that S3 does not give: asked for three times as without a cache.
    let mut faults = vec![None];
    faults.extend((0..9).map(|_| failure()));
    let origin = film(3 * MIB, faults).await;
    let service = TestService::at_address(origin.address(), caching).await;
    let probe = service.get("/film.mp4", &[("Range", "bytes=0-1")]).await;
    assert_eq!(probe.status, 206);
    let tail = [("Range", "bytes=3000000-")];
    assert_eq!(service.get("/film.mp4", &tail).await.status, 502);
    assert_eq!(origin.asked().len(), 4);
}

#[tokio::test]
async fn a_run_that_fails_is_one_failure_for_all_who_wait_for_it() {
    let gate = open_gate();
    let origin = counting(3 * MIB, Arc::clone(&gate), Arc::default()).await;
    let service = TestService::at_address(origin.address(), |config| {
        caching(config);
        config.s3.timeouts.first_byte = Duration::from_millis(300);
    })
    .await;
    let probe = service.get("/film.mp4", &[("Range", "bytes=0-1")]).await;
    assert_eq!(probe.status, 206);
    gate.store(false, Ordering::Relaxed);
    let mut viewers = Vec::new();
    for _ in 0..10 {
        let mut viewer = service.client().await;
        let tail = [("Range", "bytes=3000000-")];
        viewer.request("GET", "/film.mp4", &tail).await;
        viewers.push(viewer);
    }
    for mut viewer in viewers {
        let response = in_time("an answer", viewer.response("GET")).await;
        assert_eq!(response.status, 504, "{}", response.head);
    }
    // The probe's, and that of the one run with its two further attempts.
    assert_eq!(origin.asked().len(), 4);
}
