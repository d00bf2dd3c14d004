//! Where every request of a viewer enters.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::HOST;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

use super::admission::{Admission, Audience, admit};
use super::body::ViewerBody;
use super::extract::Want;
use super::problem::ServeError;
use super::respond::{Reply, respond};
use super::streams::Intent;
use super::{Browse, Hosts, Worker, decide, extract, page};
use crate::object::{ObjectKey, RequestKey};
use crate::signing::Access;
use crate::telemetry::{AccessRecord, RequestId, Route};

/// Longest path that is looked at, in bytes: a key of 1024 bytes, all of them percent-encoded,
/// needs 3073.
const MAX_PATH_BYTES: usize = 4096;

/// Largest request head that is looked at, in bytes. Browsers send under two thousand.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The part of the key space that is ours.
const RESERVED: &str = "-/";

/// Longest path that an access line tells, in bytes.
const MAX_LOGGED_PATH_BYTES: usize = 4096;

/// Answers one request. Dropping the future, as the server does when a viewer leaves, gives up
/// the calls to S3 that it waits for.
pub async fn entry(request: HttpRequest, worker: web::Data<Worker>) -> HttpResponse<ViewerBody> {
    let mut record = begin(&request, &worker);
    record.range = extract::range_as_sent(&request);
    let id = record.id().clone();
    let mut audience = Audience::default();
    let reply = id
        .throughout(answer(&request, &worker, &mut record, &mut audience))
        .await;
    respond(&request, &worker, record, audience, reply)
}

fn begin(request: &HttpRequest, worker: &Worker) -> AccessRecord {
    let id = request
        .headers()
        .get("x-request-id")
        .map(actix_web::http::header::HeaderValue::as_bytes);
    AccessRecord::begin(
        Arc::clone(&worker.shared.metrics),
        Arc::clone(&worker.shared.lifecycle),
        RequestId::from_header(id),
        request.method().as_str(),
        logged_path(request.uri().path()),
        worker.shared.config.trusted_proxies.viewer(request),
    )
}

/// The front of a path; a path is ASCII here, so it can be cut anywhere.
fn logged_path(path: &str) -> &str {
    path.get(..MAX_LOGGED_PATH_BYTES).unwrap_or(path)
}

async fn answer(
    request: &HttpRequest,
    worker: &Worker,
    record: &mut AccessRecord,
    audience: &mut Audience,
) -> Result<Reply, ServeError> {
    check_head(request)?;
    check_host(request, worker.shared.config.hosts)?;
    let path = request.uri().path();
    let reserved = path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(RESERVED));
    record.route = match reserved {
        Some("livez" | "readyz") => Route::Health,
        Some(_) => Route::Page,
        None => Route::Object,
    };
    match *request.method() {
        Method::GET | Method::HEAD => {}
        // A browser asks so before it sends anything, and so without a signature.
        Method::OPTIONS => return Ok(Reply::Options),
        _ => return Err(ServeError::MethodNotAllowed),
    }
    match reserved {
        // Who runs us asks, and has no signature; nothing of what is stored is told.
        Some(which @ ("livez" | "readyz")) => Ok(page::health(which, &worker.shared)),
        Some(rest) => {
            let admission = enter(request, worker, record, audience, &Access::AnyKey)?;
            page::answer(worker, &admission, rest).await
        }
        None if path == "/" => {
            let admission = enter(request, worker, record, audience, &Access::AnyKey)?;
            match worker.shared.config.browse {
                Browse::On => Ok(Reply::SeeOther(admission.link("/-/"))),
                Browse::Off => Err(ServeError::NothingHere),
            }
        }
        None => {
            let key = key(request, worker)?;
            let signed = worker.shared.config.signed_urls.as_ref();
            let access = signed.map_or(&Access::Public, |signed| &signed.access);
            enter(request, worker, record, audience, access)?;
            object(request, worker, key, record.viewer()).await
        }
    }
}

/// Lets a request in, or refuses it, before anything is looked up for it.
fn enter(
    request: &HttpRequest,
    worker: &Worker,
    record: &mut AccessRecord,
    audience: &mut Audience,
    access: &Access,
) -> Result<Admission, ServeError> {
    let signed = worker.shared.config.signed_urls.as_ref();
    if signed.is_some() && *access != Access::Public {
        // Also of a refusal: no address that may be signed is told to others.
        *audience = Audience::Signed;
    }
    admit(signed, access, request, record)
}

async fn object(
    request: &HttpRequest,
    worker: &Worker,
    key: ObjectKey,
    viewer: Option<IpAddr>,
) -> Result<Reply, ServeError> {
    let asked = extract::asked(request);
    // Before S3 is asked: a request that waits there holds as much as one that is being answered.
    let place = match asked.want {
        Want::Body => {
            let intent = Intent::of(&asked.conditions);
            Some(worker.shared.streams.enter(intent, viewer)?)
        }
        Want::HeadOnly => None,
    };
    let decided = decide::decide(
        worker.reader.as_ref(),
        &key,
        &asked,
        worker.shared.config.origin_total,
    )
    .await?;
    Ok(Reply::Object(Box::new(decided), key, place))
}

fn key(request: &HttpRequest, worker: &Worker) -> Result<ObjectKey, ServeError> {
    let request_key = RequestKey::from_path(request.uri().path())?;
    // The reserved part under another spelling: a proxy that normalises it would land there.
    if request_key.as_str().starts_with(RESERVED) {
        return Err(ServeError::NothingHere);
    }
    Ok(worker.shared.config.prefix.key(&request_key)?)
}

/// Refuses heads that no player sends before anything is done for them, and bodies, which mean
/// nothing on the methods we know.
fn check_head(request: &HttpRequest) -> Result<(), ServeError> {
    let uri = request.uri();
    if uri.path().len() > MAX_PATH_BYTES {
        return Err(ServeError::TargetTooLong);
    }
    let target = uri.path().len() + uri.query().map_or(0, str::len);
    let fields: usize = request
        .headers()
        .iter()
        // Name, colon, space, value, line end.
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if target + fields > MAX_HEAD_BYTES {
        return Err(ServeError::HeadTooLarge);
    }
    let takes_none = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if extract::has_body(request) && takes_none {
        return Err(ServeError::Refused(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(())
}

fn check_host(request: &HttpRequest, hosts: Hosts) -> Result<(), ServeError> {
    if hosts == Hosts::Any {
        return Ok(());
    }
    // Without a Host field (HTTP/1.0) the caller is no browser, and rebinding needs one.
    let host = request.headers().get(HOST).map(|host| host.to_str());
    match host {
        None => Ok(()),
        Some(Ok(host)) if is_loopback_name(host) => Ok(()),
        Some(_) => Err(ServeError::Misdirected),
    }
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(bracketed) => match bracketed.split_once(']') {
            Some((name, port)) if port.is_empty() || port.starts_with(':') => name,
            _ => return false,
        },
        None => host.split(':').next().unwrap_or(host),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback_names() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8080",
        ] {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "[::2]",
            "[::1].evil",
            "[::1",
            "192.168.0.1",
        ] {
            assert!(!is_loopback_name(host), "{host}");
        }
    }
}
