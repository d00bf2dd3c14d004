//! Health, figures, log lines and the end.

use std::time::{Duration, Instant};

use crate::support::scripted::raw;
use crate::support::{Scripted, Step, TestS3, TestService, content, until};

#[tokio::test]
async fn figures_count_requests_bytes_and_calls_to_s3() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 1000)).await;
    let service = TestService::over(&s3).await;
    let mut player = service.client().await;
    player.ask("GET", "/film.mp4", &[]).await;
    player
        .ask("GET", "/film.mp4", &[("Range", "bytes=0-1")])
        .await;
    player.ask("GET", "/none", &[]).await;
    player.ask("BREW", "/film.mp4", &[]).await;
    let object = |code: u16, method: &str| {
        format!("s3reel_requests_total{{code=\"{code}\",method=\"{method}\",route=\"object\"}}")
    };
    for (name, value) in [
        (object(200, "GET"), 1.0),
        (object(206, "GET"), 1.0),
        (object(404, "GET"), 1.0),
        (object(405, "other"), 1.0),
        ("s3reel_s3_bytes_total".to_owned(), 1002.0),
        ("s3reel_requests_in_flight".to_owned(), 0.0),
        ("s3reel_s3_bodies_open".to_owned(), 0.0),
        (
            "s3reel_s3_requests_total{operation=\"GetObject\",outcome=\"not_found\"}".to_owned(),
            1.0,
        ),
    ] {
        until(&name, async || {
            service.figure(&name).await.to_bits() == f64::to_bits(value)
        })
        .await;
    }
    let figures = service.admin("/metrics").await;
    assert_eq!(
        figures.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = String::from_utf8(figures.body).unwrap();
    assert!(text.contains("process_resident_memory_bytes"), "{text}");
    assert!(!text.contains("film"), "a key in a label:\n{text}");
}

#[tokio::test]
async fn the_admin_listener_has_health_and_figures_and_nothing_else() {
    let s3 = TestS3::embedded().await;
    s3.put("livez", content(1, 10)).await;
    let service = TestService::over(&s3).await;
    assert_eq!(service.admin("/livez").await.body, b"ok\n");
    until("the bucket is known", async || {
        service.admin("/readyz").await.body == b"serving\nbucket: answering\n"
    })
    .await;
    assert_eq!(service.admin("/a").await.status, 404);
    // And viewers' names are viewers' names.
    assert_eq!(service.get("/livez", &[]).await.body, content(1, 10));
    assert_eq!(service.get("/metrics", &[]).await.status, 404);
}

#[tokio::test]
async fn an_orderly_end_lets_a_stream_finish_and_tells_balancers_first() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 20_000_000)).await;
    let service = TestService::with(&s3, |config| {
        config.server.drain_delay = Duration::from_millis(500);
        config.server.drain_timeout = Duration::from_secs(15);
    })
    .await;
    let mut streaming = service.client().await;
    let mut idle = service.client().await;
    idle.ask("GET", "/film.mp4", &[("Range", "bytes=0-1")])
        .await;
    streaming.request("GET", "/film.mp4", &[]).await;
    streaming.head().await;
    let address = service.address();
    let stopping = tokio::spawn(service.stop());
    until("new answers close their connection", async || {
        let mut late = crate::support::Client::connect(address).await;
        let answer = late.ask("GET", "/-/readyz", &[]).await;
        answer.status == 503 && answer.header("connection") == Some("close")
    })
    .await;
    assert!(!stopping.is_finished(), "it did not wait for the stream");
    let film = streaming.take(20_000_000).await;
    assert!(film == content(1, 20_000_000), "cut while draining");
    stopping.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_stream_that_does_not_end_is_cut_when_the_drain_timeout_is_over() {
    let head = [("ETag", "\"1\""), ("Content-Length", "1000000")];
    let origin =
        Scripted::start(move |_| vec![raw("200 OK", &head, content(1, 1000)), Step::Hold]).await;
    let service = TestService::at_address(origin.address(), |config| {
        config.s3.timeouts.idle = Duration::from_mins(1);
        config.server.drain_timeout = Duration::from_secs(1);
    })
    .await;
    let mut viewer = service.client().await;
    viewer.request("GET", "/film.mp4", &[]).await;
    viewer.head().await;
    let metrics = service.metrics();
    let started = Instant::now();
    service.stop().await;
    assert!(
        started.elapsed() >= Duration::from_millis(900),
        "cut too early"
    );
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert!(viewer.rest().await.len() <= 1000);
    let figures = String::from_utf8(metrics.encode().unwrap()).unwrap();
    let cut = "s3reel_responses_aborted_total{reason=\"drain_timeout\",side=\"shutdown\"} 1";
    assert!(figures.contains(cut), "{figures}");
}
