//! What went wrong, by its kind.

use std::sync::Arc;

use s3reel::storage::capability::{ListingBy, Validator};
use s3reel::storage::databricks::{DatabricksReader, WorkspaceUrl};
use s3reel::storage::http::ReadFor;
use s3reel::storage::{ObjectReader, ReadErrorKind, VersionPin};

use super::{head, open, request};
use crate::support::origins::{file_reader, metrics, shared_folder};
use crate::support::workspace::now;
use crate::support::{Origin, Workspace, content};

#[tokio::test]
async fn a_key_that_is_not_there_is_missing() {
    for origin in Origin::all().await {
        let name = origin.name();
        let reader = origin.readers().await.reader;
        origin.put("films/a.mp4", "a").await;
        for key in [
            "b.mp4",
            "films/b.mp4",
            "films",
            "films/",
            "films/a.mp4/b",
            "Films/a.mp4",
            "films//a.mp4",
            "/films/a.mp4",
            "films/a.mp4/",
        ] {
            let missing = Some(ReadErrorKind::NotFound);
            for text in ["", "bytes=0-1"] {
                let error = open(&*reader, request(key, text)).await.err();
                assert_eq!(error, missing, "{name} {key} {text}");
            }
            assert_eq!(head(&*reader, key).await.err(), missing, "{name} {key}");
        }
        origin.remove("films/a.mp4").await;
        let error = open(&*reader, request("films/a.mp4", "")).await.err();
        assert_eq!(error, Some(ReadErrorKind::NotFound), "{name}");
    }
}

#[tokio::test]
async fn an_origin_that_is_not_there_is_no_missing_key() {
    let gone = tempfile::tempdir().unwrap().path().to_owned();
    // A port that nobody listens at any more.
    let host = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let workspace = Workspace::start().await;
    let connection =
        workspace.connection_with(|config| config.host = WorkspaceUrl::parse(&host).unwrap());
    let client = connection.client(ReadFor::Viewer);
    let volume = DatabricksReader::new(client, Arc::default(), metrics());
    let folder = file_reader(&gone);
    let cases: [(&dyn ObjectReader, ReadErrorKind); 2] = [
        (&folder, ReadErrorKind::Misconfigured),
        (&volume, ReadErrorKind::Unreachable),
    ];
    for (reader, kind) in cases {
        assert_eq!(head(reader, "a.mp4").await.err(), Some(kind));
        let error = open(reader, request("a.mp4", "bytes=0-1")).await.err();
        assert_eq!(error, Some(kind));
    }
    let error = shared_folder(&gone).probe().await.unwrap_err();
    assert_eq!(error.kind, ReadErrorKind::Misconfigured);
    let error = connection.probe().await.unwrap_err();
    assert_eq!(error.kind, ReadErrorKind::Unreachable);
}

#[tokio::test]
async fn a_reader_can_what_it_says() {
    for origin in Origin::all().await {
        let name = origin.name();
        let readers = origin.readers().await;
        let capabilities = readers.reader.capabilities();
        assert_eq!(capabilities, readers.bare.capabilities(), "{name}");
        assert_eq!(capabilities.listing, ListingBy::Prefix, "{name}");
        match &origin {
            // Changed this very second.
            Origin::Databricks(workspace) => workspace.put_at("film.mp4", content(1, 10), now()),
            Origin::S3(_) | Origin::File(_) => origin.put("film.mp4", content(1, 10)).await,
        }
        let known = head(&*readers.reader, "film.mp4").await.unwrap();
        let at_once = match capabilities.validator {
            Validator::Strong => true,
            Validator::StrongWhenSettled | Validator::Weak => false,
        };
        assert_eq!(VersionPin::of(&known).is_some(), at_once, "{name}");
        // A weak tag there is in any case, for those who have seen the object before.
        assert!(known.validators.etag.is_some(), "{name}");
    }
}
