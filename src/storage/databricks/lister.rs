//! Listings of a volume, one level and one page at a time.

use std::time::Instant;

use hyper::StatusCode;
use serde::Deserialize;

use super::address::query_value;
use super::client::{Asked, DatabricksClient, DatabricksConnection, read_bounded};
use super::error::{Call, refused, sign_in_page};
use super::reader::DatabricksReader;
use crate::object::ObjectKey;
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::storage::http::ReadFor;
use crate::storage::{BoxFuture, ListRequest, ListedObject, Listing, ObjectLister};

/// A thousand entries, each with its path twice and escaped as JSON at its worst.
const MAX_LISTING_BYTES: usize = 16 * 1024 * 1024;

/// Most entries of a page, the API's own bound.
const PAGE: usize = 1000;

/// The answer to a listing (<https://docs.databricks.com/api/workspace/files/listdirectorycontents>).
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    contents: Vec<Entry>,
    next_page_token: Option<String>,
}

/// One file or folder. What is not understood of it is left out, so that one odd entry does not cost
/// the listing.
#[derive(Debug, Deserialize)]
struct Entry {
    name: Option<String>,
    #[serde(default)]
    is_directory: bool,
    file_size: Option<u64>,
    /// Milliseconds since 1970.
    last_modified: Option<i64>,
}

impl DatabricksConnection {
    /// Whether the volume answers and may be listed, asked over a connection of its own.
    ///
    /// # Errors
    /// Why not; [`ReadErrorKind::Misconfigured`] if there is no such volume.
    pub async fn probe(&self) -> Result<(), ReadError> {
        let client = self.client(ReadFor::Viewer);
        match page(&client, "", None, 1).await {
            Ok(_) => Ok(()),
            Err(error) => Err(of_volume(error)),
        }
    }
}

/// A volume that is not there is no key that is missing.
fn of_volume(mut error: ReadError) -> ReadError {
    if error.kind == ReadErrorKind::NotFound {
        error.kind = ReadErrorKind::Misconfigured;
    }
    error
}

async fn page(
    client: &DatabricksClient,
    level: &str,
    after: Option<&str>,
    size: usize,
) -> Result<Page, ReadError> {
    let config = client.config();
    let target = format!("list of {level}");
    let folder = config.volume.below(level);
    let folder = folder.trim_end_matches('/');
    let mut path = format!("/api/2.0/fs/directories{folder}?page_size={size}");
    if let Some(token) = after {
        path.push_str("&page_token=");
        path.push_str(&query_value(token));
    }
    let asked = Asked {
        call: Call::Get,
        path: &path,
        fields: Vec::new(),
        target: &target,
    };
    let answer = client.ask(&asked).await?;
    let limit = config.timeouts.total;
    if answer.status() != StatusCode::OK {
        return Err(refused(answer, Call::Get, target, limit).await);
    }
    let body = read_bounded(answer.into_body(), MAX_LISTING_BYTES, limit).await;
    let body = body.map_err(|error| error.of(&target))?;
    parse(&body).map_err(|wrong| match wrong {
        BadAnswer::SignInPage => sign_in_page(target),
        reason => ReadError::new(ReadErrorKind::BadAnswer(reason), target),
    })
}

impl DatabricksReader {
    async fn listing(&self, request: ListRequest) -> Result<Listing, ReadError> {
        let prefix = request.prefix.as_str();
        let level_end = prefix.rfind('/').map_or(0, |slash| slash.saturating_add(1));
        let (level, name_begins) = prefix.split_at_checked(level_end).unwrap_or(("", prefix));
        // A folder has a name of its own: `//` and dots name none.
        let is_folder = level.is_empty()
            || level.strip_suffix('/').is_some_and(|path| {
                ObjectKey::new(path.to_owned()).is_ok()
                    && path.split('/').all(|name| !name.is_empty())
            });
        if !is_folder {
            return Ok(Listing::default());
        }
        let started = Instant::now();
        let page = page(&self.client, level, request.after.as_deref(), PAGE).await;
        self.count("list", started, page.as_ref().err());
        match page {
            Ok(page) => Ok(listing(page, level, name_begins)),
            Err(error) if error.kind == ReadErrorKind::NotFound && !level.is_empty() => {
                Ok(Listing::default())
            }
            Err(error) => Err(of_volume(error)),
        }
    }
}

fn parse(body: &[u8]) -> Result<Page, BadAnswer> {
    serde_json::from_slice(body).map_err(|_| {
        if body.trim_ascii_start().starts_with(b"<") {
            BadAnswer::SignInPage
        } else {
            BadAnswer::Malformed
        }
    })
}

/// The entries whose names begin so, by their keys.
fn listing(page: Page, level: &str, name_begins: &str) -> Listing {
    let mut listing = Listing {
        next: page.next_page_token.filter(|token| !token.is_empty()),
        ..Listing::default()
    };
    for entry in page.contents {
        let name = entry.name.filter(|name| {
            !matches!(name.as_str(), "" | "." | "..")
                && !name.contains('/')
                && name.starts_with(name_begins)
        });
        let Some(key) = name.map(|name| format!("{level}{name}")) else {
            continue;
        };
        if ObjectKey::new(key.clone()).is_err() {
            continue;
        }
        if entry.is_directory {
            listing.folders.push(format!("{key}/"));
        } else if let Some(size) = entry.file_size {
            listing.objects.push(ListedObject {
                key,
                size,
                modified: entry.last_modified.map(|milliseconds| milliseconds / 1000),
            });
        }
    }
    listing
}

impl ObjectLister for DatabricksReader {
    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Listing, ReadError>> {
        Box::pin(self.listing(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_page_is_read_as_the_api_documents_it() {
        let body = br#"{"contents":[
            {"path":"/Volumes/c/s/v/films/a.mp4","is_directory":false,"file_size":12,"last_modified":1700000000999,"name":"a.mp4"},
            {"path":"/Volumes/c/s/v/films/new/","is_directory":true,"last_modified":1700000000000,"name":"new"},
            {"path":"/Volumes/c/s/v/films/b.mp4","is_directory":false,"file_size":1,"name":"b.mp4","owner":"someone"},
            {"is_directory":false,"file_size":1,"name":"../../up"},
            {"is_directory":false,"file_size":1,"name":".."},
            {"is_directory":false,"file_size":1,"name":"a\u0000"},
            {"is_directory":false,"name":"sizeless"},
            {"is_directory":false,"file_size":1}
        ],"next_page_token":"t"}"#;
        let listed = listing(parse(body).unwrap(), "films/", "");
        assert_eq!(listed.folders, ["films/new/"]);
        let objects: Vec<_> = listed
            .objects
            .iter()
            .map(|object| (object.key.as_str(), object.size, object.modified))
            .collect();
        assert_eq!(
            objects,
            [
                ("films/a.mp4", 12, Some(1_700_000_000)),
                ("films/b.mp4", 1, None)
            ]
        );
        assert_eq!(listed.next.as_deref(), Some("t"));
        let searched = listing(parse(body).unwrap(), "films/", "b");
        assert_eq!(searched.objects.len(), 1);
        assert!(searched.folders.is_empty());
    }

    #[test]
    fn an_empty_folder_has_no_contents_and_a_page_for_people_is_told_apart() {
        let empty = parse(b"{}").unwrap();
        assert!(empty.contents.is_empty() && empty.next_page_token.is_none());
        for (body, reason) in [
            (&b"<!doctype html>"[..], BadAnswer::SignInPage),
            (b"\n <html>", BadAnswer::SignInPage),
            (b"[]", BadAnswer::Malformed),
            (b"", BadAnswer::Malformed),
            (br#"{"contents":[{"file_size":-1}]}"#, BadAnswer::Malformed),
        ] {
            assert_eq!(parse(body).unwrap_err(), reason);
        }
    }

    proptest! {
        #[test]
        fn every_key_of_a_listing_can_be_asked_for(name in "\\PC{0,12}|\\.{0,3}|a/b", size in any::<u64>()) {
            let body = serde_json::json!({ "contents": [{ "name": name, "file_size": size }] });
            let page = parse(body.to_string().as_bytes()).unwrap();
            for object in listing(page, "films/", "").objects {
                prop_assert!(ObjectKey::new(object.key.clone()).is_ok());
                prop_assert_eq!(object.key, format!("films/{name}"));
                prop_assert_eq!(object.size, size);
            }
        }

        #[test]
        fn no_body_makes_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }
    }
}
