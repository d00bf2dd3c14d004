//! Conditional requests (RFC 9110 section 13): the client's side and ours.

use super::entity_tag::EntityTag;
use super::http_date::HttpDate;

/// What we hold of an object's version (RFC 9110 section 8.8).
#[derive(Debug, Clone, Default)]
pub struct Validators {
    /// The entity tag, when the origin gave a well-formed one.
    pub etag: Option<EntityTag>,
    /// The date of the last change, when the origin gave one.
    pub last_modified: Option<HttpDate>,
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone)]
pub enum TagCondition {
    /// `*`: any version at all.
    Any,
    /// One of these.
    OneOf(Vec<EntityTag>),
    /// Something else. It matches nothing: an `If-Match` that we cannot read must not let a
    /// request pass, and an `If-None-Match` that we cannot read must not hide the object.
    Unreadable,
}

impl TagCondition {
    /// Reads the joined value of all field lines (section 5.3).
    #[must_use]
    pub fn parse(value: &str) -> Self {
        if value.trim_matches([' ', '\t']) == "*" {
            return Self::Any;
        }
        EntityTag::parse_list(value).map_or(Self::Unreadable, Self::OneOf)
    }

    fn holds(
        &self,
        etag: Option<&EntityTag>,
        same: impl Fn(&EntityTag, &EntityTag) -> bool,
    ) -> bool {
        match self {
            // The object exists, or nobody would evaluate its conditions.
            Self::Any => true,
            Self::OneOf(tags) => etag.is_some_and(|ours| tags.iter().any(|tag| same(tag, ours))),
            Self::Unreadable => false,
        }
    }
}

/// The four conditions that come before `Range`. Dates that are no dates are absent here, since
/// sections 13.1.3 and 13.1.4 want such fields ignored.
#[derive(Debug, Clone, Default)]
pub struct Preconditions {
    /// `If-Match`.
    pub if_match: Option<TagCondition>,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: Option<HttpDate>,
    /// `If-None-Match`.
    pub if_none_match: Option<TagCondition>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<HttpDate>,
}

/// The outcome of evaluating [`Preconditions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on to `Range`.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

impl Preconditions {
    /// True when the request carries none, so that no evaluation is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            if_match,
            if_unmodified_since,
            if_none_match,
            if_modified_since,
        } = self;
        if_match.is_none()
            && if_unmodified_since.is_none()
            && if_none_match.is_none()
            && if_modified_since.is_none()
    }

    /// Steps 1 to 4 of section 13.2.2 for GET and HEAD.
    #[must_use]
    pub fn evaluate(&self, ours: &Validators) -> Verdict {
        let etag = ours.etag.as_ref();
        if let Some(condition) = &self.if_match {
            if !condition.holds(etag, EntityTag::strong_eq) {
                return Verdict::Failed;
            }
        } else if let (Some(date), Some(modified)) = (self.if_unmodified_since, ours.last_modified)
            && modified > date
        {
            return Verdict::Failed;
        }
        if let Some(condition) = &self.if_none_match {
            if condition.holds(etag, EntityTag::weak_eq) {
                return Verdict::NotModified;
            }
        } else if let (Some(date), Some(modified)) = (self.if_modified_since, ours.last_modified)
            && modified <= date
        {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }
}

/// `If-Range` (section 13.1.5): send the range only if the version is still this one.
#[derive(Debug, Clone)]
pub enum IfRange {
    /// An entity tag, compared strongly.
    Tag(EntityTag),
    /// A date, which has to be exactly `Last-Modified`.
    Date(HttpDate),
    /// Neither. It never holds, so the whole object is sent, which is always right.
    Unreadable,
}

impl IfRange {
    /// Reads the field value.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        let value = value.trim_matches([' ', '\t']);
        if let Ok(tag) = EntityTag::parse(value) {
            return Self::Tag(tag);
        }
        HttpDate::parse(value).map_or(Self::Unreadable, Self::Date)
    }

    /// True when the range still applies.
    #[must_use]
    pub fn holds(&self, ours: &Validators) -> bool {
        match self {
            Self::Tag(tag) => ours.etag.as_ref().is_some_and(|etag| tag.strong_eq(etag)),
            // A weak tag says that bytes may differ under it, and then they may under its date.
            Self::Date(date) => {
                let is_weak = ours.etag.as_ref().is_some_and(EntityTag::is_weak);
                ours.last_modified == Some(*date) && !is_weak
            }
            Self::Unreadable => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLDER: &str = "Sat, 05 Nov 1994 08:49:37 GMT";
    const OURS: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Mon, 07 Nov 1994 08:49:37 GMT";

    fn ours() -> Validators {
        Validators {
            etag: EntityTag::parse(r#""v1""#).ok(),
            last_modified: HttpDate::parse(OURS),
        }
    }

    fn verdict(fields: [Option<&str>; 4]) -> Verdict {
        let [
            if_match,
            if_unmodified_since,
            if_none_match,
            if_modified_since,
        ] = fields;
        let preconditions = Preconditions {
            if_match: if_match.map(TagCondition::parse),
            if_unmodified_since: if_unmodified_since.and_then(HttpDate::parse),
            if_none_match: if_none_match.map(TagCondition::parse),
            if_modified_since: if_modified_since.and_then(HttpDate::parse),
        };
        preconditions.evaluate(&ours())
    }

    #[test]
    fn preconditions_are_evaluated_in_the_order_of_section_13_2_2() {
        use Verdict::{Failed, NotModified, Proceed};
        let (v1, weak, v2) = (Some(r#""v1""#), Some(r#"W/"v1""#), Some(r#""v2""#));
        let (older, same, later) = (Some(OLDER), Some(OURS), Some(LATER));
        for (fields, expected) in [
            ([None, None, None, None], Proceed),
            ([v1, None, None, None], Proceed),
            ([Some("*"), None, None, None], Proceed),
            ([Some(r#""a", "v1""#), None, None, None], Proceed),
            ([weak, None, None, None], Failed),
            ([v2, None, None, None], Failed),
            ([Some("v1"), None, None, None], Failed),
            // If-Match hides If-Unmodified-Since.
            ([v1, older, None, None], Proceed),
            ([None, older, None, None], Failed),
            ([None, same, None, None], Proceed),
            ([None, Some("junk"), None, None], Proceed),
            ([None, None, v1, None], NotModified),
            ([None, None, weak, None], NotModified),
            ([None, None, Some("*"), None], NotModified),
            ([None, None, Some(r#""a", W/"v1""#), None], NotModified),
            ([None, None, v2, None], Proceed),
            // If-None-Match hides If-Modified-Since.
            ([None, None, v2, later], Proceed),
            ([None, None, v1, older], NotModified),
            ([None, None, None, older], Proceed),
            ([None, None, None, same], NotModified),
            ([None, None, None, later], NotModified),
            ([None, None, None, Some("junk")], Proceed),
            ([v2, None, v1, None], Failed),
            ([v1, None, v1, None], NotModified),
        ] {
            assert_eq!(verdict(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn if_range_holds_for_a_strong_tag_or_the_exact_date_only() {
        for (value, holds) in [
            (r#""v1""#, true),
            (r#"W/"v1""#, false),
            (r#""v2""#, false),
            (OURS, true),
            (OLDER, false),
            (LATER, false),
            ("junk", false),
            (r#""v1", "v2""#, false),
        ] {
            assert_eq!(IfRange::parse(value).holds(&ours()), holds, "{value}");
        }
        assert!(!IfRange::parse(r#""v1""#).holds(&Validators::default()));
        let weak = Validators {
            etag: EntityTag::parse(r#"W/"v1""#).ok(),
            ..ours()
        };
        assert!(IfRange::parse(OURS).holds(&ours()));
        assert!(!IfRange::parse(OURS).holds(&weak));
    }
}
