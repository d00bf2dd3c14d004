//! The HTTP connections to S3.
//!
//! hyper reads ahead into buffers that grow to 400 KiB, and a viewer that reads nothing holds two of
//! them; the SDK's client cannot be told otherwise. This one reads in small pieces until the viewer
//! has shown that it reads (see [`pace`](super::pace)), and is otherwise the same: hyper's pooling
//! client over rustls with the system's root certificates. Where a proxy is configured the SDK's own
//! is used still, since it knows how to go through one.

use std::error::Error;
use std::io;
use std::sync::Arc;

use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;

use super::client::OriginTimeouts;
use super::pace::{PacedConnector, ReadFor};

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

/// How TLS to S3 is done: whom we trust.
#[derive(Clone)]
pub struct Trust {
    config: ClientConfig,
    has_roots: bool,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// The system's root certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Having none
    /// is no error, since an endpoint may speak plain HTTP.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn of_system() -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (usable, _) = roots.add_parsable_certificates(found.certs);
        if usable == 0 {
            let why = found.errors;
            log::warn!("no root certificates are found, so no https endpoint is trusted: {why:?}");
        }
        Self::in_roots(roots)
    }

    /// These authorities and no others.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn in_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let has_roots = !roots.is_empty();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config, has_roots })
    }

    /// Whether anyone is trusted at all.
    #[must_use]
    pub const fn has_roots(&self) -> bool {
        self.has_roots
    }

    /// The same for other clients of this process.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        self.config.clone()
    }
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
    let mut tcp = TcpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(timeouts.connect));
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(trust.config.clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(PacedConnector::new(tcp, read_for));
    let client = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(most_idle)
        .build(https);
    SharedHttpConnector::new(Pooled { client, timeouts })
}

/// hyper's client in the SDK's terms.
#[derive(Debug, Clone)]
struct Pooled {
    client: Client<HttpsConnector<PacedConnector>, SdkBody>,
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

/// The first error of this type among an error and its causes.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref())
}
