//! Servers of others to compare with: processes of their own on free ports, serving a folder.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::haproxy::free_address;
use super::{Client, PATIENCE, installed};

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// nginx.
    Nginx,
    /// The Apache HTTP Server.
    Apache,
}

impl Peer {
    /// Its name in prose.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "Apache",
        }
    }

    /// The name of its program, and the package of Debian that has it.
    fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::Nginx => ("nginx", "nginx"),
            Self::Apache => ("apache2", "apache2-bin"),
        }
    }

    /// How it is started in the foreground, as one process, with all that it writes in `run`.
    fn command(self, run: &Path) -> Command {
        let (program, package) = self.program();
        let mut command = Command::new(installed(program, package));
        match self {
            Self::Nginx => command.arg("-p").arg(run).arg("-e").arg(run.join(LOG)),
            Self::Apache => command.arg("-X").arg("-d").arg(run),
        };
        let arguments = match self {
            Self::Nginx => "-c",
            Self::Apache => "-f",
        };
        command.arg(arguments).arg(run.join(CONFIG));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Its defaults for static files, of one media type whatever their names.
    fn config(self, address: SocketAddr, run: &Path, folder: &Path) -> String {
        let (run, folder) = (run.display(), folder.display());
        match self {
            Self::Nginx => format!(
                "daemon off;
                master_process off;
                pid {run}/pid;
                events {{}}
                http {{
                    access_log off;
                    client_body_temp_path {run}/body;
                    proxy_temp_path {run}/proxy;
                    fastcgi_temp_path {run}/fastcgi;
                    uwsgi_temp_path {run}/uwsgi;
                    scgi_temp_path {run}/scgi;
                    types {{}}
                    default_type {CONTENT_TYPE};
                    server {{
                        listen {address};
                        root {folder};
                    }}
                }}"
            ),
            // Started as root it wants another user's name.
            Self::Apache => format!(
                "LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
                LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
                ServerName localhost
                Listen {address}
                User www-data
                Group www-data
                DefaultRuntimeDir {run}
                PidFile {run}/pid
                ErrorLog {run}/{LOG}
                DocumentRoot {folder}
                ForceType {CONTENT_TYPE}"
            ),
        }
    }
}

/// The media type of everything.
pub const CONTENT_TYPE: &str = "video/mp4";

const CONFIG: &str = "config";
const LOG: &str = "error.log";

/// A running server. Dropping it kills it.
pub struct RunningPeer {
    child: Child,
    address: SocketAddr,
    run: TempDir,
}

impl RunningPeer {
    /// Starts to serve the files of a folder, of which one has to have this name and no other
    /// server may have it.
    pub async fn start(peer: Peer, folder: &Path, sign: &str) -> Self {
        let started = Instant::now();
        loop {
            let run = tempfile::tempdir().expect("a folder");
            let address = free_address();
            let config = peer.config(address, run.path(), folder);
            fs::write(run.path().join(CONFIG), config).expect("a configuration");
            let child = peer.command(run.path()).spawn().expect("a process");
            let mut server = Self {
                child,
                address,
                run,
            };
            if server.is_up(sign).await {
                return server;
            }
            // Someone else may have taken the port in between.
            let log = fs::read_to_string(server.run.path().join(LOG)).unwrap_or_default();
            assert!(
                started.elapsed() < PATIENCE,
                "{} does not start: {log}",
                peer.name()
            );
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it answers; false when it ended instead.
    async fn is_up(&mut self, sign: &str) -> bool {
        let started = Instant::now();
        let target = format!("/{sign}");
        while started.elapsed() < PATIENCE {
            if self.child.try_wait().expect("a status").is_some() {
                return false;
            }
            match TcpStream::connect(self.address).await {
                Ok(_) => {
                    let mut client = Client::connect(self.address).await;
                    if client.ask("GET", &target, &[]).await.status == 200 {
                        return true;
                    }
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }
}

impl Drop for RunningPeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
