//! The same files from us and from nginx, Apache and Caddy as Debian has them.

use std::fmt::Write as _;
use std::time::{Duration, Instant, UNIX_EPOCH};

use s3reel::embedded_s3::directory::Directory;
use s3reel::embedded_s3::shelf::Shelf;
use s3reel::embedded_s3::{BUCKET, EmbeddedS3};
use tempfile::TempDir;

use super::manual::table_of;
use super::{PLAYERS, json, notes, verdict};
use crate::support::peers::{Peer, RunningPeer, Types};
use crate::support::program::command;
use crate::support::{PATIENCE, TestService};

/// Names, and the samples that are under them.
const FILES: [(&str, &[u8]); 5] = [
    (
        "clock.mp4",
        include_bytes!("../../../localstack/media/clock.mp4"),
    ),
    (
        "clock-moov-last.mp4",
        include_bytes!("../../../localstack/media/clock-moov-last.mp4"),
    ),
    (
        "clock.webm",
        include_bytes!("../../../localstack/media/clock.webm"),
    ),
    (
        "tone.mp3",
        include_bytes!("../../../localstack/media/tone.mp3"),
    ),
    (
        "clock",
        include_bytes!("../../../localstack/media/clock.mp4"),
    ),
];

const HEADING: &str = "## What others' servers do";

/// A folder with the files, which others may read, and with a file that only it has.
fn folder(sign: &str) -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let mut builder = tempfile::Builder::new();
    let readable = std::fs::Permissions::from_mode(0o755);
    let folder = builder.permissions(readable).tempdir().expect("a folder");
    // Apache's tags are weak for as long as a file is new.
    let modified = UNIX_EPOCH + Duration::from_secs(784_111_777);
    for (name, bytes) in FILES {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        let file = std::fs::File::options().write(true).open(&path);
        file.and_then(|file| file.set_modified(modified))
            .expect("a date");
    }
    std::fs::write(folder.path().join(sign), "here").expect("a file");
    folder
}

/// What becomes of a file, in a few words.
async fn summary(url: &str) -> String {
    let (report, _) = json(url).await;
    assert_eq!(report["error"], serde_json::Value::Null, "{url}");
    let engines = ["Safari, AVPlayer", "Chromium", "Firefox", "WebKitGTK"];
    let mut words = Vec::new();
    for (engine, players) in engines.iter().zip(PLAYERS) {
        let verdicts: Vec<_> = players
            .iter()
            .map(|player| verdict(&report, player))
            .collect();
        assert!(
            verdicts.iter().all(|one| *one == verdicts[0]),
            "{verdicts:?}"
        );
        if let Some((how, rule)) = verdicts[0].split_once(": ") {
            let how = if how == "fails" { "**fails**" } else { how };
            words.push(format!("{how} in {engine}: `{rule}`"));
        }
    }
    if words.is_empty() {
        words.push("plays everywhere".to_owned());
    }
    let notes = notes(&report);
    if !notes.is_empty() {
        words.push(format!("noted: `{}`", notes.join("`, `")));
    }
    words.join("; ")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manual_tells_what_becomes_of_the_samples_on_our_server_and_on_others() {
    let sign = format!("{:016x}", fastrand::u64(..));
    let folder = folder(&sign);
    let shelf = Directory::open_folder(folder.path()).expect("a folder");
    let s3 = EmbeddedS3::start(Shelf::Directory(shelf))
        .await
        .expect("an S3");
    let service = TestService::at(BUCKET, s3.access().clone(), |_| {}).await;
    let mut servers = vec![("s3reel", service.address())];
    let mut peers = Vec::new();
    for peer in [Peer::Nginx, Peer::Apache, Peer::Caddy] {
        let running = RunningPeer::with_types(peer, folder.path(), &sign, Types::Own).await;
        servers.push((peer.name(), running.address()));
        peers.push(running);
    }
    let mut table = "| file |".to_owned();
    for (name, _) in &servers {
        let _ = write!(table, " {name} |");
    }
    table += "\n|---|---|---|---|---|\n";
    for (file, _) in FILES {
        let _ = write!(table, "| `{file}` |");
        for (_, address) in &servers {
            let summary = summary(&format!("http://{address}/{file}")).await;
            let _ = write!(table, " {summary} |");
        }
        table.push('\n');
    }
    table_of(HEADING, &table);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_address_is_checked_with_the_certificates_of_the_system_and_no_others() {
    let sign = format!("{:016x}", fastrand::u64(..));
    let folder = folder(&sign);
    std::fs::create_dir(folder.path().join("down")).expect("a folder");
    std::fs::write(folder.path().join("down/film.mp4"), FILES[0].1).expect("a file");
    let caddy = RunningPeer::start(Peer::Caddy, folder.path(), &sign).await;
    let authority = caddy.secure_authority();
    let ask = async |path: &str, trusted: bool| {
        let mut command = command(&["check", "--json", &format!("https://{authority}/{path}")]);
        let file = if trusted {
            caddy.authority_file()
        } else {
            "/dev/null".into()
        };
        command
            .env("SSL_CERT_FILE", file)
            .env_remove("SSL_CERT_DIR");
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.expect("a thread").expect("a process");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        report["urls"][0].clone()
    };
    // Caddy makes its certificates after it has begun to listen.
    let started = Instant::now();
    let report = loop {
        let report = ask("clock.mp4", true).await;
        let error = report["error"].as_str().unwrap_or_default().to_owned();
        if !error.starts_with("no connection") {
            break report;
        }
        assert!(started.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(verdict(&report, "Safari (macOS)"), "plays", "{report:#}");
    assert_eq!(verdict(&report, "WebKitGTK"), "plays");

    let down = ask("down/film.mp4", true).await;
    let noted = notes(&down);
    assert!(
        noted.contains(&"no-redirect") && noted.contains(&"stays-on-https"),
        "{noted:?}"
    );

    let untrusted = ask("clock.mp4", false).await;
    let error = untrusted["error"].as_str().expect("an error");
    assert!(
        error.contains("no connection") && error.contains("certificate"),
        "{error}"
    );
}
