//! A client that knows its connections: which one a request went out on, whether the server kept it,
//! and that leaving in the midst of a body closes it.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, LOCATION};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::task::AbortHandle;
use tokio::time::timeout_at;
use tower_service::Service as _;

use super::exchange::{Ask, End, Exchange, Reuse};
use super::limits::Spending;
use super::target::MediaUrl;
use crate::storage::s3::connector::Trust;

/// Most redirects that are followed, as in browsers.
const MAX_REDIRECTS: usize = 20;

/// Longest head of an answer in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Most of a redirect's body that is read to keep its connection.
const REDIRECT_BYTES: u64 = 16 * 1024;

const TIME_IS_OVER: &str = "the time of the check is over";

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    /// No connection: name, route, port or TLS.
    Unreachable(String),
    /// A connection, but nothing that is HTTP/1.1, or none at all in time.
    NoAnswer(String),
    /// A redirect that leads nowhere.
    Redirect(String),
    /// Our own bounds, in words.
    Limit(&'static str),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "no connection: {why}"),
            Self::NoAnswer(why) => write!(f, "no answer of HTTP: {why}"),
            Self::Redirect(why) => write!(f, "the redirect leads nowhere: {why}"),
            Self::Limit(why) => write!(f, "not asked: {why}"),
        }
    }
}

impl Error for AskError {}

/// One visitor of one address: at most one connection at a time.
pub struct Visitor<'a> {
    connector: HttpsConnector<HttpConnector>,
    spending: &'a mut Spending,
    connection: Option<Connection>,
    /// The server closed the connection before.
    lost: bool,
}

/// A connection of HTTP/1.1. Dropping it closes it, in the midst of a body too.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: AbortHandle,
    /// Scheme and authority.
    origin: String,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A connector for visitors; none of them goes through a proxy, as the server itself is checked.
#[must_use]
pub fn connector(trust: &Trust) -> HttpsConnector<HttpConnector> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    HttpsConnectorBuilder::new()
        .with_tls_config(trust.client_config())
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp)
}

impl<'a> Visitor<'a> {
    /// A visitor without a connection.
    pub fn new(connector: &HttpsConnector<HttpConnector>, spending: &'a mut Spending) -> Self {
        Self {
            connector: connector.clone(),
            spending,
            connection: None,
            lost: false,
        }
    }

    /// What is spent so far.
    #[must_use]
    pub const fn spending(&self) -> &Spending {
        self.spending
    }

    /// Asks, follows redirects, and reads as much of the body as is wanted. Dropping the future
    /// closes the connection.
    ///
    /// # Errors
    /// [`AskError`] when there is no answer. A body that breaks off is none: see [`End`].
    pub async fn ask(&mut self, url: &MediaUrl, ask: &Ask) -> Result<Exchange, AskError> {
        let mut url = url.clone();
        for redirects in 0..=MAX_REDIRECTS {
            let (response, reuse) = self.send(&url, ask).await?;
            let location = response.headers().get(LOCATION).cloned();
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let Some(location) = location.filter(|_| is_redirect) else {
                return Ok(self.read(url, redirects, ask, response, reuse).await);
            };
            let text = String::from_utf8_lossy(location.as_bytes());
            let next = url.join(&text);
            let next = next.map_err(|error| {
                AskError::Redirect(format!("{} {error}", location.as_bytes().escape_ascii()))
            })?;
            let short = Ask {
                read: REDIRECT_BYTES,
                ..ask.clone()
            };
            self.read(url, redirects, &short, response, reuse).await;
            url = next;
        }
        Err(AskError::Redirect(format!(
            "there are more than {MAX_REDIRECTS}"
        )))
    }

    /// The head of the answer to one request.
    async fn send(
        &mut self,
        url: &MediaUrl,
        ask: &Ask,
    ) -> Result<(Response<Incoming>, Reuse), AskError> {
        self.count()?;
        let origin = format!("{}{}", url.is_secure(), url.authority());
        if let Some(mut kept) = self.connection.take().filter(|kept| kept.origin == origin) {
            match self.exchange(&mut kept, url, ask).await {
                Ok(response) => {
                    self.connection = Some(kept);
                    return Ok((response, Reuse::Kept));
                }
                // The server closed it after its last answer. Players ask again on a new one.
                Err(Failure::Closed(_)) => {
                    self.lost = true;
                    self.count()?;
                }
                Err(Failure::Other(error)) => return Err(error),
            }
        }
        let reuse = if std::mem::take(&mut self.lost) {
            Reuse::Lost
        } else {
            Reuse::New
        };
        let mut connection = self.connect(url, origin).await?;
        let response = self.exchange(&mut connection, url, ask).await;
        let response = response.map_err(|failure| match failure {
            Failure::Closed(why) => AskError::NoAnswer(why),
            Failure::Other(error) => error,
        })?;
        self.connection = Some(connection);
        Ok((response, reuse))
    }

    fn count(&mut self) -> Result<(), AskError> {
        if self.spending.is_over() {
            return Err(AskError::Limit(TIME_IS_OVER));
        }
        let may = self.spending.take_request();
        let limit = AskError::Limit("the check has asked all that it may");
        may.then_some(()).ok_or(limit)
    }

    async fn connect(&mut self, url: &MediaUrl, origin: String) -> Result<Connection, AskError> {
        let until = self.spending.until(self.spending.limits().connect);
        let to = url.connect_to();
        let to = to.ok_or_else(|| AskError::Unreachable("no address".to_owned()))?;
        let stream = timeout_at(until, self.connector.call(to)).await;
        let stream = stream
            .map_err(|_| {
                self.over(AskError::Unreachable(
                    "it does not stand in time".to_owned(),
                ))
            })?
            .map_err(|error| AskError::Unreachable(chain(error.as_ref())))?;
        let made = http1::Builder::new()
            .title_case_headers(true)
            .max_header_size(MAX_HEAD_BYTES)
            .handshake(stream)
            .await;
        let (sender, driver) = made.map_err(|error| AskError::NoAnswer(chain(&error)))?;
        let driver = tokio::spawn(async move {
            // What goes wrong is told to whoever asks.
            let _ = driver.await;
        });
        Ok(Connection {
            sender,
            driver: driver.abort_handle(),
            origin,
        })
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        url: &MediaUrl,
        ask: &Ask,
    ) -> Result<Response<Incoming>, Failure> {
        let no_answer = |why: String| Failure::Other(AskError::NoAnswer(why));
        let target = url.request_target();
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(target.ok_or_else(|| no_answer("no target".to_owned()))?)
            .header(HOST, url.authority());
        for (name, value) in &ask.fields {
            request = request.header(*name, value);
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|error| no_answer(error.to_string()))?;
        let until = self.spending.until(self.spending.limits().silence);
        let answer = async {
            let closed = |error: hyper::Error| {
                let told = chain(&error);
                if error.is_parse() {
                    no_answer(told)
                } else {
                    Failure::Closed(told)
                }
            };
            connection.sender.ready().await.map_err(closed)?;
            let answer = connection.sender.send_request(request);
            answer.await.map_err(closed)
        };
        let answer = timeout_at(until, answer).await;
        answer.unwrap_or_else(|_| {
            let error = AskError::NoAnswer(self.silence());
            Err(Failure::Other(self.over(error)))
        })
    }

    /// Our own limit where that is what ended it.
    fn over(&self, error: AskError) -> AskError {
        if self.spending.is_over() {
            AskError::Limit(TIME_IS_OVER)
        } else {
            error
        }
    }

    /// Reads the body as far as it is wanted, and gives the connection up if there is more.
    async fn read(
        &mut self,
        url: MediaUrl,
        redirects: usize,
        ask: &Ask,
        response: Response<Incoming>,
        reuse: Reuse,
    ) -> Exchange {
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        let end = loop {
            let wanted = ask.read.saturating_sub(length(&bytes));
            if wanted == 0 && ask.read > 0 && !body.is_end_stream() {
                break End::Left;
            }
            let until = self.spending.until(self.spending.limits().silence);
            let frame = match timeout_at(until, body.frame()).await {
                Err(_) => break End::Broken(self.silence()),
                Ok(None) => break End::Complete,
                Ok(Some(Err(error))) => break End::Broken(chain(&error)),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            self.spending.count_bytes(length(&data));
            let taken = usize::try_from(wanted)
                .unwrap_or(usize::MAX)
                .min(data.len());
            bytes.extend(data.iter().take(taken));
            if taken < data.len() {
                break End::Left;
            }
        };
        if end != End::Complete {
            self.connection = None;
        }
        Exchange {
            asked: ask.told(&url),
            url,
            redirects,
            status: head.status,
            headers: head.headers,
            body: bytes,
            end,
            reuse,
        }
    }

    fn silence(&self) -> String {
        format!("silence for {} s", self.spending.limits().silence.as_secs())
    }
}

/// Why a connection gave no answer.
enum Failure {
    /// It was closed before a head had come.
    Closed(String),
    /// It stays open, or what came is no HTTP.
    Other(AskError),
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// An error with its causes, each once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut told = String::new();
    for error in std::iter::successors(Some(error), |&error| error.source()) {
        let text = error.to_string();
        if !told.contains(&text) {
            if !told.is_empty() {
                told.push_str(": ");
            }
            told.push_str(&text);
        }
    }
    told
}
