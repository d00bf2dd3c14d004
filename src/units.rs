//! Units as settings write them.

use std::fmt;
use std::time::Duration;

/// The text is not a whole number followed by `ms`, `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationError;

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration is a whole number with a unit, such as 250ms, 10s, 5m or 1h")
    }
}

impl std::error::Error for DurationError {}

/// Reads a duration such as `250ms`, `10s`, `5m` or `1h`.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(s3reel::units::parse_duration("250ms"), Ok(Duration::from_millis(250)));
/// assert!(s3reel::units::parse_duration("10").is_err());
/// ```
///
/// # Errors
/// [`DurationError`] for anything else: a bare number could be seconds or milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .ok_or(DurationError)?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| DurationError)?;
    let milliseconds_per_unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(DurationError),
    };
    number
        .checked_mul(milliseconds_per_unit)
        .map(Duration::from_millis)
        .ok_or(DurationError)
}

/// Writes a duration in the largest unit that is exact, as [`parse_duration`] reads it.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if milliseconds >= size && milliseconds.is_multiple_of(size) {
            return format!("{}{unit}", milliseconds / size);
        }
    }
    if milliseconds == 0 {
        "0s".to_owned()
    } else {
        format!("{milliseconds}ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_they_are_read() {
        for text in [
            "0s", "250ms", "1500ms", "10s", "75s", "5m", "15m", "1h", "90m",
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(format_duration(duration), text);
        }
    }

    #[test]
    fn a_number_without_a_unit_is_no_duration() {
        for text in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1d",
            "+1s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(parse_duration(text), Err(DurationError), "{text:?}");
        }
    }
}
