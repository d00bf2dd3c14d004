//! `Content-Range` of S3's answers.

use s3reel::semantics::ContentRange;

/// The laws for a field value.
pub fn hold(value: &[u8]) {
    let Ok(text) = std::str::from_utf8(value) else {
        return;
    };
    let parsed = ContentRange::parse(text).ok();
    let figures = parsed.map(|parsed| {
        let (range, complete) = (parsed.range(), parsed.complete());
        (range.first(), range.last(), complete.bytes())
    });
    assert_eq!(figures, figures_of(text), "the grammar");
    let (Some(parsed), Some((first, last, complete))) = (parsed, figures) else {
        return;
    };
    assert!(first <= last && last < complete);
    assert_eq!(parsed.range().byte_count() - 1, last - first);
    let printed = parsed.to_string();
    assert_eq!(printed, format!("bytes {first}-{last}/{complete}"));
    assert_eq!(ContentRange::parse(&printed), Ok(parsed));
}

/// Section 14.4 once more: possible ranges of known lengths that fit in 64 bits.
fn figures_of(text: &str) -> Option<(u64, u64, u64)> {
    let mut parts = text.split(['-', '/', ' ']);
    let unit = parts.next()?;
    let [first, last, complete] = [parts.next()?, parts.next()?, parts.next()?];
    let separators: String = text.matches(['-', '/', ' ']).collect();
    if separators != " -/" || !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let number = |text: &str| {
        super::digits(text)?;
        text.parse().ok()
    };
    let (first, last, complete) = (number(first)?, number(last)?, number(complete)?);
    (first <= last && last < complete).then_some((first, last, complete))
}
