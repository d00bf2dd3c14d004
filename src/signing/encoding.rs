//! CloudFront's variant of base64: `-`, `_` and `~` stand for `+`, `=` and `/`, which mean something
//! in a query.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands for what: base64's own character, and ours.
const INSTEAD: [(u8, u8); 3] = [(b'+', b'-'), (b'=', b'_'), (b'/', b'~')];

/// Encodes bytes.
///
/// ```
/// assert_eq!(s3reel::signing::encoding::encode(b"\xfb\xff\xfe?"), "-~~-Pw__");
/// ```
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let ours = |c: char| {
        let stand_in = INSTEAD.iter().find(|(theirs, _)| char::from(*theirs) == c);
        stand_in.map_or(c, |(_, ours)| char::from(*ours))
    };
    STANDARD.encode(bytes).chars().map(ours).collect()
}

/// Decodes a text, strictly: only what [`encode`] makes, padding included, so that no two texts mean
/// the same bytes. `None` for anything else.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let theirs = |byte: &u8| {
        let is_theirs = INSTEAD.iter().any(|(theirs, _)| theirs == byte);
        let stand_in = INSTEAD.iter().find(|(_, ours)| ours == byte);
        (!is_theirs).then(|| stand_in.map_or(*byte, |(theirs, _)| *theirs))
    };
    let text: Vec<u8> = text.iter().map(theirs).collect::<Option<_>>()?;
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_one_right_spelling_is_read() {
        assert_eq!(decode(b"-~~-Pw__"), Some(b"\xfb\xff\xfe?".to_vec()));
        assert_eq!(decode(b""), Some(Vec::new()));
        for text in [
            "+~~-Pw__",
            "-//-Pw__",
            "-~~-Pw==",
            "-~~-Pw",
            "-~~-Pw_",
            "-~~-Px__",
            "-~~-Pw__\n",
            " -~~-Pw__",
            "-~~-Pw__-~~-",
            "_",
            "____",
            "-~~-P\u{e9}__",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = encode(&bytes);
            prop_assert!(text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_~".contains(&c)));
            prop_assert_eq!(decode(text.as_bytes()), Some(bytes));
        }
    }
}
