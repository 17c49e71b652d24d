//! Which fields of a date or time a text has given, and how reading one fails.

use crate::types::errors::Fault;
use alloc::format;
use vireo_abi::message::error::{SqlError, state};

/// A set of fields, one bit each.
pub(crate) type Mask = u32;

pub(crate) const YEAR: Mask = 1 << 2;
pub(crate) const MONTH: Mask = 1 << 1;
pub(crate) const DAY: Mask = 1 << 3;
pub(crate) const TZ: Mask = 1 << 5;
pub(crate) const AMPM: Mask = 1 << 9;
pub(crate) const HOUR: Mask = 1 << 10;
pub(crate) const MINUTE: Mask = 1 << 11;
pub(crate) const SECOND: Mask = 1 << 12;
pub(crate) const MILLISECOND: Mask = 1 << 13;
pub(crate) const MICROSECOND: Mask = 1 << 14;
pub(crate) const DOY: Mask = 1 << 15;
pub(crate) const DOW: Mask = 1 << 16;
pub(crate) const ADBC: Mask = 1 << 18;
pub(crate) const DTZMOD: Mask = 1 << 28;
pub(crate) const ALL_SECONDS: Mask = SECOND | MILLISECOND | MICROSECOND;
pub(crate) const DATE: Mask = YEAR | MONTH | DAY;
pub(crate) const TIME: Mask = HOUR | MINUTE | ALL_SECONDS;

/// How reading a field fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FieldError {
    /// Not understood.
    BadFormat,
    /// A field is out of range.
    Overflow,
    /// A month or day is out of range: perhaps the order is another.
    MonthDayOverflow,
    /// An interval's field is out of range.
    IntervalOverflow,
    /// A time zone's displacement is out of range.
    ZoneOverflow,
    /// A time zone that is not known.
    UnknownZone(alloc::string::String),
}

/// The error in PostgreSQL's words.
#[cold]
pub(crate) fn field_error(error: FieldError, type_name: &str, text: &str) -> Fault {
    match error {
        FieldError::BadFormat => SqlError::new(
            state::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type {type_name}: \"{text}\""),
        ),
        FieldError::Overflow => SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            format!("date/time field value out of range: \"{text}\""),
        ),
        FieldError::MonthDayOverflow => SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            format!("date/time field value out of range: \"{text}\""),
        )
        .with_hint("Perhaps you need a different \"datestyle\" setting."),
        FieldError::IntervalOverflow => SqlError::new(
            b"22015",
            format!("interval field value out of range: \"{text}\""),
        ),
        FieldError::ZoneOverflow => SqlError::new(
            b"22009",
            format!("time zone displacement out of range: \"{text}\""),
        ),
        FieldError::UnknownZone(name) => SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("time zone \"{name}\" not recognized"),
        ),
    }
}
