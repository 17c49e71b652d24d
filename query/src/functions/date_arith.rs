//! Operators on dates, times and intervals, and comparisons across them.

use super::kernel::{Test, each_row, map1, try1, try2};
use super::table::ScalarFunction;
use crate::settings::EvalContext;
use crate::types::cast_date::{date_to_timestamp, timestamp_to_timestamptz};
use crate::types::column::Column;
use crate::types::datetime::{
    self, DAY_US, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, Zone, days_in_month, from_julian,
    is_infinite, is_infinite_date, is_valid_date, julian,
};
use crate::types::errors::{Fault, timestamp_range};
use crate::types::interval;
use core::cmp::Ordering;
use vireo_abi::chunk::Vector;
use vireo_abi::datum::Interval as IntervalValue;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::TypeId::{
    Bool, Date, Float8, Int4, Interval, Time, Timestamp, Timestamptz,
};

#[cold]
fn date_range() -> Fault {
    SqlError::new(state::DATETIME_FIELD_OVERFLOW, "date out of range")
}

/// `date + days`.
fn add_days(date: i32, days: i32) -> SqlResult<i32> {
    if is_infinite_date(date) {
        return Ok(date);
    }
    date.checked_add(days)
        .filter(|d| is_valid_date(*d))
        .ok_or_else(date_range)
}

/// `date - date`.
fn date_difference(a: i32, b: i32) -> SqlResult<i32> {
    if is_infinite_date(a) || is_infinite_date(b) {
        return Err(SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            "cannot subtract infinite dates",
        ));
    }
    Ok(a - b)
}

/// `timestamp + interval`: months, then days, then time, on the clock of `zone`.
pub(super) fn add_interval(timestamp: i64, span: IntervalValue, zone: &Zone) -> SqlResult<i64> {
    if is_infinite(timestamp) {
        return Ok(timestamp);
    }
    let mut result = timestamp;
    if span.months != 0 {
        let (mut parts, _) = zone.split(result);
        let months =
            i64::from(parts.year) * 12 + i64::from(parts.month - 1) + i64::from(span.months);
        parts.year = i32::try_from(months.div_euclid(12)).map_err(|_| timestamp_range())?;
        parts.month = months.rem_euclid(12) as i32 + 1;
        parts.day = parts.day.min(days_in_month(parts.year, parts.month));
        result = parts.timestamptz(zone).ok_or_else(timestamp_range)?;
    }
    if span.days != 0 {
        let (mut parts, _) = zone.split(result);
        let day = julian(parts.year, parts.month, parts.day)
            .checked_add(span.days)
            .filter(|d| *d >= 0);
        (parts.year, parts.month, parts.day) = from_julian(day.ok_or_else(timestamp_range)?);
        result = parts.timestamptz(zone).ok_or_else(timestamp_range)?;
    }
    result
        .checked_add(span.micros)
        .filter(|t| datetime::is_valid_timestamp(*t))
        .ok_or_else(timestamp_range)
}

fn reversed(span: IntervalValue) -> SqlResult<IntervalValue> {
    interval::negate(span)
}

/// `timestamp - timestamp`, hours justified to days.
fn difference(a: i64, b: i64) -> SqlResult<IntervalValue> {
    if is_infinite(a) || is_infinite(b) {
        return Err(SqlError::new(
            state::DATETIME_FIELD_OVERFLOW,
            "cannot subtract infinite timestamps",
        ));
    }
    let micros = a
        .checked_sub(b)
        .ok_or_else(crate::types::errors::interval_range)?;
    interval::justify_hours(IntervalValue {
        months: 0,
        days: 0,
        micros,
    })
}

/// `timestamp ± interval` by the clock of UTC or the session's zone.
fn shift(
    v: &[Vector],
    rows: usize,
    zone: &Zone,
    at: (usize, usize),
    is_minus: bool,
) -> SqlResult<Vector> {
    let (times, spans) = (i64::of(&v[at.0]), IntervalValue::of(&v[at.1]));
    each_row(v, rows, |row| {
        let span = if is_minus {
            reversed(spans[row])?
        } else {
            spans[row]
        };
        add_interval(times[row], span, zone)
    })
}

/// `date ± interval`.
fn shift_date(v: &[Vector], rows: usize, at: (usize, usize), is_minus: bool) -> SqlResult<Vector> {
    let (dates, spans) = (i32::of(&v[at.0]), IntervalValue::of(&v[at.1]));
    each_row(v, rows, |row| {
        let span = if is_minus {
            reversed(spans[row])?
        } else {
            spans[row]
        };
        add_interval(date_to_timestamp(dates[row])?, span, &Zone::utc())
    })
}

fn session(cx: &EvalContext) -> Zone {
    Zone::of_session(&cx.format.time_zone)
}

/// `time ± interval`, within the day.
fn shift_time(time: i64, span: IntervalValue, is_minus: bool) -> i64 {
    let micros = span.micros % DAY_US;
    (if is_minus {
        time - micros
    } else {
        time + micros
    })
    .rem_euclid(DAY_US)
}

/// `date + time`.
fn date_and_time(date: i32, time: i64) -> SqlResult<i64> {
    let midnight = date_to_timestamp(date)?;
    if is_infinite(midnight) {
        Ok(midnight)
    } else {
        midnight.checked_add(time).ok_or_else(timestamp_range)
    }
}

const DATES: &[ScalarFunction] = &[
    ScalarFunction::new("date_pli", &[Date, Int4], Date, |_, v, _| try2(v, add_days)).operator("+"),
    ScalarFunction::new("integer_pl_date", &[Int4, Date], Date, |_, v, _| {
        try2(v, |n: i32, d: i32| add_days(d, n))
    })
    .operator("+"),
    ScalarFunction::new("date_mii", &[Date, Int4], Date, |_, v, _| {
        try2(v, |d: i32, n: i32| {
            if is_infinite_date(d) {
                Ok(d)
            } else {
                add_days(d, n.checked_neg().ok_or_else(date_range)?)
            }
        })
    })
    .operator("-"),
    ScalarFunction::new("date_mi", &[Date, Date], Int4, |_, v, _| {
        try2(v, date_difference)
    })
    .operator("-"),
    ScalarFunction::new("datetime_pl", &[Date, Time], Timestamp, |_, v, _| {
        try2(v, date_and_time)
    })
    .operator("+"),
    ScalarFunction::new("timedate_pl", &[Time, Date], Timestamp, |_, v, _| {
        try2(v, |t: i64, d: i32| date_and_time(d, t))
    })
    .operator("+"),
    ScalarFunction::new(
        "date_pl_interval",
        &[Date, Interval],
        Timestamp,
        |_, v, n| shift_date(v, n, (0, 1), false),
    )
    .operator("+"),
    ScalarFunction::new(
        "interval_pl_date",
        &[Interval, Date],
        Timestamp,
        |_, v, n| shift_date(v, n, (1, 0), false),
    )
    .operator("+"),
    ScalarFunction::new(
        "date_mi_interval",
        &[Date, Interval],
        Timestamp,
        |_, v, n| shift_date(v, n, (0, 1), true),
    )
    .operator("-"),
];

const TIMESTAMPS: &[ScalarFunction] = &[
    ScalarFunction::new(
        "timestamp_pl_interval",
        &[Timestamp, Interval],
        Timestamp,
        |_, v, n| shift(v, n, &Zone::utc(), (0, 1), false),
    )
    .operator("+"),
    ScalarFunction::new(
        "interval_pl_timestamp",
        &[Interval, Timestamp],
        Timestamp,
        |_, v, n| shift(v, n, &Zone::utc(), (1, 0), false),
    )
    .operator("+"),
    ScalarFunction::new(
        "timestamp_mi_interval",
        &[Timestamp, Interval],
        Timestamp,
        |_, v, n| shift(v, n, &Zone::utc(), (0, 1), true),
    )
    .operator("-"),
    ScalarFunction::new(
        "timestamp_mi",
        &[Timestamp, Timestamp],
        Interval,
        |_, v, _| try2(v, difference),
    )
    .operator("-"),
    ScalarFunction::new(
        "timestamptz_pl_interval",
        &[Timestamptz, Interval],
        Timestamptz,
        |cx, v, n| shift(v, n, &session(cx), (0, 1), false),
    )
    .operator("+")
    .stable(),
    ScalarFunction::new(
        "interval_pl_timestamptz",
        &[Interval, Timestamptz],
        Timestamptz,
        |cx, v, n| shift(v, n, &session(cx), (1, 0), false),
    )
    .operator("+")
    .stable(),
    ScalarFunction::new(
        "timestamptz_mi_interval",
        &[Timestamptz, Interval],
        Timestamptz,
        |cx, v, n| shift(v, n, &session(cx), (0, 1), true),
    )
    .operator("-")
    .stable(),
    ScalarFunction::new(
        "timestamptz_mi",
        &[Timestamptz, Timestamptz],
        Interval,
        |_, v, _| try2(v, difference),
    )
    .operator("-"),
];

const TIMES: &[ScalarFunction] = &[
    ScalarFunction::new("time_pl_interval", &[Time, Interval], Time, |_, v, _| {
        try2(v, |t: i64, s: IntervalValue| Ok(shift_time(t, s, false)))
    })
    .operator("+"),
    ScalarFunction::new("interval_pl_time", &[Interval, Time], Time, |_, v, _| {
        try2(v, |s: IntervalValue, t: i64| Ok(shift_time(t, s, false)))
    })
    .operator("+"),
    ScalarFunction::new("time_mi_interval", &[Time, Interval], Time, |_, v, _| {
        try2(v, |t: i64, s: IntervalValue| Ok(shift_time(t, s, true)))
    })
    .operator("-"),
    ScalarFunction::new("time_mi_time", &[Time, Time], Interval, |_, v, _| {
        try2(v, |a: i64, b: i64| {
            Ok(IntervalValue {
                months: 0,
                days: 0,
                micros: a - b,
            })
        })
    })
    .operator("-"),
];

const INTERVALS: &[ScalarFunction] = &[
    ScalarFunction::new("interval_pl", &[Interval, Interval], Interval, |_, v, _| {
        try2(v, interval::add)
    })
    .operator("+"),
    ScalarFunction::new("interval_mi", &[Interval, Interval], Interval, |_, v, _| {
        try2(v, interval::subtract)
    })
    .operator("-"),
    ScalarFunction::new("interval_um", &[Interval], Interval, |_, v, _| {
        try1(v, interval::negate)
    })
    .operator("-"),
    ScalarFunction::new("interval_mul", &[Interval, Float8], Interval, |_, v, _| {
        try2(v, interval::multiply)
    })
    .operator("*"),
    ScalarFunction::new(
        "mul_d_interval",
        &[Float8, Interval],
        Interval,
        |_, v, _| try2(v, |f: f64, s: IntervalValue| interval::multiply(s, f)),
    )
    .operator("*"),
    ScalarFunction::new("interval_div", &[Interval, Float8], Interval, |_, v, _| {
        try2(v, interval::divide)
    })
    .operator("/"),
    ScalarFunction::new("justify_hours", &[Interval], Interval, |_, v, _| {
        try1(v, interval::justify_hours)
    }),
    ScalarFunction::new("justify_days", &[Interval], Interval, |_, v, _| {
        try1(v, interval::justify_days)
    }),
    ScalarFunction::new("justify_interval", &[Interval], Interval, |_, v, _| {
        try1(v, interval::justify_interval)
    }),
    ScalarFunction::new("isfinite", &[Interval], Bool, |_, v, _| {
        map1(v, |_: IntervalValue| true)
    }),
    ScalarFunction::new("isfinite", &[Date], Bool, |_, v, _| {
        map1(v, |d: i32| !is_infinite_date(d))
    }),
    ScalarFunction::new("isfinite", &[Timestamp], Bool, |_, v, _| {
        map1(v, |t: i64| !is_infinite(t))
    }),
    ScalarFunction::new("isfinite", &[Timestamptz], Bool, |_, v, _| {
        map1(v, |t: i64| !is_infinite(t))
    }),
];

/// A date's midnight for comparisons: dates past the last timestamp are above all finite ones.
fn comparable(date: i32) -> i64 {
    if is_infinite_date(date) {
        return if date > 0 {
            TIMESTAMP_INFINITY
        } else {
            TIMESTAMP_NEG_INFINITY
        };
    }
    date_to_timestamp(date).unwrap_or(TIMESTAMP_INFINITY - 1)
}

/// A local timestamp as a moment, for comparisons; beyond the range above or below all others.
fn comparable_moment(timestamp: i64, zone: &Zone) -> i64 {
    timestamp_to_timestamptz(timestamp, zone).unwrap_or(if timestamp > 0 {
        TIMESTAMP_INFINITY - 1
    } else {
        TIMESTAMP_NEG_INFINITY + 1
    })
}

fn compare_dates(
    v: &[Vector],
    zone: Option<&Zone>,
    is_reversed: bool,
    test: Test,
) -> SqlResult<Vector> {
    let (dates, times) = (usize::from(is_reversed), usize::from(!is_reversed));
    let (dates, times) = (i32::of(&v[dates]), i64::of(&v[times]));
    each_row(v, dates.len(), |row| {
        let midnight = comparable(dates[row]);
        let date = zone.map_or(midnight, |z| comparable_moment(midnight, z));
        let order = date.cmp(&times[row]);
        Ok(test(if is_reversed { order.reverse() } else { order }))
    })
}

fn compare_moments(v: &[Vector], zone: &Zone, is_reversed: bool, test: Test) -> SqlResult<Vector> {
    let (locals, moments) = (usize::from(is_reversed), usize::from(!is_reversed));
    let (locals, moments) = (i64::of(&v[locals]), i64::of(&v[moments]));
    each_row(v, locals.len(), |row| {
        let order = comparable_moment(locals[row], zone).cmp(&moments[row]);
        Ok(test(if is_reversed { order.reverse() } else { order }))
    })
}

/// The six comparisons of two types.
macro_rules! six {
    ($table:ident, $left:literal, $right:literal, $a:ident, $b:ident, |$cx:ident, $v:ident, $test:ident| $both:expr) => {
        const $table: &[ScalarFunction] = &[
            six!(@one concat!($left, "eq", $right), "=", $a, $b, |$cx, $v, $test| $both, |o: Ordering| o == Ordering::Equal),
            six!(@one concat!($left, "ne", $right), "<>", $a, $b, |$cx, $v, $test| $both, |o: Ordering| o != Ordering::Equal),
            six!(@one concat!($left, "lt", $right), "<", $a, $b, |$cx, $v, $test| $both, |o: Ordering| o == Ordering::Less),
            six!(@one concat!($left, "le", $right), "<=", $a, $b, |$cx, $v, $test| $both, |o: Ordering| o != Ordering::Greater),
            six!(@one concat!($left, "gt", $right), ">", $a, $b, |$cx, $v, $test| $both, |o: Ordering| o == Ordering::Greater),
            six!(@one concat!($left, "ge", $right), ">=", $a, $b, |$cx, $v, $test| $both, |o: Ordering| o != Ordering::Less),
        ];
    };
    (@one $name:expr, $symbol:literal, $a:ident, $b:ident, |$cx:ident, $v:ident, $test:ident| $both:expr, $how:expr) => {
        ScalarFunction::new($name, &[$a, $b], Bool, |$cx, $v, _| {
            let $test: Test = $how;
            $both
        })
        .operator($symbol)
        .stable()
    };
}

six!(
    DATE_TIMESTAMP,
    "date_",
    "_timestamp",
    Date,
    Timestamp,
    |_cx, v, test| compare_dates(v, None, false, test)
);
six!(
    TIMESTAMP_DATE,
    "timestamp_",
    "_date",
    Timestamp,
    Date,
    |_cx, v, test| compare_dates(v, None, true, test)
);
six!(
    DATE_TIMESTAMPTZ,
    "date_",
    "_timestamptz",
    Date,
    Timestamptz,
    |cx, v, test| compare_dates(v, Some(&session(cx)), false, test)
);
six!(
    TIMESTAMPTZ_DATE,
    "timestamptz_",
    "_date",
    Timestamptz,
    Date,
    |cx, v, test| compare_dates(v, Some(&session(cx)), true, test)
);
six!(
    TIMESTAMP_TIMESTAMPTZ,
    "timestamp_",
    "_timestamptz",
    Timestamp,
    Timestamptz,
    |cx, v, test| compare_moments(v, &session(cx), false, test)
);
six!(
    TIMESTAMPTZ_TIMESTAMP,
    "timestamptz_",
    "_timestamp",
    Timestamptz,
    Timestamp,
    |cx, v, test| compare_moments(v, &session(cx), true, test)
);

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[
    DATES,
    TIMESTAMPS,
    TIMES,
    INTERVALS,
    DATE_TIMESTAMP,
    TIMESTAMP_DATE,
    DATE_TIMESTAMPTZ,
    TIMESTAMPTZ_DATE,
    TIMESTAMP_TIMESTAMPTZ,
    TIMESTAMPTZ_TIMESTAMP,
];
