//! Connections to an origin, kept and used again.

use std::error::Error;
use std::io;

use bytes::Buf;
use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::pace::{PacedConnector, ReadFor};
use super::{OriginTimeouts, Trust};
use crate::storage::error::{BadAnswer, ReadErrorKind};

/// hyper's client over rustls, whose answers are read at the pace of [`pace`](super::pace).
pub type PooledClient<B> = Client<HttpsConnector<PacedConnector>, B>;

/// A client with a pool of its own, for the runtime that first uses it, that keeps at most so many idle
/// connections. Of the time limits only that for connecting is kept by it.
#[must_use]
pub fn pooled_client<B>(
    trust: &Trust,
    timeouts: OriginTimeouts,
    read_for: ReadFor,
    most_idle: usize,
) -> PooledClient<B>
where
    B: Body + Send,
    B::Data: Buf + Send,
{
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timeouts.connect));
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(trust.client_config())
        .https_or_http()
        .enable_http1()
        .wrap_connector(PacedConnector::new(tcp, read_for));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(most_idle)
        .build(https)
}

/// What kind of failure it is that a request had no answer.
#[must_use]
pub fn failure(error: &hyper_util::client::legacy::Error) -> ReadErrorKind {
    let io: Option<&io::Error> = cause(error);
    let hyper: Option<&hyper::Error> = cause(error);
    if io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut) {
        ReadErrorKind::TimedOut
    } else if hyper.is_some_and(hyper::Error::is_parse) {
        ReadErrorKind::BadAnswer(BadAnswer::Malformed)
    } else {
        ReadErrorKind::Unreachable
    }
}

/// The first error of this type among an error and its causes.
#[must_use]
pub fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref())
}
