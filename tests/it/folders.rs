//! Folders outside S3.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use s3reel::storage::file::FileReader;
use s3reel::storage::{ListRequest, ObjectLister as _, Paused, ReadErrorKind, ReadRequest};
use tempfile::TempDir;

use crate::conformance::{bytes, collect, head, open, piece, pin, request};
use crate::support::content;
use crate::support::origins::{file_reader, long_ago, metrics, shared_folder, wrapped};

const LENGTH: usize = 1_500_000;

fn reader(folder: &Path) -> FileReader {
    file_reader(folder)
}

/// A folder with a film that was last written some time ago, and a reader of it.
fn film(bytes: &[u8]) -> (TempDir, FileReader) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("film.mp4");
    fs::write(&path, bytes).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(long_ago())
        .unwrap();
    let reader = reader(root.path());
    (root, reader)
}

#[tokio::test]
async fn no_key_leads_out_of_the_folder_or_to_what_is_no_plain_file() {
    let root = tempfile::tempdir().unwrap();
    let served = root.path().join("served");
    fs::create_dir_all(served.join("films")).unwrap();
    fs::create_dir(served.join(".git")).unwrap();
    fs::write(root.path().join("secret.mp4"), "secret").unwrap();
    fs::write(served.join(".git/config"), "secret").unwrap();
    fs::write(served.join(".hidden.mp4"), "secret").unwrap();
    fs::write(served.join("films/a.mp4"), "a").unwrap();
    symlink("../secret.mp4", served.join("out.mp4")).unwrap();
    symlink("..", served.join("up")).unwrap();
    symlink(root.path().join("secret.mp4"), served.join("absolute.mp4")).unwrap();
    symlink("/dev/zero", served.join("zero.mp4")).unwrap();
    symlink("/proc/self/environ", served.join("environ.mp4")).unwrap();
    symlink(".git/config", served.join("config.mp4")).unwrap();
    symlink("films/a.mp4", served.join("inside.mp4")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(served.join("socket.mp4")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(served.join("pipe.mp4"))
        .status();
    assert!(made.unwrap().success());
    let reader = reader(&served);
    for key in [
        "out.mp4",
        "up/secret.mp4",
        "absolute.mp4",
        "zero.mp4",
        "environ.mp4",
        "config.mp4",
        "socket.mp4",
        "pipe.mp4",
        ".hidden.mp4",
        ".git/config",
        "films",
        "up",
        "films//a.mp4",
        "/films/a.mp4",
        "films\\a.mp4",
    ] {
        let missing = Some(ReadErrorKind::NotFound);
        assert_eq!(
            open(&reader, request(key, "")).await.err(),
            missing,
            "{key}"
        );
        assert_eq!(head(&reader, key).await.err(), missing, "{key}");
    }
    assert_eq!(bytes(&reader, request("inside.mp4", "")).await, b"a");
    for (prefix, names) in [
        ("", vec!["films/", "inside.mp4"]),
        ("films/", vec!["films/a.mp4"]),
        (".git/", vec![]),
        ("up/", vec![]),
        ("../", vec![]),
        ("/", vec![]),
        (".", vec![]),
    ] {
        let listing = reader.list(ListRequest {
            prefix: prefix.to_owned(),
            after: None,
        });
        let listing = listing.await.unwrap();
        let objects = listing.objects.into_iter().map(|object| object.key);
        let all: Vec<_> = listing.folders.into_iter().chain(objects).collect();
        assert_eq!(all, names, "{prefix}");
    }
    drop(socket);
}

#[tokio::test]
async fn a_file_that_is_replaced_or_removed_in_mid_read_is_read_to_its_end() {
    let old = content(1, LENGTH);
    for is_removed in [true, false] {
        let (root, bare) = film(&old);
        let reader = wrapped(Arc::new(bare), &metrics());
        let mut read = open(&*reader, request("film.mp4", "")).await.ok().unwrap();
        let begin = piece(&mut read.body).await.unwrap().unwrap();
        let path = root.path().join("film.mp4");
        if is_removed {
            fs::remove_file(&path).unwrap();
        } else {
            fs::write(root.path().join("new"), content(2, LENGTH)).unwrap();
            fs::rename(root.path().join("new"), &path).unwrap();
        }
        // A pause does not lose it either.
        assert_eq!(read.body.as_mut().pause(1), Paused::Yes);
        let (rest, error) = collect(&mut read.body).await;
        assert_eq!(error, None);
        assert!([&begin[..begin.len() - 1], &rest].concat() == old);
        assert_eq!(read.body.resumes(), 0);
    }
}

#[tokio::test]
async fn a_file_that_is_written_into_in_mid_read_is_cut_before_a_changed_byte_is_passed_on() {
    let old = content(1, LENGTH);
    for write in ["other bytes", "truncate", "append"] {
        let (root, bare) = film(&old);
        let reader = wrapped(Arc::new(bare), &metrics());
        let mut read = open(&*reader, request("film.mp4", "")).await.ok().unwrap();
        let begin = piece(&mut read.body).await.unwrap().unwrap();
        let file = fs::File::options()
            .write(true)
            .open(root.path().join("film.mp4"))
            .unwrap();
        match write {
            "truncate" => file.set_len(1_000_000).unwrap(),
            "append" => file.set_len(2_000_000).unwrap(),
            _ => file.write_all_at(&content(2, 400_000), 0).unwrap(),
        }
        let (rest, error) = collect(&mut read.body).await;
        assert_eq!(error, Some(ReadErrorKind::Changed), "{write}");
        assert!(old.starts_with(&[&*begin, &rest].concat()), "{write}");
    }
}

#[tokio::test]
async fn a_pin_holds_until_the_file_is_written_to() {
    let (root, reader) = film(&content(1, 1000));
    let first = pin(&reader, "film.mp4").await;
    let path = root.path().join("film.mp4");
    // Another name, a link to it, other permissions: the same bytes.
    fs::hard_link(&path, root.path().join("other.mp4")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let pinned = || ReadRequest {
        pin: Some(first.clone()),
        ..request("film.mp4", "bytes=0-9")
    };
    assert_eq!(bytes(&reader, pinned()).await, content(1, 1000)[..10]);
    assert!(
        pin(&reader, "other.mp4")
            .await
            .etag()
            .strong_eq(first.etag())
    );
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"x", 500).unwrap();
    let changed = Some(ReadErrorKind::Changed);
    assert_eq!(open(&reader, pinned()).await.err(), changed);
    // The same bytes again are another version: who wrote them cannot be known.
    file.write_all_at(&content(1, 1000), 0).unwrap();
    assert_eq!(open(&reader, pinned()).await.err(), changed);
}

#[tokio::test]
async fn a_folder_may_come_later_go_and_be_another_one() {
    let root = tempfile::tempdir().unwrap();
    let current = root.path().join("current");
    let reader = reader(&current);
    let misconfigured = Some(ReadErrorKind::Misconfigured);
    assert_eq!(head(&reader, "a.mp4").await.err(), misconfigured);
    assert_eq!(
        shared_folder(&current)
            .probe()
            .await
            .err()
            .map(|error| error.kind),
        misconfigured
    );
    for release in ["1", "2"] {
        let folder = root.path().join(release);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.mp4"), release).unwrap();
        let _ = fs::remove_file(&current);
        symlink(release, &current).unwrap();
        assert!(shared_folder(&current).probe().await.is_ok());
        assert_eq!(
            bytes(&reader, request("a.mp4", "")).await,
            release.as_bytes()
        );
    }
    fs::remove_file(&current).unwrap();
    fs::write(&current, "a file").unwrap();
    assert_eq!(head(&reader, "a.mp4").await.err(), misconfigured);
}

#[tokio::test]
async fn reading_a_large_file_does_not_hold_up_the_worker() {
    let (_root, reader) = film(&content(1, 32 * 1024 * 1024));
    // One thread, as a worker is; beside the reading it counts how often it comes to its turn.
    let turns = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counting = tokio::spawn({
        let turns = Arc::clone(&turns);
        async move {
            loop {
                turns.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        }
    });
    let mut read = open(&reader, request("film.mp4", "")).await.ok().unwrap();
    let mut pieces = 0;
    while let Some(next) = piece(&mut read.body).await {
        let next = next.unwrap();
        assert!(
            next.len() <= 256 * 1024,
            "what a viewer that takes nothing costs"
        );
        pieces += 1;
    }
    counting.abort();
    // Each piece is waited for, and the others come to their turn meanwhile.
    let turns = turns.load(std::sync::atomic::Ordering::Relaxed);
    assert!(
        pieces >= 128 && turns > pieces,
        "{turns} turns in {pieces} pieces"
    );
}
