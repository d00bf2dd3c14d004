//! The format of log lines: text for people, JSON for machines.

use std::fmt;
use std::io::{self, Write as _};

use log::kv::{self, VisitSource, VisitValue};
use serde_json::{Map, Value};

use super::request_id::RequestId;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One line of text an event, fields as `name=value`.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

impl LogFormat {
    /// Reads `text` or `json`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// What is told when `RUST_LOG` is not set: our own lines from `info` up, others' from `warn` up. The
/// server's own lines about cut answers and odd heads only repeat ours.
const DEFAULT_FILTER: &str = "warn,s3reel=info,actix_http=off";

/// Starts logging to standard error by `RUST_LOG`.
///
/// # Errors
/// When a logger is already installed in this process.
pub fn start(format: LogFormat) -> Result<(), log::SetLoggerError> {
    let mut builder =
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(DEFAULT_FILTER));
    builder.format(move |out, record| match format {
        _ if may_tell_credentials(record) || is_of_a_stranger(record) => Ok(()),
        LogFormat::Text => write_text(out, record),
        LogFormat::Json => write_json(out, record),
    });
    builder.try_init()
}

/// The SDK, its HTTP client and the server may write whole heads at `debug` and `trace`, signatures,
/// cookies and session tokens included (RUSTSEC-2023-0125 was one such case). No setting brings those lines out.
fn may_tell_credentials(record: &log::Record<'_>) -> bool {
    record.level() > log::Level::Info
        && ["actix", "aws", "hyper", "h2", "rustls"]
            .iter()
            .any(|stack| record.target().starts_with(stack))
}

/// What `h2` warns of is what a viewer sends, which could fill the log with a line for each frame.
fn is_of_a_stranger(record: &log::Record<'_>) -> bool {
    record.level() > log::Level::Error && record.target().starts_with("h2")
}

fn write_text(out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> io::Result<()> {
    let fields = Fields::of(record);
    write!(
        out,
        "{} {:5} {} {}",
        out.timestamp_millis(),
        record.level(),
        record.target(),
        escaped(&record.args().to_string()),
    )?;
    for (name, value) in &fields.0 {
        match value {
            Value::String(text) if text.contains([' ', '"', '=']) || text.is_empty() => {
                write!(out, " {name}={}", Value::String(escaped(text)))?;
            }
            Value::String(text) => write!(out, " {name}={}", escaped(text))?,
            Value::Null => write!(out, " {name}=-")?,
            other => write!(out, " {name}={other}")?,
        }
    }
    writeln!(out)
}

fn write_json(out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> io::Result<()> {
    let mut line = Map::new();
    let time = out.timestamp_millis().to_string();
    line.insert("time".to_owned(), Value::String(time));
    line.insert(
        "level".to_owned(),
        Value::String(record.level().to_string()),
    );
    line.insert(
        "target".to_owned(),
        Value::String(record.target().to_owned()),
    );
    line.insert(
        "message".to_owned(),
        Value::String(record.args().to_string()),
    );
    line.extend(Fields::of(record).0);
    writeln!(out, "{}", Value::Object(line))
}

/// Control characters of a stranger's text must not forge a line or steer a terminal.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escape = can_deceive(c).then(|| c.escape_default());
            let plain = escape.is_none().then_some(c);
            escape.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Control characters, and those that break lines or turn the direction of writing.
fn can_deceive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The field that says for which request something was done.
const REQUEST_ID: &str = "request_id";

/// The key-value pairs of a record, in order.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn of(record: &log::Record<'_>) -> Self {
        let mut fields = Self(Vec::new());
        // A pair that cannot be read is left out; the line is still worth writing.
        let _ = record.key_values().visit(&mut fields);
        if let Some(id) = RequestId::current()
            && !fields.0.iter().any(|(name, _)| name == REQUEST_ID)
        {
            let id = Value::String(id.as_str().to_owned());
            fields.0.push((REQUEST_ID.to_owned(), id));
        }
        fields
    }
}

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut json = Json(Value::Null);
        value.visit(&mut json)?;
        self.0.push((key.to_string(), json.0));
        Ok(())
    }
}

/// One value as JSON.
struct Json(Value);

impl VisitValue<'_> for Json {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.0 = Value::String(value.to_string());
        Ok(())
    }
    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.0 = Value::Null;
        Ok(())
    }
    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }
    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }
    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }
    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }
    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_control_characters_cannot_forge_a_line() {
        assert_eq!(escaped("a\nb\u{1b}[0m"), "a\\nb\\u{1b}[0m");
        assert_eq!(escaped("a\u{202e}b\u{2028}"), "a\\u{202e}b\\u{2028}");
        assert_eq!(escaped("plain \u{e9}"), "plain \u{e9}");
    }

    #[test]
    fn fields_keep_their_order_and_kind() {
        let fields: &[(&str, kv::Value<'_>)] = &[
            ("status", 206_u64.into()),
            ("path", "/a b".into()),
            ("wait", kv::Value::null()),
        ];
        let record = log::Record::builder().key_values(&fields).build();
        let read = Fields::of(&record).0;
        assert_eq!(read.len(), 3);
        assert_eq!(read[0], ("status".to_owned(), Value::from(206)));
        assert_eq!(read[1], ("path".to_owned(), Value::from("/a b")));
        assert_eq!(read[2].1, Value::Null);
    }
}
