//! Writes dates and times in all of PostgreSQL's styles.

use super::zone::Zone;
use super::{
    DATE_INFINITY, Parts, TIMESTAMP_INFINITY, day_of_week, is_infinite, is_infinite_date, julian,
    split_date, split_time, split_timestamp,
};
use crate::settings::{DateOrder, DateStyle, FormatSettings};
use alloc::vec::Vec;

const DAYS: [&[u8]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];
const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Writes a number with at least `width` digits.
pub(crate) fn write_padded(value: u32, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    for _ in digits.len()..width {
        out.push(b'0');
    }
    out.extend_from_slice(digits);
}

/// Writes a point and the digits of microseconds without zeros at their end, if there are any.
pub(crate) fn write_fraction(fsec: u32, out: &mut Vec<u8>) {
    if fsec == 0 {
        return;
    }
    out.push(b'.');
    write_padded(fsec, 6, out);
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

/// Writes `+hh[:mm[:ss]]`.
pub(crate) fn write_offset(offset: i32, out: &mut Vec<u8>) {
    out.push(if offset < 0 { b'-' } else { b'+' });
    let seconds = offset.unsigned_abs();
    write_padded(seconds / 3600, 2, out);
    if !seconds.is_multiple_of(3600) {
        out.push(b':');
        write_padded(seconds / 60 % 60, 2, out);
    }
    if !seconds.is_multiple_of(60) {
        out.push(b':');
        write_padded(seconds % 60, 2, out);
    }
}

fn write_clock(parts: &Parts, out: &mut Vec<u8>) {
    write_padded(parts.hour as u32, 2, out);
    out.push(b':');
    write_padded(parts.minute as u32, 2, out);
    out.push(b':');
    write_padded(parts.second as u32, 2, out);
    write_fraction(parts.fsec as u32, out);
}

/// The year as it is shown: 1 BC is year 0.
fn shown_year(parts: &Parts) -> u32 {
    (if parts.year > 0 {
        parts.year
    } else {
        1 - parts.year
    }) as u32
}

/// Writes the year, month and day of a style, the era apart.
fn write_ymd(parts: &Parts, style: DateStyle, order: DateOrder, out: &mut Vec<u8>) {
    let (month, day) = (parts.month as u32, parts.day as u32);
    let separator = match style {
        DateStyle::Iso => {
            write_padded(shown_year(parts), 4, out);
            out.push(b'-');
            write_padded(month, 2, out);
            out.push(b'-');
            return write_padded(day, 2, out);
        }
        DateStyle::Sql => b'/',
        DateStyle::German => b'.',
        DateStyle::Postgres => b'-',
    };
    let is_day_first = style == DateStyle::German || order == DateOrder::Dmy;
    let (first, second) = if is_day_first {
        (day, month)
    } else {
        (month, day)
    };
    write_padded(first, 2, out);
    out.push(separator);
    write_padded(second, 2, out);
    out.push(separator);
    write_padded(shown_year(parts), 4, out);
}

fn write_infinity(is_positive: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if is_positive {
        b"infinity"
    } else {
        b"-infinity"
    });
}

fn write_era(parts: &Parts, out: &mut Vec<u8>) {
    if parts.year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

/// Writes a `date`.
pub(crate) fn write_date(date: i32, f: &FormatSettings, out: &mut Vec<u8>) {
    if is_infinite_date(date) {
        return write_infinity(date == DATE_INFINITY, out);
    }
    let parts = split_date(date);
    write_ymd(&parts, f.date_style, f.date_order, out);
    write_era(&parts, out);
}

/// Writes a `time`.
pub(crate) fn write_time(time: i64, out: &mut Vec<u8>) {
    let mut parts = Parts::default();
    split_time(time, &mut parts);
    write_clock(&parts, out);
}

/// Writes a `timestamp`.
pub(crate) fn write_timestamp(timestamp: i64, f: &FormatSettings, out: &mut Vec<u8>) {
    if is_infinite(timestamp) {
        return write_infinity(timestamp == TIMESTAMP_INFINITY, out);
    }
    write_moment(&split_timestamp(timestamp), f, None, out);
}

/// Writes a `timestamptz`.
pub(crate) fn write_timestamptz(
    timestamp: i64,
    f: &FormatSettings,
    zone: &Zone,
    out: &mut Vec<u8>,
) {
    if is_infinite(timestamp) {
        return write_infinity(timestamp == TIMESTAMP_INFINITY, out);
    }
    let (parts, offset) = zone.split(timestamp);
    write_moment(&parts, f, Some((zone, timestamp, offset)), out);
}

/// Writes a zone's abbreviation, or its offset where it has none.
fn write_zone(zone: Option<(&Zone, i64, i32)>, out: &mut Vec<u8>) {
    let Some((zone, timestamp, offset)) = zone else {
        return;
    };
    out.push(b' ');
    let start = out.len();
    zone.write_abbreviation(timestamp, out);
    if out.len() == start {
        write_offset(offset, out);
    }
}

fn write_moment(
    parts: &Parts,
    f: &FormatSettings,
    zone: Option<(&Zone, i64, i32)>,
    out: &mut Vec<u8>,
) {
    match f.date_style {
        DateStyle::Iso => {
            write_ymd(parts, DateStyle::Iso, f.date_order, out);
            out.push(b' ');
            write_clock(parts, out);
            if let Some((_, _, offset)) = zone {
                write_offset(offset, out);
            }
        }
        DateStyle::Sql | DateStyle::German => {
            write_ymd(parts, f.date_style, f.date_order, out);
            out.push(b' ');
            write_clock(parts, out);
            write_zone(zone, out);
        }
        DateStyle::Postgres => {
            let weekday = day_of_week(julian(parts.year, parts.month, parts.day));
            out.extend_from_slice(DAYS[weekday as usize % 7]);
            out.push(b' ');
            let month = MONTHS[(parts.month - 1).clamp(0, 11) as usize];
            if f.date_order == DateOrder::Dmy {
                write_padded(parts.day as u32, 2, out);
                out.push(b' ');
                out.extend_from_slice(month);
            } else {
                out.extend_from_slice(month);
                out.push(b' ');
                write_padded(parts.day as u32, 2, out);
            }
            out.push(b' ');
            write_clock(parts, out);
            out.push(b' ');
            write_padded(shown_year(parts), 4, out);
            write_zone(zone, out);
        }
    }
    write_era(parts, out);
}
