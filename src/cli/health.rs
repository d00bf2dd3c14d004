//! `s3reel health`: the check of the container image, which has no curl.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::{WRONG_SETTINGS, complain, tell};
use crate::config::DEFAULT_ADMIN_LISTEN;

/// Arguments of `s3reel health`.
#[derive(Debug, Args)]
pub struct HealthArguments {
    /// What to ask; /livez of the admin listener if there is none.
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// The admin listener of the service on this machine.
    #[arg(long, env = "S3REEL_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    admin_listen: Option<String>,
}

/// How long the service may take; shorter than the interval of common health checks.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest head that is read, in bytes.
const MAX_HEAD: u64 = 4096;

/// Asks and says whether the answer was a 2xx.
#[must_use]
pub fn run(arguments: &HealthArguments) -> ExitCode {
    let url = match url(arguments) {
        Ok(url) => url,
        Err(error) => {
            complain(&error);
            return ExitCode::from(WRONG_SETTINGS);
        }
    };
    match ask(&url) {
        Ok(status) if (200..300).contains(&status) => {
            tell("healthy");
            ExitCode::SUCCESS
        }
        Ok(status) => {
            complain(&format!(
                "unhealthy: http://{}{} answered {status}",
                url.authority, url.path
            ));
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&format!(
                "unhealthy: http://{}{}: {error}",
                url.authority, url.path
            ));
            ExitCode::FAILURE
        }
    }
}

struct Url {
    authority: String,
    path: String,
}

fn url(arguments: &HealthArguments) -> Result<Url, String> {
    if let Some(url) = &arguments.url {
        return parse_url(url);
    }
    let listen: SocketAddr = match arguments.admin_listen.as_deref() {
        None => DEFAULT_ADMIN_LISTEN,
        Some("off") => {
            return Err("the admin listener is off: give the URL of /-/livez instead".to_owned());
        }
        Some(text) => text
            .parse()
            .map_err(|_| format!("S3REEL_ADMIN_LISTEN={text:?} is no address with a port"))?,
    };
    // A listener on all addresses is asked through loopback.
    let ip = match listen {
        SocketAddr::V4(_) if listen.ip().is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) if listen.ip().is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => listen.ip(),
    };
    Ok(Url {
        authority: SocketAddr::new(ip, listen.port()).to_string(),
        path: "/livez".to_owned(),
    })
}

fn parse_url(url: &str) -> Result<Url, String> {
    let no_url = || format!("{url:?} is no URL such as http://127.0.0.1:9091/livez");
    let rest = url.strip_prefix("http://").ok_or_else(no_url)?;
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/livez"),
    };
    let sendable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if authority.is_empty() || !sendable(authority) || !sendable(path) {
        return Err(no_url());
    }
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if has_port { "" } else { ":80" };
    Ok(Url {
        authority: format!("{authority}{port}"),
        path: path.to_owned(),
    })
}

fn ask(url: &Url) -> std::io::Result<u16> {
    let address = url
        .authority
        .to_socket_addrs()?
        .next()
        .ok_or(std::io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Url { authority, path } = url;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    )?;
    let mut head = Vec::new();
    let mut bounded = stream.take(MAX_HEAD);
    let begun = Instant::now();
    while !head.contains(&b'\n') {
        // The time limit of the socket begins anew with each byte.
        if begun.elapsed() > PATIENCE {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        let mut piece = [0; 256];
        let length = bounded.read(&mut piece)?;
        if length == 0 {
            break;
        }
        head.extend(piece.iter().take(length));
    }
    status(&head).ok_or_else(|| std::io::Error::other("the answer is not HTTP"))
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|&byte| byte == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let rest = line.strip_prefix("HTTP/1.")?;
    rest.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_anything_else_refused() {
        let parsed = |url| parse_url(url).map(|url| format!("{} {}", url.authority, url.path));
        assert_eq!(parsed("http://a:1/-/livez").as_deref(), Ok("a:1 /-/livez"));
        assert_eq!(parsed("http://a").as_deref(), Ok("a:80 /livez"));
        assert_eq!(
            parsed("http://[::1]:9091").as_deref(),
            Ok("[::1]:9091 /livez")
        );
        for url in [
            "",
            "a:1",
            "https://a",
            "http://",
            "http:///x",
            "http://a/\r\nX: y",
        ] {
            assert!(parsed(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_listener_on_all_addresses_is_asked_through_loopback() {
        for (listen, authority) in [
            ("0.0.0.0:9091", "127.0.0.1:9091"),
            ("[::]:9091", "[::1]:9091"),
            ("10.0.0.1:1", "10.0.0.1:1"),
        ] {
            let arguments = HealthArguments {
                url: None,
                admin_listen: Some(listen.to_owned()),
            };
            assert_eq!(
                url(&arguments)
                    .unwrap_or_else(|error| panic!("{error}"))
                    .authority,
                authority
            );
        }
    }

    #[test]
    fn an_answer_that_drips_is_not_waited_for() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Until the other side has had enough.
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let begun = Instant::now();
        let url = Url {
            authority,
            path: "/livez".to_owned(),
        };
        assert!(ask(&url).is_err());
        assert!(begun.elapsed() < PATIENCE * 3, "{:?}", begun.elapsed());
    }

    #[test]
    fn the_status_is_read_from_the_first_line_only() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\nx: HTTP/1.1 500\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 503\r\n"), Some(503));
        assert_eq!(status(b"SSH-2.0-x\r\n"), None);
        assert_eq!(status(b""), None);
    }
}
