//! Requests to a workspace.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use super::address::{VolumePath, WorkspaceUrl};
use super::credentials::{Credentials, Secret};
use super::error::{Call, refused};
use super::tokens::{Token, Tokens, no_grant, parse_grant};
use crate::storage::error::{ReadError, ReadErrorKind};
use crate::storage::http::pool::{PooledClient, failure, pooled_client};
use crate::storage::http::{OriginTimeouts, ReadFor, Trust};

/// A volume, and how it is reached.
#[derive(Debug, Clone)]
pub struct DatabricksConfig {
    /// The workspace.
    pub host: WorkspaceUrl,
    /// The volume, or a folder in it, whose files are objects.
    pub volume: VolumePath,
    /// What is shown to it.
    pub credentials: Credentials,
    /// Time limits.
    pub timeouts: OriginTimeouts,
    /// Idle connections that each client keeps; `usize::MAX` for no bound.
    pub most_idle: usize,
}

/// Everything needed to make clients: shared by all workers, so that a token is fetched once and not
/// by each of them.
#[derive(Debug, Clone)]
pub struct DatabricksConnection {
    config: Arc<DatabricksConfig>,
    tokens: Arc<Tokens>,
    trust: Trust,
}

impl DatabricksConnection {
    /// A connection to a volume. Nothing is sent yet.
    #[must_use]
    pub fn new(config: DatabricksConfig, trust: Trust) -> Self {
        let tokens = match &config.credentials {
            Credentials::Token(token) => Tokens::fixed(token),
            Credentials::Client { .. } => Tokens::default(),
        };
        Self {
            config: Arc::new(config),
            tokens: Arc::new(tokens),
            trust,
        }
    }

    /// A client with connections of its own, which the runtime drives that first uses it: each worker
    /// has one.
    #[must_use]
    pub fn client(&self, read_for: ReadFor) -> DatabricksClient {
        DatabricksClient {
            http: pooled_client(
                &self.trust,
                self.config.timeouts,
                read_for,
                self.config.most_idle,
            ),
            connection: self.clone(),
        }
    }

    /// What it was made of.
    #[must_use]
    pub fn config(&self) -> &DatabricksConfig {
        &self.config
    }

    /// Where it goes, for the start-up line and as the origin's name in the cache.
    #[must_use]
    pub fn describe(&self) -> String {
        format!("{}{}", self.config.host, self.config.volume)
    }
}

/// Sends requests to one workspace.
#[derive(Debug, Clone)]
pub struct DatabricksClient {
    http: PooledClient<Full<Bytes>>,
    connection: DatabricksConnection,
}

/// A request without what all have.
#[derive(Debug)]
pub struct Asked<'a> {
    /// GET or HEAD.
    pub call: Call,
    /// Path and query.
    pub path: &'a str,
    /// Fields of this request.
    pub fields: Vec<(HeaderName, String)>,
    /// What it is, for the log.
    pub target: &'a str,
}

/// A token's answer has about a thousand bytes.
const MAX_GRANT_BYTES: usize = 64 * 1024;

impl DatabricksClient {
    /// What it is a client of.
    #[must_use]
    pub fn config(&self) -> &DatabricksConfig {
        &self.connection.config
    }

    /// Sends a request with a token and gives the answer's head, whatever its status. A token that is
    /// refused is renewed once. Takes no longer than all calls of one answer may. Dropping the future
    /// gives the request up.
    ///
    /// # Errors
    /// When there is no token or no answer, or the token is refused still.
    pub async fn ask(&self, asked: &Asked<'_>) -> Result<Response<Incoming>, ReadError> {
        let total = self.config().timeouts.total;
        match timeout(total, self.ask_with_token(asked)).await {
            Ok(answer) => answer,
            Err(_) => Err(ReadError::new(ReadErrorKind::TimedOut, asked.target)),
        }
    }

    async fn ask_with_token(&self, asked: &Asked<'_>) -> Result<Response<Incoming>, ReadError> {
        let tokens = &self.connection.tokens;
        let fetch = || self.fetch_token();
        let token = tokens.get(fetch).await?;
        let answer = self.send(asked, &token).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        match tokens.instead_of(&token, fetch).await? {
            Some(other) => self.send(asked, &other).await,
            None => Ok(answer),
        }
    }

    async fn send(
        &self,
        asked: &Asked<'_>,
        token: &Token,
    ) -> Result<Response<Incoming>, ReadError> {
        let method = if asked.call == Call::Head {
            Method::HEAD
        } else {
            Method::GET
        };
        let mut request = self
            .request(method, asked.path)
            // The bytes are wanted as they are stored.
            .header(ACCEPT_ENCODING, "identity")
            .header(AUTHORIZATION, token.field());
        for (name, value) in &asked.fields {
            request = request.header(name, value);
        }
        self.answer(request.body(Full::default()), asked.target)
            .await
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.config().host))
            .header(USER_AGENT, concat!("s3reel/", env!("CARGO_PKG_VERSION")))
    }

    async fn answer(
        &self,
        request: hyper::http::Result<Request<Full<Bytes>>>,
        target: &str,
    ) -> Result<Response<Incoming>, ReadError> {
        let request = request
            .map_err(|error| ReadError::new(ReadErrorKind::Internal, target).because(error))?;
        let limit = self.config().timeouts.first_byte;
        match timeout(limit, self.http.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(ReadError::new(failure(&error), target).because(error)),
            Err(_) => Err(ReadError::new(ReadErrorKind::TimedOut, target)),
        }
    }

    /// Asks for a token by OAuth client credentials
    /// (<https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m>).
    async fn fetch_token(&self) -> Result<Token, ReadError> {
        const TARGET: &str = "token";
        let (id, secret) = match &self.config().credentials {
            Credentials::Client { id, secret } => (id, secret),
            Credentials::Token(_) => {
                let error = ReadError::new(ReadErrorKind::Misconfigured, TARGET);
                return Err(error.because("DATABRICKS_TOKEN cannot be sent"));
            }
        };
        let request = self
            .request(Method::POST, "/oidc/v1/token")
            .header(AUTHORIZATION, basic(id, secret))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from("grant_type=client_credentials&scope=all-apis"));
        let answer = self.answer(request, TARGET).await?;
        let limit = self.config().timeouts.first_byte;
        if answer.status() != StatusCode::OK {
            return Err(refused(answer, Call::Token, TARGET.to_owned(), limit).await);
        }
        let body = read_bounded(answer.into_body(), MAX_GRANT_BYTES, limit).await;
        let body = body.map_err(|error| error.of(TARGET))?;
        log::debug!("a token was fetched");
        parse_grant(&body).ok_or_else(|| no_grant(TARGET.to_owned()))
    }
}

/// `Basic` credentials (RFC 7617).
fn basic(id: &Secret, secret: &Secret) -> HeaderValue {
    let pair = STANDARD.encode(format!("{}:{}", id.reveal(), secret.reveal()));
    // Base64 has no character that could not be sent.
    let mut value = HeaderValue::from_str(&format!("Basic {pair}"))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

/// Why a body was not read.
#[derive(Debug)]
pub enum BodyError {
    /// It is not there in time.
    TimedOut,
    /// It is longer than it may be, or broke off.
    Broken(Box<dyn Error + Send + Sync>),
}

impl BodyError {
    /// As a [`ReadError`].
    #[must_use]
    pub fn of(self, target: &str) -> ReadError {
        match self {
            Self::TimedOut => ReadError::new(ReadErrorKind::TimedOut, target),
            Self::Broken(error) => {
                ReadError::new(ReadErrorKind::Unreachable, target).because(error)
            }
        }
    }
}

/// Reads a body of at most so many bytes within so long.
///
/// # Errors
/// [`BodyError`].
pub async fn read_bounded(
    body: Incoming,
    most: usize,
    limit: Duration,
) -> Result<Bytes, BodyError> {
    match timeout(limit, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) => Err(BodyError::Broken(error)),
        Err(_) => Err(BodyError::TimedOut),
    }
}
