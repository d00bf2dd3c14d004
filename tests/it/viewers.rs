//! Viewers that leave, stall, or watch something very long.

use std::time::{Duration, Instant};

use crate::support::program::{Program, serve};
use crate::support::scripted::{answer, raw};
use crate::support::{Client, Scripted, Step, TestS3, TestService, content, in_time, until};

const HEAD: [(&str, &str); 2] = [("ETag", "\"1\""), ("Content-Length", "1000000000")];

#[tokio::test]
async fn a_viewer_that_leaves_frees_its_read_within_a_second_in_every_phase() {
    for (phase, steps) in [
        ("awaiting headers", vec![Step::Hold]),
        (
            "awaiting the first byte",
            vec![raw("200 OK", &HEAD, ""), Step::Hold],
        ),
        (
            "stalled",
            vec![raw("200 OK", &HEAD, content(1, 1000)), Step::Hold],
        ),
        (
            "flowing",
            vec![raw("200 OK", &HEAD, ""), Step::Flood(content(1, 100_000))],
        ),
    ] {
        let origin = Scripted::start(move |_| steps.clone()).await;
        let service = TestService::at_address(origin.address(), |config| {
            // Nothing but the viewer may end the read here.
            config.s3.timeouts.first_byte = Duration::from_mins(1);
            config.s3.timeouts.idle = Duration::from_mins(1);
            config.s3.timeouts.total = Duration::from_mins(1);
        })
        .await;
        until("the listing at start is done", async || {
            origin.connections() <= 1
        })
        .await;
        let mut viewer = service.client().await;
        viewer.request("GET", "/film.mp4", &[]).await;
        until("S3 was asked", async || !origin.asked().is_empty()).await;
        if phase == "flowing" {
            viewer.take(200_000).await;
        }
        let with_read = origin.connections();
        let left = Instant::now();
        drop(viewer);
        // One connection may stay idle from the listing at start.
        until("the read is freed", async || {
            origin.connections() < with_read
        })
        .await;
        let after = left.elapsed();
        assert!(after < Duration::from_secs(1), "{phase}: {after:?}");
        until("nothing is in flight", async || {
            service.figure("s3reel_requests_in_flight").await == 0.0
        })
        .await;
    }
}

#[tokio::test]
async fn one_viewer_that_stalls_does_not_hold_up_another() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 20_000_000)).await;
    let service = TestService::with(&s3, |config| config.server.workers = 1).await;
    let mut stalled = service.client().await;
    stalled.request("GET", "/film.mp4", &[]).await;
    stalled.head().await;
    for _ in 0..20 {
        let part = service
            .get("/film.mp4", &[("Range", "bytes=1000000-1999999")])
            .await;
        assert!(
            part.body == content(1, 2_000_000)[1_000_000..],
            "other bytes"
        );
    }
    let whole = stalled.take(20_000_000).await;
    assert!(
        whole == content(1, 20_000_000),
        "other bytes after the pause"
    );
}

/// Viewers that take nothing, enough for the noise of an allocator not to matter.
const STALLED: u64 = 100;

/// What each of them may cost.
const BYTES_PER_STALLED_VIEWER: u64 = 300 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_takes_nothing_costs_little_and_plays_on_when_it_reads_again() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 50_000_000)).await;
    let mut command = serve(&s3);
    command.env("S3REEL_VIEWER_HOLD", "500ms");
    let mut program = Program::start(command);
    let address = program.log_address();
    // Warm it up, so that the allocator's and the runtime's own share is not counted.
    for _ in 0..4 {
        let whole = Client::connect(address)
            .await
            .ask("GET", "/film.mp4", &[])
            .await;
        assert!(whole.complete);
    }
    let before = program.resident_bytes();
    let mut viewers = Vec::new();
    for number in 0..STALLED {
        let mut viewer = Client::connect(address).await;
        viewer.request("GET", "/film.mp4", &[]).await;
        in_time("a head", viewer.head()).await;
        // Half of them pause in the middle, when buffers have grown.
        let taken = if number % 2 == 0 { 0 } else { 5_000_000 };
        in_time("the beginning", viewer.take(taken)).await;
        viewers.push((viewer, taken));
    }
    // The hold has to pass before what is left can be weighed. Other viewers go on, as in any
    // service: the allocator gives freed memory back when it is next used.
    let each = async || program.resident_bytes().saturating_sub(before) / STALLED;
    until("paused viewers cost little", async || {
        for _ in 0..4 {
            let mut other = Client::connect(address).await;
            let range = [("Range", "bytes=0-3999999")];
            assert!(other.ask("GET", "/film.mp4", &range).await.complete);
        }
        each().await <= BYTES_PER_STALLED_VIEWER
    })
    .await;
    println!("a stalled viewer costs {} bytes", each().await);
    let film = content(1, 50_000_000);
    for (mut viewer, taken) in viewers.drain(..4) {
        let rest = in_time("the rest", viewer.take(film.len() - taken)).await;
        assert!(rest == film[taken..], "other bytes after the pause");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_reads_nothing_costs_little_also_before_anything_is_given_up() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 50_000_000)).await;
    let mut program = Program::start(serve(&s3));
    let address = program.log_address();
    for _ in 0..4 {
        let mut other = Client::connect(address).await;
        let range = [("Range", "bytes=0-3999999")];
        assert!(other.ask("GET", "/film.mp4", &range).await.complete);
    }
    let before = program.resident_bytes();
    let mut viewers = Vec::new();
    for _ in 0..STALLED {
        let mut viewer = Client::connect(address).await;
        viewer.request("GET", "/film.mp4", &[]).await;
        in_time("a head", viewer.head()).await;
        viewers.push(viewer);
    }
    let each = program.resident_bytes().saturating_sub(before) / STALLED;
    println!("a viewer that reads nothing costs {each} bytes");
    assert!(each <= BYTES_PER_STALLED_VIEWER, "{each} bytes");
}

#[tokio::test]
async fn a_viewer_that_stops_at_the_beginning_gives_up_its_read_before_the_hold_is_over() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 30_000_000)).await;
    let service = TestService::with(&s3, |config| {
        config.web.viewer_hold = Duration::from_mins(10);
    })
    .await;
    let mut viewer = service.client().await;
    viewer.request("GET", "/film.mp4", &[]).await;
    viewer.head().await;
    until("the read is given up", async || {
        service.figure("s3reel_s3_bodies_open").await == 0.0
    })
    .await;
    let film = in_time("the film", viewer.take(30_000_000)).await;
    assert!(
        film == content(1, 30_000_000),
        "other bytes after the pause"
    );
}

#[tokio::test]
async fn a_paused_viewer_gives_up_its_read_and_goes_on_at_the_next_byte_of_the_same_version() {
    let film = content(1, 30_000_000);
    let served = film.clone();
    let origin = Scripted::start(move |asked| {
        let first = asked.header("range").map_or(0, |range| {
            let first = range.trim_start_matches("bytes=").split('-').next();
            first.and_then(|first| first.parse().ok()).unwrap_or(0)
        });
        let total = served.len();
        let range = format!("bytes {first}-{}/{total}", total - 1);
        let head = [("ETag", "\"1\""), ("Content-Range", range.as_str())];
        if asked.header("range").is_some() {
            vec![answer("206 Partial Content", &head, &served[first..])]
        } else {
            vec![answer("200 OK", &head[..1], &served)]
        }
    })
    .await;
    let service = TestService::at_address(origin.address(), |config| {
        config.web.viewer_hold = Duration::from_millis(200);
    })
    .await;
    let mut viewer = service.client().await;
    viewer.request("GET", "/film.mp4", &[]).await;
    viewer.head().await;
    assert!(
        viewer.take(1_000_000).await == film[..1_000_000],
        "other bytes"
    );
    until("the read is given up", async || {
        service.figure("s3reel_s3_bodies_open").await == 0.0
    })
    .await;
    assert_eq!(
        origin.asked().len(),
        1,
        "asked again before the viewer wanted more"
    );
    let rest = in_time("the rest", viewer.take(29_000_000)).await;
    assert!(rest == film[1_000_000..], "other bytes after the pause");
    let asked = origin.asked();
    assert_eq!(asked[1].header("if-match"), Some("\"1\""));
    assert!(asked[1].header("range").is_some());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_continued_inside_the_same_answer() {
    let film = content(1, 1_000_000);
    for end in [Step::Close, Step::Reset, Step::Hold] {
        let (served, ending) = (film.clone(), end.clone());
        let origin = Scripted::start(move |asked| {
            let Some(range) = asked.header("range") else {
                let head = [("ETag", "\"1\""), ("Content-Length", "1000000")];
                return vec![raw("200 OK", &head, &served[..400_000]), ending.clone()];
            };
            let first: usize = range["bytes=".len()..]
                .split('-')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            let range = format!("bytes {first}-999999/1000000");
            let head = [("ETag", "\"1\""), ("Content-Range", range.as_str())];
            vec![answer("206 Partial Content", &head, &served[first..])]
        })
        .await;
        let service = TestService::at_address(origin.address(), |config| {
            config.s3.timeouts.idle = Duration::from_millis(300);
        })
        .await;
        let whole = service.get("/film.mp4", &[]).await;
        assert!(whole.complete && whole.body == film, "{end:?}");
        let asked = origin.asked();
        assert_eq!(asked.len(), 2, "{end:?}: more calls than 1 + faults");
        assert_eq!(asked[1].header("if-match"), Some("\"1\""));
    }
}

#[tokio::test]
async fn a_slow_head_is_closed_on_the_first_and_on_every_later_request() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let service = TestService::with(&s3, |config| {
        config.server.request_head_timeout = Duration::from_secs(1);
    })
    .await;
    let mut first = service.client().await;
    first.send("GET /a HTTP/1.1\r\nHost:").await;
    let told = in_time("the close", first.rest()).await;
    assert!(
        told.is_empty() || told.starts_with(b"HTTP/1.1 408"),
        "{told:?}"
    );

    let mut later = service.client().await;
    later.ask("GET", "/a", &[]).await;
    later.send("GET /a HTTP/1.1\r\nHost:").await;
    let told = in_time("the close", later.rest()).await;
    assert!(told.starts_with(b"HTTP/1.1 408"), "{told:?}");

    // Between requests a connection may be idle for longer than that.
    let mut idle = service.client().await;
    idle.ask("GET", "/a", &[]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(idle.ask("GET", "/a", &[]).await.status, 200);
}

#[tokio::test]
async fn nothing_that_follows_a_last_answer_holds_the_connection_or_gets_another() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let service = TestService::with(&s3, |config| {
        config.server.request_head_timeout = Duration::from_secs(1);
    })
    .await;
    let chunked = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let more = "x".repeat(96 * 1024);
    for rest in [
        // An empty line in a body is no end of a head.
        "5\r\nab\n\nc\r\n".to_owned(),
        format!("20000\r\n{more}"),
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
    ] {
        let mut viewer = service.client().await;
        viewer.send(format!("{chunked}{rest}")).await;
        let told = String::from_utf8(in_time("the close", viewer.rest()).await).unwrap();
        assert!(told.starts_with("HTTP/1.1 405"), "{told}");
        assert_eq!(told.matches("HTTP/1.1").count(), 1, "{told}");
    }
    let mut closing = service.client().await;
    let get = "GET /a HTTP/1.1\r\nHost: x\r\n";
    closing
        .send(format!("{get}Connection: close\r\n\r\n{get}\r\n"))
        .await;
    let told = String::from_utf8_lossy(&in_time("the close", closing.rest()).await).into_owned();
    assert_eq!(told.matches("HTTP/1.1").count(), 1, "{told}");
    let mut blank = service.client().await;
    blank.ask("GET", "/a", &[]).await;
    blank.send("\r\n").await;
    in_time("the close", blank.rest()).await;
    let upgrade = service
        .get("/a", &[("Upgrade", "websocket"), ("Connection", "upgrade")])
        .await;
    assert_eq!(
        upgrade.header("connection"),
        Some("close"),
        "{}",
        upgrade.head
    );
    assert_eq!(upgrade.header("keep-alive"), None);
}

#[tokio::test]
async fn a_stalled_viewer_that_half_closes_frees_its_read_within_a_second() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 50_000_000)).await;
    let service = TestService::over(&s3).await;
    let mut viewer = service.client().await;
    viewer.request("GET", "/film.mp4", &[]).await;
    viewer.head().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let left = Instant::now();
    viewer.half_close().await;
    until("the read is freed", async || {
        service.figure("s3reel_s3_bodies_open").await == 0.0
            && service.figure("s3reel_requests_in_flight").await == 0.0
    })
    .await;
    assert!(
        left.elapsed() < Duration::from_secs(1),
        "{:?}",
        left.elapsed()
    );
}

#[tokio::test]
async fn a_paused_viewer_of_several_ranges_gives_up_its_read_too() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 30_000_000)).await;
    let service = TestService::with(&s3, |config| {
        config.web.viewer_hold = Duration::from_millis(200);
    })
    .await;
    let mut viewer = service.client().await;
    let range = [("Range", "bytes=0-13999999,15000000-28999999")];
    viewer.request("GET", "/film.mp4", &range).await;
    let (head, _) = viewer.head().await;
    until("the read is given up", async || {
        service.figure("s3reel_s3_bodies_open").await == 0.0
    })
    .await;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.unwrap().parse().unwrap();
    let body = in_time("the rest", viewer.take(length)).await;
    let film = content(1, 30_000_000);
    let at = body
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    assert!(
        body[at..at + 14_000_000] == film[..14_000_000],
        "other bytes in the first part"
    );
    let second = at + 14_000_000;
    let at = second
        + body[second..]
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
        + 4;
    let expected = &film[15_000_000..29_000_000];
    assert!(
        body[at..at + 14_000_000] == *expected,
        "other bytes in the second part"
    );
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_and_one_without_end_are_told_apart() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let service = TestService::over(&s3).await;
    let mut dripping = service.client().await;
    for byte in b"\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n" {
        dripping.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(dripping.response("GET").await.body, content(1, 10));
    let mut endless = service.client().await;
    endless.send("GET /a HTTP/1.1\r\n").await;
    let field = format!("X-Filler: {}\r\n", "x".repeat(1000));
    for _ in 0..80 {
        // It may be closed before all of this is sent.
        endless.send_if_open(&field).await;
    }
    let told = in_time("the close", endless.rest()).await;
    assert!(told.starts_with(b"HTTP/1.1 431"), "{told:?}");
}
