//! With the cache and without it, answers are the same.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use s3reel::cache::{CacheConfig, DiskConfig};

use crate::support::film::{Break, Fault, film};
use crate::support::{Response, TestS3, TestService, content, disk, in_time};

const BLOCK: usize = 64 * 1024;

/// A cache of few small blocks that asks about every request.
fn small(config: &mut crate::support::service::Setup) {
    config.cache = CacheConfig {
        memory: 20 * 64 * 1024,
        block_size: 64 * 1024,
        metadata_ttl: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        read_ahead: 256 * 1024,
        disk: None,
    };
}

/// Memory for a block that is on its way and one more, over a disk.
fn hardly_in_memory(folder: &std::path::Path) -> impl FnOnce(&mut crate::support::service::Setup) {
    |config| {
        with_disk(folder)(config);
        config.cache.memory = 2 * 64 * 1024;
    }
}

/// The same with a disk under it.
fn with_disk(folder: &std::path::Path) -> impl FnOnce(&mut crate::support::service::Setup) {
    let disk = DiskConfig {
        folder: folder.to_owned(),
        capacity: 40 * 64 * 1024,
    };
    |config| {
        small(config);
        config.cache.disk = Some(disk);
    }
}

/// What may differ: the time, the names of requests, and what only caches say.
const OWN: [&str; 4] = ["date", "x-request-id", "cache-status", "age"];

/// The boundary between parts is new each time.
fn without_boundary(response: &Response) -> (String, Vec<u8>) {
    let mut head: Vec<_> = response
        .headers()
        .filter(|(name, _)| !OWN.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    head.sort();
    let head = head.join("\n");
    let Some((_, boundary)) = head.split_once("boundary=") else {
        return (head, response.body.clone());
    };
    let boundary = boundary.lines().next().unwrap_or_default().to_owned();
    let mut body = response.body.clone();
    let mut at = 0;
    while let Some(found) = body[at..]
        .windows(boundary.len())
        .position(|part| part == boundary.as_bytes())
    {
        body.drain(at + found..at + found + boundary.len());
        at += found;
    }
    (head.replace(&boundary, ""), body)
}

/// Something that a viewer asks, or that happens to the object.
#[derive(Debug, Clone)]
enum Event {
    Whole,
    Head,
    Range(String),
    /// With the tag that was told last.
    IfNoneMatch,
    IfRange(String),
    IfMatchOther,
    Overwrite(u8),
    Remove,
}

fn any_range() -> impl Strategy<Value = String> {
    let near = |at: usize| at.saturating_sub(2)..at + 3;
    let position = prop_oneof![
        0..400_000_usize,
        near(0),
        near(BLOCK),
        near(2 * BLOCK),
        near(300_000),
    ];
    prop_oneof![
        (position.clone(), 0..200_000_usize)
            .prop_map(|(first, more)| format!("bytes={first}-{}", first + more)),
        position.clone().prop_map(|first| format!("bytes={first}-")),
        position.clone().prop_map(|last| format!("bytes=-{last}")),
        (position, 0..1000_usize)
            .prop_map(|(first, more)| format!("bytes=0-9,{first}-{}", first + more)),
        Just("bytes=9-1".to_owned()),
        Just("lines=1-2".to_owned()),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::Whole),
        2 => Just(Event::Head),
        6 => any_range().prop_map(Event::Range),
        2 => Just(Event::IfNoneMatch),
        2 => any_range().prop_map(Event::IfRange),
        1 => Just(Event::IfMatchOther),
        2 => (1..4_u8).prop_map(Event::Overwrite),
        1 => Just(Event::Remove),
    ]
}

fn run<T: std::fmt::Debug>(
    cases: u32,
    strategy: impl Strategy<Value = T>,
    check: impl AsyncFn(T) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _guard = runtime.enter();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&strategy, |case| runtime.block_on(check(case)));
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn any_sequence_of_requests_and_overwrites_is_answered_alike_with_the_cache_and_without() {
    let lengths = prop_oneof![
        Just(0),
        Just(1),
        Just(BLOCK),
        Just(BLOCK + 1),
        1..400_000_usize
    ];
    run(
        40,
        (lengths, vec(any_event(), 1..12)),
        async |(length, events)| {
            let s3 = TestS3::embedded().await;
            s3.put("film.mp4", content(1, length)).await;
            let plain = TestService::over(&s3).await;
            let folders = [(); 2].map(|()| disk::folder());
            let cached = [
                TestService::with(&s3, small).await,
                TestService::with(&s3, with_disk(folders[0].path())).await,
                TestService::with(&s3, hardly_in_memory(folders[1].path())).await,
            ];
            let mut tag = "\"none\"".to_owned();
            for event in events {
                let (method, fields) = match &event {
                    Event::Whole => ("GET", vec![]),
                    Event::Head => ("HEAD", vec![]),
                    Event::Range(range) => ("GET", vec![("Range", range.as_str())]),
                    Event::IfNoneMatch => ("GET", vec![("If-None-Match", tag.as_str())]),
                    Event::IfRange(range) => (
                        "GET",
                        vec![("Range", range.as_str()), ("If-Range", tag.as_str())],
                    ),
                    Event::IfMatchOther => ("GET", vec![("If-Match", "\"other\"")]),
                    Event::Overwrite(version) => {
                        s3.put("film.mp4", content(*version, length)).await;
                        continue;
                    }
                    Event::Remove => {
                        s3.remove("film.mp4").await;
                        continue;
                    }
                };
                let without = in_time("an answer", plain.ask(method, "/film.mp4", &fields)).await;
                for cached in &cached {
                    let with = in_time("an answer", cached.ask(method, "/film.mp4", &fields)).await;
                    prop_assert_eq!(without.status, with.status, "{:?}", event);
                    let mut both = [without_boundary(&without), without_boundary(&with)];
                    if without.status >= 400 {
                        // The problem has the request's id in it.
                        for (_, body) in &mut both {
                            body.clear();
                        }
                    }
                    let [without_cache, with_cache] = both;
                    prop_assert_eq!(without_cache.0, with_cache.0, "{:?}", event);
                    prop_assert!(without_cache.1 == with_cache.1, "{:?}: other bytes", event);
                }
                if let Some(told) = without.header("etag") {
                    told.clone_into(&mut tag);
                }
            }
            Ok(())
        },
    );
}

fn any_fault() -> impl Strategy<Value = Option<Fault>> {
    let how = || prop_oneof![Just(Break::Reset), Just(Break::Close), Just(Break::Stall)];
    prop_oneof![
        3 => Just(None),
        4 => (0..300_000_usize, how()).prop_map(|(after, how)| Some(Fault::Body(after, how))),
        1 => how().prop_map(|how| Some(Fault::Nothing(how))),
        1 => Just(Some(Fault::Error("500 Internal Server Error", "InternalError"))),
        1 => Just(Some(Fault::OtherBytes)),
        1 => Just(Some(Fault::OtherVersion)),
    ]
}

#[test]
fn any_faults_leave_exact_bytes_or_a_visible_cut_with_the_cache_too() {
    let strategy = (
        1..400_000_usize,
        vec(any_fault(), 0..8),
        vec(any_range(), 1..5),
    );
    run(25, strategy, async |(length, faults, ranges)| {
        let origin = film(length, faults).await;
        let service = TestService::at_address(origin.address(), |config| {
            small(config);
            config.s3.timeouts.idle = Duration::from_millis(100);
            config.s3.timeouts.first_byte = Duration::from_millis(100);
        })
        .await;
        for range in &ranges {
            let fields = [("Range", range.as_str())];
            let response = in_time("an answer", service.get("/film.mp4", &fields)).await;
            let version = match response.header("etag") {
                Some("\"1\"") => 1,
                Some("\"2\"") => 2,
                _ => 0,
            };
            let whole = content(version, length);
            match (response.status, response.header("content-range")) {
                (206, Some(told)) => {
                    let first = told["bytes ".len()..].split('-').next().unwrap();
                    let first: usize = first.parse().unwrap();
                    prop_assert!(
                        whole[first..].starts_with(&response.body),
                        "{range}: {told}"
                    );
                }
                (206, None) => {}
                (200, _) => prop_assert!(whole.starts_with(&response.body), "{range}"),
                (status, _) => prop_assert!(matches!(status, 416 | 502..=504), "{status}"),
            }
        }
        // Whatever went wrong before, what is kept now is right.
        let response = in_time("an answer", service.get("/film.mp4", &[])).await;
        if response.status == 200 && response.complete && response.header("etag") == Some("\"1\"") {
            prop_assert!(response.body == content(1, length));
        }
        Ok(())
    });
}
