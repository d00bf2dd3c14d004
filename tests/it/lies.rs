//! Answers of S3 that contradict what was asked, or what an earlier one said, while a body flows.

use crate::support::film::range_asked;
use crate::support::scripted::{answer, error, raw};
use crate::support::{Asked, Scripted, Step, TestS3, TestService, content, in_time};

const LENGTH: usize = 1_000_000;
const BREAKS_AT: usize = 300_000;

/// The beginning of the film under this tag, and then an end.
fn beginning(etag: Option<&str>) -> Vec<Step> {
    let mut fields = vec![("Content-Length", "1000000"), ("Content-Type", "video/mp4")];
    fields.extend(etag.map(|etag| ("ETag", etag)));
    let begun = raw("200 OK", &fields, &content(1, LENGTH)[..BREAKS_AT]);
    vec![begun, Step::Close]
}

#[tokio::test]
async fn a_lie_in_the_midst_of_a_body_is_a_visible_cut() {
    let rest = content(1, LENGTH)[BREAKS_AT..].to_vec();
    let tag = ("ETag", "\"1\"");
    let right = ("Content-Range", "bytes 300000-999999/1000000");
    let partial = |fields: &[_], body: &[u8]| answer("206 Partial Content", fields, body);
    for (what, lie) in [
        ("the whole", answer("200 OK", &[tag], content(1, LENGTH))),
        ("no Content-Range", partial(&[tag], &rest)),
        (
            "garbage",
            partial(&[tag, ("Content-Range", "bytes of it")], &rest),
        ),
        (
            "other bytes",
            partial(&[tag, ("Content-Range", "bytes 0-699999/1000000")], &rest),
        ),
        (
            "another total",
            partial(
                &[tag, ("Content-Range", "bytes 300000-999999/1000001")],
                &rest,
            ),
        ),
        ("fewer bytes", partial(&[tag, right], &rest[1..])),
        ("another tag", partial(&[("ETag", "\"2\""), right], &rest)),
        ("a weak tag", partial(&[("ETag", "W/\"1\""), right], &rest)),
        ("no tag", partial(&[right], &rest)),
    ] {
        let origin = Scripted::start(move |asked: &Asked| match asked.header("range") {
            None => beginning(Some("\"1\"")),
            Some(_) => vec![lie.clone()],
        })
        .await;
        let service = TestService::at_address(origin.address(), |_| {}).await;
        let response = in_time("an answer", service.get("/film.mp4", &[])).await;
        assert_eq!(response.status, 200, "{what}");
        assert!(!response.complete, "{what}: it looks complete");
        assert!(
            response.body == content(1, LENGTH)[..BREAKS_AT],
            "{what}: passed on"
        );
        assert_eq!(origin.asked().len(), 2, "{what}: asked again");
    }
}

#[tokio::test]
async fn a_read_without_a_strong_tag_is_not_opened_again() {
    for etag in [None, Some("W/\"1\""), Some("no tag")] {
        let origin = Scripted::start(move |_: &Asked| beginning(etag)).await;
        let service = TestService::at_address(origin.address(), |_| {}).await;
        let response = in_time("an answer", service.get("/film.mp4", &[])).await;
        assert!(!response.complete, "{etag:?}: it looks complete");
        assert!(content(1, LENGTH)[..BREAKS_AT].starts_with(&response.body));
        assert_eq!(origin.asked().len(), 1, "{etag:?}: asked again");
    }
}

#[tokio::test]
async fn lengths_that_are_none_or_contradict_each_other_are_refused() {
    let tag = ("ETag", "\"1\"");
    let length = |value| ("Content-Length", value);
    for lengths in [
        vec![length("10"), length("5")],
        vec![length("5"), length("10")],
        vec![length("ten")],
        vec![length("-10")],
        vec![length("10, 5")],
        vec![length("99999999999999999999999")],
    ] {
        let fields = [vec![tag], lengths.clone()].concat();
        let origin =
            Scripted::start(move |_: &Asked| vec![raw("200 OK", &fields, content(1, 10))]).await;
        let service = TestService::at_address(origin.address(), |_| {}).await;
        let response = in_time("an answer", service.get("/film.mp4", &[])).await;
        assert_eq!(response.status, 502, "{lengths:?}: {}", response.head);
    }
}

#[tokio::test]
async fn bytes_beyond_the_length_are_an_answer_to_nobody() {
    // What is too much looks like an answer itself, under the right tag.
    let fields = [
        ("ETag", "\"1\""),
        ("Content-Length", "1000"),
        ("Content-Type", "video/mp4"),
    ];
    let forged = raw("200 OK", &fields, vec![b'X'; 1000]);
    let origin = Scripted::start(move |asked: &Asked| {
        let told = format!("bytes 0-999/{LENGTH}");
        let fields = [("ETag", "\"1\""), ("Content-Range", told.as_str())];
        match range_asked(asked, LENGTH) {
            Some(_) => {
                let part = answer("206 Partial Content", &fields, content(1, 1000));
                vec![part, forged.clone()]
            }
            None => vec![
                answer("200 OK", &fields[..1], content(1, LENGTH)),
                forged.clone(),
            ],
        }
    })
    .await;
    let service =
        TestService::at_address(origin.address(), |config| config.server.workers = 1).await;
    let mut viewer = service.client().await;
    for _ in 0..20 {
        let whole = in_time("an answer", viewer.ask("GET", "/film.mp4", &[])).await;
        assert!(
            whole.complete && whole.body == content(1, LENGTH),
            "{}",
            whole.head
        );
        let range = [("Range", "bytes=0-999")];
        let part = in_time("an answer", viewer.ask("GET", "/film.mp4", &range)).await;
        assert!(
            part.complete && part.body == content(1, 1000),
            "{}",
            part.head
        );
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_and_a_server_without_tls_are_502() {
    // Longer than a name may be, so that nobody is asked for it.
    let nobody = format!("http://{}.localhost", "x".repeat(64));
    let s3 = TestS3::embedded().await;
    let plain = s3.access().endpoint.replace("http:", "https:");
    for endpoint in [nobody, plain] {
        let access = s3reel::storage::s3::client::ExplicitAccess {
            endpoint: endpoint.clone(),
            region: "us-east-1".to_owned(),
            access_key_id: "AKIATESTTESTTEST".to_owned(),
            secret_access_key: "test-secret".to_owned(),
        };
        let service = TestService::at("test-bucket", access, |_| {}).await;
        let response = in_time("an answer", service.get("/film.mp4", &[])).await;
        assert_eq!(response.status, 502, "{endpoint}: {}", response.head);
        assert!(response.header("retry-after").is_some(), "{endpoint}");
    }
}

#[tokio::test]
async fn statuses_that_s3_gives_without_being_asked_for_them_are_its_fault_and_not_the_viewers() {
    for (line, code, status) in [
        ("429 Too Many Requests", "TooManyRequests", 503),
        ("503 Service Unavailable", "ServiceUnavailable", 503),
        ("502 Bad Gateway", "InternalError", 502),
        ("504 Gateway Timeout", "GatewayTimeout", 504),
        ("412 Precondition Failed", "PreconditionFailed", 502),
        ("416 Requested Range Not Satisfiable", "InvalidRange", 502),
        ("304 Not Modified", "", 502),
        ("201 Created", "", 502),
        ("418 I'm a teapot", "Teapot", 502),
    ] {
        let origin = Scripted::start(move |asked: &Asked| {
            let fields = [("ETag", "\"1\""), ("Content-Length", "1000")];
            if asked.line.starts_with("HEAD") {
                return vec![raw("200 OK", &fields, "")];
            }
            match code {
                "" => vec![raw(line, &[("ETag", "\"1\""), ("Content-Length", "0")], "")],
                _ => vec![error(line, code)],
            }
        })
        .await;
        let service = TestService::at_address(origin.address(), |_| {}).await;
        let fields = [("Range", "bytes=0-9")];
        let response = in_time("an answer", service.get("/film.mp4", &fields)).await;
        assert_eq!(response.status, status, "{line}: {}", response.head);
    }
}
