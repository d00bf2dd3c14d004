//! Conditional requests from outside. The table of all combinations is with the code.

use crate::support::{TestS3, TestService, content};

#[tokio::test]
async fn a_range_applies_only_while_if_range_holds() {
    for s3 in TestS3::all().await {
        s3.put("a.mp4", content(1, 100_000)).await;
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        let first = player.ask("GET", "/a.mp4", &[("Range", "bytes=0-1")]).await;
        let etag = first.header("etag").unwrap().to_owned();
        let modified = first.header("last-modified").unwrap().to_owned();
        let weak = format!("W/{etag}");
        for (if_range, status) in [
            (etag.as_str(), 206),
            (modified.as_str(), 206),
            (weak.as_str(), 200),
            ("\"other\"", 200),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 200),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
            ("junk", 200),
        ] {
            let fields = [("Range", "bytes=10-19"), ("If-Range", if_range)];
            let answer = player.ask("GET", "/a.mp4", &fields).await;
            assert_eq!(answer.status, status, "{} {if_range}", s3.name());
            let whole = content(1, 100_000);
            let expected = if status == 206 {
                &whole[10..=19]
            } else {
                &whole
            };
            assert!(answer.body == expected, "{} {if_range}", s3.name());
        }
    }
}

#[tokio::test]
async fn an_overwritten_object_is_never_mixed_with_its_old_version() {
    for s3 in TestS3::all().await {
        s3.put("a.mp4", content(1, 100_000)).await;
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        let first = player
            .ask("GET", "/a.mp4", &[("Range", "bytes=0-999")])
            .await;
        let etag = first.header("etag").unwrap().to_owned();
        s3.put("a.mp4", content(2, 90_000)).await;
        let fields = [("Range", "bytes=1000-"), ("If-Range", etag.as_str())];
        let answer = player.ask("GET", "/a.mp4", &fields).await;
        assert_eq!(answer.status, 200, "{}", s3.name());
        assert!(answer.body == content(2, 90_000), "not the new version");
        assert_ne!(answer.header("etag"), Some(etag.as_str()));
    }
}

#[tokio::test]
async fn a_revalidation_is_304_with_validators_and_without_a_body() {
    for s3 in TestS3::all().await {
        s3.put("a.mp4", content(1, 1000)).await;
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        let first = player.ask("GET", "/a.mp4", &[]).await;
        let etag = first.header("etag").unwrap().to_owned();
        let modified = first.header("last-modified").unwrap().to_owned();
        let weak = format!("W/{etag}");
        let list = format!("\"a,b\" , {etag}");
        for fields in [
            vec![("If-None-Match", etag.as_str())],
            vec![("If-None-Match", weak.as_str())],
            vec![("If-None-Match", "*")],
            vec![("If-None-Match", list.as_str())],
            vec![("If-None-Match", "\"x\""), ("If-None-Match", etag.as_str())],
            vec![("If-Modified-Since", modified.as_str())],
            // Chromium revalidates ranges; the condition comes first.
            vec![("If-None-Match", etag.as_str()), ("Range", "bytes=0-1")],
            vec![("If-None-Match", etag.as_str()), ("Range", "bytes=5000-")],
        ] {
            for method in ["GET", "HEAD"] {
                let answer = player.ask(method, "/a.mp4", &fields).await;
                let name = s3.name();
                assert_eq!(answer.status, 304, "{name} {method} {fields:?}");
                assert_eq!(answer.header("etag"), Some(etag.as_str()));
                assert_eq!(
                    answer.header("cache-control"),
                    first.header("cache-control")
                );
                assert_eq!(answer.header("connection"), Some("keep-alive"));
                assert!(answer.header("date").is_some());
                assert_eq!(answer.header("last-modified"), None);
            }
        }
        let changed = [("If-None-Match", "\"x\""), ("Range", "bytes=0-1")];
        assert_eq!(player.ask("GET", "/a.mp4", &changed).await.status, 206);
        let junk = [("If-Modified-Since", "yesterday")];
        assert_eq!(player.ask("GET", "/a.mp4", &junk).await.status, 200);
    }
}

#[tokio::test]
async fn a_version_that_is_gone_is_412() {
    for s3 in TestS3::all().await {
        s3.put("a.mp4", content(1, 1000)).await;
        let service = TestService::over(&s3).await;
        let mut player = service.client().await;
        let etag = player.ask("HEAD", "/a.mp4", &[]).await;
        let etag = etag.header("etag").unwrap().to_owned();
        for (fields, status) in [
            ([("If-Match", "\"x\""), ("Range", "bytes=0-1")], 412),
            ([("If-Match", etag.as_str()), ("Range", "bytes=0-1")], 206),
            ([("If-Match", "*"), ("Range", "bytes=0-1")], 206),
            (
                [
                    ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
                    ("Range", "bytes=0-1"),
                ],
                412,
            ),
        ] {
            let answer = player.ask("GET", "/a.mp4", &fields).await;
            assert_eq!(answer.status, status, "{} {fields:?}", s3.name());
        }
        let missing = [("If-Match", "*")];
        assert_eq!(player.ask("GET", "/none.mp4", &missing).await.status, 404);
    }
}
