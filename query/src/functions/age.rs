//! `age`: the difference of two timestamps in years, months, days and time.

use super::date_parts::session;
use super::kernel::{each_row, try2};
use super::table::ScalarFunction;
use crate::settings::EvalContext;
use crate::types::cast_date::{date_to_timestamp, date_to_timestamptz, timestamp_to_date};
use crate::types::column::Column;
use crate::types::datetime::{Parts, Zone, days_in_month, is_infinite, split_timestamp};
use crate::types::errors::{interval_range, timestamp_range};
use crate::types::interval;
use vireo_abi::datum::Interval as IntervalValue;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::TypeId::{Interval, Timestamp, Timestamptz};

/// `age(a, b)`: the difference field by field, borrowing as calendars do.
fn age(a: i64, b: i64, split: impl Fn(i64) -> Parts) -> SqlResult<IntervalValue> {
    if is_infinite(a) || is_infinite(b) {
        return Err(timestamp_range());
    }
    let is_negative = a < b;
    let (late, early) = if is_negative {
        (split(b), split(a))
    } else {
        (split(a), split(b))
    };
    let mut d = [
        late.year - early.year,
        late.month - early.month,
        late.day - early.day,
        late.hour - early.hour,
        late.minute - early.minute,
        late.second - early.second,
        late.fsec - early.fsec,
    ];
    // fsec, second, minute, hour borrow fixed amounts; days those of the earlier date's month.
    for (field, size) in [(6, 1_000_000), (5, 60), (4, 60), (3, 24)] {
        while d[field] < 0 {
            d[field] += size;
            d[field - 1] -= 1;
        }
    }
    while d[2] < 0 {
        // The month that is borrowed from is the one where the span begins.
        d[2] += days_in_month(early.year, early.month);
        d[1] -= 1;
    }
    while d[1] < 0 {
        d[1] += 12;
        d[0] -= 1;
    }
    let clock = Parts {
        hour: d[3],
        minute: d[4],
        second: d[5],
        fsec: d[6],
        ..Parts::default()
    };
    let months = d[0]
        .checked_mul(12)
        .and_then(|m| m.checked_add(d[1]))
        .ok_or_else(interval_range)?;
    let result = IntervalValue {
        months,
        days: d[2],
        micros: clock.time(),
    };
    if is_negative {
        interval::negate(result)
    } else {
        Ok(result)
    }
}

/// Midnight of the transaction's day.
fn today(cx: &EvalContext, zone: &Zone) -> i32 {
    timestamp_to_date(zone.to_local(cx.transaction_us))
}

const AGE: &[ScalarFunction] = &[
    ScalarFunction::new("age", &[Timestamp, Timestamp], Interval, |_, v, _| {
        try2(v, |a: i64, b: i64| age(a, b, split_timestamp))
    }),
    ScalarFunction::new("age", &[Timestamptz, Timestamptz], Interval, |cx, v, _| {
        let zone = session(cx);
        try2(v, |a: i64, b: i64| age(a, b, |t| zone.split(t).0))
    })
    .stable(),
    ScalarFunction::new("age", &[Timestamp], Interval, |cx, v, n| {
        let (t, now) = (i64::of(&v[0]), date_to_timestamp(today(cx, &session(cx)))?);
        each_row(v, n, |row| age(now, t[row], split_timestamp))
    })
    .stable(),
    ScalarFunction::new("age", &[Timestamptz], Interval, |cx, v, n| {
        let (t, zone) = (i64::of(&v[0]), session(cx));
        let now = date_to_timestamptz(today(cx, &zone), &zone)?;
        each_row(v, n, |row| age(now, t[row], |t| zone.split(t).0))
    })
    .stable(),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[AGE];
