//! Casts among dates, times and intervals.

use super::column::Column;
use super::datetime::{
    DATE_INFINITY, DATE_NEG_INFINITY, DAY_US, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, Zone,
    is_infinite, is_infinite_date, is_valid_timestamp, split_date, time_with_precision,
    timestamp_with_precision,
};
use super::errors::{Fault, timestamp_range};
use super::interval;
use crate::settings::EvalContext;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::datum::Interval;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

#[cold]
fn date_too_far() -> Fault {
    SqlError::new(
        state::DATETIME_FIELD_OVERFLOW,
        "date out of range for timestamp",
    )
}

/// A date's midnight; the infinities stay.
pub(crate) fn date_to_timestamp(date: i32) -> SqlResult<i64> {
    match date {
        DATE_INFINITY => Ok(TIMESTAMP_INFINITY),
        DATE_NEG_INFINITY => Ok(TIMESTAMP_NEG_INFINITY),
        _ => i64::from(date)
            .checked_mul(DAY_US)
            .filter(|t| is_valid_timestamp(*t))
            .ok_or_else(date_too_far),
    }
}

/// A date's midnight in a zone.
pub(crate) fn date_to_timestamptz(date: i32, zone: &Zone) -> SqlResult<i64> {
    if is_infinite_date(date) {
        return date_to_timestamp(date);
    }
    split_date(date).timestamptz(zone).ok_or_else(date_too_far)
}

/// A timestamp's date.
pub(crate) fn timestamp_to_date(timestamp: i64) -> i32 {
    match timestamp {
        TIMESTAMP_INFINITY => DATE_INFINITY,
        TIMESTAMP_NEG_INFINITY => DATE_NEG_INFINITY,
        _ => timestamp.div_euclid(DAY_US) as i32,
    }
}

/// A local timestamp's moment in a zone.
pub(crate) fn timestamp_to_timestamptz(timestamp: i64, zone: &Zone) -> SqlResult<i64> {
    if is_infinite(timestamp) {
        return Ok(timestamp);
    }
    zone.local_to_utc(timestamp).ok_or_else(timestamp_range)
}

/// A moment's local timestamp in a zone.
pub(crate) fn timestamptz_to_timestamp(timestamp: i64, zone: &Zone) -> SqlResult<i64> {
    if is_infinite(timestamp) {
        return Ok(timestamp);
    }
    Some(zone.to_local(timestamp))
        .filter(|t| is_valid_timestamp(*t))
        .ok_or_else(timestamp_range)
}

/// Each row that is not NULL; the flag says that the result is NULL.
fn each<A: Column, R: Column>(
    v: &Vector,
    mut f: impl FnMut(A) -> SqlResult<Option<R>>,
) -> SqlResult<Vector> {
    let mut nulls = v.nulls.clone();
    let mut values = Vec::with_capacity(v.len());
    for (row, a) in A::of(v).iter().enumerate() {
        if v.is_null(row) {
            values.push(R::default());
            continue;
        }
        let result = f(*a)?;
        if result.is_none() {
            nulls.get_or_insert_with(|| alloc::vec![false; v.len()])[row] = true;
        }
        values.push(result.unwrap_or_default());
    }
    Ok(Vector {
        values: R::wrap(values),
        nulls,
    })
}

/// The time of day of a timestamp; an infinite one has none.
fn time_of_day(timestamp: i64, typmod: i32) -> Option<i64> {
    (!is_infinite(timestamp)).then(|| time_with_precision(timestamp.rem_euclid(DAY_US), typmod))
}

/// Casts a date, time or interval; none when there is no such cast.
pub(super) fn cast(
    v: &Vector,
    from: SqlType,
    to: SqlType,
    cx: &EvalContext,
) -> SqlResult<Option<Vector>> {
    use TypeId::{Date, Time, Timestamp, Timestamptz};
    let typmod = to.typmod;
    let zone = match (from.id, to.id) {
        (Timestamptz, Timestamptz) => Zone::utc(),
        (Timestamptz, _) | (_, Timestamptz) => Zone::of_session(&cx.format.time_zone),
        _ => Zone::utc(),
    };
    let precise = |t: i64| timestamp_with_precision(t, typmod).map(Some);
    Ok(Some(match (from.id, to.id) {
        (Date, Timestamp) => each(v, |a: i32| precise(date_to_timestamp(a)?))?,
        (Date, Timestamptz) => each(v, |a: i32| precise(date_to_timestamptz(a, &zone)?))?,
        (Timestamp, Timestamp) | (Timestamptz, Timestamptz) => each(v, precise)?,
        (Timestamp, Timestamptz) => each(v, |a: i64| precise(timestamp_to_timestamptz(a, &zone)?))?,
        (Timestamptz, Timestamp) => each(v, |a: i64| precise(timestamptz_to_timestamp(a, &zone)?))?,
        (Timestamp, Date) => each(v, |a: i64| Ok(Some(timestamp_to_date(a))))?,
        (Timestamptz, Date) => each(v, |a: i64| {
            Ok(Some(timestamp_to_date(timestamptz_to_timestamp(a, &zone)?)))
        })?,
        (Timestamp, Time) => each(v, |a: i64| Ok(time_of_day(a, typmod)))?,
        (Timestamptz, Time) => each(v, |a: i64| {
            Ok(time_of_day(timestamptz_to_timestamp(a, &zone)?, typmod))
        })?,
        (Time, Time) => each(v, |a: i64| Ok(Some(time_with_precision(a, typmod))))?,
        (Time, TypeId::Interval) => each(v, |a: i64| {
            Ok(Some(interval::with_typmod(
                Interval {
                    months: 0,
                    days: 0,
                    micros: a,
                },
                typmod,
            )))
        })?,
        (TypeId::Interval, Time) => each(v, |a: Interval| {
            Ok(Some(time_with_precision(
                a.micros.rem_euclid(DAY_US),
                typmod,
            )))
        })?,
        (TypeId::Interval, TypeId::Interval) => {
            each(v, |a: Interval| Ok(Some(interval::with_typmod(a, typmod))))?
        }
        _ => return Ok(None),
    }))
}
