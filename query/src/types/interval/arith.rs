//! Arithmetic on intervals.

use crate::types::datetime::{DAY_US, SECOND_US};
use crate::types::errors::{division_by_zero, interval_range};
use vireo_abi::datum::Interval;
use vireo_abi::message::error::SqlResult;

const DAY_S: f64 = 86_400.0;

fn combine(
    a: Interval,
    b: Interval,
    narrow: fn(i32, i32) -> Option<i32>,
    wide: fn(i64, i64) -> Option<i64>,
) -> SqlResult<Interval> {
    let sum = (|| {
        Some(Interval {
            months: narrow(a.months, b.months)?,
            days: narrow(a.days, b.days)?,
            micros: wide(a.micros, b.micros)?,
        })
    })();
    sum.ok_or_else(interval_range)
}

/// `a + b`.
pub(crate) fn add(a: Interval, b: Interval) -> SqlResult<Interval> {
    combine(a, b, i32::checked_add, i64::checked_add)
}

/// `a - b`.
pub(crate) fn subtract(a: Interval, b: Interval) -> SqlResult<Interval> {
    combine(a, b, i32::checked_sub, i64::checked_sub)
}

/// `-a`.
pub(crate) fn negate(a: Interval) -> SqlResult<Interval> {
    subtract(Interval::default(), a)
}

/// Rounds to microseconds (`TSROUND`).
fn round_us(value: f64) -> f64 {
    libm::rint(value * 1_000_000.0) / 1_000_000.0
}

/// Scales each field by `by`; fractions of a month become days of 30, of a day time.
fn scale(a: Interval, by: impl Fn(f64) -> f64) -> SqlResult<Interval> {
    let whole = |value: f64| {
        let is_valid = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value);
        if is_valid {
            Ok(value as i32)
        } else {
            Err(interval_range())
        }
    };
    let (months_exact, days_exact) = (by(f64::from(a.months)), by(f64::from(a.days)));
    let (months, mut days) = (whole(months_exact)?, whole(days_exact)?);
    let month_days = round_us((months_exact - f64::from(months)) * 30.0);
    let mut seconds =
        round_us((days_exact - f64::from(days) + month_days - libm::trunc(month_days)) * DAY_S);
    if libm::fabs(seconds) >= DAY_S {
        let carried = libm::trunc(seconds / DAY_S);
        days = days
            .checked_add(carried as i32)
            .ok_or_else(interval_range)?;
        seconds -= carried * DAY_S;
    }
    days = days
        .checked_add(month_days as i32)
        .ok_or_else(interval_range)?;
    let micros = libm::rint(by(a.micros as f64) + seconds * SECOND_US as f64);
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&micros) {
        return Err(interval_range());
    }
    Ok(Interval {
        months,
        days,
        micros: micros as i64,
    })
}

/// `a * factor`.
pub(crate) fn multiply(a: Interval, factor: f64) -> SqlResult<Interval> {
    scale(a, |field| field * factor)
}

/// `a / divisor`.
pub(crate) fn divide(a: Interval, divisor: f64) -> SqlResult<Interval> {
    if divisor == 0.0 {
        return Err(division_by_zero());
    }
    scale(a, |field| field / divisor)
}

/// 24 hours become a day.
pub(crate) fn justify_hours(a: Interval) -> SqlResult<Interval> {
    let mut days = a
        .days
        .checked_add((a.micros / DAY_US) as i32)
        .ok_or_else(interval_range)?;
    let mut micros = a.micros % DAY_US;
    if days > 0 && micros < 0 {
        micros += DAY_US;
        days -= 1;
    } else if days < 0 && micros > 0 {
        micros -= DAY_US;
        days += 1;
    }
    Ok(Interval { days, micros, ..a })
}

/// 30 days become a month.
pub(crate) fn justify_days(a: Interval) -> SqlResult<Interval> {
    let mut months = a
        .months
        .checked_add(a.days / 30)
        .ok_or_else(interval_range)?;
    let mut days = a.days % 30;
    if months > 0 && days < 0 {
        days += 30;
        months -= 1;
    } else if months < 0 && days > 0 {
        days -= 30;
        months += 1;
    }
    Ok(Interval { months, days, ..a })
}

/// Both, with all signs alike.
pub(crate) fn justify_interval(a: Interval) -> SqlResult<Interval> {
    let (mut months, mut days, mut micros) = (i64::from(a.months), i64::from(a.days), a.micros);
    days += micros / DAY_US;
    micros %= DAY_US;
    months += days / 30;
    days %= 30;
    if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
        days += 30;
        months -= 1;
    } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
        days -= 30;
        months += 1;
    }
    if days > 0 && micros < 0 {
        micros += DAY_US;
        days -= 1;
    } else if days < 0 && micros > 0 {
        micros -= DAY_US;
        days += 1;
    }
    let months = i32::try_from(months).map_err(|_| interval_range())?;
    Ok(Interval {
        months,
        days: days as i32,
        micros,
    })
}
