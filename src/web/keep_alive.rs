//! `Connection: keep-alive` on the wire.
//!
//! Safari's probe and HTTP/1.0 tools want to read that the connection stays, although in HTTP/1.1
//! it goes without saying. actix-http writes `Connection` itself, on HTTP/1.1 only to close or
//! upgrade, and drops one that a handler inserts. The reason phrase is the one text of the head
//! that it writes as it is given, so ours carries the field line, where we do not write the fields
//! ourselves. `a_safari_probe_is_answered_exactly_right` in the tests reads the raw bytes.
//!
//! HTTP/2 has no such fields, and its connections stay anyway.

use std::time::Duration;

use actix_http::{HttpMessage as _, Request};
use actix_web::http::header::UPGRADE;
use actix_web::http::{ConnectionType, Method, StatusCode, Version};

use super::head::Head;
use super::{extract, fields};
use crate::telemetry::Phase;

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// It stays; the answer says so.
    Kept,
    /// It is closed; the answer says so.
    Closed,
}

/// Decides by the request and by whether the service is about to stop.
#[must_use]
pub fn connection_after(request: &Request, phase: Phase) -> Connection {
    let wanted = request.head().connection_type() == ConnectionType::KeepAlive;
    // The server closes it itself rather than read a body that nobody wants, or bytes of another
    // protocol.
    let can_go_on = !extract::has_body(request)
        && !request.headers().contains_key(UPGRADE)
        && request.method() != Method::CONNECT;
    if wanted && can_go_on && matches!(phase, Phase::Starting | Phase::Serving) {
        Connection::Kept
    } else {
        Connection::Closed
    }
}

/// The value of `Keep-Alive`, for connections that stay open for so long.
#[must_use]
pub fn field_value(keep_alive: Duration) -> String {
    // Rounded up: a viewer that trusted "0" would never use the connection again.
    let seconds = keep_alive.as_millis().div_ceil(1000);
    format!("timeout={seconds}")
}

/// Writes the two fields, or `Connection: close`; nothing in HTTP/2 (RFC 9113 section 8.2.2).
pub fn tell(
    head: &mut Head,
    request: &Request,
    status: StatusCode,
    connection: Connection,
    keep_alive: &str,
) {
    if request.version() == Version::HTTP_2 {
        return;
    }
    match connection {
        Connection::Closed => {
            head.close();
        }
        Connection::Kept => {
            head.text(fields::KEEP_ALIVE, keep_alive);
            // On HTTP/1.0 the encoder writes the field by itself.
            if request.version() == Version::HTTP_11 {
                head.keep(reason_and_field(status));
            }
        }
    }
}

/// `reason CRLF connection: keep-alive` for every status that is sent with a kept connection.
fn reason_and_field(status: StatusCode) -> Option<&'static str> {
    macro_rules! with_field {
        ($($code:literal $reason:literal),* $(,)?) => {
            match status.as_u16() {
                $($code => Some(concat!($reason, "\r\nconnection: keep-alive")),)*
                _ => None,
            }
        };
    }
    with_field!(
        200 "OK",
        204 "No Content",
        206 "Partial Content",
        303 "See Other",
        304 "Not Modified",
        400 "Bad Request",
        403 "Forbidden",
        404 "Not Found",
        405 "Method Not Allowed",
        409 "Conflict",
        412 "Precondition Failed",
        416 "Range Not Satisfiable",
        421 "Misdirected Request",
        500 "Internal Server Error",
        502 "Bad Gateway",
        503 "Service Unavailable",
        504 "Gateway Timeout",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_phrase_is_the_registered_one_with_one_field_line_behind_it() {
        for code in 200..600 {
            let status = StatusCode::from_u16(code).unwrap();
            if let Some(text) = reason_and_field(status) {
                let (reason, field) = text.split_once("\r\n").unwrap();
                assert_eq!(Some(reason), status.canonical_reason());
                assert_eq!(field, "connection: keep-alive");
            }
        }
    }
}
