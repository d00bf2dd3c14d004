//! Entity tags: alone, in lists, and in the conditions that compare them.

use s3reel::semantics::preconditions::{TagCondition, Verdict};
use s3reel::semantics::{EntityTag, IfRange, Preconditions, Validators};

/// Comparing each with each takes long; more would show nothing new.
const COMPARED: usize = 6;

/// The laws for a field value.
pub fn hold(value: &[u8]) {
    // As the server does with bytes that are no UTF-8.
    let text = String::from_utf8_lossy(value);
    let texts = members_of(&text);
    let parsed = EntityTag::parse_list(&text).ok();
    let read = parsed
        .as_ref()
        .map(|tags| tags.iter().map(EntityTag::as_str).collect());
    assert_eq!(read, texts, "the grammar of lists");
    let alone = EntityTag::parse(&text).ok();
    assert_eq!(alone.is_some(), is_tag(&text), "the grammar");
    if let Some(alone) = alone {
        assert_eq!(alone.as_str(), text);
        assert_eq!(texts, Some(vec![alone.as_str()]), "a list of one");
    }
    let tags = parsed.unwrap_or_default();
    for tag in &tags {
        let again = EntityTag::parse(&tag.to_string()).expect("a tag that was printed");
        assert_eq!(again.as_str(), tag.as_str(), "printed and read");
    }
    compare(tags.get(..COMPARED).unwrap_or(&tags));
    evaluate(&text, &tags);
}

/// Lists of section 5.6.1.2 once more: cut at the commas that are in no tag.
fn members_of(text: &str) -> Option<Vec<&str>> {
    let mut is_quoted = false;
    let members: Vec<_> = text
        .split(|c| {
            is_quoted ^= c == '"';
            c == ',' && !is_quoted
        })
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
        .collect();
    (!members.is_empty() && members.iter().all(|member| is_tag(member))).then_some(members)
}

/// `[ W/ ] DQUOTE *etagc DQUOTE` of section 8.8.3.
fn is_tag(text: &str) -> bool {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let opaque = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let is_etagc = |c| matches!(c, '!' | '#'..='~' | '\u{80}'..);
    opaque.is_some_and(|opaque| opaque.chars().all(is_etagc))
}

/// The comparisons of section 8.8.3.2.
fn compare(tags: &[EntityTag]) {
    for one in tags {
        assert_eq!(one.is_weak(), one.as_str().starts_with('W'));
        assert_eq!(one.strong_eq(one), !one.is_weak());
        for other in tags {
            let (strong, weak) = (one.strong_eq(other), one.weak_eq(other));
            assert!(weak || !strong, "{one} {other}");
            assert_eq!(strong, other.strong_eq(one), "{one} {other}");
            assert_eq!(weak, other.weak_eq(one), "{one} {other}");
            let opaque = |tag: &EntityTag| tag.as_str().trim_start_matches("W/").to_owned();
            assert_eq!(weak, opaque(one) == opaque(other), "{one} {other}");
            let strong_ones = !one.is_weak() && !other.is_weak();
            assert_eq!(strong, weak && strong_ones, "{one} {other}");
        }
    }
}

/// The conditions that carry this text, for versions that it names and for one that it does not.
fn evaluate(text: &str, tags: &[EntityTag]) {
    let is_any = text.trim_matches([' ', '\t']) == "*";
    let foreign = EntityTag::parse(&format!("\"{}\"", "x".repeat(text.len()))).ok();
    for ours in tags
        .iter()
        .take(COMPARED)
        .cloned()
        .map(Some)
        .chain([foreign, None])
    {
        let named_by = |same: fn(&EntityTag, &EntityTag) -> bool| {
            let named = |ours: &EntityTag| tags.iter().any(|tag| same(tag, ours));
            is_any || ours.as_ref().is_some_and(named)
        };
        let (strongly, weakly) = (named_by(EntityTag::strong_eq), named_by(EntityTag::weak_eq));
        let ours = Validators {
            etag: ours,
            last_modified: None,
        };
        let condition = || Some(TagCondition::parse(text));
        let if_match = Preconditions {
            if_match: condition(),
            ..Preconditions::default()
        };
        let if_none_match = Preconditions {
            if_none_match: condition(),
            ..Preconditions::default()
        };
        let passes = if_match.evaluate(&ours) == Verdict::Proceed;
        assert_eq!(passes, strongly, "if-match: {ours:?}");
        let is_known = if_none_match.evaluate(&ours) == Verdict::NotModified;
        assert_eq!(is_known, weakly, "if-none-match: {ours:?}");
        // A list of one is no list: only whitespace may stand around the tag.
        let only = text.trim_matches([' ', '\t']);
        let range_applies = IfRange::parse(text).holds(&ours);
        assert_eq!(
            range_applies,
            strongly && is_tag(only),
            "if-range: {ours:?}"
        );
    }
}
