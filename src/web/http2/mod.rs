//! HTTP/2 for viewers (RFC 9113): many requests at once on one connection.
//!
//! Each becomes a request like any other, and its answer a body of ordinary chunks. The framework could do
//! that too, with an older `h2` and without the limits: on how many requests may be open, on what waits
//! for a viewer, and on how long.

mod lent;
mod message;
mod sending;

use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::HttpMessage as _;
use actix_web::http::Method;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::Worker;
use super::entry::entry;
use crate::connection::{Times, Turn, ViewerLimits};
use lent::{Lender, Lent, lend};
use message::{NoRequest, as_head, as_request, length_of};
use sending::{Part, send};

/// Requests of one connection that may be open at once: what RFC 9113 section 6.5.2 wants to be allowed
/// at least.
const OPEN_REQUESTS: u32 = 100;

/// Bytes of an answer that wait for the viewer, and as many again that are next.
const WAITING_BYTES: usize = 32 * 1024;

/// Longest list of fields that is taken, in bytes as RFC 9113 section 6.5.2 counts them: far above what
/// is answered with 431, so that such a list gets that answer.
const FIELD_BYTES: u32 = 64 * 1024;

/// How long a viewer has for its last word when nothing is on its way: whoever is there answers at once. As
/// long again it has to take ours.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How many more requests a connection may give up before they are answered than it lets be answered.
/// Each cost us a call to S3 and it a few bytes. A player that is dragged along a film stays far below.
const GIVEN_UP: u32 = 200;

/// A request, and how it is answered.
type Request = (http::Request<RecvStream>, SendResponse<Part>);

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    /// It has an answer, whether that was taken or not.
    Answered,
    /// The viewer gave it up before.
    GivenUp,
    /// It was none.
    Nothing,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Both sides know that nothing more comes.
    Orderly,
    /// Nobody is there any more, or it was ended by force.
    Abrupt,
}

/// Answers the requests of a connection until it ends: after `times.keep_alive` without any, with the
/// first word of `stopping`, or when the viewer has enough.
pub async fn serve<T>(
    stream: T,
    peer: Option<SocketAddr>,
    worker: Rc<Worker>,
    times: Times,
    stopping: watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let (lender, stream) = lend(stream);
    match serve_requests(&lender, stream, peer, worker, times, stopping).await {
        End::Orderly => lender.linger().await,
        End::Abrupt => {}
    }
}

async fn serve_requests<T>(
    lender: &Lender<T>,
    stream: Lent<T>,
    peer: Option<SocketAddr>,
    worker: Rc<Worker>,
    times: Times,
    mut stopping: watch::Receiver<bool>,
) -> End
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut handshake = pin!(builder().handshake(stream));
    let handshake = poll_fn(|cx| {
        let done = handshake.as_mut().poll(cx);
        if done.is_pending() {
            // An error comes up again where it reads.
            let _ = lender.poll_flush(cx);
        }
        done
    });
    let handshake = tokio::select! {
        handshake = timeout(times.head, handshake) => handshake,
        () = has_stopped(&mut stopping) => return End::Abrupt,
    };
    let mut connection = match handshake {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            log::debug!("no HTTP/2: {error}");
            return End::Abrupt;
        }
        Err(_) => return End::Abrupt,
    };
    let mut answers = FuturesUnordered::new();
    let mut given_up = 0_u32;
    let mut is_refusing = false;
    let mut is_ending = false;
    let mut has_ended = false;
    let after = |is_ending| {
        if is_ending {
            LAST_WORD
        } else {
            times.keep_alive
        }
    };
    let mut end = Instant::now().checked_add(after(is_ending));
    loop {
        tokio::select! {
            // Answers first: what they have to say leaves with the look for further requests.
            biased;
            Some(became) = answers.next() => {
                given_up = match became {
                    Became::GivenUp => given_up.saturating_add(1),
                    Became::Answered => given_up.saturating_sub(1),
                    Became::Nothing => given_up,
                };
                if given_up >= GIVEN_UP && !is_refusing {
                    is_refusing = true;
                    is_ending = true;
                    connection.graceful_shutdown();
                }
                if answers.is_empty() {
                    end = Instant::now().checked_add(after(is_ending));
                }
            }
            came = poll_fn(|cx| poll_next(&mut connection, lender, cx)) => match came {
                // What is being answered is no matter of the others.
                Ok((_, mut respond)) if is_refusing => {
                    respond.send_reset(Reason::ENHANCE_YOUR_CALM);
                }
                Ok((request, respond)) => {
                    let worker = Rc::clone(&worker);
                    answers.push(answer(request, respond, peer, worker, times.taking));
                }
                Err(end) => return end,
            },
            () = has_stopped(&mut stopping), if !is_ending => {
                is_ending = true;
                connection.graceful_shutdown();
                end = Instant::now().checked_add(after(is_ending));
            }
            () = until(end) => {
                // Answers have clocks of their own, and so has what waits.
                let is_busy = !answers.is_empty() || lender.is_waiting();
                match (is_busy, is_ending, has_ended) {
                    (true, _, _) => {}
                    (false, false, _) => {
                        is_ending = true;
                        connection.graceful_shutdown();
                    }
                    // It has not answered, and the end may be all that it waits for.
                    (false, true, false) => {
                        has_ended = true;
                        connection.abrupt_shutdown(Reason::NO_ERROR);
                    }
                    (false, true, true) => return End::Abrupt,
                }
                end = Instant::now().checked_add(after(is_ending));
            }
        }
    }
}

/// Waits for the next request, while what answers have written leaves together.
fn poll_next<T>(
    connection: &mut Connection<Lent<T>, Part>,
    lender: &Lender<T>,
    cx: &mut Context<'_>,
) -> Poll<Result<Request, End>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    match connection.poll_accept(cx) {
        Poll::Ready(Some(Ok(request))) => Poll::Ready(Ok(request)),
        Poll::Ready(Some(Err(error))) => {
            log::debug!("HTTP/2 ends: {error}");
            // What the viewer did wrong it has been told, and shall be able to read.
            let end = if error.is_io() {
                End::Abrupt
            } else {
                End::Orderly
            };
            Poll::Ready(Err(end))
        }
        Poll::Ready(None) => Poll::Ready(Err(End::Orderly)),
        Poll::Pending => match lender.poll_flush(cx) {
            Poll::Ready(Err(error)) => {
                log::debug!("HTTP/2 ends: {error}");
                Poll::Ready(Err(End::Abrupt))
            }
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        },
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

/// Waits until the service ends.
async fn has_stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that nobody can say so any more, which is an end too.
    let _ = stopping.wait_for(|stop| *stop).await;
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
    mut respond: SendResponse<Part>,
    peer: Option<SocketAddr>,
    worker: Rc<Worker>,
    limits: ViewerLimits,
) -> Became {
    let turn = Rc::new(Turn::default());
    // The body is kept, unread, until there is an answer: then the viewer is told to keep it.
    let (head, unread) = request.into_parts();
    let mut request = match as_request(&head, unread.is_end_stream()) {
        Ok(request) => request,
        Err(NoRequest::Malformed) => {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return Became::Nothing;
        }
        Err(NoRequest::Bad) => {
            let mut bad = http::Response::new(());
            *bad.status_mut() = http::StatusCode::BAD_REQUEST;
            // An error means that nobody waits for it.
            let _ = respond.send_response(bad, true);
            return Became::Nothing;
        }
    };
    request.head_mut().peer_addr = peer;
    request.extensions_mut().insert(Rc::clone(&turn));
    let is_head = *request.method() == Method::HEAD;
    let response = tokio::select! {
        // A request that came is told of, also if it is given up already.
        biased;
        // It has no error.
        Ok(response) = entry(request, worker) => response,
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return Became::GivenUp,
        else => return Became::GivenUp,
    };
    let (response, body) = response.into_parts();
    let size = if is_head { 0 } else { length_of(&body) };
    match respond.send_response(as_head(&response, &body), size == 0) {
        Ok(stream) if size > 0 => send(stream, body, size, &turn, limits).await,
        Ok(_) => {}
        Err(error) => log::debug!("an answer without a viewer: {error}"),
    }
    Became::Answered
}
