//! The other listener: health and figures, for operators and not for viewers.

use std::collections::HashSet;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::Shared;
use crate::cache::engine::Tiers;
use crate::object::RequestKey;
use crate::object::mount::{Found, Mount};
use crate::telemetry::Phase;

/// Adds the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    // A resource answers 405 with Allow to the methods that it has not.
    config
        .service(
            web::resource("/livez")
                .route(web::get().to(livez))
                .route(web::head().to(livez)),
        )
        .service(
            web::resource("/readyz")
                .route(web::get().to(readyz))
                .route(web::head().to(readyz)),
        )
        .service(web::resource("/purge").route(web::post().to(purge)))
        .service(
            web::resource("/metrics")
                .route(web::get().to(metrics))
                .route(web::head().to(metrics)),
        );
}

/// 200 while the process answers, S3 or not: a dead S3 must not restart us.
async fn livez() -> HttpResponse {
    plain(StatusCode::OK, "ok\n".to_owned())
}

/// 503 while starting or draining.
async fn readyz(shared: web::Data<Arc<Shared>>) -> HttpResponse {
    let (status, text) = readiness(&shared, Told::Origins);
    plain(status, text)
}

/// Forgets a key: `POST /purge?key=films/one.mp4`, percent-encoded as in the path that viewers ask
/// for. Where it leads to other origins by other host names, it is forgotten in all of them.
async fn purge(request: HttpRequest, shared: web::Data<Arc<Shared>>) -> HttpResponse {
    let wrong = |why: &str| plain(StatusCode::BAD_REQUEST, format!("{why}\n"));
    let asked = request
        .query_string()
        .split('&')
        .find_map(|pair| pair.strip_prefix("key="));
    let Some(asked) = asked else {
        return wrong("the query has to be key=, and the key of an object");
    };
    let asked = match RequestKey::from_path(&format!("/{asked}")) {
        Ok(asked) => asked,
        Err(error) => return wrong(&error.to_string()),
    };
    let hosts: HashSet<_> = shared
        .origins
        .iter()
        .map(|(mount, _)| mount.host.as_ref())
        .chain([None])
        .collect();
    let found: Vec<_> = hosts
        .into_iter()
        .filter_map(|host| shared.origins.select(host, asked.as_str()))
        .collect();
    if found.is_empty() {
        return wrong("no origin has this key");
    }
    let mut has_cache = false;
    for Found { what, rest, .. } in found {
        let key = match what.prefix.key(rest) {
            Ok(key) => key,
            Err(error) => return wrong(&error.to_string()),
        };
        if let Some(cache) = &what.cache {
            cache.purge(&key);
            has_cache = true;
        }
    }
    if !has_cache {
        return plain(StatusCode::OK, "there is no cache\n".to_owned());
    }
    log::info!("forgotten: {}", asked.as_str());
    plain(StatusCode::OK, "forgotten\n".to_owned())
}

async fn metrics(shared: web::Data<Arc<Shared>>) -> HttpResponse {
    if let Some(Tiers { blocks, disk }) = &shared.tiers {
        let holds = blocks.figures();
        let metrics = &shared.metrics;
        metrics.cache_holds(holds.held, holds.blocks, holds.evicted, holds.wasted);
        if let Some(disk) = disk {
            let holds = disk.figures();
            metrics.disk_holds(holds.held, holds.blocks, holds.evicted);
        }
    }
    match shared.metrics.encode() {
        Ok(text) => HttpResponse::Ok()
            .insert_header(("content-type", "text/plain; version=0.0.4; charset=utf-8"))
            .body(text),
        Err(error) => {
            log::error!("the figures could not be written: {error}");
            plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "see the log\n".to_owned(),
            )
        }
    }
}

/// How much readiness tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The phase, and a single origin's state: viewers may see it.
    Phase,
    /// The state of each origin by its name.
    Origins,
}

/// Status and text of the readiness answer. It stays ready with S3 down, since another instance
/// could not do better; the text tells.
#[must_use]
pub fn readiness(shared: &Shared, told: Told) -> (StatusCode, String) {
    let phase = shared.lifecycle.phase();
    let status = match phase {
        Phase::Serving => StatusCode::OK,
        Phase::Starting | Phase::Draining | Phase::Cutting => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut lines = vec![phase.as_str().to_owned()];
    let mut origins: Vec<_> = shared.origins.iter().collect();
    origins.sort_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    if let [(mount, only)] = origins.as_slice()
        && **mount == Mount::default()
    {
        lines.push(format!("{}: {}", only.kind, only.health.state().as_str()));
    } else if told == Told::Origins {
        lines.extend(origins.iter().map(|(_, origin)| {
            let state = origin.health.state().as_str();
            format!("origin {}: {state}", origin.name)
        }));
    }
    let text = format!("{}\n", lines.join("\n"));
    (status, text)
}

fn plain(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header(("content-type", "text/plain; charset=utf-8"))
        .insert_header(("cache-control", "no-store"))
        .body(text)
}
