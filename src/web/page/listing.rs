//! One level of what is served, as the page reads it: folders and objects of the origin that is there,
//! and the mounts of others below it.

use std::collections::BTreeSet;

use actix_http::Request;
use actix_web::http::StatusCode;
use bytes::Bytes;
use serde::Serialize;

use crate::object::key::{MAX_KEY_BYTES, MAX_REQUEST_KEY_BYTES, percent_decode};
use crate::object::media_type;
use crate::object::mount::{Found, HostName, Mount};
use crate::semantics::HttpDate;
use crate::storage::capability::ListingBy;
use crate::storage::{ListRequest, Listing, ReadError, ReadErrorKind};
use crate::telemetry::RequestId;
use crate::web::origin::WorkerOrigin;
use crate::web::problem::ServeError;
use crate::web::respond::{Reply, Text};
use crate::web::{Worker, extract};

/// Longest listing query that is read, in bytes: a prefix and S3's token, percent-encoded.
const MAX_QUERY_BYTES: usize = 8 * 1024;

/// Keys are as viewers call them: with the mount path and without the origin's prefix.
#[derive(Debug, Serialize)]
struct ListingAnswer {
    prefix: String,
    folders: Vec<String>,
    objects: Vec<ListedAnswer>,
    next: Option<String>,
    /// Why there is nothing of the origin itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

#[derive(Debug, Serialize)]
struct ListedAnswer {
    key: String,
    size: u64,
    #[serde(rename = "type")]
    media_type: Option<&'static str>,
    last_modified: Option<String>,
}

/// The address of the page that shows what is below a folder.
#[must_use]
pub fn address_of(folder: &str) -> String {
    let encoded: String = folder
        .bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    if encoded.is_empty() {
        "/-/".to_owned()
    } else {
        format!("/-/?prefix={encoded}")
    }
}

/// The origin whose listing a request asks for, if it asks for one and there is one.
#[must_use]
pub fn listed<'w>(
    request: &Request,
    worker: &'w Worker,
) -> Option<Found<'w, 'static, WorkerOrigin>> {
    if request.uri().path() != "/-/list" {
        return None;
    }
    let prefix = prefix(request.uri().query().unwrap_or_default()).ok()?;
    let host = extract::host(request);
    let Found { mount, what, .. } = worker.origins.select(host.as_ref(), &prefix)?;
    Some(Found {
        mount,
        what,
        rest: "",
    })
}

fn prefix(query: &str) -> Result<String, ServeError> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(ServeError::Query("it is longer than 8 KiB"));
    }
    let prefix = parameter(query, "prefix")?.unwrap_or_default();
    // Complete segments of dots, which no key has, could lead elsewhere on a server of files.
    let folders = prefix.rsplit_once('/').map_or("", |(folders, _)| folders);
    let has_dots = folders
        .split('/')
        .any(|segment| matches!(segment, "." | ".."));
    let is_wrong = has_dots || prefix.rsplit('/').next() == Some("..");
    if prefix.len() > MAX_REQUEST_KEY_BYTES || prefix.chars().any(char::is_control) || is_wrong {
        return Err(ServeError::Query("no key starts with this prefix"));
    }
    Ok(prefix)
}

/// Answers `/-/list`.
///
/// # Errors
/// 400 for a query that cannot be read, and what listing fails with.
pub async fn answer(request: &Request, worker: &Worker) -> Result<Reply, ServeError> {
    let query = request.uri().query().unwrap_or_default();
    let prefix = prefix(query)?;
    let after = parameter(query, "after")?.filter(|token| !token.is_empty());
    let host = extract::host(request);
    let mounts = mounts_below(worker, host.as_ref(), &prefix);
    let is_first = after.is_none();
    let mut trouble = None;
    let (mut folders, objects, next) = match worker.origins.select(host.as_ref(), &prefix) {
        None => (Vec::new(), Vec::new(), None),
        Some(found) => match list(&found, after).await {
            Ok(listing) => {
                let (folders, objects) = as_viewers_call_them(&found, &prefix, &listing);
                (folders, objects, listing.next)
            }
            // One origin's trouble does not hide the way to others.
            Err(error) if is_first && !mounts.is_empty() && is_of_the_origin(&error) => {
                tell(&error);
                trouble = Some(error.detail());
                (Vec::new(), Vec::new(), None)
            }
            Err(error) => return Err(error),
        },
    };
    // What is mounted hides a folder of the same name, and is told with the first page.
    folders.retain(|folder| !mounts.contains(folder));
    if is_first {
        folders.extend(mounts);
        folders.sort();
    }
    let answer = ListingAnswer {
        prefix,
        folders,
        objects,
        next,
        trouble,
    };
    let body = serde_json::to_vec(&answer)
        .map_err(|error| ReadError::new(ReadErrorKind::Internal, "listing").because(error))?;
    Ok(Reply::Text(Text {
        status: StatusCode::OK,
        content_type: "application/json",
        policy: None,
        body: Bytes::from(body),
    }))
}

const fn is_of_the_origin(error: &ServeError) -> bool {
    matches!(
        error,
        ServeError::Read(_) | ServeError::MayNotList(_) | ServeError::CannotList
    )
}

/// The line that the log has for a failure, since this one is answered with what there is.
fn tell(error: &ServeError) {
    if let (Some(level), ServeError::Read(cause) | ServeError::MayNotList(cause)) =
        (error.log_level(), error)
    {
        let id = RequestId::current();
        let id = id.as_ref().map_or("-", RequestId::as_str);
        log::log!(level, request_id = id; "{cause}");
    }
}

/// The folders one level down that lead to other origins. A host that has an origin of its own there sees
/// nothing of what all hosts have below it.
fn mounts_below(worker: &Worker, host: Option<&HostName>, prefix: &str) -> BTreeSet<String> {
    let mounts = worker.origins.iter();
    let leads_there = |mount: &Mount| {
        let found = worker.origins.select(host, mount.path.as_str());
        found.is_some_and(|found| found.mount == mount)
    };
    mounts
        .filter(|(mount, _)| leads_there(mount))
        .filter_map(|(mount, _)| {
            let below = mount.path.as_str().strip_prefix(prefix)?;
            let (folder, _) = below.split_once('/')?;
            Some(format!("{prefix}{folder}/"))
        })
        .collect()
}

async fn list(
    found: &Found<'_, '_, WorkerOrigin>,
    after: Option<String>,
) -> Result<Listing, ServeError> {
    let WorkerOrigin {
        origin,
        reader,
        lister,
    } = found.what;
    match reader.capabilities().listing {
        ListingBy::Prefix => {}
        ListingBy::Nothing => return Err(ServeError::CannotList),
    }
    let is_continued = after.is_some();
    let prefix = format!("{}{}", origin.prefix, found.rest);
    if prefix.len() > MAX_KEY_BYTES {
        return Err(ServeError::Query("no key starts with this prefix"));
    }
    let listing = lister.list(ListRequest { prefix, after }).await;
    listing.map_err(|error| match error.kind {
        // S3's word for a token that it did not give.
        ReadErrorKind::Misconfigured if is_continued => {
            ServeError::Query("after is not the token of a page before")
        }
        ReadErrorKind::Denied => ServeError::MayNotList(error),
        _ => ServeError::Read(error),
    })
}

/// Folders and objects of a listing under the names that viewers have for them.
fn as_viewers_call_them(
    found: &Found<'_, '_, WorkerOrigin>,
    prefix: &str,
    listing: &Listing,
) -> (Vec<String>, Vec<ListedAnswer>) {
    let (served, mount) = (&found.what.origin.prefix, found.mount.path.as_str());
    let name = |key: &str| Some(format!("{mount}{}", served.strip(key)?));
    let objects = listing.objects.iter().filter_map(|object| {
        let key = name(&object.key)?;
        // The empty object that consoles make to show a folder is none to a viewer.
        let is_folder_marker = key == mount || (key == prefix && key.ends_with('/'));
        (!is_folder_marker).then(|| ListedAnswer {
            size: object.size,
            media_type: media_type::by_extension(&key),
            last_modified: object
                .modified
                .and_then(HttpDate::from_epoch_seconds)
                .map(|date| date.to_string()),
            key,
        })
    });
    let folders = listing.folders.iter().filter_map(|folder| name(folder));
    (folders.collect(), objects.collect())
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
