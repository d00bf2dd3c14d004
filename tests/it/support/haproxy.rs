//! A real load balancer in front of what a test starts.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::{TestS3, in_time, installed, until};

/// A running HAProxy. Dropping it kills it.
pub struct HaProxy {
    child: Child,
    run: TempDir,
}

impl HaProxy {
    /// Starts it with this configuration, which has to bind `address`, and waits until it listens.
    /// Relative paths in it are in the folder that `prepare` fills.
    pub async fn start(
        configuration: &str,
        address: SocketAddr,
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let run = tempfile::tempdir().expect("a folder");
        prepare(run.path());
        let socket = run.path().join("socket");
        let global = format!("global\n    stats socket {}\n", socket.display());
        let file = run.path().join("haproxy.cfg");
        fs::write(&file, format!("{global}{configuration}\n")).expect("a configuration");
        let mut command = Command::new(installed("haproxy", "haproxy"));
        command
            .current_dir(run.path())
            .args(["-db", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn().expect("a process");
        let this = Self { child, run };
        until("the balancer listens", async || {
            TcpStream::connect(address).await.is_ok()
        })
        .await;
        this
    }

    /// Whether its health checks find a server of a backend well.
    pub async fn is_up(&self, backend: &str, server: &str) -> bool {
        let socket = self.run.path().join("socket");
        let table = in_time("its figures", async {
            let mut socket = UnixStream::connect(socket).await?;
            socket.write_all(b"show stat\n").await?;
            let mut table = String::new();
            socket.read_to_string(&mut table).await?;
            std::io::Result::Ok(table)
        })
        .await
        .expect("figures");
        // The status is the eighteenth column (HAProxy's management guide, section 9.1).
        table.lines().any(|line| {
            let mut columns = line.split(',');
            let is_server = columns.next() == Some(backend) && columns.next() == Some(server);
            is_server && columns.nth(15).is_some_and(|status| status == "UP")
        })
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that nobody listens on at this moment.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}

/// An address where S3 is reached over TLS, with a certificate for `localhost` that `folder` has as
/// `certificate.pem`.
pub async fn tls_before(s3: &TestS3, folder: &Path) -> (HaProxy, SocketAddr) {
    let behind = s3.access().endpoint.replace("http://", "");
    let front = free_address();
    let configuration = format!(
        "defaults\n    mode http\n    timeout connect 2s\n    timeout client 1m\n    timeout server 1m\n\
         frontend tls\n    bind {front} ssl crt both.pem alpn http/1.1\n    default_backend s3\n\
         backend s3\n    server s3 {behind}"
    );
    certificate(folder);
    let balancer = HaProxy::start(&configuration, front, |run| {
        std::fs::copy(folder.join("both.pem"), run.join("both.pem")).expect("a copy");
    })
    .await;
    (balancer, front)
}

/// A certificate for `localhost`, its key, and both in one file (`certificate.pem`, `key.pem`,
/// `both.pem`), signed by itself.
pub fn certificate(folder: &Path) {
    let made = Command::new(installed("openssl", "openssl"))
        .current_dir(folder)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .output();
    let made = made.expect("a process");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let read = |name| std::fs::read(folder.join(name)).expect("a file");
    let both = [read("certificate.pem"), read("key.pem")].concat();
    std::fs::write(folder.join("both.pem"), both).expect("a file");
}
