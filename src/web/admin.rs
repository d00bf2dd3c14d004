//! The other listener: health and figures, for operators and not for viewers.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};

use super::Shared;
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
    let (status, text) = readiness(&shared);
    plain(status, text)
}

async fn metrics(shared: web::Data<Arc<Shared>>) -> HttpResponse {
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

/// Status and text of the readiness answer. It stays ready with S3 down, since another instance
/// could not do better; the text tells.
#[must_use]
pub fn readiness(shared: &Shared) -> (StatusCode, String) {
    let phase = shared.lifecycle.phase();
    let status = match phase {
        Phase::Serving => StatusCode::OK,
        Phase::Starting | Phase::Draining | Phase::Cutting => StatusCode::SERVICE_UNAVAILABLE,
    };
    let bucket = shared.health.state().as_str();
    (status, format!("{}\nbucket: {bucket}\n", phase.as_str()))
}

fn plain(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header(("content-type", "text/plain; charset=utf-8"))
        .insert_header(("cache-control", "no-store"))
        .body(text)
}
