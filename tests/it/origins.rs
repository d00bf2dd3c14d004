//! Several origins behind one service.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use s3reel::cache::CacheConfig;
use s3reel::object::KeyPrefix;
use s3reel::object::mount::Mount;
use s3reel::service::origin::{OriginConfig, OriginSource};
use s3reel::storage::s3::S3Config;
use s3reel::storage::s3::client::{Access, ExplicitAccess};
use s3reel::web::{Browse, CorsPolicy};

use crate::support::scripted::{answer, error};
use crate::support::service::Setup;
use crate::support::{Asked, Scripted, Step, TestS3, TestService, content, in_time, until};

/// A bucket of an S3 at a place.
pub fn origin(place: &str, s3: &TestS3) -> OriginConfig {
    at(place, s3.bucket(), s3.access().clone())
}

fn at(place: &str, bucket: &str, access: ExplicitAccess) -> OriginConfig {
    let bucket = s3reel::object::BucketName::parse(bucket).unwrap();
    let s3 = S3Config::of(bucket, Access::Explicit(access));
    OriginConfig {
        mount: Mount::parse(place).unwrap(),
        ..OriginConfig::of(OriginSource::S3(Box::new(s3)))
    }
}

/// Whatever listens at an address, at a place.
pub fn scripted(place: &str, origin: &Scripted) -> OriginConfig {
    let access = ExplicitAccess {
        endpoint: format!("http://{}", origin.address()),
        region: "us-east-1".to_owned(),
        access_key_id: "AKIATESTTESTTEST".to_owned(),
        secret_access_key: "test-secret".to_owned(),
    };
    at(place, "test-bucket", access)
}

fn under(prefix: &str, mut origin: OriginConfig) -> OriginConfig {
    if let OriginSource::S3(s3) = &mut origin.source {
        s3.prefix = KeyPrefix::parse(prefix).unwrap();
    }
    origin
}

pub fn caching(setup: &mut Setup) {
    setup.cache = CacheConfig {
        // However long a busy machine takes.
        metadata_ttl: Duration::from_mins(10),
        ..CacheConfig::default()
    };
}

async fn two() -> (TestS3, TestS3) {
    (TestS3::embedded().await, TestS3::embedded().await)
}

#[tokio::test]
async fn the_longest_mount_path_wins_by_whole_segments_and_a_host_before_all() {
    let (main, old) = two().await;
    main.put("a.mp4", content(1, 100)).await;
    main.put("older/a.mp4", content(2, 100)).await;
    main.put("old", content(3, 100)).await;
    main.put("old/a.mp4", content(4, 100)).await;
    old.put("a.mp4", content(5, 100)).await;
    old.put("x/a.mp4", content(6, 100)).await;
    old.put("/a.mp4", content(7, 100)).await;
    old.put("deep/a.mp4", content(8, 100)).await;
    let origins = vec![
        origin("/", &main),
        origin("/old", &old),
        under("deep", origin("/old/er", &old)),
        under("x", origin("//films.example/", &old)),
    ];
    let service = TestService::of(origins, |_| {}).await;
    for (target, host, version) in [
        ("/a.mp4", None, 1),
        ("/older/a.mp4", None, 2),
        ("/old", None, 3),
        ("/old/a.mp4", None, 5),
        ("/o%6Cd/a.mp4", None, 5),
        ("/old%2Fa.mp4", None, 5),
        ("/old//a.mp4", None, 7),
        ("/old/er/a.mp4", None, 8),
        ("/a.mp4", Some("films.example"), 6),
        ("/a.mp4", Some("FILMS.example:8080"), 6),
        ("/a.mp4", Some("films.example."), 6),
        ("/a.mp4", Some("other.example"), 1),
        // Not the host's own: that has no such key, and falls through to nothing.
        ("/old/a.mp4", Some("films.example"), 0),
    ] {
        let mut client = service.client().await;
        let host = host.map_or_else(|| service.address().to_string(), ToOwned::to_owned);
        client
            .send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        let answer = in_time(target, client.response("GET")).await;
        if version == 0 {
            assert_eq!(answer.status, 404, "{target} {host}");
        } else {
            assert_eq!(answer.status, 200, "{target} {host}: {}", answer.head);
            assert!(answer.body == content(version, 100), "{target} {host}");
        }
    }
}

#[tokio::test]
async fn a_host_is_that_of_an_absolute_target_and_what_is_no_host_name_is_none() {
    let (main, own) = two().await;
    main.put("a.mp4", content(1, 100)).await;
    own.put("a.mp4", content(2, 100)).await;
    let origins = vec![origin("/", &main), origin("//films.example/", &own)];
    let service = TestService::of(origins, |_| {}).await;
    for (head, version) in [
        (
            "GET http://films.example/a.mp4 HTTP/1.1\r\nHost: other\r\n\r\n",
            2,
        ),
        (
            "GET http://other/a.mp4 HTTP/1.1\r\nHost: films.example\r\n\r\n",
            1,
        ),
        ("GET /a.mp4 HTTP/1.1\r\nHost: films.example/x\r\n\r\n", 1),
        // Not believed from anyone.
        (
            "GET /a.mp4 HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: films.example\r\n\r\n",
            1,
        ),
    ] {
        let mut client = service.client().await;
        client.send(head).await;
        let answer = in_time(head, client.response("GET")).await;
        assert_eq!(answer.status, 200, "{head}: {}", answer.head);
        assert!(answer.body == content(version, 100), "{head}");
    }
}

#[tokio::test]
async fn what_is_below_no_mount_is_not_found_and_costs_no_call() {
    let s3 = Scripted::start(|_| vec![answer("200 OK", &[], "x")]).await;
    let origins = vec![scripted("/old", &s3)];
    let service = TestService::of(origins, |_| {}).await;
    for target in ["/", "/a.mp4", "/old", "/older/a.mp4", "/old/", "/Old/a.mp4"] {
        assert_eq!(service.get(target, &[]).await.status, 404, "{target}");
    }
    for target in ["/old/../a.mp4", "/old/%2e%2e/a.mp4", "/%zz"] {
        assert_eq!(service.get(target, &[]).await.status, 400, "{target}");
    }
    assert_eq!(s3.asked().len(), 0);
    assert_eq!(service.get("/old/a.mp4", &[]).await.status, 200);
    assert!(s3.asked()[0].target().starts_with("/test-bucket/a.mp4"));
}

#[tokio::test]
async fn a_key_may_be_as_long_as_s3_takes_it_below_every_mount() {
    let s3 = TestS3::embedded().await;
    let long = "x".repeat(1024);
    s3.put(&long, content(1, 10)).await;
    let place = format!("/{}", "m".repeat(255));
    let origins = vec![origin(&place, &s3), under("p", origin("/p", &s3))];
    let service = TestService::of(origins, |_| {}).await;
    let encoded = "%78".repeat(1024);
    for target in [
        format!("{place}/{long}"),
        format!("/{}/{encoded}", "%6D".repeat(255)),
    ] {
        let answer = service.get(&target, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert_eq!(answer.body, content(1, 10));
    }
    assert_eq!(
        service.get(&format!("{place}/{long}x"), &[]).await.status,
        400
    );
    // The prefix counts, the mount path does not.
    let fits = format!("/p/{}", "x".repeat(1022));
    assert_eq!(service.get(&fits, &[]).await.status, 404);
    assert_eq!(service.get(&format!("{fits}x"), &[]).await.status, 400);
}

#[tokio::test]
async fn ranges_conditions_and_heads_are_the_same_below_every_mount() {
    let (main, old) = two().await;
    main.put("film.mp4", content(1, 5000)).await;
    old.put("film.mp4", content(1, 5000)).await;
    let origins = vec![origin("/", &main), origin("/old", &old)];
    for cached in [false, true] {
        let service = TestService::of(origins.clone(), |setup| {
            if cached {
                caching(setup);
            }
        })
        .await;
        let etag = service.get("/film.mp4", &[]).await;
        let etag = etag.header("etag").unwrap().to_owned();
        let date = |name: &str| matches!(name, "date" | "x-request-id" | "age" | "cache-status");
        let fields = |answer: &crate::support::Response| {
            let fields: Vec<_> = answer.headers().collect();
            let own = fields.into_iter().filter(|(name, _)| !date(name));
            own.map(|(name, value)| {
                // Each object was stored at a time of its own.
                let value = if name == "last-modified" { "" } else { value };
                (name, value.to_owned())
            })
            .collect::<BTreeMap<_, _>>()
        };
        for (method, request) in [
            ("GET", vec![("Range", "bytes=0-1")]),
            ("GET", vec![("Range", "bytes=100-")]),
            ("GET", vec![("Range", "bytes=-10")]),
            ("GET", vec![("Range", "bytes=9999-")]),
            ("GET", vec![("Range", "bytes=0-9,4000-4009")]),
            ("GET", vec![("If-None-Match", etag.as_str())]),
            ("GET", vec![("If-Match", "\"other\"")]),
            (
                "GET",
                vec![("Range", "bytes=5-9"), ("If-Range", etag.as_str())],
            ),
            ("HEAD", vec![]),
            ("OPTIONS", vec![]),
            ("POST", vec![]),
        ] {
            let one = service.ask(method, "/film.mp4", &request).await;
            let other = service.ask(method, "/old/film.mp4", &request).await;
            assert_eq!(one.status, other.status, "{method} {request:?}");
            // The boundary between parts is another each time.
            if one
                .header("content-type")
                .is_none_or(|kind| !kind.starts_with("multipart"))
            {
                assert_eq!(fields(&one), fields(&other), "{method} {request:?}");
                let is_problem = one.status >= 400;
                assert!(is_problem || one.body == other.body, "{method} {request:?}");
            }
        }
    }
}

#[tokio::test]
async fn two_origins_with_the_same_key_tag_and_length_never_mix() {
    let serve = |version: u8| {
        Scripted::start(move |asked: &Asked| {
            let whole = content(version, 3_000_000);
            let etag = ("ETag", "\"same\"");
            if asked.line.starts_with("HEAD") {
                let length = ("Content-Length", "3000000");
                return vec![crate::support::scripted::raw("200 OK", &[etag, length], "")];
            }
            let range = asked.header("range").and_then(|range| {
                let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
                let last: usize = last.parse().unwrap_or(2_999_999);
                Some((first.parse::<usize>().ok()?, last.min(2_999_999)))
            });
            match range {
                None => vec![answer("200 OK", &[etag], whole)],
                Some((first, last)) => {
                    let told = format!("bytes {first}-{last}/3000000");
                    let fields = [etag, ("Content-Range", told.as_str())];
                    vec![answer("206 Partial Content", &fields, &whole[first..=last])]
                }
            }
        })
    };
    let (one, other) = (serve(1).await, serve(2).await);
    let origins = vec![
        scripted("/one", &one),
        scripted("/other", &other),
        scripted("//h/one", &other),
    ];
    let service = TestService::of(origins, caching).await;
    let whole = |version| content(version, 3_000_000);
    for round in 0..3 {
        for (target, version) in [("/one/film.mp4", 1), ("/other/film.mp4", 2)] {
            let (all, part) = tokio::join!(
                service.get(target, &[]),
                service.get(target, &[("Range", "bytes=1500000-2500000")])
            );
            assert!(all.body == whole(version), "{target} in round {round}");
            let expected = &whole(version)[1_500_000..=2_500_000];
            assert!(part.body == expected, "{target} in round {round}");
        }
        let mut client = service.client().await;
        client
            .send("GET /one/film.mp4 HTTP/1.1\r\nHost: h\r\n\r\n")
            .await;
        let by_host = in_time("an answer", client.response("GET")).await;
        assert!(by_host.body == whole(2), "by host in round {round}");
    }
    let asked = (one.asked().len(), other.asked().len());
    assert!(asked.0 > 0 && asked.1 > 0, "{asked:?}");
    // All is here in a moment, and each answers from its own.
    let is_kept = async || {
        let kept = service.get("/other/film.mp4", &[]).await;
        kept.header("cache-status") == Some("s3reel; hit")
    };
    until("it is kept", is_kept).await;
    let kept = service.get("/other/film.mp4", &[]).await;
    assert!(kept.body == whole(2));
    assert_eq!((one.asked().len(), other.asked().len()), asked);
    // What is forgotten of one is not forgotten of the other.
    assert_eq!(
        service
            .admin_ask("POST", "/purge?key=one/film.mp4")
            .await
            .status,
        200
    );
    let kept = service.get("/other/film.mp4", &[]).await;
    assert_eq!(kept.header("cache-status"), Some("s3reel; hit"));
    let gone = service.get("/one/film.mp4", &[]).await;
    assert_eq!(
        gone.header("cache-status"),
        Some("s3reel; fwd=miss; stored")
    );
    assert!(gone.body == whole(1));
    assert!(one.asked().len() > asked.0);
}

#[tokio::test]
async fn purge_takes_keys_as_viewers_call_them_for_all_hosts() {
    let (main, own) = two().await;
    main.put("films/a.mp4", content(1, 100)).await;
    own.put("a.mp4", content(2, 100)).await;
    let origins = vec![
        under("films", origin("/old", &main)),
        origin("//films.example/old", &own),
    ];
    let service = TestService::of(origins, caching).await;
    let address = service.address().to_string();
    let ask = async |host: &str| {
        let mut client = service.client().await;
        client
            .send(format!("GET /old/a.mp4 HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        in_time("an answer", client.response("GET")).await
    };
    for (host, version) in [(address.as_str(), 1), ("films.example", 2)] {
        assert!(ask(host).await.body == content(version, 100));
        // Its block is complete a moment after its last byte was sent.
        until("it is kept", async || {
            ask(host).await.header("cache-status") == Some("s3reel; hit")
        })
        .await;
    }
    let forgotten = service.admin_ask("POST", "/purge?key=old/a.mp4").await;
    assert_eq!(forgotten.status, 200);
    for host in [address.as_str(), "films.example"] {
        let missed = ask(host).await;
        assert_eq!(
            missed.header("cache-status"),
            Some("s3reel; fwd=miss; stored")
        );
    }
    for target in ["/purge?key=a.mp4", "/purge?key=old/", "/purge?key="] {
        assert_eq!(
            service.admin_ask("POST", target).await.status,
            400,
            "{target}"
        );
    }
}

#[tokio::test]
async fn one_origins_trouble_takes_neither_the_others_nor_the_start_down() {
    let good = TestS3::embedded().await;
    good.put("a.mp4", content(1, 100)).await;
    let silent = Scripted::start(|_| vec![Step::Hold]).await;
    let denying = Scripted::denying().await;
    let nobody = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", free.local_addr().unwrap())
    };
    let mut slow = scripted("/silent", &silent);
    slow.concurrency = 2;
    if let OriginSource::S3(s3) = &mut slow.source {
        s3.timeouts.total = Duration::from_secs(1);
        s3.timeouts.first_byte = Duration::from_secs(1);
    }
    let mut gone = scripted("/gone", &silent);
    if let OriginSource::S3(s3) = &mut gone.source
        && let Access::Explicit(access) = &mut s3.access
    {
        access.endpoint = nobody;
    }
    let origins = vec![
        origin("/", &good),
        slow,
        gone,
        scripted("/denied", &denying),
    ];
    let service = TestService::of(origins, |_| {}).await;
    // As many as it bears wait for the silent one, and more are turned away.
    let stuck = async || service.get("/silent/a.mp4", &[]).await.status;
    let (one, two, three, four, five) = tokio::join!(stuck(), stuck(), stuck(), stuck(), stuck());
    let statuses = [one, two, three, four, five];
    assert!(
        statuses.contains(&504) && statuses.contains(&503),
        "{statuses:?}"
    );
    assert_eq!(service.get("/gone/a.mp4", &[]).await.status, 502);
    assert_eq!(service.get("/denied/a.mp4", &[]).await.status, 404);
    let whole = service.get("/a.mp4", &[]).await;
    assert_eq!((whole.status, whole.body), (200, content(1, 100)));
    let ready = service.admin("/readyz").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        String::from_utf8(ready.body).unwrap(),
        "serving\norigin /: answering\norigin /denied: every_key_denied\n\
         origin /gone: unreachable\norigin /silent: timed_out\n"
    );
    for (figure, least) in [
        (
            "s3reel_s3_requests_total{operation=\"GetObject\",origin=\"/\",outcome=\"ok\"}",
            1.0,
        ),
        ("s3reel_s3_bytes_total{origin=\"/\"}", 100.0),
        (
            "s3reel_s3_requests_total{operation=\"GetObject\",origin=\"/gone\",outcome=\"unreachable\"}",
            1.0,
        ),
    ] {
        until(figure, async || service.figure(figure).await >= least).await;
    }
    let foreign = "s3reel_s3_bytes_total{origin=\"/denied\"}";
    assert!(service.figure(foreign).await.abs() < 0.5);
}

#[tokio::test]
async fn an_outage_of_one_origin_does_not_use_up_the_further_attempts_of_another() {
    let down = Scripted::start(|_| vec![Step::Reset]).await;
    let flaky = {
        let calls = std::sync::atomic::AtomicUsize::new(0);
        Scripted::start(move |_| {
            let calls = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if calls.is_multiple_of(2) {
                vec![error("500 Internal Server Error", "InternalError")]
            } else {
                vec![answer("200 OK", &[("ETag", "\"1\"")], "film")]
            }
        })
        .await
    };
    let origins = vec![scripted("/down", &down), scripted("/flaky", &flaky)];
    let service = TestService::of(origins, |_| {}).await;
    for _ in 0..40 {
        assert_eq!(service.get("/down/a.mp4", &[]).await.status, 502);
    }
    for _ in 0..5 {
        let answer = service.get("/flaky/a.mp4", &[]).await;
        assert_eq!((answer.status, answer.body), (200, b"film".to_vec()));
    }
}

#[tokio::test]
async fn each_origin_says_which_pages_may_read_it() {
    let s3 = TestS3::embedded().await;
    s3.put("a.mp4", content(1, 100)).await;
    let with = |place: &str, cors: Option<&str>| OriginConfig {
        cors: cors.map(|cors| CorsPolicy::parse(cors).unwrap()),
        ..origin(place, &s3)
    };
    let origins = vec![
        with("/all", None),
        with("/none", Some("")),
        with("/one", Some("https://a.example")),
    ];
    let service = TestService::of(origins, |setup| setup.web.browse = Browse::On).await;
    let allowed = |answer: &crate::support::Response| {
        answer
            .header("access-control-allow-origin")
            .map(ToOwned::to_owned)
    };
    let page = [("Origin", "https://a.example")];
    for (method, target, expected) in [
        ("GET", "/all/a.mp4", Some("*")),
        ("GET", "/none/a.mp4", None),
        ("GET", "/one/a.mp4", Some("https://a.example")),
        ("OPTIONS", "/none/a.mp4", None),
        ("OPTIONS", "/one/a.mp4", Some("https://a.example")),
        ("GET", "/none/missing", None),
        ("POST", "/none/a.mp4", None),
        ("GET", "/-/list?prefix=none%2F", None),
        ("GET", "/-/list?prefix=one%2F", Some("https://a.example")),
        ("GET", "/-/list", Some("*")),
        ("GET", "/elsewhere", Some("*")),
    ] {
        let answer = service.ask(method, target, &page).await;
        assert_eq!(allowed(&answer).as_deref(), expected, "{method} {target}");
        if method == "OPTIONS" {
            let told = answer.header("access-control-allow-methods").is_some();
            assert_eq!(told, expected.is_some(), "{target}");
        }
    }
}

#[tokio::test]
async fn the_listing_has_mounts_where_they_are_and_keys_as_viewers_call_them() {
    let (main, old) = two().await;
    for key in [
        "films/top.mp4",
        "films/series/one.mp4",
        "films/old/hidden.mp4",
        "secret.mp4",
    ] {
        main.put(key, content(1, 10)).await;
    }
    old.put("a.mp4", content(2, 10)).await;
    old.put("b/c.mp4", content(2, 10)).await;
    let below = vec![
        under("films", origin("/", &main)),
        origin("/old", &old),
        origin("/archive/deep/er", &old),
        origin("//films.example/own", &old),
    ];
    let service = TestService::of(below, |setup| setup.web.browse = Browse::On).await;
    let list = async |prefix: &str| {
        let listing = service.get(&format!("/-/list?prefix={prefix}"), &[]).await;
        assert_eq!(listing.status, 200, "{prefix}: {}", listing.head);
        let listing = listing.json();
        let objects = listing["objects"].as_array().unwrap().iter();
        let keys: Vec<_> = objects.map(|object| object["key"].clone()).collect();
        (listing["folders"].clone(), serde_json::json!(keys))
    };
    for (prefix, folders, keys) in [
        ("", vec!["archive/", "old/", "series/"], vec!["top.mp4"]),
        ("o", vec!["old/"], vec![]),
        ("old%2F", vec!["old/b/"], vec!["old/a.mp4"]),
        ("old%2Fb%2F", vec![], vec!["old/b/c.mp4"]),
        ("old%2Fa", vec![], vec!["old/a.mp4"]),
        ("series%2F", vec![], vec!["series/one.mp4"]),
        ("archive%2F", vec!["archive/deep/"], vec![]),
        ("archive%2Fdeep%2F", vec!["archive/deep/er/"], vec![]),
        (
            "archive%2Fdeep%2Fer%2F",
            vec!["archive/deep/er/b/"],
            vec!["archive/deep/er/a.mp4"],
        ),
    ] {
        let expected = (serde_json::json!(folders), serde_json::json!(keys));
        assert_eq!(list(prefix).await, expected, "{prefix}");
    }
    // What is listed can be fetched under that name.
    assert!(service.get("/archive/deep/er/b/c.mp4", &[]).await.body == content(2, 10));
    for (target, location) in [
        ("/", "/-/"),
        ("/old/", "/-/?prefix=old/"),
        ("/archive/deep/er/", "/-/?prefix=archive/deep/er/"),
    ] {
        let redirect = service.get(target, &[]).await;
        assert_eq!(
            (redirect.status, redirect.header("location")),
            (303, Some(location))
        );
    }
}

#[tokio::test]
async fn without_an_origin_at_the_top_the_listing_begins_with_the_mounts() {
    let s3 = TestS3::embedded().await;
    s3.put("a.mp4", content(1, 10)).await;
    let down = Scripted::start_raw(|_| vec![Step::Reset]).await;
    let origins = vec![
        origin("/films", &s3),
        origin("/a%20b", &s3),
        scripted("/down", &down),
        origin("//films.example/own", &s3),
    ];
    let service = TestService::of(origins, |setup| setup.web.browse = Browse::On).await;
    let top = service.get("/-/list", &[]).await.json();
    assert_eq!(
        top["folders"],
        serde_json::json!(["a b/", "down/", "films/"])
    );
    assert_eq!(top["objects"], serde_json::json!([]));
    assert_eq!(top["next"], serde_json::Value::Null);
    let redirect = service.get("/a%20b/", &[]).await;
    assert_eq!(redirect.header("location"), Some("/-/?prefix=a%20b/"));
    assert_eq!(top.get("trouble"), None);
    // One that cannot be listed says so where it is, and where others can be gone to it does not hide
    // them.
    let below = service.get("/-/list?prefix=down%2F", &[]).await;
    assert_eq!(below.status, 502);
    let origins = vec![scripted("/", &down), origin("/films", &s3)];
    let without_top = TestService::of(origins, |setup| setup.web.browse = Browse::On).await;
    let top = without_top.get("/-/list", &[]).await.json();
    assert_eq!(top["folders"], serde_json::json!(["films/"]));
    assert!(
        top["trouble"].as_str().unwrap().contains("storage"),
        "{top}"
    );
    let mut client = service.client().await;
    client
        .send("GET /-/list HTTP/1.1\r\nHost: films.example\r\n\r\n")
        .await;
    let top = in_time("a listing", client.response("GET")).await.json();
    let all = serde_json::json!(["a b/", "down/", "films/", "own/"]);
    assert_eq!(top["folders"], all);
}

#[tokio::test]
async fn a_bounded_origin_shortens_ranges_without_an_end_and_nothing_else() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 5000)).await;
    let bounded = OriginConfig {
        max_answer: NonZeroU64::new(1000),
        ..origin("/bounded", &s3)
    };
    let service = TestService::of(vec![bounded, origin("/", &s3)], |_| {}).await;
    let whole = content(1, 5000);
    for (range, first, last) in [
        ("bytes=0-", 0, 999),
        ("bytes=100-", 100, 1099),
        ("bytes=4500-", 4500, 4999),
        ("bytes=0-1999", 0, 1999),
        ("bytes=-2000", 3000, 4999),
    ] {
        let part = service.get("/bounded/film.mp4", &[("Range", range)]).await;
        assert_eq!(part.status, 206, "{range}");
        let told = format!("bytes {first}-{last}/5000");
        assert_eq!(part.header("content-range"), Some(told.as_str()), "{range}");
        assert!(part.body == whole[first..=last], "{range}");
    }
    let all = service.get("/bounded/film.mp4", &[]).await;
    assert_eq!((all.status, all.body), (200, whole.clone()));
    let stale = [("Range", "bytes=0-"), ("If-Range", "\"other\"")];
    assert_eq!(service.get("/bounded/film.mp4", &stale).await.body, whole);
    let beyond = service
        .get("/bounded/film.mp4", &[("Range", "bytes=5000-")])
        .await;
    assert_eq!(beyond.status, 416);
    // Off unless it is asked for.
    let part = service.get("/film.mp4", &[("Range", "bytes=0-")]).await;
    assert_eq!(part.header("content-range"), Some("bytes 0-4999/5000"));
}
