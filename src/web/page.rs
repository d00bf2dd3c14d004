//! What lives under `/-/`: the page, its files, the listing, and health checks for platforms that
//! give a service one port.

use actix_web::http::StatusCode;
use bytes::Bytes;
use serde::Serialize;

use super::admission::Admission;
use super::problem::ServeError;
use super::respond::{Reply, Text};
use super::{Browse, Shared, Worker, admin};
use crate::object::key::{MAX_KEY_BYTES, percent_decode};
use crate::object::media_type;
use crate::semantics::HttpDate;
use crate::storage::{ListRequest, Listing, ReadErrorKind};

/// Nothing from elsewhere, no inline code, no frames: keys are strangers' text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The page, which finds its files by `{page}`, the way from its address to `/-/`. Relative, so that
/// a proxy may serve all this under a path of its own. `{query}` is what its own address was signed
/// with, which its links need too.
const PAGE: &str = include_str!("page/index.html");

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The page's files, compiled in so that the binary needs no folder beside it.
const FILES: &[(&str, &str, &str)] = &[
    ("addresses.js", SCRIPT, include_str!("page/addresses.js")),
    ("app.js", SCRIPT, include_str!("page/app.js")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("list.js", SCRIPT, include_str!("page/list.js")),
    ("player.js", SCRIPT, include_str!("page/player.js")),
    ("screen.js", SCRIPT, include_str!("page/screen.js")),
    ("server.js", SCRIPT, include_str!("page/server.js")),
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("page/style.css"),
    ),
    ("versions.js", SCRIPT, include_str!("page/versions.js")),
];

/// Longest listing query that is read, in bytes: a prefix and S3's token, percent-encoded.
const MAX_QUERY_BYTES: usize = 8 * 1024;

/// Answers a GET or HEAD for `/-/` and `rest`, other than a health check.
///
/// # Errors
/// 404 for what is not there, and what listing fails with.
pub async fn answer(
    worker: &Worker,
    admission: &Admission,
    rest: &str,
) -> Result<Reply, ServeError> {
    match rest {
        _ if worker.shared.config.browse == Browse::Off => Err(ServeError::NothingHere),
        "" => Ok(page("", admission)),
        "list" => list(worker, admission.query.as_deref().unwrap_or_default()).await,
        // What follows is a key, which only the script in the page reads.
        _ if rest.starts_with("player/") => Ok(page(rest, admission)),
        _ => file(rest, admission),
    }
}

/// Answers a health check.
#[must_use]
pub fn health(which: &str, shared: &Shared) -> Reply {
    let (status, text) = match which {
        "readyz" => admin::readiness(shared),
        _ => (StatusCode::OK, "ok\n".to_owned()),
    };
    Reply::Text(Text {
        status,
        content_type: "text/plain; charset=utf-8",
        policy: None,
        body: Bytes::from(text),
    })
}

/// The page at `/-/` and this path.
fn page(path: &str, admission: &Admission) -> Reply {
    let way = "../".repeat(path.matches('/').count());
    // Nothing else in it could mean something to HTML.
    let query = admission.link("").replace('&', "&amp;");
    Reply::Text(Text {
        status: StatusCode::OK,
        content_type: "text/html; charset=utf-8",
        policy: Some(POLICY),
        body: Bytes::from(PAGE.replace("{page}", &way).replace("{query}", &query)),
    })
}

/// How a script names another one.
const IMPORT: &str = ".js';";

/// A file of the page. Scripts import each other by address, so these are signed like their own.
fn file(name: &str, admission: &Admission) -> Result<Reply, ServeError> {
    let (_, content_type, text) = FILES
        .iter()
        .find(|(known, ..)| *known == name)
        .ok_or(ServeError::NothingHere)?;
    Ok(Reply::Text(Text {
        status: StatusCode::OK,
        content_type,
        policy: Some(POLICY),
        body: if *content_type == SCRIPT && !admission.carried.is_empty() {
            let import = format!(".js{}';", admission.link(""));
            Bytes::from(text.replace(IMPORT, &import))
        } else {
            Bytes::from_static(text.as_bytes())
        },
    }))
}

/// One level of the bucket as the page reads it. Keys are as viewers call them, without our prefix.
#[derive(Debug, Serialize)]
struct ListingAnswer {
    prefix: String,
    folders: Vec<String>,
    objects: Vec<ListedAnswer>,
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct ListedAnswer {
    key: String,
    size: u64,
    #[serde(rename = "type")]
    media_type: Option<&'static str>,
    last_modified: Option<String>,
}

async fn list(worker: &Worker, query: &str) -> Result<Reply, ServeError> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(ServeError::Query("it is longer than 8 KiB"));
    }
    let prefix = parameter(query, "prefix")?.unwrap_or_default();
    if prefix.len() > MAX_KEY_BYTES || prefix.chars().any(char::is_control) {
        return Err(ServeError::Query("no key starts with this prefix"));
    }
    let after = parameter(query, "after")?.filter(|token| !token.is_empty());
    let served = &worker.shared.config.prefix;
    let is_continued = after.is_some();
    let listing = worker
        .lister
        .list(ListRequest {
            prefix: format!("{served}{prefix}"),
            after,
        })
        .await
        .map_err(|error| match error.kind {
            // S3's word for a token that it did not give.
            ReadErrorKind::Misconfigured if is_continued => {
                ServeError::Query("after is not the token of a page before")
            }
            ReadErrorKind::Denied => ServeError::MayNotList(error),
            _ => ServeError::Read(error),
        })?;
    let answer = viewers_listing(&worker.shared, prefix, listing);
    let body = serde_json::to_vec(&answer).map_err(|error| {
        let kind = crate::storage::ReadErrorKind::Internal;
        crate::storage::ReadError::new(kind, "listing").because(error)
    })?;
    Ok(Reply::Text(Text {
        status: StatusCode::OK,
        content_type: "application/json",
        policy: None,
        body: Bytes::from(body),
    }))
}

fn viewers_listing(shared: &Shared, prefix: String, listing: Listing) -> ListingAnswer {
    let served = &shared.config.prefix;
    let objects = listing.objects.iter().filter_map(|object| {
        let key = served.strip(&object.key)?;
        // The empty object that consoles make to show a folder is none to a viewer.
        let is_folder_marker = key.is_empty() || (key == prefix && key.ends_with('/'));
        (!is_folder_marker).then(|| ListedAnswer {
            key: key.to_owned(),
            size: object.size,
            media_type: media_type::by_extension(key),
            last_modified: object
                .modified
                .and_then(HttpDate::from_epoch_seconds)
                .map(|date| date.to_string()),
        })
    });
    ListingAnswer {
        objects: objects.collect(),
        folders: listing
            .folders
            .iter()
            .filter_map(|folder| served.strip(folder).map(ToOwned::to_owned))
            .collect(),
        next: listing.next,
        prefix,
    }
}

/// A query parameter, percent-decoded once; `+` stands for itself, as in paths.
fn parameter(query: &str, name: &str) -> Result<Option<String>, ServeError> {
    let value = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value);
    let Some(value) = value else {
        return Ok(None);
    };
    let decoded = percent_decode(value.as_bytes())
        .map_err(|_| ServeError::Query("a % is not followed by two hexadecimal digits"))?;
    String::from_utf8(decoded)
        .map(Some)
        .map_err(|_| ServeError::Query("it does not decode to UTF-8"))
}
