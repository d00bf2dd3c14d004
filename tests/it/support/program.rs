//! The program as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::{PATIENCE, TestS3};

/// A running `s3reel`. Dropping it kills it.
pub struct Program {
    child: Child,
    log: Receiver<String>,
}

/// A command for the program, without a variable of the caller's that could change what it does.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3reel"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("S3REEL_") || name.starts_with("AWS_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
        .args(arguments)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .stdin(Stdio::null());
    command
}

/// A command for `s3reel serve` over a bucket, on a free port, without the admin listener.
pub fn serve(s3: &TestS3) -> Command {
    let access = s3.access();
    let mut command = command(&["serve"]);
    command
        .env("S3REEL_LISTEN", "127.0.0.1:0")
        .env("S3REEL_ADMIN_LISTEN", "off")
        .env("S3REEL_BUCKET", s3.bucket())
        .env("AWS_ENDPOINT_URL_S3", &access.endpoint)
        .env("AWS_REGION", &access.region)
        .env("AWS_ACCESS_KEY_ID", &access.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &access.secret_access_key);
    command
}

/// The same command where only so many file descriptors are allowed.
pub fn with_descriptors(command: &Command, allowed: u32) -> Command {
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &format!("ulimit -n {allowed} && exec \"$0\" \"$@\"")])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

impl Program {
    /// Starts it.
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let stderr = child.stderr.take().expect("a log");
        let (lines, log) = channel();
        // Someone has to go on reading, or the program would wait for room in the pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        Self { child, log }
    }

    /// The lines of its log up to the next that contains `what`.
    pub fn log_lines_until(&mut self, what: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no line with {what:?} in {seen:#?}"));
            let found = line.contains(what);
            seen.push(line);
            if found {
                return seen;
            }
        }
    }

    /// The address in the first line that it prints.
    pub fn printed_address(&mut self) -> SocketAddr {
        let stdout = self.child.stdout.take().expect("an output");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        address_in(&line)
    }

    /// The address that the log of `serve` tells viewers to connect to.
    pub fn log_address(&mut self) -> SocketAddr {
        let lines = self.log_lines_until("serving on http://");
        address_in(lines.last().expect("a line"))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill").success());
    }

    /// Its end, with how long it took to come.
    pub fn wait(&mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return (status, started.elapsed());
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Memory that it holds now, in bytes (VmRSS).
    pub fn resident_bytes(&self) -> u64 {
        self.status_number("VmRSS:") * 1024
    }

    /// A number in what the kernel tells of it (`/proc/PID/status`).
    pub fn status_number(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("a status");
        let line = status.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("no {name}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `host:port` that a line says is served on, or else the first after `http://`.
pub fn address_in(line: &str) -> SocketAddr {
    let secure = line.split_once("serving on https://");
    let (_, rest) = secure
        .or_else(|| line.split_once("http://"))
        .expect("a URL");
    let end = rest.find(['/', ' ', '\n', '"']).unwrap_or(rest.len());
    rest[..end].parse().expect("an address")
}
