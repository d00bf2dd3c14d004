//! The embedded S3 over a folder: what can be reached, and what cannot.

use std::os::unix::fs::symlink;

use s3reel::embedded_s3::directory::Directory;
use s3reel::embedded_s3::shelf::Shelf;
use s3reel::embedded_s3::{BUCKET, EmbeddedS3};
use s3reel::web::Browse;

use crate::support::service::Setup;
use crate::support::{TestS3, TestService, content};

struct Folder {
    root: tempfile::TempDir,
    s3: EmbeddedS3,
}

impl Folder {
    async fn with(files: &[(&str, Vec<u8>)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = root.path().join("served").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        std::fs::write(root.path().join("outside.mp4"), "secret").unwrap();
        let directory = Directory::open_folder(&root.path().join("served")).unwrap();
        let s3 = EmbeddedS3::start(Shelf::Directory(directory))
            .await
            .unwrap();
        Self { root, s3 }
    }

    async fn service(&self) -> TestService {
        let endpoint = self.s3.address();
        let access = self.s3.access().clone();
        TestService::at_address(endpoint, |service| {
            let mut ours = Setup::of(BUCKET, access);
            ours.web.browse = Browse::On;
            *service = ours;
        })
        .await
    }
}

#[tokio::test]
async fn files_are_objects_with_types_and_ranges() {
    let folder = Folder::with(&[
        ("a b/film \u{1f3ac}+100%.mp4", content(1, 700_000)),
        ("empty.mp3", Vec::new()),
    ])
    .await;
    let service = folder.service().await;
    let target = "/a%20b/film%20%F0%9F%8E%AC+100%25.mp4";
    let part = service
        .get(target, &[("Range", "bytes=262140-600000")])
        .await;
    assert_eq!(part.status, 206);
    assert_eq!(part.header("content-type"), Some("video/mp4"));
    assert!(
        part.body == content(1, 700_000)[262_140..=600_000],
        "other bytes"
    );
    let whole = service.get(target, &[]).await;
    assert!(whole.body == content(1, 700_000), "other bytes");
    assert_eq!(
        service
            .get("/empty.mp3", &[])
            .await
            .header("content-length"),
        Some("0")
    );
    assert_eq!(service.get("/a%20b", &[]).await.status, 404);
}

#[tokio::test]
async fn a_rewritten_file_is_another_version() {
    let folder = Folder::with(&[("a.mp4", content(1, 1000))]).await;
    let service = folder.service().await;
    let before = service.get("/a.mp4", &[("Range", "bytes=0-1")]).await;
    std::fs::write(folder.root.path().join("served/a.mp4"), content(2, 1001)).unwrap();
    let fields = [
        ("Range", "bytes=2-3"),
        ("If-Range", before.header("etag").unwrap()),
    ];
    let after = service.get("/a.mp4", &fields).await;
    assert_eq!(after.status, 200);
    assert!(after.body == content(2, 1001), "a mix");
}

#[tokio::test]
async fn no_way_leads_out_of_the_folder_and_dot_files_do_not_exist() {
    let folder = Folder::with(&[
        ("a.mp4", content(1, 10)),
        (".env", b"secret".to_vec()),
        (".git/config", b"secret".to_vec()),
        ("in/b.mp4", content(2, 10)),
    ])
    .await;
    let served = folder.root.path().join("served");
    symlink("../outside.mp4", served.join("out.mp4")).unwrap();
    symlink(
        folder.root.path().join("outside.mp4"),
        served.join("absolute.mp4"),
    )
    .unwrap();
    symlink("..", served.join("up")).unwrap();
    symlink("a.mp4", served.join("inside.mp4")).unwrap();
    symlink(".", served.join("loop")).unwrap();
    symlink("circle.mp4", served.join("circle.mp4")).unwrap();
    symlink(".env", served.join("hidden.mp4")).unwrap();
    std::fs::write(served.join("new\nline.mp4"), "x").unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(served.join("pipe.mp4"))
        .status();
    assert!(pipe.unwrap().success());
    let service = folder.service().await;
    for target in [
        "/out.mp4",
        "/absolute.mp4",
        "/up/outside.mp4",
        "/.env",
        "/.git/config",
        "/in//b.mp4",
        "//a.mp4",
        "/in/",
        "/a.mp4/",
        "/loop",
        "/up",
        "/circle.mp4",
        "/hidden.mp4",
        "/pipe.mp4",
    ] {
        assert_eq!(service.get(target, &[]).await.status, 404, "{target}");
    }
    assert_eq!(service.get("/inside.mp4", &[]).await.body, content(1, 10));
    let listing = service.get("/-/list", &[]).await.json();
    assert_eq!(listing["folders"], serde_json::json!(["in/"]), "{listing}");
    let keys: Vec<_> = listing["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["a.mp4", "inside.mp4"]);
}

#[tokio::test]
async fn a_wrong_signature_gets_nothing() {
    let s3 = TestS3::embedded().await;
    s3.put("a", content(1, 10)).await;
    let mut access = s3.access().clone();
    access.secret_access_key = "wrong".to_owned();
    let service = TestService::with(&s3, |service| {
        service.s3.access = s3reel::storage::s3::client::Access::Explicit(access);
    })
    .await;
    let answer = service.get("/a", &[]).await;
    assert_eq!(answer.status, 502);
    assert_eq!(
        answer.json()["type"],
        "urn:s3reel:problem:storage-misconfigured"
    );
}
