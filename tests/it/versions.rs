//! Objects that are replaced while they are read.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};

use crate::support::scripted::{answer, error, raw};
use crate::support::{
    Asked, Response, Scripted, Step, TestS3, TestService, content, in_time, until,
};

const LENGTH: usize = 1_000_000;

/// The beginning of a version, and then a reset.
fn broken_off(version_id: &str) -> Vec<Step> {
    let fields = [
        ("ETag", "\"1\""),
        ("x-amz-version-id", version_id),
        ("Content-Length", "1000000"),
    ];
    vec![
        raw("200 OK", &fields, &content(1, LENGTH)[..400_000]),
        Step::Reset,
    ]
}

/// The rest that a ranged read asks for.
fn rest(asked: &Asked, version_id: &str) -> Vec<Step> {
    let range = asked.header("range").unwrap();
    let first: usize = range["bytes=".len()..]
        .split('-')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let content_range = format!("bytes {first}-{}/{LENGTH}", LENGTH - 1);
    let fields = [
        ("ETag", "\"1\""),
        ("x-amz-version-id", version_id),
        ("Content-Range", content_range.as_str()),
    ];
    vec![answer(
        "206 Partial Content",
        &fields,
        &content(1, LENGTH)[first..],
    )]
}

#[tokio::test]
async fn a_read_is_opened_again_as_the_version_that_it_is_of() {
    let origin = Scripted::start(|asked: &Asked| match asked.header("range") {
        None => broken_off("v+1/a"),
        Some(_) => rest(asked, "v+1/a"),
    })
    .await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let response = service.get("/film.mp4", &[]).await;
    assert!(response.body == content(1, LENGTH), "not healed");
    assert_eq!(response.header("x-amz-version-id"), None);
    let asked = origin.asked();
    assert!(!asked[0].line.contains("versionId"), "{}", asked[0].line);
    assert!(
        asked[1].line.contains("versionId=v%2B1%2Fa"),
        "{}",
        asked[1].line
    );
    assert_eq!(asked[1].header("if-match"), Some("\"1\""));
}

#[tokio::test]
async fn another_version_than_the_one_asked_for_is_never_passed_on() {
    let origin = Scripted::start(|asked: &Asked| match asked.header("range") {
        None => broken_off("v1"),
        Some(_) => rest(asked, "v2"),
    })
    .await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    let response = service.get("/film.mp4", &[]).await;
    assert!(!response.complete);
    assert!(content(1, 400_000).starts_with(&response.body), "mixed");
}

#[tokio::test]
async fn where_versions_may_not_be_read_the_tag_has_to_do() {
    let origin = Scripted::start(|asked: &Asked| match asked.header("range") {
        None => broken_off("v1"),
        Some(_) if asked.line.contains("versionId") => {
            vec![error("403 Forbidden", "AccessDenied")]
        }
        Some(_) => rest(asked, "v1"),
    })
    .await;
    let service = TestService::at_address(origin.address(), |_| {}).await;
    for calls in [3, 5] {
        let response = service.get("/film.mp4", &[]).await;
        assert!(response.body == content(1, LENGTH), "not healed");
        // The first time it is learned, and not asked again.
        assert_eq!(origin.asked().len(), calls);
    }
}

#[tokio::test]
async fn in_a_bucket_with_versions_an_overwrite_cuts_nothing() {
    // The embedded S3 keeps no versions.
    let Some(s3) = TestS3::foreign().await else {
        return;
    };
    let TestS3::Foreign { client, bucket, .. } = &s3 else {
        return;
    };
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let call = client.put_bucket_versioning().bucket(bucket);
    let call = call.versioning_configuration(enabled.build());
    call.send().await.expect("a bucket with versions");
    let film = content(1, 30_000_000);
    s3.put("film.mp4", film.clone()).await;
    let service = TestService::with(&s3, |config| {
        config.web.viewer_hold = Duration::from_millis(200);
    })
    .await;
    let mut viewer = service.client().await;
    viewer.request("GET", "/film.mp4", &[]).await;
    viewer.head().await;
    let beginning = in_time("the beginning", viewer.take(1_000_000)).await;
    until("the read is given up", async || {
        service.figure("s3reel_s3_bodies_open").await < 0.5
    })
    .await;
    s3.put("film.mp4", content(2, 30_000_000)).await;
    let rest = in_time("the rest", viewer.take(29_000_000)).await;
    assert!(
        [beginning, rest].concat() == film,
        "another version, or a cut"
    );
    let new = service.get("/film.mp4", &[]).await;
    assert!(
        new.body == content(2, 30_000_000),
        "the new version is not served"
    );
}

/// How often the object is replaced while it is read.
const OVERWRITES: usize = 1000;

/// What went wrong with an answer of a race, if anything.
fn check(response: &Response, first: usize, known: &mut HashMap<String, u8>) -> bool {
    if response.status >= 500 {
        return false;
    }
    let etag = response.header("etag").expect("a tag").to_owned();
    let version = u8::try_from(known.len()).expect("few versions");
    let whole = |version| content(version, 200_000);
    let version = *known.entry(etag.clone()).or_insert_with(|| {
        // The version is in the first byte of every eight.
        let at = first.next_multiple_of(8) - first;
        response.body.get(at).copied().unwrap_or(version)
    });
    let expected = whole(version);
    assert!(
        expected[first..].starts_with(&response.body),
        "bytes of another version under {etag}"
    );
    response.complete
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_overwrites_mix_no_versions_and_mislabel_none() {
    for s3 in TestS3::all().await {
        s3.put("film.mp4", content(0, 200_000)).await;
        let service = TestService::over(&s3).await;
        let overwrites = async {
            for number in 1..=OVERWRITES {
                let version = u8::try_from(number % 100).expect("below 100");
                s3.put("film.mp4", content(version, 200_000)).await;
                // The embedded S3 takes it at once; the reads are to come in between.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::pin!(overwrites);
        let mut known = HashMap::new();
        let (mut complete, mut all) = (0, 0);
        let mut etag = String::from("\"none\"");
        loop {
            let reads = async {
                let whole = service.get("/film.mp4", &[]).await;
                let range = [("Range", "bytes=70000-")];
                let range = service.get("/film.mp4", &range).await;
                let held = [("Range", "bytes=90000-"), ("If-Range", etag.as_str())];
                let held = service.get("/film.mp4", &held).await;
                let new = [("If-None-Match", etag.as_str())];
                let new = service.get("/film.mp4", &new).await;
                [whole, range, held, new]
            };
            let answers = tokio::select! {
                biased;
                () = &mut overwrites => break,
                answers = reads => answers,
            };
            for response in &answers {
                all += 1;
                let first = response.header("content-range").map_or(0, |range| {
                    let first = range["bytes ".len()..].split('-').next().unwrap();
                    first.parse().unwrap()
                });
                if response.status == 304 || check(response, first, &mut known) {
                    complete += 1;
                }
            }
            if let Some(tag) = answers[0].header("etag") {
                tag.clone_into(&mut etag);
            }
        }
        println!("{complete} of {all} answers complete, {}", s3.name());
        // An answer that was overtaken is a 502 or a cut, as often as the machine is slow. That there
        // were enough of the others makes it a race.
        assert!(known.len() > 10 && complete > 50, "{complete} of {all}");
    }
}
