//! The one door for the SDK's errors: what S3 says, as a [`ReadErrorKind`].

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::answer::StatusContradiction;
use crate::storage::error::{BadAnswer, ReadError, ReadErrorKind};
use crate::storage::health::ListPermission;

/// The call that failed. Only HeadObject's errors have no body, and so no code, by design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// HeadObject.
    Head,
    /// Any other.
    Other,
}

/// Turns a failed call into a [`ReadError`]. `target` names operation and key for the log.
pub fn read_error<E>(
    error: SdkError<E, HttpResponse>,
    target: String,
    call: Call,
    listing: ListPermission,
) -> ReadError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let kind = match &error {
        SdkError::TimeoutError(_) => ReadErrorKind::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => ReadErrorKind::TimedOut,
        // A connection closed before the head counts as a passing fault and not as I/O.
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.as_other().is_some() => {
            ReadErrorKind::Unreachable
        }
        SdkError::DispatchFailure(failure) => other_dispatch_failure(failure.as_connector_error()),
        SdkError::ResponseError(response) => bad_answer(&error, call, response.raw()),
        SdkError::ServiceError(service) => {
            by_code(service.err().code(), status(service.raw()), call, listing)
        }
        SdkError::ConstructionFailure(_) => ReadErrorKind::Misconfigured,
        _ => ReadErrorKind::Internal,
    };
    let retry_after = retry_after(error.raw_response());
    let code = error.code().map(ToOwned::to_owned);
    let mut read_error = ReadError::new(kind, target).because(Cause {
        code,
        source: Box::new(error),
    });
    read_error.retry_after = retry_after;
    read_error
}

/// A dispatch failure that is neither a timeout nor I/O: an answer that is not HTTP, or, since the
/// SDK reports those from inside its dispatch as well, no credentials, no region, no endpoint.
fn other_dispatch_failure(error: Option<&(impl Error + 'static)>) -> ReadErrorKind {
    let mut cause = error.map(|error| {
        let error: &(dyn Error + 'static) = error;
        error
    });
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            return if error.is_parse() {
                ReadErrorKind::BadAnswer(BadAnswer::Malformed)
            } else {
                ReadErrorKind::Unreachable
            };
        }
        cause = error.source();
    }
    ReadErrorKind::Misconfigured
}

fn bad_answer(error: &(dyn Error + 'static), call: Call, raw: &HttpResponse) -> ReadErrorKind {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<StatusContradiction>() {
            return ReadErrorKind::BadAnswer(BadAnswer::Status);
        }
        cause = error.source();
    }
    // An error status whose body could not be read still says what it says.
    match status(raw) {
        200..=299 => ReadErrorKind::BadAnswer(BadAnswer::Malformed),
        status => by_code(None, status, call, ListPermission::Unknown),
    }
}

fn status(raw: &HttpResponse) -> u16 {
    raw.status().as_u16()
}

/// S3's error codes; where a server gives none, as for HeadObject, the status has to do.
fn by_code(code: Option<&str>, status: u16, call: Call, listing: ListPermission) -> ReadErrorKind {
    match code.unwrap_or_default() {
        // `NotFound` is the SDK's own word for a 404 without a body.
        "NoSuchKey" | "NoSuchVersion" | "NotFound" => return ReadErrorKind::NotFound,
        "AccessDenied" => return denied(listing),
        "InvalidObjectState" => return ReadErrorKind::Archived,
        "PreconditionFailed" => return ReadErrorKind::Changed,
        "InvalidRange" => return ReadErrorKind::RangeNotSatisfiable,
        "SlowDown"
        | "ServiceUnavailable"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "BandwidthLimitExceeded" => {
            return ReadErrorKind::Throttled;
        }
        "InternalError" => return ReadErrorKind::OriginFailed,
        "RequestTimeout" => return ReadErrorKind::TimedOut,
        "NoSuchBucket"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "InvalidToken"
        | "TokenRefreshRequired"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "AuthorizationHeaderMalformed"
        | "InvalidSecurity"
        | "MissingSecurityHeader"
        | "AccountProblem"
        | "AllAccessDisabled"
        | "NotSignedUp"
        | "InvalidBucketName"
        | "PermanentRedirect"
        | "TemporaryRedirect"
        | "Redirect"
        | "IllegalLocationConstraintException"
        | "InvalidRequest"
        | "InvalidArgument" => return ReadErrorKind::Misconfigured,
        _ => {}
    }
    match (code, status) {
        (Some(code), _) if code.starts_with("KMS.") => ReadErrorKind::Misconfigured,
        (None, 404) if call == Call::Head => ReadErrorKind::NotFound,
        (None, 403) if call == Call::Head => denied(listing),
        (_, 412) => ReadErrorKind::Changed,
        (_, 416) => ReadErrorKind::RangeNotSatisfiable,
        (_, 429 | 503) => ReadErrorKind::Throttled,
        (_, 504) => ReadErrorKind::TimedOut,
        (_, 500..=599) => ReadErrorKind::OriginFailed,
        (_, 200..=299) => ReadErrorKind::BadAnswer(BadAnswer::Malformed),
        // Some page of someone between us and S3, or no S3 at all.
        (None, 400..=499) if call != Call::Head => ReadErrorKind::BadAnswer(BadAnswer::Malformed),
        _ => ReadErrorKind::Misconfigured,
    }
}

fn denied(listing: ListPermission) -> ReadErrorKind {
    match listing {
        ListPermission::Granted => ReadErrorKind::Denied,
        ListPermission::Denied | ListPermission::Unknown => ReadErrorKind::DeniedOrMissing,
    }
}

/// `Retry-After` in seconds; S3 sends no date there.
fn retry_after(raw: Option<&HttpResponse>) -> Option<Duration> {
    let seconds = raw?.headers().get_bytes("retry-after")?;
    let seconds: u64 = std::str::from_utf8(seconds).ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// An SDK error with S3's code in front: the SDK's own texts are the same for all of them.
#[derive(Debug)]
struct Cause {
    code: Option<String>,
    source: Box<dyn Error + Send + Sync>,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code.as_deref().unwrap_or("no code"))
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &(dyn Error + 'static) = self.source.as_ref();
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_contracts_table_has_its_kind() {
        use ReadErrorKind::{
            Archived, Changed, Denied, DeniedOrMissing, Misconfigured, NotFound, OriginFailed,
            RangeNotSatisfiable, Throttled, TimedOut,
        };
        let granted = ListPermission::Granted;
        for (code, status, kind) in [
            (Some("NoSuchKey"), 404, NotFound),
            (Some("NotFound"), 404, NotFound),
            (Some("AccessDenied"), 403, Denied),
            (Some("InvalidObjectState"), 403, Archived),
            (Some("PreconditionFailed"), 412, Changed),
            (None, 412, Changed),
            (Some("InvalidRange"), 416, RangeNotSatisfiable),
            (Some("SlowDown"), 503, Throttled),
            (Some("ServiceUnavailable"), 503, Throttled),
            (None, 429, Throttled),
            (None, 503, Throttled),
            (Some("InternalError"), 500, OriginFailed),
            (None, 502, OriginFailed),
            (None, 504, TimedOut),
            (Some("NoSuchBucket"), 404, Misconfigured),
            (Some("InvalidAccessKeyId"), 403, Misconfigured),
            (Some("SignatureDoesNotMatch"), 403, Misconfigured),
            (Some("ExpiredToken"), 400, Misconfigured),
            (Some("RequestTimeTooSkewed"), 403, Misconfigured),
            (Some("PermanentRedirect"), 301, Misconfigured),
            (Some("AuthorizationHeaderMalformed"), 400, Misconfigured),
            (Some("KMS.DisabledException"), 400, Misconfigured),
            (Some("SomethingNew"), 400, Misconfigured),
        ] {
            assert_eq!(
                by_code(code, status, Call::Other, granted),
                kind,
                "{code:?} {status}"
            );
        }
        for unsure in [ListPermission::Denied, ListPermission::Unknown] {
            let denied = by_code(Some("AccessDenied"), 403, Call::Other, unsure);
            assert_eq!(denied, DeniedOrMissing);
        }
    }

    #[test]
    fn a_status_without_a_code_means_something_for_heads_only() {
        let by_status = |status, call| by_code(None, status, call, ListPermission::Denied);
        for status in [400, 403, 404] {
            let malformed = ReadErrorKind::BadAnswer(BadAnswer::Malformed);
            assert_eq!(by_status(status, Call::Other), malformed, "{status}");
        }
        assert_eq!(by_status(404, Call::Head), ReadErrorKind::NotFound);
        assert_eq!(by_status(403, Call::Head), ReadErrorKind::DeniedOrMissing);
        assert_eq!(by_status(400, Call::Head), ReadErrorKind::Misconfigured);
    }
}
