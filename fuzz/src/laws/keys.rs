//! Keys in the paths of requests.

use s3reel::object::key::{MAX_KEY_BYTES, MAX_REQUEST_KEY_BYTES};
use s3reel::object::{KeyError, KeyPrefix, ObjectKey, RequestKey};

/// The laws for a path.
pub fn hold(path: &[u8]) {
    let Ok(path) = std::str::from_utf8(path) else {
        return;
    };
    let decoded = decoded(path);
    match RequestKey::from_path(path) {
        Ok(key) => {
            assert_eq!(decoded.as_deref(), Some(key.as_str().as_bytes()));
            allowed(key.as_str());
            encode(&key);
            prefix(&key);
        }
        Err(error) => refused(error, path, decoded.as_deref()),
    }
}

/// The path without its first `/`, decoded once; `None` if that cannot be done.
fn decoded(path: &str) -> Option<Vec<u8>> {
    let mut pieces = path.strip_prefix('/')?.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}

/// What every key is, and every one that is no longer than S3's longest is an object's.
fn allowed(key: &str) {
    assert!((1..=MAX_REQUEST_KEY_BYTES).contains(&key.len()), "{key:?}");
    assert!(!key.contains(char::is_control), "{key:?}");
    assert!(!has_dot_segment(key), "{key:?}");
    let own = ObjectKey::new(key.to_owned()).map(|own| own.to_string());
    if key.len() <= MAX_KEY_BYTES {
        assert_eq!(own, Ok(key.to_owned()));
    } else {
        assert_eq!(own, Err(KeyError::TooLong));
    }
}

fn has_dot_segment(key: &str) -> bool {
    let framed = format!("/{key}/");
    framed.contains("/./") || framed.contains("/../")
}

/// A refusal gives a reason that is true.
fn refused(error: KeyError, path: &str, decoded: Option<&[u8]>) {
    let text = decoded.map(str::from_utf8);
    let key = text.and_then(Result::ok).unwrap_or_default();
    let is_true = match error {
        KeyError::PercentEncoding => path.starts_with('/') && decoded.is_none(),
        KeyError::NotUtf8 => text.is_some_and(|text| text.is_err()),
        KeyError::ControlCharacter => key.contains(char::is_control),
        KeyError::DotSegment => has_dot_segment(key),
        KeyError::TooLong => key.len() > MAX_REQUEST_KEY_BYTES,
        KeyError::Empty => !path.starts_with('/') || path == "/",
    };
    assert!(is_true, "{error:?}");
}

/// However a key is encoded, it is decoded to itself, and decoded only once.
fn encode(key: &RequestKey) {
    for is_plain in [|_: u8| false, |byte: u8| byte.is_ascii_alphanumeric()] {
        let encode = |text: &str| {
            let encoded = text.bytes().map(|byte| match byte {
                _ if is_plain(byte) => char::from(byte).to_string(),
                _ => format!("%{byte:02x}"),
            });
            format!("/{}", encoded.collect::<String>())
        };
        let once = encode(key.as_str());
        assert_eq!(RequestKey::from_path(&once).as_ref(), Ok(key));
        let twice = encode(once.trim_start_matches('/'));
        if once.len() <= MAX_KEY_BYTES {
            let inner = RequestKey::from_path(&twice).expect("a key of visible characters");
            assert_eq!(format!("/{}", inner.as_str()), once);
        }
    }
}

/// A prefix is put before the key and found again, or both together are too long.
fn prefix(key: &RequestKey) {
    for written in ["", "films", key.as_str()] {
        let Ok(prefix) = KeyPrefix::parse(written) else {
            assert!(
                written.len() >= MAX_KEY_BYTES,
                "there is room for the final slash"
            );
            continue;
        };
        let together = prefix.as_str().len() + key.as_str().len();
        match prefix.key(key.as_str()) {
            Ok(own) => {
                allowed(own.as_str());
                assert_eq!(own.as_str().len(), together);
                assert_eq!(prefix.strip(own.as_str()), Some(key.as_str()));
            }
            Err(error) => assert!(error == KeyError::TooLong && together > MAX_KEY_BYTES),
        }
    }
}
