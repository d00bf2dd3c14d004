//! The fields of an object answer: an allow-list of what S3 stores, and what we always say.

use super::admission::{Audience, private};
use super::fields::{self, FieldName};
use super::head::Head;
use crate::object::Representation;
use crate::object::media_type::MediaType;
use crate::object::representation::FieldValue;
use crate::semantics::HttpDate;
use crate::storage::{Served, Source};

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
    content_type: &MediaType,
    now: HttpDate,
) {
    validate(head, representation, caching);
    if let Some(modified) = representation.validators.last_modified {
        last_modified(head, modified, now);
    }
    insert(
        head,
        fields::CONTENT_ENCODING,
        representation.content_encoding.as_ref(),
    );
    insert(
        head,
        fields::CONTENT_LANGUAGE,
        representation.content_language.as_ref(),
    );
    let disposition = representation.content_disposition.as_ref();
    if content_type.is_active() {
        head.fixed(fields::SANDBOX)
            .text(fields::CONTENT_DISPOSITION, &as_attachment(disposition));
    } else {
        insert(head, fields::CONTENT_DISPOSITION, disposition);
    }
}

/// Where an answer comes from (RFC 9211), and how old what it says of the object is (RFC 9111
/// section 5.1); nothing where there is no cache.
pub fn tell_cache(head: &mut Head, served: Served) {
    let what = match served.source {
        Source::Origin => return,
        Source::Kept => fields::CACHE_HIT,
        Source::AskedAgain => fields::CACHE_STALE,
        Source::Missed => fields::CACHE_MISS,
        Source::Joined => fields::CACHE_JOINED,
        Source::PassedBy => fields::CACHE_BYPASS,
    };
    head.fixed(what);
    let is_kept = matches!(served.source, Source::Kept);
    if is_kept {
        head.number(fields::AGE, served.age.as_secs());
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
    head.moment(fields::LAST_MODIFIED, modified.min(now));
}

fn validate(head: &mut Head, representation: &Representation, caching: Caching<'_>) {
    if let Some(etag) = &representation.validators.etag {
        head.text(fields::ETAG, etag.as_str());
    }
    let stored = representation.cache_control.as_ref();
    let cache_control = stored.unwrap_or(caching.default).as_str();
    match caching.audience {
        Audience::Everyone => head.text(fields::CACHE_CONTROL, cache_control),
        Audience::Signed => head.text(fields::CACHE_CONTROL, &private(cache_control)),
    };
    insert(head, fields::EXPIRES, representation.expires.as_ref());
}

fn insert(head: &mut Head, name: FieldName, value: Option<&FieldValue>) {
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
