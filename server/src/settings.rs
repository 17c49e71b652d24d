//! A session's settings as the gateway knows them: what the client gave at its start, and what
//! execute says has changed.
//!
//! The gateway gives them no meaning, but for `statement_timeout`; it refuses a client that asks at its start for what
//! execute would not take, keeps them for a session that moves to another execute instance, and tells the
//! client of those that PostgreSQL reports.

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
    /// FATAL: `options` that are not understood (42601), a setting that does not exist (42704), that a client cannot
    /// change (55P02) or that does not take the value (22023), replication (0A000).
    pub fn from_startup(user: &str, parameters: &[(String, String)]) -> SqlResult<Settings> {
        let mut settings = Settings::default();
        for (name, value) in REPORTED {
            settings.reported.insert(name, value.to_owned());
        }
        settings
            .reported
            .insert("session_authorization", user.to_owned());
        // As in PostgreSQL, a parameter counts more than the options.
        for (_, value) in parameters.iter().filter(|(name, _)| name == "options") {
            for (name, value) in options(value)? {
                settings.give(&name, &value)?;
            }
        }
        for (name, value) in parameters {
            match name.as_str() {
                "options" => {}
                "replication" => check_replication(value)?,
                _ => settings.give(name, value)?,
            }
        }
        Ok(settings)
    }

    fn give(&mut self, name: &str, value: &str) -> SqlResult<()> {
        let (name, value) = vireo_functions::check_setting(name, value).map_err(fatal)?;
        self.change(name, &value);
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
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => None,
        };
        let Some(setting) = setting else {
            let message = format!("invalid command-line argument for server process: {word}");
            let error = SqlError::new(state::SYNTAX_ERROR, message);
            return Err(fatal(
                error.with_hint("Try \"postgres --help\" for more information."),
            ));
        };
        let Some((name, value)) = setting.split_once('=') else {
            let dashes = if word.starts_with("--") { "--" } else { "-c " };
            let message = format!("{dashes}{setting} requires a value");
            return Err(fatal(SqlError::new(state::SYNTAX_ERROR, message)));
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

/// A client may say that it does not want to replicate.
fn check_replication(value: &str) -> SqlResult<()> {
    match value.to_ascii_lowercase().as_str() {
        "false" | "off" | "no" | "0" => Ok(()),
        "true" | "on" | "yes" | "1" | "database" => Err(fatal(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            "replication connections are not supported",
        ))),
        _ => {
            let message = format!("invalid value for parameter \"replication\": \"{value}\"");
            let error = SqlError::new(state::INVALID_PARAMETER_VALUE, message);
            let hint = "Valid values are: \"false\", 0, \"true\", 1, \"database\".";
            Err(fatal(error.with_hint(hint)))
        }
    }
}

fn fatal(mut error: Box<SqlError>) -> Box<SqlError> {
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
        check("-c a", None);
    }

    #[test]
    fn what_execute_would_not_take_is_refused() {
        let check = |name: &str, value: &str, expected: &str| {
            let error = Settings::from_startup("postgres", &[(name.to_owned(), value.to_owned())])
                .expect_err("refused");
            assert_eq!(error.severity, Severity::Fatal);
            let state = String::from_utf8_lossy(&error.sqlstate).into_owned();
            assert_eq!(format!("{state} {}", error.message), expected);
        };
        let invalid = "22023 invalid value for parameter";
        check(
            "no_such",
            "1",
            "42704 unrecognized configuration parameter \"no_such\"",
        );
        check(
            "options",
            "-c no-such=1",
            "42704 unrecognized configuration parameter \"no_such\"",
        );
        check("datestyle", "x", &format!("{invalid} \"DateStyle\": \"x\""));
        check(
            "TimeZone",
            "Mars",
            &format!("{invalid} \"TimeZone\": \"Mars\""),
        );
        check(
            "statement_timeout",
            "soon",
            &format!("{invalid} \"statement_timeout\": \"soon\""),
        );
        check(
            "server_version",
            "9.6",
            "55P02 parameter \"server_version\" cannot be changed",
        );
        check("options", "-c a", "42601 -c a requires a value");
        check("options", "--a", "42601 --a requires a value");
        check(
            "replication",
            "x",
            &format!("{invalid} \"replication\": \"x\""),
        );
        check(
            "replication",
            "database",
            "0A000 replication connections are not supported",
        );
    }

    #[test]
    fn values_are_told_as_show_prints_them() {
        let parameters = [
            ("options", "-c datestyle=sql -c work_mem=8192"),
            ("datestyle", "german"),
            ("timezone", "europe/berlin"),
            ("replication", "false"),
        ];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::from_startup("postgres", &parameters).expect("taken");
        let reported: BTreeMap<&str, &str> = settings.reported().collect();
        assert_eq!(reported["DateStyle"], "German, DMY");
        assert_eq!(reported["TimeZone"], "Europe/Berlin");
        assert!(
            settings
                .for_execute()
                .contains(&("work_mem".to_owned(), "8MB".to_owned()))
        );
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
