//! `date_trunc`: timestamps and intervals cut to a unit.

use super::date_parts::{session, unrecognized, unsupported};
use super::kernel::each_row;
use super::table::ScalarFunction;
use crate::types::column::{Column, text};
use crate::types::datetime::{
    HOUR_US, MINUTE_US, Parts, SECOND_US, Unit, Zone, is_infinite, iso_week_monday, julian,
    split_timestamp, unit_token,
};
use crate::types::errors::timestamp_range;
use vireo_abi::datum::Interval as IntervalValue;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::TypeId::{self, Interval, Text, Timestamp, Timestamptz};

/// Cuts parts to a unit. None: the unit cannot be cut to.
fn truncate_parts(unit: Unit, p: &mut Parts) -> Option<()> {
    let start_of_era = |year: i32, size: i32| {
        if year > 0 {
            (year + size - 1) / size * size - (size - 1)
        } else {
            -((size - 1 - (year - 1)) / size) * size + 1
        }
    };
    match unit {
        Unit::Week => {
            let monday = iso_week_monday(julian(p.year, p.month, p.day));
            (p.year, p.month, p.day) = crate::types::datetime::from_julian(monday);
        }
        Unit::Millennium => p.year = start_of_era(p.year, 1000),
        Unit::Century => p.year = start_of_era(p.year, 100),
        Unit::Decade => p.year = p.year.div_euclid(10) * 10,
        Unit::Quarter => p.month = (p.month - 1) / 3 * 3 + 1,
        Unit::Millisecond => p.fsec = p.fsec / 1000 * 1000,
        Unit::Year
        | Unit::Month
        | Unit::Day
        | Unit::Hour
        | Unit::Minute
        | Unit::Second
        | Unit::Microsecond => {}
        _ => return None,
    }
    if matches!(
        unit,
        Unit::Millennium | Unit::Century | Unit::Decade | Unit::Year
    ) {
        p.month = 1;
    }
    if matches!(
        unit,
        Unit::Millennium | Unit::Century | Unit::Decade | Unit::Year | Unit::Quarter | Unit::Month
    ) {
        p.day = 1;
    }
    match unit {
        Unit::Microsecond | Unit::Millisecond => {}
        Unit::Second => p.fsec = 0,
        Unit::Minute => (p.second, p.fsec) = (0, 0),
        Unit::Hour => (p.minute, p.second, p.fsec) = (0, 0, 0),
        _ => (p.hour, p.minute, p.second, p.fsec) = (0, 0, 0, 0),
    }
    Some(())
}

/// `date_trunc(unit, timestamp)` on the clock of `zone`.
fn truncate(field: &str, timestamp: i64, zone: Option<&Zone>, ty: TypeId) -> SqlResult<i64> {
    if is_infinite(timestamp) {
        return Ok(timestamp);
    }
    let unit = unit_token(field)
        .flatten()
        .ok_or_else(|| unrecognized(field, ty))?;
    let (mut parts, offset) =
        zone.map_or_else(|| (split_timestamp(timestamp), 0), |z| z.split(timestamp));
    truncate_parts(unit, &mut parts).ok_or_else(|| unsupported(field, ty))?;
    let is_within_hour = matches!(
        unit,
        Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour
    );
    match zone {
        None => parts.timestamp(),
        // Below a day the offset stays, so that a repeated hour is not taken for the other.
        Some(_) if is_within_hour => parts.with_offset(offset),
        Some(zone) => parts.timestamptz(zone),
    }
    .ok_or_else(timestamp_range)
}

/// `date_trunc(unit, interval)`
fn truncate_interval(field: &str, v: IntervalValue) -> SqlResult<IntervalValue> {
    let unit = unit_token(field)
        .flatten()
        .ok_or_else(|| unrecognized(field, Interval))?;
    let months = |size: i32| {
        Ok(IntervalValue {
            months: v.months / size * size,
            days: 0,
            micros: 0,
        })
    };
    let micros = |size: i64| {
        Ok(IntervalValue {
            micros: v.micros / size * size,
            ..v
        })
    };
    match unit {
        Unit::Millennium => months(12_000),
        Unit::Century => months(1200),
        Unit::Decade => months(120),
        Unit::Year => months(12),
        Unit::Quarter => months(3),
        Unit::Month => months(1),
        Unit::Day => Ok(IntervalValue { micros: 0, ..v }),
        Unit::Hour => micros(HOUR_US),
        Unit::Minute => micros(MINUTE_US),
        Unit::Second => micros(SECOND_US),
        Unit::Millisecond => micros(1000),
        Unit::Microsecond => Ok(v),
        Unit::Week => {
            Err(unsupported(field, Interval).with_detail("Months usually have fractional weeks."))
        }
        _ => Err(unsupported(field, Interval)),
    }
}

const TRUNC: &[ScalarFunction] = &[
    ScalarFunction::new("date_trunc", &[Text, Timestamp], Timestamp, |_, v, n| {
        let t = i64::of(&v[1]);
        each_row(v, n, |row| {
            truncate(
                &text(&v[0], row).to_ascii_lowercase(),
                t[row],
                None,
                Timestamp,
            )
        })
    }),
    ScalarFunction::new(
        "date_trunc",
        &[Text, Timestamptz],
        Timestamptz,
        |cx, v, n| {
            let (t, zone) = (i64::of(&v[1]), session(cx));
            each_row(v, n, |row| {
                truncate(
                    &text(&v[0], row).to_ascii_lowercase(),
                    t[row],
                    Some(&zone),
                    Timestamptz,
                )
            })
        },
    )
    .stable(),
    ScalarFunction::new(
        "date_trunc",
        &[Text, Timestamptz, Text],
        Timestamptz,
        |_, v, n| {
            let t = i64::of(&v[1]);
            each_row(v, n, |row| {
                let zone = crate::types::datetime::zone_named(text(&v[2], row))?;
                truncate(
                    &text(&v[0], row).to_ascii_lowercase(),
                    t[row],
                    Some(&zone),
                    Timestamptz,
                )
            })
        },
    )
    .stable(),
    ScalarFunction::new("date_trunc", &[Text, Interval], Interval, |_, v, n| {
        let spans = IntervalValue::of(&v[1]);
        each_row(v, n, |row| {
            truncate_interval(&text(&v[0], row).to_ascii_lowercase(), spans[row])
        })
    }),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[TRUNC];
