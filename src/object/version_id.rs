//! Version ids of versioned buckets.

use std::fmt;

/// What a bucket with versions calls one version of an object: up to 1024 visible ASCII characters
/// that mean nothing to us. `null` is the version from before versions were switched on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VersionId(String);

/// S3's own limit.
const MAX_BYTES: usize = 1024;

impl VersionId {
    /// Checks an id; `None` for what no bucket would call a version.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        let is_id = (1..=MAX_BYTES).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        is_id.then(|| Self(id.to_owned()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_visible_text_of_bounded_length() {
        for id in [
            "null",
            "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo",
        ] {
            assert_eq!(VersionId::parse(id).unwrap().as_str(), id);
        }
        for none in ["", "a b", "a\r\nb", "\u{e9}", &"a".repeat(1025)] {
            assert_eq!(VersionId::parse(none), None);
        }
    }
}
