//! Whole objects, ranges, probes and heads: what a player asks for.

use s3reel::embedded_s3::shelf::Metadata;

use crate::support::{TestS3, TestService, content};

/// Longer than any buffer on the way, and no multiple of one.
const LENGTH: usize = 3 * 1024 * 1024 + 77;

#[tokio::test]
async fn a_safari_probe_is_answered_exactly_right() {
    for s3 in TestS3::all().await {
        let metadata = Metadata {
            content_type: Some("video/mp4".to_owned()),
            ..Metadata::default()
        };
        s3.put_with("film.mp4", content(1, LENGTH), metadata).await;
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        let probe = player
            .ask("GET", "/film.mp4", &[("Range", "bytes=0-1")])
            .await;
        assert!(
            probe.head.starts_with("HTTP/1.1 206 Partial Content\r\n"),
            "{}: {}",
            s3.name(),
            probe.head
        );
        assert_eq!(probe.body, content(1, 2));
        let total = format!("bytes 0-1/{LENGTH}");
        for (name, value) in [
            ("content-length", "2"),
            ("content-range", total.as_str()),
            ("content-type", "video/mp4"),
            ("accept-ranges", "bytes"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=75"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "public, max-age=0, must-revalidate"),
        ] {
            assert_eq!(probe.header(name), Some(value), "{name}:\n{}", probe.head);
        }
        for name in ["etag", "last-modified", "date", "x-request-id"] {
            assert!(probe.header(name).is_some(), "{name}:\n{}", probe.head);
        }
        // The main request of the player, explicit end, on the same connection.
        let range = format!("bytes=0-{}", LENGTH - 1);
        let whole = player.ask("GET", "/film.mp4", &[("Range", &range)]).await;
        assert_eq!(whole.status, 206);
        assert_eq!(whole.header("etag"), probe.header("etag"));
        assert!(whole.body == content(1, LENGTH), "other bytes");
    }
}

#[tokio::test]
async fn a_whole_object_comes_with_its_length_and_never_in_chunks() {
    for s3 in TestS3::all().await {
        s3.put("film.mp4", content(1, LENGTH)).await;
        let service = TestService::over(&s3).await;
        let whole = service.get("/film.mp4", &[]).await;
        assert_eq!(whole.status, 200);
        assert_eq!(
            whole.header("content-length"),
            Some(LENGTH.to_string().as_str())
        );
        assert_eq!(whole.header("content-range"), None);
        assert_eq!(whole.header("accept-ranges"), Some("bytes"));
        assert!(whole.body == content(1, LENGTH), "other bytes");
    }
}

#[tokio::test]
async fn every_form_of_a_single_range_is_the_slice_it_names() {
    for s3 in TestS3::all().await {
        let bytes = content(1, LENGTH);
        s3.put("film.mp4", bytes.clone()).await;
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        let last = LENGTH - 1;
        for (range, first, last) in [
            ("bytes=0-1".to_owned(), 0, 1),
            ("bytes=0-0".to_owned(), 0, 0),
            ("bytes=0-".to_owned(), 0, last),
            (format!("bytes=0-{last}"), 0, last),
            ("bytes=1000-".to_owned(), 1000, last),
            ("bytes=1000-1999".to_owned(), 1000, 1999),
            ("bytes=-500".to_owned(), LENGTH - 500, last),
            ("bytes=-1".to_owned(), last, last),
            ("bytes=-99999999".to_owned(), 0, last),
            (format!("bytes={last}-"), last, last),
            (format!("bytes={last}-99999999"), last, last),
            ("bytes=5-18446744073709551615".to_owned(), 5, last),
            ("bytes=5-99999999999999999999999999".to_owned(), 5, last),
            ("Bytes=2-3".to_owned(), 2, 3),
            ("bytes=2-3,".to_owned(), 2, 3),
            ("bytes=,2-3".to_owned(), 2, 3),
        ] {
            let part = player.ask("GET", "/film.mp4", &[("Range", &range)]).await;
            let name = s3.name();
            assert_eq!(part.status, 206, "{name} {range}: {}", part.head);
            assert_eq!(
                part.header("content-range"),
                Some(format!("bytes {first}-{last}/{LENGTH}").as_str()),
                "{name} {range}"
            );
            assert!(
                part.body == bytes[first..=last],
                "{name} {range}: other bytes"
            );
        }
    }
}

#[tokio::test]
async fn a_range_that_says_nothing_to_us_is_ignored() {
    for s3 in TestS3::all().await {
        s3.put("a.mp3", content(1, 1000)).await;
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        for range in [
            "items=0-4",
            "0-4",
            "bytes=",
            "bytes=-",
            "bytes=alpha",
            "bytes=+2-5",
            "bytes=0-1,junk",
            "bytes=0 - 9",
        ] {
            let whole = player.ask("GET", "/a.mp3", &[("Range", range)]).await;
            assert_eq!(whole.status, 200, "{} {range}", s3.name());
            assert_eq!(whole.body.len(), 1000, "{} {range}", s3.name());
        }
        let fields = [("Range", "bytes=0-1"), ("Range", "bytes=2-3")];
        assert_eq!(player.ask("GET", "/a.mp3", &fields).await.status, 200);
    }
}

#[tokio::test]
async fn a_range_beyond_the_object_is_416_with_its_length() {
    for s3 in TestS3::all().await {
        s3.put("a.mp3", content(1, 1000)).await;
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        for range in [
            "bytes=1000-",
            "bytes=1000-2000",
            "bytes=99999999999999999999999999-",
            "bytes=-0",
            "bytes=5-2",
            "bytes=0-1,5-2",
            "bytes=2000-,3000-",
        ] {
            let refused = player.ask("GET", "/a.mp3", &[("Range", range)]).await;
            assert_eq!(refused.status, 416, "{} {range}", s3.name());
            assert_eq!(
                refused.header("content-range"),
                Some("bytes */1000"),
                "{range}"
            );
            assert_eq!(
                refused.header("content-type"),
                Some("application/problem+json")
            );
            assert_eq!(refused.header("cache-control"), Some("no-store"));
            let detail = refused.json()["detail"].as_str().unwrap().to_owned();
            assert!(
                detail.contains(range) && detail.contains("1000"),
                "{detail}"
            );
        }
    }
}

#[tokio::test]
async fn an_empty_object_is_empty_whatever_range_is_asked() {
    for s3 in TestS3::all().await {
        s3.put("empty.mp4", Vec::new()).await;
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        for fields in [
            &[][..],
            &[("Range", "bytes=0-1")],
            &[("Range", "bytes=-5")],
            &[("Range", "bytes=-0")],
        ] {
            let empty = player.ask("GET", "/empty.mp4", fields).await;
            assert_eq!(empty.status, 200, "{} {fields:?}", s3.name());
            assert_eq!(empty.header("content-length"), Some("0"));
            assert_eq!(empty.header("content-range"), None);
        }
    }
}

#[tokio::test]
async fn head_has_the_fields_of_get_and_leaves_the_connection_usable() {
    for s3 in TestS3::all().await {
        s3.put("film.mp4", content(1, LENGTH)).await;
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        for fields in [&[][..], &[("Range", "bytes=0-1")]] {
            let head = player.ask("HEAD", "/film.mp4", fields).await;
            let get = player.ask("GET", "/film.mp4", &[]).await;
            assert_eq!(head.status, 200);
            assert_eq!(
                fields_but_changing(&head),
                fields_but_changing(&get),
                "{}",
                s3.name()
            );
        }
        let missing = player.ask("HEAD", "/none.mp4", &[]).await;
        let same = player.ask("GET", "/none.mp4", &[]).await;
        assert_eq!(missing.status, 404);
        assert_eq!(fields_but_changing(&missing), fields_but_changing(&same));
    }
}

fn fields_but_changing(response: &crate::support::Response) -> Vec<(String, String)> {
    let mut fields: Vec<_> = response
        .headers()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id"))
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    fields.sort();
    fields
}

#[tokio::test]
async fn a_plain_get_or_range_is_one_call_to_s3_and_calls_share_connections() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let service = TestService::over(&s3).await;
    let mut player = service.client().await;
    for range in ["bytes=0-1", "bytes=1000-", "bytes=-500", "bytes=0-"] {
        player.ask("GET", "/film.mp4", &[("Range", range)]).await;
    }
    player.ask("GET", "/film.mp4", &[]).await;
    player
        .ask(
            "GET",
            "/film.mp4",
            &[("Range", "bytes=0-1"), ("If-Range", "\"other\"")],
        )
        .await;
    assert!(
        service.s3_calls("GetObject").await <= 7.0,
        "more than one call a request"
    );
    assert!(
        service.s3_calls("HeadObject").await == 0.0,
        "a call too many"
    );
}

#[tokio::test]
async fn an_object_uploaded_in_parts_plays_like_any_other() {
    for s3 in TestS3::all().await {
        let bytes = content(1, 11 * 1024 * 1024);
        s3.put_in_parts("film.mp4", &bytes).await;
        let service = TestService::over(&s3).await;
        // Across the border of two parts.
        let range = [("Range", "bytes=5242870-5242889")];
        let part = service.get("/film.mp4", &range).await;
        assert_eq!(part.status, 206, "{}", s3.name());
        assert!(part.body == bytes[5_242_870..=5_242_889], "other bytes");
        let etag = part.header("etag").unwrap().to_owned();
        assert!(etag.ends_with("-3\""), "{etag}");
        let fields = [range[0], ("If-Range", etag.as_str())];
        assert_eq!(service.get("/film.mp4", &fields).await.status, 206);
        let fields = [range[0], ("If-None-Match", etag.as_str())];
        assert_eq!(service.get("/film.mp4", &fields).await.status, 304);
    }
}

#[tokio::test]
async fn stored_fields_pass_by_an_allow_list() {
    for s3 in TestS3::all().await {
        let metadata = Metadata {
            content_type: Some("audio/mpeg".to_owned()),
            content_encoding: Some("gzip".to_owned()),
            content_language: Some("en".to_owned()),
            content_disposition: Some("inline; filename=\"a b.mp3\"".to_owned()),
            cache_control: Some("max-age=31536000".to_owned()),
        };
        s3.put_with("a.mp3", content(1, 10), metadata).await;
        let service = TestService::over(&s3).await;
        let answer = service.get("/a.mp3", &[]).await;
        for (name, value) in [
            ("content-type", Some("audio/mpeg")),
            ("content-encoding", Some("gzip")),
            ("content-language", Some("en")),
            ("content-disposition", Some("inline; filename=\"a b.mp3\"")),
            ("cache-control", Some("max-age=31536000")),
            ("server", None),
        ] {
            assert_eq!(answer.header(name), value, "{} {name}", s3.name());
        }
        let foreign = answer.headers().find(|(name, _)| name.starts_with("x-amz"));
        assert_eq!(foreign, None);
    }
}

#[tokio::test]
async fn the_framing_of_an_upload_is_no_coding_of_the_object() {
    // LocalStack takes this name at its word and refuses the upload.
    let s3 = TestS3::embedded().await;
    for (stored, sent) in [
        ("aws-chunked", None),
        ("aws-chunked,gzip", Some("gzip")),
        ("identity", None),
    ] {
        let metadata = Metadata {
            content_encoding: Some(stored.to_owned()),
            ..Metadata::default()
        };
        s3.put_with("a.mp3", content(1, 10), metadata).await;
        let service = TestService::over(&s3).await;
        assert_eq!(
            service.get("/a.mp3", &[]).await.header("content-encoding"),
            sent
        );
    }
}

#[tokio::test]
async fn what_a_browser_would_run_comes_as_a_sandboxed_attachment() {
    for s3 in TestS3::all().await {
        for content_type in [
            "text/html",
            "image/svg+xml; charset=utf-8",
            "text/javascript",
        ] {
            let metadata = Metadata {
                content_type: Some(content_type.to_owned()),
                content_disposition: Some("inline; filename=x".to_owned()),
                ..Metadata::default()
            };
            s3.put_with("x", "<script>alert(1)</script>", metadata)
                .await;
            let service = TestService::over(&s3).await;
            let answer = service.get("/x", &[]).await;
            assert_eq!(answer.header("content-type"), Some(content_type));
            assert_eq!(
                answer.header("content-disposition"),
                Some("attachment; filename=x")
            );
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"));
        }
    }
}

#[tokio::test]
async fn an_object_without_a_type_gets_that_of_its_extension() {
    for s3 in TestS3::all().await {
        for (stored, key, sent) in [
            (Some("binary/octet-stream"), "film.mp4", "video/mp4"),
            (Some("application/octet-stream"), "captions.vtt", "text/vtt"),
            (
                Some("binary/octet-stream"),
                "page.html",
                "application/octet-stream",
            ),
            (Some("audio/mpeg"), "film.mp4", "audio/mpeg"),
            (None, "list.m3u8", "application/vnd.apple.mpegurl"),
        ] {
            let metadata = Metadata {
                content_type: stored.map(ToOwned::to_owned),
                ..Metadata::default()
            };
            s3.put_with(key, content(1, 1000), metadata).await;
            let service = TestService::over(&s3).await;
            let target = format!("/{key}");
            for (method, fields) in [
                ("GET", &[][..]),
                ("HEAD", &[]),
                ("GET", &[("Range", "bytes=5-9")]),
            ] {
                let answer = service.ask(method, &target, fields).await;
                assert_eq!(
                    answer.header("content-type"),
                    Some(sent),
                    "{} {key}",
                    s3.name()
                );
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_one_media_type_is_no_media_type() {
    for s3 in TestS3::all().await {
        for content_type in ["video/mp4, text/html", "text/html,", "text/html foo"] {
            let metadata = Metadata {
                content_type: Some(content_type.to_owned()),
                ..Metadata::default()
            };
            s3.put_with("x", "<script>alert(1)</script>", metadata)
                .await;
            let service = TestService::over(&s3).await;
            let answer = service.get("/x", &[]).await;
            let sent = answer.header("content-type");
            assert_eq!(sent, Some("application/octet-stream"), "{}", s3.name());
        }
    }
}

#[tokio::test]
async fn the_connection_is_kept_or_closed_as_the_viewer_wants() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let service = TestService::over(&s3).await;
    let mut closing = service.client().await;
    let answer = closing.ask("GET", "/a", &[("Connection", "close")]).await;
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.header("keep-alive"), None);
    assert!(closing.rest().await.is_empty());

    let mut old = service.client().await;
    old.send("GET /a HTTP/1.0\r\n\r\n").await;
    let answer = old.response("GET").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-length"), Some("10"));
    assert!(old.rest().await.is_empty());

    let mut kept = service.client().await;
    kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .await;
    let answer = kept.response("GET").await;
    assert_eq!(answer.header("connection"), Some("keep-alive"));
    kept.send("GET /a HTTP/1.0\r\n\r\n").await;
    assert_eq!(kept.response("GET").await.body, content(1, 10));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 100_000)).await;
    let service = TestService::over(&s3).await;
    let mut player = service.client().await;
    let request = |method: &str, range: &str| {
        format!("{method} /a HTTP/1.1\r\nHost: x\r\nRange: bytes={range}\r\n\r\n")
    };
    let all: String = [
        ("GET", "0-1"),
        ("HEAD", "0-1"),
        ("GET", "99998-"),
        ("GET", "200000-"),
        ("GET", "0-"),
    ]
    .map(|(method, range)| request(method, range))
    .concat();
    player.send(all).await;
    assert_eq!(player.response("GET").await.body, content(1, 2));
    assert_eq!(player.response("HEAD").await.status, 200);
    assert_eq!(
        player.response("GET").await.body,
        content(1, 100_000)[99_998..]
    );
    assert_eq!(player.response("GET").await.status, 416);
    assert_eq!(player.response("GET").await.body.len(), 100_000);
}
