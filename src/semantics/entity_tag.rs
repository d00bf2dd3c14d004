//! Entity tags (RFC 9110 section 8.8.3).

use std::fmt;

/// An entity tag as it stands on the wire, quotes and `W/` included.
///
/// There is no `==`: the standard knows a strong and a weak comparison, and each use has to say
/// which it means.
///
/// ```
/// use s3reel::semantics::EntityTag;
/// let strong = EntityTag::parse(r#""9a0364b9e99bb480dd25e1f0284c8555-3""#).unwrap();
/// let weak = EntityTag::parse(r#"W/"9a0364b9e99bb480dd25e1f0284c8555-3""#).unwrap();
/// assert!(strong.weak_eq(&weak) && !strong.strong_eq(&weak));
/// ```
#[derive(Debug, Clone, Hash)]
pub struct EntityTag {
    text: String,
    weak: bool,
}

/// The text is not `[ W/ ] DQUOTE *etagc DQUOTE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTagError;

impl fmt::Display for EntityTagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a quoted entity tag")
    }
}

impl std::error::Error for EntityTagError {}

impl EntityTag {
    /// Reads one tag.
    ///
    /// # Errors
    /// [`EntityTagError`] when quotes are missing or a character is not allowed inside them.
    pub fn parse(text: &str) -> Result<Self, EntityTagError> {
        let (tag, rest) = Self::split_first(text)?;
        if rest.is_empty() {
            Ok(tag)
        } else {
            Err(EntityTagError)
        }
    }

    /// Reads a comma-separated list; a comma inside quotes belongs to its tag.
    ///
    /// # Errors
    /// [`EntityTagError`] when any member is malformed or there is none.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, EntityTagError> {
        let mut tags = Vec::new();
        let mut rest = text;
        loop {
            // Empty members are legal in every list (section 5.6.1.2).
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (tag, after) = Self::split_first(rest)?;
            tags.push(tag);
            rest = after.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(EntityTagError);
            }
        }
        if tags.is_empty() {
            return Err(EntityTagError);
        }
        Ok(tags)
    }

    /// Takes one tag from the front and gives what follows it.
    fn split_first(text: &str) -> Result<(Self, &str), EntityTagError> {
        let weak = text.starts_with("W/");
        let opened = text.strip_prefix("W/").unwrap_or(text);
        let opaque = opened.strip_prefix('"').ok_or(EntityTagError)?;
        let (opaque, rest) = opaque.split_once('"').ok_or(EntityTagError)?;
        // etagc = %x21 / %x23-7E / obs-text: visible characters without the quote.
        if opaque.chars().any(|c| c <= ' ' || c == '\u{7f}') {
            return Err(EntityTagError);
        }
        let length = text.len() - rest.len();
        let own = text.get(..length).ok_or(EntityTagError)?;
        let tag = Self {
            text: own.to_owned(),
            weak,
        };
        Ok((tag, rest))
    }

    /// The tag as it was read, byte for byte.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True for `W/"..."`, which says nothing about single bytes.
    #[must_use]
    pub const fn is_weak(&self) -> bool {
        self.weak
    }

    /// The same tag claiming less: the weak form of it.
    #[must_use]
    pub fn weakened(&self) -> Self {
        Self {
            text: format!("W/{}", self.opaque()),
            weak: true,
        }
    }

    /// Strong comparison: both strong and equal, so the bytes are the same.
    #[must_use]
    pub fn strong_eq(&self, other: &Self) -> bool {
        !self.weak && !other.weak && self.text == other.text
    }

    /// Weak comparison: equal when the `W/` is left out of account.
    #[must_use]
    pub fn weak_eq(&self, other: &Self) -> bool {
        self.opaque() == other.opaque()
    }

    fn opaque(&self) -> &str {
        self.text.strip_prefix("W/").unwrap_or(&self.text)
    }
}

impl fmt::Display for EntityTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_without_quotes_or_with_spaces_are_refused() {
        for text in [
            "",
            "abc",
            "\"abc",
            "abc\"",
            "w/\"a\"",
            "W/abc",
            "\"a b\"",
            "\"a\"b",
            "\"a\", \"b\"",
            "\"a\u{7f}\"",
            "\"a\n\"",
        ] {
            assert!(EntityTag::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_comma_inside_quotes_belongs_to_the_tag() {
        let tags = EntityTag::parse_list(r#" ,"a,b" ,W/"c",, "d""#).unwrap();
        let texts: Vec<_> = tags.iter().map(EntityTag::as_str).collect();
        assert_eq!(texts, [r#""a,b""#, r#"W/"c""#, r#""d""#]);
    }

    #[test]
    fn a_malformed_list_is_refused_as_a_whole() {
        for text in ["", ",", "a", "\"a\" \"b\"", "\"a\",b", "*"] {
            assert!(EntityTag::parse_list(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn comparison_follows_the_table_of_section_8_8_3_2() {
        let tag = |text| EntityTag::parse(text).unwrap();
        for (one, other, strong, weak) in [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
        ] {
            assert_eq!(tag(one).strong_eq(&tag(other)), strong, "{one} {other}");
            assert_eq!(tag(one).weak_eq(&tag(other)), weak, "{one} {other}");
        }
    }
    /// Any tag: the characters between the quotes are those of `etagc`.
    fn tag() -> impl Strategy<Value = String> {
        let opaque = "[!#-~\u{80}-\u{ff}]{0,40}";
        (any::<bool>(), opaque).prop_map(|(weak, opaque)| {
            let weak = if weak { "W/" } else { "" };
            format!("{weak}\"{opaque}\"")
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_what_is_parsed(text in tag()) {
            let tag = EntityTag::parse(&text).unwrap();
            prop_assert_eq!(tag.is_weak(), text.starts_with('W'));
            prop_assert_eq!(tag.to_string(), text);
        }

        #[test]
        fn a_list_is_its_tags_whatever_stands_between_them(
            texts in prop::collection::vec((tag(), "[ \t]{0,2},[ \t,]{0,3}"), 1..10))
        {
            let list: String = texts.iter().flat_map(|(tag, comma)| [tag.as_str(), comma]).collect();
            let tags = EntityTag::parse_list(&list).unwrap();
            let parsed: Vec<_> = tags.iter().map(EntityTag::as_str).collect();
            let written: Vec<_> = texts.iter().map(|(tag, _)| tag.as_str()).collect();
            prop_assert_eq!(parsed, written);
        }

        #[test]
        fn tags_that_are_strongly_equal_are_weakly_equal_and_the_same(one in tag(), other in tag()) {
            let [one, other] = [one, other].map(|text| EntityTag::parse(&text).unwrap());
            prop_assert_eq!(one.strong_eq(&one), !one.is_weak());
            prop_assert!(one.weak_eq(&one));
            prop_assert!(!one.strong_eq(&other) || one.weak_eq(&other));
            prop_assert_eq!(one.weak_eq(&other), other.weak_eq(&one));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in "[\"W/, a\u{e9}\t]{0,30}") {
            let _ = EntityTag::parse(&text);
            let _ = EntityTag::parse_list(&text);
        }
    }
}
