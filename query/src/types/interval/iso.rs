//! Reads intervals in ISO 8601's forms: `P1Y2M3DT4H5M6S`, `P0001-02-03T04:05:06`.

use super::Sum;
use crate::types::datetime::{DAY_US, FieldError, HOUR_US, MINUTE_US, SECOND_US};

/// A number's whole part, its fraction, and its digits before the point.
struct Number {
    whole: i64,
    fraction: f64,
    width: usize,
}

/// Takes a number off the front.
fn take_number(rest: &mut &str) -> Result<Number, FieldError> {
    let bytes = rest.as_bytes();
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let digits = |from: usize| {
        bytes[from.min(bytes.len())..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let width = digits(sign);
    let mut end = sign + width;
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let mark = 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + mark);
        if exponent > 0 {
            end += mark + exponent;
        }
    }
    let value: f64 = rest[..end].parse().map_err(|_| FieldError::BadFormat)?;
    if !(-1e15..=1e15).contains(&value) {
        return Err(FieldError::Overflow);
    }
    *rest = &rest[end..];
    let whole = libm::trunc(value);
    Ok(Number {
        whole: whole as i64,
        fraction: value - whole,
        width,
    })
}

fn done(step: Option<()>) -> Result<(), FieldError> {
    step.ok_or(FieldError::Overflow)
}

/// Takes the next character off the front.
fn take_char(rest: &mut &str) -> Option<char> {
    let c = rest.chars().next()?;
    *rest = &rest[c.len_utf8()..];
    Some(c)
}

/// The date's part in the alternative forms. True: a `T` ended it.
fn alternative_date(
    sum: &mut Sum,
    first: &Number,
    mut unit: Option<char>,
    rest: &mut &str,
) -> Result<bool, FieldError> {
    done(sum.add_years(first.whole, first.fraction, 1))?;
    for step in 0..2 {
        match unit {
            None => return Ok(false),
            Some('T') => return Ok(true),
            Some('-') => {}
            Some(_) => return Err(FieldError::BadFormat),
        }
        let n = take_number(rest)?;
        done(if step == 0 {
            sum.add_months(n.whole, n.fraction)
        } else {
            sum.add_days(n.whole, 0.0, 1)
                .and_then(|()| sum.add_micros_fraction(n.fraction, DAY_US))
        })?;
        unit = take_char(rest);
    }
    match unit {
        None => Ok(false),
        Some('T') => Ok(true),
        Some(_) => Err(FieldError::BadFormat),
    }
}

/// The time's part in the alternative form `hh:mm:ss`.
fn alternative_time(
    sum: &mut Sum,
    first: &Number,
    mut unit: Option<char>,
    rest: &mut &str,
) -> Result<(), FieldError> {
    done(sum.add_micros(first.whole, first.fraction, HOUR_US))?;
    for scale in [MINUTE_US, SECOND_US] {
        match unit {
            None => return Ok(()),
            Some(':') => {}
            Some(_) => return Err(FieldError::BadFormat),
        }
        let n = take_number(rest)?;
        done(sum.add_micros(n.whole, n.fraction, scale))?;
        unit = take_char(rest);
    }
    if unit.is_some() {
        Err(FieldError::BadFormat)
    } else {
        Ok(())
    }
}

/// Eight digits are yyyymmdd.
fn basic_date(sum: &mut Sum, n: &Number) -> Option<()> {
    sum.add_years(n.whole / 10_000, 0.0, 1)?;
    sum.add_months(n.whole / 100 % 100, 0.0)?;
    sum.add_days(n.whole % 100, 0.0, 1)?;
    sum.add_micros_fraction(n.fraction, DAY_US)
}

/// Six digits are hhmmss.
fn basic_time(sum: &mut Sum, n: &Number) -> Option<()> {
    sum.add_micros(n.whole / 10_000, 0.0, HOUR_US)?;
    sum.add_micros(n.whole / 100 % 100, 0.0, MINUTE_US)?;
    sum.add_micros(n.whole % 100, 0.0, SECOND_US)?;
    sum.add_micros_fraction(n.fraction, SECOND_US)
}

/// Reads an interval.
pub(super) fn decode(text: &str) -> Result<Sum, FieldError> {
    let mut rest = text
        .strip_prefix('P')
        .filter(|r| !r.is_empty())
        .ok_or(FieldError::BadFormat)?;
    let mut sum = Sum::default();
    let (mut is_date, mut has_field) = (true, false);
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('T') {
            (is_date, has_field, rest) = (false, false, tail);
            continue;
        }
        let n = take_number(&mut rest)?;
        let unit = take_char(&mut rest);
        let step = match (is_date, unit) {
            (true, Some('Y')) => sum.add_years(n.whole, n.fraction, 1),
            (true, Some('M')) => sum.add_months(n.whole, n.fraction),
            (true, Some('W')) => sum.add_days(n.whole, n.fraction, 7),
            (true, Some('D')) => sum
                .add_days(n.whole, 0.0, 1)
                .and_then(|()| sum.add_micros_fraction(n.fraction, DAY_US)),
            (true, None | Some('T')) if n.width == 8 && !has_field => {
                done(basic_date(&mut sum, &n))?;
                is_date = false;
                continue;
            }
            (true, None | Some('T' | '-')) if !has_field => {
                is_date = !alternative_date(&mut sum, &n, unit, &mut rest)?;
                continue;
            }
            (false, Some('H')) => sum.add_micros(n.whole, n.fraction, HOUR_US),
            (false, Some('M')) => sum.add_micros(n.whole, n.fraction, MINUTE_US),
            (false, Some('S')) => sum.add_micros(n.whole, n.fraction, SECOND_US),
            (false, None) if n.width == 6 && !has_field => basic_time(&mut sum, &n),
            (false, None | Some(':')) if !has_field => {
                alternative_time(&mut sum, &n, unit, &mut rest)?;
                return Ok(sum);
            }
            _ => return Err(FieldError::BadFormat),
        };
        done(step)?;
        has_field = true;
    }
    Ok(sum)
}
