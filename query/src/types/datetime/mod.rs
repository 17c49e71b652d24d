//! `date`, `time`, `timestamp`, `timestamptz`: calendar, reading, writing.
//!
//! A date is days, a timestamp microseconds since 2000-01-01, in the proleptic Gregorian calendar;
//! the extreme integers are the infinities. Dates reach from 4713 BC to 5874897 AD, timestamps to
//! 294276 AD. What stands here follows PostgreSQL's datetime.c and timestamp.c, because the many
//! texts that these accept are defined by nothing else.

mod abbreviations;
mod decode;
mod decode_number;
mod encode;
mod fields;
mod input;
mod lex;
mod time_only;
mod tokens;
pub(crate) mod zone;

pub(crate) use decode::overflows_day;
pub(crate) use decode_number::{
    decode_zone, fraction_us as decode_fraction, leading_int as decode_int,
};
pub(crate) use encode::{
    write_date, write_fraction, write_padded, write_time, write_timestamp, write_timestamptz,
};
pub(crate) use fields::{FieldError, field_error};
pub(crate) use input::{
    parse_date, parse_time, parse_timestamp, parse_timestamptz, round_to_precision,
    time_with_precision, timestamp_with_precision,
};
pub(crate) use lex::{FieldKind, Lexed, lex};
pub(crate) use tokens::{Unit, extract_unit, unit_token};
pub use zone::Zone;

use vireo_abi::message::error::SqlResult;

/// Microseconds of a second.
pub(crate) const SECOND_US: i64 = 1_000_000;
/// Microseconds of a minute.
pub(crate) const MINUTE_US: i64 = 60 * SECOND_US;
/// Microseconds of an hour.
pub(crate) const HOUR_US: i64 = 60 * MINUTE_US;
/// Microseconds of a day.
pub(crate) const DAY_US: i64 = 24 * HOUR_US;

/// The Julian day of 2000-01-01.
pub(crate) const EPOCH_JULIAN: i32 = 2_451_545;
/// The Julian day of 1970-01-01.
pub(crate) const UNIX_EPOCH_JULIAN: i32 = 2_440_588;
/// Seconds from 1970-01-01 to 2000-01-01.
pub(crate) const EPOCH_UNIX_S: i64 = (EPOCH_JULIAN - UNIX_EPOCH_JULIAN) as i64 * 86_400;

/// `infinity` of a date.
pub(crate) const DATE_INFINITY: i32 = i32::MAX;
/// `-infinity` of a date.
pub(crate) const DATE_NEG_INFINITY: i32 = i32::MIN;
/// `infinity` of a timestamp.
pub(crate) const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// `-infinity` of a timestamp.
pub(crate) const TIMESTAMP_NEG_INFINITY: i64 = i64::MIN;

/// The first timestamp, 4714-11-24 BC.
const TIMESTAMP_MIN: i64 = -211_813_488_000_000_000;
/// The first that is too late, 294277-01-01.
const TIMESTAMP_END: i64 = 9_223_371_331_200_000_000;

/// Whether a timestamp is one of the infinities.
pub(crate) fn is_infinite(timestamp: i64) -> bool {
    matches!(timestamp, TIMESTAMP_INFINITY | TIMESTAMP_NEG_INFINITY)
}

/// Whether a date is one of the infinities.
pub(crate) fn is_infinite_date(date: i32) -> bool {
    matches!(date, DATE_INFINITY | DATE_NEG_INFINITY)
}

/// Whether a finite timestamp is in range.
pub(crate) fn is_valid_timestamp(timestamp: i64) -> bool {
    (TIMESTAMP_MIN..TIMESTAMP_END).contains(&timestamp)
}

/// Whether a finite date is in range.
pub(crate) fn is_valid_date(date: i32) -> bool {
    (-EPOCH_JULIAN..2_145_031_949).contains(&date)
}

/// Whether a year, month and day can be made a Julian day.
pub(crate) fn is_valid_julian(year: i32, month: i32) -> bool {
    (year > -4713 || (year == -4713 && month >= 11))
        && (year < 5_874_898 || (year == 5_874_898 && month < 6))
}

/// A broken-down time. Years before 1 AD count 0, -1, …; `fsec` is microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) year: i32,
    pub(crate) month: i32,
    pub(crate) day: i32,
    pub(crate) hour: i32,
    pub(crate) minute: i32,
    pub(crate) second: i32,
    pub(crate) fsec: i32,
    pub(crate) day_of_year: i32,
}

/// Whether a year has a 29th of February.
pub(crate) fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month, from 1.
pub(crate) fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The Julian day of a date (`date2j`).
pub(crate) fn julian(year: i32, month: i32, day: i32) -> i32 {
    let (year, month) = if month > 2 {
        (i64::from(year) + 4800, month + 1)
    } else {
        (i64::from(year) + 4799, month + 13)
    };
    let century = year / 100;
    let days = year * 365 - 32167 + year / 4 - century + century / 4;
    (days + i64::from(7834 * month / 256 + day)) as i32
}

/// The year, month and day of a Julian day (`j2date`).
pub(crate) fn from_julian(day: i32) -> (i32, i32, i32) {
    let mut julian = (day as u32).wrapping_add(32044);
    let mut quad = julian / 146_097;
    let extra = (julian - quad * 146_097) * 4 + 3;
    julian = julian.wrapping_add(60 + quad * 3 + extra / 146_097);
    quad = julian / 1461;
    julian -= quad * 1461;
    let mut year = (julian * 4 / 1461) as i32;
    julian = if year != 0 {
        (julian + 305) % 365
    } else {
        (julian + 306) % 366
    } + 123;
    year += (quad * 4) as i32;
    let quad = julian * 2141 / 65536;
    (
        year - 4800,
        ((quad + 10) % 12 + 1) as i32,
        (julian - 7834 * quad / 256) as i32,
    )
}

/// The day of the week of a Julian day, Sunday 0.
pub(crate) fn day_of_week(julian: i32) -> i32 {
    (i64::from(julian) + 1).rem_euclid(7) as i32
}

/// The Julian day of the Monday on or before a Julian day.
pub(crate) fn iso_week_monday(julian_day: i32) -> i32 {
    julian_day - (day_of_week(julian_day) + 6) % 7
}

/// The ISO year and week of a date: week 1 has the year's first Thursday.
pub(crate) fn iso_week(year: i32, month: i32, day: i32) -> (i32, i32) {
    let monday = iso_week_monday(julian(year, month, day));
    let (iso_year, _, _) = from_julian(monday + 3);
    let first = iso_week_monday(julian(iso_year, 1, 4));
    (iso_year, (monday - first) / 7 + 1)
}

/// The parts of microseconds since midnight.
pub(crate) fn split_time(mut time: i64, parts: &mut Parts) {
    parts.hour = (time / HOUR_US) as i32;
    time %= HOUR_US;
    parts.minute = (time / MINUTE_US) as i32;
    time %= MINUTE_US;
    parts.second = (time / SECOND_US) as i32;
    parts.fsec = (time % SECOND_US) as i32;
}

/// The parts of a finite timestamp.
pub(crate) fn split_timestamp(timestamp: i64) -> Parts {
    let days = timestamp.div_euclid(DAY_US) as i32;
    let (year, month, day) = from_julian(days + EPOCH_JULIAN);
    let mut parts = Parts {
        year,
        month,
        day,
        ..Parts::default()
    };
    split_time(timestamp.rem_euclid(DAY_US), &mut parts);
    parts
}

/// The parts of a date.
pub(crate) fn split_date(date: i32) -> Parts {
    let (year, month, day) = from_julian(date + EPOCH_JULIAN);
    Parts {
        year,
        month,
        day,
        ..Parts::default()
    }
}

impl Parts {
    /// Microseconds since midnight.
    pub(crate) fn time(&self) -> i64 {
        i64::from(self.hour) * HOUR_US
            + i64::from(self.minute) * MINUTE_US
            + i64::from(self.second) * SECOND_US
            + i64::from(self.fsec)
    }

    /// The timestamp; none when it is out of range.
    pub(crate) fn timestamp(&self) -> Option<i64> {
        if !is_valid_julian(self.year, self.month) {
            return None;
        }
        let days = i64::from(julian(self.year, self.month, self.day) - EPOCH_JULIAN);
        let timestamp = i128::from(days) * i128::from(DAY_US) + i128::from(self.time());
        i64::try_from(timestamp)
            .ok()
            .filter(|t| is_valid_timestamp(*t))
    }

    /// The timestamptz of a local time in a zone; none when it is out of range.
    pub(crate) fn timestamptz(&self, zone: &Zone) -> Option<i64> {
        self.with_offset(zone.offset_of_local(self))
    }

    /// The timestamptz of a local time `offset` seconds east of UTC.
    pub(crate) fn with_offset(&self, offset: i32) -> Option<i64> {
        if !is_valid_julian(self.year, self.month) {
            return None;
        }
        let days = i128::from(julian(self.year, self.month, self.day) - EPOCH_JULIAN);
        let local = days * i128::from(DAY_US) + i128::from(self.time());
        let utc = local - i128::from(offset) * i128::from(SECOND_US);
        i64::try_from(utc).ok().filter(|t| is_valid_timestamp(*t))
    }
}

/// A zone as `AT TIME ZONE` names it: an abbreviation, a displacement, a name.
///
/// # Errors
/// 22023 when there is no such zone.
pub(crate) fn zone_named(name: &str) -> SqlResult<Zone> {
    let lower = name.to_ascii_lowercase();
    let found = match abbreviations::find(&lower) {
        Some(abbreviations::Abbreviation::Fixed(offset)) => Some(Zone::fixed(offset)),
        Some(abbreviations::Abbreviation::Zone { zone, .. }) => Zone::find(zone),
        None => Zone::find(name),
    };
    found.ok_or_else(|| field_error(FieldError::UnknownZone(name.into()), "", ""))
}

#[cfg(test)]
mod tests;
