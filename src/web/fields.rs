//! Fields that most answers carry. Given as text, names would be looked up and values copied for every
//! answer, which is a twelfth of what a probe out of the cache costs.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use actix_web::http::header::{
    DATE, HeaderName, HeaderValue, InvalidHeaderValue, TryIntoHeaderPair,
};

use crate::semantics::HttpDate;

/// `Keep-Alive`.
pub const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// `X-Request-Id`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A field whose value is part of the program.
#[must_use]
pub fn fixed(name: HeaderName, value: &'static str) -> (HeaderName, HeaderValue) {
    (name, HeaderValue::from_static(value))
}

/// A short value out of numbers and the like. What does not fit, or is no value, is left empty.
#[must_use]
pub fn written(value: fmt::Arguments<'_>) -> HeaderValue {
    let mut short = Short::default();
    let is_whole = short.write_fmt(value).is_ok();
    let text = short.bytes.get(..short.length).filter(|_| is_whole);
    let value = text.and_then(|text| HeaderValue::from_bytes(text).ok());
    value.unwrap_or_else(|| HeaderValue::from_static(""))
}

/// Text on the stack: a `String` would be made larger several times over, and once smaller.
struct Short {
    bytes: [u8; SHORT_BYTES],
    length: usize,
}

/// More than the longest `Content-Range` has.
const SHORT_BYTES: usize = 96;

impl Default for Short {
    fn default() -> Self {
        Self {
            bytes: [0; SHORT_BYTES],
            length: 0,
        }
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length.saturating_add(text.len());
        let place = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// `Date`, made once a second by each thread.
#[derive(Debug, Clone, Copy)]
pub struct DateField(pub HttpDate);

impl TryIntoHeaderPair for DateField {
    type Error = InvalidHeaderValue;

    fn try_into_pair(self) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        thread_local! {
            static LAST: RefCell<Option<(HttpDate, HeaderValue)>> = const { RefCell::new(None) };
        }
        LAST.with_borrow_mut(|last| {
            let value = match last {
                Some((date, value)) if *date == self.0 => value.clone(),
                Some(_) | None => HeaderValue::try_from(self.0.to_string())?,
            };
            *last = Some((self.0, value.clone()));
            Ok((DATE, value))
        })
    }
}
