//! The page and the listing under `/-/`.

use s3reel::web::Browse;

use crate::support::client::encoded;
use crate::support::{TestS3, TestService, content};

async fn browsing(s3: &TestS3) -> TestService {
    TestService::with(s3, |config| config.web.browse = Browse::On).await
}

#[tokio::test]
async fn a_level_of_the_bucket_is_listed_in_folders_and_objects() {
    for s3 in TestS3::all().await {
        for key in [
            "a b.mp4",
            "films/one.mp4",
            "films/old/two.webm",
            "films/",
            "z.bin",
        ] {
            s3.put(key, content(1, 10)).await;
        }
        let service = browsing(&s3).await;
        let top = service.get("/-/list", &[]).await;
        assert_eq!(top.status, 200, "{}", s3.name());
        assert_eq!(top.header("content-type"), Some("application/json"));
        let top = top.json();
        assert_eq!(top["folders"], serde_json::json!(["films/"]));
        assert_eq!(top["objects"][0]["key"], "a b.mp4");
        assert_eq!(top["objects"][0]["size"], 10);
        assert_eq!(top["objects"][0]["type"], "video/mp4");
        assert_eq!(top["objects"][1]["type"], serde_json::Value::Null);
        assert_eq!(top["next"], serde_json::Value::Null);
        let films = service.get("/-/list?prefix=films%2F", &[]).await.json();
        assert_eq!(films["folders"], serde_json::json!(["films/old/"]));
        assert_eq!(films["objects"].as_array().unwrap().len(), 1, "{films}");
        // A prefix need not end at a slash: the page looks for captions like this.
        let captions = service.get("/-/list?prefix=films%2Fo", &[]).await.json();
        assert_eq!(captions["objects"][0]["key"], "films/one.mp4");
    }
}

#[tokio::test]
async fn a_long_listing_comes_in_pages_that_miss_nothing() {
    for s3 in TestS3::all().await {
        for number in 0..1003 {
            s3.put(&format!("n/{number:04}.mp3"), "x").await;
        }
        let service = browsing(&s3).await;
        let mut keys = Vec::new();
        let mut target = "/-/list?prefix=n%2F".to_owned();
        loop {
            let page = service.get(&target, &[]).await.json();
            let objects = page["objects"].as_array().unwrap();
            keys.extend(
                objects
                    .iter()
                    .map(|object| object["key"].as_str().unwrap().to_owned()),
            );
            let Some(next) = page["next"].as_str() else {
                break;
            };
            let token = encoded(next);
            target = format!("/-/list?prefix=n%2F&after={token}");
            assert!(keys.len() < 2000, "the pages do not end");
        }
        let expected: Vec<_> = (0..1003)
            .map(|number| format!("n/{number:04}.mp3"))
            .collect();
        assert_eq!(keys, expected, "{}", s3.name());
    }
}

#[tokio::test]
async fn the_page_is_there_when_it_is_on_and_allows_nothing_from_elsewhere() {
    let s3 = TestS3::embedded().await;
    let service = browsing(&s3).await;
    let redirect = service.get("/", &[]).await;
    assert_eq!(
        (redirect.status, redirect.header("location")),
        (303, Some("/-/"))
    );
    for (target, content_type) in [
        ("/-/", "text/html; charset=utf-8"),
        ("/-/player/any/key.mp4", "text/html; charset=utf-8"),
        ("/-/app.js", "text/javascript; charset=utf-8"),
        ("/-/player.js", "text/javascript; charset=utf-8"),
        ("/-/icon.svg", "image/svg+xml"),
        ("/-/style.css", "text/css; charset=utf-8"),
    ] {
        let file = service.get(target, &[]).await;
        assert_eq!(file.status, 200, "{target}");
        assert_eq!(file.header("content-type"), Some(content_type));
        let policy = file.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(file.header("cache-control"), Some("no-store"));
        let head = service.ask("HEAD", target, &[]).await;
        assert_eq!(head.header("content-length"), file.header("content-length"));
    }
    let page = String::from_utf8(service.get("/-/", &[]).await.body).unwrap();
    assert!(
        !page.contains("http://") && !page.contains("https://"),
        "something from elsewhere"
    );
    for target in ["/-/nothing", "/-/player", "/-/index.html"] {
        assert_eq!(service.get(target, &[]).await.status, 404, "{target}");
    }
    for target in ["/-/", "/-/list", "/-/player/any/key.mp4"] {
        assert_eq!(service.ask("POST", target, &[]).await.status, 405);
    }
}

#[tokio::test]
async fn the_page_finds_its_files_from_every_address_that_it_has() {
    let s3 = TestS3::embedded().await;
    let service = browsing(&s3).await;
    for (target, script) in [
        ("/-/", "src=\"app.js\""),
        ("/-/player/", "src=\"../app.js\""),
        ("/-/player/a.mp4", "src=\"../app.js\""),
        ("/-/player/a/b/c.mp4", "src=\"../../../app.js\""),
        ("/-/player//a%2Fb", "src=\"../../app.js\""),
    ] {
        let page = String::from_utf8(service.get(target, &[]).await.body).unwrap();
        assert!(page.contains(script), "{target}");
        assert!(!page.contains("{page}"), "{target}");
    }
}

#[tokio::test]
async fn without_browse_only_the_health_checks_are_there() {
    let s3 = TestS3::embedded().await;
    let service = TestService::over(&s3).await;
    for target in ["/", "/-/", "/-/list", "/-/app.js", "/-/player/a.mp4"] {
        assert_eq!(service.get(target, &[]).await.status, 404, "{target}");
    }
    assert_eq!(service.get("/-/livez", &[]).await.status, 200);
    assert_eq!(service.get("/-/readyz", &[]).await.status, 200);
}

#[tokio::test]
async fn a_listing_query_that_cannot_be_read_is_refused() {
    let s3 = TestS3::embedded().await;
    let service = browsing(&s3).await;
    let long = format!("/-/list?prefix={}", "x".repeat(1025));
    for target in [
        "/-/list?prefix=%zz",
        "/-/list?prefix=%ff",
        "/-/list?prefix=a%00",
        &long,
    ] {
        let refused = service.get(target, &[]).await;
        assert_eq!(refused.status, 400, "{target}");
        assert_eq!(refused.json()["type"], "urn:s3reel:problem:query-refused");
    }
}
