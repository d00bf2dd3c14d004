//! Servers that mean ill or are broken beyond media: the check ends, within its bounds, and says why.

use super::servers::{Answer, Flaw, honest, server};
use super::*;
use s3reel::check::report::{Report, UrlReport};

type Script = Box<dyn Fn() -> Vec<Step> + Send + Sync>;

/// Bounds of a test.
fn limits() -> Limits {
    Limits {
        requests: 150,
        bytes: 16 * 1024 * 1024,
        total: Duration::from_secs(2),
        connect: Duration::from_secs(1),
        silence: Duration::from_millis(300),
    }
}

/// Checks with these bounds, in this process.
async fn checked(server: &Scripted, limits: Limits) -> Value {
    serde_json::to_value(report(server, limits).await).expect("JSON")
}

async fn report(server: &Scripted, limits: Limits) -> UrlReport {
    let url = MediaUrl::parse(&format!("http://{}/film", server.address())).expect("a URL");
    let trust = Trust::of_system().expect("TLS");
    s3reel::check::check(&url, &trust, limits).await
}

#[tokio::test]
async fn a_server_that_is_silent_or_drips_is_left_in_time() {
    let film: &'static [u8] = Film::First.bytes().leak();
    for (what, silent_at) in [("silent from the start", 0), ("silent at the probe", 1)] {
        let server = Scripted::start(move |asked| {
            let is_probe = asked.header("Range") == Some("bytes=0-1");
            if silent_at == 0 || is_probe {
                return vec![Step::Hold];
            }
            let answer = honest(asked, film);
            let head = answer.fields.iter().fold(
                format!("HTTP/1.1 {}\r\n", answer.status),
                |head, (name, value)| format!("{head}{name}: {value}\r\n"),
            );
            vec![Step::Send(
                [head.as_bytes(), b"\r\n", &answer.body].concat(),
            )]
        })
        .await;
        let report = checked(&server, limits()).await;
        if silent_at == 0 {
            let error = report["error"].as_str().expect("an error");
            assert!(error.contains("silence"), "{what}: {error}");
        } else {
            assert_eq!(
                verdict(&report, "AVPlayer (iOS)"),
                "fails: answers",
                "{what}"
            );
            assert_eq!(verdict(&report, "Chromium"), "plays", "{what}");
        }
    }
}

#[tokio::test]
async fn whatever_a_server_sends_without_end_the_check_ends() {
    let started = Instant::now();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n";
    let endless: [(&str, Vec<Step>); 5] = [
        (
            "a body",
            vec![
                Step::Send(format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes()),
                Step::Flood([&b"4000\r\n"[..], &[7; 0x4000], b"\r\n"].concat()),
            ],
        ),
        (
            "a head",
            vec![
                Step::Send(head.into()),
                Step::Flood(b"X-Y: z\r\n".repeat(100)),
            ],
        ),
        ("a line", vec![Step::Flood(vec![b'x'; 1000])]),
        (
            "early answers",
            vec![Step::Flood(b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100))],
        ),
        (
            "redirects",
            vec![Step::Send(
                b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n".to_vec(),
            )],
        ),
    ];
    for (what, steps) in endless {
        let server = Scripted::start(move |_| steps.clone()).await;
        let report = checked(&server, limits()).await;
        assert!(
            report["error"].is_string() || what == "a body",
            "{what}: {report:#}"
        );
        if what == "redirects" {
            let error = report["error"].as_str().expect("an error");
            assert!(error.contains("more than 20"), "{error}");
        }
        assert!(report["requests"].as_u64().unwrap_or(999) <= 150, "{what}");
    }
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn requests_bytes_and_time_are_bounded_and_what_was_not_found_out_is_unknown() {
    let film = || server(Film::First.bytes(), |_, answer, _| answer);
    let few = Limits {
        requests: 12,
        ..limits()
    };
    let server_of_few = film().await;
    let report = checked(&server_of_few, few).await;
    assert_eq!(report["requests"], 12);
    assert_eq!(server_of_few.asked().len(), 12);
    assert_eq!(verdict(&report, "Safari (macOS)"), "plays");
    assert_eq!(verdict(&report, "Firefox"), "unknown");

    let urls = vec![self::report(&film().await, few).await];
    assert!(!Report { urls }.all_play(), "unknown is no success");

    let little = Limits {
        bytes: 200_000,
        ..limits()
    };
    let server_of_little = film().await;
    let report = checked(&server_of_little, little).await;
    // The last answer may go as far beyond as one read does.
    assert!(
        report["bytes"].as_u64().expect("bytes") < 700_000,
        "{report:#}"
    );
    assert_eq!(verdict(&report, "WebKitGTK"), "unknown");

    let brief = Limits {
        total: Duration::ZERO,
        ..limits()
    };
    let report = checked(&film().await, brief).await;
    let error = report["error"].as_str().expect("an error");
    assert!(error.contains("time"), "{error}");
}

#[tokio::test]
async fn a_film_without_end_of_boxes_is_not_walked_for_ever() {
    let boxes = [
        &b"\0\0\0\x10ftypisom\0\0\0\0"[..],
        &b"\0\0\0\x08free".repeat(20_000),
    ]
    .concat();
    let server = server(boxes, |_, answer, _| answer).await;
    let report = checked(&server, limits()).await;
    assert_eq!(
        verdict(&report, "Firefox"),
        "warns: boxes-are-whole",
        "{report:#}"
    );
    assert!(server.asked().len() < 150, "{}", server.asked().len());
}

#[tokio::test]
async fn answers_that_are_spoilt_at_random_never_end_the_check_early() {
    let film: &'static [u8] = Film::First.bytes()[..70_000].to_vec().leak();
    let mut checks = tokio::task::JoinSet::new();
    for seed in 0..80 {
        checks.spawn(async move {
            let server = Scripted::start(move |asked| {
                let answer = honest(asked, film);
                let head = answer.fields.iter().fold(
                    format!("HTTP/1.1 {}\r\n", answer.status),
                    |head, (name, value)| format!("{head}{name}: {value}\r\n"),
                );
                let mut bytes = [head.as_bytes(), b"\r\n", &answer.body].concat();
                let length = head.len() as u64 + asked.head.len() as u64;
                let mut random = fastrand::Rng::with_seed(seed * 1000 + length);
                for _ in 0..random.usize(..3) {
                    let at = random.usize(..head.len());
                    match random.u8(..4) {
                        0 => bytes[at] = random.u8(..),
                        1 => bytes.truncate(at),
                        2 => bytes.insert(at, *random.choice(b"0 9-/*\r\n:\"W\xff\0").unwrap()),
                        _ => drop(bytes.drain(at..bytes.len().min(at + 5))),
                    }
                    if bytes.len() <= head.len() {
                        break;
                    }
                }
                vec![Step::Send(bytes)]
            })
            .await;
            checked(&server, limits()).await
        });
    }
    let mut with_players = 0;
    for report in checks.join_all().await {
        let players = report["players"].as_array().expect("players").len();
        assert!(players == 6 || report["error"].is_string(), "{report:#}");
        with_players += usize::from(players == 6);
    }
    assert!(with_players > 20, "only {with_players} were played at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_url_is_told_before_anything_is_asked() {
    let server = server(Film::First.bytes(), |_, answer, _| answer).await;
    let good = format!("http://{}/film", server.address());
    let output = run(&[&good, "film.mp4", "ftp://a/b", "http://me:secret@a/b"]).await;
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).expect("text");
    assert!(told.contains("\"film.mp4\" is no URL"), "{told}");
    assert!(told.contains("ftp and neither http nor https"), "{told}");
    assert!(
        told.contains("password") && !told.contains("secret"),
        "{told}"
    );
    assert!(output.stdout.is_empty() && server.asked().is_empty());
    assert_eq!(run(&[]).await.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_or_no_media_is_told_in_a_sentence() {
    let html = "<!doctype html><title>Sign in</title>";
    let text = |kind: &'static str, body: &'static str| {
        move || vec![answer("200 OK", &[("Content-Type", kind)], body)]
    };
    let banner = || vec![Step::Send(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())];
    let missing = || vec![answer("404 Not Found", &[], "")];
    let nowhere = || vec![answer("302 Found", &[("Location", "ftp://a/film")], "")];
    let servers: Vec<(Script, &str)> = vec![
        (Box::new(banner), "no answer of HTTP"),
        (Box::new(missing), "nothing to play: the answer is 404"),
        (
            Box::new(nowhere),
            "the redirect leads nowhere: ftp://a/film is ftp",
        ),
        (
            Box::new(text("text/html", html)),
            "no audio or video: the bytes are text",
        ),
        (
            Box::new(text("video/mp4", html)),
            "no audio or video: the bytes are text",
        ),
        (
            Box::new(text("image/gif", "GIF89a\0\0")),
            "the bytes are image/gif",
        ),
        (Box::new(text("video/mp4", "")), "the body is empty"),
        (Box::new(text("audio/mpegurl", "#EXTM3U\n")), "HLS playlist"),
    ];
    for (script, expected) in servers {
        let server = Scripted::start(move |_| script()).await;
        let (report, code) = json(&format!("http://{}/film", server.address())).await;
        let error = report["error"].as_str().expect("an error");
        assert!(error.contains(expected), "{error:?} has no {expected:?}");
        assert_eq!(code, Some(1), "{expected}");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    let (report, _) = json(&format!("http://{address}/film")).await;
    assert!(
        report["error"]
            .as_str()
            .expect("an error")
            .contains("refused"),
        "{report}"
    );
    let (report, _) = json(&format!("https://{address}/film")).await;
    assert!(
        report["error"]
            .as_str()
            .expect("an error")
            .contains("no connection")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_writes_cannot_steer_the_terminal() {
    let flaws: [Flaw; 3] = [
        |_, answer, _| answer.with("Content-Type", "video/\u{1b}[2Jmp4"),
        |_, answer, _| {
            answer
                .with("Content-Type", "video/\u{9b}2Jmp4")
                .with("ETag", "\"\u{9d}\"")
        },
        |_, _, _| Answer::refusal("302 Found").with("Location", "ftp://a/\u{9b}"),
    ];
    for flaw in flaws {
        let server = server(Film::First.bytes(), flaw).await;
        let output = run(&[&format!("http://{}/film", server.address())]).await;
        let told = String::from_utf8(output.stdout).expect("text");
        let odd = |c: char| c.is_control() && c != '\n';
        assert!(!told.contains(odd), "{told:?}");
        assert!(told.contains("/film"), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_is_refused_to_some_players_only_is_told_for_those() {
    let server = server(Film::First.bytes(), |asked, answer, _| {
        let agent = asked.header("User-Agent").unwrap_or_default();
        if agent.starts_with("AppleCoreMedia") {
            return Answer::refusal("403 Forbidden");
        }
        answer
    })
    .await;
    let (report, code) = json(&format!("http://{}/film", server.address())).await;
    assert_eq!(
        verdict(&report, "AVPlayer (iOS)"),
        "fails: status-is-success"
    );
    assert_eq!(
        verdict(&report, "AVPlayer (macOS)"),
        "fails: status-is-success"
    );
    assert_eq!(verdict(&report, "Safari (macOS)"), "plays");
    assert_eq!(code, Some(1));
}
