//! Viewers that speak HTTP/2.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Semaphore;

use crate::support::client::Response;
use crate::support::http2::Http2;
use crate::support::scripted::answer;
use crate::support::service::Setup;
use crate::support::tls::Identity;
use crate::support::{PATIENCE, Scripted, Step, TestS3, TestService, content, in_time, until};

/// Bytes of the film.
const LENGTH: usize = 20_000_000;

/// A service with this identity that waits for S3 as long as any test does.
fn patient(identity: &Identity) -> impl FnOnce(&mut Setup) {
    |setup| {
        setup.tls = Some(identity.config());
        let limits = &mut setup.s3.timeouts;
        for limit in [&mut limits.first_byte, &mut limits.idle, &mut limits.total] {
            *limit = Duration::from_mins(1);
        }
    }
}

/// Method, target and fields.
type Asked<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// Fields of one connection, or of one answer.
const OF_ITS_OWN: &[&str] = &["connection", "keep-alive", "date", "x-request-id"];

/// Status and fields, without those that two answers cannot share.
fn told(answer: &Response) -> (u16, Vec<(String, String)>) {
    let boundary = answer.header("content-type").and_then(boundary);
    let fields = answer
        .headers()
        .map(|(name, value)| (name, value.to_owned()));
    let mut fields: Vec<_> = fields
        .filter(|(name, _)| !OF_ITS_OWN.contains(&name.as_str()))
        .map(|(name, value)| match boundary {
            Some(boundary) => (name, value.replace(boundary, "BOUNDARY")),
            None => (name, value),
        })
        .collect();
    fields.sort();
    (answer.status, fields)
}

fn boundary(content_type: &str) -> Option<&str> {
    content_type.split_once("boundary=").map(|(_, name)| name)
}

/// The body, without what names one answer only.
fn body(answer: &Response) -> Vec<u8> {
    let Some(boundary) = answer.header("content-type").and_then(boundary) else {
        return match answer.header("content-type") {
            Some("application/problem+json") if !answer.body.is_empty() => {
                let mut problem = answer.json();
                problem["request_id"] = "".into();
                problem.to_string().into_bytes()
            }
            _ => answer.body.clone(),
        };
    };
    String::from_utf8_lossy(&answer.body)
        .replace(boundary, "BOUNDARY")
        .into_bytes()
}

#[tokio::test]
async fn every_answer_over_http2_is_the_one_of_http1_but_for_the_fields_of_its_connection() {
    let s3 = TestS3::embedded().await;
    s3.put("empty.mp4", "").await;
    s3.put("page.html", "<script>alert(1)</script>").await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| {
            setup.web.browse = s3reel::web::Browse::On;
        })
        .await;
    let tag = {
        let mut viewer = Http2::connect(&identity, service.address()).await;
        let head = viewer.ask("HEAD", "/film.mp4", &[]).await;
        head.header("etag").unwrap().to_owned()
    };
    let long = format!("/{}", "a".repeat(5000));
    let mut two = Http2::connect(&identity, service.address()).await;
    let asked: &[Asked<'_>] = &[
        ("GET", "/film.mp4", &[]),
        ("HEAD", "/film.mp4", &[]),
        ("GET", "/film.mp4", &[("range", "bytes=0-1")]),
        ("HEAD", "/film.mp4", &[("range", "bytes=0-1")]),
        ("GET", "/film.mp4", &[("range", "bytes=-500")]),
        (
            "GET",
            "/film.mp4",
            &[("range", "bytes=0-9,100-199,19999999-")],
        ),
        ("GET", "/film.mp4", &[("range", "bytes=20000000-")]),
        (
            "GET",
            "/film.mp4",
            &[("range", "bytes=0-1"), ("if-range", &tag)],
        ),
        (
            "GET",
            "/film.mp4",
            &[("range", "bytes=0-1"), ("if-range", "\"other\"")],
        ),
        ("GET", "/film.mp4", &[("if-none-match", &tag)]),
        ("HEAD", "/film.mp4", &[("if-none-match", &tag)]),
        ("GET", "/film.mp4", &[("if-match", "\"other\"")]),
        ("GET", "/film.mp4", &[("origin", "https://a.example")]),
        ("GET", "/film.mp4?a=b", &[]),
        ("GET", "/empty.mp4", &[]),
        ("HEAD", "/empty.mp4", &[]),
        ("GET", "/empty.mp4", &[("range", "bytes=0-1")]),
        ("GET", "/page.html", &[]),
        ("GET", "/none.mp4", &[]),
        ("HEAD", "/none.mp4", &[]),
        ("GET", "/%zz", &[]),
        ("GET", &long, &[]),
        ("GET", "/film.mp4", &[("x-long", &"a".repeat(17_000))]),
        (
            "OPTIONS",
            "/film.mp4",
            &[
                ("origin", "https://a.example"),
                ("access-control-request-method", "GET"),
            ],
        ),
        ("POST", "/film.mp4", &[]),
        ("DELETE", "/film.mp4", &[]),
        ("GET", "/", &[]),
        ("GET", "/-/", &[]),
        ("GET", "/-/livez", &[]),
        ("GET", "/-/readyz", &[]),
        ("GET", "/-/nothing", &[]),
    ];
    for (method, target, fields) in asked {
        // Some of these close a connection of HTTP/1.1.
        let mut one = identity.client(service.address()).await;
        let one = one.ask(method, target, fields).await;
        let two = two.ask(method, target, fields).await;
        assert_eq!(
            told(&one),
            told(&two),
            "{method} {target:.40} {fields:.40?}"
        );
        assert!(one.complete && two.complete, "{method} {target:.40}");
        assert!(
            body(&one) == body(&two),
            "{method} {target:.40} {fields:.40?}"
        );
        for of_http1 in ["connection", "keep-alive", "transfer-encoding"] {
            assert_eq!(two.header(of_http1), None, "{method} {target:.40}");
        }
        assert!(two.header("date").is_some() && two.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn answers_of_one_connection_wait_for_nothing_but_their_own_bytes() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let origin = Scripted::start(move |asked| {
        let film = answer("200 OK", &[("ETag", "\"1\"")], "film");
        if asked.target().contains("slow") {
            vec![Step::Until(Arc::clone(&held)), film]
        } else {
            vec![film]
        }
    })
    .await;
    let identity = Identity::new();
    let service = TestService::at_address(origin.address(), patient(&identity)).await;
    let mut viewer = Http2::connect(&identity, service.address()).await;
    let request = viewer.request("GET", "/slow.mp4", &[]);
    let mut requests = viewer.requests().ready().await.unwrap();
    let (slow, _) = requests.send_request(request, true).unwrap();
    for _ in 0..3 {
        assert_eq!(viewer.ask("GET", "/fast.mp4", &[]).await.body, b"film");
    }
    gate.add_permits(1);
    let slow = in_time("the slow one", slow).await.unwrap();
    assert_eq!(slow.status(), 200);
    drop(slow);
}

#[tokio::test]
async fn a_viewer_that_gives_no_window_is_let_go_and_its_other_answers_go_on() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| {
            setup.server.viewer.timeout = Duration::from_millis(500);
        })
        .await;
    let mut viewer = Http2::connect(&identity, service.address()).await;
    let stalled = viewer.begin("GET", "/film.mp4", &[]).await.unwrap();
    // What one takes has nothing to do with what the other does not.
    until("it is let go", async || {
        service.aborted("viewer", "timeout").await > 0.0
    })
    .await;
    assert_eq!(stalled.reason().await, Some(Reason::CANCEL));
    until("its read is freed", async || {
        service.figure("s3reel_s3_bodies_open").await == 0.0
    })
    .await;
    let film = viewer.ask("GET", "/film.mp4", &[]).await;
    assert!(film.complete && film.body == content(1, LENGTH));
    assert!((service.aborted("viewer", "timeout").await - 1.0).abs() < 0.5);
}

#[tokio::test]
async fn a_viewer_that_drips_is_let_go_and_one_that_pauses_is_not() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| {
            setup.server.viewer.window = Duration::from_millis(100);
            setup.server.viewer.min_rate = 10 * 1024 * 1024;
        })
        .await;
    let mut viewer = Http2::connect(&identity, service.address()).await;
    let mut pausing = viewer.begin("GET", "/film.mp4", &[]).await.unwrap();
    let mut dripping = Http2::connect(&identity, service.address()).await;
    let mut dripping = dripping.begin("GET", "/film.mp4", &[]).await.unwrap();
    let mut taken = 0;
    let ended = loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        taken += 20_000;
        if let Err(error) = in_time("a drop", dripping.read(taken)).await {
            break error;
        }
    };
    assert_eq!(ended.reason(), Some(Reason::CANCEL));
    assert!((service.aborted("viewer", "too_slow").await - 1.0).abs() < 0.5);
    in_time("the film", pausing.read(LENGTH)).await.unwrap();
    assert!(pausing.response.body == content(1, LENGTH));
}

#[tokio::test]
async fn a_viewer_that_wants_no_more_of_an_answer_frees_its_read_in_every_phase() {
    let head = [("ETag", "\"1\""), ("Content-Length", "1000000000")];
    let begun = crate::support::scripted::raw("200 OK", &head, content(1, 1000));
    let flood = Step::Flood(content(1, 100_000));
    for (phase, steps) in [
        ("before the head", vec![Step::Hold]),
        ("of a stalled body", vec![begun.clone(), Step::Hold]),
        ("of a flowing body", vec![begun.clone(), flood]),
    ] {
        let has_head = !matches!(steps.first(), Some(Step::Hold));
        let origin = Scripted::start(move |_| steps.clone()).await;
        let identity = Identity::new();
        let service = TestService::at_address(origin.address(), patient(&identity)).await;
        let viewer = Http2::connect(&identity, service.address()).await;
        let request = viewer.request("GET", "/film.mp4", &[]);
        let mut requests = viewer.requests().ready().await.unwrap();
        let (response, mut stream) = requests.send_request(request, true).unwrap();
        until("it is asked for", async || !origin.asked().is_empty()).await;
        let response = if has_head {
            Some(in_time("a head", response).await.unwrap())
        } else {
            None
        };
        stream.send_reset(Reason::CANCEL);
        until("it is over", async || {
            service.metrics().requests_in_flight() == 0
        })
        .await;
        assert!(
            (service.figure("s3reel_streams_open").await).abs() < 0.5,
            "{phase}"
        );
        assert!(
            service.aborted("viewer", "left").await > 0.5 || !has_head,
            "{phase}"
        );
        drop(response);
    }
}

#[tokio::test]
async fn a_body_that_s3_breaks_off_is_a_reset_and_never_looks_complete() {
    let head = [("ETag", "\"1\""), ("Content-Length", "100000")];
    let origin = Scripted::start(move |asked| {
        let again = asked.header("range").is_some();
        if again {
            vec![crate::support::scripted::error(
                "403 Forbidden",
                "AccessDenied",
            )]
        } else {
            let begun = crate::support::scripted::raw("200 OK", &head, content(1, 1000));
            vec![begun, Step::Reset]
        }
    })
    .await;
    let identity = Identity::new();
    let service = TestService::at_address(origin.address(), |setup| {
        setup.tls = Some(identity.config());
    })
    .await;
    let mut viewer = Http2::connect(&identity, service.address()).await;
    let mut begun = viewer.begin("GET", "/film.mp4", &[]).await.unwrap();
    let ended = in_time("the end", begun.read(usize::MAX)).await;
    let reason = ended.expect_err("it looks complete").reason();
    assert_eq!(reason, Some(Reason::INTERNAL_ERROR));
    assert!(begun.response.body == content(1, 1000), "what came is lost");
    assert!((service.aborted("origin", "failed").await - 1.0).abs() < 0.5);
}

#[tokio::test]
async fn beyond_a_hundred_open_requests_more_are_refused_and_none_is_lost() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let origin = Scripted::start(move |_| {
        let film = answer("200 OK", &[("ETag", "\"1\"")], "film");
        vec![Step::Until(Arc::clone(&held)), film]
    })
    .await;
    let identity = Identity::new();
    let service = TestService::at_address(origin.address(), patient(&identity)).await;
    // A viewer that does not care for what is allowed.
    let mut viewer = identity.connect(service.address(), &["h2"]).await;
    let mut sent = greedy();
    for stream in 0..120 {
        sent.extend(get(2 * stream + 1, "/a"));
    }
    viewer.write_all(&sent).await.unwrap();
    let mut reset = Vec::new();
    while reset.len() < 20 {
        let (kind, stream, payload) = in_time("a frame", frame(&mut viewer)).await;
        if kind == RST_STREAM {
            assert_eq!(payload, [0, 0, 0, 7], "REFUSED_STREAM");
            reset.push(stream);
        }
    }
    // The last ones, and no other.
    assert!(reset.iter().all(|&stream| stream > 200), "{reset:?}");
    until("a hundred are begun", async || {
        service.metrics().requests_in_flight() == 100
    })
    .await;
    gate.add_permits(100);
    let mut ended = 0;
    while ended < 100 {
        let (kind, _, payload) = in_time("a frame", frame(&mut viewer)).await;
        assert_ne!(kind, RST_STREAM);
        ended += u32::from(kind == DATA && payload == b"film");
    }
}

/// Types of frames (RFC 9113 section 6).
const DATA: u8 = 0;
const RST_STREAM: u8 = 3;

/// The next frame: its type, stream and payload.
async fn frame(from: &mut (impl AsyncRead + Unpin)) -> (u8, u8, Vec<u8>) {
    let mut head = [0; 9];
    from.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    from.read_exact(&mut payload).await.unwrap();
    (head[3], head[8], payload)
}

#[tokio::test]
async fn malformed_requests_are_reset_and_the_rest_of_the_connection_goes_on() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity.service(&s3, LENGTH, |_| {}).await;
    let mut viewer = Http2::connect(&identity, service.address()).await;
    for fields in [
        &[(":authority", "a.example"), ("host", "b.example")][..],
        &[(":authority", "user@a.example")],
    ] {
        let error = viewer
            .begin("GET", "/film.mp4", fields)
            .await
            .err()
            .unwrap();
        assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR), "{fields:?}");
    }
    let same = [(":authority", "a.example"), ("host", "A.example")];
    assert_eq!(viewer.ask("HEAD", "/film.mp4", &same).await.status, 200);
}

#[tokio::test]
async fn a_request_body_is_refused_and_nobody_reads_it() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity.service(&s3, LENGTH, |_| {}).await;
    let mut viewer = Http2::connect(&identity, service.address()).await;
    for (method, status) in [("GET", 413), ("POST", 405)] {
        let request = viewer.request(method, "/film.mp4", &[]);
        let mut requests = viewer.requests().ready().await.unwrap();
        let (response, mut body) = requests.send_request(request, false).unwrap();
        body.reserve_capacity(1_000_000);
        // As much as the window takes, and no end.
        let room = in_time("a window", poll_fn(|cx| body.poll_capacity(cx))).await;
        let room = room.unwrap().unwrap();
        body.send_data(Bytes::from(vec![0; room]), false).unwrap();
        let response = in_time(method, response).await.unwrap();
        assert_eq!(response.status(), status, "{method}");
        let reset = in_time("a reset", poll_fn(|cx| body.poll_reset(cx))).await;
        assert_eq!(reset.unwrap(), Reason::NO_ERROR, "{method}");
    }
    assert_eq!(viewer.ask("HEAD", "/film.mp4", &[]).await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_of_http2_is_closed_in_time_and_one_with_an_answer_stays() {
    let keep_alive = Duration::from_millis(500);
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| setup.web.keep_alive = keep_alive)
        .await;
    let mut watching = Http2::connect(&identity, service.address()).await;
    let mut film = watching.begin("GET", "/film.mp4", &[]).await.unwrap();
    let mut idle = Http2::connect(&identity, service.address()).await;
    assert_eq!(idle.ask("HEAD", "/film.mp4", &[]).await.status, 200);
    let closed = in_time("the close", &mut idle.driver).await.unwrap();
    assert!(closed.is_ok(), "{closed:?}");
    // It has been there for longer by now.
    in_time("the film", film.read(LENGTH)).await.unwrap();
    assert!(film.response.body == content(1, LENGTH));
    let closed = in_time("the close", &mut watching.driver).await.unwrap();
    assert!(closed.is_ok(), "{closed:?}");
}

#[tokio::test]
async fn what_is_no_http2_ends_its_connection_and_nothing_else() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity.service(&s3, LENGTH, |_| {}).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // A frame of headers that goes on for ever.
    let headers = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];
    let further = [0, 0x40, 0, 9, 0, 0, 0, 0, 1];
    let mut flood = [&preface[..], &settings, &headers].concat();
    for _ in 0..100 {
        flood.extend(further);
        // One field that is not indexed: a name and a value of 8 KiB.
        flood.extend(vec![0; 16_384]);
    }
    for sent in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        &[&preface[..], b"nothing that is a frame of HTTP/2"].concat(),
        &[&preface[..], &settings, &[0xff; 9]].concat(),
        &flood,
    ] {
        let mut stream = identity.connect(service.address(), &["h2"]).await;
        // It may be closed before all was sent.
        let _ = in_time("to send", stream.write_all(sent)).await;
        let mut rest = Vec::new();
        let _ = in_time("the close", stream.read_to_end(&mut rest)).await;
    }
    let mut viewer = Http2::connect(&identity, service.address()).await;
    assert_eq!(viewer.ask("HEAD", "/film.mp4", &[]).await.status, 200);
}

#[tokio::test]
async fn a_viewer_over_tls_that_pauses_gives_up_its_read_and_plays_on() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| {
            setup.web.viewer_hold = Duration::from_millis(200);
        })
        .await;
    let film = content(1, LENGTH);
    let given_up = async || {
        until("the read is given up", async || {
            service.figure("s3reel_s3_bodies_open").await == 0.0
        })
        .await;
    };
    let mut viewer = Http2::connect(&identity, service.address()).await;
    let mut two = viewer.begin("GET", "/film.mp4", &[]).await.unwrap();
    in_time("the beginning", two.read(2_000_000)).await.unwrap();
    given_up().await;
    in_time("the rest", two.read(LENGTH)).await.unwrap();
    assert!(two.response.body == film, "other bytes over HTTP/2");
    let mut one = identity.client(service.address()).await;
    one.request("GET", "/film.mp4", &[]).await;
    one.head().await;
    let mut body = in_time("the beginning", one.take(2_000_000)).await;
    given_up().await;
    body.extend(in_time("the rest", one.take(LENGTH - 2_000_000)).await);
    assert!(body == film, "other bytes over TLS");
    assert!(
        service.s3_calls("GetObject").await > 3.5,
        "nothing was opened again"
    );
}

/// The beginning of a connection whose viewer takes all that it is sent: preface, settings, and as much room
/// for all answers together.
fn greedy() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    // SETTINGS_INITIAL_WINDOW_SIZE, and WINDOW_UPDATE of the connection.
    bytes.extend([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]);
    bytes.extend([0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0]);
    bytes
}

/// A GET of a key with a short name on the stream of this number, as a frame.
fn get(stream: u8, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    // GET, https, and without the table a path and an authority.
    let block = [
        &[0x82, 0x87, 0x04, length],
        path.as_bytes(),
        &[0x01, 1, b'a'],
    ]
    .concat();
    let length = u8::try_from(block.len()).unwrap();
    [&[0, 0, length, 1, 0x05, 0, 0, 0, stream], &block[..]].concat()
}

#[tokio::test]
async fn a_short_answer_that_waits_for_its_viewer_keeps_its_place() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 30_000)).await;
    let identity = Identity::new();
    let service = identity.service(&s3, LENGTH, |_| {}).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(service.address()).await.unwrap();
    let mut viewer = identity.try_over(stream, &["h2"]).await.unwrap();
    let mut sent = greedy();
    // More than all buffers on the way take.
    for stream in 0..90 {
        sent.extend(get(2 * stream + 1, "/a"));
    }
    viewer.write_all(&sent).await.unwrap();
    until("all heads are made", async || {
        service
            .figure("s3reel_time_to_first_byte_seconds_count")
            .await
            > 89.5
    })
    .await;
    let waiting = service.figure("s3reel_streams_open").await;
    assert!(
        waiting > 9.5,
        "{waiting} of 90 wait, and nothing has been read"
    );
    let reading = tokio::spawn(async move {
        let mut rest = vec![0; 65_536];
        let mut all = 0;
        while all < 90 * 30_000 {
            all += viewer.read(&mut rest).await.unwrap();
        }
        viewer
    });
    until("all is taken", async || {
        service.figure("s3reel_streams_open").await == 0.0
    })
    .await;
    in_time("the bytes", reading).await.unwrap();
    let left = service.aborted("viewer", "left").await;
    assert!(left.abs() < 0.5, "{left} are told to be cut");
}

#[tokio::test]
async fn the_last_bytes_of_an_answer_wait_for_their_viewer_as_the_others_do() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| {
            setup.web.keep_alive = Duration::from_millis(200);
        })
        .await;
    // Somewhere here lies what all buffers on the way take, but for those of TLS.
    let mut viewers = Vec::new();
    for number in 0..40 {
        let (path, length) = (format!("/{number}"), 8_000 * number + 8_000);
        s3.put(&path[1..], content(1, length)).await;
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(service.address()).await.unwrap();
        let mut viewer = identity.try_over(stream, &["h2"]).await.unwrap();
        let sent = [greedy(), get(1, &path)].concat();
        viewer.write_all(&sent).await.unwrap();
        viewers.push((viewer, length));
    }
    // Longer than idle connections stay, and than those have that are told to go.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for (mut viewer, length) in viewers {
        let mut body = Vec::new();
        while body.len() < length {
            let (kind, stream, payload) = in_time("a frame", frame(&mut viewer)).await;
            if kind == DATA && stream == 1 {
                body.extend(payload);
            }
        }
        assert!(body == content(1, length), "{length}");
    }
}

#[tokio::test]
async fn a_viewer_that_gives_up_hundreds_of_requests_before_their_answer_is_told_to_calm_down() {
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let origin = Scripted::start(move |asked| {
        if asked.target().contains("watched") {
            let film = answer("200 OK", &[("ETag", "\"1\"")], "film");
            vec![Step::Until(Arc::clone(&held)), film]
        } else {
            vec![Step::Hold]
        }
    })
    .await;
    let identity = Identity::new();
    let service = TestService::at_address(origin.address(), patient(&identity)).await;
    let viewer = Http2::connect(&identity, service.address()).await;
    let mut requests = viewer.requests().ready().await.unwrap();
    let watched = viewer.request("GET", "/watched.mp4", &[]);
    let (watched, _) = requests.send_request(watched, true).unwrap();
    let in_flight = || service.metrics().requests_in_flight();
    until("it is begun", async || in_flight() == 1).await;
    let mut begun = 0;
    let refused = loop {
        assert!(begun < 1000, "a thousand were taken");
        let request = viewer.request("GET", "/film.mp4", &[]);
        let mut requests = match in_time("room", viewer.requests().ready()).await {
            Ok(requests) => requests,
            Err(error) => break error,
        };
        let (mut response, mut stream) = match requests.send_request(request, true) {
            Ok(sent) => sent,
            Err(error) => break error,
        };
        begun += 1;
        let started = std::time::Instant::now();
        let outcome = loop {
            if in_flight() > 1 {
                break None;
            }
            let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut response).poll(cx))).await;
            if let Poll::Ready(Err(error)) = polled {
                break Some(error);
            }
            assert!(started.elapsed() < PATIENCE, "neither begun nor refused");
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        if let Some(error) = outcome {
            break error;
        }
        stream.send_reset(Reason::CANCEL);
        drop(response);
        until("it is given up", async || in_flight() == 1).await;
    };
    assert!(begun >= 200, "{begun}: {refused}");
    let is_calmed = refused.reason() == Some(Reason::ENHANCE_YOUR_CALM) || refused.is_go_away();
    assert!(is_calmed, "{refused}");
    // What it waits for it gets.
    gate.add_permits(1);
    let answer = in_time("an answer", watched).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_frame_of_a_viewer_writes_a_line_into_the_log() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let mut command = crate::support::program::serve(&s3);
    command
        .env("S3REEL_TLS_CERTIFICATE", identity.certificate())
        .env("S3REEL_TLS_KEY", identity.key())
        .env("RUST_LOG", "warn,s3reel=info");
    let mut program = crate::support::program::Program::start(command);
    let lines = program.log_lines_until("serving on https://");
    let address = crate::support::program::address_in(lines.last().unwrap());
    let mut stranger = identity.connect(address, &["h2"]).await;
    let mut sent = greedy();
    for number in 0..1000_u64 {
        // PING with ACK, that nobody asked for.
        sent.extend([0, 0, 8, 6, 1, 0, 0, 0, 0]);
        sent.extend(number.to_be_bytes());
    }
    sent.extend(get(1, "/after"));
    stranger.write_all(&sent).await.unwrap();
    let lines = program.log_lines_until("path=/after");
    let odd: Vec<_> = lines.iter().filter(|line| line.contains(" h2")).collect();
    assert!(
        odd.is_empty(),
        "{} lines such as {:?}",
        odd.len(),
        odd.first()
    );
}
