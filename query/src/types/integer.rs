//! Integers and `oid` from text, as `pg_strtoint32` reads them: blanks around, a sign, digits.

use super::errors::{Fault, invalid_input, value_out_of_range};
use vireo_abi::message::error::SqlResult;

/// What is wrong with a text that is no integer.
enum Wrong {
    Syntax,
    Range,
}

/// C's isspace in the "C" locale.
pub(crate) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\x0b' | b'\x0c' | b'\r')
}

/// `text` without C's blanks at both ends.
pub(crate) fn trim_spaces(text: &str) -> &str {
    text.trim_matches(|c: char| u8::try_from(c).is_ok_and(is_space))
}

fn parse(text: &str, min: i64, max: i64) -> Result<i64, Wrong> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && is_space(bytes[at]) {
        at += 1;
    }
    let is_negative = match bytes.get(at) {
        Some(b'-') => {
            at += 1;
            true
        }
        Some(b'+') => {
            at += 1;
            false
        }
        _ => false,
    };
    let first = at;
    let mut value: i64 = 0; // negative: the range is wider on that side
    while let Some(digit) = bytes
        .get(at)
        .map(|b| b.wrapping_sub(b'0'))
        .filter(|d| *d <= 9)
    {
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_sub(i64::from(digit)))
            .filter(|v| *v >= min)
            .ok_or(Wrong::Range)?;
        at += 1;
    }
    if at == first || !bytes[at..].iter().all(|b| is_space(*b)) {
        return Err(Wrong::Syntax);
    }
    if is_negative {
        return Ok(value);
    }
    value
        .checked_neg()
        .filter(|v| *v <= max)
        .ok_or(Wrong::Range)
}

fn describe(wrong: Wrong, type_name: &str, text: &str) -> Fault {
    match wrong {
        Wrong::Syntax => invalid_input(type_name, text),
        Wrong::Range => value_out_of_range(type_name, text),
    }
}

/// A `smallint`.
pub(crate) fn parse_int2(text: &str) -> SqlResult<i16> {
    parse(text, i64::from(i16::MIN), i64::from(i16::MAX))
        .map(|v| v as i16)
        .map_err(|w| describe(w, "smallint", text))
}

/// An `integer`.
pub(crate) fn parse_int4(text: &str) -> SqlResult<i32> {
    parse(text, i64::from(i32::MIN), i64::from(i32::MAX))
        .map(|v| v as i32)
        .map_err(|w| describe(w, "integer", text))
}

/// A `bigint`.
pub(crate) fn parse_int8(text: &str) -> SqlResult<i64> {
    parse(text, i64::MIN, i64::MAX).map_err(|w| describe(w, "bigint", text))
}

/// An `oid`: strtoul's rules, which take -1 for 4294967295.
pub(crate) fn parse_oid(text: &str) -> SqlResult<i64> {
    match parse(text, -i64::from(u32::MAX), i64::from(u32::MAX)) {
        Ok(v) if v >= i64::from(i32::MIN) => Ok(i64::from(v as u32)),
        Ok(_) => Err(value_out_of_range("oid", text)),
        Err(w) => Err(describe(w, "oid", text)),
    }
}

/// Appends decimal digits.
pub(crate) fn write(value: i64, out: &mut alloc::vec::Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}
