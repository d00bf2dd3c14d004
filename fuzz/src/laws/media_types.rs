//! `Content-Type` as S3 has it stored, which whoever uploads chooses.

use s3reel::object::first_bytes::by_first_bytes;
use s3reel::object::media_type::{MediaType, by_extension, is_active, is_media_type};
use s3reel::object::representation::{StoredType, told};

/// The laws for a stored type. A key of the same text has to stand too.
pub fn hold(value: &[u8]) {
    let guessed = by_first_bytes(value);
    assert!(guessed.is_none_or(|guessed| is_media_type(guessed) && !is_active(guessed)));
    let Ok(text) = std::str::from_utf8(value) else {
        return;
    };
    for key in [text, &format!("films/{text}.mp4")] {
        let guessed = told(None, key);
        let guessed = guessed.as_ref().map(MediaType::as_str);
        assert!(
            guessed.is_none_or(|guessed| is_media_type(guessed) && !is_active(guessed)),
            "{key:?}"
        );
        assert_eq!(by_extension(key), guessed);
    }
    let Some(stored) = StoredType::parse(text) else {
        return;
    };
    let Some(media_type) = told(Some(&stored), "films/a.mp4") else {
        panic!("{stored:?} hides the extension");
    };
    let (stored, sent) = (stored.as_str(), media_type.as_str());
    assert_eq!(media_type.is_active(), is_active(sent), "{sent:?}");
    assert!(is_media_type(sent), "{sent:?} is sent");
    assert!(sent == stored || sent == "video/mp4", "{sent:?} is sent");
    // Whether or not a browser knows that a backslash takes the meaning from a quote.
    for escape in [Some('\\'), None] {
        let seen = as_browsers_read(sent, escape);
        assert_eq!(seen.len(), 1, "{sent:?} is read as {seen:?}");
    }
    // What follows the type must not hide it, nor its case, nor space around it.
    let essence = sent.split(';').next().unwrap_or(sent).trim();
    assert_eq!(is_active(sent), is_active(essence), "{sent:?}");
    assert_eq!(
        is_active(sent),
        is_active(&essence.to_ascii_uppercase()),
        "{sent:?}"
    );
    for active in ["text/html", "image/svg+xml", "text/javascript"] {
        assert!(
            is_active(sent) || !essence.eq_ignore_ascii_case(active),
            "{sent:?}"
        );
    }
}

/// The values that a browser sees in one field: "get, decode, and split" of the Fetch standard. It
/// takes the last one that is a media type.
fn as_browsers_read(value: &str, escape: Option<char>) -> Vec<String> {
    let mut values = vec![String::new()];
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in value.chars() {
        if c == ',' && !is_quoted {
            values.push(String::new());
            continue;
        }
        is_quoted ^= c == '"' && !is_escaped;
        is_escaped = Some(c) == escape && is_quoted && !is_escaped;
        if let Some(last) = values.last_mut() {
            last.push(c);
        }
    }
    values
}
