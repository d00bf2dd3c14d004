//! How answers leave: past the server's own buffer, head and body together, exactly accounted for.
//! What this takes for granted of the framework is pinned here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::support::disk::read;
use crate::support::scripted::answer;

use crate::support::{
    Asked, Client, Response, Scripted, Step, TestS3, TestService, content, disk, in_time, until,
};

const LENGTH: usize = 3_000_001;

/// Method, target and range of a request, status and body of its answer.
type Exchange = (&'static str, &'static str, Option<String>, u16, Vec<u8>);

/// One of every kind of answer that leaves in another way.
fn requests() -> Vec<Exchange> {
    let film = content(1, LENGTH);
    let range = |first: usize, last: usize| {
        let field = format!("bytes={first}-{last}");
        (
            "GET",
            "/film.mp4",
            Some(field),
            206,
            film[first..=last].to_vec(),
        )
    };
    vec![
        range(0, 1),
        range(1_048_575, 1_048_576),
        range(500_000, 570_000),
        ("HEAD", "/film.mp4", None, 200, Vec::new()),
        range(1, 1_500_000),
        ("GET", "/none.mp4", None, 404, Vec::new()),
        range(LENGTH - 1, LENGTH - 1),
        ("GET", "/film.mp4", None, 200, film.clone()),
        ("OPTIONS", "/film.mp4", None, 204, Vec::new()),
    ]
}

#[tokio::test]
async fn answers_to_requests_sent_ahead_come_whole_and_in_order_however_little_is_taken_at_once() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let folder = disk::folder();
    let on_disk = TestService::with(&s3, disk::hardly_in_memory(folder.path())).await;
    disk::until_on_disk(&on_disk, "/film.mp4", 23.0).await;
    let in_memory = async |bytes| TestService::with(&s3, |setup| setup.cache.memory = bytes).await;
    let services = [in_memory(0).await, in_memory(64 << 20).await, on_disk];
    for service in &services {
        let mut viewer = Client::narrow(service.address()).await;
        let requests: Vec<_> = std::iter::repeat_with(requests).take(8).flatten().collect();
        for (method, target, range, ..) in &requests {
            let range = range.as_deref().map(|range| ("Range", range));
            viewer.request(method, target, range.as_slice()).await;
        }
        for (method, target, range, status, body) in requests {
            let answer = in_time(target, viewer.response(method)).await;
            assert_eq!(answer.status, status, "{method} {target} {range:?}");
            assert!(answer.complete, "{method} {target} {range:?}");
            if status != 404 {
                assert!(answer.body == body, "other bytes: {target} {range:?}");
            }
        }
    }
    let [.., on_disk] = &services;
    assert!(read(on_disk, "at_hand").await > 0.0, "no file was sent");
}

#[tokio::test]
async fn what_is_said_to_go_on_comes_before_head_and_body() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let service = TestService::over(&s3).await;
    let mut viewer = service.client().await;
    for _ in 0..3 {
        let fields = [("Expect", "100-continue")];
        viewer.request("GET", "/film.mp4", &fields).await;
        let (_, status) = in_time("the word to go on", viewer.head()).await;
        assert_eq!(status, 100);
        let answer = in_time("the answer", viewer.response("GET")).await;
        assert_eq!(answer.status, 200);
        assert!(answer.body == content(1, LENGTH), "other bytes");
    }
}

#[tokio::test]
async fn an_old_viewer_gets_the_same_bytes_and_an_end() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let service = TestService::over(&s3).await;
    let mut viewer = Client::narrow(service.address()).await;
    viewer.send("GET /film.mp4 HTTP/1.0\r\n\r\n").await;
    let answer = in_time("the answer", viewer.response("GET")).await;
    assert_eq!(answer.header("content-length"), Some("3000001"));
    assert!(answer.body == content(1, LENGTH), "other bytes");
    assert!(in_time("the end", viewer.rest()).await.is_empty());
}

#[tokio::test]
async fn bytes_are_counted_when_the_kernel_has_taken_them() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 60_000_000)).await;
    let service = TestService::over(&s3).await;
    let sent = async || service.figure("s3reel_response_bytes_total").await;
    let mut viewer = Client::narrow(service.address()).await;
    viewer.request("GET", "/film.mp4", &[]).await;
    let taken = in_time("a part", viewer.take(100_000)).await;
    assert_eq!(taken.len(), 100_000);
    // What it did not read lies in sockets, ours and its own, and no more than that is counted.
    until("it stalls", async || {
        let before = sent().await;
        service.figure("s3reel_s3_bodies_open").await < 0.5 && before >= sent().await
    })
    .await;
    let stalled = sent().await;
    assert!(stalled >= 100_000.0, "{stalled}");
    drop(viewer);
    until("nothing is in flight", async || {
        service.figure("s3reel_requests_in_flight").await == 0.0
    })
    .await;
    assert!(sent().await <= stalled, "{} after {stalled}", sent().await);
    // All of a complete answer is counted, also what was taken along with its head.
    let mut viewer = service.client().await;
    for range in ["bytes=0-1", "bytes=100-70099", "bytes=0-2999999"] {
        let before = sent().await;
        let answer = viewer.ask("GET", "/film.mp4", &[("Range", range)]).await;
        let length = u32::try_from(answer.body.len()).unwrap();
        until("it is counted", async || sent().await >= before + 1.0).await;
        until("it is over", async || {
            service.figure("s3reel_requests_in_flight").await == 0.0
        })
        .await;
        assert!(
            (sent().await - before - f64::from(length)).abs() < 0.5,
            "{range}"
        );
    }
}

#[tokio::test]
async fn a_viewer_that_pauses_for_moments_gets_the_same_bytes_with_and_without_a_cache() {
    let s3 = TestS3::embedded().await;
    let length = 12_000_001;
    s3.put("film.mp4", content(1, length)).await;
    let ranges = "bytes=0-5999999,7000000-11999999";
    let folder = disk::folder();
    let on_disk = TestService::with(&s3, disk::hardly_in_memory(folder.path())).await;
    disk::until_on_disk(&on_disk, "/film.mp4", 92.0).await;
    let in_memory = async |bytes| TestService::with(&s3, |setup| setup.cache.memory = bytes).await;
    let services = [
        // No cache, room for all, room for hardly anything, and a disk below that.
        in_memory(0).await,
        in_memory(64 << 20).await,
        in_memory(3 << 20).await,
        on_disk,
    ];
    for service in &services {
        let mut whole = Client::narrow(service.address()).await;
        let mut parts = Client::narrow(service.address()).await;
        whole.request("GET", "/film.mp4", &[]).await;
        parts
            .request("GET", "/film.mp4", &[("Range", ranges)])
            .await;
        assert_eq!(whole.head().await.1, 200);
        let head = Response::from_head(&parts.head().await.0);
        assert_eq!(head.status, 206);
        let length_of_parts: usize = head.header("content-length").unwrap().parse().unwrap();
        let (mut film, mut of_parts) = (Vec::new(), Vec::new());
        while film.len() < length {
            film.extend(in_time("bytes", whole.take(2_000_000.min(length - film.len()))).await);
            let left = length_of_parts - of_parts.len();
            of_parts.extend(in_time("bytes", parts.take(left.min(2_000_000))).await);
            // The viewer's own doing, and long enough that what it has not taken is given back.
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        assert!(film == content(1, length), "other bytes");
        let behind_head = |from: usize| {
            let part = &of_parts[from..];
            from + part
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap()
                + 4
        };
        let first = behind_head(0);
        let second = behind_head(first + 6_000_000);
        let of_film = |begin: usize, part: &[u8]| *part == film[begin..begin + part.len()];
        assert!(
            of_film(0, &of_parts[first..first + 6_000_000]),
            "first part"
        );
        assert!(
            of_film(7_000_000, &of_parts[second..second + 5_000_000]),
            "second part"
        );
    }
    let [.., on_disk] = &services;
    assert!(read(on_disk, "at_hand").await > 0.0, "no file was sent");
}

#[tokio::test]
async fn an_answer_that_is_late_waits_for_its_head_however_long_the_one_before_took_to_leave() {
    let whole = content(1, LENGTH);
    let gate = Arc::new(Semaphore::new(0));
    let (open, film) = (Arc::clone(&gate), whole.clone());
    let origin = Scripted::start(move |asked: &Asked| {
        let fields = [("ETag", "\"1\""), ("Content-Type", "video/mp4")];
        let answer = answer("200 OK", &fields, &film);
        if asked.line.contains("late") {
            return vec![Step::Until(Arc::clone(&open)), answer];
        }
        vec![answer]
    })
    .await;
    let service = TestService::at_address(origin.address(), |config| {
        config.s3.timeouts.first_byte = Duration::from_mins(1);
    })
    .await;
    let mut viewer = Client::narrow(service.address()).await;
    // The first body goes through the server, which ends it while the end lies in its buffer.
    let through = [("Expect", "100-continue")];
    viewer.request("GET", "/film.mp4", &through).await;
    viewer.request("OPTIONS", "/film.mp4", &[]).await;
    viewer.request("GET", "/late.mp4", &[]).await;
    let (_, status) = viewer.head().await;
    assert_eq!(status, 100);
    // The viewer reads so slowly that the end of the first answer, and the second, are still on their
    // way when the third is asked for.
    let (_, status) = viewer.head().await;
    assert_eq!(status, 200);
    let mut film = Vec::new();
    let is_asked = || {
        let asked = origin.asked();
        asked.iter().any(|asked| asked.line.contains("late"))
    };
    while film.len() < LENGTH && !is_asked() {
        film.extend(in_time("bytes", viewer.take(20_000.min(LENGTH - film.len()))).await);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    film.extend(in_time("the rest", viewer.take(LENGTH - film.len())).await);
    assert!(film == whole, "other bytes");
    let options = in_time("its options", viewer.response("OPTIONS")).await;
    assert_eq!(options.status, 204);
    until("the late one is asked for", async || is_asked()).await;
    gate.add_permits(1);
    let late = in_time("the late one", viewer.response("GET")).await;
    assert_eq!(late.status, 200);
    assert!(late.body == whole, "other bytes");
}

/// Bytes of an answer that the server may forget before it has left.
const SHORT: usize = 60_000;

/// Figures are whole numbers, and read as floating point.
fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.5
}

/// A viewer that has asked for a lot of short answers, and what they are.
async fn many_short_ones(service: &TestService) -> (Client, Vec<Vec<u8>>) {
    let film = content(1, LENGTH);
    let mut viewer = Client::narrow(service.address()).await;
    let mut expected = Vec::new();
    for first in (0..20).map(|number| number * 100_000) {
        let last = first + SHORT - 1;
        let range = format!("bytes={first}-{last}");
        viewer
            .request("GET", "/film.mp4", &[("Range", &range)])
            .await;
        expected.push(film[first..=last].to_vec());
    }
    // It takes no more by itself.
    until("an answer waits", async || {
        let before = service.figure("s3reel_response_bytes_total").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let after = service.figure("s3reel_response_bytes_total").await;
        let in_flight = service.figure("s3reel_requests_in_flight").await;
        same(in_flight, 1.0) && before > 0.0 && same(before, after)
    })
    .await;
    (viewer, expected)
}

#[tokio::test]
async fn a_short_answer_has_its_place_until_it_is_taken_and_counts_as_far_as_it_is() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let service = TestService::with(&s3, |config| config.cache.memory = 64 << 20).await;
    assert_eq!(service.get("/film.mp4", &[]).await.status, 200);
    let figure = async |name| service.figure(name).await;
    let sent = async || figure("s3reel_response_bytes_total").await;
    let left = r#"s3reel_responses_aborted_total{reason="left",side="viewer"}"#;
    let count = f64::from(u32::try_from(SHORT).unwrap());
    let are_over = async || {
        until("they are over", async || {
            same(figure("s3reel_requests_in_flight").await, 0.0)
        })
        .await;
    };

    let before = sent().await;
    let (mut viewer, expected) = many_short_ones(&service).await;
    assert!(same(figure("s3reel_streams_open").await, 1.0));
    let over = (sent().await - before) / count;
    assert!(
        over.fract() < 1e-9,
        "{over}: one that is not over is counted"
    );
    for body in &expected {
        let answer = in_time("an answer", viewer.response("GET")).await;
        assert_eq!(answer.status, 206);
        assert!(answer.body == *body, "other bytes");
    }
    are_over().await;
    assert!(same(sent().await - before, count * 20.0));
    assert!(same(figure(left).await, 0.0));

    let before = sent().await;
    let (viewer, _) = many_short_ones(&service).await;
    let over = (sent().await - before) / count;
    drop(viewer);
    are_over().await;
    let all = (sent().await - before) / count;
    assert!((over..over + 1.0).contains(&all), "{all} of {over}");
    assert!(same(figure(left).await, 1.0));
    assert!(same(figure("s3reel_streams_open").await, 0.0));
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_time_and_one_whose_answer_is_being_taken_stays() {
    let keep_alive = Duration::from_millis(1500);
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let service = TestService::with(&s3, |config| {
        config.cache.memory = 64 << 20;
        config.web.keep_alive = keep_alive;
    })
    .await;
    assert_eq!(service.get("/film.mp4", &[]).await.status, 200);
    let (mut slow, expected) = many_short_ones(&service).await;
    // Each request begins the time anew, also one whose answer has no bytes of an object.
    let mut busy = service.client().await;
    let begun = Instant::now();
    let mut last = begun;
    for target in ["/film.mp4", "/none.mp4", "/film.mp4", "/film.mp4"] {
        tokio::time::sleep(keep_alive / 3).await;
        last = Instant::now();
        let answer = busy.ask("GET", target, &[("Range", "bytes=0-1")]).await;
        assert!([206, 404].contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(in_time("the close", busy.rest()).await, b"");
    assert!(last.elapsed() >= keep_alive, "{:?}", last.elapsed());
    assert!(begun.elapsed() > keep_alive * 2);
    for body in expected {
        let answer = in_time("an answer", slow.response("GET")).await;
        assert!(answer.body == body, "other bytes");
    }
    assert_eq!(in_time("the close", slow.rest()).await, b"");
}
