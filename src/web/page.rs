//! What lives under `/-/`: the page, its files, the listing, and health checks for platforms that
//! give a service one port.

mod listing;

use actix_web::HttpRequest;
use actix_web::http::{Method, StatusCode};
use bytes::Bytes;

use super::problem::ServeError;
use super::respond::{Reply, Text};
use super::{Browse, Worker, admin};
use crate::telemetry::{AccessRecord, Route};

pub use listing::{address_of, listed};

/// Nothing from elsewhere, no inline code, no frames: keys are strangers' text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The page, which finds its files by `{page}`, the way from its address to `/-/`. Relative, so that
/// a proxy may serve all this under a path of its own.
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

/// Answers a request for `/-/` and `rest`.
///
/// # Errors
/// 404 for what is not there, 405, and what listing fails with.
pub async fn answer(
    request: &HttpRequest,
    worker: &Worker,
    record: &mut AccessRecord,
    rest: &str,
) -> Result<Reply, ServeError> {
    match *request.method() {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(Reply::Options),
        _ => return Err(ServeError::MethodNotAllowed),
    }
    let shared = &worker.shared;
    match rest {
        "livez" => {
            record.route = Route::Health;
            Ok(Reply::Text(health(StatusCode::OK, "ok\n".to_owned())))
        }
        "readyz" => {
            record.route = Route::Health;
            let (status, text) = admin::readiness(shared);
            Ok(Reply::Text(health(status, text)))
        }
        _ if shared.config.browse == Browse::Off => Err(ServeError::NothingHere),
        "" => Ok(page("")),
        "list" => listing::answer(request, worker).await,
        // What follows is a key, which only the script in the page reads.
        _ if rest.starts_with("player/") => Ok(page(rest)),
        _ => file(rest),
    }
}

fn health(status: StatusCode, text: String) -> Text {
    Text {
        status,
        content_type: "text/plain; charset=utf-8",
        policy: None,
        body: Bytes::from(text),
    }
}

/// The page at `/-/` and this path.
fn page(path: &str) -> Reply {
    let way = "../".repeat(path.matches('/').count());
    Reply::Text(Text {
        status: StatusCode::OK,
        content_type: "text/html; charset=utf-8",
        policy: Some(POLICY),
        body: Bytes::from(PAGE.replace("{page}", &way)),
    })
}

fn file(name: &str) -> Result<Reply, ServeError> {
    let (_, content_type, text) = FILES
        .iter()
        .find(|(known, ..)| *known == name)
        .ok_or(ServeError::NothingHere)?;
    Ok(Reply::Text(Text {
        status: StatusCode::OK,
        content_type,
        policy: Some(POLICY),
        body: Bytes::from_static(text.as_bytes()),
    }))
}
