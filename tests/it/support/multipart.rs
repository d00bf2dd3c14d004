//! Answers that carry several ranges (RFC 9110 section 14.6), whoever sent them.

use super::Response;

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Position of its first byte.
    pub first: usize,
    /// Length of the whole object.
    pub total: usize,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The parts of an answer of several; `None` if it is of another type.
pub fn parts(response: &Response) -> Option<Vec<Part>> {
    let content_type = response.header("content-type")?;
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=")?;
    let delimiter = format!("\r\n--{}", boundary.trim_matches('"'));
    // The line end before the first delimiter is optional (RFC 2046 section 5.1.1).
    let body = response.body.as_slice();
    let begins_with_line_end = body.starts_with(b"\r\n");
    let mut rest = after(body, &delimiter[if begins_with_line_end { 0 } else { 2 }..]);
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        rest = after(rest, "\r\n");
        let end = rest
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8(rest[..end].to_vec()).expect("a head in ASCII");
        let field = |name: &str| {
            head.lines().find_map(|line| {
                let (known, value) = line.split_once(':')?;
                known.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let (first, last, total) = positions(field("content-range").expect("Content-Range"));
        let (bytes, behind) = rest[end + 4..].split_at(last - first + 1);
        parts.push(Part {
            first,
            total,
            content_type: field("content-type").map(ToOwned::to_owned),
            bytes: bytes.to_vec(),
        });
        rest = after(behind, &delimiter);
    }
    assert_eq!(after(rest, "--\r\n"), b"", "more than the last boundary");
    Some(parts)
}

/// First, last and total of a `Content-Range`.
pub fn positions(content_range: &str) -> (usize, usize, usize) {
    let numbers = content_range.strip_prefix("bytes ").and_then(|range| {
        let (positions, total) = range.split_once('/')?;
        let (first, last) = positions.split_once('-')?;
        Some([first, last, total].map(|number| number.parse().expect("a number")))
    });
    let [first, last, total] = numbers.unwrap_or_else(|| panic!("{content_range}"));
    assert!(first <= last && last < total, "{content_range}");
    (first, last, total)
}

fn after<'a>(bytes: &'a [u8], text: &str) -> &'a [u8] {
    let rest = bytes.strip_prefix(text.as_bytes());
    rest.unwrap_or_else(|| panic!("{text:?} is not in front of {:?}", bytes.get(..80)))
}
