//! The one door for what a workspace says instead of what it was asked for, as a [`ReadErrorKind`].

use std::error::Error;
use std::fmt;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, LOCATION, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::client::read_bounded;
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};

/// The call that failed. The answers to HEAD have no body, and so no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// HEAD.
    Head,
    /// GET.
    Get,
    /// The request for a token.
    Token,
}

/// The workspace's errors have some hundred bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Of the workspace's own words so many bytes are logged.
const MAX_MESSAGE_BYTES: usize = 300;

/// An error as every part of the API answers it. Some parts give numbers for codes.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    error_code: Option<Value>,
    message: Option<String>,
    /// OAuth's words for the same (RFC 6749 section 5.2).
    error: Option<String>,
    error_description: Option<String>,
}

impl Refusal {
    fn code(&self) -> Option<String> {
        match &self.error_code {
            Some(Value::String(code)) => Some(shortened(code)),
            Some(Value::Number(code)) => Some(code.to_string()),
            _ => self.error.as_deref().map(shortened),
        }
    }

    fn message(&self) -> Option<String> {
        let message = self.message.as_ref().or(self.error_description.as_ref());
        message.map(|message| shortened(message))
    }
}

/// Turns an answer that is no success into a [`ReadError`]; reads its body, for so long.
pub async fn refused(
    answer: Response<Incoming>,
    call: Call,
    target: String,
    limit: Duration,
) -> ReadError {
    let status = answer.status();
    let retry_after = retry_after(answer.headers());
    let location = location(answer.headers());
    let refusal = match call {
        Call::Head => None,
        Call::Get | Call::Token => read_bounded(answer.into_body(), MAX_ERROR_BYTES, limit)
            .await
            .ok()
            .and_then(|body| serde_json::from_slice::<Refusal>(&body).ok()),
    };
    let code = refusal.as_ref().and_then(Refusal::code);
    let kind = kind(status, code.as_deref(), call);
    let mut error = ReadError::new(kind, target).because(Cause {
        status,
        code,
        message: refusal.as_ref().and_then(Refusal::message),
        location,
    });
    error.retry_after = retry_after;
    error
}

/// What status and code mean. Codes are those of Databricks' SDKs (`databricks/sdk/errors/platform.py` and
/// `overrides.py`).
fn kind(status: StatusCode, code: Option<&str>, call: Call) -> ReadErrorKind {
    match code.unwrap_or_default() {
        "CATALOG_DOES_NOT_EXIST"
        | "SCHEMA_DOES_NOT_EXIST"
        | "VOLUME_DOES_NOT_EXIST"
        | "ENDPOINT_NOT_FOUND"
        | "FEATURE_DISABLED" => return ReadErrorKind::Misconfigured,
        "REQUEST_LIMIT_EXCEEDED" | "RESOURCE_EXHAUSTED" | "TEMPORARILY_UNAVAILABLE" => {
            return ReadErrorKind::Throttled;
        }
        "DEADLINE_EXCEEDED" => return ReadErrorKind::TimedOut,
        _ => {}
    }
    match status.as_u16() {
        // A token that is none is refused with this code and not with 401.
        403 if code == Some("403") => ReadErrorKind::Misconfigured,
        300..=399 => ReadErrorKind::BadAnswer(BadAnswer::SignInPage),
        412 => ReadErrorKind::Changed,
        416 => ReadErrorKind::RangeNotSatisfiable,
        429 | 503 => ReadErrorKind::Throttled,
        408 | 504 => ReadErrorKind::TimedOut,
        500..=599 => ReadErrorKind::OriginFailed,
        401 => ReadErrorKind::Misconfigured,
        _ if call == Call::Token => ReadErrorKind::Misconfigured,
        404 if call == Call::Head || code.is_some() => ReadErrorKind::NotFound,
        403 if call == Call::Head || code.is_some() => ReadErrorKind::Denied,
        400..=499 if code.is_some() => ReadErrorKind::Misconfigured,
        400..=499 if call == Call::Head => ReadErrorKind::Misconfigured,
        // Some page of someone between us and the workspace.
        _ => ReadErrorKind::BadAnswer(BadAnswer::Malformed),
    }
}

/// `Retry-After` in seconds, which is what the API sends.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// Where a redirect leads, without its query, which may carry what is nobody's business.
fn location(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(LOCATION)?.to_str().ok()?;
    location.split(['?', '#']).next().map(shortened)
}

/// Foreign text for a log line: one line, of bounded length.
fn shortened(text: &str) -> String {
    let end = (0..=MAX_MESSAGE_BYTES.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    let text = text.get(..end.unwrap_or(0)).unwrap_or_default();
    text.replace(char::is_control, " ")
}

/// A page for people to sign in came, or a redirect.
#[must_use]
pub fn sign_in_page(target: String) -> ReadError {
    ReadError::new(ReadErrorKind::BadAnswer(BadAnswer::SignInPage), target).because(
        "an HTML page came instead of the file: check DATABRICKS_HOST (the workspace's own address and not \
         the account's), the token or the service principal's secret, and the workspace's IP access lists \
         and private link",
    )
}

/// What a workspace says, for the log.
#[derive(Debug)]
struct Cause {
    status: StatusCode,
    code: Option<String>,
    message: Option<String>,
    location: Option<String>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status.as_u16())?;
        for part in [&self.code, &self.message].into_iter().flatten() {
            write!(f, ", {part}")?;
        }
        if let Some(location) = &self.location {
            write!(
                f,
                ", redirected to {location}: check DATABRICKS_HOST, the credentials, and the workspace's IP access lists and private link"
            )?;
        }
        Ok(())
    }
}

impl Error for Cause {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_a_workspace_has_its_kind() {
        use ReadErrorKind::{
            Changed, Denied, Misconfigured, NotFound, OriginFailed, RangeNotSatisfiable, Throttled,
            TimedOut,
        };
        let malformed = ReadErrorKind::BadAnswer(BadAnswer::Malformed);
        let sign_in = ReadErrorKind::BadAnswer(BadAnswer::SignInPage);
        for (status, code, call, expected) in [
            (404, Some("NOT_FOUND"), Call::Get, NotFound),
            (404, Some("RESOURCE_DOES_NOT_EXIST"), Call::Get, NotFound),
            (404, Some("VOLUME_DOES_NOT_EXIST"), Call::Get, Misconfigured),
            (404, Some("ENDPOINT_NOT_FOUND"), Call::Get, Misconfigured),
            (404, None, Call::Get, malformed),
            (404, None, Call::Head, NotFound),
            (403, Some("PERMISSION_DENIED"), Call::Get, Denied),
            (403, None, Call::Head, Denied),
            (403, None, Call::Get, malformed),
            (403, Some("403"), Call::Get, Misconfigured),
            (401, None, Call::Get, Misconfigured),
            (401, Some("invalid_client"), Call::Token, Misconfigured),
            (400, Some("invalid_scope"), Call::Token, Misconfigured),
            (404, None, Call::Token, Misconfigured),
            (
                400,
                Some("INVALID_PARAMETER_VALUE"),
                Call::Get,
                Misconfigured,
            ),
            (412, None, Call::Get, Changed),
            (416, None, Call::Get, RangeNotSatisfiable),
            (429, Some("REQUEST_LIMIT_EXCEEDED"), Call::Get, Throttled),
            (400, Some("REQUEST_LIMIT_EXCEEDED"), Call::Get, Throttled),
            (429, None, Call::Token, Throttled),
            (503, Some("TEMPORARILY_UNAVAILABLE"), Call::Get, Throttled),
            (500, Some("INTERNAL_ERROR"), Call::Get, OriginFailed),
            (502, None, Call::Get, OriginFailed),
            (504, None, Call::Get, TimedOut),
            (302, None, Call::Get, sign_in),
            (303, None, Call::Head, sign_in),
            (204, None, Call::Get, malformed),
        ] {
            let told = StatusCode::from_u16(status).unwrap();
            assert_eq!(
                kind(told, code, call),
                expected,
                "{status} {code:?} {call:?}"
            );
        }
    }

    #[test]
    fn an_error_is_read_in_each_of_its_forms() {
        for (body, code, message) in [
            (
                r#"{"error_code":"NOT_FOUND","message":"m","details":[]}"#,
                Some("NOT_FOUND"),
                Some("m"),
            ),
            (
                r#"{"error_code":401,"message":"m"}"#,
                Some("401"),
                Some("m"),
            ),
            (
                r#"{"error":"invalid_client","error_description":"d"}"#,
                Some("invalid_client"),
                Some("d"),
            ),
            (
                r#"{"error_code":"A","error":"b","message":"m"}"#,
                Some("A"),
                Some("m"),
            ),
            ("{}", None, None),
        ] {
            let refusal: Refusal = serde_json::from_str(body).unwrap();
            assert_eq!(refusal.code().as_deref(), code, "{body}");
            assert_eq!(refusal.message().as_deref(), message, "{body}");
        }
    }

    #[test]
    fn what_is_logged_is_one_line_of_bounded_length_and_no_query() {
        let mut headers = HeaderMap::new();
        headers.insert(
            LOCATION,
            "https://a/login.html?token=hidden".parse().unwrap(),
        );
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(location(&headers).unwrap(), "https://a/login.html");
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        assert_eq!(shortened("a\r\nb"), "a  b");
        assert!(shortened(&"\u{e9}".repeat(1000)).len() <= MAX_MESSAGE_BYTES);
    }
}
