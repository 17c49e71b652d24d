//! A session's settings as the gateway knows them: what the client gave at its start, and what
//! execute says has changed.
//!
//! The gateway gives them no meaning, but for `statement_timeout`; it keeps them for a session that
//! moves to another execute instance, and tells the client of those that PostgreSQL reports.

use std::collections::BTreeMap;
use std::time::Duration;
use vireo_abi::message::error::{Severity, SqlError, SqlResult, state};

/// What `server_version` says: drivers read the number before the first space.
pub const SERVER_VERSION: &str = "15.0 (Vireo 0.1)";

/// Settings that PostgreSQL reports, with the names as it spells them and the values at first.
const REPORTED: [(&str, &str); 12] = [
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("default_transaction_read_only", "off"),
    ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"),
    ("is_superuser", "on"),
    ("server_encoding", "UTF8"),
    ("server_version", SERVER_VERSION),
    ("session_authorization", ""),
    ("standard_conforming_strings", "on"),
    ("TimeZone", "UTC"),
];

/// A session's settings.
#[derive(Debug, Default)]
pub struct Settings {
    given: BTreeMap<String, String>,
    reported: BTreeMap<&'static str, String>,
}

impl Settings {
    /// From the startup packet's parameters other than user and database.
    ///
    /// # Errors
    /// FATAL: `options` that are not understood, or an encoding other than UTF-8.
    pub fn from_startup(user: &str, parameters: &[(String, String)]) -> SqlResult<Settings> {
        let mut settings = Settings::default();
        for (name, value) in REPORTED {
            settings.reported.insert(name, value.to_owned());
        }
        settings
            .reported
            .insert("session_authorization", user.to_owned());
        for (name, value) in parameters {
            match name.as_str() {
                "options" => {
                    for (name, value) in options(value)? {
                        settings.give(&name, &value)?;
                    }
                }
                "replication" => {}
                _ => settings.give(name, value)?,
            }
        }
        Ok(settings)
    }

    fn give(&mut self, name: &str, value: &str) -> SqlResult<()> {
        let name = name.to_ascii_lowercase();
        let value = match name.as_str() {
            "client_encoding" => {
                let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
                match plain.to_ascii_uppercase().as_str() {
                    "UTF8" | "UNICODE" => "UTF8",
                    _ => return Err(invalid_encoding(value)),
                }
            }
            "datestyle" if value.eq_ignore_ascii_case("iso") => "ISO, MDY",
            _ => value,
        };
        self.change(&name, value);
        Ok(())
    }

    /// Takes note of a setting. The spelling and value to tell the client, if it is one that
    /// PostgreSQL reports and it is new.
    pub fn change(&mut self, name: &str, value: &str) -> Option<&'static str> {
        let spelling = REPORTED
            .iter()
            .map(|(name, _)| *name)
            .find(|known| known.eq_ignore_ascii_case(name));
        self.given
            .insert(name.to_ascii_lowercase(), value.to_owned());
        let spelling = spelling?;
        let before = self.reported.insert(spelling, value.to_owned());
        (before.as_deref() != Some(value)).then_some(spelling)
    }

    /// What the client is told at the session's start.
    pub fn reported(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.reported
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// What an execute instance is told at the session's start there.
    pub fn for_execute(&self) -> Vec<(String, String)> {
        self.given
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// How long a statement may take.
    pub fn statement_timeout(&self) -> Option<Duration> {
        let value = self.given.get("statement_timeout")?.trim();
        let digits = value.len() - value.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = value[..digits].parse().ok()?;
        let milliseconds = match value[digits..].trim() {
            "" | "ms" => number,
            "us" => number.div_ceil(1000),
            "s" => number.saturating_mul(1000),
            "min" => number.saturating_mul(60_000),
            "h" => number.saturating_mul(3_600_000),
            "d" => number.saturating_mul(86_400_000),
            _ => return None,
        };
        (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
    }
}

/// The settings in the startup packet's `options`: `-c name=value` and `--name=value`, with spaces
/// escaped by a backslash.
fn options(text: &str) -> SqlResult<Vec<(String, String)>> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words
                .last_mut()
                .into_iter()
                .for_each(|word| word.extend(characters.next())),
            c if c.is_ascii_whitespace() => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next().unwrap_or_default(),
            Some(setting) => setting.to_owned(),
            None => word.clone(),
        };
        match setting.split_once('=') {
            Some((name, value)) if word.starts_with('-') => {
                settings.push((name.replace('-', "_"), value.to_owned()));
            }
            _ => {
                let message = format!("invalid command-line argument for server process: {word}");
                return Err(fatal(state::SYNTAX_ERROR, message));
            }
        }
    }
    Ok(settings)
}

fn invalid_encoding(value: &str) -> Box<SqlError> {
    fatal(
        state::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"client_encoding\": \"{value}\""),
    )
}

fn fatal(state: &[u8; 5], message: String) -> Box<SqlError> {
    let mut error = SqlError::new(state, message);
    error.severity = Severity::Fatal;
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[(&str, &str)]>) {
        let got = options(text).ok();
        let expected: Option<Vec<(String, String)>> = expected.map(|list| {
            list.iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect()
        });
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn options_of_the_startup_packet() {
        check("", Some(&[]));
        check(
            "-c a=1 -cb=2  --c-d=x\\ y",
            Some(&[("a", "1"), ("b", "2"), ("c_d", "x y")]),
        );
        check("a=1", None);
        check("-c", None);
        check("-d 5", None);
    }

    #[test]
    fn timeouts() {
        let timeout = |value: &str| {
            let mut settings = Settings::default();
            settings.change("statement_timeout", value);
            settings
                .statement_timeout()
                .map(|timeout| timeout.as_millis())
        };
        assert_eq!(timeout("0"), None);
        assert_eq!(timeout("100"), Some(100));
        assert_eq!(timeout("5s"), Some(5000));
        assert_eq!(timeout("2 min"), Some(120_000));
        assert_eq!(timeout("x"), None);
    }
}
