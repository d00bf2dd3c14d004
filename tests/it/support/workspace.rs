//! A STAND-IN for a Databricks workspace: no workspace can be reached from tests.
//!
//! It answers as the public documentation and Databricks' own clients say that a workspace does, and shares
//! no code with what it tests:
//!
//! - files, `/api/2.0/fs/files{path}`: GET with `Range` and `If-Unmodified-Since` (412 if newer), HEAD;
//!   answers have `content-length`, `content-type` and `last-modified`, and no entity tag
//!   (<https://docs.databricks.com/api/workspace/files>, `databricks/sdk/mixins/files.py` of
//!   databricks-sdk-py);
//! - directories, `/api/2.0/fs/directories{path}`: `page_size`, `page_token`, `contents`, `next_page_token`
//!   (<https://docs.databricks.com/api/workspace/files/listdirectorycontents>);
//! - tokens, `POST /oidc/v1/token` with client credentials as Basic authentication
//!   (<https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m>);
//! - errors as JSON with `error_code` and `message`, none to HEAD; 429 with `Retry-After`; 401 for a
//!   token that has expired (`databricks/sdk/errors/platform.py`); a redirect to `/login.html` where it
//!   wants a person (`databricks/sdk/errors/private_link.py`), or the page itself.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3reel::storage::databricks::{
    Credentials, DatabricksConfig, DatabricksConnection, Secret, VolumePath, WorkspaceUrl,
};
use s3reel::storage::http::{OriginTimeouts, Trust};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// The volume that it has.
pub const VOLUME: &str = "/Volumes/main/media/films";

/// The service principal that may read it.
pub const CLIENT_ID: &str = "3f1c0e8a-stand-in";
/// Its secret.
pub const CLIENT_SECRET: &str = "dose-stand-in-secret";
/// A personal access token that may as well.
pub const PERSONAL_TOKEN: &str = "dapi-stand-in-token";

type Answer = Response<BoxBody<Bytes, std::io::Error>>;

/// A file in the volume.
#[derive(Clone)]
struct File {
    bytes: Bytes,
    /// Seconds since 1970.
    modified: u64,
    content_type: String,
}

/// What the next answer about files does instead of what it should.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// 200 with an HTML page.
    SignInPage,
    /// The same without its type.
    UntypedPage,
    /// A redirect to one.
    Redirect,
    /// This status with this code.
    Error(u16, &'static str),
    /// 429 with `Retry-After`.
    RateLimit(u64),
    /// An HTML error page of some proxy.
    ProxyPage(u16),
    /// The body ends after so many bytes, with its connection.
    CutAfter(usize),
    /// `If-Unmodified-Since` is ignored.
    Unconditional,
    /// `Range` is ignored.
    Rangeless,
    /// A field has this value.
    Field(&'static str, &'static str),
    /// The head comes, and of the body nothing ever.
    Silent,
    /// Nothing comes, ever.
    NoAnswer,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Its fields.
    pub fields: HeaderMap,
}

impl Seen {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(|value| value.to_str().ok())
    }
}

struct State {
    files: BTreeMap<String, File>,
    /// Tokens that were given out, and until when they are good.
    tokens: BTreeMap<String, std::time::Instant>,
    tokens_given: usize,
    token_lifetime: Duration,
    /// Whether the token endpoint refuses its client.
    refuses_client: bool,
    troubles: VecDeque<Trouble>,
    token_troubles: VecDeque<Trouble>,
    page: usize,
    seen: Vec<Seen>,
    puts: u64,
    connections: usize,
}

/// A running stand-in. Dropping it cuts what is open.
pub struct Workspace {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Workspace {
    /// Starts one with an empty volume.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            files: BTreeMap::new(),
            tokens: BTreeMap::new(),
            tokens_given: 0,
            token_lifetime: Duration::from_hours(1),
            refuses_client: false,
            troubles: VecDeque::new(),
            token_troubles: VecDeque::new(),
            page: 1000,
            seen: Vec::new(),
            puts: 0,
            connections: 0,
        }));
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            task,
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().expect("nobody panicked"))
    }

    /// Puts a file that has been left alone for an hour. Each that is put is a second younger.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let puts = self.with(|state| {
            state.puts += 1;
            state.puts
        });
        self.put_at(key, bytes, now() - 3600 + puts.min(3000));
    }

    /// Puts a file that was changed at this second.
    pub fn put_at(&self, key: &str, bytes: impl Into<Bytes>, modified: u64) {
        self.put_as(key, bytes, modified, "application/octet-stream");
    }

    /// Puts a file of a type.
    pub fn put_as(&self, key: &str, bytes: impl Into<Bytes>, modified: u64, content_type: &str) {
        let file = File {
            bytes: bytes.into(),
            modified,
            content_type: content_type.to_owned(),
        };
        self.with(|state| state.files.insert(format!("{VOLUME}/{key}"), file));
    }

    /// Takes a file away.
    pub fn remove(&self, key: &str) {
        self.with(|state| state.files.remove(&format!("{VOLUME}/{key}")));
    }

    /// The next answer about files is in trouble.
    pub fn trouble(&self, trouble: Trouble) {
        self.with(|state| state.troubles.push_back(trouble));
    }

    /// The next answer of the token endpoint is in trouble.
    pub fn token_trouble(&self, trouble: Trouble) {
        self.with(|state| state.token_troubles.push_back(trouble));
    }

    /// Tokens live so long from now on.
    pub fn token_lifetime(&self, lifetime: Duration) {
        self.with(|state| state.token_lifetime = lifetime);
    }

    /// No token that was given out is good any more.
    pub fn revoke_tokens(&self) {
        self.with(|state| state.tokens.clear());
    }

    /// The service principal's secret is wrong from now on.
    pub fn refuse_client(&self) {
        self.with(|state| state.refuses_client = true);
    }

    /// How many tokens were given out.
    pub fn tokens_given(&self) -> usize {
        self.with(|state| state.tokens_given)
    }

    /// Pages of listings have so many entries at most.
    pub fn page(&self, entries: usize) {
        self.with(|state| state.page = entries);
    }

    /// What came, but for requests for tokens.
    pub fn seen(&self) -> Vec<Seen> {
        self.with(|state| state.seen.clone())
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.with(|state| state.connections)
    }

    /// A connection to its volume as its service principal.
    pub fn connection(&self) -> DatabricksConnection {
        self.connection_with(|_| {})
    }

    /// The same with a change.
    pub fn connection_with(
        &self,
        change: impl FnOnce(&mut DatabricksConfig),
    ) -> DatabricksConnection {
        let secret = |text| Secret::parse(text).expect("a secret");
        let host = WorkspaceUrl::parse(&format!("http://{}", self.address));
        let mut config = DatabricksConfig {
            host: host.expect("an address"),
            volume: VolumePath::parse(VOLUME).expect("a volume"),
            credentials: Credentials::Client {
                id: secret(CLIENT_ID),
                secret: secret(CLIENT_SECRET),
            },
            timeouts: OriginTimeouts::default(),
            most_idle: usize::MAX,
        };
        change(&mut config);
        DatabricksConnection::new(config, Trust::of_system().expect("TLS"))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a connection");
                let _ = stream.set_nodelay(true);
                let state = Arc::clone(&state);
                connections.spawn(async move {
                    let count = |by: isize| {
                        let mut state = state.lock().expect("nobody panicked");
                        state.connections = state.connections.saturating_add_signed(by);
                    };
                    count(1);
                    let service = service_fn(|request| {
                        let state = Arc::clone(&state);
                        async move { Ok::<_, Infallible>(respond(request, &state).await) }
                    });
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                    count(-1);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn respond(request: Request<Incoming>, state: &Mutex<State>) -> Answer {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let Some(answer) = answered(&parts, &body, state) else {
        return std::future::pending().await;
    };
    answer
}

/// An answer, or none at all.
fn answered(parts: &Parts, body: &[u8], state: &Mutex<State>) -> Option<Answer> {
    let mut state = state.lock().expect("nobody panicked");
    let path = decoded(parts.uri.path());
    if path == "/oidc/v1/token" {
        return Some(token(&mut state, &parts.method, &parts.headers, body));
    }
    state.seen.push(Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        fields: parts.headers.clone(),
    });
    let is_head = parts.method == Method::HEAD;
    let trouble = state.troubles.pop_front();
    if matches!(trouble, Some(Trouble::NoAnswer)) {
        return None;
    }
    if let Some(answer) = trouble
        .as_ref()
        .and_then(|trouble| in_place(trouble, is_head))
    {
        return Some(answer);
    }
    if !may_read(&state, &parts.headers) {
        let message = "Credential was not sent or was of an unsupported type for this API.";
        return Some(error(401, &json!(401), message, is_head));
    }
    let mut answer = if let Some(path) = path.strip_prefix("/api/2.0/fs/files") {
        file(
            &state,
            &parts.method,
            path,
            &parts.headers,
            trouble.as_ref(),
        )
    } else if let Some(path) = path.strip_prefix("/api/2.0/fs/directories") {
        directory(&state, path, parts.uri.query().unwrap_or_default())
    } else {
        error(
            404,
            &json!("ENDPOINT_NOT_FOUND"),
            "No API found for this path",
            is_head,
        )
    };
    if let Some(Trouble::Field(name, value)) = trouble {
        let name: HeaderName = name.parse().expect("a name");
        answer
            .headers_mut()
            .insert(name, value.parse().expect("a value"));
    }
    Some(answer)
}

/// An answer that has nothing to do with what was asked.
fn in_place(trouble: &Trouble, is_head: bool) -> Option<Answer> {
    const PAGE: &str = "<!doctype html><html><title>Sign in to Databricks</title></html>";
    let html = |status: u16| {
        let answer = Response::builder()
            .status(status)
            .header("content-type", "text/html; charset=utf-8");
        answer
            .body(full(if is_head { "" } else { PAGE }))
            .expect("an answer")
    };
    match trouble {
        Trouble::SignInPage => Some(html(200)),
        Trouble::UntypedPage => {
            let mut answer = html(200);
            answer.headers_mut().remove("content-type");
            Some(answer)
        }
        Trouble::ProxyPage(status) => Some(html(*status)),
        Trouble::Redirect => {
            let mut answer = html(303);
            let place = "/login.html?error=private-link-validation-error".parse();
            answer
                .headers_mut()
                .insert("location", place.expect("a value"));
            Some(answer)
        }
        Trouble::Error(status, code) => Some(error(*status, &json!(code), "in trouble", is_head)),
        Trouble::RateLimit(seconds) => {
            let code = json!("REQUEST_LIMIT_EXCEEDED");
            let mut answer = error(429, &code, "Too many requests", is_head);
            answer
                .headers_mut()
                .insert("retry-after", (*seconds).into());
            Some(answer)
        }
        _ => None,
    }
}

fn token(state: &mut State, method: &Method, fields: &HeaderMap, body: &[u8]) -> Answer {
    if let Some(answer) = state
        .token_troubles
        .pop_front()
        .and_then(|trouble| in_place(&trouble, false))
    {
        return answer;
    }
    let oauth_error = |status: u16, error: &str| {
        let body = json!({ "error": error, "error_description": "stand-in" });
        json_answer(status, &body)
    };
    // `echo -n 3f1c0e8a-stand-in:dose-stand-in-secret | base64`
    let basic = "Basic M2YxYzBlOGEtc3RhbmQtaW46ZG9zZS1zdGFuZC1pbi1zZWNyZXQ=";
    let is_client = fields
        .get("authorization")
        .is_some_and(|value| value == basic);
    if *method != Method::POST || state.refuses_client || !is_client {
        return oauth_error(401, "invalid_client");
    }
    let is_form = fields
        .get("content-type")
        .is_some_and(|value| value == "application/x-www-form-urlencoded");
    if !is_form || body != b"grant_type=client_credentials&scope=all-apis" {
        return oauth_error(400, "invalid_request");
    }
    state.tokens_given += 1;
    let token = format!("eyJ.stand-in.{}", state.tokens_given);
    let end = std::time::Instant::now() + state.token_lifetime;
    state.tokens.insert(token.clone(), end);
    let body = json!({
        "access_token": token,
        "scope": "all-apis",
        "token_type": "Bearer",
        "expires_in": state.token_lifetime.as_secs(),
    });
    json_answer(200, &body)
}

fn may_read(state: &State, fields: &HeaderMap) -> bool {
    let value = fields
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let token = value
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let end = state.tokens.get(token);
    token == PERSONAL_TOKEN || end.is_some_and(|end| *end > std::time::Instant::now())
}

fn file(
    state: &State,
    method: &Method,
    path: &str,
    fields: &HeaderMap,
    trouble: Option<&Trouble>,
) -> Answer {
    let is_head = method == Method::HEAD;
    let Some(file) = state.files.get(path) else {
        return error(
            404,
            &json!("NOT_FOUND"),
            "The file being accessed is not found.",
            is_head,
        );
    };
    let text = |name| {
        fields
            .get(name)
            .and_then(|value: &hyper::header::HeaderValue| value.to_str().ok())
    };
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(file.modified);
    let since = text("if-unmodified-since").and_then(|date| httpdate::parse_http_date(date).ok());
    let is_conditional = !matches!(trouble, Some(Trouble::Unconditional));
    if is_conditional && since.is_some_and(|since| modified > since) {
        return error(
            412,
            &json!("FAILED_PRECONDITION"),
            "The file was modified.",
            is_head,
        );
    }
    let length = file.bytes.len();
    let is_ranged = !is_head && !matches!(trouble, Some(Trouble::Rangeless));
    let part = text("range")
        .filter(|_| is_ranged)
        .map(|range| part(range, length));
    let mut answer = Response::builder()
        .header("content-type", &file.content_type)
        .header("last-modified", httpdate::fmt_http_date(modified));
    let bytes = match part {
        Some(None) => {
            return error(
                416,
                &json!("INVALID_PARAMETER_VALUE"),
                "The range is not satisfiable.",
                is_head,
            );
        }
        Some(Some((first, last))) => {
            answer = answer
                .status(206)
                .header("content-range", format!("bytes {first}-{last}/{length}"));
            file.bytes.slice(first..=last)
        }
        None => file.bytes.clone(),
    };
    answer = answer.header("content-length", bytes.len());
    let body = match trouble {
        _ if is_head => full(""),
        Some(Trouble::CutAfter(most)) => broken(bytes.slice(..bytes.len().min(*most))),
        Some(Trouble::Silent) => silent(),
        _ => full(bytes),
    };
    answer.body(body).expect("an answer")
}

/// First and last byte of a range of one of the three forms.
fn part(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1)?;
    let (first, last) = match (first, last) {
        ("", count) => {
            let count: usize = count.parse().ok().filter(|&count| count > 0)?;
            (length.saturating_sub(count), end)
        }
        (first, "") => (first.parse().ok()?, end),
        (first, last) => (first.parse().ok()?, end.min(last.parse().ok()?)),
    };
    (first <= last).then_some((first, last))
}

fn directory(state: &State, path: &str, query: &str) -> Answer {
    let field = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| decoded(value))
    };
    let folder = format!("{}/", path.trim_end_matches('/'));
    // What lies below, rolled up at the next slash.
    let mut entries: BTreeMap<String, Option<&File>> = BTreeMap::new();
    for (path, file) in &state.files {
        if let Some(rest) = path.strip_prefix(&folder) {
            match rest.split_once('/') {
                Some((name, _)) => entries.insert(name.to_owned(), None),
                None => entries.insert(rest.to_owned(), Some(file)),
            };
        }
    }
    if entries.is_empty() && folder != format!("{VOLUME}/") {
        return error(
            404,
            &json!("NOT_FOUND"),
            "The directory being accessed is not found.",
            false,
        );
    }
    let size = field("page_size")
        .and_then(|size| size.parse().ok())
        .unwrap_or(1000);
    let size = state.page.min(size);
    let skip = match field("page_token") {
        None => 0,
        Some(token) => match token
            .strip_prefix("next/+&=")
            .and_then(|skip| skip.parse().ok())
        {
            Some(skip) => skip,
            None => {
                return error(
                    400,
                    &json!("INVALID_PARAMETER_VALUE"),
                    "Invalid page token.",
                    false,
                );
            }
        },
    };
    let contents: Vec<Value> = entries
        .iter()
        .skip(skip)
        .take(size)
        .map(|(name, file)| match file {
            Some(file) => json!({
                "path": format!("{folder}{name}"), "name": name, "is_directory": false,
                "file_size": file.bytes.len(), "last_modified": file.modified * 1000 + 7,
            }),
            None => json!({
                "path": format!("{folder}{name}/"), "name": name, "is_directory": true,
                "last_modified": 0,
            }),
        })
        .collect();
    let mut body = json!({});
    if !contents.is_empty() {
        body["contents"] = Value::Array(contents);
    }
    if entries.len() > skip + size {
        body["next_page_token"] = json!(format!("next/+&={}", skip + size));
    }
    json_answer(200, &body)
}

/// Percent-decoding, once.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte == b'%' {
            let digits = std::str::from_utf8(&after[..2]).expect("digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("digits"));
            rest = &after[2..];
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn error(status: u16, code: &Value, message: &str, is_head: bool) -> Answer {
    if is_head {
        let mut answer = Response::new(full(""));
        *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
        return answer;
    }
    json_answer(status, &json!({ "error_code": code, "message": message }))
}

fn json_answer(status: u16, body: &Value) -> Answer {
    let answer = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    answer.body(full(body.to_string())).expect("an answer")
}

fn full(bytes: impl Into<Bytes>) -> BoxBody<Bytes, std::io::Error> {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed()
}

/// Bytes, and when they have been sent the end of the connection.
fn broken(bytes: Bytes) -> BoxBody<Bytes, std::io::Error> {
    // What is sent is flushed when the body has nothing at the moment; an error at once would come first.
    const TURNS: usize = 100;
    let mut bytes = Some(bytes);
    let mut turns = 0;
    let pieces = Pieces(move |cx: &mut Context<'_>| {
        if let Some(bytes) = bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        turns += 1;
        if turns < TURNS {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())))
    });
    http_body_util::BodyExt::boxed(StreamBody::new(pieces))
}

/// Nothing, for ever.
fn silent() -> BoxBody<Bytes, std::io::Error> {
    let pieces = Pieces(|_: &mut Context<'_>| Poll::Pending);
    http_body_util::BodyExt::boxed(StreamBody::new(pieces))
}

type Piece = Result<Frame<Bytes>, std::io::Error>;

struct Pieces<F>(F);

impl<F> Stream for Pieces<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<Piece>> + Unpin,
{
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        (self.0)(cx)
    }
}
