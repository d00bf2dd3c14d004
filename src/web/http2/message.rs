//! Requests and heads of answers, from one version of HTTP to the other.

use actix_http::Request;
use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody as _};
use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use actix_web::http::{Method, Uri, Version};

use super::super::body::ViewerBody;

/// Why there is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRequest {
    /// It is malformed (RFC 9113 section 8.1.1).
    Malformed,
    /// HTTP/1.1 would answer it with 400: its target has bytes that are in no address.
    Bad,
}

/// A request as HTTP/1.1 would have it.
///
/// # Errors
/// [`NoRequest`].
pub fn as_request(head: &http::request::Parts, has_ended: bool) -> Result<Request, NoRequest> {
    let mut request = Request::new();
    let into = request.head_mut();
    into.version = Version::HTTP_2;
    let method = Method::from_bytes(head.method.as_str().as_bytes());
    into.method = method.map_err(|_| NoRequest::Bad)?;
    let target = head.uri.path_and_query();
    let target = target.map_or("/", http::uri::PathAndQuery::as_str);
    into.uri = Uri::try_from(target).map_err(|_| NoRequest::Bad)?;
    for (name, value) in &head.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(NoRequest::Bad);
        };
        into.headers.append(name, value);
    }
    if let Some(authority) = head.uri.authority() {
        // Section 8.3.1: no user, and no other host in the field that HTTP/1.1 has for it.
        let is_other =
            |host: &HeaderValue| !is_same(host.as_bytes(), authority.as_str().as_bytes());
        if authority.as_str().contains('@') || into.headers.get_all(HOST).any(is_other) {
            return Err(NoRequest::Malformed);
        }
        let host = HeaderValue::from_str(authority.as_str());
        into.headers.insert(HOST, host.map_err(|_| NoRequest::Bad)?);
    }
    if !has_ended && !into.headers.contains_key(CONTENT_LENGTH) {
        // A body of unknown length, which HTTP/1.1 has another name for.
        let chunked = HeaderValue::from_static("chunked");
        into.headers.insert(TRANSFER_ENCODING, chunked);
    }
    Ok(request)
}

/// Whether two authorities are the same under `https`.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    fn host(authority: &[u8]) -> &[u8] {
        authority.strip_suffix(b":443").unwrap_or(authority)
    }
    host(one).eq_ignore_ascii_case(host(other))
}

/// The head of an answer, without what only HTTP/1.1 knows.
pub fn as_head(response: &HttpResponse<()>, body: &ViewerBody) -> http::Response<()> {
    let mut head = http::Response::new(());
    if let Ok(status) = http::StatusCode::from_u16(response.status().as_u16()) {
        *head.status_mut() = status;
    }
    *head.version_mut() = http::Version::HTTP_2;
    let into = head.headers_mut();
    for (name, value) in response.headers() {
        if *name == CONNECTION || *name == UPGRADE || *name == TRANSFER_ENCODING {
            continue;
        }
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            into.append(name, value);
        }
    }
    if let BodySize::Sized(length) = body.size() {
        into.insert(http::header::CONTENT_LENGTH, length.into());
    }
    head
}

/// Bytes of a body.
pub fn length_of(body: &ViewerBody) -> u64 {
    match body.size() {
        BodySize::Sized(length) => length,
        BodySize::None | BodySize::Stream => 0,
    }
}

#[cfg(test)]
mod tests {
    use actix_http::HttpMessage as _;

    use super::*;

    fn request(uri: &str, host: Option<&str>) -> Result<Request, NoRequest> {
        let mut request = http::Request::builder().uri(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        as_request(&head, true)
    }

    #[test]
    fn the_authority_is_the_host_and_no_other_is_named_beside_it() {
        for (uri, host) in [
            ("https://a.example/x?y", None),
            ("https://a.example/x?y", Some("A.example")),
            ("https://a.example/x?y", Some("a.example:443")),
            ("https://a.example:443/x?y", Some("a.example")),
            ("/x?y", Some("a.example")),
        ] {
            let request = request(uri, host).unwrap();
            let found = request.headers().get(HOST).unwrap().to_str().unwrap();
            assert_eq!(
                found.trim_end_matches(":443"),
                "a.example",
                "{uri} {host:?}"
            );
            assert_eq!(request.uri().to_string(), "/x?y");
        }
        for (uri, host) in [
            ("https://a.example/", "b.example"),
            ("https://a.example/", "a.example:8443"),
            ("https://a.example/", ""),
            ("https://user@a.example/", "a.example"),
        ] {
            let refused = request(uri, Some(host)).err();
            assert_eq!(refused, Some(NoRequest::Malformed), "{uri} {host:?}");
        }
    }

    #[test]
    fn a_target_that_is_no_address_is_a_bad_request() {
        let refused = request("https://a.example/\u{e4}", None).err();
        assert_eq!(refused, Some(NoRequest::Bad));
    }
}
