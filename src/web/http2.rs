//! HTTP/2 for viewers (RFC 9113): many requests at once on one connection.
//!
//! Each becomes a request like any other, and its answer a body of ordinary chunks. The framework could do
//! that too, with an `h2` that is no longer kept, and without the limits: on how many requests may be
//! open, on what waits for a viewer, and on how long.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, ready};

use actix_http::{HttpMessage as _, Request};
use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody as _};
use actix_web::http::header::{
    CONNECTION, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use actix_web::http::{Method, Uri, Version};
use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::Worker;
use super::body::ViewerBody;
use super::entry::entry;
use crate::connection::{Taking, Times, Turn, ViewerLimits};

/// Requests of one connection that may be open at once: what RFC 9113 section 6.5.2 wants to be allowed
/// at least.
const OPEN_REQUESTS: u32 = 100;

/// Bytes of an answer that wait for the viewer.
const WAITING_BYTES: usize = 64 * 1024;

/// Longest list of fields that is taken, in bytes as RFC 9113 section 6.5.2 counts them: far above what
/// is answered with 431, so that such a list gets that answer.
const FIELD_BYTES: u32 = 64 * 1024;

/// Answers the requests of a connection until it ends: after `times.keep_alive` without any, with the
/// first word of `stopping`, or when the viewer has enough.
pub async fn serve<T>(
    stream: T,
    peer: Option<SocketAddr>,
    worker: Rc<Worker>,
    times: Times,
    mut stopping: watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = match timeout(times.head, builder().handshake(stream)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return log::debug!("no HTTP/2: {error}"),
        Err(_) => return log::debug!("no HTTP/2 within {:?}", times.head),
    };
    let mut answers = JoinSet::new();
    let mut is_ending = false;
    let mut end = Instant::now().checked_add(times.keep_alive);
    loop {
        tokio::select! {
            came = poll_fn(|cx| connection.poll_accept(cx)) => match came {
                Some(Ok((request, respond))) => {
                    let worker = Rc::clone(&worker);
                    answers.spawn_local(answer(request, respond, peer, worker, times.taking));
                }
                Some(Err(error)) => return log::debug!("HTTP/2 ends: {error}"),
                None => return,
            },
            ended = answers.join_next(), if !answers.is_empty() => {
                if let Some(Err(error)) = ended {
                    log::error!("an answer failed: {error}");
                }
                if answers.is_empty() && !is_ending {
                    end = Instant::now().checked_add(times.keep_alive);
                }
            }
            // An error means that nobody can say so any more, which is an end too.
            _ = stopping.wait_for(|stop| *stop), if !is_ending => {
                is_ending = true;
                end = say_goodbye(&mut connection, times);
            }
            () = until(end), if answers.is_empty() => {
                if is_ending {
                    return;
                }
                is_ending = true;
                end = say_goodbye(&mut connection, times);
            }
        }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(OPEN_REQUESTS)
        .max_header_list_size(FIELD_BYTES)
        .max_send_buffer_size(WAITING_BYTES);
    builder
}

/// Takes no further requests. When what has been answered has to be taken.
fn say_goodbye<T>(connection: &mut Connection<T, Bytes>, times: Times) -> Option<Instant>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    connection.graceful_shutdown();
    Instant::now().checked_add(times.taking.timeout)
}

/// Waits until then; for ever beyond the end of the clock.
async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Answers one request. Dropping the future, as happens when the connection ends, gives up the calls to
/// S3 that it waits for, and so does a viewer that wants no answer any more.
async fn answer(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    peer: Option<SocketAddr>,
    worker: Rc<Worker>,
    limits: ViewerLimits,
) {
    let turn = Rc::new(Turn::default());
    let (head, body) = request.into_parts();
    let Some(mut request) = as_request(&head, body.is_end_stream()) else {
        return respond.send_reset(Reason::PROTOCOL_ERROR);
    };
    request.head_mut().peer_addr = peer;
    request.extensions_mut().insert(Rc::clone(&turn));
    let is_head = *request.method() == Method::HEAD;
    let response = tokio::select! {
        biased;
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
        // It has no error.
        Ok(response) = entry(request, worker) => response,
        else => return,
    };
    let (response, body) = response.into_parts();
    let size = if is_head { 0 } else { length_of(&body) };
    let head = as_head(&response, &body);
    match respond.send_response(head, size == 0) {
        Ok(stream) if size > 0 => send(stream, body, size, &turn, limits).await,
        Ok(_) => {}
        Err(error) => log::debug!("an answer without a viewer: {error}"),
    }
}

/// A request as HTTP/1.1 would have it (RFC 9113 section 8.3.1); `None` if it is malformed.
fn as_request(head: &http::request::Parts, has_ended: bool) -> Option<Request> {
    let mut request = Request::new();
    let into = request.head_mut();
    into.version = Version::HTTP_2;
    into.method = Method::from_bytes(head.method.as_str().as_bytes()).ok()?;
    let target = head.uri.path_and_query();
    let target = target.map_or("/", http::uri::PathAndQuery::as_str);
    into.uri = Uri::try_from(target).ok()?;
    for (name, value) in &head.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        into.headers.append(name, value);
    }
    if let Some(authority) = head.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        let is_other =
            |other: &HeaderValue| !other.as_bytes().eq_ignore_ascii_case(host.as_bytes());
        if authority.as_str().contains('@') || into.headers.get_all(HOST).any(is_other) {
            return None;
        }
        into.headers.insert(HOST, host);
    }
    if !has_ended
        && !into
            .headers
            .contains_key(actix_web::http::header::CONTENT_LENGTH)
    {
        // A body of unknown length, which HTTP/1.1 has another name for.
        into.headers
            .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Some(request)
}

/// Bytes of a body.
fn length_of(body: &ViewerBody) -> u64 {
    match body.size() {
        BodySize::Sized(length) => length,
        BodySize::None | BodySize::Stream => 0,
    }
}

/// The head of an answer, without what only HTTP/1.1 knows.
fn as_head(response: &HttpResponse<()>, body: &ViewerBody) -> http::Response<()> {
    let mut head = http::Response::new(());
    if let Ok(status) = http::StatusCode::from_u16(response.status().as_u16()) {
        *head.status_mut() = status;
    }
    *head.version_mut() = http::Version::HTTP_2;
    let into = head.headers_mut();
    for (name, value) in response.headers() {
        if *name == CONNECTION || *name == UPGRADE || *name == TRANSFER_ENCODING {
            continue;
        }
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            into.append(name, value);
        }
    }
    if let BodySize::Sized(length) = body.size() {
        into.insert(http::header::CONTENT_LENGTH, length.into());
    }
    head
}

/// Sends a body of so many bytes, as fast as the viewer takes it.
async fn send(
    mut stream: SendStream<Bytes>,
    mut body: ViewerBody,
    mut left: u64,
    turn: &Turn,
    limits: ViewerLimits,
) {
    let mut taking = Taking::new(limits);
    loop {
        let next = poll_fn(|cx| {
            if stream.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            Pin::new(&mut body).poll_next(cx)
        });
        let mut piece = match next.await {
            Some(Ok(piece)) => piece,
            // The body has told why.
            Some(Err(_)) => return stream.send_reset(Reason::INTERNAL_ERROR),
            // Without its end the viewer has to know that something is missing.
            None if left > 0 => return stream.send_reset(Reason::INTERNAL_ERROR),
            None => return,
        };
        while !piece.is_empty() {
            stream.reserve_capacity(piece.len());
            let room = poll_fn(|cx| {
                let mut room = stream.capacity();
                while room == 0 {
                    let polled = stream.poll_capacity(cx);
                    if polled.is_pending() {
                        return match taking.waits(cx) {
                            Ok(()) => Poll::Pending,
                            Err(why) => Poll::Ready(Err(Some(why))),
                        };
                    }
                    match ready!(polled) {
                        Some(Ok(more)) => room = more,
                        Some(Err(_)) | None => return Poll::Ready(Err(None)),
                    }
                }
                Poll::Ready(Ok(room))
            });
            let room = match room.await {
                Ok(room) => room,
                Err(Some(why)) => {
                    turn.let_go(why);
                    return stream.send_reset(Reason::CANCEL);
                }
                // It has left.
                Err(None) => return,
            };
            let part = piece.split_to(room.min(piece.len()));
            let length = part.len();
            left = left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
            if stream.send_data(part, left == 0).is_err() {
                return;
            }
            if let Err(why) = taking.took(length) {
                turn.let_go(why);
                return stream.send_reset(Reason::CANCEL);
            }
        }
    }
}
