//! Writes intervals in the four styles (`EncodeInterval`).

use super::{Shown, split};
use crate::settings::IntervalStyle;
use crate::types::datetime::{write_fraction, write_padded};
use crate::types::integer;
use alloc::vec::Vec;
use vireo_abi::datum::Interval;

fn write_seconds(s: &Shown, width: usize, out: &mut Vec<u8>) {
    write_padded(s.seconds.unsigned_abs(), width, out);
    write_fraction(s.fsec.unsigned_abs(), out);
}

fn write_clock(s: &Shown, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let hours = buffer.format(s.hours.unsigned_abs()).as_bytes();
    for _ in hours.len()..width {
        out.push(b'0');
    }
    out.extend_from_slice(hours);
    out.push(b':');
    write_padded(s.minutes.unsigned_abs(), 2, out);
    out.push(b':');
    write_seconds(s, 2, out);
}

/// Whether any field of the time of day is negative.
fn is_time_negative(s: &Shown) -> bool {
    s.hours < 0 || s.minutes < 0 || s.seconds < 0 || s.fsec < 0
}

fn has_time(s: &Shown) -> bool {
    s.hours != 0 || s.minutes != 0 || s.seconds != 0 || s.fsec != 0
}

fn write_postgres(s: &Shown, out: &mut Vec<u8>) {
    let (mut is_zero, mut was_negative) = (true, false);
    for (value, unit) in [(s.years, "year"), (s.months, "mon"), (s.days, "day")] {
        if value == 0 {
            continue;
        }
        if !is_zero {
            out.push(b' ');
        }
        if was_negative && value > 0 {
            out.push(b'+');
        }
        integer::write(i64::from(value), out);
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if value != 1 {
            out.push(b's');
        }
        was_negative = value < 0;
        is_zero = false;
    }
    if is_zero || has_time(s) {
        if !is_zero {
            out.push(b' ');
        }
        if is_time_negative(s) {
            out.push(b'-');
        } else if was_negative {
            out.push(b'+');
        }
        write_clock(s, 2, out);
    }
}

fn write_verbose(s: &Shown, out: &mut Vec<u8>) {
    let (mut is_zero, mut is_before) = (true, false);
    out.push(b'@');
    let parts = [
        (i64::from(s.years), "year"),
        (i64::from(s.months), "mon"),
        (i64::from(s.days), "day"),
        (s.hours, "hour"),
        (i64::from(s.minutes), "min"),
    ];
    for (value, unit) in parts {
        if value == 0 {
            continue;
        }
        if is_zero {
            is_before = value < 0;
        }
        let value = if is_before { -value } else { value };
        out.push(b' ');
        integer::write(value, out);
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if value != 1 {
            out.push(b's');
        }
        is_zero = false;
    }
    if s.seconds != 0 || s.fsec != 0 {
        out.push(b' ');
        if s.seconds < 0 || (s.seconds == 0 && s.fsec < 0) {
            if is_zero {
                is_before = true;
            } else if !is_before {
                out.push(b'-');
            }
        } else if is_before {
            out.push(b'-');
        }
        write_seconds(s, 1, out);
        out.extend_from_slice(if s.seconds.abs() != 1 || s.fsec != 0 {
            b" secs"
        } else {
            b" sec"
        });
        is_zero = false;
    }
    if is_zero {
        out.extend_from_slice(b" 0");
    }
    if is_before {
        out.extend_from_slice(b" ago");
    }
}

fn write_year_month(s: &Shown, out: &mut Vec<u8>) {
    write_padded(s.years.unsigned_abs(), 1, out);
    out.push(b'-');
    write_padded(s.months.unsigned_abs(), 1, out);
}

fn write_sql(s: &Shown, out: &mut Vec<u8>) {
    let values = [
        i64::from(s.years),
        s.months.into(),
        s.days.into(),
        s.hours,
        s.minutes.into(),
        s.seconds.into(),
        s.fsec.into(),
    ];
    let has_negative = values.iter().any(|v| *v < 0);
    let has_positive = values.iter().any(|v| *v > 0);
    let has_year_month = s.years != 0 || s.months != 0;
    let has_day_time = s.days != 0 || has_time(s);
    if !has_negative && !has_positive {
        return out.push(b'0');
    }
    if (has_negative && has_positive) || (has_year_month && has_day_time) {
        let sign = |is_negative: bool| if is_negative { b'-' } else { b'+' };
        out.push(sign(s.years < 0 || s.months < 0));
        write_year_month(s, out);
        out.extend_from_slice(&[b' ', sign(s.days < 0)]);
        write_padded(s.days.unsigned_abs(), 1, out);
        out.extend_from_slice(&[b' ', sign(is_time_negative(s))]);
        return write_clock(s, 1, out);
    }
    if has_negative {
        out.push(b'-');
    }
    if has_year_month {
        return write_year_month(s, out);
    }
    if s.days != 0 {
        write_padded(s.days.unsigned_abs(), 1, out);
        out.push(b' ');
    }
    write_clock(s, 1, out);
}

fn write_iso(s: &Shown, out: &mut Vec<u8>) {
    let part = |value: i64, unit: u8, out: &mut Vec<u8>| {
        if value != 0 {
            integer::write(value, out);
            out.push(unit);
        }
    };
    let start = out.len();
    out.push(b'P');
    part(s.years.into(), b'Y', out);
    part(s.months.into(), b'M', out);
    part(s.days.into(), b'D', out);
    if has_time(s) {
        out.push(b'T');
    }
    part(s.hours, b'H', out);
    part(s.minutes.into(), b'M', out);
    if s.seconds != 0 || s.fsec != 0 {
        if s.seconds < 0 || s.fsec < 0 {
            out.push(b'-');
        }
        write_seconds(s, 1, out);
        out.push(b'S');
    }
    if out.len() == start + 1 {
        out.extend_from_slice(b"T0S");
    }
}

/// Writes an interval.
pub(crate) fn write(v: Interval, style: IntervalStyle, out: &mut Vec<u8>) {
    let shown = split(v);
    match style {
        IntervalStyle::Postgres => write_postgres(&shown, out),
        IntervalStyle::PostgresVerbose => write_verbose(&shown, out),
        IntervalStyle::SqlStandard => write_sql(&shown, out),
        IntervalStyle::Iso8601 => write_iso(&shown, out),
    }
}
