//! Where every request of a viewer enters.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::{HttpMessage as _, Request};
use actix_web::HttpResponse;
use actix_web::http::header::{HOST, HeaderName};
use actix_web::http::{Method, StatusCode};

use super::admission::{Admission, Audience, Wanted, admit};
use super::body::ViewerBody;
use super::extract::Want;
use super::origin::WorkerOrigin;
use super::problem::ServeError;
use super::respond::{ObjectReply, Reply, respond};
use super::streams::Intent;
use super::{Browse, CorsPolicy, Hosts, Worker, decide, extract, page};
use crate::object::mount::HostName;
use crate::object::{KeyError, ObjectKey, RequestKey};
use crate::signing::Access;
use crate::telemetry::{AccessRecord, RequestId, Route};

/// Longest path that is looked at, in bytes: a key of 1024 bytes, all of them percent-encoded,
/// needs 3073, and as much of a mount path 768 more.
const MAX_PATH_BYTES: usize = 4096;

/// Largest request head that is looked at, in bytes. Browsers send under two thousand.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The part of the key space that is ours.
const RESERVED: &str = "-/";

/// What a caller may name a request with.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest path that an access line tells, in bytes.
const MAX_LOGGED_PATH_BYTES: usize = 4096;

/// Answers one request. Dropping the future, as the server does when a viewer leaves, gives up
/// the calls to S3 that it waits for.
///
/// # Errors
/// None: every failure is an answer.
pub async fn entry(
    request: Request,
    worker: Rc<Worker>,
) -> Result<HttpResponse<ViewerBody>, Infallible> {
    let mut record = begin(&request, &worker);
    record.asked_for(logged_path(request.uri().path()), || {
        extract::range_as_sent(&request)
    });
    let id = record.id().clone();
    let target = Target::of(&request, &worker);
    let mut audience = Audience::default();
    let reply = id
        .throughout(pin!(answer(
            &request,
            &worker,
            &target,
            &mut record,
            &mut audience,
        )))
        .await;
    let cors = target.cors.unwrap_or(&worker.shared.config.cors);
    Ok(respond(&request, &worker, cors, record, audience, reply))
}

/// Where a request leads, which even a refusal has to know: pages may read it or not.
struct Target<'w> {
    place: Place<'w>,
    /// What the origin says about pages; `None` where there is none.
    cors: Option<&'w CorsPolicy>,
    /// The request's host, if anything is served under that alone.
    host: Option<&'w HostName>,
}

enum Place<'w> {
    /// `/-/` and what follows.
    Reserved,
    /// The top of all keys, or of an origin, by the name that viewers have for it.
    Top(String),
    /// Below the mount path of an origin.
    Object(&'w WorkerOrigin, Result<ObjectKey, KeyError>),
    /// No origin is there, or it is no key.
    Nowhere(Option<KeyError>),
}

impl<'w> Target<'w> {
    fn of(request: &Request, worker: &'w Worker) -> Self {
        let knows_hosts = worker.origins.knows_hosts();
        let host = knows_hosts.then(|| extract::host(request)).flatten();
        let own_host = worker.origins.own_host(host.as_ref());
        let path = request.uri().path();
        if path
            .strip_prefix('/')
            .is_some_and(|path| path.starts_with(RESERVED))
        {
            return Self {
                place: Place::Reserved,
                cors: page::listed(request, worker).map(|found| &found.what.origin.cors),
                host: own_host,
            };
        }
        let nowhere = |error| Self {
            place: Place::Nowhere(error),
            cors: None,
            host: own_host,
        };
        if path == "/" {
            let found = worker.origins.select(host.as_ref(), "");
            return Self {
                place: Place::Top(String::new()),
                cors: found.map(|found| &found.what.origin.cors),
                host: own_host,
            };
        }
        let key = match RequestKey::from_path(path) {
            Ok(key) => key,
            Err(error) => return nowhere(Some(error)),
        };
        // The reserved part under another spelling: a proxy that normalises it would land there.
        if key.as_str().starts_with(RESERVED) {
            return nowhere(None);
        }
        let Some(found) = worker.origins.select(host.as_ref(), key.as_str()) else {
            return nowhere(None);
        };
        // Servers that take `//` for `/` would have this below another mount than we do, whose access
        // may be another.
        if let Some(collapsed) = collapsed(key.as_str()) {
            let elsewhere = worker.origins.select(host.as_ref(), &collapsed);
            if elsewhere.is_none_or(|elsewhere| elsewhere.mount != found.mount) {
                return nowhere(None);
            }
        }
        let place = match found.rest {
            "" => Place::Top(found.mount.path.as_str().to_owned()),
            rest => Place::Object(found.what, found.what.origin.prefix.key(rest)),
        };
        Self {
            place,
            cors: Some(&found.what.origin.cors),
            host: own_host,
        }
    }
}

/// A key as servers have it that take several `/` for one, if it is another.
fn collapsed(key: &str) -> Option<String> {
    let is_doubled = |pair: &[u8]| pair == b"//";
    if !key.starts_with('/') && !key.as_bytes().windows(2).any(is_doubled) {
        return None;
    }
    let is_folder = key.ends_with('/');
    let segments: Vec<_> = key.split('/').filter(|part| !part.is_empty()).collect();
    let end = if is_folder { "/" } else { "" };
    Some(format!("{}{end}", segments.join("/")))
}

fn begin(request: &Request, worker: &Worker) -> Box<AccessRecord> {
    let id = request
        .headers()
        .get(X_REQUEST_ID)
        .map(actix_web::http::header::HeaderValue::as_bytes);
    // It goes from hand to hand.
    Box::new(AccessRecord::begin(
        Rc::clone(&worker.recorder),
        RequestId::from_header(id),
        request.method().as_str(),
        worker.shared.config.trusted_proxies.viewer(request),
    ))
}

/// The front of a path; a path is ASCII here, so it can be cut anywhere.
fn logged_path(path: &str) -> &str {
    path.get(..MAX_LOGGED_PATH_BYTES).unwrap_or(path)
}

async fn answer(
    request: &Request,
    worker: &Worker,
    target: &Target<'_>,
    record: &mut AccessRecord,
    audience: &mut Audience,
) -> Result<Reply, ServeError> {
    check_head(request)?;
    check_host(request, worker.shared.config.hosts)?;
    let path = request.uri().path();
    let reserved = match target.place {
        Place::Reserved => path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(RESERVED)),
        Place::Top(_) | Place::Object(..) | Place::Nowhere(_) => None,
    };
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
    if let Some(rest) = reserved {
        if let which @ ("livez" | "readyz") = rest {
            // Who runs us asks, and has no signature; nothing of what is stored is told.
            return Ok(page::health(which, &worker.shared));
        }
        let access = page::access(request, worker);
        let admission = enter(request, worker, target, record, audience, access)?;
        return page::answer(request, worker, &admission, rest).await;
    }
    match &target.place {
        Place::Nowhere(Some(error)) => Err(ServeError::Key(*error)),
        Place::Nowhere(None) | Place::Reserved => {
            enter(request, worker, target, record, audience, &Access::AnyKey)?;
            Err(ServeError::NothingHere)
        }
        Place::Top(below) => {
            let admission = enter(request, worker, target, record, audience, &Access::AnyKey)?;
            match worker.shared.config.browse {
                Browse::On => Ok(Reply::SeeOther(admission.link(&page::address_of(below)))),
                Browse::Off => Err(ServeError::NothingHere),
            }
        }
        Place::Object(origin, key) => {
            enter(
                request,
                worker,
                target,
                record,
                audience,
                &origin.origin.access,
            )?;
            object(request, worker, origin, key.clone()?, record.viewer()).await
        }
    }
}

/// Lets a request in, or refuses it, before anything is looked up for it.
fn enter(
    request: &Request,
    worker: &Worker,
    target: &Target<'_>,
    record: &mut AccessRecord,
    audience: &mut Audience,
    access: &Access,
) -> Result<Admission, ServeError> {
    let wanted = Wanted {
        access,
        host: target.host,
        viewer: worker.shared.config.trusted_proxies.proven(request),
    };
    let signed = worker.shared.config.signed_urls.as_ref();
    if signed.is_some() && *wanted.access != Access::Public {
        // Also of a refusal: no address that may be signed is told to others.
        *audience = Audience::Signed;
    }
    admit(signed, wanted, request, record)
}

async fn object(
    request: &Request,
    worker: &Worker,
    origin: &WorkerOrigin,
    key: ObjectKey,
    viewer: Option<IpAddr>,
) -> Result<Reply, ServeError> {
    let WorkerOrigin { origin, reader, .. } = origin;
    let mut asked = extract::asked(request);
    if let Some(most) = origin.max_answer {
        asked.conditions.bound_open_end(most);
    }
    // Before S3 is asked: a request that waits there holds as much as one that is being answered.
    let place = match asked.want {
        Want::Body => {
            let intent = Intent::of(&asked.conditions);
            Some(worker.shared.streams.enter(intent, viewer)?)
        }
        Want::HeadOnly => None,
    };
    let decided = decide::decide(reader.as_ref(), &key, &asked, origin.total).await?;
    Ok(Reply::Object(Box::new(ObjectReply {
        decided,
        reader: Arc::clone(reader),
        key,
        place,
    })))
}

/// Refuses heads that no player sends before anything is done for them, and bodies, which mean
/// nothing on the methods we know.
fn check_head(request: &Request) -> Result<(), ServeError> {
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

fn check_host(request: &Request, hosts: Hosts) -> Result<(), ServeError> {
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
