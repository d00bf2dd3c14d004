//! Blocks on disk: what outlives a process, and everything that can be wrong with a disk.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::disk::{blocks, is_free, on_disk, read, written};
use crate::support::program::{Program, address_in, command};
use crate::support::{Client, TestS3, TestService, content, in_time, until};

const MIB: usize = 1024 * 1024;
const LENGTH: usize = 5 * MIB + 77;
const BLOCKS: f64 = 6.0;

/// A folder with the blocks of a film, and the process that wrote them gone.
async fn filled(s3: &TestS3) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let service = TestService::with(s3, on_disk(folder.path())).await;
    let whole = service.get("/film.mp4", &[]).await;
    assert!(whole.body == content(1, LENGTH), "other bytes");
    until("all blocks are written", async || {
        written(&service, "written").await >= BLOCKS
    })
    .await;
    drop(service);
    // The folder is free when the service has ended to the last.
    until("the folder is free", async || is_free(folder.path())).await;
    folder
}

/// The service over a folder, once it knows what is there.
async fn again(s3: &TestS3, folder: &Path, expected: f64) -> TestService {
    let service = TestService::with(s3, on_disk(folder)).await;
    until("the blocks are found", async || {
        service.figure("s3reel_cache_disk_blocks").await >= expected
    })
    .await;
    service
}

#[tokio::test]
async fn after_a_start_bytes_come_from_disk_and_s3_is_asked_only_what_the_object_is() {
    for s3 in TestS3::all().await {
        s3.put("film.mp4", content(1, LENGTH)).await;
        let folder = filled(&s3).await;
        let service = again(&s3, folder.path(), BLOCKS).await;
        let range = [("Range", "bytes=2000000-4999999")];
        let part = service.get("/film.mp4", &range).await;
        assert!(part.body == content(1, LENGTH)[2_000_000..5_000_000]);
        assert_eq!(part.header("cache-status"), Some("s3reel; fwd=stale"));
        let whole = service.get("/film.mp4", &[]).await;
        assert!(whole.body == content(1, LENGTH), "other bytes");
        assert!(service.s3_calls("GetObject").await < 0.5, "{}", s3.name());
        assert!((service.s3_calls("HeadObject").await - 1.0).abs() < 0.5);
        assert!((read(&service, "read").await - BLOCKS).abs() < 0.5);
        // Another version has other blocks.
        s3.put("film.mp4", content(2, LENGTH)).await;
        let purged = service.admin_ask("POST", "/purge?key=film.mp4").await;
        assert_eq!(purged.status, 200);
        let whole = service.get("/film.mp4", &[]).await;
        assert!(whole.body == content(2, LENGTH), "bytes of an old version");
    }
}

#[tokio::test]
async fn no_harm_to_a_file_reaches_a_viewer() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let folder = filled(&s3).await;
    let files = blocks(folder.path());
    assert_eq!(files.len(), 6);
    let flip = |at: usize, file: &Path| {
        let mut bytes = fs::read(file).unwrap();
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 0x10;
        fs::write(file, bytes).unwrap();
    };
    let service = again(&s3, folder.path(), BLOCKS).await;
    flip(500_000, &files[0]);
    flip(usize::MAX, &files[1]);
    let cut = fs::read(&files[2]).unwrap();
    fs::write(&files[2], &cut[..cut.len() / 2]).unwrap();
    fs::remove_file(&files[3]).unwrap();
    // Another block of the same film.
    fs::copy(&files[5], &files[4]).unwrap();
    let whole = service.get("/film.mp4", &[]).await;
    assert!(whole.body == content(1, LENGTH), "other bytes");
    assert!(read(&service, "damaged").await >= 4.0);
    assert!(read(&service, "missing").await >= 1.0);
    until("they are written anew", async || {
        written(&service, "written").await >= 5.0
    })
    .await;
    assert_eq!(blocks(folder.path()), files);
}

#[tokio::test]
async fn a_disk_that_takes_nothing_costs_viewers_nothing() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let folder = tempfile::tempdir().unwrap();
    // Where folders would be there are files: every write fails, whoever runs this.
    let ours = folder.path().join("s3reel-blocks-1");
    fs::create_dir(&ours).unwrap();
    for number in 0..=255 {
        fs::write(ours.join(format!("{number:02x}")), "in the way").unwrap();
    }
    let service = TestService::with(&s3, on_disk(folder.path())).await;
    for _ in 0..2 {
        let whole = service.get("/film.mp4", &[]).await;
        assert!(whole.body == content(1, LENGTH), "other bytes");
    }
    until("it has failed once and rests", async || {
        written(&service, "failed").await >= 1.0 && written(&service, "dropped").await >= 1.0
    })
    .await;
    assert!(written(&service, "failed").await < 1.5, "it goes on trying");
    assert_eq!(blocks(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_folder_has_one_process_and_the_other_serves_without() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    let folder = tempfile::tempdir().unwrap();
    let first = TestService::with(&s3, on_disk(folder.path())).await;
    let second = TestService::with(&s3, on_disk(folder.path())).await;
    for service in [&second, &first] {
        let whole = service.get("/film.mp4", &[]).await;
        assert!(whole.body == content(1, LENGTH), "other bytes");
    }
    until("the first writes", async || {
        written(&first, "written").await >= BLOCKS
    })
    .await;
    assert!(written(&second, "written").await < 0.5);
}

#[tokio::test]
async fn a_purged_object_is_gone_from_disk() {
    let s3 = TestS3::embedded().await;
    s3.put("film.mp4", content(1, LENGTH)).await;
    s3.put("other.mp4", content(2, MIB)).await;
    let folder = filled(&s3).await;
    let service = again(&s3, folder.path(), BLOCKS).await;
    service.get("/other.mp4", &[]).await;
    until("it is written", async || blocks(folder.path()).len() == 7).await;
    let purged = service.admin_ask("POST", "/purge?key=film.mp4").await;
    assert_eq!(purged.status, 200);
    until("its files are gone", async || {
        blocks(folder.path()).len() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_while_it_writes_leaves_no_wrong_byte() {
    let s3 = TestS3::embedded().await;
    let length = 48 * MIB + 1;
    s3.put("film.mp4", content(1, length)).await;
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let access = s3.access();
        let mut command = command(&["serve"]);
        command
            .env("S3REEL_BUCKET", s3.bucket())
            .env("S3REEL_LISTEN", "127.0.0.1:0")
            .env("S3REEL_ADMIN_LISTEN", "off")
            .env("S3REEL_CACHE_DIR", folder.path())
            .env("S3REEL_CACHE_DISK", "256MiB")
            .env("AWS_ENDPOINT_URL", &access.endpoint)
            .env("AWS_REGION", &access.region)
            .env("AWS_ACCESS_KEY_ID", &access.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &access.secret_access_key);
        let mut program = Program::start(command);
        let log = program.log_lines_until("serving on");
        (program, address_in(log.last().unwrap()))
    };
    for round in 0..3 {
        let (program, address) = start();
        let mut viewer = Client::connect(address).await;
        viewer.request("GET", "/film.mp4", &[]).await;
        viewer.head().await;
        let part = in_time("a part", viewer.take((10 + 10 * round) * MIB)).await;
        assert!(content(1, length).starts_with(&part), "other bytes");
        program.signal("KILL");
        drop(program);
    }
    let (_program, address) = start();
    let mut viewer = Client::connect(address).await;
    let whole = viewer.ask("GET", "/film.mp4", &[]).await;
    assert!(whole.body == content(1, length), "other bytes");
    assert!(!blocks(folder.path()).is_empty());
}

#[tokio::test]
async fn blocks_of_another_size_are_never_taken_for_others() {
    let s3 = TestS3::embedded().await;
    // Of three blocks, and of one and a half of twice the size: the second of each are as long.
    let length = 3 * MIB;
    s3.put("film.mp4", content(1, length)).await;
    let folder = tempfile::tempdir().unwrap();
    for (size, blocks) in [(1_u64 << 20, 3.0), (2 << 20, 2.0), (1 << 20, 0.0)] {
        let service = TestService::with(&s3, |config| {
            on_disk(folder.path())(config);
            config.cache.block_size = size;
        })
        .await;
        let whole = service.get("/film.mp4", &[]).await;
        assert!(whole.body == content(1, length), "other bytes");
        until("it has been written", async || {
            let dealt = written(&service, "written").await + read(&service, "read").await;
            dealt >= blocks
        })
        .await;
        drop(service);
        until("the folder is free", async || is_free(folder.path())).await;
    }
}
