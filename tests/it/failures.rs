//! What viewers are told when S3 fails, and that nothing wrong is ever passed on.

use std::time::{Duration, Instant};

use crate::support::scripted::{answer, error, raw};
use crate::support::{Response, Scripted, Step, TestS3, TestService, content, in_time, until};
use std::sync::atomic::{AtomicU8, Ordering};

const SECRETS: &[&str] = &[
    "test-bucket",
    "AKIATEST",
    "127.0.0.1",
    "secret",
    "RequestId",
    "<",
];

async fn answer_to(steps: Vec<Step>, method: &str, fields: &[(&str, &str)]) -> Response {
    let origin = Scripted::start(move |_| steps.clone()).await;
    let service = TestService::at_address(origin.address(), |config| {
        config.s3.timeouts.first_byte = Duration::from_millis(300);
        config.s3.timeouts.idle = Duration::from_millis(300);
    })
    .await;
    // A denial means another thing while it is not known whether the bucket may be listed, and on a busy
    // machine the first question about that may have to be asked again.
    until("it is known whether it may be listed", async || {
        service.admin("/readyz").await.status == 200
    })
    .await;
    service.ask(method, "/film.mp4", fields).await
}

fn is_clean(response: &Response) {
    assert_eq!(
        response.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let body = String::from_utf8(response.body.clone()).unwrap();
    for secret in SECRETS {
        assert!(
            !body.contains(secret) && !response.head.contains(secret),
            "{secret} in {body}"
        );
    }
    let problem = response.json();
    assert_eq!(problem["status"], response.status);
    assert_eq!(
        problem["request_id"].as_str(),
        response.header("x-request-id")
    );
    assert!(problem["detail"].as_str().unwrap().ends_with('.'), "{body}");
}

#[tokio::test]
async fn every_error_of_s3_has_its_status_and_tells_nothing_of_ours() {
    for (status_line, code, status) in [
        ("404 Not Found", "NoSuchKey", 404),
        ("404 Not Found", "NoSuchBucket", 502),
        ("403 Forbidden", "AccessDenied", 502),
        ("403 Forbidden", "InvalidAccessKeyId", 502),
        ("403 Forbidden", "SignatureDoesNotMatch", 502),
        ("403 Forbidden", "RequestTimeTooSkewed", 502),
        ("400 Bad Request", "ExpiredToken", 502),
        ("400 Bad Request", "AuthorizationHeaderMalformed", 502),
        ("301 Moved Permanently", "PermanentRedirect", 502),
        ("307 Temporary Redirect", "TemporaryRedirect", 502),
        ("403 Forbidden", "InvalidObjectState", 409),
        ("400 Bad Request", "KMS.DisabledException", 502),
        ("503 Service Unavailable", "SlowDown", 503),
        ("500 Internal Server Error", "InternalError", 502),
        ("400 Bad Request", "SomethingNew", 502),
    ] {
        let response = answer_to(vec![error(status_line, code)], "GET", &[]).await;
        assert_eq!(response.status, status, "{code}");
        is_clean(&response);
        let waits = response.header("retry-after").is_some();
        assert_eq!(
            waits,
            matches!(code, "SlowDown" | "InternalError"),
            "{code}"
        );
    }
}

#[tokio::test]
async fn access_denied_is_not_found_where_listing_is_not_allowed() {
    let denying = Scripted::denying().await;
    let service = TestService::at_address(denying.address(), |_| {}).await;
    for method in ["GET", "HEAD"] {
        assert_eq!(
            service.ask(method, "/film.mp4", &[]).await.status,
            404,
            "{method}"
        );
    }
    let ready = String::from_utf8(service.admin("/readyz").await.body).unwrap();
    assert!(ready.contains("every_key_denied"), "{ready}");
}

#[tokio::test]
async fn a_head_learns_the_code_that_headobject_does_not_tell() {
    for (status_line, code, status) in [
        ("404 Not Found", "NoSuchBucket", 502),
        ("404 Not Found", "NoSuchKey", 404),
        ("403 Forbidden", "InvalidAccessKeyId", 502),
    ] {
        let origin = Scripted::start(move |asked| {
            if asked.line.starts_with("HEAD") {
                vec![raw(status_line, &[("Content-Length", "0")], "")]
            } else {
                vec![error(status_line, code)]
            }
        })
        .await;
        let service = TestService::at_address(origin.address(), |_| {}).await;
        let response = service.ask("HEAD", "/film.mp4", &[]).await;
        assert_eq!(response.status, status, "{code}");
        let asked = origin.asked();
        assert_eq!(asked[1].header("range"), Some("bytes=0-0"));
    }
}

#[tokio::test]
async fn an_archived_object_is_409_for_get_and_head_until_it_is_restored() {
    let head = |restore: Option<&'static str>| {
        move |asked: &crate::support::scripted::Asked| {
            let mut fields = vec![("ETag", "\"1\""), ("x-amz-storage-class", "GLACIER")];
            fields.extend(restore.map(|restore| ("x-amz-restore", restore)));
            if asked.line.starts_with("HEAD") {
                fields.push(("Content-Length", "10"));
                vec![raw("200 OK", &fields, "")]
            } else if restore.is_some() {
                vec![answer("200 OK", &fields, content(1, 10))]
            } else {
                vec![error("403 Forbidden", "InvalidObjectState")]
            }
        }
    };
    let archived = Scripted::start(head(None)).await;
    let service = TestService::at_address(archived.address(), |_| {}).await;
    for method in ["GET", "HEAD"] {
        assert_eq!(
            service.ask(method, "/film.mp4", &[]).await.status,
            409,
            "{method}"
        );
    }
    let restored = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2035 00:00:00 GMT\"";
    let restored = Scripted::start(head(Some(restored))).await;
    let service = TestService::at_address(restored.address(), |_| {}).await;
    for method in ["GET", "HEAD"] {
        assert_eq!(
            service.ask(method, "/film.mp4", &[]).await.status,
            200,
            "{method}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_contradicts_the_request_is_never_passed_on() {
    let etag = ("ETag", "\"1\"");
    let range = [("Range", "bytes=2-5")];
    for (steps, fields) in [
        // Not HTTP at all.
        (
            vec![Step::Send(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()), Step::Close],
            &[][..],
        ),
        // 200 to a ranged read.
        (vec![answer("200 OK", &[etag], content(1, 10))], &range),
        // Other bytes than asked for.
        (
            vec![answer(
                "206 Partial Content",
                &[etag, ("Content-Range", "bytes 0-3/10")],
                "abcd",
            )],
            &range,
        ),
        (
            vec![answer(
                "206 Partial Content",
                &[etag, ("Content-Range", "bytes 2-6/10")],
                "abcde",
            )],
            &range,
        ),
        // Garbage, a star, none.
        (
            vec![answer(
                "206 Partial Content",
                &[etag, ("Content-Range", "garbage")],
                "abcd",
            )],
            &range,
        ),
        (
            vec![answer(
                "206 Partial Content",
                &[etag, ("Content-Range", "bytes 2-5/*")],
                "abcd",
            )],
            &range,
        ),
        (vec![answer("206 Partial Content", &[etag], "abcd")], &range),
        // A length that contradicts the range.
        (
            vec![answer(
                "206 Partial Content",
                &[etag, ("Content-Range", "bytes 2-5/10")],
                "abc",
            )],
            &range,
        ),
        // 206 and 200 with the other's fields, without being asked for a range.
        (
            vec![answer(
                "206 Partial Content",
                &[etag, ("Content-Range", "bytes 0-9/10")],
                content(1, 10),
            )],
            &[],
        ),
        (
            vec![answer(
                "200 OK",
                &[etag, ("Content-Range", "bytes 0-9/10")],
                content(1, 10),
            )],
            &[],
        ),
        // No length.
        (
            vec![raw("200 OK", &[etag], content(1, 10)), Step::Close],
            &[],
        ),
        (
            vec![raw(
                "200 OK",
                &[etag, ("Transfer-Encoding", "chunked")],
                "5\r\nabcde\r\n0\r\n\r\n",
            )],
            &[],
        ),
        // Nothing of a body that was promised.
        (
            vec![
                raw("200 OK", &[etag, ("Content-Length", "10")], ""),
                Step::Close,
            ],
            &[],
        ),
        (
            vec![
                raw("200 OK", &[etag, ("Content-Length", "10")], ""),
                Step::Reset,
            ],
            &[],
        ),
        // An error status for success.
        (vec![answer("204 No Content", &[etag], "")], &[]),
    ] {
        let what = format!("{steps:?}");
        let response = answer_to(steps, "GET", fields).await;
        assert_eq!(response.status, 502, "{what}");
        is_clean(&response);
    }
}

#[tokio::test]
async fn silence_is_504_and_a_refused_connection_502() {
    // Silence before the head, and after it, also when the read is opened again.
    let head = || raw("200 OK", &[("Content-Length", "10"), ("ETag", "\"1\"")], "");
    for first in [vec![Step::Hold], vec![head(), Step::Hold]] {
        let origin = Scripted::start(move |asked| match asked.header("range") {
            None => first.clone(),
            Some(_) => vec![Step::Hold],
        })
        .await;
        let service = TestService::at_address(origin.address(), |config| {
            config.s3.timeouts.first_byte = Duration::from_millis(300);
            config.s3.timeouts.idle = Duration::from_millis(300);
        })
        .await;
        let started = Instant::now();
        let response = service.get("/film.mp4", &[]).await;
        assert_eq!(response.status, 504);
        assert!(response.header("retry-after").is_some());
        is_clean(&response);
        assert!(started.elapsed() < Duration::from_secs(11));
    }
    let gone = Scripted::start(|_| Vec::new()).await.address();
    let service = TestService::at_address(gone, |_| {}).await;
    let response = service.get("/film.mp4", &[]).await;
    assert_eq!(response.status, 502);
    is_clean(&response);
    assert_eq!(service.admin("/livez").await.status, 200);
    assert_eq!(service.admin("/readyz").await.status, 200);
    until("readiness tells", async || {
        let ready = service.admin("/readyz").await;
        String::from_utf8_lossy(&ready.body).contains("unreachable")
    })
    .await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_cut_and_never_looks_complete() {
    let head = [("ETag", "\"1\""), ("Content-Length", "1000000")];
    for end in [Step::Close, Step::Reset, Step::Hold] {
        let first = raw("200 OK", &head, content(1, 400_000));
        let response = answer_to(vec![first, end.clone()], "GET", &[]).await;
        assert_eq!(response.status, 200);
        assert!(!response.complete, "{end:?}");
        let received = response.body.len();
        assert!(
            response.body == content(1, 400_000)[..received],
            "{end:?}: other bytes"
        );
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_and_keys_that_are_wrong_are_our_fault_and_told_as_such() {
    for s3 in TestS3::all().await {
        let service = TestService::with(&s3, |config| {
            config.s3.bucket = s3reel::object::BucketName::parse("no-such-bucket-here").unwrap();
        })
        .await;
        for method in ["GET", "HEAD"] {
            let response = service.ask(method, "/film.mp4", &[]).await;
            assert_eq!(response.status, 502, "{} {method}", s3.name());
        }
        is_clean(&service.get("/film.mp4", &[]).await);
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_not_read_into_memory() {
    let endless = |status: &str| {
        let head = raw(status, &[("Transfer-Encoding", "chunked")], "");
        let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 65_536], b"\r\n".to_vec()].concat();
        vec![head, Step::Flood(chunk)]
    };
    for status in ["404 Not Found", "503 Slow Down"] {
        let started = Instant::now();
        let response = answer_to(endless(status), "GET", &[]).await;
        assert!(
            matches!(response.status, 502 | 503),
            "{status}: {}",
            response.status
        );
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "read for too long"
        );
    }
}

#[tokio::test]
async fn a_page_of_someone_in_between_is_not_taken_for_an_answer_of_s3() {
    for status in ["403 Forbidden", "404 Not Found"] {
        let page = answer(status, &[("Content-Type", "text/html")], "<html>no</html>");
        let response = answer_to(vec![page], "GET", &[]).await;
        assert_eq!(response.status, 502, "{status}");
    }
    let empty = answer_to(vec![answer("404 Not Found", &[], "")], "GET", &[]).await;
    assert_eq!(empty.status, 404);
}

#[tokio::test]
async fn two_lengths_of_one_version_are_a_lie() {
    let origin = Scripted::start(|asked| {
        let length = if asked.line.starts_with("HEAD") {
            "1000"
        } else {
            "2000"
        };
        let fields = [("ETag", "\"1\""), ("Content-Length", length)];
        vec![raw(
            "200 OK",
            &fields,
            if length == "2000" {
                content(1, 2000)
            } else {
                Vec::new()
            },
        )]
    })
    .await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let response = service.get("/a", &[("If-None-Match", "\"x\"")]).await;
    assert_eq!(response.status, 502);
}

#[tokio::test]
async fn odd_metadata_does_not_cost_the_object() {
    let mut bytes =
        b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 2\r\nContent-Type: video/mp4\r\n\
        Last-Modified: yesterday\r\nContent-Disposition: inline; filename=\"\xff\"\r\n\
        x-amz-meta-title: \xfe\xff\r\nx-amz-tagging-count: many\r\nExpires: never\r\n\
        Cache-Control: private\r\nCache-Control: max-age=5\r\n\r\n"
            .to_vec();
    bytes.extend(b"ab");
    let response = answer_to(vec![Step::Send(bytes)], "GET", &[]).await;
    assert_eq!(response.status, 200, "{}", response.head);
    assert_eq!(response.body, b"ab");
    assert_eq!(response.header("content-type"), Some("video/mp4"));
    assert_eq!(response.header("cache-control"), Some("private, max-age=5"));
    assert_eq!(response.header("content-disposition"), None);
    assert_eq!(response.header("last-modified"), None);
}

#[tokio::test]
async fn a_version_replaced_between_two_calls_is_decided_on_once_more() {
    let heads = AtomicU8::new(0);
    let origin = Scripted::start(move |asked| {
        let pinned_to_old = asked.header("if-match") == Some("\"old\"");
        if asked.line.starts_with("HEAD") {
            let first = heads.fetch_add(1, Ordering::SeqCst) == 0;
            let etag = if first { "\"old\"" } else { "\"new\"" };
            vec![raw(
                "200 OK",
                &[("ETag", etag), ("Content-Length", "10")],
                "",
            )]
        } else if pinned_to_old {
            vec![error("412 Precondition Failed", "PreconditionFailed")]
        } else {
            vec![answer("200 OK", &[("ETag", "\"new\"")], content(2, 10))]
        }
    })
    .await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let response = service.get("/a", &[("If-None-Match", "\"x\"")]).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("etag"), Some("\"new\""));
    assert_eq!(response.body, content(2, 10));
    assert_eq!(origin.asked().len(), 4);
}

#[tokio::test]
async fn the_service_starts_before_its_storage_and_finds_it_later() {
    let address = Scripted::start(|_| Vec::new()).await.address();
    let service = TestService::at_address(address, |_| {}).await;
    assert_eq!(service.get("/a", &[]).await.status, 502);
    let listener = in_time("the port", async {
        loop {
            match tokio::net::TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    })
    .await;
    let origin = Scripted::start_on(listener, |_| {
        vec![answer("200 OK", &[("ETag", "\"1\"")], "x")]
    });
    until("the bucket is found", async || {
        let ready = service.admin("/readyz").await;
        String::from_utf8_lossy(&ready.body).contains("bucket: answering")
    })
    .await;
    assert_eq!(service.get("/a", &[]).await.body, b"x");
    drop(origin);
}
