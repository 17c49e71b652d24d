//! The input functions of the date types, and the precisions of their typmods.

use super::decode::{Moment, Surroundings, decode};
use super::fields::{FieldError, field_error};
use super::lex::lex;
use super::time_only::decode_time;
use super::zone::Zone;
use super::{
    DATE_INFINITY, DATE_NEG_INFINITY, DAY_US, EPOCH_JULIAN, EPOCH_UNIX_S, SECOND_US,
    TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, UNIX_EPOCH_JULIAN, is_infinite, is_valid_date,
    is_valid_julian, is_valid_timestamp, julian,
};
use crate::settings::EvalContext;
use crate::types::errors::{Fault, timestamp_range};
use alloc::format;
use vireo_abi::message::error::{SqlError, SqlResult, state};

#[cold]
fn out_of_range(type_name: &str, text: &str) -> Fault {
    SqlError::new(
        state::DATETIME_FIELD_OVERFLOW,
        format!("{type_name} out of range: \"{text}\""),
    )
}

fn read(text: &str, cx: &EvalContext, zone: &Zone) -> Result<Moment, FieldError> {
    let surroundings = Surroundings {
        order: cx.format.date_order,
        zone,
        now_us: cx.transaction_us,
    };
    decode(&lex(text)?, &surroundings)
}

/// A `date` from text.
pub(crate) fn parse_date(text: &str, cx: &EvalContext, zone: &Zone) -> SqlResult<i32> {
    match read(text, cx, zone).map_err(|e| field_error(e, "date", text))? {
        Moment::Infinity => Ok(DATE_INFINITY),
        Moment::NegInfinity => Ok(DATE_NEG_INFINITY),
        Moment::Epoch => Ok(UNIX_EPOCH_JULIAN - EPOCH_JULIAN),
        Moment::At { parts, .. } => {
            if !is_valid_julian(parts.year, parts.month) {
                return Err(out_of_range("date", text));
            }
            let date = julian(parts.year, parts.month, parts.day).wrapping_sub(EPOCH_JULIAN);
            if is_valid_date(date) {
                Ok(date)
            } else {
                Err(out_of_range("date", text))
            }
        }
    }
}

/// A `timestamp` from text.
pub(crate) fn parse_timestamp(
    text: &str,
    typmod: i32,
    cx: &EvalContext,
    zone: &Zone,
) -> SqlResult<i64> {
    let value = match read(text, cx, zone).map_err(|e| field_error(e, "timestamp", text))? {
        Moment::Infinity => TIMESTAMP_INFINITY,
        Moment::NegInfinity => TIMESTAMP_NEG_INFINITY,
        Moment::Epoch => -EPOCH_UNIX_S * SECOND_US,
        Moment::At { parts, .. } => parts
            .timestamp()
            .ok_or_else(|| out_of_range("timestamp", text))?,
    };
    timestamp_with_precision(value, typmod)
}

/// A `timestamptz` from text.
pub(crate) fn parse_timestamptz(
    text: &str,
    typmod: i32,
    cx: &EvalContext,
    zone: &Zone,
) -> SqlResult<i64> {
    let moment =
        read(text, cx, zone).map_err(|e| field_error(e, "timestamp with time zone", text))?;
    let value = match moment {
        Moment::Infinity => TIMESTAMP_INFINITY,
        Moment::NegInfinity => TIMESTAMP_NEG_INFINITY,
        Moment::Epoch => -EPOCH_UNIX_S * SECOND_US,
        Moment::At { parts, offset } => parts
            .with_offset(offset)
            .ok_or_else(|| out_of_range("timestamp", text))?,
    };
    timestamp_with_precision(value, typmod)
}

/// A `time` from text.
pub(crate) fn parse_time(text: &str, typmod: i32, cx: &EvalContext, zone: &Zone) -> SqlResult<i64> {
    let surroundings = Surroundings {
        order: cx.format.date_order,
        zone,
        now_us: cx.transaction_us,
    };
    let parts = lex(text)
        .and_then(|lexed| {
            if lexed.len() == 0 {
                Err(FieldError::BadFormat)
            } else {
                decode_time(&lexed, &surroundings)
            }
        })
        .map_err(|e| field_error(e, "time", text))?;
    Ok(time_with_precision(parts.time(), typmod))
}

/// Rounds microseconds half away from zero to `digits` after the point.
pub(crate) fn round_to_precision(value: i64, digits: i32) -> i64 {
    if !(0..6).contains(&digits) {
        return value;
    }
    let unit = 10i64.pow((6 - digits) as u32);
    let half = unit / 2;
    if value >= 0 {
        (value.saturating_add(half)) / unit * unit
    } else {
        (value.saturating_sub(half)) / unit * unit
    }
}

/// A time at a typmod's precision.
pub(crate) fn time_with_precision(time: i64, typmod: i32) -> i64 {
    let rounded = round_to_precision(time, typmod);
    debug_assert!((0..=DAY_US).contains(&rounded));
    rounded
}

/// A timestamp at a typmod's precision.
pub(crate) fn timestamp_with_precision(timestamp: i64, typmod: i32) -> SqlResult<i64> {
    if is_infinite(timestamp) {
        return Ok(timestamp);
    }
    let rounded = round_to_precision(timestamp, typmod);
    if is_valid_timestamp(rounded) {
        Ok(rounded)
    } else {
        Err(timestamp_range())
    }
}
