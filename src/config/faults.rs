//! Reading settings one by one and keeping every fault.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::units::{parse_duration, parse_size};

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    variable: &'static str,
    value: Option<String>,
    allowed: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            variable,
            value,
            allowed,
        } = self;
        match value {
            Some(value) => write!(f, "{variable}={value:?}: {allowed}"),
            None => write!(f, "{variable} is not set: {allowed}"),
        }
    }
}

/// Everything that is wrong with a configuration, a line each. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Reads settings and remembers what was wrong.
#[derive(Debug, Default)]
pub(super) struct Reader(Vec<Fault>);

impl Reader {
    /// Remembers a fault.
    pub(super) fn fault(&mut self, variable: &'static str, value: Option<&str>, allowed: &str) {
        self.0.push(Fault {
            variable,
            value: value.map(ToOwned::to_owned),
            allowed: allowed.to_owned(),
        });
    }

    /// Reads a setting that may be absent; `None` also when it is wrong.
    pub(super) fn optional<T>(
        &mut self,
        variable: &'static str,
        text: Option<&String>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = text?;
        parse(text)
            .map_err(|allowed| self.fault(variable, Some(text), &allowed))
            .ok()
    }

    /// Reads an address to listen on.
    pub(super) fn address(
        &mut self,
        variable: &'static str,
        text: Option<&String>,
    ) -> Option<SocketAddr> {
        self.optional(variable, text, |text| {
            text.parse()
                .map_err(|_| "an address and a port such as 127.0.0.1:8080 or [::]:8080".to_owned())
        })
    }

    /// Reads a switch.
    pub(super) fn switch(&mut self, variable: &'static str, text: Option<&String>) -> Option<bool> {
        self.optional(variable, text, |text| match text {
            "on" | "true" | "1" => Ok(true),
            "off" | "false" | "0" => Ok(false),
            _ => Err("`on` or `off` (or true, false, 1, 0)".to_owned()),
        })
    }

    /// Reads a duration.
    pub(super) fn duration(
        &mut self,
        variable: &'static str,
        text: Option<&String>,
    ) -> Option<Duration> {
        self.optional(variable, text, |text| {
            parse_duration(text).map_err(|error| error.to_string())
        })
    }

    /// Reads a duration in which something has to happen, so that zero makes no sense.
    pub(super) fn positive_duration(
        &mut self,
        variable: &'static str,
        text: Option<&String>,
    ) -> Option<Duration> {
        self.optional(variable, text, |text| match parse_duration(text) {
            Ok(Duration::ZERO) => Err("a duration above zero, such as 3s".to_owned()),
            Ok(duration) => Ok(duration),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Reads a size in bytes.
    pub(super) fn size(&mut self, variable: &'static str, text: Option<&String>) -> Option<u64> {
        self.optional(variable, text, |text| {
            parse_size(text).map_err(|error| error.to_string())
        })
    }

    /// Reads a number of streams; more than a million would say that there is no limit.
    pub(super) fn streams(
        &mut self,
        variable: &'static str,
        text: Option<&String>,
    ) -> Option<usize> {
        self.optional(variable, text, |text| match text.parse() {
            Ok(streams @ 1..=1_000_000) => Ok(streams),
            _ => Err("a whole number from 1 to 1000000".to_owned()),
        })
    }

    /// The result, if nothing was wrong.
    pub(super) fn finish<T>(self, result: T) -> Result<T, Faults> {
        if self.0.is_empty() {
            Ok(result)
        } else {
            Err(Faults(self.0))
        }
    }

    /// What was wrong.
    pub(super) fn into_faults(self) -> Faults {
        Faults(self.0)
    }
}
