//! Reads intervals in PostgreSQL's and the SQL standard's forms (`DecodeInterval`).
//!
//! Fields are read from right to left, because a unit stands after its number.

use super::{
    RANGE_DAY, RANGE_FULL, RANGE_HOUR, RANGE_MINUTE, RANGE_MONTH, RANGE_SECOND, RANGE_YEAR, Sum,
};
use crate::settings::IntervalStyle;
use crate::types::datetime::{
    FieldError, FieldKind, HOUR_US, Lexed, MINUTE_US, SECOND_US, Unit, decode_fraction, decode_int,
    unit_token,
};

/// The unit of a number without one, by the fields that the typmod allows.
fn default_unit(range: i32) -> Unit {
    if range == RANGE_YEAR {
        Unit::Year
    } else if range == RANGE_MONTH || range == RANGE_YEAR | RANGE_MONTH {
        Unit::Month
    } else if range == RANGE_DAY {
        Unit::Day
    } else if range == RANGE_HOUR || range == RANGE_DAY | RANGE_HOUR {
        Unit::Hour
    } else if range & RANGE_SECOND == 0 && range & RANGE_MINUTE != 0 && range != RANGE_FULL {
        Unit::Minute
    } else {
        Unit::Second
    }
}

/// One bit for each unit, so that a unit given twice is noticed.
fn bit(unit: Unit) -> u32 {
    1 << unit as u32
}

const SECONDS: u32 =
    1 << Unit::Microsecond as u32 | 1 << Unit::Millisecond as u32 | 1 << Unit::Second as u32;
const CLOCK: u32 = SECONDS | 1 << Unit::Minute as u32 | 1 << Unit::Hour as u32;

/// `hh:mm[:ss[.fff]]`, hours without limit.
fn clock(text: &str, range: i32) -> Result<i64, FieldError> {
    let (mut hours, rest) = long_int(text)?;
    let (mut minutes, rest) = decode_int(rest.strip_prefix(':').ok_or(FieldError::BadFormat)?)?;
    let (mut seconds, mut fsec) = (0, 0);
    if rest.is_empty() {
        if range == RANGE_MINUTE | RANGE_SECOND {
            let hour = i32::try_from(hours).map_err(|_| FieldError::Overflow)?;
            (hours, minutes, seconds) = (0, hour, minutes);
        }
    } else if rest.starts_with('.') {
        fsec = decode_fraction(rest)?;
        let hour = i32::try_from(hours).map_err(|_| FieldError::Overflow)?;
        (hours, minutes, seconds) = (0, hour, minutes);
    } else {
        let (value, rest) = decode_int(rest.strip_prefix(':').ok_or(FieldError::BadFormat)?)?;
        seconds = value;
        if rest.starts_with('.') {
            fsec = decode_fraction(rest)?;
        } else if !rest.is_empty() {
            return Err(FieldError::BadFormat);
        }
    }
    if hours < 0 || !(0..60).contains(&minutes) || !(0..=60).contains(&seconds) || fsec < 0 {
        return Err(FieldError::Overflow);
    }
    let rest = i64::from(minutes) * MINUTE_US + i64::from(seconds) * SECOND_US + i64::from(fsec);
    hours
        .checked_mul(HOUR_US)
        .and_then(|h| h.checked_add(rest))
        .ok_or(FieldError::Overflow)
}

/// The 64-bit number at the start of a text and what follows.
fn long_int(text: &str) -> Result<(i64, &str), FieldError> {
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text.as_bytes()[sign..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    if digits == 0 {
        return Ok((0, text));
    }
    let (number, rest) = text.split_at(sign + digits);
    Ok((number.parse().map_err(|_| FieldError::Overflow)?, rest))
}

/// Adds a number of a unit; the units that it gave.
fn add(sum: &mut Sum, unit: Unit, value: i64, fraction: f64) -> Result<u32, FieldError> {
    let done = match unit {
        Unit::Microsecond => sum.add_micros(value, fraction, 1),
        Unit::Millisecond => sum.add_micros(value, fraction, 1000),
        Unit::Second => sum.add_micros(value, fraction, SECOND_US),
        Unit::Minute => sum.add_micros(value, fraction, MINUTE_US),
        Unit::Hour => sum.add_micros(value, fraction, HOUR_US),
        Unit::Day => sum.add_days(value, fraction, 1),
        Unit::Week => sum.add_days(value, fraction, 7),
        Unit::Month => sum.add_months(value, fraction),
        Unit::Year => sum.add_years(value, fraction, 1),
        Unit::Decade => sum.add_years(value, fraction, 10),
        Unit::Century => sum.add_years(value, fraction, 100),
        Unit::Millennium => sum.add_years(value, fraction, 1000),
        _ => return Err(FieldError::BadFormat),
    };
    done.ok_or(FieldError::Overflow)?;
    Ok(if unit == Unit::Second && fraction != 0.0 {
        SECONDS
    } else {
        bit(unit)
    })
}

/// A number, or `years-months`; the unit is the one read before it (to its right).
fn number(
    sum: &mut Sum,
    text: &str,
    unit: &mut Option<Unit>,
    range: i32,
) -> Result<u32, FieldError> {
    let mut current = *unit.get_or_insert_with(|| default_unit(range));
    let (mut value, rest) = long_int(text)?;
    let is_negative = text.starts_with('-');
    let mut fraction = 0.0;
    if let Some(tail) = rest.strip_prefix('-') {
        let (months, rest) = decode_int(tail)?;
        if !(0..12).contains(&months) {
            return Err(FieldError::Overflow);
        }
        if !rest.is_empty() {
            return Err(FieldError::BadFormat);
        }
        current = Unit::Month;
        let months = i64::from(if is_negative { -months } else { months });
        value = value
            .checked_mul(12)
            .and_then(|v| v.checked_add(months))
            .ok_or(FieldError::Overflow)?;
    } else if let Some(digits) = rest.strip_prefix('.') {
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(FieldError::BadFormat);
        }
        fraction = if digits.is_empty() {
            0.0
        } else {
            rest.parse().map_err(|_| FieldError::BadFormat)?
        };
        if is_negative {
            fraction = -fraction;
        }
    } else if !rest.is_empty() {
        return Err(FieldError::BadFormat);
    }
    *unit = Some(if current == Unit::Hour {
        Unit::Day
    } else {
        current
    });
    add(sum, current, value, fraction)
}

/// Reads an interval from its fields.
pub(super) fn decode(lexed: &Lexed, range: i32, style: IntervalStyle) -> Result<Sum, FieldError> {
    let mut sum = Sum::default();
    let (mut known, mut unit, mut is_ago) = (0u32, None, false);
    for index in (0..lexed.len()).rev() {
        let field = lexed.field(index);
        let mask = match field.kind {
            FieldKind::Time => {
                sum.micros = sum
                    .micros
                    .checked_add(clock(field.text, range)?)
                    .ok_or(FieldError::Overflow)?;
                unit = Some(Unit::Day);
                CLOCK
            }
            FieldKind::Zone
                if field.text.contains(':') && clock(&field.text[1..], range).is_ok() =>
            {
                let micros = clock(&field.text[1..], range)?;
                let signed = if field.text.starts_with('-') {
                    -micros
                } else {
                    micros
                };
                sum.micros = sum.micros.checked_add(signed).ok_or(FieldError::Overflow)?;
                unit = Some(Unit::Day);
                CLOCK
            }
            FieldKind::Zone | FieldKind::Date | FieldKind::Number => {
                number(&mut sum, field.text, &mut unit, range)?
            }
            FieldKind::Word | FieldKind::Special => match unit_token(field.text) {
                Some(Some(found)) => {
                    unit = Some(found);
                    0
                }
                Some(None) => {
                    is_ago = true;
                    unit = None;
                    0
                }
                None => return Err(FieldError::BadFormat),
            },
        };
        if known & mask != 0 {
            return Err(FieldError::BadFormat);
        }
        known |= mask;
    }
    if known == 0 {
        return Err(FieldError::BadFormat);
    }
    let is_signed = |i: usize| lexed.field(i).text.starts_with(['+', '-']);
    if style == IntervalStyle::SqlStandard
        && lexed.field(0).text.starts_with('-')
        && !(1..lexed.len()).any(is_signed)
    {
        sum = Sum {
            years: -sum.years.saturating_abs(),
            months: -sum.months.saturating_abs(),
            days: -sum.days.saturating_abs(),
            micros: -sum.micros.saturating_abs(),
        };
    }
    if is_ago {
        let negated = (|| {
            Some(Sum {
                years: sum.years.checked_neg()?,
                months: sum.months.checked_neg()?,
                days: sum.days.checked_neg()?,
                micros: sum.micros.checked_neg()?,
            })
        })();
        sum = negated.ok_or(FieldError::Overflow)?;
    }
    Ok(sum)
}
