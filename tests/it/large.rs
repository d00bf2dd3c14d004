//! Objects beyond the 32 bits that counters like to have.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::time::Duration;

use s3reel::cache::CacheConfig;
use s3reel::embedded_s3::directory::Directory;
use s3reel::embedded_s3::shelf::Shelf;
use s3reel::embedded_s3::{BUCKET, EmbeddedS3};

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
    let shelf = Directory::open_folder(folder.path()).expect("a folder");
    let s3 = EmbeddedS3::start(Shelf::Directory(shelf))
        .await
        .expect("an S3");
    // Without the cache it is flat from the beginning, and with it from when that is full.
    stream(&s3, &mark, 0, 32 * 1024 * 1024).await;
    let full = CacheConfig::default().memory;
    stream(&s3, &mark, full, full + 64 * 1024 * 1024).await;
}

/// Streams the film through a service whose cache has so much room; it may grow by so much.
async fn stream(s3: &EmbeddedS3, mark: &[u8], cache: u64, most_growth: u64) {
    let access = s3.access();
    let mut command = command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"]);
    command
        .env("S3REEL_BUCKET", BUCKET)
        .env("S3REEL_CACHE_MEMORY", cache.to_string())
        .env("AWS_ENDPOINT_URL_S3", &access.endpoint)
        .env("AWS_REGION", &access.region)
        .env("AWS_ACCESS_KEY_ID", &access.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &access.secret_access_key);
    let mut program = Program::start(command);
    let address = program.log_address();
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
    let before = program.resident_bytes();
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
    println!("6 GiB grew the process by {growth} bytes with a cache of {cache}");
    assert!(growth < most_growth, "{growth} bytes more while streaming");
}
