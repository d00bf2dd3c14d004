//! Several ranges in one answer.

use s3reel::embedded_s3::shelf::Metadata;

use crate::support::scripted::{answer, raw};
use crate::support::{Response, Scripted, TestS3, TestService, content};

const LENGTH: usize = 1_000_000;

/// Parts of an answer: their `Content-Range` and their bytes.
fn parts(response: &Response) -> Vec<(String, Vec<u8>)> {
    assert_eq!(response.status, 206, "{}", response.head);
    assert_eq!(response.header("content-range"), None);
    let content_type = response.header("content-type").unwrap();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let body = &response.body;
    let mut parts = Vec::new();
    let mut at = 0;
    let expect = |at: &mut usize, text: &str| {
        let found = &body[*at..*at + text.len()];
        assert_eq!(found, text.as_bytes(), "{}", String::from_utf8_lossy(found));
        *at += text.len();
    };
    expect(&mut at, &format!("--{boundary}"));
    while !body[at..].starts_with(b"--") {
        expect(&mut at, "\r\nContent-Type: video/mp4\r\nContent-Range: ");
        let end = at
            + body[at..]
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap();
        let range = String::from_utf8(body[at..end].to_vec()).unwrap();
        let (positions, _) = range
            .strip_prefix("bytes ")
            .unwrap()
            .split_once('/')
            .unwrap();
        let (first, last) = positions.split_once('-').unwrap();
        let length = last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1;
        at = end + 4;
        parts.push((range.clone(), body[at..at + length].to_vec()));
        at += length;
        expect(&mut at, &format!("\r\n--{boundary}"));
    }
    expect(&mut at, "--\r\n");
    assert_eq!(at, body.len(), "more than the last boundary");
    parts
}

async fn film(s3: &TestS3) {
    let metadata = Metadata {
        content_type: Some("video/mp4".to_owned()),
        ..Metadata::default()
    };
    s3.put_with("film.mp4", content(1, LENGTH), metadata).await;
}

#[tokio::test]
async fn several_ranges_come_as_parts_in_the_order_they_were_asked_for() {
    for s3 in TestS3::all().await {
        film(&s3).await;
        let service = TestService::over(&s3).await;
        let mut tool = service.client().await;
        let bytes = content(1, LENGTH);
        for (range, expected) in [
            ("bytes=0-1,1000-1999", vec![(0, 1), (1000, 1999)]),
            ("bytes=-5,0-0", vec![(LENGTH - 5, LENGTH - 1), (0, 0)]),
            (
                "bytes=500000-700000,0-300000,,",
                vec![(500_000, 700_000), (0, 300_000)],
            ),
            // Overlapping and near ones are one; one beyond the end is none.
            (
                "bytes=0-9,5-20,277-280,5000-5001,9999999-",
                vec![(0, 280), (5000, 5001)],
            ),
        ] {
            let answer = tool.ask("GET", "/film.mp4", &[("Range", range)]).await;
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(first, last)| {
                    (
                        format!("bytes {first}-{last}/{LENGTH}"),
                        bytes[first..=last].to_vec(),
                    )
                })
                .collect();
            assert!(parts(&answer) == expected, "{} {range}", s3.name());
            assert!(answer.header("etag").is_some());
        }
    }
}

#[tokio::test]
async fn what_is_left_as_one_range_is_no_multipart() {
    for s3 in TestS3::all().await {
        film(&s3).await;
        let service = TestService::over(&s3).await;
        for (range, told) in [
            ("bytes=0-9,5-20", "bytes 0-20/1000000"),
            ("bytes=0-1,9999999-", "bytes 0-1/1000000"),
        ] {
            let answer = service.get("/film.mp4", &[("Range", range)]).await;
            assert_eq!(answer.status, 206);
            assert_eq!(
                answer.header("content-range"),
                Some(told),
                "{} {range}",
                s3.name()
            );
            assert_eq!(answer.header("content-type"), Some("video/mp4"));
        }
    }
}

#[tokio::test]
async fn too_many_or_too_much_is_the_whole_object() {
    let s3 = TestS3::embedded().await;
    film(&s3).await;
    let service = TestService::over(&s3).await;
    let many: Vec<_> = (0..17).map(|at| format!("{0}-{0}", at * 1000)).collect();
    let overlapping = ["0-"; 16].join(",");
    for range in [
        format!("bytes={}", many.join(",")),
        format!("bytes={overlapping}"),
    ] {
        let answer = service.get("/film.mp4", &[("Range", &range)]).await;
        assert_eq!(answer.status, 200, "{range}");
        assert!(answer.body == content(1, LENGTH), "{range}");
    }
    let most = format!("bytes={}", many[..16].join(","));
    assert_eq!(
        parts(&service.get("/film.mp4", &[("Range", &most)]).await).len(),
        16
    );
}

#[tokio::test]
async fn conditions_and_if_range_decide_over_parts_too() {
    let s3 = TestS3::embedded().await;
    film(&s3).await;
    let service = TestService::over(&s3).await;
    let range = ("Range", "bytes=0-1,1000-1001");
    let etag = service.get("/film.mp4", &[range]).await;
    let etag = etag.header("etag").unwrap().to_owned();
    for (fields, status) in [
        ([range, ("If-Range", etag.as_str())], 206),
        ([range, ("If-Range", "\"other\"")], 200),
        ([range, ("If-None-Match", etag.as_str())], 304),
        ([range, ("If-Match", "\"other\"")], 412),
    ] {
        assert_eq!(
            service.get("/film.mp4", &fields).await.status,
            status,
            "{fields:?}"
        );
    }
    let head = service.ask("HEAD", "/film.mp4", &[range]).await;
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("video/mp4"))
    );
}

#[tokio::test]
async fn each_part_is_a_ranged_read_of_the_same_version_and_another_version_is_never_mixed_in() {
    let origin = Scripted::start(|asked| {
        let fields = [
            ("ETag", "\"1\""),
            ("Content-Length", "100000"),
            ("Content-Type", "video/mp4"),
        ];
        if asked.line.starts_with("HEAD") {
            return vec![raw("200 OK", &fields, "")];
        }
        // Overwritten after the first part, by a server that does not know If-Match.
        let (etag, range, bytes) = if asked.header("range") == Some("bytes=0-1") {
            ("\"1\"", "bytes 0-1/100000", content(1, 2))
        } else {
            ("\"2\"", "bytes 5000-5001/100000", content(2, 2))
        };
        let fields = [("ETag", etag), ("Content-Range", range)];
        vec![answer("206 Partial Content", &fields, bytes)]
    })
    .await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let answer = service
        .get("/film.mp4", &[("Range", "bytes=0-1,5000-5001")])
        .await;
    assert_eq!(answer.status, 206);
    assert!(!answer.complete, "a mix looked complete");
    let asked = origin.asked();
    assert!(
        asked[1..]
            .iter()
            .all(|asked| asked.header("if-match") == Some("\"1\""))
    );
    assert_eq!(asked[2].header("range"), Some("bytes=5000-5001"));
}
