//! Bucket names.

use std::fmt;

/// A bucket name or access point ARN, checked for length and characters only: the finer rules
/// differ between S3 and the servers that speak its protocol, which refuse what they must.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketName(String);

/// The name cannot be that of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketNameError;

impl fmt::Display for BucketNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bucket name has 3 to 63 characters out of a-z, A-Z, 0-9, `.`, `-` and `_`, or is an access point ARN")
    }
}

impl std::error::Error for BucketNameError {}

/// Access point ARNs are longer than names but stay below this.
const MAX_ARN_BYTES: usize = 255;

impl BucketName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`BucketNameError`] for a name that no S3 server takes.
    pub fn parse(name: &str) -> Result<Self, BucketNameError> {
        let is_name = (3..=63).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        let is_arn = name.starts_with("arn:")
            && name.len() <= MAX_ARN_BYTES
            && name.bytes().all(|byte| byte.is_ascii_graphic());
        if is_name || is_arn {
            Ok(Self(name.to_owned()))
        } else {
            Err(BucketNameError)
        }
    }

    /// Whether it may stand in the path of a request: ARNs and directory buckets (S3 Express, whose
    /// names end in `--x-s3`) have to be in the host name.
    #[must_use]
    pub fn may_be_in_paths(&self) -> bool {
        !(self.0.starts_with("arn:") || self.0.ends_with("--x-s3"))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_access_points_are_taken_and_the_rest_refused() {
        for name in [
            "media",
            "my.bucket-1",
            "Old_Style",
            "arn:aws:s3:us-west-2:123456789012:accesspoint/test",
        ] {
            assert!(BucketName::parse(name).is_ok(), "{name}");
        }
        for name in ["", "ab", "a/b", "with space", "s3://media", &"x".repeat(64)] {
            assert_eq!(BucketName::parse(name), Err(BucketNameError), "{name}");
        }
    }
}
