//! Dates of fields, and the seconds that S3's dates come as.

use s3reel::semantics::preconditions::Verdict;
use s3reel::semantics::{HttpDate, IfRange, Preconditions, Validators};

const MONTHS: &[(&str, i64)] = &[
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];

/// Names of days, beginning with that of 1970-01-01.
const DAYS: &[&str] = &["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// The laws for a field value, and for its first eight bytes as a number of seconds.
pub fn hold(value: &[u8]) {
    if let Some(bytes) = value.first_chunk() {
        let seconds = i64::from_le_bytes(*bytes);
        if let Some(date) = HttpDate::from_epoch_seconds(seconds) {
            assert_eq!(seconds_of(&date.to_string()), Some(seconds));
            print(date);
        }
    }
    let Ok(text) = std::str::from_utf8(value) else {
        return;
    };
    let parsed = HttpDate::parse(text);
    let ours = Validators {
        etag: None,
        last_modified: parsed,
    };
    assert_eq!(IfRange::parse(text).holds(&ours), parsed.is_some());
    if let Some(date) = parsed {
        print(date);
        condition(date, &ours);
    }
}

/// The laws of what is printed: IMF-fixdate, the same moment when it is read again.
fn print(date: HttpDate) {
    let printed = date.to_string();
    assert_eq!(printed.len(), 29, "{printed}");
    assert_eq!(HttpDate::parse(&printed), Some(date), "{printed}");
    let seconds = seconds_of(&printed).expect("a date of the calendar");
    assert_eq!(
        HttpDate::from_epoch_seconds(seconds),
        Some(date),
        "{printed}"
    );
}

/// A condition with the very date of the object, and with the second after it.
fn condition(date: HttpDate, ours: &Validators) {
    let since = |date| Preconditions {
        if_modified_since: Some(date),
        ..Preconditions::default()
    };
    assert_eq!(since(date).evaluate(ours), Verdict::NotModified);
    let seconds = seconds_of(&date.to_string()).unwrap_or_default();
    if let Some(later) = HttpDate::from_epoch_seconds(seconds + 1) {
        assert!(date < later);
        let changed = Validators {
            etag: None,
            last_modified: Some(later),
        };
        assert_eq!(since(date).evaluate(&changed), Verdict::Proceed);
        assert!(!IfRange::Date(date).holds(&changed));
        let unmodified = Preconditions {
            if_unmodified_since: Some(date),
            ..Preconditions::default()
        };
        assert_eq!(unmodified.evaluate(&changed), Verdict::Failed);
        assert_eq!(unmodified.evaluate(ours), Verdict::Proceed);
    }
}

/// Seconds since 1970 of an IMF-fixdate, counted by the calendar; `None` if there is no such day.
fn seconds_of(printed: &str) -> Option<i64> {
    let parts: Vec<_> = printed.split([' ', ':']).collect();
    let [week_day, day, month, year, hour, minute, second, "GMT"] = *parts.as_slice() else {
        return None;
    };
    let number = |text: &str| super::digits(text).and_then(|number| i64::try_from(number).ok());
    let year = number(year).filter(|year| (1970..=9999).contains(year))?;
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let leap_day = leap_days(year) - leap_days(year - 1);
    let before = MONTHS.iter().take_while(|(name, _)| *name != month);
    let length = |(name, days): &(&str, i64)| days + if *name == "Feb" { leap_day } else { 0 };
    let this = MONTHS.iter().find(|(name, _)| *name == month)?;
    let day = number(day).filter(|day| (1..=length(this)).contains(day))?;
    let days = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969)
        + before.map(length).sum::<i64>()
        + day
        - 1;
    let name = DAYS.get(usize::try_from(days % 7).ok()?)?;
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    let is_time = hour < 24 && minute < 60 && second < 60;
    (is_time && week_day.strip_suffix(',') == Some(name))
        .then_some(((days * 24 + hour) * 60 + minute) * 60 + second)
}
