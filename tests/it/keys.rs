//! Keys arrive at S3 as they are meant, or are refused.

use crate::support::scripted::answer;
use crate::support::{Scripted, TestS3, TestService, content};

/// Keys that real buckets contain.
fn odd_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        "a b.mp4",
        "a+b.mp4",
        "100%.mp4",
        "%2F.mp4",
        "%zz",
        "a//b.mp4",
        "/leading.mp4",
        "trailing/",
        "\"quoted\" 'too'.mp4",
        "a&b=c?d#e;f,g:h@i!j$k(l)*m~n.mp4",
        "[brackets]{braces}|pipe\\back^caret`tick<tag>.mp4",
        "\u{e9}t\u{e9} composed.mp4",
        "e\u{301}te\u{301} decomposed.mp4",
        "\u{444}\u{438}\u{43b}\u{44c}\u{43c}.mp4",
        "\u{6620}\u{753b}.mp4",
        "\u{1f3ac}\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}.mp4",
        "...",
        "a..b/..c/d..",
        ".hidden",
        "-x/looks/reserved",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    keys.push("x".repeat(1024));
    keys.push("\u{1f3ac}".repeat(256));
    keys
}

fn encoded(key: &str) -> String {
    key.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[tokio::test]
async fn every_odd_key_names_the_object_that_has_it() {
    for s3 in TestS3::all().await {
        let keys = odd_keys();
        for (version, key) in (1..).zip(&keys) {
            s3.put(key, content(version, 40)).await;
        }
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        for (version, key) in (1..).zip(&keys) {
            let target = format!("/{}", encoded(key));
            let answer = player.ask("GET", &target, &[("Range", "bytes=8-15")]).await;
            assert_eq!(answer.status, 206, "{} {key:?}: {}", s3.name(), answer.head);
            assert_eq!(
                answer.body,
                content(version, 16)[8..],
                "{} {key:?}",
                s3.name()
            );
            // HEAD is another operation of S3 with another way to build the path.
            let head = player.ask("HEAD", &target, &[]).await;
            assert_eq!(
                head.header("content-length"),
                Some("40"),
                "{} {key:?}",
                s3.name()
            );
        }
    }
}

#[tokio::test]
async fn the_path_to_s3_is_the_key_and_nothing_of_the_query() {
    let origin = Scripted::start(|_| vec![answer("200 OK", &[("ETag", "\"1\"")], "x")]).await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    for (target, asked) in [
        (
            "/a%20b+c?versionId=1&response-content-type=text/html",
            "/test-bucket/a%20b%2Bc",
        ),
        ("/a//b/", "/test-bucket/a//b/"),
        ("/%2525", "/test-bucket/%2525"),
        ("/a%2Fb", "/test-bucket/a/b"),
        ("http://elsewhere.example/abs", "/test-bucket/abs"),
    ] {
        assert_eq!(service.get(target, &[]).await.status, 200, "{target}");
        let line = origin.asked().last().unwrap().line.clone();
        let path = line
            .split(' ')
            .nth(1)
            .unwrap()
            .split('?')
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(path, asked, "{target}");
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused_without_a_call_to_s3() {
    let origin = Scripted::start(|_| vec![answer("200 OK", &[], "x")]).await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let too_long = format!("/{}", "x".repeat(1025));
    for target in [
        "/%",
        "/%4",
        "/%zz",
        "/%ff%fe",
        "/a%00b",
        "/a%0d%0ab",
        "/a%7f",
        "/..",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a%2f..%2fb",
        "/./a",
        &too_long,
    ] {
        for method in ["GET", "HEAD"] {
            let refused = service.ask(method, target, &[]).await;
            assert_eq!(refused.status, 400, "{method} {target}");
            assert_eq!(
                refused.header("content-type"),
                Some("application/problem+json")
            );
        }
    }
    assert_eq!(origin.asked().len(), 0);
}

#[tokio::test]
async fn a_prefix_is_put_before_every_key_and_cannot_be_left() {
    for s3 in TestS3::all().await {
        s3.put("films/a.mp4", content(1, 10)).await;
        s3.put("secret.mp4", content(2, 10)).await;
        let prefix = s3reel::object::KeyPrefix::parse("films").unwrap();
        let service = TestService::with(&s3, |config| config.s3.prefix = prefix).await;
        assert_eq!(service.get("/a.mp4", &[]).await.body, content(1, 10));
        for target in ["/secret.mp4", "/films/a.mp4"] {
            assert_eq!(service.get(target, &[]).await.status, 404, "{target}");
        }
        for target in ["/../secret.mp4", "/%2e%2e/secret.mp4"] {
            assert_eq!(service.get(target, &[]).await.status, 400, "{target}");
        }
        let fits = format!("/{}", "x".repeat(1018));
        assert_eq!(service.get(&fits, &[]).await.status, 404);
        let too_long = format!("/{}", "x".repeat(1019));
        assert_eq!(service.get(&too_long, &[]).await.status, 400);
    }
}

#[tokio::test]
async fn the_reserved_part_of_the_key_space_holds_no_objects_however_it_is_spelt() {
    let s3 = TestS3::embedded().await;
    s3.put("-/film.mp4", content(1, 10)).await;
    let service = TestService::over(&s3).await;
    for target in [
        "/-/film.mp4",
        "/%2D/film.mp4",
        "/-%2Ffilm.mp4",
        "/%2d%2ffilm.mp4",
    ] {
        assert_eq!(service.get(target, &[]).await.status, 404, "{target}");
    }
}

#[tokio::test]
async fn only_get_head_and_options_are_allowed() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let service = TestService::over(&s3).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get", "PROPFIND"] {
        let refused = service.ask(method, "/a", &[("Content-Length", "0")]).await;
        assert_eq!(refused.status, 405, "{method}");
        assert_eq!(refused.header("allow"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(
            refused.json()["type"],
            "urn:s3reel:problem:method-not-allowed"
        );
    }
    for target in ["*", "elsewhere"] {
        assert_eq!(service.get(target, &[]).await.status, 400, "{target}");
    }
    for target in ["/a", "/none", "*"] {
        let options = service.ask("OPTIONS", target, &[]).await;
        assert_eq!(options.status, 204, "{target}");
        assert_eq!(options.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
}

#[tokio::test]
async fn oversized_heads_and_bodies_are_refused_and_the_connection_is_closed() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let service = TestService::with(&s3, |config| {
        config.server.request_head_timeout = std::time::Duration::from_secs(1);
    })
    .await;
    let long = format!("/{}", "a".repeat(5000));
    let big = "x".repeat(17 * 1024);
    for (method, target, fields, status) in [
        ("GET", long.as_str(), vec![], 414),
        ("GET", "/a", vec![("X-Big", big.as_str())], 431),
        ("GET", "/a", vec![("Content-Length", "5")], 413),
        ("POST", "/a", vec![("Content-Length", "5")], 405),
        ("PUT", "/a", vec![("Transfer-Encoding", "chunked")], 405),
    ] {
        let mut viewer = service.client().await;
        viewer.request(method, target, &fields).await;
        let refused = viewer.response("GET").await;
        assert_eq!(refused.status, status);
        assert_eq!(refused.header("connection"), Some("close"));
        assert!(viewer.rest().await.is_empty());
    }
}

#[tokio::test]
async fn the_demos_host_names_are_the_only_ones_it_answers_to() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let service = TestService::with(&s3, |config| {
        config.web.hosts = s3reel::web::Hosts::Loopback;
    })
    .await;
    for (host, status) in [
        ("localhost", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
    ] {
        let mut viewer = service.client().await;
        viewer
            .send(format!("GET /a HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        assert_eq!(viewer.response("GET").await.status, status, "{host}");
    }
}
