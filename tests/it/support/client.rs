//! A client of raw sockets: it sends what it is told and shows what came, byte for byte.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::in_time;

/// What bytes go over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One connection.
pub struct Client {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
    host: String,
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The head as it came, without the empty line.
    pub head: String,
    /// The status.
    pub status: u16,
    /// The body: as much as came.
    pub body: Vec<u8>,
    /// Whether all of the body came.
    pub complete: bool,
}

impl Response {
    /// A response of which the head has come, and nothing of the body.
    pub fn from_head(head: &str) -> Self {
        Self {
            status: head[9..12].parse().expect("a status"),
            head: head.to_owned(),
            body: Vec::new(),
            complete: false,
        }
    }

    /// The value of a field; panics if it stands there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value);
        assert!(values.next().is_none(), "{name} twice in:\n{}", self.head);
        value
    }

    /// Names in lower case and values, in the order they came.
    pub fn headers(&self) -> impl Iterator<Item = (String, &str)> {
        self.head.lines().skip(1).filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim()))
        })
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&self.body));
        })
    }
}

impl Client {
    /// A new connection.
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("connection"))
    }

    /// The same, whose socket takes hardly anything that it does not read.
    pub async fn narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        Self::over(socket.connect(address).await.expect("connection"))
    }

    /// The same over a connection that stands.
    pub fn over(stream: TcpStream) -> Self {
        let host = stream.peer_addr().expect("a connection").to_string();
        Self::inside(stream, host)
    }

    /// The same inside of something, for this host.
    pub fn inside(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        host: String,
    ) -> Self {
        Self {
            stream: Box::new(stream),
            read: Vec::new(),
            host,
        }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
    }

    /// Sends bytes that nobody may want any more.
    pub async fn send_if_open(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Sends a request of HTTP/1.1 without a body.
    pub async fn request(&mut self, method: &str, target: &str, fields: &[(&str, &str)]) {
        let host = &self.host;
        let fields = field_lines(fields);
        let request = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        self.send(request).await;
    }

    /// A request and its answer.
    pub async fn ask(&mut self, method: &str, target: &str, fields: &[(&str, &str)]) -> Response {
        self.request(method, target, fields).await;
        in_time(target, self.response(method)).await
    }

    /// Reads the head of an answer and leaves the body where it is.
    pub async fn head(&mut self) -> (String, u16) {
        let end = loop {
            if let Some(end) = head_end(&self.read) {
                break end;
            }
            assert!(
                self.fill().await > 0,
                "closed before an answer: {:?}",
                self.read
            );
        };
        let head = String::from_utf8(self.read[..end].to_vec()).expect("a head in ASCII");
        self.read.drain(..end + 4);
        let status = head[9..12].parse().expect("a status");
        (head, status)
    }

    /// Reads one answer to a request with this method.
    pub async fn response(&mut self, method: &str) -> Response {
        let (head, status) = self.head().await;
        let mut response = Response {
            head,
            status,
            body: Vec::new(),
            complete: true,
        };
        assert_eq!(
            response.header("transfer-encoding"),
            None,
            "{}",
            response.head
        );
        let bodiless = method == "HEAD" || matches!(status, 204 | 304);
        let length = response
            .header("content-length")
            .map_or(0, |length| length.parse::<usize>().expect("a length"));
        if !bodiless {
            response.body = self.take(length).await;
            response.complete = response.body.len() == length;
        }
        response
    }

    /// Takes `length` bytes, or fewer if the connection ends before.
    pub async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length && self.fill().await > 0 {}
        self.read.drain(..length.min(self.read.len())).collect()
    }

    /// Takes little by little until nothing comes any more, and tells how much that was.
    pub async fn drip(&mut self) -> usize {
        let mut taken = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let drop = in_time("a drop", self.take(20_000)).await;
            taken += drop.len();
            if drop.len() < 20_000 {
                return taken;
            }
        }
    }

    /// Sends FIN and goes on reading nothing.
    pub async fn half_close(&mut self) {
        self.stream.shutdown().await.expect("a shutdown");
    }

    /// Waits until the server closes the connection, and gives what came until then.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        std::mem::take(&mut self.read)
    }

    async fn fill(&mut self) -> usize {
        // A reset is an end too.
        self.stream.read_buf(&mut self.read).await.unwrap_or(0)
    }
}

/// Where the head at the front of `bytes` ends, before its empty line.
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n")
}

/// Fields as lines of a head.
pub fn field_lines(fields: &[(&str, &str)]) -> String {
    let line = |text, (name, value): &(&str, &str)| format!("{text}{name}: {value}\r\n");
    fields.iter().fold(String::new(), line)
}

/// Every byte percent-encoded, which is right for any of them.
pub fn encoded(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}
