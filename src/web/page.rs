//! What lives under `/-/`: the page, its files, the listing, and health checks for platforms that
//! give a service one port.

mod listing;

use actix_http::Request;
use actix_web::http::StatusCode;
use bytes::Bytes;

use super::admin::Told;
use super::admission::Admission;
use super::problem::ServeError;
use super::respond::{Reply, Text};
use super::{Browse, Shared, Worker, admin};
use crate::signing::Access;

pub use listing::{address_of, listed};

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

/// Who may see what a request under `/-/` asks for: a listing is for who may read what it lists, and
/// also that of an origin that everyone may read is signed.
#[must_use]
pub fn access<'w>(request: &Request, worker: &'w Worker) -> &'w Access {
    match listed(request, worker).map(|found| &found.what.origin.access) {
        Some(access @ Access::Keys(_)) => access,
        Some(Access::AnyKey | Access::Public) | None => &Access::AnyKey,
    }
}

/// Answers a GET or HEAD for `/-/` and `rest`, other than a health check.
///
/// # Errors
/// 404 for what is not there, and what listing fails with.
pub async fn answer(
    request: &Request,
    worker: &Worker,
    admission: &Admission,
    rest: &str,
) -> Result<Reply, ServeError> {
    match rest {
        _ if worker.shared.config.browse == Browse::Off => Err(ServeError::NothingHere),
        "" => Ok(page("", admission)),
        "list" => listing::answer(request, worker).await,
        // What follows is a key, which only the script in the page reads.
        _ if rest.starts_with("player/") => Ok(page(rest, admission)),
        _ => file(rest, admission),
    }
}

/// Answers a health check.
#[must_use]
pub fn health(which: &str, shared: &Shared) -> Reply {
    let (status, text) = match which {
        // Names of origins are told to who runs us, on the admin listener.
        "readyz" => admin::readiness(shared, Told::Phase),
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
