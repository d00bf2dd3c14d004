//! Fields that every answer has, or no answer of a kind.

use std::time::{Duration, SystemTime};

use crate::support::{Response, Scripted, Step, TestS3, TestService, content};
use s3reel::semantics::HttpDate;

fn date(response: &Response, name: &str) -> HttpDate {
    HttpDate::parse(response.header(name).expect(name)).expect(name)
}

#[tokio::test]
async fn ranges_are_promised_where_they_are_served_and_nowhere_else() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 5000)).await;
    let service = TestService::over(&s3).await;
    let etag = service.get("/film.mp4", &[]).await;
    let etag = etag.header("etag").unwrap();
    for (status, method, target, fields) in [
        (200, "GET", "/film.mp4", vec![]),
        (200, "HEAD", "/film.mp4", vec![]),
        (206, "GET", "/film.mp4", vec![("Range", "bytes=0-1")]),
        (206, "GET", "/film.mp4", vec![("Range", "bytes=0-1,4000-")]),
        (304, "GET", "/film.mp4", vec![("If-None-Match", etag)]),
        (412, "GET", "/film.mp4", vec![("If-Match", "\"x\"")]),
        (416, "GET", "/film.mp4", vec![("Range", "bytes=5000-")]),
    ] {
        let response = service.ask(method, target, &fields).await;
        assert_eq!(response.status, status);
        assert_eq!(response.header("accept-ranges"), Some("bytes"), "{status}");
    }
    for (status, method, target) in [
        (404, "GET", "/none.mp4"),
        (400, "GET", "/a/../b"),
        (405, "POST", "/film.mp4"),
        (204, "OPTIONS", "/film.mp4"),
        (404, "GET", "/-/none"),
        (200, "GET", "/-/livez"),
    ] {
        let response = service.ask(method, target, &[]).await;
        assert_eq!(response.status, status, "{target}");
        assert_eq!(response.header("accept-ranges"), None, "{status} {target}");
    }
}

#[tokio::test]
async fn an_object_is_never_newer_than_the_answer_that_says_so() {
    let in_an_hour = HttpDate::at(SystemTime::now() + Duration::from_hours(1));
    let head = format!(
        "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 2\r\nContent-Type: video/mp4\r\n\
         Last-Modified: {in_an_hour}\r\n\r\nab"
    );
    let origin = Scripted::start(move |_| vec![Step::Send(head.clone().into_bytes())]).await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let before = HttpDate::at(SystemTime::now());
    let response = service.get("/film.mp4", &[]).await;
    assert_eq!(response.status, 200);
    assert_eq!(date(&response, "last-modified"), date(&response, "date"));
    assert!(date(&response, "date") >= before);
}

#[tokio::test]
async fn an_object_that_was_just_stored_is_not_newer_than_its_answer_either() {
    for s3 in TestS3::all().await {
        let service = TestService::over(&s3).await;
        for version in 0..20 {
            s3.put("film.mp4", content(version, 100)).await;
            let response = service.get("/film.mp4", &[]).await;
            let (modified, now) = (date(&response, "last-modified"), date(&response, "date"));
            assert!(modified <= now, "{modified} after {now}, {}", s3.name());
        }
    }
}

#[tokio::test]
async fn what_is_ours_under_the_reserved_path_is_kept_by_no_cache() {
    let s3 = TestS3::embedded().await;
    let service = TestService::with(&s3, |config| {
        config.web.browse = s3reel::web::Browse::On;
    })
    .await;
    for target in ["/-/", "/-/app.js", "/-/style.css", "/-/list", "/-/readyz"] {
        let response = service.get(target, &[]).await;
        assert_eq!(response.status, 200, "{target}");
        assert_eq!(
            response.header("cache-control"),
            Some("no-store"),
            "{target}"
        );
    }
}
