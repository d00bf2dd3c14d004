//! Every answer that is a failure: its status, what the viewer reads, what the log reads.
//!
//! The texts for viewers name what they asked and what to do, and nothing of ours: no bucket, no
//! endpoint, no key id, no XML of S3. The log line with the same request id has the whole cause.

use actix_web::http::StatusCode;
use log::Level;
use serde_json::json;

use super::streams::Full;
use crate::object::KeyError;
use crate::semantics::CompleteLength;
use crate::signing::Duplicated;
use crate::storage::error::{BadAnswer, Fault, ReadError, ReadErrorKind};
use crate::telemetry::RequestId;

/// The base of the stable problem types that the manual lists (RFC 9457 section 3.1.1). A tag and
/// not a location, because it has to stay the same wherever the manual is read.
pub const TYPE_BASE: &str = "urn:s3reel:problem:";

/// Why a request gets no object.
#[derive(Debug)]
pub enum ServeError {
    /// The path is no key.
    Key(KeyError),
    /// No page and no object can be here.
    NothingHere,
    /// A method other than GET, HEAD and OPTIONS.
    MethodNotAllowed,
    /// A longer path than any key needs.
    TargetTooLong,
    /// A larger head than any player sends.
    HeadTooLarge,
    /// Refused with just this status.
    Refused(StatusCode),
    /// A host name that we do not answer to.
    Misdirected,
    /// No signature that opens this: one answer whatever is wrong with it.
    Forbidden,
    /// A parameter or cookie of a signature stands there twice.
    Duplicated(Duplicated),
    /// A query that cannot be read.
    Query(&'static str),
    /// 412.
    PreconditionFailed,
    /// 416, with what was asked and the length.
    Unsatisfiable(Option<String>, CompleteLength),
    /// As many answers are in flight as may be.
    Full(Full),
    /// The bucket may not be listed.
    MayNotList(ReadError),
    /// The origin has no listing.
    CannotList,
    /// The object could not be read.
    Read(ReadError),
}

impl From<KeyError> for ServeError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl From<Full> for ServeError {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

impl From<ReadError> for ServeError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl ServeError {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Key(
                KeyError::PercentEncoding
                | KeyError::NotUtf8
                | KeyError::ControlCharacter
                | KeyError::DotSegment
                | KeyError::TooLong
                | KeyError::Empty,
            )
            | Self::Query(_)
            | Self::Duplicated(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NothingHere => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Refused(status) => *status,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::Unsatisfiable(..) => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::MayNotList(_) => StatusCode::BAD_GATEWAY,
            Self::CannotList => StatusCode::NOT_IMPLEMENTED,
            Self::Read(error) => match error.kind {
                ReadErrorKind::NotFound | ReadErrorKind::DeniedOrMissing => StatusCode::NOT_FOUND,
                ReadErrorKind::Archived => StatusCode::CONFLICT,
                ReadErrorKind::Throttled | ReadErrorKind::Overloaded => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                ReadErrorKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
                // An object that keeps changing under us, or a range that S3 refuses although it
                // exists, is an origin that contradicts itself.
                ReadErrorKind::Changed
                | ReadErrorKind::RangeNotSatisfiable
                | ReadErrorKind::Denied
                | ReadErrorKind::Unreachable
                | ReadErrorKind::OriginFailed
                | ReadErrorKind::BadAnswer(_)
                | ReadErrorKind::Misconfigured => StatusCode::BAD_GATEWAY,
                ReadErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// Last part of the problem type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Key(_) => "key-refused",
            Self::NothingHere => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TargetTooLong => "target-too-long",
            Self::HeadTooLarge => "head-too-large",
            Self::Refused(_) => "refused",
            Self::Misdirected => "misdirected",
            Self::Query(_) => "query-refused",
            Self::Forbidden => "forbidden",
            Self::Duplicated(_) => "signature-duplicated",
            Self::PreconditionFailed => "precondition-failed",
            Self::Unsatisfiable(..) => "range-not-satisfiable",
            Self::Full(Full::Total) => "too-many-streams",
            Self::Full(Full::Address) => "too-many-streams-of-address",
            Self::MayNotList(_) => "listing-denied",
            Self::CannotList => "listing-unknown",
            Self::Read(error) => match error.kind {
                ReadErrorKind::NotFound | ReadErrorKind::DeniedOrMissing => "not-found",
                ReadErrorKind::Archived => "archived",
                ReadErrorKind::Throttled => "storage-busy",
                ReadErrorKind::Overloaded => "storage-queue-full",
                ReadErrorKind::TimedOut => "storage-timeout",
                ReadErrorKind::Changed | ReadErrorKind::RangeNotSatisfiable => "object-changing",
                ReadErrorKind::Denied | ReadErrorKind::Misconfigured => "storage-misconfigured",
                ReadErrorKind::Unreachable | ReadErrorKind::OriginFailed => "storage-unavailable",
                ReadErrorKind::BadAnswer(_) => "storage-bad-answer",
                ReadErrorKind::Internal => "internal",
            },
        }
    }

    /// One sentence that a person can act on.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Key(error) => format!("The request was refused: {error}."),
            Self::NothingHere => "There is nothing at this address; ask for an object by its key.".to_owned(),
            Self::MethodNotAllowed => "Objects can only be read: use GET, HEAD or OPTIONS.".to_owned(),
            Self::TargetTooLong => "The path is longer than any object key can be.".to_owned(),
            Self::HeadTooLarge => "The request head is larger than 16 KiB; send fewer or shorter fields.".to_owned(),
            Self::Refused(status) if *status == StatusCode::PAYLOAD_TOO_LARGE => {
                "Requests for objects carry no body; send none.".to_owned()
            }
            Self::Refused(_) => "The request was refused.".to_owned(),
            Self::Misdirected => "This service answers to the host names localhost, 127.0.0.1 and [::1] only.".to_owned(),
            Self::Forbidden => {
                "This needs a valid signed URL or signed cookies; ask whoever gave you the address for a new one.".to_owned()
            }
            Self::Duplicated(what) => format!("The request was refused: {what}."),
            Self::Query(why) => format!("The query was refused: {why}."),
            Self::PreconditionFailed => {
                "The object is not the version that If-Match or If-Unmodified-Since asks for; fetch it again.".to_owned()
            }
            Self::Unsatisfiable(range, complete) => {
                let range = range.as_deref().unwrap_or("the range");
                format!("No byte of the object is in {range}; it is {complete} bytes long.")
            }
            Self::Full(Full::Total) => {
                "As many viewers are being served as there is room for; try again after the time given in Retry-After.".to_owned()
            }
            Self::Full(Full::Address) => {
                "As many streams as one address may have go to this one; end one of them, or try again after the time given in Retry-After.".to_owned()
            }
            Self::MayNotList(_) => {
                "This service may not list what it serves; its operator has to grant s3:ListBucket. Files play by their own address all the same.".to_owned()
            }
            Self::CannotList => {
                "What is stored here cannot be listed. Files play by their own address all the same.".to_owned()
            }
            Self::Read(error) => read_detail(error.kind).to_owned(),
        }
    }

    /// What the answer tells about coming back, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        let error = match self {
            // Spread, or all who were turned away come back together.
            Self::Full(_) => return Some(fastrand::u64(2..=5)),
            Self::Read(error) => error,
            _ => return None,
        };
        match error.kind {
            // Spread over a second or two, or all viewers come back together.
            ReadErrorKind::Throttled | ReadErrorKind::Overloaded => {
                let told = error.retry_after.map_or(0, |told| told.as_secs());
                Some(told.max(1).saturating_add(fastrand::u64(0..2)))
            }
            ReadErrorKind::TimedOut | ReadErrorKind::Unreachable | ReadErrorKind::OriginFailed => {
                Some(5)
            }
            ReadErrorKind::NotFound
            | ReadErrorKind::DeniedOrMissing
            | ReadErrorKind::Denied
            | ReadErrorKind::Archived
            | ReadErrorKind::Changed
            | ReadErrorKind::RangeNotSatisfiable
            | ReadErrorKind::BadAnswer(_)
            | ReadErrorKind::Misconfigured
            | ReadErrorKind::Internal => None,
        }
    }

    /// How loudly it is logged; `None` when the access line says enough.
    #[must_use]
    pub fn log_level(&self) -> Option<Level> {
        match self {
            Self::Read(error) | Self::MayNotList(error) => Some(match error.kind.fault() {
                Fault::Client => Level::Debug,
                Fault::Upstream => Level::Warn,
                Fault::Own => Level::Error,
            }),
            Self::Key(_)
            | Self::NothingHere
            | Self::MethodNotAllowed
            | Self::TargetTooLong
            | Self::HeadTooLarge
            | Self::Refused(_)
            | Self::Misdirected
            | Self::Query(_)
            | Self::Forbidden
            | Self::Duplicated(_)
            | Self::PreconditionFailed
            | Self::Unsatisfiable(..)
            | Self::CannotList
            | Self::Full(_) => None,
        }
    }

    /// The body (RFC 9457).
    #[must_use]
    pub fn body(&self, id: &RequestId) -> String {
        let status = self.status();
        json!({
            "type": format!("{TYPE_BASE}{}", self.name()),
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": self.detail(),
            "request_id": id.as_str(),
        })
        .to_string()
    }
}

fn read_detail(kind: ReadErrorKind) -> &'static str {
    match kind {
        ReadErrorKind::NotFound | ReadErrorKind::DeniedOrMissing => {
            "There is no object with this key; keys are case-sensitive and have to be percent-encoded."
        }
        ReadErrorKind::Archived => {
            "The object is archived and has to be restored before it can be read."
        }
        ReadErrorKind::Throttled => {
            "The storage is busy; try again after the time given in Retry-After."
        }
        ReadErrorKind::Overloaded => {
            "Too many requests wait for the storage; try again after the time given in Retry-After."
        }
        ReadErrorKind::TimedOut => "The storage did not answer in time; try again shortly.",
        ReadErrorKind::Changed | ReadErrorKind::RangeNotSatisfiable => {
            "The object was being replaced while it was read; try again."
        }
        ReadErrorKind::Denied | ReadErrorKind::Misconfigured => {
            "This service is not set up to read the object; tell its operator the request id."
        }
        ReadErrorKind::Unreachable | ReadErrorKind::OriginFailed => {
            "The storage cannot be reached at the moment; try again shortly."
        }
        ReadErrorKind::BadAnswer(BadAnswer::SignInPage) => {
            "The storage sent a page to sign in on instead of the object, so it was not passed on; its operator should check the workspace's address, the credentials, and whether this service may reach it from its network."
        }
        ReadErrorKind::BadAnswer(_) => {
            "The storage gave an answer that contradicts itself, so it was not passed on; tell the operator the request id."
        }
        ReadErrorKind::Internal => "Something went wrong here; tell the operator the request id.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_the_status_of_the_contracts_table() {
        for (kind, status) in [
            (ReadErrorKind::NotFound, 404),
            (ReadErrorKind::DeniedOrMissing, 404),
            (ReadErrorKind::Denied, 502),
            (ReadErrorKind::Archived, 409),
            (ReadErrorKind::Throttled, 503),
            (ReadErrorKind::Overloaded, 503),
            (ReadErrorKind::Unreachable, 502),
            (ReadErrorKind::OriginFailed, 502),
            (ReadErrorKind::BadAnswer(BadAnswer::Length), 502),
            (ReadErrorKind::Misconfigured, 502),
            (ReadErrorKind::TimedOut, 504),
        ] {
            let error = ServeError::Read(ReadError::new(kind, "GetObject secret-bucket"));
            assert_eq!(error.status().as_u16(), status, "{kind:?}");
        }
    }

    #[test]
    fn who_operates_a_workspace_is_told_what_to_check() {
        let kind = ReadErrorKind::BadAnswer(BadAnswer::SignInPage);
        let error = ServeError::Read(ReadError::new(kind, "download of film.mp4"));
        assert_eq!(error.status().as_u16(), 502);
        for what in ["sign in", "check", "address", "credentials", "network"] {
            assert!(error.detail().contains(what), "{}", error.detail());
        }
    }

    #[test]
    fn a_problem_says_what_to_do_and_tells_no_internals() {
        let cause = ReadError::new(ReadErrorKind::Misconfigured, "GetObject secret-key")
            .because("InvalidAccessKeyId: AKIASECRET");
        let id = RequestId::from_header(Some(b"abc"));
        let body = ServeError::Read(cause).body(&id);
        let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["status"], 502);
        assert_eq!(problem["request_id"], "abc");
        assert_eq!(problem["type"], "urn:s3reel:problem:storage-misconfigured");
        assert!(!body.contains("secret") && !body.contains("AKIA"), "{body}");
    }

    #[test]
    fn a_throttled_origin_is_left_alone_as_long_as_it_asks() {
        let mut error = ReadError::new(ReadErrorKind::Throttled, "GetObject");
        error.retry_after = Some(std::time::Duration::from_secs(30));
        let seconds = ServeError::Read(error).retry_after().unwrap();
        assert!((30..=31).contains(&seconds), "{seconds}");
    }
}
