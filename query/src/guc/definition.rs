//! The settings that exist: their defaults, and what values they take.

use crate::settings::{DateOrder, DateStyle, FormatSettings, IntervalStyle};
use crate::types::datetime::Zone;
use alloc::format;
use alloc::string::{String, ToString};
use vireo_abi::message::error::{SqlError, SqlResult, state};

/// What values a setting takes.
#[derive(Clone, Copy, Debug)]
enum Domain {
    ReadOnly,
    Bool,
    Text,
    Choice(&'static [&'static str]),
    /// A number from .. to.
    Integer(i64, i64),
    /// Milliseconds, with PostgreSQL's units.
    Duration,
    /// KiB, with PostgreSQL's units.
    Memory,
    DateStyle,
    TimeZone,
    Encoding,
}

/// A setting.
#[derive(Debug)]
pub struct Definition {
    /// As SHOW ALL spells it.
    pub name: &'static str,
    /// Its value unless set.
    pub default: &'static str,
    /// One line for SHOW ALL.
    pub description: &'static str,
    domain: Domain,
}

const ISOLATION: &[&str] = &[
    "serializable",
    "repeatable read",
    "read committed",
    "read uncommitted",
];

const fn setting(
    name: &'static str,
    default: &'static str,
    domain: Domain,
    description: &'static str,
) -> Definition {
    Definition {
        name,
        default,
        description,
        domain,
    }
}

/// Every setting, sorted by name without regard to case.
pub static DEFINITIONS: &[Definition] = &[
    setting(
        "application_name",
        "",
        Domain::Text,
        "Sets the application name to be reported in statistics and logs.",
    ),
    setting(
        "bytea_output",
        "hex",
        Domain::Choice(&["escape", "hex"]),
        "Sets the output format for bytea.",
    ),
    setting(
        "client_encoding",
        "UTF8",
        Domain::Encoding,
        "Sets the client's character set encoding.",
    ),
    setting(
        "client_min_messages",
        "notice",
        Domain::Choice(&[
            "debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error",
        ]),
        "Sets the message levels that are sent to the client.",
    ),
    setting(
        "DateStyle",
        "ISO, MDY",
        Domain::DateStyle,
        "Sets the display format for date and time values.",
    ),
    setting(
        "default_transaction_isolation",
        "read committed",
        Domain::Choice(ISOLATION),
        "Sets the transaction isolation level of each new transaction.",
    ),
    setting(
        "default_transaction_read_only",
        "off",
        Domain::Bool,
        "Sets the default read-only status of new transactions.",
    ),
    setting(
        "extra_float_digits",
        "1",
        Domain::Integer(-15, 3),
        "Sets the number of digits displayed for floating-point values.",
    ),
    setting(
        "idle_in_transaction_session_timeout",
        "0",
        Domain::Duration,
        "Sets the maximum allowed idle time between queries, when in a transaction.",
    ),
    setting(
        "integer_datetimes",
        "on",
        Domain::ReadOnly,
        "Shows whether datetimes are integer based.",
    ),
    setting(
        "IntervalStyle",
        "postgres",
        Domain::Choice(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]),
        "Sets the display format for interval values.",
    ),
    setting(
        "is_superuser",
        "on",
        Domain::ReadOnly,
        "Shows whether the current user is a superuser.",
    ),
    setting(
        "lc_collate",
        "C",
        Domain::ReadOnly,
        "Shows the collation order locale.",
    ),
    setting(
        "lc_ctype",
        "C.UTF-8",
        Domain::ReadOnly,
        "Shows the character classification and case conversion locale.",
    ),
    setting(
        "lock_timeout",
        "0",
        Domain::Duration,
        "Sets the maximum allowed duration of any wait for a lock.",
    ),
    setting(
        "max_identifier_length",
        "63",
        Domain::ReadOnly,
        "Shows the maximum identifier length.",
    ),
    setting(
        "search_path",
        "\"$user\", public",
        Domain::Text,
        "Sets the schema search order for names that are not schema-qualified.",
    ),
    setting(
        "server_encoding",
        "UTF8",
        Domain::ReadOnly,
        "Shows the server (database) character set encoding.",
    ),
    setting(
        "server_version",
        "15.0",
        Domain::ReadOnly,
        "Shows the server version.",
    ),
    setting(
        "server_version_num",
        "150000",
        Domain::ReadOnly,
        "Shows the server version as an integer.",
    ),
    setting(
        "session_authorization",
        "postgres",
        Domain::ReadOnly,
        "Shows the session user.",
    ),
    setting(
        "standard_conforming_strings",
        "on",
        Domain::Choice(&["on"]),
        "Causes '...' strings to treat backslashes literally.",
    ),
    setting(
        "statement_timeout",
        "0",
        Domain::Duration,
        "Sets the maximum allowed duration of any statement.",
    ),
    setting(
        "synchronous_commit",
        "on",
        Domain::Choice(&["on", "off", "local", "remote_write", "remote_apply"]),
        "Sets the current transaction's synchronization level.",
    ),
    setting(
        "TimeZone",
        "UTC",
        Domain::TimeZone,
        "Sets the time zone for displaying and interpreting time stamps.",
    ),
    setting(
        "transaction_isolation",
        "read committed",
        Domain::Choice(ISOLATION),
        "Sets the current transaction's isolation level.",
    ),
    setting(
        "transaction_read_only",
        "off",
        Domain::Bool,
        "Sets the current transaction's read-only status.",
    ),
    setting(
        "work_mem",
        "4MB",
        Domain::Memory,
        "Sets the maximum memory to be used for query workspaces.",
    ),
];

/// The setting with this name, in any case.
///
/// # Errors
/// 42704 when there is none.
pub fn find(name: &str) -> SqlResult<&'static Definition> {
    DEFINITIONS
        .iter()
        .find(|d| d.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_OBJECT,
                format!("unrecognized configuration parameter \"{name}\""),
            )
        })
}

impl Definition {
    /// Whether SET is refused.
    pub fn is_read_only(&self) -> bool {
        matches!(self.domain, Domain::ReadOnly)
    }

    /// The value in the form that SHOW prints.
    ///
    /// # Errors
    /// 22023 when the setting does not take it.
    pub fn check(&self, value: &str) -> SqlResult<String> {
        let bad = || {
            SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("invalid value for parameter \"{}\": \"{value}\"", self.name),
            )
        };
        match self.domain {
            Domain::ReadOnly | Domain::Text => Ok(value.to_string()),
            Domain::Bool => Ok(boolean(value)
                .ok_or_else(|| {
                    SqlError::new(
                        state::INVALID_PARAMETER_VALUE,
                        format!("parameter \"{}\" requires a Boolean value", self.name),
                    )
                })?
                .to_string()),
            Domain::Choice(choices) => choice(value, choices).ok_or_else(|| {
                bad().with_hint(format!("Available values: {}.", choices.join(", ")))
            }),
            Domain::Integer(from, to) => {
                let number: i64 = value.trim().parse().map_err(|_| bad())?;
                if number < from || number > to {
                    return Err(SqlError::new(
                        state::INVALID_PARAMETER_VALUE,
                        format!(
                            "{number} is outside the valid range for parameter \"{}\" ({from} .. {to})",
                            self.name
                        ),
                    ));
                }
                Ok(number.to_string())
            }
            Domain::Duration => duration_ms(value).map(show_duration).ok_or_else(bad),
            Domain::Memory => memory_kib(value).map(show_memory).ok_or_else(bad),
            Domain::DateStyle => date_style(value).ok_or_else(bad),
            Domain::TimeZone => time_zone(value).ok_or_else(bad),
            Domain::Encoding => encoding(value).ok_or_else(bad),
        }
    }
}

fn boolean(value: &str) -> Option<&'static str> {
    let value = value.trim().to_ascii_lowercase();
    let is_prefix = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    if value == "1" || is_prefix("true", 1) || is_prefix("yes", 1) || is_prefix("on", 2) {
        Some("on")
    } else if value == "0" || is_prefix("false", 1) || is_prefix("no", 1) || is_prefix("off", 2) {
        Some("off")
    } else {
        None
    }
}

/// One of `choices` in any case; PostgreSQL takes booleans for those that have on and off.
fn choice(value: &str, choices: &[&str]) -> Option<String> {
    let find = |v: &str| {
        choices
            .iter()
            .find(|c| c.eq_ignore_ascii_case(v))
            .map(|c| c.to_string())
    };
    find(value.trim()).or_else(|| find(boolean(value)?))
}

/// Splits "250ms" into 250 and "ms".
fn number_and_unit(value: &str) -> Option<(i64, &str)> {
    let value = value.trim();
    let end = value
        .find(|c: char| !c.is_ascii_digit() && c != '-')
        .unwrap_or(value.len());
    let number = value[..end].parse().ok()?;
    (number >= 0).then_some((number, value[end..].trim()))
}

/// Milliseconds of a duration as the settings write it; bare numbers are milliseconds.
pub fn duration_ms(value: &str) -> Option<i64> {
    let (number, unit) = number_and_unit(value)?;
    let ms = match unit {
        "" | "ms" => number,
        "us" => number / 1000,
        "s" => number.checked_mul(1000)?,
        "min" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        "d" => number.checked_mul(86_400_000)?,
        _ => return None,
    };
    (ms <= i64::from(i32::MAX)).then_some(ms)
}

fn show_duration(ms: i64) -> String {
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("min", 60_000),
        ("s", 1000),
    ] {
        if ms > 0 && ms % size == 0 {
            return format!("{}{unit}", ms / size);
        }
    }
    if ms == 0 {
        "0".to_string()
    } else {
        format!("{ms}ms")
    }
}

/// KiB of an amount of memory as the settings write it; bare numbers are KiB.
pub fn memory_kib(value: &str) -> Option<i64> {
    let (number, unit) = number_and_unit(value)?;
    let kib = match unit {
        "B" => number / 1024,
        "" | "kB" => number,
        "MB" => number.checked_mul(1 << 10)?,
        "GB" => number.checked_mul(1 << 20)?,
        "TB" => number.checked_mul(1 << 30)?,
        _ => return None,
    };
    (64..=i64::from(i32::MAX)).contains(&kib).then_some(kib)
}

fn show_memory(kib: i64) -> String {
    for (unit, size) in [("TB", 1 << 30), ("GB", 1 << 20), ("MB", 1 << 10)] {
        if kib % size == 0 {
            return format!("{}{unit}", kib / size);
        }
    }
    format!("{kib}kB")
}

fn date_style(value: &str) -> Option<String> {
    let (mut style, mut order) = (None, None);
    for part in value.split(',') {
        match part.trim().to_ascii_lowercase().as_str() {
            "iso" => style = Some("ISO"),
            "sql" => style = Some("SQL"),
            "postgres" => style = Some("Postgres"),
            "german" => {
                style = Some("German");
                order = order.or(Some("DMY"));
            }
            "ymd" => order = Some("YMD"),
            "dmy" | "euro" | "european" => order = Some("DMY"),
            "mdy" | "us" | "noneuro" | "noneuropean" => order = Some("MDY"),
            "default" => {}
            _ => return None,
        }
    }
    Some(format!(
        "{}, {}",
        style.unwrap_or("ISO"),
        order.unwrap_or("MDY")
    ))
}

fn time_zone(value: &str) -> Option<String> {
    let value = value.trim();
    if value.eq_ignore_ascii_case("default") || value.eq_ignore_ascii_case("local") {
        return Some("UTC".to_string());
    }
    Zone::find(value)?;
    // As the database spells it; POSIX forms as they were given.
    let known = jiff::tz::db().get(value).ok();
    let name = known.and_then(|zone| zone.iana_name().map(str::to_string));
    Some(name.unwrap_or_else(|| value.to_string()))
}

fn encoding(value: &str) -> Option<String> {
    let plain: String = value
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    matches!(plain.as_str(), "utf8" | "unicode").then(|| "UTF8".to_string())
}

/// Sets the part of `format` that the setting `name` decides; `value` has passed the check.
pub fn apply_format(name: &str, value: &str, format: &mut FormatSettings) {
    match name {
        "bytea_output" => format.bytea_hex = value == "hex",
        "extra_float_digits" => {
            format.extra_float_digits = value.parse().expect("checked: a number from -15 to 3");
        }
        "TimeZone" => format.time_zone = value.to_string(),
        "IntervalStyle" => {
            format.interval_style = match value {
                "postgres_verbose" => IntervalStyle::PostgresVerbose,
                "sql_standard" => IntervalStyle::SqlStandard,
                "iso_8601" => IntervalStyle::Iso8601,
                _ => IntervalStyle::Postgres,
            };
        }
        "DateStyle" => {
            let (style, order) = value.split_once(", ").expect("checked: two parts");
            format.date_style = match style {
                "SQL" => DateStyle::Sql,
                "Postgres" => DateStyle::Postgres,
                "German" => DateStyle::German,
                _ => DateStyle::Iso,
            };
            format.date_order = match order {
                "DMY" => DateOrder::Dmy,
                "YMD" => DateOrder::Ymd,
                _ => DateOrder::Mdy,
            };
        }
        _ => {}
    }
}
