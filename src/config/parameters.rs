//! What stands after `?` in the URL of an origin.

use std::time::Duration;

use crate::object::key::percent_decode;
use crate::units::parse_duration;

/// Percent-decoded once, strictly.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode(text.as_bytes())
        .map_err(|_| "a % is not followed by two hexadecimal digits".to_owned())?;
    String::from_utf8(decoded).map_err(|_| "it does not decode to UTF-8".to_owned())
}

/// What stands after `?`, taken one by one, and every fault with it.
pub struct Parameters<'a> {
    left: Vec<(&'a str, String)>,
    faults: &'a mut Vec<String>,
}

impl<'a> Parameters<'a> {
    /// Reads `name=value&...`, each value percent-decoded. Whatever is wrong goes to `faults`.
    pub fn read(query: &'a str, faults: &'a mut Vec<String>) -> Self {
        let mut left: Vec<(&str, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = pair.split_once('=') else {
                faults.push(format!("{pair}: a parameter is name=value"));
                continue;
            };
            if left.iter().any(|(known, _)| *known == name) {
                faults.push(format!("{name} is there twice"));
                continue;
            }
            match decoded(value) {
                Ok(value) => left.push((name, value)),
                Err(error) => faults.push(format!("{name}: {error}")),
            }
        }
        Self { left, faults }
    }

    /// Remembers a fault.
    pub fn fault(&mut self, allowed: String) {
        self.faults.push(allowed);
    }

    /// Takes a parameter out, if it is there; `None` also when it is wrong.
    pub fn take<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let at = self.left.iter().position(|(known, _)| *known == name)?;
        let (_, value) = self.left.remove(at);
        parse(&value)
            .map_err(|allowed| self.fault(format!("{name}={value}: {allowed}")))
            .ok()
    }

    /// Takes a switch.
    pub fn switch(&mut self, name: &str) -> Option<bool> {
        self.take(name, |text| match text {
            "on" | "true" | "1" => Ok(true),
            "off" | "false" | "0" => Ok(false),
            _ => Err("`on` or `off` (or true, false, 1, 0)".to_owned()),
        })
    }

    /// Takes a duration in which something has to happen.
    pub fn duration(&mut self, name: &str) -> Option<Duration> {
        self.take(name, |text| match parse_duration(text) {
            Ok(Duration::ZERO) => Err("a duration above zero, such as 3s".to_owned()),
            Ok(duration) => Ok(duration),
            Err(error) => Err(error.to_string()),
        })
    }

    /// What was not taken is none of those that there are.
    pub fn refuse_the_rest(self, known: &str) {
        for (name, _) in self.left {
            self.faults
                .push(format!("{name} is no parameter here; there are {known}"));
        }
    }
}
