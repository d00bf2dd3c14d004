//! What S3 is asked when it fails, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::scripted::{answer, error};
use crate::support::{Asked, Scripted, Step, TestService, content, in_time, until};

fn whole() -> Vec<Step> {
    let fields = [("ETag", "\"1\""), ("Content-Type", "video/mp4")];
    vec![answer("200 OK", &fields, content(1, 1000))]
}

/// An S3 that fails for so many requests for objects, and then is well.
async fn failing(times: usize, failure: Vec<Step>) -> Scripted {
    let asked = AtomicUsize::new(0);
    Scripted::start(move |_: &Asked| {
        if asked.fetch_add(1, Ordering::Relaxed) < times {
            failure.clone()
        } else {
            whole()
        }
    })
    .await
}

#[tokio::test]
async fn a_call_that_fails_is_made_again_and_the_viewer_does_not_notice() {
    for failure in [
        vec![Step::Reset],
        vec![Step::Close],
        vec![Step::Hold],
        vec![error("500 Internal Server Error", "InternalError")],
        vec![error("503 Slow Down", "SlowDown")],
    ] {
        for times in 1..=2 {
            let origin = failing(times, failure.clone()).await;
            let service = TestService::at_address(origin.address(), |config| {
                config.s3.timeouts.first_byte = Duration::from_millis(300);
            })
            .await;
            let response = service.get("/film.mp4", &[]).await;
            assert_eq!(response.status, 200, "{failure:?} {times}");
            assert!(response.body == content(1, 1000));
            assert_eq!(origin.asked().len(), times + 1, "{failure:?}");
            let figures = service.admin("/metrics").await.body;
            let figures = String::from_utf8(figures).unwrap();
            assert!(figures.contains("s3reel_s3_retries_total{"), "{failure:?}");
        }
    }
}

#[tokio::test]
async fn what_would_fail_again_is_asked_once() {
    for (failure, status) in [
        (error("404 Not Found", "NoSuchKey"), 404),
        (error("403 Forbidden", "InvalidAccessKeyId"), 502),
        (error("400 Bad Request", "ExpiredToken"), 502),
    ] {
        let origin = failing(9, vec![failure]).await;
        let service = TestService::at_address(origin.address(), |_| {}).await;
        assert_eq!(service.get("/film.mp4", &[]).await.status, status);
        assert_eq!(origin.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_outage_is_amplified_by_a_fifth_at_most() {
    for failure in [
        vec![Step::Reset],
        vec![error("503 Service Unavailable", "ServiceUnavailable")],
    ] {
        let origin = failing(usize::MAX, failure).await;
        let service = TestService::at_address(origin.address(), |_| {}).await;
        for _ in 0..100 {
            let response = service.get("/film.mp4", &[]).await;
            assert!(matches!(response.status, 502 | 503), "{}", response.status);
        }
        let asked = origin.asked().len();
        assert!(
            (101..=120).contains(&asked),
            "{asked} calls for 100 requests"
        );
    }
}

#[tokio::test]
async fn an_s3_that_wants_to_be_left_alone_for_long_is_and_the_viewer_is_told_at_once() {
    let busy = |seconds| {
        let fields = [
            ("Retry-After", seconds),
            ("Content-Type", "application/xml"),
        ];
        vec![answer(
            "503 Slow Down",
            &fields,
            "<Error><Code>SlowDown</Code></Error>",
        )]
    };
    let origin = failing(1, busy("30")).await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let begun = Instant::now();
    let response = service.get("/film.mp4", &[]).await;
    assert_eq!(response.status, 503);
    let told: u64 = response.header("retry-after").unwrap().parse().unwrap();
    assert!((30..=31).contains(&told), "{told}");
    assert_eq!(origin.asked().len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(3));

    let origin = failing(1, busy("1")).await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let begun = Instant::now();
    assert_eq!(service.get("/film.mp4", &[]).await.status, 200);
    assert!(
        begun.elapsed() >= Duration::from_secs(1),
        "it was not left alone"
    );
}

#[tokio::test]
async fn calls_beyond_the_limit_queue_for_a_moment_and_are_then_turned_away() {
    let origin = Scripted::start(|asked: &Asked| {
        if asked.line.contains("slow") {
            vec![Step::Hold]
        } else {
            whole()
        }
    })
    .await;
    let service = TestService::at_address(origin.address(), |config| {
        config.concurrency = 1;
    })
    .await;
    let mut slow = service.client().await;
    slow.request("GET", "/slow.mp4", &[]).await;
    until("the one call is made", async || origin.asked().len() == 1).await;
    let turned_away = in_time("an answer", service.get("/film.mp4", &[])).await;
    assert_eq!(turned_away.status, 503);
    assert!(turned_away.header("retry-after").is_some());
    let problem = turned_away.json();
    assert_eq!(problem["type"], "urn:s3reel:problem:storage-queue-full");
    assert_eq!(origin.asked().len(), 1, "S3 was asked nevertheless");
    drop(slow);
    until("the place is free again", async || {
        service.get("/film.mp4", &[]).await.status == 200
    })
    .await;
}
