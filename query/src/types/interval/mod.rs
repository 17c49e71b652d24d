//! `interval`: months, days and microseconds, which do not convert into each other.
//!
//! Reading, writing and arithmetic follow PostgreSQL 15's datetime.c and timestamp.c. There is no
//! infinite interval before PostgreSQL 17, and none here.

mod arith;
mod decode;
mod encode;
mod iso;

pub(crate) use arith::{
    add, divide, justify_days, justify_hours, justify_interval, multiply, negate, subtract,
};
pub(crate) use encode::write;

use super::datetime::{
    DAY_US, FieldError, HOUR_US, MINUTE_US, SECOND_US, field_error, lex, round_to_precision,
};
use super::errors::interval_range;
use crate::settings::IntervalStyle;
use vireo_abi::datum::Interval;
use vireo_abi::message::error::SqlResult;

/// The typmod's bits for the fields that an interval is limited to.
const RANGE_FULL: i32 = 0x7fff;
const RANGE_MONTH: i32 = 1 << 1;
const RANGE_YEAR: i32 = 1 << 2;
const RANGE_DAY: i32 = 1 << 3;
const RANGE_HOUR: i32 = 1 << 10;
const RANGE_MINUTE: i32 = 1 << 11;
const RANGE_SECOND: i32 = 1 << 12;

/// The fields of a typmod; all of them where it names none.
fn range_of(typmod: i32) -> i32 {
    match typmod {
        ..0 => RANGE_FULL,
        _ => match typmod >> 16 & RANGE_FULL {
            0 => RANGE_FULL,
            range => range,
        },
    }
}

/// What is added up while reading.
#[derive(Clone, Copy, Default, Debug)]
struct Sum {
    years: i32,
    months: i32,
    days: i32,
    micros: i64,
}

impl Sum {
    fn add_micros(&mut self, value: i64, fraction: f64, scale: i64) -> Option<()> {
        self.micros = self.micros.checked_add(value.checked_mul(scale)?)?;
        self.add_micros_fraction(fraction, scale)
    }

    fn add_micros_fraction(&mut self, fraction: f64, scale: i64) -> Option<()> {
        let scaled = fraction * scale as f64;
        let mut whole = scaled as i64;
        let rest = scaled - whole as f64;
        if rest > 0.5 {
            whole += 1;
        } else if rest < -0.5 {
            whole -= 1;
        }
        self.micros = self.micros.checked_add(whole)?;
        Some(())
    }

    fn add_days(&mut self, value: i64, fraction: f64, scale: i32) -> Option<()> {
        let days = i32::try_from(value).ok()?.checked_mul(scale)?;
        self.days = self.days.checked_add(days)?;
        self.add_days_fraction(fraction, scale)
    }

    fn add_days_fraction(&mut self, fraction: f64, scale: i32) -> Option<()> {
        let scaled = fraction * f64::from(scale);
        let whole = scaled as i32;
        self.days = self.days.checked_add(whole)?;
        self.add_micros_fraction(scaled - f64::from(whole), DAY_US)
    }

    fn add_months(&mut self, value: i64, fraction: f64) -> Option<()> {
        self.months = self.months.checked_add(i32::try_from(value).ok()?)?;
        self.add_days_fraction(fraction, 30)
    }

    fn add_years(&mut self, value: i64, fraction: f64, scale: i32) -> Option<()> {
        let years = i32::try_from(value).ok()?.checked_mul(scale)?;
        self.years = self.years.checked_add(years)?;
        let months = libm::rint(fraction * f64::from(scale) * 12.0) as i32;
        self.months = self.months.checked_add(months)?;
        Some(())
    }

    fn finish(self) -> Option<Interval> {
        let months = self.years.checked_mul(12)?.checked_add(self.months)?;
        Some(Interval {
            months,
            days: self.days,
            micros: self.micros,
        })
    }
}

/// An `interval` from text.
pub(crate) fn parse(text: &str, typmod: i32, style: IntervalStyle) -> SqlResult<Interval> {
    let mut result = lex(text).and_then(|lexed| decode::decode(&lexed, range_of(typmod), style));
    if result.as_ref().err() == Some(&FieldError::BadFormat) {
        result = iso::decode(text);
    }
    let sum = result.map_err(|e| {
        let e = if e == FieldError::Overflow {
            FieldError::IntervalOverflow
        } else {
            e
        };
        field_error(e, "interval", text)
    })?;
    Ok(with_typmod(
        sum.finish().ok_or_else(interval_range)?,
        typmod,
    ))
}

/// Enforces a typmod: drops the fields below its range, rounds to its precision.
pub(crate) fn with_typmod(mut v: Interval, typmod: i32) -> Interval {
    if typmod < 0 {
        return v;
    }
    const DAY_TO: [i32; 4] = [
        RANGE_DAY,
        RANGE_DAY | RANGE_HOUR,
        RANGE_DAY | RANGE_HOUR | RANGE_MINUTE,
        RANGE_DAY | RANGE_HOUR | RANGE_MINUTE | RANGE_SECOND,
    ];
    let range = range_of(typmod);
    if range == RANGE_YEAR {
        v = Interval {
            months: v.months / 12 * 12,
            days: 0,
            micros: 0,
        };
    } else if range == RANGE_MONTH || range == RANGE_YEAR | RANGE_MONTH {
        v = Interval {
            days: 0,
            micros: 0,
            ..v
        };
    } else if range == DAY_TO[0] {
        v.micros = 0;
    } else if range == RANGE_HOUR || range == DAY_TO[1] {
        v.micros = v.micros / HOUR_US * HOUR_US;
    } else if matches!(range, RANGE_MINUTE)
        || range == DAY_TO[2]
        || range == RANGE_HOUR | RANGE_MINUTE
    {
        v.micros = v.micros / MINUTE_US * MINUTE_US;
    }
    debug_assert!(
        range & DAY_TO[3] == range
            || range & (RANGE_YEAR | RANGE_MONTH) != 0
            || range == RANGE_FULL
    );
    v.micros = round_to_precision(v.micros, typmod & 0xffff);
    v
}

/// The fields that are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) years: i32,
    pub(crate) months: i32,
    pub(crate) days: i32,
    pub(crate) hours: i64,
    pub(crate) minutes: i32,
    pub(crate) seconds: i32,
    pub(crate) fsec: i32,
}

/// Takes an interval apart; all fields of a part have its sign.
pub(crate) fn split(v: Interval) -> Shown {
    Shown {
        years: v.months / 12,
        months: v.months % 12,
        days: v.days,
        hours: v.micros / HOUR_US,
        minutes: (v.micros % HOUR_US / MINUTE_US) as i32,
        seconds: (v.micros % MINUTE_US / SECOND_US) as i32,
        fsec: (v.micros % SECOND_US) as i32,
    }
}
