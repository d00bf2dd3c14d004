//! From the fields of a request to types.

use actix_http::{HttpMessage as _, Request};
use actix_web::http::Method;
use actix_web::http::header::{
    CONTENT_LENGTH, HOST, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE, TRANSFER_ENCODING,
};

use crate::object::mount::HostName;
use crate::semantics::preconditions::TagCondition;
use crate::semantics::{Conditions, HttpDate, IfRange, Preconditions, RangesSpecifier};

/// Whether the bytes of an object are wanted or only its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// GET.
    Body,
    /// HEAD.
    HeadOnly,
}

/// What was asked of an object.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Bytes or head only.
    pub want: Want,
    /// What can change the answer.
    pub conditions: Conditions,
}

/// Reads the fields of a GET or HEAD.
#[must_use]
pub fn asked(request: &Request) -> Asked {
    let want = if request.method() == Method::HEAD {
        Want::HeadOnly
    } else {
        Want::Body
    };
    // Section 14.2 defines Range for GET only.
    let range = match want {
        Want::Body => {
            single(request, &RANGE).and_then(|value| RangesSpecifier::parse(value.as_bytes()).ok())
        }
        Want::HeadOnly => None,
    };
    // Most requests have none, and each look costs as much as to see that of all at once.
    if !has_conditions(request) {
        let conditions = Conditions {
            range,
            ..Conditions::default()
        };
        return Asked { want, conditions };
    }
    Asked {
        want,
        conditions: Conditions {
            preconditions: Preconditions {
                if_match: joined(request, &IF_MATCH).map(|value| TagCondition::parse(&value)),
                if_unmodified_since: date(request, &IF_UNMODIFIED_SINCE),
                if_none_match: joined(request, &IF_NONE_MATCH)
                    .map(|value| TagCondition::parse(&value)),
                if_modified_since: date(request, &IF_MODIFIED_SINCE),
            },
            if_range: if_range(request),
            range,
        },
    }
}

/// Whether there may be any field that [`Conditions`] are made of, but for the range. All of their names
/// begin alike.
fn has_conditions(request: &Request) -> bool {
    let mut names = request.headers().keys();
    names.any(|name| name.as_str().starts_with("if-"))
}

/// The host that is asked for: that of the target if it names one (RFC 9112 section 3.2.2), else that of
/// `Host`. `None` where there is none, several, or what is no host name; then only what is there for
/// all hosts is found.
#[must_use]
pub fn host(request: &Request) -> Option<HostName> {
    if let Some(authority) = request.uri().authority() {
        return HostName::parse(authority.as_str());
    }
    HostName::parse(single(request, &HOST)?)
}

/// Whether a body follows the head, or might.
#[must_use]
pub fn has_body(request: &Request) -> bool {
    let headers = request.headers();
    let length = headers.get(CONTENT_LENGTH);
    headers.contains_key(TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0")
}

/// The `Range` field for the log, control characters impossible in a field value.
#[must_use]
pub fn range_as_sent(request: &Request) -> Option<String> {
    request
        .headers()
        .get(RANGE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// `If-Range`, unreadable if it is repeated or holds odd bytes: then the whole object is sent.
fn if_range(request: &Request) -> Option<IfRange> {
    request.headers().get(IF_RANGE)?;
    Some(single(request, &IF_RANGE).map_or(IfRange::Unreadable, IfRange::parse))
}

/// The value of a field that has to stand alone; `None` when it is repeated, which makes it
/// meaningless, or holds bytes outside visible ASCII.
fn single<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a str> {
    let mut values = request.headers().get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The values of a list field in one list (section 5.3). Entity tags may hold bytes that are not
/// ASCII; a tag of ours never does, so a replacement character is a tag that matches nothing.
fn joined(request: &Request, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = request
        .headers()
        .get_all(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// A date; repeated or malformed ones are ignored (sections 13.1.3 and 13.1.4).
fn date(request: &Request, name: &HeaderName) -> Option<HttpDate> {
    single(request, name).and_then(HttpDate::parse)
}
