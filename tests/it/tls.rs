//! Viewers that come over TLS, and what they are shown.

use std::time::{Duration, Instant};

use s3reel::embedded_s3::samples::SAMPLES;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::disk::{folder, hardly_in_memory};
use crate::support::http2::Http2;
use crate::support::program::{self, Program};
use crate::support::service::Setup;
use crate::support::tls::Identity;
use crate::support::{Browser, Client, Engine, TestS3, TestService, content, in_time, until};

/// Bytes of the film.
const LENGTH: usize = 30_000_000;

async fn handshakes(service: &TestService, outcome: &str) -> f64 {
    let name = format!("s3reel_tls_handshakes_total{{outcome=\"{outcome}\"}}");
    service.figure(&name).await
}

#[tokio::test]
async fn a_probe_over_tls_is_answered_as_without_and_the_connection_stays() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity.service(&s3, LENGTH, |_| {}).await;
    let mut viewer = identity.client(service.address()).await;
    for _ in 0..2 {
        let probe = viewer
            .ask("GET", "/film.mp4", &[("Range", "bytes=0-1")])
            .await;
        assert!(probe.head.starts_with("HTTP/1.1 206 Partial Content\r\n"));
        assert_eq!(probe.header("content-range"), Some("bytes 0-1/30000000"));
        assert_eq!(probe.header("content-length"), Some("2"));
        assert_eq!(probe.header("connection"), Some("keep-alive"));
        assert_eq!(probe.header("keep-alive"), Some("timeout=75"));
        assert_eq!(probe.body, &content(1, LENGTH)[..2]);
    }
    // A viewer that names no protocol speaks HTTP/1.1.
    let stream = identity.connect(service.address(), &[]).await;
    let mut viewer = Client::inside(stream, "localhost".to_owned());
    assert_eq!(viewer.ask("GET", "/film.mp4", &[]).await.body.len(), LENGTH);
    assert!((handshakes(&service, "http1").await - 2.0).abs() < 0.5);
}

#[tokio::test]
async fn every_byte_is_right_over_tls_and_http2_wherever_it_lies() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let disk = folder();
    let nothing: Box<dyn FnOnce(&mut Setup)> = Box::new(|_| {});
    let memory: Box<dyn FnOnce(&mut Setup)> = Box::new(|setup| setup.cache.memory = 64 << 20);
    let on_disk: Box<dyn FnOnce(&mut Setup)> = Box::new(hardly_in_memory(disk.path()));
    let film = content(1, LENGTH);
    for (place, change) in [("nowhere", nothing), ("memory", memory), ("disk", on_disk)] {
        let service = identity.service(&s3, LENGTH, change).await;
        let mut one = identity.client(service.address()).await;
        let mut two = Http2::connect(&identity, service.address()).await;
        assert!(
            one.ask("GET", "/film.mp4", &[]).await.body == film,
            "{place}"
        );
        assert!(
            two.ask("GET", "/film.mp4", &[]).await.body == film,
            "{place}"
        );
        for (first, last) in [
            (0, 0),
            (65_530, 65_540),
            (1_048_570, 2_097_160),
            (LENGTH - 70_000, LENGTH - 1),
            (12_345_678, 23_456_789),
        ] {
            let range = format!("bytes={first}-{last}");
            let fields = [("Range", range.as_str())];
            for answer in [
                one.ask("GET", "/film.mp4", &fields).await,
                two.ask("GET", "/film.mp4", &fields).await,
            ] {
                assert_eq!(answer.status, 206, "{place} {range}");
                assert!(answer.complete && answer.body == film[first..=last]);
            }
        }
        if place == "disk" {
            let found = service
                .figure("s3reel_cache_blocks_total{found=\"disk\"}")
                .await;
            assert!(found > 0.0, "nothing came from disk");
        }
    }
}

#[tokio::test]
async fn a_viewer_over_tls_that_takes_nothing_is_let_go() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| {
            setup.server.viewer.timeout = Duration::from_millis(500);
        })
        .await;
    for taken in [0, 10_000_000] {
        let before = service.aborted("viewer", "timeout").await;
        let mut viewer = identity.client(service.address()).await;
        viewer.request("GET", "/film.mp4", &[]).await;
        in_time("a head", viewer.head()).await;
        in_time("the beginning", viewer.take(taken)).await;
        until("the viewer is let go", async || {
            service.aborted("viewer", "timeout").await > before
        })
        .await;
        let rest = in_time("the close", viewer.rest()).await;
        assert!(rest.len() + taken < LENGTH, "nobody can see the cut");
    }
}

#[tokio::test]
async fn a_viewer_over_tls_that_drips_is_let_go_and_one_that_pauses_is_not() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| {
            setup.server.viewer.window = Duration::from_millis(100);
            setup.server.viewer.min_rate = 10 * 1024 * 1024;
        })
        .await;
    let mut pausing = identity.client(service.address()).await;
    pausing.request("GET", "/film.mp4", &[]).await;
    pausing.head().await;
    let mut dripping = identity.client(service.address()).await;
    dripping.request("GET", "/film.mp4", &[]).await;
    dripping.head().await;
    let taken = dripping.drip().await;
    assert!(taken < LENGTH, "nobody can see the cut");
    until("it is counted", async || {
        service.aborted("viewer", "too_slow").await > 0.0
    })
    .await;
    let film = in_time("the film", pausing.take(LENGTH)).await;
    assert!(film == content(1, LENGTH), "cut in a pause, or other bytes");
}

#[tokio::test]
async fn a_connection_over_tls_that_is_idle_is_closed_in_order() {
    let keep_alive = Duration::from_millis(500);
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| setup.web.keep_alive = keep_alive)
        .await;
    let mut stream = identity.connect(service.address(), &[]).await;
    let request = "GET /film.mp4 HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let asked = Instant::now();
    let mut answer = Vec::new();
    // The word that TLS has for an end comes too, or this were an error.
    let end = in_time("the close", stream.read_to_end(&mut answer)).await;
    assert!(
        end.is_ok() && answer.ends_with(&content(1, LENGTH)[..2]),
        "{end:?}"
    );
    assert!(asked.elapsed() >= keep_alive);
}

#[tokio::test]
async fn whoever_does_not_agree_on_tls_in_time_is_disconnected() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| {
            setup.server.request_head_timeout = Duration::from_millis(500);
        })
        .await;
    // Nothing, the beginning of a record, a record of what was never agreed on, and HTTP/2 after a handshake
    // that is never begun.
    for (sent, outcome) in [
        (&b""[..], "timeout"),
        (b"\x16\x03\x01\x02\x00\x01", "timeout"),
        (b"\x17\x03\x03\x00\x02zz", "failed"),
        (b"\x80\x00\x00\x00\x00\x00\x00\x00", "failed"),
    ] {
        let before = handshakes(&service, outcome).await;
        let mut stranger = TcpStream::connect(service.address()).await.unwrap();
        stranger.write_all(sent).await.unwrap();
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = in_time("the close", stranger.read_to_end(&mut rest)).await;
        until(outcome, async || {
            handshakes(&service, outcome).await > before
        })
        .await;
    }
    let mut silent = identity.connect(service.address(), &["h2"]).await;
    let mut rest = Vec::new();
    let _ = in_time("the close", silent.read_to_end(&mut rest)).await;
    let mut viewer = identity.client(service.address()).await;
    assert_eq!(viewer.ask("HEAD", "/film.mp4", &[]).await.status, 200);
}

#[tokio::test]
async fn whoever_speaks_http_where_tls_is_spoken_is_told_so() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity.service(&s3, LENGTH, |_| {}).await;
    let answer = service.get("/film.mp4", &[]).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.header("connection"), Some("close"));
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains("use https:// in place of http://"), "{text}");
    assert!((handshakes(&service, "failed").await - 1.0).abs() < 0.5);
}

/// A program that serves over TLS.
fn secured(s3: &TestS3, identity: &Identity) -> (Program, std::net::SocketAddr) {
    let mut command = program::serve(s3);
    command
        .env("S3REEL_TLS_CERTIFICATE", identity.certificate())
        .env("S3REEL_TLS_KEY", identity.key());
    let mut program = Program::start(command);
    let lines = program.log_lines_until("serving on https://");
    let address = program::address_in(lines.last().unwrap());
    (program, address)
}

/// Whether the certificate of `trusted` is shown at an address.
async fn shows(trusted: &Identity, address: std::net::SocketAddr) -> bool {
    let stream = TcpStream::connect(address).await.unwrap();
    trusted.try_over(stream, &["http/1.1"]).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_read_again_on_sighup_and_when_it_changes() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, 1000)).await;
    let (shown, old, new) = (Identity::new(), Identity::new(), Identity::new());
    let put = |from: &Identity| {
        std::fs::copy(from.certificate(), shown.certificate()).unwrap();
        std::fs::copy(from.key(), shown.key()).unwrap();
    };
    put(&old);
    let (mut program, address) = secured(&s3, &shown);
    assert!(shows(&old, address).await && !shows(&new, address).await);
    let mut standing = old.client(address).await;
    put(&new);
    program.signal("HUP");
    program.log_lines_until("the certificates of TLS were read again");
    assert!(shows(&new, address).await && !shows(&old, address).await);
    // What stands, stays.
    assert_eq!(standing.ask("GET", "/film.mp4", &[]).await.status, 200);
    // Half of it has come: the old one is shown until the other half has come too.
    std::fs::copy(old.certificate(), shown.certificate()).unwrap();
    let lines = program.log_lines_until("stay so");
    let told = lines.last().unwrap();
    assert!(
        told.contains("not the key of the first certificate"),
        "{told}"
    );
    assert!(shows(&new, address).await);
    std::fs::copy(old.key(), shown.key()).unwrap();
    program.log_lines_until("the certificates of TLS were read again");
    assert!(shows(&old, address).await);
    program.signal("TERM");
    assert_eq!(program.wait().0.code(), Some(0));
}

#[test]
fn a_certificate_that_cannot_be_used_ends_the_start_with_what_is_wrong() {
    let (one, other) = (Identity::new(), Identity::new());
    let (certificate, key) = (one.certificate(), one.key());
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let folder = folder();
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pem = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let broken = file("broken.pem", pem("CERTIFICATE").as_bytes());
    let broken_key = file("broken.key", pem("PRIVATE KEY").as_bytes());
    let closed = file("closed.key", pem("ENCRYPTED PRIVATE KEY").as_bytes());
    let text = file("text.pem", b"hello");
    let other_key = other.key();
    for (certificate, key, told) in [
        (
            Some(certificate),
            None,
            "S3REEL_TLS_KEY is not set: the file of",
        ),
        (
            None,
            Some(key),
            "S3REEL_TLS_CERTIFICATE is not set: the file of",
        ),
        (
            Some("/none.pem"),
            Some(key),
            "S3REEL_TLS_CERTIFICATE=\"/none.pem\": /none.pem: No such",
        ),
        (
            Some(certificate),
            Some("/none.pem"),
            "S3REEL_TLS_KEY=\"/none.pem\": /none.pem: No such",
        ),
        (
            Some(&text),
            Some(key),
            "there is no certificate in PEM form in it",
        ),
        (
            Some(certificate),
            Some(&text),
            "there is no private key in PEM form in it",
        ),
        (
            Some(certificate),
            Some(&closed),
            "one with a passphrase cannot be used",
        ),
        (
            Some(&broken),
            Some(key),
            "the first certificate cannot be used",
        ),
        (Some(certificate), Some(&broken_key), "S3REEL_TLS_KEY="),
        (
            Some(key),
            Some(key),
            "there is no certificate in PEM form in it",
        ),
        (
            Some(certificate),
            other_key.to_str(),
            "it is not the key of the first certificate",
        ),
    ] {
        let mut command = program::command(&["serve", "--bucket", "films"]);
        for (name, value) in [("CERTIFICATE", certificate), ("KEY", key)] {
            if let Some(value) = value {
                command.env(format!("S3REEL_TLS_{name}"), value);
            }
        }
        let output = command.output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}: {log}");
        assert!(log.contains(told), "{told}: {log}");
    }
}

#[tokio::test]
async fn what_is_on_its_way_over_tls_and_http2_is_finished_at_the_end() {
    let s3 = TestS3::embedded().await;
    let identity = Identity::new();
    let service = identity
        .service(&s3, LENGTH, |setup| {
            setup.server.drain_timeout = Duration::from_secs(20);
        })
        .await;
    let mut one = identity.client(service.address()).await;
    one.request("GET", "/film.mp4", &[]).await;
    in_time("a head", one.head()).await;
    let mut two = Http2::connect(&identity, service.address()).await;
    let begun = two.begin("GET", "/film.mp4", &[]).await.unwrap();
    let mut idle = Http2::connect(&identity, service.address()).await;
    assert_eq!(idle.ask("HEAD", "/film.mp4", &[]).await.status, 200);
    let ending = tokio::spawn(service.stop());
    // It is told, and nothing more is taken from it.
    let driven = in_time("the close", &mut idle.driver).await.unwrap();
    assert!(driven.is_ok(), "{driven:?}");
    let film = content(1, LENGTH);
    assert!(in_time("a film", one.take(LENGTH)).await == film);
    let answer = in_time("a film", begun.whole()).await;
    assert!(answer.complete && answer.body == film);
    assert!(two.begin("GET", "/film.mp4", &[]).await.is_err());
    in_time("the end", ending).await.unwrap();
}

/// A film and a tone that a browser is sent to, with a certificate that it takes because it is told to.
async fn plays_and_seeks(engine: Engine) {
    let s3 = TestS3::embedded().await;
    for (name, bytes) in SAMPLES {
        s3.put(name, *bytes).await;
    }
    let identity = Identity::new();
    let service = identity.service(&s3, LENGTH, |_| {}).await;
    let browser = Browser::start(engine).await;
    for (name, width) in [("clock.mp4", 480), ("tone.mp3", 0)] {
        let url = format!("https://localhost:{}/{name}", service.address().port());
        browser.open(&url).await;
        let script = "return watch(document.querySelector('video, audio'));";
        let seen = browser.run(script, vec![]).await;
        assert_eq!(seen["width"], width, "{name}: {seen}");
        let reached = seen["reached"].as_f64().unwrap();
        assert!((0.79..0.82).contains(&reached), "{name}: {seen}");
    }
    assert!(handshakes(&service, "http2").await > 0.0);
    assert!(
        handshakes(&service, "http1").await < 0.5,
        "it spoke HTTP/1.1"
    );
}

#[tokio::test]
async fn chromium_plays_and_seeks_over_http2() {
    plays_and_seeks(Engine::Chromium).await;
}

#[tokio::test]
async fn firefox_plays_and_seeks_over_http2() {
    plays_and_seeks(Engine::Firefox).await;
}

#[tokio::test]
async fn webkit_plays_and_seeks_over_http2() {
    plays_and_seeks(Engine::WebKit).await;
}
