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

/// The text is not a whole number, alone or followed by `KiB`, `MiB` or `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeError;

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a size is a whole number of bytes, or one with a unit such as 64KiB, 1MiB or 10GiB",
        )
    }
}

impl std::error::Error for SizeError {}

/// Units of sizes, largest first.
const SIZE_UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Reads a size such as `64KiB`, `1MiB`, `10GiB` or plain bytes.
///
/// ```
/// assert_eq!(s3reel::units::parse_size("64KiB"), Ok(65_536));
/// assert!(s3reel::units::parse_size("64KB").is_err());
/// ```
///
/// # Errors
/// [`SizeError`] for anything else; `KB` and `K` mean different things to different people.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let unit_at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| SizeError)?;
    let bytes_per_unit = match SIZE_UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, bytes)) => *bytes,
        None if unit.is_empty() => 1,
        None => return Err(SizeError),
    };
    number.checked_mul(bytes_per_unit).ok_or(SizeError)
}

/// Writes a size in the largest unit that is exact, as [`parse_size`] reads it.
#[must_use]
pub fn format_size(bytes: u64) -> String {
    SIZE_UNITS
        .iter()
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(
            || bytes.to_string(),
            |(name, unit)| format!("{}{name}", bytes / unit),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_print_as_they_are_read() {
        for text in [
            "0", "1", "1000", "1025", "1KiB", "1536KiB", "64MiB", "10GiB",
        ] {
            assert_eq!(format_size(parse_size(text).unwrap()), text);
        }
        assert_eq!(parse_size("1024KiB"), Ok(1024 * 1024));
    }

    #[test]
    fn a_size_with_another_unit_is_none() {
        for text in [
            "",
            "KiB",
            "1KB",
            "1k",
            "1kib",
            "-1",
            "+1",
            "1.5MiB",
            "1 KiB",
            "18014398509481984KiB",
        ] {
            assert_eq!(parse_size(text), Err(SizeError), "{text:?}");
        }
    }

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
