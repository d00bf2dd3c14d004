//! Objects beyond the 32 bits that counters like to have.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::time::Duration;

use s3reel::cache::CacheConfig;

use crate::support::program::{Program, command};
use crate::support::{Client, content};

const GIB: u64 = 1024 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn six_gibibytes_stream_with_flat_memory_and_right_bytes_around_four() {
    let folder = tempfile::tempdir().unwrap();
    let film = File::create(folder.path().join("film.mp4")).unwrap();
    film.set_len(6 * GIB).unwrap();
    let mark = content(7, 4096);
    for at in [0, 4 * GIB - 2048, 6 * GIB - 4096] {
        film.write_all_at(&mark, at).unwrap();
    }
    let folder = folder.path().to_str().unwrap().to_owned();
    let mut program = Program::start(command(&["demo", &folder, "--listen", "127.0.0.1:0"]));
    let address = program.printed_address();
    for (first, last) in [
        (4 * GIB - 2048, 4 * GIB + 2047),
        (6 * GIB - 4096, 6 * GIB - 1),
        (0, 4095),
    ] {
        let range = format!("bytes={first}-{last}");
        let part = Client::connect(address)
            .await
            .ask("GET", "/film.mp4", &[("Range", &range)])
            .await;
        let total = format!("bytes {first}-{last}/{}", 6 * GIB);
        assert_eq!(part.header("content-range"), Some(total.as_str()));
        assert!(part.body == mark, "{range}: other bytes");
    }
    // The cache fills first; from then on memory is flat.
    let mut filling = Client::connect(address).await;
    filling.request("GET", "/film.mp4", &[]).await;
    filling.head().await;
    for _ in 0..100 {
        filling.take(4_000_000).await;
    }
    drop(filling);
    let before = program.resident_bytes();
    let full = CacheConfig::default().memory + 96 * 1024 * 1024;
    assert!(before < full, "{before} bytes with a full cache");
    // curl counts as it reads and keeps nothing.
    let curl = std::process::Command::new("curl")
        .args(["-sS", "--fail", "-o", "/dev/null", "-w", "%{size_download}"])
        .arg(format!("http://{address}/film.mp4"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl");
    let done = tokio::task::spawn_blocking(move || curl.wait_with_output());
    tokio::pin!(done);
    let mut most = before;
    let downloaded = loop {
        tokio::select! {
            output = &mut done => break output.unwrap().unwrap(),
            () = tokio::time::sleep(Duration::from_millis(100)) => {
                most = most.max(program.resident_bytes());
            }
        }
    };
    let size = String::from_utf8(downloaded.stdout).unwrap();
    assert_eq!(size, (6 * GIB).to_string());
    let growth = most.saturating_sub(before);
    println!("6 GiB grew the process by {growth} bytes");
    assert!(
        growth < 32 * 1024 * 1024,
        "{growth} bytes more while streaming"
    );
}
