//! The fields of an object answer: an allow-list of what S3 stores, and what we always say.

use actix_web::http::header::{self, HeaderName};

use super::admission::{Audience, private};
use super::head::Head;
use crate::object::Representation;
use crate::object::media_type;
use crate::object::representation::FieldValue;
use crate::semantics::HttpDate;
use crate::storage::{Served, Source};

/// What an active type is sent with: the browser shows it as a document without scripts, forms,
/// plugins and our origin, if at all, since it is also sent as an attachment.
const SANDBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// What `Cache-Control` is made of.
#[derive(Debug, Clone, Copy)]
pub struct Caching<'a> {
    /// What is sent when none is stored.
    pub default: &'a FieldValue,
    /// Whom the answer is for.
    pub audience: Audience,
}

/// Fields of 200 and 206 that describe the object, whose own type this is; the answer's
/// `Content-Type` may be another, for several parts.
pub fn describe(
    head: &mut Head,
    representation: &Representation,
    caching: Caching<'_>,
    content_type: &str,
    now: HttpDate,
) {
    validate(head, representation, caching);
    if let Some(modified) = representation.validators.last_modified {
        last_modified(head, modified, now);
    }
    insert(
        head,
        header::CONTENT_ENCODING,
        representation.content_encoding.as_ref(),
    );
    insert(
        head,
        header::CONTENT_LANGUAGE,
        representation.content_language.as_ref(),
    );
    let disposition = representation.content_disposition.as_ref();
    if media_type::is_active(content_type) {
        head.fixed(header::CONTENT_SECURITY_POLICY, SANDBOX)
            .text(header::CONTENT_DISPOSITION, &as_attachment(disposition));
    } else {
        insert(head, header::CONTENT_DISPOSITION, disposition);
    }
}

/// Where an answer comes from (RFC 9211), and how old what it says of the object is (RFC 9111
/// section 5.1); nothing where there is no cache.
pub fn tell_cache(head: &mut Head, served: Served) {
    let what = match served.source {
        Source::Origin => return,
        Source::Kept => "s3reel; hit",
        Source::AskedAgain => "s3reel; fwd=stale",
        Source::Missed => "s3reel; fwd=miss; stored",
        Source::Joined => "s3reel; fwd=miss; collapsed",
        Source::PassedBy => "s3reel; fwd=bypass",
    };
    head.fixed(header::CACHE_STATUS, what);
    let is_kept = matches!(served.source, Source::Kept);
    if is_kept {
        let seconds = served.age.as_secs();
        head.written(header::AGE, format_args!("{seconds}"));
    }
}

/// Fields of 304: validators and caching (RFC 9110 section 15.4.5), the date only when there is no
/// tag.
pub fn revalidate(
    head: &mut Head,
    representation: &Representation,
    caching: Caching<'_>,
    now: HttpDate,
) {
    validate(head, representation, caching);
    let validators = &representation.validators;
    if let (None, Some(modified)) = (&validators.etag, validators.last_modified) {
        last_modified(head, modified, now);
    }
}

/// Never later than the answer's own `Date` (RFC 9110 section 8.8.2.1): S3's clock may be ahead of
/// ours.
fn last_modified(head: &mut Head, modified: HttpDate, now: HttpDate) {
    let modified = modified.min(now);
    head.written(header::LAST_MODIFIED, format_args!("{modified}"));
}

fn validate(head: &mut Head, representation: &Representation, caching: Caching<'_>) {
    if let Some(etag) = &representation.validators.etag {
        head.text(header::ETAG, etag.as_str());
    }
    let stored = representation.cache_control.as_ref();
    let cache_control = stored.unwrap_or(caching.default).as_str();
    match caching.audience {
        Audience::Everyone => head.text(header::CACHE_CONTROL, cache_control),
        Audience::Signed => head.text(header::CACHE_CONTROL, &private(cache_control)),
    };
    insert(head, header::EXPIRES, representation.expires.as_ref());
}

fn insert(head: &mut Head, name: HeaderName, value: Option<&FieldValue>) {
    if let Some(value) = value {
        head.text(name, value.as_str());
    }
}

/// The stored disposition as an attachment, its parameters (the file name) kept.
fn as_attachment(stored: Option<&FieldValue>) -> String {
    let parameters = stored.and_then(|stored| stored.as_str().split_once(';'));
    parameters.map_or_else(
        || "attachment".to_owned(),
        |(_, parameters)| format!("attachment;{parameters}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_keeps_the_stored_file_name() {
        for (stored, sent) in [
            (None, "attachment"),
            (Some("inline"), "attachment"),
            (
                Some("inline; filename=\"a.html\""),
                "attachment; filename=\"a.html\"",
            ),
            (Some("attachment; filename=a"), "attachment; filename=a"),
        ] {
            let stored = stored.and_then(FieldValue::parse);
            assert_eq!(as_attachment(stored.as_ref()), sent);
        }
    }
}
