//! Names and values of fields that answers carry, in the form in which they are sent: most of a head is
//! the same in every answer.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

use actix_web::error::HttpError;
use actix_web::http::header::{
    DATE, HeaderName, HeaderValue, InvalidHeaderValue, TryIntoHeaderPair,
};

use crate::semantics::HttpDate;

/// What is between a name and its value.
const SEPARATOR: &str = ": ";

/// What is behind a value.
const LINE_END: &str = "\r\n";

/// The name of a field, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldName(&'static str);

impl FieldName {
    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.strip_suffix(SEPARATOR).unwrap_or(self.0)
    }

    /// The name and what is between it and a value.
    #[must_use]
    pub const fn with_separator(self) -> &'static str {
        self.0
    }
}

/// A field that is part of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedField(&'static str);

impl FixedField {
    /// The whole line.
    #[must_use]
    pub const fn line(self) -> &'static str {
        self.0
    }

    /// The name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.parts().0
    }

    fn parts(self) -> (&'static str, &'static str) {
        let line = self.0.strip_suffix(LINE_END).unwrap_or(self.0);
        line.split_once(SEPARATOR).unwrap_or((line, ""))
    }
}

impl TryIntoHeaderPair for FixedField {
    type Error = HttpError;

    fn try_into_pair(self) -> Result<(HeaderName, HeaderValue), HttpError> {
        let (name, value) = self.parts();
        Ok((HeaderName::try_from(name)?, HeaderValue::from_static(value)))
    }
}

macro_rules! names {
    ($($constant:ident $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`.")]
            pub const $constant: FieldName = FieldName(concat!($name, ": "));
        )*
        #[cfg(test)]
        const NAMES: &[FieldName] = &[$($constant),*];
    };
}

macro_rules! fixed_fields {
    ($($constant:ident $name:literal $value:expr;)*) => {
        $(
            #[doc = concat!("`", $name, ": ", $value, "`.")]
            pub const $constant: FixedField = FixedField(concat!($name, ": ", $value, "\r\n"));
        )*
        #[cfg(test)]
        const FIXED: &[FixedField] = &[$($constant),*];
    };
}

names! {
    ACCESS_CONTROL_ALLOW_ORIGIN "access-control-allow-origin";
    AGE "age";
    CACHE_CONTROL "cache-control";
    CONTENT_DISPOSITION "content-disposition";
    CONTENT_ENCODING "content-encoding";
    CONTENT_LANGUAGE "content-language";
    CONTENT_LENGTH "content-length";
    CONTENT_RANGE "content-range";
    CONTENT_SECURITY_POLICY "content-security-policy";
    CONTENT_TYPE "content-type";
    ETAG "etag";
    EXPIRES "expires";
    KEEP_ALIVE "keep-alive";
    LAST_MODIFIED "last-modified";
    LOCATION "location";
    RETRY_AFTER "retry-after";
    X_REQUEST_ID "x-request-id";
}

fixed_fields! {
    ACCEPT_RANGES_BYTES "accept-ranges" "bytes";
    ALLOW "allow" "GET, HEAD, OPTIONS";
    ALLOW_ANY_ORIGIN "access-control-allow-origin" "*";
    ALLOW_CREDENTIALS "access-control-allow-credentials" "true";
    // What pages may send with a cross-origin request.
    ALLOW_FIELDS "access-control-allow-headers" "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since";
    ALLOW_METHODS "access-control-allow-methods" "GET, HEAD, OPTIONS";
    CACHE_BYPASS "cache-status" "s3reel; fwd=bypass";
    CACHE_HIT "cache-status" "s3reel; hit";
    CACHE_JOINED "cache-status" "s3reel; fwd=miss; collapsed";
    CACHE_MISS "cache-status" "s3reel; fwd=miss; stored";
    CACHE_STALE "cache-status" "s3reel; fwd=stale";
    CONNECTION_KEEP_ALIVE "connection" "keep-alive";
    CROSS_ORIGIN "cross-origin-resource-policy" "cross-origin";
    // What pages may read of an answer.
    EXPOSE_FIELDS "access-control-expose-headers" "Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified, X-Request-Id";
    // How long a browser may remember a preflight, in seconds. Chromium takes at most two hours.
    PREFLIGHT_AGE "access-control-max-age" "7200";
    // What answers that must not be kept are sent with.
    NO_STORE "cache-control" "no-store";
    NO_REFERRER "referrer-policy" "no-referrer";
    NO_SNIFFING "x-content-type-options" "nosniff";
    PROBLEM "content-type" "application/problem+json";
    // What an active type is sent with: the browser shows it as a document without scripts, forms,
    // plugins and our origin, if at all, since it is also sent as an attachment.
    SANDBOX "content-security-policy" "default-src 'none'; style-src 'unsafe-inline'; sandbox";
    VARY_ORIGIN "vary" "Origin";
}

/// `Date`.
#[derive(Debug, Clone, Copy)]
pub struct DateField(pub HttpDate);

impl TryIntoHeaderPair for DateField {
    type Error = InvalidHeaderValue;

    fn try_into_pair(self) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
        thread_local! {
            static LAST: RefCell<Option<(HttpDate, HeaderValue)>> = const { RefCell::new(None) };
        }
        LAST.with_borrow_mut(|last| match last {
            Some((date, value)) if *date == self.0 => Ok((DATE, value.clone())),
            Some(_) | None => {
                let value = HeaderValue::try_from(self.0.to_string())?;
                *last = Some((self.0, value.clone()));
                Ok((DATE, value))
            }
        })
    }
}

/// The date of a moment that has just been. Each thread asks the clock once in each second: one that is
/// set anew is believed when that is over.
pub fn date_of(now: Instant) -> HttpDate {
    thread_local! {
        /// A date, and when its second is over.
        static LAST: Cell<Option<(HttpDate, Instant)>> = const { Cell::new(None) };
    }
    if let Some((date, end)) = LAST.get()
        && now < end
    {
        return date;
    }
    let time = SystemTime::now();
    let date = HttpDate::at(time);
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let rest = Duration::from_secs(1).saturating_sub(Duration::from_nanos(
        since.unwrap_or_default().subsec_nanos().into(),
    ));
    LAST.set(now.checked_add(rest).map(|end| (date, end)));
    date
}

/// Dates whose texts each thread remembers: the same few objects are asked for many times.
const DATES: u64 = 64;

/// Does something with the text of a date, which is made once by each thread as long as no other date
/// comes into its place.
pub fn with_text_of<T>(date: HttpDate, then: impl FnOnce(&str) -> T) -> T {
    thread_local! {
        static TEXTS: RefCell<Vec<Option<(HttpDate, String)>>> = const { RefCell::new(Vec::new()) };
    }
    TEXTS.with_borrow_mut(|texts| {
        let place = usize::try_from(date.epoch_seconds() % DATES).unwrap_or(0);
        if texts.len() <= place {
            texts.resize(place + 1, None);
        }
        let Some(text) = texts.get_mut(place) else {
            return then(&date.to_string());
        };
        match text {
            Some((known, text)) if *known == date => then(text),
            Some(_) | None => then(&text.insert((date, date.to_string())).1),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_one_line_that_the_server_would_write_too() {
        for field in FIXED {
            let (name, value) = field.try_into_pair().unwrap();
            let line = format!("{name}: {}\r\n", value.to_str().unwrap());
            assert_eq!(line, field.line());
            assert_eq!(name.as_str(), field.name());
        }
        for name in NAMES {
            assert_eq!(format!("{}: ", name.as_str()), name.with_separator());
            let parsed = HeaderName::try_from(name.as_str()).unwrap();
            assert_eq!(parsed.as_str(), name.as_str());
        }
    }

    #[test]
    fn the_date_is_that_of_the_clock_and_changes_with_its_second() {
        let begun = Instant::now();
        let mut last = HttpDate::at(SystemTime::now());
        let mut changes = 0;
        while changes < 2 {
            let before = HttpDate::at(SystemTime::now());
            let date = date_of(Instant::now());
            let after = HttpDate::at(SystemTime::now());
            assert!((before..=after).contains(&date), "{before} {date} {after}");
            changes += u32::from(date != last);
            last = date;
            assert!(begun.elapsed() < Duration::from_secs(20));
        }
    }

    #[test]
    fn a_date_has_its_own_text_also_in_the_place_of_another() {
        for seconds in [0, 64, 1, 64, 0, 784_111_777, 784_111_777 + 64] {
            let date = HttpDate::from_epoch_seconds(seconds).unwrap();
            with_text_of(date, |text| assert_eq!(text, date.to_string()));
            let (_, value) = DateField(date).try_into_pair().unwrap();
            assert_eq!(value.to_str().unwrap(), date.to_string());
        }
    }
}
