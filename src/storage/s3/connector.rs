//! The HTTP connections to S3.
//!
//! hyper reads ahead into buffers that grow to 400 KiB, and a viewer that reads nothing holds two of
//! them; the SDK's client cannot be told otherwise. This one reads in small pieces until the viewer
//! has shown that it reads (see [`pace`](crate::storage::http::pace)), and is otherwise the same: hyper's pooling
//! client over rustls with the system's root certificates. Where a proxy is configured the SDK's own
//! is used still, since it knows how to go through one.

use std::io;

use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use tokio::time::timeout;

use crate::storage::http::pool::{PooledClient, cause, pooled_client};
use crate::storage::http::{OriginTimeouts, ReadFor};

pub use crate::storage::http::Trust;

/// Where the SDK looks for proxies.
const PROXY_VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Whether the environment names a proxy.
#[must_use]
pub fn proxy_is_configured() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    PROXY_VARIABLES.into_iter().any(is_set)
}

/// A client with a pool of its own, for the runtime that first uses it.
#[must_use]
pub fn http_client(
    trust: &Trust,
    timeouts: OriginTimeouts,
    read_for: ReadFor,
    most_idle: usize,
) -> SharedHttpClient {
    let connector = pooled(trust, timeouts, read_for, most_idle);
    http_client_fn(move |_, _| connector.clone())
}

/// A client for the sources of credentials, which have time limits of their own and are asked too
/// rarely for a pool. The SDK's own panics where there are no root certificates, although its
/// sources speak plain HTTP.
#[must_use]
pub fn http_client_for_credentials(trust: Trust) -> SharedHttpClient {
    let default = OriginTimeouts::default();
    http_client_fn(move |settings, _| {
        let timeouts = OriginTimeouts {
            connect: settings.connect_timeout().unwrap_or(default.connect),
            first_byte: settings.read_timeout().unwrap_or(default.first_byte),
            ..default
        };
        pooled(&trust, timeouts, ReadFor::Viewer, usize::MAX)
    })
}

fn pooled(
    trust: &Trust,
    timeouts: OriginTimeouts,
    read_for: ReadFor,
    most_idle: usize,
) -> SharedHttpConnector {
    let client = pooled_client(trust, timeouts, read_for, most_idle);
    SharedHttpConnector::new(Pooled { client, timeouts })
}

/// hyper's client in the SDK's terms.
#[derive(Debug, Clone)]
struct Pooled {
    client: PooledClient<SdkBody>,
    timeouts: OriginTimeouts,
}

impl HttpConnector for Pooled {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        // The TLS handshake counts against the first byte; the TCP one has its own limit as well.
        let answer = timeout(self.timeouts.first_byte, self.client.request(request));
        HttpConnectorFuture::new(async move {
            let answer = answer
                .await
                .map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?
                .map_err(connector_error)?;
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// What the SDK has to know about a failure: whether it was one of time or of the connection.
fn connector_error(error: hyper_util::client::legacy::Error) -> ConnectorError {
    let io: Option<&io::Error> = cause(&error);
    let hyper: Option<&hyper::Error> = cause(&error);
    let is_timeout = io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut);
    let is_gone = hyper.is_some_and(|hyper| hyper.is_closed() || hyper.is_canceled());
    let is_cut = hyper.is_some_and(hyper::Error::is_incomplete_message);
    if is_timeout {
        ConnectorError::timeout(error.into())
    } else if error.is_connect() || io.is_some() || is_gone {
        ConnectorError::io(error.into())
    } else {
        ConnectorError::other(error.into(), is_cut.then_some(ErrorKind::TransientError))
    }
}
