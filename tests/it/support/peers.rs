//! Servers of others to compare with: processes of their own on free ports, serving a folder.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
    /// Caddy, and so the file server of Go.
    Caddy,
}

/// The media types that a server tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Types {
    /// [`CONTENT_TYPE`] for everything.
    Forced,
    /// As Debian sets it up: by extension.
    Own,
}

impl Peer {
    /// Its name in prose.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "Apache",
            Self::Caddy => "Caddy",
        }
    }

    /// The name of its program, and the package of Debian that has it.
    fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::Nginx => ("nginx", "nginx"),
            Self::Apache => ("apache2", "apache2-bin"),
            Self::Caddy => ("caddy", "caddy"),
        }
    }

    /// How it is started in the foreground, as one process, with all that it writes in `run`.
    fn command(self, run: &Path) -> Command {
        let (program, package) = self.program();
        let mut command = Command::new(installed(program, package));
        let config = run.join(CONFIG);
        match self {
            Self::Nginx => {
                command.arg("-p").arg(run).arg("-e").arg(run.join(LOG));
                command.arg("-c").arg(config);
            }
            Self::Apache => {
                command.arg("-X").arg("-d").arg(run).arg("-f").arg(config);
            }
            Self::Caddy => {
                command.args(["run", "--adapter", "caddyfile", "--config"]);
                command.arg(config).env("HOME", run);
                command
                    .env("XDG_DATA_HOME", run)
                    .env("XDG_CONFIG_HOME", run);
            }
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Its defaults for static files.
    fn config(self, at: &Addresses, run: &Path, folder: &Path, types: Types) -> String {
        let (run, folder) = (run.display(), folder.display());
        let Addresses { plain, secure } = at;
        match self {
            Self::Nginx => {
                let types = match types {
                    Types::Forced => format!("types {{}} default_type {CONTENT_TYPE};"),
                    Types::Own => {
                        "include /etc/nginx/mime.types; default_type application/octet-stream;"
                            .to_owned()
                    }
                };
                format!(
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
                        {types}
                        server {{
                            listen {plain};
                            root {folder};
                        }}
                    }}"
                )
            }
            // Started as root it wants another user's name.
            Self::Apache => {
                let types = match types {
                    Types::Forced => format!("ForceType {CONTENT_TYPE}"),
                    Types::Own => "LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
                        TypesConfig /etc/mime.types"
                        .to_owned(),
                };
                format!(
                    "LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
                    LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
                    ServerName localhost
                    Listen {plain}
                    User www-data
                    Group www-data
                    DefaultRuntimeDir {run}
                    PidFile {run}/pid
                    ErrorLog {run}/{LOG}
                    DocumentRoot {folder}
                    {types}"
                )
            }
            // Over TLS too, with a certificate of its own authority, and from there back to where
            // there is none.
            Self::Caddy => {
                let types = match types {
                    Types::Forced => format!("header Content-Type {CONTENT_TYPE}"),
                    Types::Own => String::new(),
                };
                let secure = secure.port();
                format!(
                    "{{
                        admin off
                        auto_https disable_redirects
                        local_certs
                        skip_install_trust
                        servers {{
                            protocols h1 h2
                        }}
                        storage file_system {run}
                        log {{
                            output file {run}/{LOG}
                        }}
                    }}
                    http://{plain} {{
                        bind 127.0.0.1
                        root * {folder}
                        {types}
                        file_server
                    }}
                    https://localhost:{secure} {{
                        bind 127.0.0.1
                        root * {folder}
                        {types}
                        redir /down/* http://{plain}{{path}}
                        file_server
                    }}"
                )
            }
        }
    }
}

/// Where a server listens.
struct Addresses {
    plain: SocketAddr,
    /// Over TLS; for the name `localhost`.
    secure: SocketAddr,
}

/// The media type of everything.
pub const CONTENT_TYPE: &str = "video/mp4";

const CONFIG: &str = "config";
const LOG: &str = "error.log";

/// A running server. Dropping it kills it.
pub struct RunningPeer {
    child: Child,
    at: Addresses,
    run: TempDir,
}

impl RunningPeer {
    /// Starts to serve the files of a folder, of which one has to have this name and no other
    /// server may have it.
    pub async fn start(peer: Peer, folder: &Path, sign: &str) -> Self {
        Self::with_types(peer, folder, sign, Types::Forced).await
    }

    /// The same with these media types.
    pub async fn with_types(peer: Peer, folder: &Path, sign: &str, types: Types) -> Self {
        let started = Instant::now();
        loop {
            let run = tempfile::tempdir().expect("a folder");
            let (plain, secure) = (free_address(), free_address());
            let at = Addresses { plain, secure };
            let config = peer.config(&at, run.path(), folder, types);
            fs::write(run.path().join(CONFIG), config).expect("a configuration");
            let child = peer.command(run.path()).spawn().expect("a process");
            let mut server = Self { child, at, run };
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
        self.at.plain
    }

    /// Where Caddy listens over TLS, as `localhost:PORT`.
    pub fn secure_authority(&self) -> String {
        format!("localhost:{}", self.at.secure.port())
    }

    /// The certificate of Caddy's own authority, once it has made one.
    pub fn authority_file(&self) -> PathBuf {
        self.run.path().join("pki/authorities/local/root.crt")
    }

    /// Waits until it answers; false when it ended instead.
    async fn is_up(&mut self, sign: &str) -> bool {
        let started = Instant::now();
        let target = format!("/{sign}");
        while started.elapsed() < PATIENCE {
            if self.child.try_wait().expect("a status").is_some() {
                return false;
            }
            match TcpStream::connect(self.at.plain).await {
                Ok(_) => {
                    let mut client = Client::connect(self.at.plain).await;
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
