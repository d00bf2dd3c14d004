//! Databricks volumes, over the stand-in for a workspace.

use std::sync::Arc;
use std::time::Duration;

use s3reel::object::Representation;
use s3reel::storage::databricks::{Credentials, DatabricksReader, Secret, VolumePath};
use s3reel::storage::error::BadAnswer;
use s3reel::storage::http::ReadFor;
use s3reel::storage::{
    ListRequest, ObjectLister as _, ObjectReader, ReadErrorKind, ReadRequest, VersionPin,
};

use crate::conformance::{bytes, collect, head, key, open, piece, request};
use crate::support::origins::{metrics, wrapped};
use crate::support::workspace::{PERSONAL_TOKEN, Trouble, VOLUME, now};
use crate::support::{Workspace, content, in_time, until};

const SIGN_IN: ReadErrorKind = ReadErrorKind::BadAnswer(BadAnswer::SignInPage);

/// A reader as its module makes it.
fn bare(workspace: &Workspace) -> DatabricksReader {
    DatabricksReader::new(
        workspace.connection().client(ReadFor::Viewer),
        Arc::default(),
        metrics(),
    )
}

async fn film() -> Workspace {
    let workspace = Workspace::start().await;
    workspace.put("film.mp4", content(1, 1000));
    workspace
}

fn pinned(known: &Representation, text: &str) -> ReadRequest {
    let pin = VersionPin::of(known);
    assert!(pin.is_some());
    ReadRequest {
        pin,
        ..request("film.mp4", text)
    }
}

#[tokio::test]
async fn a_crowd_of_workers_costs_one_token() {
    let workspace = film().await;
    let connection = workspace.connection();
    let reading: Vec<_> = (0..40)
        .map(|_| {
            let reader = DatabricksReader::new(
                connection.client(ReadFor::Viewer),
                Arc::default(),
                metrics(),
            );
            tokio::spawn(async move { bytes(&reader, request("film.mp4", "bytes=0-9")).await })
        })
        .collect();
    for one in reading {
        assert_eq!(one.await.unwrap(), content(1, 1000)[..10]);
    }
    assert_eq!(workspace.tokens_given(), 1);
}

#[tokio::test]
async fn a_token_that_is_about_to_expire_is_renewed_before_a_request_fails() {
    let workspace = film().await;
    // It is renewed when half of this is over.
    workspace.token_lifetime(Duration::from_secs(6));
    let reader = bare(&workspace);
    until("another token is used", async || {
        assert!(head(&reader, "film.mp4").await.is_ok());
        workspace.tokens_given() > 1
    })
    .await;
    let seen = workspace.seen();
    // None was refused: each request was answered at the first attempt.
    let asked = seen.iter().filter(|seen| seen.method == "HEAD").count();
    assert_eq!(asked, seen.len());
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_but_not_at_once_again() {
    let workspace = film().await;
    let reader = bare(&workspace);
    assert!(head(&reader, "film.mp4").await.is_ok());
    workspace.revoke_tokens();
    // It was obtained just now, so another would fare no better; no request makes us ask for more.
    for _ in 0..3 {
        assert_eq!(
            head(&reader, "film.mp4").await.err(),
            Some(ReadErrorKind::Misconfigured)
        );
    }
    assert_eq!(workspace.tokens_given(), 1);
}

#[tokio::test]
async fn a_refused_client_is_our_own_fault_and_its_secret_is_told_nobody() {
    let workspace = film().await;
    workspace.refuse_client();
    let reader = bare(&workspace);
    let error = reader.head(key("film.mp4")).await.unwrap_err();
    assert_eq!(error.kind, ReadErrorKind::Misconfigured);
    let told = format!("{error} {error:?} {:?}", workspace.connection());
    assert!(told.contains("invalid_client"), "{told}");
    for secret in ["dose-stand-in", "ZG9zZS1zdGFuZC1pbi1zZWNyZXQ", "3f1c0e8a"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[tokio::test]
async fn a_token_that_is_given_is_sent_and_none_is_asked_for() {
    let workspace = film().await;
    let with_token = |token: &str| {
        let secret = Secret::parse(token).unwrap();
        let connection =
            workspace.connection_with(|config| config.credentials = Credentials::Token(secret));
        DatabricksReader::new(
            connection.client(ReadFor::Viewer),
            Arc::default(),
            metrics(),
        )
    };
    assert!(head(&with_token(PERSONAL_TOKEN), "film.mp4").await.is_ok());
    let wrong = head(&with_token("dapi-wrong"), "film.mp4").await;
    assert_eq!(wrong.err(), Some(ReadErrorKind::Misconfigured));
    assert_eq!(workspace.tokens_given(), 0);
}

#[tokio::test]
async fn what_is_asked_is_what_the_api_documents() {
    let workspace = film().await;
    let reader = bare(&workspace);
    let known = head(&reader, "film.mp4").await.unwrap();
    bytes(&reader, pinned(&known, "bytes=5-9")).await;
    let seen = workspace.seen();
    let [metadata, download] = &seen[..] else {
        panic!("{seen:?}");
    };
    for seen in [metadata, download] {
        assert_eq!(seen.target, format!("/api/2.0/fs/files{VOLUME}/film.mp4"));
        assert!(seen.field("authorization").unwrap().starts_with("Bearer "));
        assert_eq!(seen.field("accept-encoding"), Some("identity"));
    }
    assert_eq!(
        (metadata.method.as_str(), download.method.as_str()),
        ("HEAD", "GET")
    );
    assert_eq!(download.field("range"), Some("bytes=5-9"));
    let date = known.validators.last_modified.unwrap().to_string();
    assert_eq!(download.field("if-unmodified-since"), Some(date.as_str()));
    assert_eq!(metadata.field("if-unmodified-since"), None);
}

#[tokio::test]
async fn a_sign_in_page_instead_of_the_file_is_caught_before_a_byte_is_passed_on() {
    for trouble in [Trouble::SignInPage, Trouble::Redirect] {
        for text in ["", "bytes=0-1", "bytes=0-"] {
            let workspace = film().await;
            let reader = wrapped(Arc::new(bare(&workspace)), &metrics());
            workspace.trouble(trouble.clone());
            let error = open(&*reader, request("film.mp4", text)).await.err();
            assert_eq!(error, Some(SIGN_IN), "{trouble:?} {text}");
            workspace.trouble(trouble.clone());
            assert_eq!(
                head(&*reader, "film.mp4").await.err(),
                Some(SIGN_IN),
                "{trouble:?}"
            );
            workspace.trouble(trouble.clone());
            let lister = bare(&workspace);
            let entries = lister.list(ListRequest {
                prefix: String::new(),
                after: None,
            });
            assert_eq!(entries.await.unwrap_err().kind, SIGN_IN, "{trouble:?}");
            assert!(open(&*reader, request("film.mp4", text)).await.is_ok());
        }
    }
}

#[tokio::test]
async fn a_page_that_says_no_type_is_caught_by_its_missing_date() {
    for text in ["", "bytes=0-1", "bytes=0-"] {
        let workspace = film().await;
        let reader = wrapped(Arc::new(bare(&workspace)), &metrics());
        workspace.trouble(Trouble::UntypedPage);
        let read = open(&*reader, request("film.mp4", text)).await;
        // A whole page instead of a range is a contradiction of its own.
        assert!(read.is_err(), "{text}");
        assert!(open(&*reader, request("film.mp4", text)).await.is_ok());
    }
}

#[tokio::test]
async fn the_log_says_what_to_check_when_a_sign_in_page_comes() {
    for trouble in [Trouble::SignInPage, Trouble::Redirect] {
        let workspace = film().await;
        workspace.trouble(trouble);
        let error = bare(&workspace).head(key("film.mp4")).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("check DATABRICKS_HOST"), "{text}");
        assert!(!text.contains("private-link-validation-error"), "{text}");
    }
}

#[tokio::test]
async fn a_genuine_page_is_served_and_a_sign_in_page_in_its_place_is_not() {
    let workspace = Workspace::start().await;
    let page = "<!doctype html><title>Sign in to my film club</title>";
    workspace.put_as("page.html", page, now() - 1000, "text/html");
    workspace.put_as("page", page, now() - 1000, "text/html; charset=utf-8");
    let reader = bare(&workspace);
    for key in ["page.html", "page"] {
        assert_eq!(bytes(&reader, request(key, "")).await, page.as_bytes());
        assert_eq!(bytes(&reader, request(key, "bytes=2-8")).await, b"doctype");
        assert!(head(&reader, key).await.is_ok());
        for text in ["", "bytes=2-8"] {
            workspace.trouble(Trouble::SignInPage);
            let error = open(&reader, request(key, text)).await.err();
            assert_eq!(error, Some(SIGN_IN), "{key} {text}");
        }
        workspace.trouble(Trouble::SignInPage);
        assert_eq!(head(&reader, key).await.err(), Some(SIGN_IN), "{key}");
    }
}

#[tokio::test]
async fn a_lying_answer_is_never_passed_on() {
    let workspace = film().await;
    let reader = bare(&workspace);
    let known = head(&reader, "film.mp4").await.unwrap();
    let bad = ReadErrorKind::BadAnswer;
    for (trouble, text, kind) in [
        (Trouble::Rangeless, "bytes=0-1", bad(BadAnswer::Status)),
        (
            Trouble::Field("content-range", "bytes 1-2/1000"),
            "bytes=0-1",
            bad(BadAnswer::ContentRange),
        ),
        (
            Trouble::Field("content-range", ""),
            "bytes=0-1",
            bad(BadAnswer::ContentRange),
        ),
        (
            Trouble::Field("content-range", "bytes 0-1/999"),
            "bytes=0-1",
            ReadErrorKind::Changed,
        ),
        (
            Trouble::Field("content-encoding", "gzip"),
            "",
            bad(BadAnswer::Malformed),
        ),
        (
            Trouble::Field("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            "",
            ReadErrorKind::Changed,
        ),
        (
            Trouble::Field("last-modified", "yesterday"),
            "",
            ReadErrorKind::Changed,
        ),
        (Trouble::ProxyPage(404), "", bad(BadAnswer::Malformed)),
        (Trouble::ProxyPage(502), "", ReadErrorKind::OriginFailed),
        (
            Trouble::Error(403, "PERMISSION_DENIED"),
            "",
            ReadErrorKind::Denied,
        ),
        (
            Trouble::Error(404, "VOLUME_DOES_NOT_EXIST"),
            "",
            ReadErrorKind::Misconfigured,
        ),
    ] {
        workspace.trouble(trouble.clone());
        let error = open(&reader, pinned(&known, text)).await.err();
        assert_eq!(error, Some(kind), "{trouble:?} {text}");
    }
}

#[tokio::test]
async fn a_workspace_that_ignores_the_condition_is_caught_all_the_same() {
    let workspace = film().await;
    let reader = bare(&workspace);
    let known = head(&reader, "film.mp4").await.unwrap();
    workspace.put("film.mp4", content(2, 1000));
    workspace.trouble(Trouble::Unconditional);
    let error = open(&reader, pinned(&known, "bytes=5-9")).await.err();
    assert_eq!(error, Some(ReadErrorKind::Changed));
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_if_it_is_short_and_passed_on_if_it_is_long() {
    let workspace = film().await;
    let reader = wrapped(Arc::new(bare(&workspace)), &metrics());
    workspace.trouble(Trouble::RateLimit(1));
    let started = std::time::Instant::now();
    assert_eq!(
        bytes(&*reader, request("film.mp4", "bytes=0-9"))
            .await
            .len(),
        10
    );
    assert!(started.elapsed() >= Duration::from_secs(1));
    workspace.trouble(Trouble::RateLimit(60));
    let error = reader.read(request("film.mp4", "")).await.err().unwrap();
    assert_eq!(error.kind, ReadErrorKind::Throttled);
    assert_eq!(error.retry_after, Some(Duration::from_mins(1)));
    // The token endpoint limits as well.
    let workspace = film().await;
    workspace.token_trouble(Trouble::RateLimit(60));
    let error = bare(&workspace).head(key("film.mp4")).await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry_after),
        (ReadErrorKind::Throttled, Some(Duration::from_mins(1)))
    );
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let workspace = film().await;
    let reader = wrapped(Arc::new(bare(&workspace)), &metrics());
    for trouble in [
        Trouble::Error(500, "INTERNAL_ERROR"),
        Trouble::Error(503, "TEMPORARILY_UNAVAILABLE"),
        Trouble::ProxyPage(502),
        Trouble::Error(504, "DEADLINE_EXCEEDED"),
    ] {
        workspace.trouble(trouble.clone());
        let read = bytes(&*reader, request("film.mp4", "")).await;
        assert!(read == content(1, 1000), "{trouble:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_goes_on_under_the_condition_that_nothing_changed() {
    let whole = content(1, 500_000);
    let workspace = Workspace::start().await;
    workspace.put("film.mp4", whole.clone());
    let reader = wrapped(Arc::new(bare(&workspace)), &metrics());
    workspace.trouble(Trouble::CutAfter(100_000));
    workspace.trouble(Trouble::CutAfter(100_000));
    assert!(bytes(&*reader, request("film.mp4", "bytes=7-")).await == whole[7..]);
    let seen = workspace.seen();
    // Each goes on behind what has come.
    let firsts: Vec<usize> = seen
        .iter()
        .map(|seen| {
            let range = seen.field("range").unwrap().strip_prefix("bytes=").unwrap();
            range.split_once('-').unwrap().0.parse().unwrap()
        })
        .collect();
    assert_eq!(firsts.len(), 3);
    assert!(
        firsts[0] == 7 && firsts.is_sorted_by(|one, next| one < next),
        "{firsts:?}"
    );
    assert!(
        seen[1..]
            .iter()
            .all(|seen| seen.field("if-unmodified-since").is_some())
    );
}

#[tokio::test]
async fn a_file_of_this_minute_is_read_but_never_continued() {
    let whole = content(1, 500_000);
    let workspace = Workspace::start().await;
    workspace.put_at("film.mp4", whole.clone(), now());
    let reader = wrapped(Arc::new(bare(&workspace)), &metrics());
    let known = head(&*reader, "film.mp4").await.unwrap();
    assert!(known.validators.etag.unwrap().is_weak());
    assert!(bytes(&*reader, request("film.mp4", "")).await == whole);
    workspace.trouble(Trouble::CutAfter(100_000));
    let mut read = open(&*reader, request("film.mp4", "")).await.ok().unwrap();
    let (begin, error) = collect(&mut read.body).await;
    assert!(whole.starts_with(&begin) && begin.len() < whole.len());
    assert_eq!(error, Some(ReadErrorKind::Unreachable));
}

#[tokio::test]
async fn a_silent_workspace_is_given_up_in_time() {
    let workspace = film().await;
    let connection = workspace.connection_with(|config| {
        config.timeouts.idle = Duration::from_millis(200);
    });
    let reader = DatabricksReader::new(
        connection.client(ReadFor::Viewer),
        Arc::default(),
        metrics(),
    );
    workspace.trouble(Trouble::Silent);
    let mut read = open(&reader, request("film.mp4", "")).await.ok().unwrap();
    let error = piece(&mut read.body).await.unwrap().unwrap_err();
    assert_eq!(error.kind, ReadErrorKind::TimedOut);
}

#[tokio::test]
async fn a_viewer_that_leaves_frees_the_connection_in_every_phase() {
    let workspace = film().await;
    for trouble in [Trouble::NoAnswer, Trouble::Silent] {
        let reader = wrapped(Arc::new(bare(&workspace)), &metrics());
        let before = workspace.seen().len();
        workspace.trouble(trouble.clone());
        let reading = tokio::spawn(async move {
            let mut read = open(&*reader, request("film.mp4", "")).await.ok().unwrap();
            let _ = piece(&mut read.body).await;
            // Idle connections of its pool are closed with it and do not count.
            drop(reader);
        });
        until("it is asked", async || workspace.seen().len() > before).await;
        assert!(workspace.connections() > 0, "{trouble:?}");
        reading.abort();
        until("nothing is open", async || workspace.connections() == 0).await;
    }
}

#[tokio::test]
async fn a_token_endpoint_that_never_answers_is_given_up_in_time() {
    // It takes connections and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let workspace = Workspace::start().await;
    let connection = workspace.connection_with(|config| {
        config.host = s3reel::storage::databricks::WorkspaceUrl::parse(&host).unwrap();
        config.timeouts.first_byte = Duration::from_millis(200);
    });
    let reader = DatabricksReader::new(
        connection.client(ReadFor::Viewer),
        Arc::default(),
        metrics(),
    );
    let answer = in_time("an answer", reader.head(key("film.mp4"))).await;
    assert_eq!(answer.unwrap_err().kind, ReadErrorKind::TimedOut);
}

#[tokio::test]
async fn a_volume_that_is_not_there_is_told_at_start_and_not_as_an_empty_one() {
    let workspace = film().await;
    assert!(workspace.connection().probe().await.is_ok());
    let connection = workspace.connection_with(|config| {
        config.volume = VolumePath::parse("/Volumes/main/media/other").unwrap();
    });
    let other = DatabricksReader::new(
        connection.client(ReadFor::Viewer),
        Arc::default(),
        metrics(),
    );
    assert_eq!(
        connection.probe().await.unwrap_err().kind,
        ReadErrorKind::Misconfigured
    );
    let listed = other.list(ListRequest {
        prefix: String::new(),
        after: None,
    });
    assert_eq!(listed.await.unwrap_err().kind, ReadErrorKind::Misconfigured);
}

#[tokio::test]
async fn pages_of_a_listing_are_followed_by_their_tokens_whatever_is_in_them() {
    let workspace = Workspace::start().await;
    workspace.page(3);
    for number in 0..8 {
        workspace.put(&format!("films/{number}.mp4"), "x");
    }
    let reader = bare(&workspace);
    let (mut keys, mut after) = (Vec::new(), None);
    loop {
        let listing = reader.list(ListRequest {
            prefix: "films/".to_owned(),
            after,
        });
        let listing = listing.await.unwrap();
        keys.extend(listing.objects.into_iter().map(|object| object.key));
        after = listing.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(keys.len(), 8);
    assert_eq!(workspace.seen().len(), 3);
    // A token that somebody made up is a wrong request and nothing else.
    let made_up = reader.list(ListRequest {
        prefix: "films/".to_owned(),
        after: Some("x&page_size=1#".to_owned()),
    });
    assert_eq!(
        made_up.await.unwrap_err().kind,
        ReadErrorKind::Misconfigured
    );
}
