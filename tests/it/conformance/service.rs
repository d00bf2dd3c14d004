//! The same through the service: HTTP in front, a bucket, a folder and a volume behind.

use std::time::Duration;

use s3reel::cache::CacheConfig;
use s3reel::service::origin::{OriginConfig, OriginSource};
use s3reel::web::Browse;

use crate::support::service::Setup;
use crate::support::workspace::{Seen, Trouble, now};
use crate::support::{Origin, Response, TestService, content, until};

const LENGTH: usize = 3_000_000;

/// One of each, each at its own place, behind one service.
async fn all(change: impl FnOnce(&mut Setup)) -> (Vec<(String, Origin)>, TestService) {
    let origins: Vec<_> = Origin::all()
        .await
        .into_iter()
        .enumerate()
        .map(|(number, origin)| (format!("/o{number}"), origin))
        .collect();
    let configs = origins.iter().map(|(place, origin)| origin.at(place));
    let service = TestService::of(configs.collect(), change).await;
    (origins, service)
}

fn caching(setup: &mut Setup) {
    setup.cache = CacheConfig::default();
}

/// What may differ between origins: how each names its versions, and when they came to be.
fn comparable(response: &Response) -> Vec<String> {
    let is_own = |line: &&str| {
        let name = line
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        !matches!(
            name.as_str(),
            "etag" | "last-modified" | "date" | "x-request-id" | "age" | "cache-status"
        )
    };
    let mut lines: Vec<_> = response
        .head
        .lines()
        .filter(is_own)
        .map(ToOwned::to_owned)
        .collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn every_origin_gives_the_same_answers() {
    for with_cache in [false, true] {
        let (origins, service) = all(|setup| {
            if with_cache {
                caching(setup);
            }
        })
        .await;
        let whole = content(1, LENGTH);
        for (_, origin) in &origins {
            origin.put("films/a b.mp4", whole.clone()).await;
            origin.put("empty.mp4", "").await;
        }
        for (method, key, fields, status) in [
            ("GET", "films/a%20b.mp4", &[][..], 200),
            ("HEAD", "films/a%20b.mp4", &[], 200),
            ("GET", "films/a%20b.mp4", &[("Range", "bytes=0-1")], 206),
            (
                "GET",
                "films/a%20b.mp4",
                &[("Range", "bytes=1000000-2000000")],
                206,
            ),
            ("GET", "films/a%20b.mp4", &[("Range", "bytes=-5")], 206),
            (
                "GET",
                "films/a%20b.mp4",
                &[("Range", "bytes=2999990-")],
                206,
            ),
            (
                "GET",
                "films/a%20b.mp4",
                &[("Range", "bytes=3000000-")],
                416,
            ),
            ("GET", "films/a%20b.mp4", &[("Range", "bytes=5-2")], 416),
            ("GET", "films/a%20b.mp4", &[("Range", "bytes=junk")], 200),
            ("GET", "films/a%20b.mp4", &[("If-Match", "\"other\"")], 412),
            ("GET", "films/a%20b.mp4", &[("If-None-Match", "*")], 304),
            (
                "GET",
                "films/a%20b.mp4",
                &[("Range", "bytes=0-1"), ("If-Range", "\"other\"")],
                200,
            ),
            ("GET", "empty.mp4", &[("Range", "bytes=0-1")], 200),
            ("GET", "films/b.mp4", &[], 404),
            ("HEAD", "films/b.mp4", &[("Range", "bytes=0-1")], 404),
        ] {
            let mut first: Option<(Vec<String>, Vec<u8>)> = None;
            for (place, origin) in &origins {
                let named = format!("{} {method} {key} {fields:?}", origin.name());
                let answer = service.ask(method, &format!("{place}/{key}"), fields).await;
                assert_eq!(answer.status, status, "{named}\n{}", answer.head);
                assert!(answer.complete, "{named}");
                // A problem has a request id of its own, and a length with it.
                if status == 404 || status == 416 || status == 412 {
                    continue;
                }
                let told = (comparable(&answer), answer.body);
                if let Some(first) = &first {
                    assert_eq!(first.0, told.0, "{named}");
                    assert!(first.1 == told.1, "{named}: other bytes");
                }
                first.get_or_insert(told);
            }
        }
    }
}

#[tokio::test]
async fn every_origin_keeps_a_client_up_to_date_by_tag_and_by_date() {
    let (origins, service) = all(|_| {}).await;
    for (place, origin) in &origins {
        let name = origin.name();
        let target = format!("{place}/film.mp4");
        origin.put("film.mp4", content(1, 1000)).await;
        let whole = service.get(&target, &[]).await;
        let etag = whole.header("etag").unwrap().to_owned();
        let date = whole.header("last-modified").unwrap().to_owned();
        assert!(etag.starts_with('"'), "{name}: {etag}");
        for (field, value, status) in [
            ("If-None-Match", &etag, 304),
            ("If-Modified-Since", &date, 304),
            ("If-Match", &etag, 200),
            ("If-Unmodified-Since", &date, 200),
        ] {
            let answer = service.get(&target, &[(field, value)]).await;
            assert_eq!(answer.status, status, "{name} {field}");
        }
        let continued = [("Range", "bytes=990-"), ("If-Range", &*etag)];
        let rest = service.get(&target, &continued).await;
        assert_eq!((rest.status, rest.body.len()), (206, 10), "{name}");
        origin.put("film.mp4", content(2, 1000)).await;
        let anew = service.get(&target, &continued).await;
        assert_eq!(anew.status, 200, "{name}");
        assert!(anew.body == content(2, 1000), "{name}");
        let several = service
            .get(&target, &[("Range", "bytes=0-9,900-909")])
            .await;
        assert_eq!(several.status, 206, "{name}");
    }
}

#[tokio::test]
async fn what_is_kept_of_an_origin_is_not_asked_for_again() {
    let (origins, service) = all(caching).await;
    let whole = content(1, LENGTH);
    for (place, origin) in &origins {
        let name = origin.name();
        origin.put("film.mp4", whole.clone()).await;
        let target = format!("{place}/film.mp4");
        assert!(service.get(&target, &[]).await.body == whole, "{name}");
        let figure = format!("s3reel_s3_bytes_total{{origin=\"{place}\"}}");
        let read = || service.figure(&figure);
        let before = read().await;
        assert!(service.get(&target, &[]).await.body == whole, "{name}");
        let answer = service.get(&target, &[("Range", "bytes=5-9")]).await;
        assert!(answer.body == whole[5..10], "{name}");
        assert!(read().await - before < 1.0, "{name}: read again");
    }
}

#[tokio::test]
async fn a_file_of_a_volume_is_not_kept_in_its_first_minute() {
    let (origins, service) = all(caching).await;
    let volume = origins.iter().find_map(|(place, origin)| match origin {
        Origin::Databricks(workspace) => Some((place, workspace)),
        Origin::S3(_) | Origin::File(_) => None,
    });
    let (place, workspace) = volume.unwrap();
    let target = format!("{place}/film.mp4");
    // Twice within one second, and of the same length: nothing tells them apart.
    let second = now();
    for version in [1, 2] {
        workspace.put_at("film.mp4", content(version, 1000), second);
        let whole = service.get(&target, &[]).await;
        assert!(
            whole.header("etag").unwrap().starts_with("W/"),
            "{}",
            whole.head
        );
        assert!(whole.body == content(version, 1000));
        let part = service.get(&target, &[("Range", "bytes=5-9")]).await;
        assert!(part.body == content(version, 1000)[5..10]);
        let several = service
            .get(&target, &[("Range", "bytes=0-9,900-909")])
            .await;
        assert_eq!(several.status, 200);
        let date = whole.header("last-modified").unwrap();
        for continued in [date, whole.header("etag").unwrap()] {
            let fields = [("Range", "bytes=5-9"), ("If-Range", continued)];
            assert_eq!(
                service.get(&target, &fields).await.status,
                200,
                "{continued}"
            );
        }
    }
}

#[tokio::test]
async fn a_page_to_sign_in_on_is_a_502_that_says_what_to_check() {
    let (origins, service) = all(|_| {}).await;
    for (place, origin) in &origins {
        let Origin::Databricks(workspace) = origin else {
            continue;
        };
        workspace.put("film.mp4", content(1, 1000));
        // The question at start would meet the trouble else.
        let is_listing = |seen: &Seen| seen.target.contains("/fs/directories");
        until("it was asked at start", async || {
            workspace.seen().iter().any(is_listing)
        })
        .await;
        for trouble in [Trouble::SignInPage, Trouble::Redirect] {
            workspace.trouble(trouble);
            let fields = [("Range", "bytes=0-1")];
            let answer = service.get(&format!("{place}/film.mp4"), &fields).await;
            assert_eq!(answer.status, 502);
            let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(problem["type"], "urn:s3reel:problem:storage-bad-answer");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("check the workspace's address"), "{detail}");
            assert!(!detail.contains("127.0.0.1"), "{detail}");
        }
        let answer = service.get(&format!("{place}/film.mp4"), &[]).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn one_origin_that_is_away_takes_no_other_down() {
    let gone = tempfile::tempdir().unwrap().path().to_owned();
    let origins = Origin::all().await;
    let mut configs: Vec<OriginConfig> = Vec::new();
    for (number, origin) in origins.iter().enumerate() {
        origin.put("film.mp4", content(1, 1000)).await;
        configs.push(origin.at(&format!("/o{number}")));
    }
    let mut away = configs[configs.len() - 2].clone();
    let OriginSource::File(file) = &mut away.source else {
        panic!("the order has changed");
    };
    file.folder = s3reel::storage::file::FolderPath::parse(gone.to_str().unwrap()).unwrap();
    away.mount = s3reel::object::mount::Mount::parse("/away").unwrap();
    configs.push(away);
    let service = TestService::of(configs, |_| {}).await;
    let answer = service.get("/away/film.mp4", &[]).await;
    assert_eq!(answer.status, 502, "{}", answer.head);
    for number in 0..origins.len() {
        let answer = service.get(&format!("/o{number}/film.mp4"), &[]).await;
        assert_eq!(answer.status, 200);
    }
    // It comes.
    std::fs::create_dir(&gone).unwrap();
    std::fs::write(gone.join("film.mp4"), "came").unwrap();
    assert_eq!(service.get("/away/film.mp4", &[]).await.body, b"came");
    std::fs::remove_dir_all(&gone).unwrap();
}

#[tokio::test]
async fn every_origin_is_listed() {
    let (origins, service) = all(|setup| setup.web.browse = Browse::On).await;
    for (place, origin) in &origins {
        origin.put("films/new/a b.mp4", "x").await;
        origin.put("films/c.mp4", "x").await;
        let target = format!("/-/list?prefix={}/films/", place.trim_start_matches('/'));
        let answer = service.get(&target, &[]).await;
        assert_eq!(answer.status, 200, "{} {}", origin.name(), answer.head);
        let listing = String::from_utf8(answer.body).unwrap();
        for name in ["films/new/", "films/c.mp4"] {
            assert!(listing.contains(name), "{}: {listing}", origin.name());
        }
    }
}

#[tokio::test]
async fn a_viewer_that_pauses_plays_on_from_every_origin() {
    let (origins, service) = all(|setup| setup.web.viewer_hold = Duration::from_millis(100)).await;
    // More than what the sockets on the way hold.
    let whole = content(1, 16 * 1024 * 1024);
    for (place, origin) in &origins {
        let name = origin.name();
        origin.put("long.mp4", whole.clone()).await;
        let mut client = service.client().await;
        client
            .request("GET", &format!("{place}/long.mp4"), &[])
            .await;
        let figure = format!("s3reel_s3_bodies_open{{origin=\"{place}\"}}");
        let is_open = async || service.figure(&figure).await > 0.0;
        // A file stays open, so that it is played on also when it is replaced; others are given up.
        until("the read is open", is_open).await;
        if !matches!(origin, Origin::File(_)) {
            until("the read is given up", async || !is_open().await).await;
        }
        let answer = client.response("GET").await;
        assert!(answer.complete && answer.body == whole, "{name}");
    }
}
