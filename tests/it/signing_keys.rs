//! The keys of signed URLs in the running program: files, changes, mistakes, and what the log says.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::program::{Program, command, serve};
use crate::support::signed::{LATER, Link, ONE, PUBLIC_URL, file, public_key};
use crate::support::{Client, TestS3, content, until};

/// A program that asks for signatures, and the file with the keys of `K1`.
struct Signing {
    program: Program,
    address: std::net::SocketAddr,
    keys: PathBuf,
    _folder: TempDir,
    _s3: TestS3,
}

impl Signing {
    async fn start(keys: &[&str]) -> Self {
        let s3 = TestS3::embedded().await;
        s3.put("films/one.mp4", content(1, 1000)).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k1.pem");
        write(&file, keys);
        let mut command = serve(&s3);
        command
            .env("S3REEL_SIGNED_URL_KEYS", format!("K1={}", file.display()))
            .env("S3REEL_PUBLIC_URL", PUBLIC_URL)
            .env("S3REEL_BROWSE", "on")
            .env("S3REEL_LOG_FORMAT", "json")
            .env("RUST_LOG", "trace");
        let mut program = Program::start(command);
        let address = program.log_address();
        Self {
            program,
            address,
            keys: file,
            _folder: folder,
            _s3: s3,
        }
    }

    async fn status(&self, link: &Link) -> u16 {
        let mut client = Client::connect(self.address).await;
        link.ask(&mut client, "GET", &[]).await.status
    }
}

/// Puts these keys into a file, all at once, as whoever cares does.
fn write(to: &Path, keys: &[&str]) {
    let text: Vec<u8> = keys.iter().flat_map(|name| public_key(name)).collect();
    let beside = to.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, to).unwrap();
}

fn link(key: &str) -> Link {
    Link::of_ours(ONE, Some("/films/*"), ("K1", key), LATER)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_read_again_on_sighup_and_when_they_change() {
    let mut signing = Signing::start(&["rsa"]).await;
    assert_eq!(signing.status(&link("rsa")).await, 200);
    assert_eq!(signing.status(&link("ecdsa")).await, 403);
    write(&signing.keys, &["ecdsa"]);
    signing.program.signal("HUP");
    signing.program.log_lines_until("were read again");
    assert_eq!(signing.status(&link("rsa")).await, 403);
    assert_eq!(signing.status(&link("ecdsa")).await, 200);
    // By itself.
    write(&signing.keys, &["rsa", "ecdsa"]);
    signing.program.log_lines_until("were read again");
    assert_eq!(signing.status(&link("rsa")).await, 200);
    assert_eq!(signing.status(&link("ecdsa")).await, 200);
    // In place, which changes neither its name nor its length.
    std::fs::write(&signing.keys, public_key("rsa")).unwrap();
    signing.program.log_lines_until("were read again");
    std::fs::write(&signing.keys, public_key("other")).unwrap();
    signing.program.log_lines_until("were read again");
    assert_eq!(signing.status(&link("rsa")).await, 403);
    assert_eq!(signing.status(&link("other")).await, 200);
    signing.program.signal("TERM");
    assert_eq!(signing.program.wait().0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_refused_with_the_reason_and_the_keys_stay() {
    let mut signing = Signing::start(&["rsa"]).await;
    let private = std::fs::read(file("rsa.pem")).unwrap();
    for (text, told) in [
        (&b"hello"[..], "has no PUBLIC KEY"),
        (&private, "has a private key"),
        (&public_key("rsa").repeat(9), "more than 8 keys"),
        (&b"x".repeat(70_000), "longer than 64 KiB"),
        (
            &b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"[..],
            "neither RSA",
        ),
    ] {
        std::fs::write(&signing.keys, text).unwrap();
        signing.program.signal("HUP");
        let lines = signing.program.log_lines_until(told);
        assert!(lines.last().unwrap().contains("stay so"), "{lines:?}");
        assert_eq!(signing.status(&link("rsa")).await, 200, "{told}");
    }
    std::fs::remove_file(&signing.keys).unwrap();
    signing.program.log_lines_until("No such file");
    assert_eq!(signing.status(&link("rsa")).await, 200);
    write(&signing.keys, &["ecdsa"]);
    signing.program.log_lines_until("were read again");
    assert_eq!(signing.status(&link("rsa")).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn changing_keys_under_load_loses_no_request() {
    let mut signing = Signing::start(&["rsa"]).await;
    // Which link viewers are given, and how often each has been answered.
    let (give, given) = watch::channel(0);
    let links = Arc::new([link("rsa"), link("ecdsa"), link("other")]);
    let answered: Arc<[AtomicUsize; 3]> = Arc::default();
    let viewers: Vec<_> = (0..8)
        .map(|viewer| {
            let (given, links) = (given.clone(), Arc::clone(&links));
            let (answered, address) = (Arc::clone(&answered), signing.address);
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                loop {
                    let which = *given.borrow();
                    let Some(link) = links.get(which) else { return };
                    let method = if viewer % 2 == 0 { "GET" } else { "HEAD" };
                    let answer = link.ask(&mut client, method, &[]).await;
                    assert_eq!(answer.status, 200, "{}", link.name);
                    answered[which].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let all_are_past = async |which: usize| {
        let before = answered[which].load(Ordering::Relaxed);
        until("viewers go on", async || {
            answered[which].load(Ordering::Relaxed) > before + 100
        })
        .await;
    };
    for (which, (both, alone)) in [
        (["rsa", "ecdsa"], ["ecdsa"]),
        (["ecdsa", "other"], ["other"]),
    ]
    .iter()
    .enumerate()
    {
        all_are_past(which).await;
        write(&signing.keys, both);
        signing.program.signal("HUP");
        signing.program.log_lines_until("were read again");
        give.send_replace(which + 1);
        all_are_past(which + 1).await;
        write(&signing.keys, alone);
        signing.program.signal("HUP");
        signing.program.log_lines_until("were read again");
        all_are_past(which + 1).await;
        assert_eq!(signing.status(&links[which]).await, 403, "the old key");
    }
    give.send_replace(links.len());
    for viewer in viewers {
        viewer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_line_of_the_log_has_a_signature_or_a_policy_whatever_is_logged() {
    let mut signing = Signing::start(&["rsa"]).await;
    let page = Link::of_ours("/-/", Some("/*"), ("K1", "rsa"), LATER);
    let mut secrets = Vec::new();
    let wrong = link("rsa").with_claim("Signature", Some("c2VjcmV0LXNlY3JldC1zZWNyZXQ_"));
    for link in [link("rsa"), page, wrong] {
        for link in [link.clone(), link.in_cookies()] {
            let mut client = Client::connect(signing.address).await;
            let referrer = format!("{PUBLIC_URL}{}", link.target());
            link.ask(
                &mut client,
                "GET",
                &[("Referer", &referrer), ("Range", "bytes=0-1")],
            )
            .await;
            for name in ["Signature", "Policy"] {
                secrets.extend(link.claim(name).map(ToOwned::to_owned));
            }
            // A piece of them is as bad as all.
            secrets.extend(link.claim("Signature").map(|text| text[..20].to_owned()));
        }
    }
    let last = Link::of_ours("/films/last.mp4", None, ("K1", "rsa"), LATER);
    assert_eq!(signing.status(&last).await, 404);
    secrets.extend(last.claim("Signature").map(ToOwned::to_owned));
    signing.program.signal("TERM");
    let lines = signing.program.log_lines_until("stopped");
    let line = lines
        .iter()
        .find(|line| line.contains("\"path\":\"/films/last.mp4\""))
        .expect("an access line");
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&line["auth"], &line["key_pair_id"]),
        (&"allowed".into(), &"K1".into())
    );
    let refused = lines
        .iter()
        .find(|line| line.contains("bad_signature"))
        .expect("a refusal");
    assert!(refused.contains("K1"), "{refused}");
    assert!(secrets.len() > 12);
    for line in lines {
        for secret in &secrets {
            assert!(!line.contains(secret.as_str()), "{line}");
        }
    }
}

#[test]
fn keys_that_cannot_be_used_end_the_start_with_all_that_is_wrong() {
    let rsa = file("rsa.pub.pem");
    let private = file("rsa.pem");
    let run = |keys: String, public_url: Option<&str>| {
        let mut command = command(&["serve", "--bucket", "media", "--listen", "nowhere"]);
        command.env("S3REEL_SIGNED_URL_KEYS", keys);
        if let Some(public_url) = public_url {
            command.env("S3REEL_PUBLIC_URL", public_url);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("S3REEL_LISTEN"), "{told}");
        told
    };
    let told = run(format!("K1={}", rsa.display()), None);
    assert!(
        told.contains("S3REEL_PUBLIC_URL is not set: the address that"),
        "{told}"
    );
    let told = run(
        "K1=/nonexistent/key.pem".to_owned(),
        Some("https://Media.example"),
    );
    for part in [
        "/nonexistent/key.pem: No such file",
        "https://media.example, so write it",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    let told = run(format!("K1={}", private.display()), Some(PUBLIC_URL));
    assert!(
        told.contains("has a private key") && !told.contains("MII"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_beside_an_open_cors_policy_are_warned_of_at_start() {
    let s3 = TestS3::embedded().await;
    for (origins, warns) in [("*", true), ("https://player.example", false)] {
        let mut command = serve(&s3);
        command
            .env(
                "S3REEL_SIGNED_URL_KEYS",
                format!("K1={}", file("rsa.pub.pem").display()),
            )
            .env("S3REEL_PUBLIC_URL", PUBLIC_URL)
            .env("S3REEL_CORS_ORIGINS", origins);
        let mut program = Program::start(command);
        let lines = program.log_lines_until("serving on http://");
        let warning = lines
            .iter()
            .any(|line| line.contains("S3REEL_CORS_ORIGINS is *"));
        assert_eq!(warning, warns, "{lines:?}");
    }
}

#[test]
fn what_cannot_be_signed_is_told_with_exit_code_2() {
    let key = file("rsa.pem").display().to_string();
    let public = file("rsa.pub.pem").display().to_string();
    let url = "https://media.example/a.mp4";
    for (arguments, told) in [
        (
            vec!["media.example/a", "--private-key", &key],
            "is no address",
        ),
        (
            vec!["https://media.example/*", "--private-key", &key],
            "--resource",
        ),
        (
            vec!["https://media.example/a'b", "--private-key", &key],
            "percent-encoded",
        ),
        (
            vec!["https://media.example/a?x&Expires=1", "--private-key", &key],
            "signed already",
        ),
        (vec![url, "--private-key", "/nonexistent"], "/nonexistent"),
        (vec![url, "--private-key", &public], "no private key"),
        (
            vec![url, "--private-key", &key, "--resource", "films/*"],
            "--resource",
        ),
        (
            vec![url, "--private-key", &key, "--expires", "soon"],
            "--expires",
        ),
        (
            vec![url, "--private-key", &key, "--ip-address", "here"],
            "--ip-address",
        ),
        (
            vec![url, "--private-key", &key, "--key-pair-id", "a b"],
            "--key-pair-id",
        ),
    ] {
        let mut sign = command(&["sign"]);
        sign.args(&arguments);
        if !arguments.contains(&"--key-pair-id") {
            sign.args(["--key-pair-id", "K1"]);
        }
        let output = sign.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(told), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty());
    }
}
