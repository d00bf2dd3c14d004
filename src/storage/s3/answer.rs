//! What an answer of S3 has to be before a byte of it is passed on.
//!
//! The SDK takes answers that contradict the request: another `Content-Range`, a 200 to a ranged
//! read, a missing length. Passing one on would give a player wrong bytes under a right status.

use std::collections::BTreeSet;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::http::Headers;
use http_body_util::Limited;

use crate::object::Representation;
use crate::semantics::HttpDate;
use crate::storage::VersionPin;
use crate::storage::error::BadAnswer;

/// Checks that an answer is of the version that was asked for.
///
/// # Errors
/// [`BadAnswer::EntityTag`] when it is of another, or does not say of which.
pub fn check_version(asked: Option<&VersionPin>, told: &Representation) -> Result<(), BadAnswer> {
    let Some(asked) = asked else {
        return Ok(());
    };
    let etag = told.validators.etag.as_ref();
    let is_tag = etag.is_some_and(|etag| asked.etag().weak_eq(etag));
    // Servers without versions ignore the id that they were given, and tell none.
    let both = asked.version().zip(told.version.as_ref());
    let is_version = both.is_none_or(|(asked, told)| asked == told);
    if is_tag && is_version {
        Ok(())
    } else {
        Err(BadAnswer::EntityTag)
    }
}

/// Looks at each answer's raw head before the SDK does.
///
/// It makes `Content-Range` say truly whether the status was 206, since the SDK hides the status
/// of answers it takes, and it removes fields that we never use but on whose odd bytes the SDK
/// gives up the whole answer.
#[derive(Debug)]
pub struct AnswerCheck;

impl Intercept for AnswerCheck {
    fn name(&self) -> &'static str {
        "s3reel-answer-check"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_object = config
            .load::<Metadata>()
            .is_some_and(|call| call.name() == "GetObject");
        let response = context.response_mut();
        let status = response.status().as_u16();
        bound_body(response, status, is_object);
        let headers = response.headers_mut();
        let has_content_range = headers.contains_key("content-range");
        let is_contradiction = match status {
            200 => has_content_range,
            206 => !has_content_range,
            // No other success carries an object or a listing.
            _ => (201..300).contains(&status),
        };
        if is_contradiction {
            return Err(Box::new(StatusContradiction { status }));
        }
        keep_usable(headers);
        Ok(())
    }
}

/// Errors and listings are read whole by the SDK, so an endless one would fill the memory. Objects
/// are streamed and have no bound here.
fn bound_body(response: &mut HttpResponse, status: u16, is_object: bool) {
    let most = match status {
        200..=299 if is_object => return,
        200..=299 => MAX_LISTING_BYTES,
        _ => MAX_ERROR_BYTES,
    };
    let body = std::mem::replace(response.body_mut(), SdkBody::taken());
    *response.body_mut() = SdkBody::from_body_1_x(Limited::new(body, most));
}

/// A thousand keys of 1024 bytes, each escaped as XML at its worst, and what stands around them.
const MAX_LISTING_BYTES: usize = 16 * 1024 * 1024;

/// S3's errors have under a thousand bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// The fields of S3's answers that mean something to us or to the SDK, and some that are in every
/// answer and mean nothing to either. Others are removed unread, since an odd value in any field
/// that the SDK knows costs the whole answer.
fn is_known(name: &str) -> bool {
    matches!(
        name,
        "accept-ranges"
            | "cache-control"
            | "connection"
            | "content-disposition"
            | "content-encoding"
            | "content-language"
            | "content-length"
            | "content-range"
            | "content-type"
            | "date"
            | "etag"
            | "expires"
            | "last-modified"
            | "retry-after"
            | "server"
            | "transfer-encoding"
            | "x-amz-archive-status"
            | "x-amz-bucket-region"
            | "x-amz-id-2"
            | "x-amz-request-id"
            | "x-amz-restore"
            | "x-amz-server-side-encryption"
            | "x-amz-storage-class"
            | "x-amz-version-id"
    )
}

/// Those whose lines may be joined (RFC 9110 section 5.3), as a proxy in front of S3 may split them.
const LIST_FIELDS: &[&str] = &["cache-control", "content-encoding", "content-language"];

fn keep_usable(headers: &mut Headers) {
    if are_all_usable(headers) {
        return;
    }
    let names: BTreeSet<String> = headers
        .iter_bytes()
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in names {
        let values: Vec<String> = headers
            .get_all_bytes(&name)
            .filter(|value| is_usable(&name, value))
            .filter_map(|value| String::from_utf8(value.to_vec()).ok())
            .collect();
        let intact = headers.get_all_bytes(&name).count() == 1 && values.len() == 1;
        if intact {
            continue;
        }
        headers.remove(&name);
        let joined = match values.as_slice() {
            [only] => Some(only.clone()),
            several if LIST_FIELDS.contains(&name.as_str()) => Some(several.join(", ")),
            // Two values of a field that has one: neither can be believed.
            _ => None,
        };
        if let Some(value) = joined.filter(|value| !value.is_empty()) {
            headers.insert(name, value);
        }
    }
}

/// True for nearly every answer, which spares it the copies of [`keep_usable`].
fn are_all_usable(headers: &Headers) -> bool {
    // Values of one name come one after the other.
    let mut previous = "";
    headers.iter_bytes().all(|(name, value)| {
        let is_repeated = name == previous;
        previous = name;
        !is_repeated && is_usable(name, value)
    })
}

fn is_usable(name: &str, value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    match name {
        // The SDK reads IMF-fixdate only, of the three forms that HTTP has.
        "last-modified" => HttpDate::parse(text).is_some_and(|date| date.to_string() == text),
        name => is_known(name),
    }
}

/// 206 without `Content-Range`, 200 with one, or another status of success.
#[derive(Debug)]
pub struct StatusContradiction {
    status: u16,
}

impl std::fmt::Display for StatusContradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            200 => f.write_str("status 200 with content-range"),
            206 => f.write_str("status 206 without content-range"),
            status => write!(f, "status {status} to a read"),
        }
    }
}

impl std::error::Error for StatusContradiction {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::VersionId;
    use crate::semantics::{CompleteLength, EntityTag};

    #[test]
    fn a_version_that_was_asked_for_has_to_be_told() {
        let version = |etag: &str, version: Option<&str>| {
            let mut told = Representation::of_length(CompleteLength::new(1));
            told.validators.etag = EntityTag::parse(etag).ok();
            told.version = version.and_then(VersionId::parse);
            told
        };
        let wrong = Err(BadAnswer::EntityTag);
        for (asked, told, outcome) in [
            (version("\"1\"", None), version("\"1\"", None), Ok(())),
            (
                version("\"1\"", Some("a")),
                version("\"1\"", Some("a")),
                Ok(()),
            ),
            (version("\"1\"", Some("a")), version("\"1\"", None), Ok(())),
            (
                version("\"1\"", Some("a")),
                version("\"1\"", Some("b")),
                wrong,
            ),
            (version("\"1\"", None), version("\"2\"", None), wrong),
            (version("\"1\"", None), version("none", None), wrong),
        ] {
            let pin = VersionPin::of(&asked);
            assert_eq!(check_version(pin.as_ref(), &told), outcome, "{told:?}");
            assert_eq!(check_version(None, &told), Ok(()));
        }
    }

    #[test]
    fn split_lists_are_joined_and_contradictions_dropped() {
        let mut headers = Headers::new();
        headers.append("cache-control", "no-cache");
        headers.append("cache-control", "private");
        headers.append("content-type", "video/mp4");
        headers.append("content-type", "text/html");
        headers.append("etag", "\"1\"");
        headers.append("x-amz-meta-a", "b");
        keep_usable(&mut headers);
        assert_eq!(headers.get("cache-control"), Some("no-cache, private"));
        assert_eq!(headers.get("content-type"), None);
        assert_eq!(headers.get("etag"), Some("\"1\""));
        assert_eq!(headers.get("x-amz-meta-a"), None);
    }

    #[test]
    fn odd_metadata_is_dropped_before_it_can_cost_the_answer() {
        for (name, value, usable) in [
            ("content-type", &b"video/mp4"[..], true),
            ("content-disposition", b"inline; filename=\"\xff\"", false),
            ("x-amz-meta-title", b"a", false),
            ("x-amz-tagging-count", b"many", false),
            ("last-modified", b"yesterday", false),
            ("last-modified", b"Sunday, 06-Nov-94 08:49:37 GMT", false),
            ("last-modified", b"Sun, 06 Nov 1994 08:49:37 GMT", true),
        ] {
            assert_eq!(is_usable(name, value), usable, "{name}");
        }
    }
}
