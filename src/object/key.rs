//! From the path of a request to the key of an object.

use std::fmt;
use std::sync::Arc;

use super::mount::MAX_MOUNT_BYTES;

/// The longest key that S3 takes, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;

/// The longest key that a viewer can ask for, in bytes: S3's longest behind the longest mount path.
pub const MAX_REQUEST_KEY_BYTES: usize = MAX_KEY_BYTES + MAX_MOUNT_BYTES;

/// What a viewer asked for: the path after its first `/`, percent-decoded exactly once.
///
/// It has its mount path still and no prefix yet; [`super::KeyPrefix::key`] makes an [`ObjectKey`] of
/// what is below the mount path. `+` stays `+`,
/// `//` stays `//` and `%2F` is `/`, as in S3 itself.
///
/// ```
/// use s3reel::object::RequestKey;
/// assert_eq!(RequestKey::from_path("/a%20b+c//d").unwrap().as_str(), "a b+c//d");
/// assert!(RequestKey::from_path("/films/../secret").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestKey(String);

/// The full key of an object in its bucket: UTF-8, 1 to 1024 bytes, no control character, no `.`
/// or `..` segment. A clone costs next to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

/// Why a path names no object. Each becomes a 400 without a call to S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// A `%` without two hexadecimal digits.
    PercentEncoding,
    /// The decoded bytes are not UTF-8, which every S3 key is.
    NotUtf8,
    /// NUL or another control character.
    ControlCharacter,
    /// A `.` or `..` segment: endpoints that collapse them would read another object.
    DotSegment,
    /// More than 1024 bytes, prefix included.
    TooLong,
    /// Nothing after the first `/`, or no `/` at all.
    Empty,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PercentEncoding => {
                "the path has a % that is not followed by two hexadecimal digits; encode a literal % as %25"
            }
            Self::NotUtf8 => "the path does not decode to UTF-8",
            Self::ControlCharacter => "the path contains a control character",
            Self::DotSegment => "the path contains a . or .. segment",
            Self::TooLong => "the key is longer than 1024 bytes",
            Self::Empty => "the path names no object",
        })
    }
}

impl std::error::Error for KeyError {}

impl RequestKey {
    /// Reads the raw path of a request target, first `/` included.
    ///
    /// # Errors
    /// [`KeyError`] when no object can have this name.
    pub fn from_path(path: &str) -> Result<Self, KeyError> {
        let encoded = path.strip_prefix('/').ok_or(KeyError::Empty)?;
        let key = if encoded.contains('%') {
            let decoded = percent_decode(encoded.as_bytes())?;
            String::from_utf8(decoded).map_err(|_| KeyError::NotUtf8)?
        } else {
            encoded.to_owned()
        };
        check(&key, MAX_REQUEST_KEY_BYTES)?;
        Ok(Self(key))
    }

    /// The decoded key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ObjectKey {
    /// Checks a full key.
    ///
    /// # Errors
    /// [`KeyError`] when S3 would not take it or must not be asked for it.
    pub fn new(key: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, KeyError> {
        check(key.as_ref(), MAX_KEY_BYTES)?;
        Ok(Self(key.into()))
    }

    /// The key as S3 knows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(key: &str, most_bytes: usize) -> Result<(), KeyError> {
    if key.is_empty() {
        return Err(KeyError::Empty);
    }
    if key.len() > most_bytes {
        return Err(KeyError::TooLong);
    }
    let has_control = if key.is_ascii() {
        key.bytes().any(|byte| byte.is_ascii_control())
    } else {
        key.chars().any(char::is_control)
    };
    if has_control {
        return Err(KeyError::ControlCharacter);
    }
    let mut segments = key.as_bytes().split(|&byte| byte == b'/');
    if segments.any(|segment| matches!(segment, b"." | b"..")) {
        return Err(KeyError::DotSegment);
    }
    Ok(())
}

/// One strict pass: every `%` starts a triplet, everything else stands for itself.
pub(crate) fn percent_decode(encoded: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [byte, after @ ..] = rest {
        rest = if *byte == b'%' {
            let [high, low, after @ ..] = after else {
                return Err(KeyError::PercentEncoding);
            };
            decoded.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
            after
        } else {
            decoded.push(*byte);
            after
        };
    }
    Ok(decoded)
}

fn hex_digit(byte: u8) -> Result<u8, KeyError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(KeyError::PercentEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_decoded_once_and_nothing_else_is_touched() {
        for (path, key) in [
            ("/a.mp4", "a.mp4"),
            ("/a%20b.mp4", "a b.mp4"),
            ("/a+b.mp4", "a+b.mp4"),
            ("/a%2Bb", "a+b"),
            ("/a%2fb%2Fc", "a/b/c"),
            ("/a//b", "a//b"),
            ("//a", "/a"),
            ("/a/", "a/"),
            ("/%25zz", "%zz"),
            ("/%252F", "%2F"),
            ("/%F0%9F%8E%AC", "\u{1f3ac}"),
            ("/%22quoted%22'", "\"quoted\"'"),
            ("/...", "..."),
            ("/a/.hidden", "a/.hidden"),
            ("/a..b/..c", "a..b/..c"),
        ] {
            let parsed = RequestKey::from_path(path);
            assert_eq!(parsed.as_ref().map(RequestKey::as_str), Ok(key), "{path}");
        }
    }

    #[test]
    fn composed_and_decomposed_letters_stay_two_keys() {
        let composed = RequestKey::from_path("/%C3%A9").unwrap();
        let decomposed = RequestKey::from_path("/e%CC%81").unwrap();
        assert_ne!(composed, decomposed);
    }

    #[test]
    fn what_no_object_can_be_called_is_refused() {
        use KeyError::{ControlCharacter, DotSegment, Empty, NotUtf8, PercentEncoding, TooLong};
        for (path, error) in [
            ("/".to_owned(), Empty),
            ("/%".to_owned(), PercentEncoding),
            ("/%4".to_owned(), PercentEncoding),
            ("/%zz".to_owned(), PercentEncoding),
            ("/%+1".to_owned(), PercentEncoding),
            ("/%ff%fe".to_owned(), NotUtf8),
            ("/%C3".to_owned(), NotUtf8),
            ("/a%00".to_owned(), ControlCharacter),
            ("/a%0d%0ab".to_owned(), ControlCharacter),
            ("/a%7F".to_owned(), ControlCharacter),
            ("/a%C2%85b".to_owned(), ControlCharacter),
            ("/..".to_owned(), DotSegment),
            ("/a/../b".to_owned(), DotSegment),
            ("/a/%2e%2E/b".to_owned(), DotSegment),
            ("/a%2F..%2Fb".to_owned(), DotSegment),
            ("/./a".to_owned(), DotSegment),
            (format!("/{}", "x".repeat(1281)), TooLong),
        ] {
            assert_eq!(RequestKey::from_path(&path), Err(error), "{path}");
        }
        assert!(RequestKey::from_path(&format!("/{}", "x".repeat(1280))).is_ok());
    }

    proptest! {
        #[test]
        fn any_valid_key_survives_encoding_and_decoding(key in "[^\\p{C}/]{1,80}") {
            prop_assume!(key != "." && key != "..");
            prop_assume!(key.len() <= MAX_KEY_BYTES);
            let encoded = key.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
            let decoded = RequestKey::from_path(&format!("/{encoded}")).unwrap();
            prop_assert_eq!(decoded.as_str(), key);
        }

        #[test]
        fn no_path_makes_the_decoder_panic(path in ".{0,200}") {
            let _ = RequestKey::from_path(&path);
        }
    }
}
