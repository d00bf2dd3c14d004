//! A client of HTTP/2 that shows answers as the one of HTTP/1.1 does.

use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream};
use tokio::task::JoinHandle;

use super::client::Response;
use super::in_time;
use super::tls::Identity;

/// One connection.
pub struct Http2 {
    requests: SendRequest<Bytes>,
    /// Ends with the connection.
    pub driver: JoinHandle<Result<(), h2::Error>>,
    authority: String,
}

/// An answer whose body has not been read.
pub struct Begun {
    /// Status and fields.
    pub response: Response,
    /// The body. What is not released is not sent on.
    pub body: RecvStream,
}

impl Http2 {
    /// A new connection over TLS.
    pub async fn connect(identity: &Identity, address: SocketAddr) -> Self {
        let stream = identity.connect(address, &["h2"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (requests, connection) = in_time("HTTP/2", Builder::new().handshake(stream))
            .await
            .expect("HTTP/2");
        Self {
            requests,
            driver: tokio::spawn(connection),
            authority: address.to_string(),
        }
    }

    /// A request with these fields; one named `:authority` is what is asked in place of the address.
    pub fn request(
        &self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> http::Request<()> {
        let named = fields.iter().find(|(name, _)| *name == ":authority");
        let authority = named.map_or(self.authority.as_str(), |(_, value)| value);
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("https://{authority}{target}"))
            .version(http::Version::HTTP_2);
        for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with(':')) {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request")
    }

    /// Sends a request, and reads the head of its answer.
    pub async fn begin(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Result<Begun, h2::Error> {
        let request = self.request(method, target, fields);
        let mut requests = in_time("room", self.requests.clone().ready()).await?;
        let (response, _) = requests.send_request(request, true)?;
        let (head, body) = in_time(target, response).await?.into_parts();
        let response = shown(&head);
        Ok(Begun { response, body })
    }

    /// A request and its whole answer.
    pub async fn ask(&mut self, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
        let begun = self.begin(method, target, fields).await;
        let begun = begun.unwrap_or_else(|error| panic!("{target}: {error}"));
        in_time(target, begun.whole()).await
    }

    /// For requests that need more care.
    pub fn requests(&self) -> SendRequest<Bytes> {
        self.requests.clone()
    }
}

impl Begun {
    /// Reads to the end, however that comes.
    pub async fn whole(mut self) -> Response {
        self.response.complete = self.read(usize::MAX).await.is_ok();
        self.response
    }

    /// Reads until so many bytes have come in all, or to the end.
    pub async fn read(&mut self, length: usize) -> Result<(), h2::Error> {
        while self.response.body.len() < length {
            match self.body.data().await {
                Some(Ok(bytes)) => {
                    let _ = self.body.flow_control().release_capacity(bytes.len());
                    self.response.body.extend(bytes);
                }
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        Ok(())
    }

    /// Why it ended early.
    pub async fn reason(mut self) -> Option<Reason> {
        let ended = in_time("the end", self.read(usize::MAX)).await;
        ended.expect_err("it ended well").reason()
    }
}

fn shown(head: &http::response::Parts) -> Response {
    let mut text = format!("HTTP/2.0 {}", head.status);
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        write!(text, "\r\n{name}: {value}").expect("memory");
    }
    Response::from_head(&text)
}
