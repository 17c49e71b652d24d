//! The session's settings that change what values look like or mean.

use alloc::rc::Rc;
use alloc::string::String;

/// Order of day, month and year in ambiguous dates (`DateStyle`'s second part).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DateOrder {
    /// Month, day, year.
    #[default]
    Mdy,
    /// Day, month, year.
    Dmy,
    /// Year, month, day.
    Ymd,
}

/// Output style of dates (`DateStyle`'s first part).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DateStyle {
    /// 1997-12-17 07:37:16-08
    #[default]
    Iso,
    /// 12/17/1997 07:37:16.00 PST
    Sql,
    /// Wed Dec 17 07:37:16 1997 PST
    Postgres,
    /// 17.12.1997 07:37:16.00 PST
    German,
}

/// Output style of intervals (`IntervalStyle`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IntervalStyle {
    /// 1 year 2 mons 3 days 04:05:06
    #[default]
    Postgres,
    /// @ 1 year 2 mons 3 days 4 hours 5 mins 6 secs
    PostgresVerbose,
    /// +1-2 +3 +4:05:06
    SqlStandard,
    /// P1Y2M3DT4H5M6S
    Iso8601,
}

/// How values are read and shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FormatSettings {
    /// `DateStyle`'s first part.
    pub date_style: DateStyle,
    /// `DateStyle`'s second part.
    pub date_order: DateOrder,
    /// `IntervalStyle`.
    pub interval_style: IntervalStyle,
    /// `TimeZone`, an IANA name or a POSIX form, checked when it was set.
    pub time_zone: String,
    /// `extra_float_digits`, -15 to 3; 1 and more mean the shortest exact form.
    pub extra_float_digits: i8,
    /// `bytea_output`: hex, or else escape.
    pub bytea_hex: bool,
}

impl Default for FormatSettings {
    fn default() -> Self {
        FormatSettings {
            date_style: DateStyle::Iso,
            date_order: DateOrder::Mdy,
            interval_style: IntervalStyle::Postgres,
            time_zone: String::from("UTC"),
            extra_float_digits: 1,
            bytea_hex: true,
        }
    }
}

/// What evaluating an expression may look at besides its arguments.
#[derive(Clone, Debug)]
pub struct EvalContext {
    /// How values are read and shown.
    pub format: Rc<FormatSettings>,
    /// `now()`: microseconds since 2000-01-01 UTC, when the transaction began.
    pub transaction_us: i64,
    /// `statement_timestamp()`.
    pub statement_us: i64,
    /// `current_user`.
    pub user: Rc<str>,
    /// `current_database()`.
    pub database: Rc<str>,
    /// The state of `random()`, advanced by each use.
    pub random: core::cell::Cell<u64>,
}
