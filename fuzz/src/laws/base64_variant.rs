//! CloudFront's variant of base64, against its definition bit by bit.

use s3reel::signing::encoding::{decode, encode};

/// The 64 characters in the order of what they stand for.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~";

/// The laws for a text, and for the same as bytes.
pub fn hold(input: &[u8]) {
    let decoded = decode(input);
    assert_eq!(decoded, defined(input), "what it means");
    if let Some(bytes) = decoded {
        assert_eq!(encode(&bytes).as_bytes(), input, "two spellings");
    }
    let encoded = encode(input);
    assert!(
        encoded
            .bytes()
            .all(|byte| byte == b'_' || ALPHABET.contains(&byte))
    );
    assert_eq!(
        decode(encoded.as_bytes()).as_deref(),
        Some(input),
        "there and back"
    );
}

/// Groups of four characters are three bytes; the last group may end in padding, with no bit of it
/// left over.
fn defined(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take_while(|&&byte| byte == b'_').count();
    let (digits, _) = text.split_at_checked(text.len().checked_sub(padding)?)?;
    if padding > 2 {
        return None;
    }
    let mut bits = Vec::new();
    for digit in digits {
        let value = ALPHABET.iter().position(|known| known == digit)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    let whole = bits.len() / 8 * 8;
    let (bytes, rest) = bits.split_at_checked(whole)?;
    if rest.contains(&1) {
        return None;
    }
    let byte = |bits: &[usize]| bits.iter().fold(0, |byte, bit| byte << 1 | *bit);
    bytes
        .chunks(8)
        .map(|bits| u8::try_from(byte(bits)).ok())
        .collect()
}
