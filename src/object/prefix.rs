//! The part of a bucket that is served.

use std::fmt;

use super::key::{KeyError, ObjectKey};

/// A key prefix: empty, or ending in `/` so that it can only match whole segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// Checks a prefix and adds the final `/` if it is missing.
    ///
    /// # Errors
    /// [`KeyError`] when no key could start like this.
    pub fn parse(prefix: &str) -> Result<Self, KeyError> {
        if prefix.is_empty() {
            return Ok(Self::default());
        }
        let slash = if prefix.ends_with('/') { "" } else { "/" };
        ObjectKey::new(format!("{prefix}{slash}")).map(|key| Self(key.as_str().to_owned()))
    }

    /// The key of the object that a viewer calls `name` below the origin's mount path.
    ///
    /// # Errors
    /// [`KeyError::TooLong`] when both together exceed what S3 takes, [`KeyError::Empty`] without a
    /// name, since a prefix is no object.
    pub fn key(&self, name: &str) -> Result<ObjectKey, KeyError> {
        if name.is_empty() {
            return Err(KeyError::Empty);
        }
        // Most have no prefix, and then there is nothing to put together.
        if self.0.is_empty() {
            return ObjectKey::new(name);
        }
        ObjectKey::new([self.0.as_str(), name].concat())
    }

    /// What a viewer calls an object that S3 lists under this prefix; `None` for a foreign key.
    #[must_use]
    pub fn strip<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.0.as_str())
    }

    /// The prefix, with its final `/` if it is not empty.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_in_a_slash_whether_or_not_it_was_written() {
        for (written, prefix) in [
            ("", ""),
            ("films", "films/"),
            ("films/", "films/"),
            ("a/b", "a/b/"),
        ] {
            assert_eq!(KeyPrefix::parse(written).unwrap().as_str(), prefix);
        }
        assert_eq!(KeyPrefix::parse("a/../b"), Err(KeyError::DotSegment));
    }

    #[test]
    fn the_length_limit_counts_the_prefix() {
        let prefix = KeyPrefix::parse("films").unwrap();
        assert!(prefix.key(&"x".repeat(1018)).is_ok());
        assert_eq!(prefix.key(&"x".repeat(1019)), Err(KeyError::TooLong));
        assert_eq!(prefix.key(""), Err(KeyError::Empty));
    }
}
