//! Names and values of fields that most answers carry. Given as text they would be looked up and copied
//! for every one.

use std::cell::RefCell;

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
