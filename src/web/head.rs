//! The head of an answer, field by field.
//!
//! The server has a map for fields, out of which it writes them: a third of what a probe out of the
//! cache costs. So the fields of an answer whose body goes past the server are written here, and go
//! past it too. It writes what is before them: the status line, `Date`, and `Connection` where that says
//! anything new.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, HttpResponseBuilder};

use super::fields::{self, DateField, FieldName, FixedField};
use crate::connection::field_memory;
use crate::semantics::{ContentRange, HttpDate};

/// Who writes the fields of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrittenBy {
    /// The server, with the body or without one.
    Server,
    /// We, for a body of so many bytes that goes past the server.
    Us(u64),
}

/// The head of an answer. No field is given twice.
pub struct Head {
    builder: HttpResponseBuilder,
    lines: Option<Lines>,
}

/// Field lines, as they are sent.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Which field has a value that cannot be sent.
    wrong: Option<FieldName>,
}

/// A value of this field cannot be sent.
#[derive(Debug)]
pub struct HeadError(String);

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a field that cannot be sent: {}", self.0)
    }
}

impl std::error::Error for HeadError {}

impl Head {
    /// A head without fields.
    #[must_use]
    pub fn new(status: StatusCode, by: WrittenBy) -> Self {
        let mut head = Self {
            builder: HttpResponse::build(status),
            lines: None,
        };
        if let WrittenBy::Us(length) = by {
            head.lines = Some(Lines {
                bytes: field_memory(),
                wrong: None,
            });
            head.number(fields::CONTENT_LENGTH, length);
        }
        head
    }

    /// Adds a field that is part of the program.
    pub fn fixed(&mut self, field: FixedField) -> &mut Self {
        match &mut self.lines {
            Some(lines) => lines.add_fixed(field),
            None => {
                self.builder.insert_header(field);
            }
        }
        self
    }

    /// Adds a field.
    pub fn text(&mut self, name: FieldName, value: &str) -> &mut Self {
        match &mut self.lines {
            // Without a branch for each byte: most values are long and right.
            Some(lines)
                if value
                    .bytes()
                    .fold(true, |all, byte| all & is_of_value(byte)) =>
            {
                lines.add(name, &[value.as_bytes()]);
            }
            Some(lines) => lines.wrong = Some(name),
            None => {
                self.builder.insert_header((name.as_str(), value));
            }
        }
        self
    }

    /// Adds lines that another head had; only where [`Self::lines`] has some.
    pub fn add_lines(&mut self, bytes: &[u8]) {
        if let Some(lines) = &mut self.lines {
            lines.bytes.extend_from_slice(bytes);
        }
    }

    /// The lines so far that we write, if we write any and all can be sent.
    #[must_use]
    pub fn lines(&self) -> Option<&[u8]> {
        let lines = self.lines.as_ref()?;
        lines.wrong.is_none().then_some(&lines.bytes)
    }

    /// Adds a field whose value is a number.
    pub fn number(&mut self, name: FieldName, value: u64) -> &mut Self {
        let mut digits = itoa::Buffer::new();
        let value = digits.format(value);
        match &mut self.lines {
            Some(lines) => lines.add(name, &[value.as_bytes()]),
            None => {
                self.builder.insert_header((name.as_str(), value));
            }
        }
        self
    }

    /// Adds `Content-Range`.
    pub fn content_range(&mut self, range: ContentRange) -> &mut Self {
        let name = fields::CONTENT_RANGE;
        let Some(lines) = &mut self.lines else {
            let value = range.to_string();
            self.builder.insert_header((name.as_str(), value));
            return self;
        };
        let [mut first, mut last, mut complete] = [itoa::Buffer::new(); 3];
        let value = [
            b"bytes ",
            first.format(range.range().first()).as_bytes(),
            b"-",
            last.format(range.range().last()).as_bytes(),
            b"/",
            complete.format(range.complete().bytes()).as_bytes(),
        ];
        lines.add(name, &value);
        self
    }

    /// Adds a field whose value is a date.
    pub fn moment(&mut self, name: FieldName, value: HttpDate) -> &mut Self {
        fields::with_text_of(value, |value| {
            self.text(name, value);
        });
        self
    }

    /// Adds `Date`.
    pub fn date(&mut self, now: HttpDate) -> &mut Self {
        // The server writes one if it is given none.
        self.builder.insert_header(DateField(now));
        self
    }

    /// Has the connection closed after the answer.
    pub fn close(&mut self) -> &mut Self {
        self.builder.force_close();
        self
    }

    /// Says that the connection stays, where that does not say itself in HTTP/1.1: with this text, that
    /// the server writes for the reason, or by ourselves.
    pub fn keep(&mut self, reason_and_field: Option<&'static str>) -> &mut Self {
        match (&mut self.lines, reason_and_field) {
            (Some(lines), _) => lines.add_fixed(fields::CONNECTION_KEEP_ALIVE),
            (None, Some(reason)) => {
                self.builder.reason(reason);
            }
            (None, None) => {}
        }
        self
    }

    /// What the server has to know, and the lines that go past it.
    ///
    /// # Errors
    /// [`HeadError`]: values are checked where they come in, so this is a bug.
    pub fn finish(mut self) -> Result<(HttpResponse<()>, Option<Vec<u8>>), HeadError> {
        let response = self.builder.message_body(());
        let mut response = response.map_err(|error| HeadError(error.to_string()))?;
        let Some(lines) = self.lines else {
            return Ok((response, None));
        };
        if let Some(name) = lines.wrong {
            return Err(HeadError(name.as_str().to_owned()));
        }
        response.head_mut().no_chunking(true);
        Ok((response, Some(lines.bytes)))
    }
}

impl Lines {
    fn has(&self, name: &str) -> bool {
        let mut lines = self.bytes.split(|&byte| byte == b'\n');
        lines.any(|line| {
            let value = line.strip_prefix(name.as_bytes());
            value.is_some_and(|value| value.starts_with(b":"))
        })
    }

    fn add_fixed(&mut self, field: FixedField) {
        debug_assert!(!self.has(field.name()), "{} is given twice", field.name());
        self.bytes.extend_from_slice(field.line().as_bytes());
    }

    /// Adds a line whose value is these parts.
    fn add(&mut self, name: FieldName, value: &[&[u8]]) {
        debug_assert!(!self.has(name.as_str()), "{} is given twice", name.as_str());
        self.bytes
            .extend_from_slice(name.with_separator().as_bytes());
        for part in value {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// Whether a byte may be in a field's value (RFC 9110 section 5.5).
const fn is_of_value(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::{CompleteLength, InclRange};

    #[test]
    fn fields_are_the_same_whoever_writes_them() {
        let heads = [WrittenBy::Server, WrittenBy::Us(7)].map(|by| {
            let mut head = Head::new(StatusCode::OK, by);
            let date = HttpDate::from_epoch_seconds(784_111_777).unwrap();
            let complete = CompleteLength::new(u64::MAX);
            let part = InclRange::new(0, 41).unwrap();
            head.fixed(fields::ACCEPT_RANGES_BYTES)
                .text(fields::ETAG, "\"\u{e4}\"")
                .moment(fields::LAST_MODIFIED, date)
                .content_range(ContentRange::new(part, complete).unwrap())
                .number(fields::AGE, 42);
            head.finish().unwrap()
        });
        let [(server, None), (rest, Some(lines))] = heads else {
            panic!("lines where there should be none, or none where there should be");
        };
        let lines = String::from_utf8(lines).unwrap();
        let (length, lines) = lines.split_once("\r\n").unwrap();
        assert_eq!(length, "content-length: 7");
        let lines: Vec<_> = lines.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), server.headers().len());
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            let expected = server.headers().get(name).unwrap();
            assert_eq!(value.as_bytes(), expected.as_bytes(), "{name}");
        }
        assert!(rest.headers().is_empty());
    }

    #[test]
    fn a_value_that_would_end_its_line_is_an_error() {
        for by in [WrittenBy::Server, WrittenBy::Us(0)] {
            for value in ["a\r\nb: c", "\0", "\u{7f}"] {
                let mut head = Head::new(StatusCode::OK, by);
                head.text(fields::ETAG, value);
                assert!(head.finish().is_err(), "{by:?} {value:?}");
            }
        }
    }
}
