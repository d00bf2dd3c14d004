//! Blocks that leave from their files: without a copy, and never a wrong byte for that.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{Advice, fadvise};
use tokio::sync::Semaphore;

use crate::support::disk::{
    blocks, folder, hardly_in_memory, on_disk, read, until_on_disk, written,
};
use crate::support::film::range_asked;
use crate::support::scripted::raw;
use crate::support::{
    Asked, Client, Response, Scripted, Step, TestS3, TestService, content, in_time, until,
};

const KIB: usize = 1024;
const LENGTH: usize = 3000 * KIB + 77;
const BLOCKS: f64 = 24.0;

/// A service that has a film on disk, and hardly any of it in memory.
async fn filled(s3: &TestS3, folder: &Path) -> TestService {
    s3.put("film.mp4", content(1, LENGTH)).await;
    let service = TestService::with(s3, hardly_in_memory(folder)).await;
    until_on_disk(&service, "/film.mp4", BLOCKS).await;
    service
}

/// Pushes the film out of memory, where its last blocks lie.
async fn push_out(service: &TestService, s3: &TestS3) {
    s3.put("other.mp4", content(2, 2000 * KIB)).await;
    let other = service.get("/other.mp4", &[]).await;
    assert_eq!(other.status, 200);
}

fn range(first: usize, last: usize) -> [(&'static str, String); 1] {
    [("Range", format!("bytes={first}-{last}"))]
}

async fn part(service: &TestService, first: usize, last: usize) -> Response {
    let field = range(first, last);
    service
        .get("/film.mp4", &[(field[0].0, field[0].1.as_str())])
        .await
}

/// Has the kernel forget what it holds of all blocks.
fn evict(folder: &Path) {
    for block in blocks(folder) {
        let file = File::open(block).unwrap();
        // What is not written yet stays.
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    }
}

#[tokio::test]
async fn what_the_kernel_holds_is_sent_from_its_file_and_nothing_is_asked_for() {
    let s3 = TestS3::embedded().await;
    let folder = folder();
    let service = filled(&s3, folder.path()).await;
    push_out(&service, &s3).await;
    let film = content(1, LENGTH);
    let (calls, was_read) = (
        service.s3_calls("GetObject").await,
        read(&service, "read").await,
    );
    let at_hand = read(&service, "at_hand").await;
    for (first, last) in [
        (0, 1),
        (5, 5),
        (128 * KIB - 1, 128 * KIB),
        (300_000, 300_000 + 16 * KIB - 1),
        (300_000, 300_000 + 16 * KIB),
        (300_001, 900_000),
        (LENGTH - 1, LENGTH - 1),
        (LENGTH - 60_000, LENGTH - 1),
        (1, LENGTH - 1),
    ] {
        let part = part(&service, first, last).await;
        assert_eq!(part.status, 206);
        assert!(part.body == film[first..=last], "{first}-{last}");
        assert!(part.header("cache-status").unwrap().contains("hit"));
    }
    let whole = service.get("/film.mp4", &[]).await;
    assert!(whole.body == film, "other bytes");
    assert!(read(&service, "at_hand").await >= at_hand + 2.0 * BLOCKS);
    // Several parts are put together in memory.
    let parts = [("Range", "bytes=0-99999,500000-899999")];
    let parts = service.get("/film.mp4", &parts).await;
    for part in [&film[..100_000], &film[500_000..900_000]] {
        assert!(
            parts.body.windows(part.len()).any(|window| window == part),
            "a part is missing"
        );
    }
    assert!((service.s3_calls("GetObject").await - calls).abs() < 0.5);
    // Those were for the parts.
    assert!(read(&service, "read").await <= was_read + 6.0);
    assert!(read(&service, "failed").await < 0.5);
}

#[tokio::test]
async fn what_the_kernel_has_given_up_is_read_and_checked_first() {
    let s3 = TestS3::embedded().await;
    let folder = folder();
    let service = filled(&s3, folder.path()).await;
    push_out(&service, &s3).await;
    let film = content(1, LENGTH);
    for (first, last) in [(0, 1), (400_000, 1_200_000)] {
        evict(folder.path());
        let before = read(&service, "read").await;
        let cold = part(&service, first, last).await;
        assert!(cold.body == film[first..=last], "{first}-{last}");
        assert!(read(&service, "read").await > before, "nothing was read");
    }
    // What is read is verified: of files whose bits have changed it comes from S3.
    push_out(&service, &s3).await;
    let calls = service.s3_calls("GetObject").await;
    for block in blocks(folder.path()) {
        let mut bytes = Vec::new();
        File::open(&block).unwrap().read_to_end(&mut bytes).unwrap();
        bytes[1000] ^= 1;
        fs::write(&block, bytes).unwrap();
    }
    let part = part(&service, 100, 200_000).await;
    assert!(part.body == film[100..=200_000], "wrong bytes");
    assert!(read(&service, "damaged").await >= 1.0);
    assert!(service.s3_calls("GetObject").await > calls);
}

#[tokio::test]
async fn a_file_that_was_written_to_is_not_sent() {
    let s3 = TestS3::embedded().await;
    let folder = folder();
    let service = filled(&s3, folder.path()).await;
    push_out(&service, &s3).await;
    let at_hand = read(&service, "at_hand").await;
    let film = content(1, LENGTH);
    assert!(part(&service, 0, 99_999).await.body == film[..100_000]);
    assert!(read(&service, "at_hand").await > at_hand, "it was not open");
    // In place, and as long as before: only the time of the change tells.
    for block in blocks(folder.path()) {
        use std::os::unix::fs::FileExt as _;
        let block = File::options().write(true).open(block).unwrap();
        block.write_all_at(b"wrong", 77).unwrap();
    }
    let whole = service.get("/film.mp4", &[]).await;
    assert!(whole.body == film, "wrong bytes");
    assert!(read(&service, "damaged").await >= 1.0);
}

#[tokio::test]
async fn a_file_that_is_cut_while_it_is_sent_costs_a_viewer_nothing() {
    let s3 = TestS3::embedded().await;
    let folder = folder();
    let length = 40_000 * KIB;
    s3.put("film.mp4", content(1, length)).await;
    // Blocks that are larger than what the sockets between us take.
    let service = TestService::with(&s3, |config| {
        hardly_in_memory(folder.path())(config);
        config.cache.memory = 40 << 20;
        config.cache.block_size = 16 << 20;
    })
    .await;
    until_on_disk(&service, "/film.mp4", 3.0).await;
    s3.put("other.mp4", content(2, 32 << 20)).await;
    until_on_disk(&service, "/other.mp4", 5.0).await;
    let films = blocks(folder.path());
    let mut viewer = Client::narrow(service.address()).await;
    viewer.request("GET", "/film.mp4", &[]).await;
    assert_eq!(viewer.head().await.1, 200);
    let mut taken = in_time("a part", viewer.take(300_000)).await;
    // It takes nothing more, so the rest of the file is not on its way.
    let sent = async || service.figure("s3reel_response_bytes_total").await;
    until("it stalls", async || {
        let before = sent().await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        sent().await <= before
    })
    .await;
    for block in films {
        File::options()
            .write(true)
            .open(block)
            .unwrap()
            .set_len(0)
            .unwrap();
    }
    taken.extend(in_time("the rest", viewer.take(length - taken.len())).await);
    assert!(taken == content(1, length), "other bytes");
    // The viewer's pause is long enough that what it has not taken may have been given back before.
    let noticed = read(&service, "failed").await + read(&service, "damaged").await;
    assert!(noticed >= 1.0, "it was not noticed");
    // The connection lives.
    let next = in_time("the next answer", viewer.ask("GET", "/film.mp4", &[])).await;
    assert!(next.body == content(1, length), "other bytes");
}

#[tokio::test]
async fn what_its_first_bytes_say_is_told_of_an_object_that_is_sent_from_files() {
    let s3 = TestS3::embedded().await;
    let folder = folder();
    let mut film = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom".to_vec();
    film.extend(content(3, 700 * KIB));
    s3.put("untold", film.clone()).await;
    let service = TestService::with(&s3, hardly_in_memory(folder.path())).await;
    until_on_disk(&service, "/untold", 6.0).await;
    push_out(&service, &s3).await;
    let at_hand = read(&service, "at_hand").await;
    for range in ["bytes=0-", "bytes=0-9", "bytes=200000-500000"] {
        let answer = service.get("/untold", &[("Range", range)]).await;
        assert_eq!(answer.header("content-type"), Some("video/mp4"), "{range}");
        let begin = if range.contains("200000") { 200_000 } else { 0 };
        assert!(film[begin..].starts_with(&answer.body), "{range}");
    }
    assert!(read(&service, "at_hand").await > at_hand);
}

#[tokio::test]
async fn what_is_in_memory_too_leaves_from_its_file_unless_it_is_small() {
    let s3 = TestS3::embedded().await;
    let folder = folder();
    s3.put("film.mp4", content(1, LENGTH)).await;
    let service = TestService::with(&s3, |config| {
        on_disk(folder.path())(config);
        config.cache.block_size = 128 * 1024;
    })
    .await;
    until_on_disk(&service, "/film.mp4", BLOCKS).await;
    let film = content(1, LENGTH);
    // Of one block, so that it is counted once.
    for (length, uses) in [(2, 0.0), (16 * KIB, 0.0), (60 * KIB, 1.0), (128 * KIB, 1.0)] {
        let before = read(&service, "at_hand").await;
        let answer = part(&service, 256 * KIB, 256 * KIB + length - 1).await;
        assert!(answer.body == film[256 * KIB..256 * KIB + length]);
        let at_hand = read(&service, "at_hand").await - before;
        assert!(
            (at_hand - uses).abs() < 0.5,
            "{length}: {at_hand} from files"
        );
    }
    // What harms the files costs nothing.
    for block in blocks(folder.path()) {
        File::options()
            .write(true)
            .open(block)
            .unwrap()
            .set_len(7)
            .unwrap();
    }
    let calls = service.s3_calls("GetObject").await;
    for (first, last) in [(0, LENGTH - 1), (5000, 64_000)] {
        let answer = part(&service, first, last).await;
        assert!(answer.body == film[first..=last], "{first}-{last}");
    }
    assert!((service.s3_calls("GetObject").await - calls).abs() < 0.5);
}

#[tokio::test]
async fn what_a_busy_disk_has_no_time_for_is_written_when_it_is_used_again() {
    let s3 = TestS3::embedded().await;
    let folder = folder();
    s3.put("film.mp4", content(1, LENGTH)).await;
    let ours = folder.path().join("s3reel-blocks-1");
    fs::create_dir(&ours).unwrap();
    // The first block goes into a pipe, where its writer waits until somebody reads.
    let gate = ours.join("unfinished-0");
    let made = std::process::Command::new("mkfifo").arg(&gate).status();
    assert!(made.unwrap().success());
    let service = TestService::with(&s3, |config| {
        on_disk(folder.path())(config);
        config.cache.block_size = 128 * 1024;
    })
    .await;
    let film = content(1, LENGTH);
    assert!(service.get("/film.mp4", &[]).await.body == film);
    until("the disk is behind", async || {
        written(&service, "dropped").await >= 10.0
    })
    .await;
    let calls = service.s3_calls("GetObject").await;
    let opened = thread::spawn(move || {
        let mut bytes = vec![0; 128 * KIB];
        File::open(gate).unwrap().read_exact(&mut bytes).unwrap();
    });
    // The pipe is no block, but the others are.
    until_on_disk(&service, "/film.mp4", BLOCKS - 1.0).await;
    opened.join().unwrap();
    assert!((service.s3_calls("GetObject").await - calls).abs() < 0.5);
    assert!(service.get("/film.mp4", &[]).await.body == film);
}

#[tokio::test]
async fn a_viewer_behind_what_is_fetched_for_it_ends_nothing_by_being_sent_files() {
    const MIB: usize = 1024 * KIB;
    const FILM: usize = 24 * MIB;
    /// Blocks for which it waits, so that others are fetched ahead of it.
    const EAGER: usize = 8;
    let gates: Vec<_> = (0..FILM / MIB)
        .map(|_| Arc::new(Semaphore::new(0)))
        .collect();
    let (asked_for, film) = (Arc::new(AtomicUsize::new(0)), content(1, FILM));
    let origin = {
        let (gates, asked_for, film) = (gates.clone(), Arc::clone(&asked_for), film.clone());
        Scripted::start(move |asked: &Asked| {
            let (first, last) = range_asked(asked, FILM).expect("a ranged read");
            asked_for.fetch_add(last - first + 1, Ordering::Relaxed);
            let told = format!("bytes {first}-{last}/{FILM}");
            let length = (last - first + 1).to_string();
            let fields = [
                ("ETag", "\"1\""),
                ("Content-Type", "video/mp4"),
                ("Content-Range", told.as_str()),
                ("Content-Length", length.as_str()),
            ];
            let mut steps = vec![raw("206 Partial Content", &fields, "")];
            let blocks = film.chunks(MIB).zip(&gates).enumerate();
            for (index, (block, gate)) in blocks.take(last / MIB + 1).skip(first / MIB) {
                let begin = index * MIB;
                let range = first.max(begin) - begin..=last.min(begin + MIB - 1) - begin;
                steps.push(Step::Until(Arc::clone(gate)));
                steps.push(Step::Send(block[range].to_vec()));
            }
            steps
        })
        .await
    };
    let folder = folder();
    let service = TestService::at_address(origin.address(), on_disk(folder.path())).await;
    // What it has not taken is not on its way, so it comes to blocks that are complete.
    let mut viewer = Client::narrow(service.address()).await;
    viewer.request("GET", "/film.mp4", &[]).await;
    let mut taken = Vec::new();
    for (index, gate) in gates.iter().enumerate() {
        gate.add_permits(1);
        if index == 0 {
            assert_eq!(viewer.head().await.1, 200);
        }
        if index >= EAGER {
            let blocks = u32::try_from(index + 1).unwrap();
            until("it is on disk", async || {
                service.figure("s3reel_cache_disk_blocks").await >= f64::from(blocks)
            })
            .await;
        }
        if index != EAGER {
            taken.extend(in_time("a block", viewer.take(MIB)).await);
        }
    }
    taken.extend(in_time("the rest", viewer.take(FILM - taken.len())).await);
    assert!(taken == film, "other bytes");
    assert!(read(&service, "at_hand").await >= 1.0, "no file was sent");
    assert_eq!(asked_for.load(Ordering::Relaxed), FILM, "asked for twice");
}
