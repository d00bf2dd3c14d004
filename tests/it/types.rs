//! The type of an object that S3 tells no type of.

use crate::support::{Scripted, Step, TestS3, TestService};
use s3reel::embedded_s3::shelf::Metadata;

/// Media under names that say nothing, and what they are.
fn samples() -> Vec<(&'static str, &'static [u8], &'static str)> {
    macro_rules! media {
        ($name:literal) => {
            include_bytes!(concat!("../../localstack/media/", $name))
        };
    }
    let mp3: &[u8] = media!("tone.mp3");
    let ts = [&[0x47, 0x40, 0, 0x10][..], &[0xff; 184]]
        .concat()
        .repeat(20);
    vec![
        ("moov-first", media!("clock.mp4"), "video/mp4"),
        ("moov-last", media!("clock-moov-last.mp4"), "video/mp4"),
        ("webm", media!("clock.webm"), "video/webm"),
        ("mp3", mp3, "audio/mpeg"),
        ("mp3-without-a-tag", without_id3(mp3), "audio/mpeg"),
        ("captions", media!("clock.vtt"), "text/vtt"),
        ("poster", media!("clock.jpg"), "image/jpeg"),
        ("stream", ts.leak(), "video/mp2t"),
        ("list", b"#EXTM3U\n", "application/vnd.apple.mpegurl"),
        (
            "page",
            b"<!DOCTYPE html><script>alert(1)</script>",
            "application/octet-stream",
        ),
        ("empty", b"", "application/octet-stream"),
        ("one", b"G", "application/octet-stream"),
    ]
}

/// An MP3 without its ID3v2 tag, whose length is in four times seven bits after six bytes.
fn without_id3(mp3: &'static [u8]) -> &'static [u8] {
    assert!(mp3.starts_with(b"ID3"), "the sample has lost its tag");
    let length = mp3[6..10]
        .iter()
        .fold(0, |sum, &byte| sum << 7 | usize::from(byte));
    &mp3[10 + length..]
}

#[tokio::test]
async fn an_object_that_nothing_tells_the_type_of_is_known_by_its_first_bytes() {
    for s3 in TestS3::all().await {
        let service = TestService::over(&s3).await;
        for (name, bytes, media_type) in samples() {
            let key = format!("films/{name}");
            s3.put_with(&key, bytes.to_vec(), Metadata::default()).await;
            let target = format!("/{key}");
            let last = format!("bytes={}-", bytes.len().saturating_sub(5));
            for (method, fields) in [
                ("HEAD", vec![]),
                ("GET", vec![]),
                ("GET", vec![("Range", "bytes=0-1")]),
                ("GET", vec![("Range", "bytes=0-")]),
                ("GET", vec![("Range", last.as_str())]),
            ] {
                let response = service.ask(method, &target, &fields).await;
                let context = format!("{method} {name} {fields:?}, {}", s3.name());
                assert!(response.status < 300, "{context}");
                assert_eq!(
                    response.header("content-type"),
                    Some(media_type),
                    "{context}"
                );
                assert!(method == "HEAD" || response.complete, "{context}");
                if response.status == 200 && method == "GET" {
                    assert!(response.body == bytes, "{context}");
                }
            }
        }
        let parts = [("Range", "bytes=0-1,1000-1001,-2")];
        let parts = service.get("/films/webm", &parts).await;
        let text = String::from_utf8_lossy(&parts.body).to_ascii_lowercase();
        assert_eq!(
            text.matches("content-type: video/webm\r\n").count(),
            3,
            "{text}"
        );
    }
}

#[tokio::test]
async fn the_first_bytes_are_read_by_themselves_only_where_they_are_not_at_hand() {
    let s3 = TestS3::embedded().await;
    let film = include_bytes!("../../localstack/media/clock.mp4").to_vec();
    for key in ["film", "film.mp4"] {
        s3.put_with(key, film.clone(), Metadata::default()).await;
    }
    for (target, range, calls) in [
        ("/film", "bytes=0-", 1.0),
        ("/film", "bytes=0-2047", 1.0),
        ("/film", "bytes=0-1", 2.0),
        ("/film", "bytes=5000-", 2.0),
        ("/film.mp4", "bytes=0-1", 1.0),
    ] {
        let service = TestService::over(&s3).await;
        let response = service.get(target, &[("Range", range)]).await;
        assert_eq!(response.status, 206);
        let gets = service.s3_calls("GetObject").await;
        assert!((gets - calls).abs() < 0.5, "{gets} for {target} {range}");
        let heads = service.s3_calls("HeadObject").await;
        assert!(heads < 0.5, "{heads} for {target} {range}");
    }
}

#[tokio::test]
async fn first_bytes_that_a_network_cuts_into_pieces_tell_the_same() {
    let film = include_bytes!("../../localstack/media/clock.mp4").to_vec();
    let length = film.len();
    let origin = Scripted::start(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: {length}\r\n\r\n");
        let mut steps = vec![Step::Send(head.into_bytes())];
        steps.extend(
            film[..3000]
                .chunks(7)
                .map(|piece| Step::Send(piece.to_vec())),
        );
        steps.push(Step::Send(film[3000..].to_vec()));
        steps
    })
    .await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let response = service.get("/film", &[]).await;
    assert_eq!(response.header("content-type"), Some("video/mp4"));
    assert!(response.complete);
    assert_eq!(origin.asked().len(), 1);
}
