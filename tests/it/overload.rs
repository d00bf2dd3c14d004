//! More viewers than there is room for, and viewers that take their time.

use std::time::Duration;

use crate::support::{TestS3, TestService, content, in_time, until};

/// How often answers were ended for this reason.
async fn let_go(service: &TestService, reason: &str) -> f64 {
    let name = format!("s3reel_responses_aborted_total{{reason=\"{reason}\",side=\"viewer\"}}");
    service.figure(&name).await
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_for_too_long_is_disconnected_visibly() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 50_000_000)).await;
    let service = TestService::with(&s3, |config| {
        config.server.viewer.timeout = Duration::from_millis(500);
    })
    .await;
    for taken in [0, 10_000_000] {
        let before = let_go(&service, "timeout").await;
        let mut viewer = service.client().await;
        viewer.request("GET", "/film.mp4", &[]).await;
        let (head, _) = in_time("a head", viewer.head()).await;
        assert!(head.contains("content-length: 50000000"), "{head}");
        in_time("the beginning", viewer.take(taken)).await;
        until("the viewer is let go", async || {
            let_go(&service, "timeout").await > before
        })
        .await;
        until("its read is freed", async || {
            service.figure("s3reel_s3_bodies_open").await == 0.0
        })
        .await;
        let rest = in_time("the close", viewer.rest()).await;
        assert!(rest.len() + taken < 50_000_000, "nobody can see the cut");
    }
}

#[tokio::test]
async fn a_viewer_that_takes_something_in_time_is_not_disconnected() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 30_000_000)).await;
    let timeout = Duration::from_millis(1500);
    let service = TestService::with(&s3, |config| {
        config.server.viewer.timeout = timeout;
    })
    .await;
    let mut viewer = service.client().await;
    viewer.request("GET", "/film.mp4", &[]).await;
    viewer.head().await;
    let mut film = Vec::new();
    let started = std::time::Instant::now();
    // Large enough steps that the server notices each of them.
    while started.elapsed() < 2 * timeout {
        film.extend(in_time("more", viewer.take(1_000_000)).await);
        tokio::time::sleep(timeout / 10).await;
    }
    assert!(film.len() < 30_000_000, "the film was too short for this");
    let left = 30_000_000 - film.len();
    film.extend(in_time("the rest", viewer.take(left)).await);
    assert!(film == content(1, 30_000_000), "cut, or other bytes");
}

#[tokio::test]
async fn a_viewer_that_drips_is_let_go_and_one_that_pauses_is_not() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 50_000_000)).await;
    let service = TestService::with(&s3, |config| {
        config.server.viewer.window = Duration::from_millis(100);
        config.server.viewer.min_rate = 10 * 1024 * 1024;
    })
    .await;
    let mut pausing = service.client().await;
    pausing.request("GET", "/film.mp4", &[]).await;
    pausing.head().await;
    let mut dripping = service.client().await;
    dripping.request("GET", "/film.mp4", &[]).await;
    dripping.head().await;
    let mut taken = 0;
    let mut fewer = false;
    while !fewer {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let drop = in_time("a drop", dripping.take(20_000)).await;
        taken += drop.len();
        fewer = drop.len() < 20_000;
    }
    assert!(taken < 50_000_000, "nobody can see the cut");
    until("it is counted", async || {
        let_go(&service, "too_slow").await == 1.0
    })
    .await;
    let film = in_time("the film", pausing.take(50_000_000)).await;
    assert!(
        film == content(1, 50_000_000),
        "cut in a pause, or other bytes"
    );
}
