//! More viewers than there is room for, and viewers that take their time.

use std::time::Duration;

use s3reel::web::viewer_address::TrustedProxies;

use crate::support::program::{Program, address_in, serve, with_descriptors};
use crate::support::scripted::{answer, error, raw};
use crate::support::service::figure_in;
use crate::support::{Client, Scripted, Step, TestS3, TestService, content, in_time, until};

/// Requests that were turned away because of this limit.
async fn shed(service: &TestService, reason: &str) -> f64 {
    let name = format!("s3reel_requests_shed_total{{reason=\"{reason}\"}}");
    service.figure(&name).await
}

/// Waits until this many places are taken.
async fn until_open(service: &TestService, open: u32) {
    let what = format!("{open} streams are open");
    until(&what, async || {
        (service.figure("s3reel_streams_open").await - f64::from(open)).abs() < 0.5
    })
    .await;
}

/// A viewer that has the head of an answer with this status and takes nothing of its body.
async fn watching(service: &TestService, fields: &[(&str, &str)], status: u16) -> Client {
    let mut viewer = service.client().await;
    viewer.request("GET", "/film.mp4", fields).await;
    let (head, got) = in_time("a head", viewer.head()).await;
    assert_eq!(got, status, "{head}");
    viewer
}

#[tokio::test]
async fn beyond_the_limit_new_plays_are_turned_away_before_what_continues() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 50_000_000)).await;
    let service = TestService::with(&s3, |config| config.web.streams.total = 10).await;
    let mut viewers = Vec::new();
    for _ in 0..9 {
        viewers.push(watching(&service, &[], 200).await);
    }
    let calls = service.s3_calls("GetObject").await;
    for fields in [&[][..], &[("Range", "bytes=0-1")]] {
        let refused = service.get("/film.mp4", fields).await;
        assert_eq!(refused.status, 503, "{}", refused.head);
        assert_eq!(
            refused.json()["type"],
            "urn:s3reel:problem:too-many-streams"
        );
        let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((2..=5).contains(&seconds), "{seconds}");
        assert_eq!(refused.header("cache-control"), Some("no-store"));
    }
    assert!(
        (service.s3_calls("GetObject").await - calls).abs() < 0.5,
        "S3 was asked for a request that was turned away"
    );
    viewers.push(watching(&service, &[("Range", "bytes=1000-")], 206).await);
    // The reserve has an end too.
    watching(&service, &[("Range", "bytes=1000-")], 503).await;
    assert!((shed(&service, "streams").await - 3.0).abs() < 0.5);
    // What sends no object needs no place.
    assert_eq!(service.ask("HEAD", "/film.mp4", &[]).await.status, 200);
    assert_eq!(service.ask("OPTIONS", "/film.mp4", &[]).await.status, 204);
    assert_eq!(service.get("/-/livez", &[]).await.status, 200);
    assert_eq!(service.get("/-/readyz", &[]).await.status, 200);
    viewers.truncate(9);
    until_open(&service, 9).await;
    watching(&service, &[], 503).await;
    viewers.truncate(8);
    until_open(&service, 8).await;
    viewers.push(watching(&service, &[], 200).await);
    drop(viewers);
    until_open(&service, 0).await;
}

#[tokio::test]
async fn a_place_is_free_again_however_an_answer_ends() {
    let head = [("ETag", "\"1\""), ("Content-Length", "1000000000")];
    let small = [("ETag", "\"1\"")];
    let begun = raw("200 OK", &head, content(1, 1000));
    let flood = Step::Flood(content(1, 100_000));
    for (ending, steps, fields, status) in [
        ("leaving before the head", vec![Step::Hold], vec![], 0),
        (
            "leaving a stalled body",
            vec![begun.clone(), Step::Hold],
            vec![],
            200,
        ),
        (
            "leaving a flowing body",
            vec![begun.clone(), flood],
            vec![],
            200,
        ),
        (
            "a fault of S3",
            vec![error("404 Not Found", "NoSuchKey")],
            vec![],
            404,
        ),
        (
            "a match",
            vec![answer("200 OK", &small, "")],
            vec![("If-None-Match", "\"1\"")],
            304,
        ),
        (
            "its last byte",
            vec![answer("200 OK", &small, "film")],
            vec![],
            200,
        ),
    ] {
        let origin = Scripted::start(move |_| steps.clone()).await;
        let service = TestService::at_address(origin.address(), |config| {
            config.web.streams.total = 1;
            // Nothing but what is tested may end the answer.
            config.s3.timeouts.first_byte = Duration::from_mins(1);
            config.s3.timeouts.idle = Duration::from_mins(1);
            config.s3.timeouts.total = Duration::from_mins(1);
        })
        .await;
        let mut viewer = service.client().await;
        viewer.request("GET", "/film.mp4", &fields).await;
        if status == 0 {
            until("S3 was asked", async || !origin.asked().is_empty()).await;
        } else {
            let (_, got) = in_time(ending, viewer.head()).await;
            assert_eq!(got, status, "{ending}");
        }
        if ending.starts_with("leaving") {
            until_open(&service, 1).await;
            watching(&service, &[("Range", "bytes=1-")], 503).await;
            drop(viewer);
        }
        println!("{ending}");
        until_open(&service, 0).await;
    }
}

/// A service that gives each address two places and believes proxies on loopback, or nobody.
async fn two_for_each_address(s3: &TestS3, proxies: &str) -> TestService {
    let proxies = TrustedProxies::parse(proxies).unwrap();
    TestService::with(s3, |config| {
        config.web.streams.per_address = Some(2);
        config.web.trusted_proxies = proxies;
    })
    .await
}

#[tokio::test]
async fn an_address_has_its_own_limit_behind_proxies_that_are_trusted() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 50_000_000)).await;
    let service = two_for_each_address(&s3, "127.0.0.0/8").await;
    let mut viewers = Vec::new();
    // The proxy's word is the last one; the first is the viewer's own and proves nothing.
    for invented in ["192.0.2.1", "192.0.2.2"] {
        let told = format!("{invented}, 203.0.113.9, 127.0.0.2");
        viewers.push(watching(&service, &[("X-Forwarded-For", &told)], 200).await);
    }
    for fields in [
        &[("X-Forwarded-For", "192.0.2.3, 203.0.113.9")][..],
        &[
            ("X-Forwarded-For", "203.0.113.9:4711"),
            ("Range", "bytes=9-"),
        ],
        &[("Forwarded", "for=192.0.2.4, for=\"203.0.113.9:4711\"")],
        &[("X-Forwarded-For", "::ffff:203.0.113.9")],
    ] {
        let refused = service.get("/film.mp4", fields).await;
        assert_eq!(refused.status, 503, "{fields:?}");
        assert_eq!(
            refused.json()["type"],
            "urn:s3reel:problem:too-many-streams-of-address"
        );
        assert!(refused.header("retry-after").is_some());
    }
    assert!((shed(&service, "address").await - 4.0).abs() < 0.5);
    // Others have their own, and so have those whom no proxy names: all of them together.
    for fields in [
        &[("X-Forwarded-For", "203.0.113.10")][..],
        &[("X-Forwarded-For", "203.0.113.9, unknown")],
        &[
            ("X-Forwarded-For", "203.0.113.9"),
            ("Forwarded", "for=192.0.2.5"),
        ],
    ] {
        viewers.push(watching(&service, fields, 200).await);
    }
    watching(&service, &[("Forwarded", "for=\"")], 503).await;
    drop(viewers);
    until_open(&service, 0).await;
    let again = [("X-Forwarded-For", "203.0.113.9")];
    watching(&service, &again, 200).await;
}

#[tokio::test]
async fn the_word_of_a_proxy_that_is_not_trusted_counts_for_nothing() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 50_000_000)).await;
    for proxies in ["", "10.0.0.0/8"] {
        let service = two_for_each_address(&s3, proxies).await;
        let one = watching(&service, &[("X-Forwarded-For", "192.0.2.1")], 200).await;
        let two = watching(&service, &[("Forwarded", "for=192.0.2.2")], 200).await;
        watching(&service, &[("X-Forwarded-For", "192.0.2.3")], 503).await;
        drop((one, two));
        until_open(&service, 0).await;
    }
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
        let before = service.aborted("viewer", "timeout").await;
        let mut viewer = service.client().await;
        viewer.request("GET", "/film.mp4", &[]).await;
        let (head, _) = in_time("a head", viewer.head()).await;
        assert!(head.contains("content-length: 50000000"), "{head}");
        in_time("the beginning", viewer.take(taken)).await;
        until("the viewer is let go", async || {
            service.aborted("viewer", "timeout").await > before
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
    let taken = dripping.drip().await;
    assert!(taken < 50_000_000, "nobody can see the cut");
    until("it is counted", async || {
        service.aborted("viewer", "too_slow").await > 0.0
    })
    .await;
    let film = in_time("the film", pausing.take(50_000_000)).await;
    assert!(
        film == content(1, 50_000_000),
        "cut in a pause, or other bytes"
    );
}

#[tokio::test]
async fn a_flood_of_connections_leaves_descriptors_for_those_who_watch() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 30_000_000)).await;
    let mut command = serve(&s3);
    command
        .args(["--admin-listen", "127.0.0.1:0", "--workers", "1"])
        .env("S3REEL_VIEWER_HOLD", "200ms");
    let mut program = Program::start(with_descriptors(&command, 120));
    let lines = program.log_lines_until("health and metrics on http://");
    let admin = address_in(lines.last().unwrap());
    let log = lines.concat();
    let warning = "120 file descriptors are allowed, enough for 30 streams";
    assert!(log.contains(warning), "{log}");
    let serving = lines.iter().find(|line| line.contains("serving on"));
    let address = address_in(serving.unwrap());

    let mut watching = Client::connect(address).await;
    watching.request("GET", "/film.mp4", &[]).await;
    in_time("a head", watching.head()).await;
    let beginning = in_time("the beginning", watching.take(1_000_000)).await;
    // More than it may have descriptors.
    let mut flood = Vec::new();
    for _ in 0..300 {
        flood.push(Client::connect(address).await);
    }
    let figure = async |name: &str| {
        let mut client = Client::connect(admin).await;
        let figures = in_time("figures", client.ask("GET", "/metrics", &[])).await;
        let figures = String::from_utf8(figures.body).unwrap();
        figure_in(&figures, name)
    };
    until("the flood is in", async || {
        figure("process_open_fds").await > 60.0
    })
    .await;
    until("the watching viewer's read is given up", async || {
        figure("s3reel_s3_bodies_open").await < 0.5
    })
    .await;
    assert!(figure("process_open_fds").await < 115.0);
    // Going on takes a new connection to S3.
    let rest = in_time("the rest", watching.take(29_000_000)).await;
    assert!([beginning, rest].concat() == content(1, 30_000_000));
    drop(flood);
    let mut late = Client::connect(address).await;
    let answer = in_time(
        "an answer",
        late.ask("GET", "/film.mp4", &[("Range", "bytes=0-1")]),
    )
    .await;
    assert_eq!(answer.status, 206);
}

#[tokio::test]
async fn little_is_pulled_from_s3_for_a_viewer_that_takes_nothing() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 50_000_000)).await;
    let service = TestService::over(&s3).await;
    // What its own kernel takes for a viewer is taken, so that is kept small.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut viewer = Client::over(socket.connect(service.address()).await.unwrap());
    viewer.request("GET", "/film.mp4", &[]).await;
    let pulled = async || service.figure("s3reel_s3_bytes_total").await;
    until("bytes come", async || pulled().await > 1000.0).await;
    until("the read is given up", async || {
        service.figure("s3reel_s3_bodies_open").await < 0.5
    })
    .await;
    let pulled = pulled().await;
    assert!(pulled <= 256.0 * 1024.0, "{pulled} bytes");
}
