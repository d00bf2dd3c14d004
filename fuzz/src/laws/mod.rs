//! What holds for every input: more than that nothing panics.
//!
//! Each law is stated a second time in the plainest way there is, and the two are compared. The
//! fuzz targets call these functions, and so does `tests/it/fuzzing.rs` with the corpus and with
//! mutations of it, so that they hold on a stable toolchain too.

pub mod base64_variant;
pub mod boxes;
pub mod content_range;
pub mod dates;
pub mod entity_tags;
pub mod forwarded;
pub mod keys;
pub mod media_types;
pub mod policies;
pub mod ranges;
pub mod resource_patterns;
pub mod signed_cookies;
pub mod signed_queries;

/// Panics if a law does not hold for an input.
pub type Law = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: &[(&str, Law)] = &[
    ("base64_variant", base64_variant::hold),
    ("boxes", boxes::hold),
    ("content_range", content_range::hold),
    ("dates", dates::hold),
    ("entity_tags", entity_tags::hold),
    ("forwarded", forwarded::hold),
    ("keys", keys::hold),
    ("media_types", media_types::hold),
    ("policies", policies::hold),
    ("ranges", ranges::hold),
    ("resource_patterns", resource_patterns::hold),
    ("signed_cookies", signed_cookies::hold),
    ("signed_queries", signed_queries::hold),
];

/// `1*DIGIT` with numbers beyond 64 bits as the largest there is.
fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = text.trim_start_matches('0');
    match significant.len() {
        0 => Some(0),
        1..=20 => {
            let number: u128 = significant.parse().ok()?;
            Some(u64::try_from(number).unwrap_or(u64::MAX))
        }
        _ => Some(u64::MAX),
    }
}
