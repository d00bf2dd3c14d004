//! An S3 that does what a test tells it, legal or not: a raw TCP listener without any HTTP library
//! on its way out.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::client::{field_lines, head_end};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What to do with a connection after a request has come.
#[derive(Debug, Clone)]
pub enum Step {
    /// Send bytes.
    Send(Vec<u8>),
    /// Send bytes again and again until the peer has had enough.
    Flood(Vec<u8>),
    /// Wait for a permit.
    Until(Arc<Semaphore>),
    /// Wait until the peer closes the connection.
    Hold,
    /// Close it in the orderly way.
    Close,
    /// Reset it.
    Reset,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method, target and version.
    pub line: String,
    /// The whole head.
    pub head: String,
}

impl Asked {
    /// A request with this head.
    pub fn from_head(head: &str) -> Self {
        Self {
            line: head.lines().next().unwrap_or_default().to_owned(),
            head: head.to_owned(),
        }
    }

    /// What is asked for.
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Whether it asks for an object, and not for a listing as the service does at start.
    pub fn is_for_an_object(&self) -> bool {
        !self.line.contains("list-type=2")
    }
}

/// A scripted server. Dropping it closes everything.
pub struct Scripted {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    open: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Scripted {
    /// A server that answers the listing of the service's start well, and every request for an
    /// object with the steps that `script` gives for it; after the last step the connection is
    /// ready for another request.
    pub async fn start(script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::start_on(listener, script)
    }

    /// The same on this listener.
    pub fn start_on(
        listener: TcpListener,
        script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::on(listener, move |asked| {
            if asked.is_for_an_object() {
                script(asked)
            } else {
                vec![Step::Send(empty_listing())]
            }
        })
    }

    /// A server that answers everything by its script, the listing of the start too.
    pub async fn start_raw(script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::on(listener, script)
    }

    /// A server that denies listings, and answers what is asked for objects by its script.
    pub async fn start_denying_lists(
        script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::on(listener, move |asked| {
            if asked.is_for_an_object() {
                script(asked)
            } else {
                vec![error("403 Forbidden", "AccessDenied")]
            }
        })
    }

    /// A server that denies everything, the listing too.
    pub async fn denying() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::on(listener, |asked| {
            if asked.line.starts_with("HEAD") {
                vec![raw("403 Forbidden", &[("Content-Length", "0")], "")]
            } else {
                vec![error("403 Forbidden", "AccessDenied")]
            }
        })
    }

    /// A server on this listener that answers everything by its script.
    fn on(
        listener: TcpListener,
        script: impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (opened, open) = watch::channel(0);
        let record = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let script = Arc::new(script);
            let opened = Arc::new(opened);
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (record, script, opened) = (
                    Arc::clone(&record),
                    Arc::clone(&script),
                    Arc::clone(&opened),
                );
                connections.spawn(async move {
                    opened.send_modify(|open| *open += 1);
                    serve(stream, &record, script.as_ref()).await;
                    opened.send_modify(|open| *open -= 1);
                });
            }
        });
        Self {
            address,
            asked,
            open,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests for objects so far.
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().expect("a lock");
        asked
            .iter()
            .filter(|asked| asked.is_for_an_object())
            .cloned()
            .collect()
    }

    /// All requests so far.
    pub fn all_asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("a lock").clone()
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        *self.open.borrow()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    record: &Mutex<Vec<Asked>>,
    script: &(impl Fn(&Asked) -> Vec<Step> + Send + Sync),
) {
    let _ = stream.set_nodelay(true);
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = head_end(&read) {
                break end;
            }
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head = String::from_utf8_lossy(&read[..end]).into_owned();
        read.drain(..end + 4);
        let asked = Asked::from_head(&head);
        let steps = script(&asked);
        record.lock().expect("a lock").push(asked);
        for step in steps {
            match step {
                Step::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Flood(bytes) => while stream.write_all(&bytes).await.is_ok() {},
                Step::Until(gate) => drop(gate.acquire().await),
                Step::Hold => {
                    while stream.read_buf(&mut read).await.unwrap_or(0) > 0 {}
                    return;
                }
                Step::Close => return,
                Step::Reset => {
                    let socket = socket2::SockRef::from(&stream);
                    let _ = socket.set_linger(Some(Duration::ZERO));
                    return;
                }
            }
        }
    }
}

/// An answer with this status line, these fields and this body; its length is told.
pub fn answer(status: &str, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Step {
    let body = body.as_ref();
    let length = body.len().to_string();
    let mut all = vec![("Content-Length", length.as_str())];
    all.extend(fields);
    raw(status, &all, body)
}

/// The same without a length of its own.
pub fn raw(status: &str, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Step {
    let fields = field_lines(fields);
    let mut bytes = format!("HTTP/1.1 {status}\r\n{fields}\r\n").into_bytes();
    bytes.extend(body.as_ref());
    Step::Send(bytes)
}

/// S3's way to say no.
pub fn error(status: &str, code: &str) -> Step {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>secret of S3</Message>\
         <BucketName>test-bucket</BucketName><RequestId>1</RequestId></Error>"
    );
    answer(status, &[("Content-Type", "application/xml")], body)
}

/// A listing without anything in it.
pub fn empty_listing() -> Vec<u8> {
    let body = "<?xml version=\"1.0\"?><ListBucketResult><Name>test-bucket</Name><KeyCount>0</KeyCount>\
                <MaxKeys>1</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>";
    match answer("200 OK", &[("Content-Type", "application/xml")], body) {
        Step::Send(bytes) => bytes,
        _ => Vec::new(),
    }
}
