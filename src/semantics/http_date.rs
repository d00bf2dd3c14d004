//! Dates in fields (RFC 9110 section 5.6.7).

use std::fmt;
use std::time::{Duration, SystemTime};

/// A point in time with the resolution of HTTP, one second.
///
/// All three date forms are read; the preferred one (IMF-fixdate) is written.
///
/// ```
/// use s3reel::semantics::HttpDate;
/// let date = HttpDate::parse("Sunday, 06-Nov-94 08:49:37 GMT").unwrap();
/// assert_eq!(date.to_string(), "Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpDate {
    /// Since 1970.
    seconds: u64,
}

/// Seconds since 1970 of 9999-12-31T23:59:59Z, the last date that four year digits can write.
const LAST_SECOND: u64 = 253_402_300_799;

impl HttpDate {
    /// Reads a date; `None` for what is no date, which section 13.1 wants ignored.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let date: httpdate::HttpDate = text.parse().ok()?;
        Some(Self::at(date.into()))
    }

    /// A date from seconds since 1970; `None` outside the years 1970 to 9999.
    #[must_use]
    pub fn from_epoch_seconds(seconds: i64) -> Option<Self> {
        let seconds = u64::try_from(seconds).ok()?;
        (seconds <= LAST_SECOND).then_some(Self { seconds })
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn epoch_seconds(self) -> u64 {
        self.seconds
    }

    /// The second that a moment lies in. What is before 1970 or after 9999 cannot be written, and a
    /// clock that says so is wrong anyway: it becomes the nearest that can.
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        Self {
            seconds: since.unwrap_or_default().as_secs().min(LAST_SECOND),
        }
    }
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.seconds));
        httpdate::HttpDate::from(time.unwrap_or(SystemTime::UNIX_EPOCH)).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_three_date_forms_are_the_same_moment() {
        let dates = [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ]
        .map(HttpDate::parse);
        assert!(dates[0].is_some());
        assert_eq!(dates[0], dates[1]);
        assert_eq!(dates[0], dates[2]);
        assert_eq!(dates[0], HttpDate::from_epoch_seconds(784_111_777));
    }

    #[test]
    fn what_is_no_date_and_what_cannot_be_written_is_none() {
        assert_eq!(HttpDate::parse("yesterday"), None);
        assert_eq!(HttpDate::parse(""), None);
        assert_eq!(HttpDate::from_epoch_seconds(-1), None);
        assert_eq!(HttpDate::from_epoch_seconds(i64::MAX), None);
        assert!(HttpDate::from_epoch_seconds(253_402_300_799).is_some());
    }

    #[test]
    fn a_moment_is_written_as_its_second_or_the_nearest_that_can_be_written() {
        let epoch = SystemTime::UNIX_EPOCH;
        let at = |time| HttpDate::at(time).to_string();
        let second = epoch + Duration::from_millis(784_111_777_999);
        assert_eq!(at(second), "Sun, 06 Nov 1994 08:49:37 GMT");
        let before = epoch - Duration::from_secs(1);
        assert_eq!(at(before), "Thu, 01 Jan 1970 00:00:00 GMT");
        let beyond = epoch + Duration::from_secs(LAST_SECOND + 1);
        assert_eq!(at(beyond), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_what_is_parsed(seconds in 0..=LAST_SECOND) {
            let date = HttpDate::from_epoch_seconds(i64::try_from(seconds).unwrap()).unwrap();
            prop_assert_eq!(HttpDate::parse(&date.to_string()), Some(date));
            prop_assert_eq!(date.epoch_seconds(), seconds);
        }

        #[test]
        fn a_later_date_is_greater(seconds in 0..LAST_SECOND) {
            let [one, next] = [seconds, seconds + 1].map(|seconds| {
                HttpDate::from_epoch_seconds(i64::try_from(seconds).unwrap())
            });
            prop_assert!(one.unwrap() < next.unwrap());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[A-Za-z]{3,9},? [0-9]{1,2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9:]{5,9} GMT") {
            let _ = HttpDate::parse(&text);
        }
    }
}
