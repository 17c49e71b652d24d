//! Makes dates, timestamps and intervals; the clock's functions.

use super::kernel::{each_row, vector};
use super::table::ScalarFunction;
use crate::settings::EvalContext;
use crate::types::cast_date::{
    timestamp_to_date, timestamp_to_timestamptz, timestamptz_to_timestamp,
};
use crate::types::column::{Column, text};
use crate::types::datetime::{
    DAY_US, EPOCH_JULIAN, EPOCH_UNIX_S, HOUR_US, MINUTE_US, Parts, SECOND_US, TIMESTAMP_INFINITY,
    TIMESTAMP_NEG_INFINITY, Zone, days_in_month, is_infinite, is_valid_date, is_valid_julian,
    is_valid_timestamp, julian, overflows_day, zone_named,
};
use crate::types::errors::{Fault, interval_range, timestamp_range};
use alloc::format;
use vireo_abi::chunk::Vector;
use vireo_abi::datum::Interval as IntervalValue;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::TypeId::{
    Date, Float8, Int4, Interval, Text, Time, Timestamp, Timestamptz,
};

#[cold]
fn overflow(message: alloc::string::String) -> Fault {
    SqlError::new(state::DATETIME_FIELD_OVERFLOW, message)
}

/// The parts of a date; negative years are BC.
fn date_parts(year: i32, month: i32, day: i32) -> SqlResult<Parts> {
    let is_bc = year < 0;
    let shown = if is_bc { year.saturating_neg() } else { year };
    let year_counted = if is_bc { 1 - shown } else { shown };
    let is_valid = shown != 0
        && (1..=12).contains(&month)
        && day >= 1
        && day <= days_in_month(year_counted, month);
    if !is_valid {
        return Err(overflow(format!(
            "date field value out of range: {year}-{month:02}-{day:02}"
        )));
    }
    if !is_valid_julian(year_counted, month) {
        return Err(overflow(format!(
            "date out of range: {year}-{month:02}-{day:02}"
        )));
    }
    Ok(Parts {
        year: year_counted,
        month,
        day,
        ..Parts::default()
    })
}

fn make_date(year: i32, month: i32, day: i32) -> SqlResult<i32> {
    let parts = date_parts(year, month, day)?;
    let date = julian(parts.year, month, day) - EPOCH_JULIAN;
    if is_valid_date(date) {
        return Ok(date);
    }
    Err(overflow(format!(
        "date out of range: {year}-{month:02}-{day:02}"
    )))
}

/// Seconds as `%02g` shows them.
fn shown_seconds(second: f64) -> alloc::string::String {
    let mut digits = alloc::vec::Vec::new();
    crate::types::float::write_general(second, 6, &mut digits);
    if digits.len() < 2 {
        digits.insert(0, b'0');
    }
    alloc::string::String::from_utf8(digits).unwrap_or_default()
}

/// Microseconds of a time of day, its seconds with a fraction.
fn time_micros(hour: i32, minute: i32, second: f64) -> SqlResult<i64> {
    let fault = || {
        overflow(format!(
            "time field value out of range: {hour}:{minute:02}:{}",
            shown_seconds(second)
        ))
    };
    if !(0.0..=60.0).contains(&second) {
        return Err(fault());
    }
    let micros = libm::rint(second * SECOND_US as f64) as i64;
    let parts = Parts {
        hour,
        minute,
        second: (micros / SECOND_US) as i32,
        fsec: (micros % SECOND_US) as i32,
        ..Parts::default()
    };
    if overflows_day(&parts) {
        Err(fault())
    } else {
        Ok(parts.time())
    }
}

/// The timestamp of columns year, month, day, hour, minute, second.
fn make_timestamp(v: &[Vector], row: usize) -> SqlResult<i64> {
    let int = |i: usize| i32::of(&v[i])[row];
    let parts = date_parts(int(0), int(1), int(2))?;
    let time = time_micros(int(3), int(4), f64::of(&v[5])[row])?;
    let days = i64::from(julian(parts.year, parts.month, parts.day) - EPOCH_JULIAN);
    days.checked_mul(DAY_US)
        .and_then(|t| t.checked_add(time))
        .filter(|t| is_valid_timestamp(*t))
        .ok_or_else(|| {
            overflow(format!(
                "timestamp out of range: {}-{:02}-{:02}",
                int(0),
                int(1),
                int(2)
            ))
        })
}

/// `make_interval(years, months, weeks, days, hours, mins, secs)` with as many as there are arguments.
fn make_interval(v: &[Vector], row: usize) -> SqlResult<IntervalValue> {
    let int = |i: usize| v.get(i).map_or(0, |c| i32::of(c)[row]);
    let seconds = v.get(6).map_or(0.0, |c| f64::of(c)[row]);
    let made = (|| {
        let months = int(0).checked_mul(12)?.checked_add(int(1))?;
        let days = int(2).checked_mul(7)?.checked_add(int(3))?;
        let scaled = libm::rint(seconds * SECOND_US as f64);
        if !(-9.2e18..9.2e18).contains(&scaled) {
            return None;
        }
        let micros = i64::from(int(4)) * HOUR_US + i64::from(int(5)) * MINUTE_US;
        Some(IntervalValue {
            months,
            days,
            micros: micros.checked_add(scaled as i64)?,
        })
    })();
    made.ok_or_else(interval_range)
}

/// `to_timestamp(seconds since 1970)`.
fn from_unix(seconds: f64) -> SqlResult<i64> {
    if seconds.is_nan() {
        return Err(overflow("timestamp cannot be NaN".into()));
    }
    if seconds.is_infinite() {
        return Ok(if seconds > 0.0 {
            TIMESTAMP_INFINITY
        } else {
            TIMESTAMP_NEG_INFINITY
        });
    }
    let micros = libm::rint((seconds - EPOCH_UNIX_S as f64) * SECOND_US as f64);
    let timestamp = micros as i64;
    if libm::fabs(micros) < 9.3e18 && is_valid_timestamp(timestamp) {
        return Ok(timestamp);
    }
    let mut shown = alloc::vec::Vec::new();
    crate::types::float::write_general(seconds, 6, &mut shown);
    let shown = alloc::string::String::from_utf8(shown).unwrap_or_default();
    Err(overflow(format!("timestamp out of range: \"{shown}\"")))
}

fn session_zone(cx: &EvalContext) -> Zone {
    Zone::of_session(&cx.format.time_zone)
}

fn filled(value: i64, rows: usize) -> Vector {
    vector(alloc::vec![value; rows], None)
}

/// The transaction's local timestamp.
fn local(cx: &EvalContext) -> SqlResult<i64> {
    timestamptz_to_timestamp(cx.transaction_us, &session_zone(cx))
}

const CLOCK: &[ScalarFunction] = &[
    ScalarFunction::new("now", &[], Timestamptz, |cx, _, n| {
        Ok(filled(cx.transaction_us, n))
    })
    .stable(),
    ScalarFunction::new("transaction_timestamp", &[], Timestamptz, |cx, _, n| {
        Ok(filled(cx.transaction_us, n))
    })
    .stable(),
    ScalarFunction::new("current_timestamp", &[], Timestamptz, |cx, _, n| {
        Ok(filled(cx.transaction_us, n))
    })
    .stable(),
    ScalarFunction::new("statement_timestamp", &[], Timestamptz, |cx, _, n| {
        Ok(filled(cx.statement_us, n))
    })
    .stable(),
    // A function has no clock of its own: the statement's time is the latest that it knows.
    ScalarFunction::new("clock_timestamp", &[], Timestamptz, |cx, _, n| {
        Ok(filled(cx.statement_us, n))
    })
    .volatile(),
    ScalarFunction::new("localtimestamp", &[], Timestamp, |cx, _, n| {
        Ok(filled(local(cx)?, n))
    })
    .stable(),
    ScalarFunction::new("localtime", &[], Time, |cx, _, n| {
        Ok(filled(local(cx)?.rem_euclid(DAY_US), n))
    })
    .stable(),
    ScalarFunction::new("current_time", &[], Time, |cx, _, n| {
        Ok(filled(local(cx)?.rem_euclid(DAY_US), n))
    })
    .stable(),
    ScalarFunction::new("current_date", &[], Date, |cx, _, n| {
        Ok(vector(alloc::vec![timestamp_to_date(local(cx)?); n], None))
    })
    .stable(),
];

const MAKE: &[ScalarFunction] = &[
    ScalarFunction::new("make_date", &[Int4, Int4, Int4], Date, |_, v, n| {
        let (y, m, d) = (i32::of(&v[0]), i32::of(&v[1]), i32::of(&v[2]));
        each_row(v, n, |row| make_date(y[row], m[row], d[row]))
    }),
    ScalarFunction::new("make_time", &[Int4, Int4, Float8], Time, |_, v, n| {
        let (h, m, s) = (i32::of(&v[0]), i32::of(&v[1]), f64::of(&v[2]));
        each_row(v, n, |row| time_micros(h[row], m[row], s[row]))
    }),
    ScalarFunction::new(
        "make_timestamp",
        &[Int4, Int4, Int4, Int4, Int4, Float8],
        Timestamp,
        |_, v, n| each_row(v, n, |row| make_timestamp(v, row)),
    ),
    ScalarFunction::new(
        "make_timestamptz",
        &[Int4, Int4, Int4, Int4, Int4, Float8],
        Timestamptz,
        |cx, v, n| {
            let zone = session_zone(cx);
            each_row(v, n, |row| {
                timestamp_to_timestamptz(make_timestamp(v, row)?, &zone)
            })
        },
    )
    .stable(),
    ScalarFunction::new(
        "make_timestamptz",
        &[Int4, Int4, Int4, Int4, Int4, Float8, Text],
        Timestamptz,
        |_, v, n| {
            each_row(v, n, |row| {
                timestamp_to_timestamptz(make_timestamp(v, row)?, &zone_named(text(&v[6], row))?)
            })
        },
    )
    .stable(),
    ScalarFunction::new("to_timestamp", &[Float8], Timestamptz, |_, v, n| {
        let seconds = f64::of(&v[0]);
        each_row(v, n, |row| from_unix(seconds[row]))
    }),
];

macro_rules! make_intervals {
    ($($types:expr),* $(,)?) => {
        const MAKE_INTERVAL: &[ScalarFunction] = &[
            $(ScalarFunction::new("make_interval", &$types, Interval, |_, v, n| each_row(v, n, |row| make_interval(v, row))),)*
        ];
    };
}

make_intervals!(
    [],
    [Int4],
    [Int4, Int4],
    [Int4, Int4, Int4],
    [Int4, Int4, Int4, Int4],
    [Int4, Int4, Int4, Int4, Int4],
    [Int4, Int4, Int4, Int4, Int4, Int4],
    [Int4, Int4, Int4, Int4, Int4, Int4, Float8],
);

/// `timezone(zone, …)`, which `AT TIME ZONE` calls. One look-up where all rows name the same zone.
fn at_zone(
    v: &[Vector],
    rows: usize,
    shift: fn(i64, &Zone) -> SqlResult<i64>,
) -> SqlResult<Vector> {
    let times = i64::of(&v[1]);
    let mut last: Option<(alloc::string::String, Zone)> = None;
    each_row(v, rows, |row| {
        if is_infinite(times[row]) {
            return Ok(times[row]);
        }
        let name = text(&v[0], row);
        let zone = match &last {
            Some((known, zone)) if known == name => zone,
            _ => &last.insert((name.into(), zone_named(name)?)).1,
        };
        shift(times[row], zone)
    })
}

/// The same with an interval as the zone's displacement.
fn at_interval(
    v: &[Vector],
    rows: usize,
    shift: fn(i64, &Zone) -> SqlResult<i64>,
) -> SqlResult<Vector> {
    let (zones, times) = (IntervalValue::of(&v[0]), i64::of(&v[1]));
    each_row(v, rows, |row| {
        let zone = zones[row];
        if zone.months != 0 || zone.days != 0 {
            let mut shown = alloc::vec::Vec::new();
            crate::types::interval::write(
                zone,
                crate::settings::IntervalStyle::Postgres,
                &mut shown,
            );
            let shown = alloc::string::String::from_utf8(shown).unwrap_or_default();
            return Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("interval time zone \"{shown}\" must not include months or days"),
            ));
        }
        let offset = i32::try_from(zone.micros / SECOND_US).map_err(|_| timestamp_range())?;
        shift(times[row], &Zone::fixed(offset))
    })
}

const AT_ZONE: &[ScalarFunction] = &[
    ScalarFunction::new("timezone", &[Text, Timestamptz], Timestamp, |_, v, n| {
        at_zone(v, n, timestamptz_to_timestamp)
    }),
    ScalarFunction::new("timezone", &[Text, Timestamp], Timestamptz, |_, v, n| {
        at_zone(v, n, timestamp_to_timestamptz)
    }),
    ScalarFunction::new(
        "timezone",
        &[Interval, Timestamptz],
        Timestamp,
        |_, v, n| at_interval(v, n, timestamptz_to_timestamp),
    ),
    ScalarFunction::new(
        "timezone",
        &[Interval, Timestamp],
        Timestamptz,
        |_, v, n| at_interval(v, n, timestamp_to_timestamptz),
    ),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[CLOCK, MAKE, MAKE_INTERVAL, AT_ZONE];
