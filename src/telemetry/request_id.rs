//! The name of one request in answers and in the log.

use std::fmt;

/// What a caller may choose as request id, in bytes.
const MAX_BYTES: usize = 64;

/// A request id: letters, digits, `_` and `-` only, so that it is safe in a field, in a log line
/// and in JSON without escaping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    /// The id that the caller sent in `X-Request-Id` if it is harmless, else a new one.
    #[must_use]
    pub fn from_header(value: Option<&[u8]>) -> Self {
        value
            .and_then(|value| std::str::from_utf8(value).ok())
            .filter(|id| {
                (1..=MAX_BYTES).contains(&id.len())
                    && id
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            })
            .map_or_else(Self::random, |id| Self(id.to_owned()))
    }

    /// A new id: 64 random bits. It names a request for people and protects nothing.
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{:016x}", fastrand::u64(..)))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmless_id_is_kept_and_any_other_replaced() {
        let kept = RequestId::from_header(Some(b"trace_42-A"));
        assert_eq!(kept.as_str(), "trace_42-A");
        let long = "x".repeat(65);
        for refused in [&b""[..], b"a b", b"a\"b", b"\xff", long.as_bytes()] {
            let id = RequestId::from_header(Some(refused));
            assert_eq!(id.as_str().len(), 16, "{refused:?}");
        }
    }
}
