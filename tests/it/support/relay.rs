//! What stands between a player and the service: a line that is as slow as a test wants, and a
//! record of what was asked and answered over it, byte for byte.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Duration, Instant, sleep_until};

use super::scripted::{Asked, Step, answer};
use super::{Response, client::head_end};

/// How fast the bodies of all answers together come.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// So many bytes at once, after nothing came for a while.
    pub burst: u32,
    /// So many a second otherwise.
    pub rate: u32,
}

impl Pace {
    /// As they come.
    pub const FULL: Self = Self {
        burst: u32::MAX,
        rate: u32::MAX,
    };
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It has not yet.
    Open,
    /// All of the answer came.
    Whole,
    /// The player closed the connection.
    Left,
    /// The service did, before all had come.
    Cut,
}

/// A request and its answer, as much as came.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What was asked.
    pub asked: Asked,
    /// What came.
    pub response: Response,
    /// How that ended.
    pub ending: Ending,
}

impl Exchange {
    /// Where the range that was asked for begins, if one was.
    pub fn first(&self) -> Option<usize> {
        let range = self.asked.header("range")?.strip_prefix("bytes=")?;
        range.split_once('-')?.0.parse().ok()
    }

    /// Whether the answer is the last of its connection.
    fn closes(&self) -> bool {
        let connection = self.response.header("connection");
        connection.is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// The line. Dropping it cuts everything.
pub struct Relay {
    address: SocketAddr,
    line: Arc<Line>,
    task: JoinHandle<()>,
}

struct Line {
    to: SocketAddr,
    allowance: Mutex<Allowance>,
    record: Mutex<Vec<Exchange>>,
}

/// An empty page on the line's own origin, since the service has none.
const PAGE: &str = "/a-page-of-the-line";

/// It has an icon, or the browser would ask for one.
const HTML: &str = "<!doctype html><title>page</title><link rel=icon href='data:,'><body>";

impl Relay {
    /// A line to whoever listens at this address.
    pub async fn before(to: SocketAddr, pace: Pace) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let record = Mutex::default();
        let allowance = Mutex::new(Allowance::new(pace));
        let line = Arc::new(Line {
            to,
            allowance,
            record,
        });
        let shared = Arc::clone(&line);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((viewer, _)) = listener.accept().await {
                let line = Arc::clone(&shared);
                connections.spawn(async move { line.carry(viewer).await });
            }
        });
        Self {
            address,
            line,
            task,
        }
    }

    /// The address of a target.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// The address of an empty page on the same origin.
    pub fn page(&self) -> String {
        self.url(PAGE)
    }

    /// The address of an empty page on another origin, and another site.
    pub fn foreign_page(&self) -> String {
        format!("http://localhost:{}{PAGE}", self.address.port())
    }

    /// Looks at what was asked and answered so far, in the order of the requests.
    pub fn record<T>(&self, look: impl FnOnce(&[Exchange]) -> T) -> T {
        look(&self.line.record.lock().expect("a lock"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Bytes that are carried at once.
const PIECE: usize = 16 * 1024;

impl Line {
    /// Carries what a connection of a player asks, and what comes back.
    async fn carry(&self, mut viewer: TcpStream) -> Option<()> {
        let _ = viewer.set_nodelay(true);
        let mut service = None;
        let mut sent = Vec::new();
        loop {
            let head = head(&mut viewer, &mut sent).await?;
            let asked = Asked::from_head(&head);
            if asked.target() == PAGE {
                let html = [("Content-Type", "text/html")];
                let page = answer("200 OK", &html, HTML);
                let Step::Send(page) = page else { return None };
                viewer.write_all(&page).await.ok()?;
                continue;
            }
            let number = self.note(asked);
            if service.is_none() {
                service = Some(connect(self.to).await.ok()?);
            }
            let ending = self
                .answer(number, &head, service.as_mut()?, &mut viewer, &mut sent)
                .await;
            self.change(number, |exchange| exchange.ending = ending);
            let closes = self.record.lock().expect("a lock")[number].closes();
            if ending != Ending::Whole || closes {
                return None;
            }
        }
    }

    /// Asks the service and passes its answer on.
    async fn answer(
        &self,
        number: usize,
        head_asked: &str,
        service: &mut TcpStream,
        viewer: &mut TcpStream,
        sent: &mut Vec<u8>,
    ) -> Ending {
        let head_asked = format!("{head_asked}\r\n\r\n");
        if service.write_all(head_asked.as_bytes()).await.is_err() {
            return Ending::Cut;
        }
        let mut come = Vec::new();
        // A player may leave before there is an answer.
        let told = tokio::select! {
            told = head(service, &mut come) => told,
            () = leaves(viewer, sent) => return Ending::Left,
        };
        let Some(told) = told else {
            return Ending::Cut;
        };
        let response = Response::from_head(&told);
        let bodiless = head_asked.starts_with("HEAD") || matches!(response.status, 204 | 304);
        let length = response.header("content-length");
        let mut left = match length {
            _ if bodiless => 0,
            Some(length) => length.parse().expect("a length"),
            // What has no length ends with the connection.
            None => usize::MAX,
        };
        self.change(number, |exchange| exchange.response = response);
        let told = format!("{told}\r\n\r\n");
        if viewer.write_all(told.as_bytes()).await.is_err() {
            return Ending::Left;
        }
        loop {
            let piece = come.len().min(left);
            self.change(number, |exchange| {
                exchange.response.body.extend(&come[..piece]);
            });
            if viewer.write_all(&come[..piece]).await.is_err() {
                return Ending::Left;
            }
            left -= piece;
            come.drain(..piece);
            if left == 0 {
                self.change(number, |exchange| exchange.response.complete = true);
                return Ending::Whole;
            }
            let due = self
                .allowance
                .lock()
                .expect("a lock")
                .take(piece.try_into().expect("a size"));
            tokio::select! {
                () = sleep_until(due) => {}
                () = leaves(viewer, sent) => return Ending::Left,
            }
            come.reserve_exact(PIECE);
            let mut room = (&mut *service).take(PIECE.try_into().expect("a size"));
            let read = tokio::select! {
                read = room.read_buf(&mut come) => read,
                () = leaves(viewer, sent) => return Ending::Left,
            };
            if read.unwrap_or(0) == 0 {
                return Ending::Cut;
            }
        }
    }

    fn note(&self, asked: Asked) -> usize {
        let mut record = self.record.lock().expect("a lock");
        record.push(Exchange {
            asked,
            response: Response::from_head("HTTP/1.1 000 nothing came"),
            ending: Ending::Open,
        });
        record.len() - 1
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Exchange)) {
        change(&mut self.record.lock().expect("a lock")[number]);
    }
}

/// A connection that takes little ahead, so that what waits, waits at the service.
async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(64 * 1024)?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The next head, without its empty line; what follows it stays in `read`. `None` at the end.
async fn head(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    let end = loop {
        if let Some(end) = head_end(read) {
            break end;
        }
        if stream.read_buf(read).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    read.drain(..end + 4);
    Some(head)
}

/// Waits until the player closes the connection, and keeps what it sends until then.
async fn leaves(viewer: &mut TcpStream, sent: &mut Vec<u8>) {
    while viewer.read_buf(sent).await.unwrap_or(0) > 0 {}
}

/// What the line may carry now, of all its answers together.
struct Allowance {
    pace: Pace,
    left: f64,
    since: Instant,
}

impl Allowance {
    fn new(pace: Pace) -> Self {
        Self {
            pace,
            left: f64::from(pace.burst),
            since: Instant::now(),
        }
    }

    /// Takes leave for so many bytes, and says when that begins to hold.
    fn take(&mut self, bytes: u32) -> Instant {
        let now = Instant::now();
        let grown = (now - self.since).as_secs_f64() * f64::from(self.pace.rate);
        self.left = (self.left + grown).min(f64::from(self.pace.burst)) - f64::from(bytes);
        self.since = now;
        now + Duration::from_secs_f64((-self.left).max(0.0) / f64::from(self.pace.rate))
    }
}
