//! Where the head of a request ends, and nothing else about it: reading it is the server's work.

/// Looks for the empty line after a head. It remembers how far it has looked, so that a head that
/// comes byte by byte costs linear time.
#[derive(Debug, Default)]
pub struct HeadScan {
    looked: usize,
}

impl HeadScan {
    /// The length of the head at the front of `bytes`, its empty line included; `None` while that
    /// has not come. Call it with the same bytes and more each time.
    ///
    /// Lines may end in LF alone, since the server takes them so (RFC 9112 section 2.2).
    pub fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = self.looked;
        while let Some(line_end) = memchr::memchr(b'\n', bytes.get(at..)?) {
            let next = at + line_end + 1;
            match bytes.get(next..)? {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                // What follows the line end has not come yet; look at this one again.
                [] | [b'\r'] => {
                    self.looked = at + line_end;
                    return None;
                }
                _ => at = next,
            }
        }
        self.looked = bytes.len();
        None
    }
}

/// How many bytes of empty lines stand before a request line; they are to be ignored (section 2.2).
#[must_use]
pub fn leading_blank(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|&&byte| matches!(byte, b'\r' | b'\n'))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\nHost: x\r\n\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
    ];

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_is_cut() {
        for head in HEADS {
            for rest in ["", "G", "GET /next HTTP/1.1\r\n\r\n"] {
                let all = format!("{head}{rest}");
                for step in 1..=all.len() {
                    let mut scan = HeadScan::default();
                    let mut found = None;
                    for end in (step..=all.len()).step_by(step).chain([all.len()]) {
                        found = found.or_else(|| scan.find_end(&all.as_bytes()[..end]));
                    }
                    assert_eq!(found, Some(head.len()), "{all:?} by {step}");
                }
            }
        }
    }

    #[test]
    fn an_unfinished_head_has_no_end() {
        for head in HEADS {
            let unfinished = &head.as_bytes()[..head.len() - 1];
            assert_eq!(HeadScan::default().find_end(unfinished), None, "{head:?}");
        }
    }

    #[test]
    fn empty_lines_before_a_request_are_counted() {
        assert_eq!(leading_blank(b"\r\n\n\r\nGET"), 5);
        assert_eq!(leading_blank(b"GET\r\n"), 0);
        assert_eq!(leading_blank(b""), 0);
    }
}
