//! `numeric` from and to text, and the typmod `numeric(p, s)`.

use super::{Decimal, Numeric, SCALE_MAX, WHOLE_DIGITS_MAX, digit_count, magnitude, pow10};
use crate::types::errors::{invalid_input, numeric_overflow};
use crate::types::integer::{is_space, trim_spaces};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use dashu_int::{IBig, Sign, UBig};
use vireo_abi::message::error::{SqlError, SqlResult, state};

/// The parts of a decimal number's text.
struct Parts<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

/// Splits `[sign] digits [. digits] [e exponent]`.
fn split(text: &str) -> Option<Parts<'_>> {
    let (is_negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = |s: &str| {
        s.bytes()
            .position(|b| !b.is_ascii_digit())
            .unwrap_or(s.len())
    };
    let (whole, rest) = rest.split_at(end(rest));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(tail) => tail.split_at(end(tail)),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest.as_bytes().first() {
        None => 0,
        Some(b'e' | b'E') => {
            let digits = &rest[1..];
            let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
            if unsigned.is_empty() || end(unsigned) != unsigned.len() {
                return None;
            }
            let value: i64 = unsigned
                .parse()
                .ok()
                .filter(|e| *e < i64::from(i32::MAX / 2))?;
            if digits.starts_with('-') {
                -value
            } else {
                value
            }
        }
        Some(_) => return None,
    };
    Some(Parts {
        is_negative,
        whole,
        fraction,
        exponent,
    })
}

/// The integer that two runs of digits together spell.
fn parse_digits(whole: &str, fraction: &str) -> UBig {
    if whole.len() + fraction.len() <= 38 {
        let value = whole
            .bytes()
            .chain(fraction.bytes())
            .fold(0u128, |v, b| v * 10 + u128::from(b - b'0'));
        return UBig::from(value);
    }
    let parse = |s: &str| {
        if s.is_empty() {
            UBig::ZERO
        } else {
            UBig::from_str_radix(s, 10).unwrap_or(UBig::ZERO)
        }
    };
    parse(whole) * pow10(fraction.len() as u32) + parse(fraction)
}

impl Numeric {
    /// A value from text.
    ///
    /// # Errors
    /// 22P02, 22003.
    pub fn parse(text: &str) -> SqlResult<Numeric> {
        let trimmed = trim_spaces(text);
        let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
        if trimmed.eq_ignore_ascii_case("nan") {
            return Ok(Numeric::NaN);
        }
        if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
            return Ok(if trimmed.starts_with('-') {
                Numeric::NegInfinity
            } else {
                Numeric::Infinity
            });
        }
        debug_assert!(!trimmed.bytes().next().is_some_and(is_space));
        let parts = split(trimmed).ok_or_else(|| invalid_input("numeric", text))?;
        let whole = parts.whole.trim_start_matches('0');
        let scale = parts.fraction.len() as i64 - parts.exponent;
        let is_zero = whole.is_empty() && parts.fraction.bytes().all(|b| b == b'0');
        if scale > i64::from(SCALE_MAX) {
            return Err(numeric_overflow());
        }
        if is_zero {
            return Ok(Numeric::Finite(Decimal {
                coefficient: IBig::ZERO,
                scale: scale.max(0) as u16,
            }));
        }
        if whole.len() as i64 + parts.exponent > WHOLE_DIGITS_MAX + parts.fraction.len() as i64 {
            return Err(numeric_overflow());
        }
        let mut digits = parse_digits(whole, parts.fraction);
        if scale < 0 {
            digits *= pow10(scale.unsigned_abs() as u32);
        }
        let sign = if parts.is_negative {
            Sign::Negative
        } else {
            Sign::Positive
        };
        let coefficient = IBig::from_parts(sign, digits);
        Decimal {
            coefficient,
            scale: scale.max(0) as u16,
        }
        .checked()
    }

    /// Appends the text form.
    pub fn write(&self, out: &mut Vec<u8>) {
        let value = match self {
            Numeric::NaN => return out.extend_from_slice(b"NaN"),
            Numeric::Infinity => return out.extend_from_slice(b"Infinity"),
            Numeric::NegInfinity => return out.extend_from_slice(b"-Infinity"),
            Numeric::Finite(value) => value,
        };
        if value.is_negative() {
            out.push(b'-');
        }
        let magnitude = magnitude(&value.coefficient);
        match u128::try_from(&magnitude) {
            Ok(small) => place_point(
                itoa::Buffer::new().format(small).as_bytes(),
                value.scale,
                out,
            ),
            Err(_) => place_point(magnitude.to_string().as_bytes(), value.scale, out),
        }
    }

    /// Enforces a typmod: rounds to its scale, refuses more digits than its precision.
    ///
    /// # Errors
    /// 22003 `numeric field overflow`.
    pub fn with_typmod(self, typmod: i32) -> SqlResult<Numeric> {
        if typmod < 4 {
            return Ok(self);
        }
        let precision = (typmod - 4) >> 16 & 0xffff;
        let scale = ((typmod - 4) & 0x7ff ^ 1024) - 1024;
        let overflow = |detail: alloc::string::String| {
            SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow")
                .with_detail(detail)
        };
        match self {
            Numeric::NaN => Ok(Numeric::NaN),
            Numeric::Finite(value) => {
                let rounded = value.round(scale);
                let digits = digit_count(&super::magnitude(&rounded.coefficient)) as i32
                    - i32::from(rounded.scale);
                let whole_max = precision - scale;
                if !rounded.is_zero() && digits > whole_max {
                    let bound = if whole_max == 0 {
                        "1".into()
                    } else {
                        format!("10^{whole_max}")
                    };
                    return Err(overflow(format!(
                        "A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}."
                    )));
                }
                Ok(Numeric::Finite(rounded))
            }
            _ => Err(overflow(format!(
                "A field with precision {precision}, scale {scale} cannot hold an infinite value."
            ))),
        }
    }
}

/// Writes digits with a point before the last `scale` of them.
fn place_point(digits: &[u8], scale: u16, out: &mut Vec<u8>) {
    let scale = usize::from(scale);
    if scale == 0 {
        return out.extend_from_slice(digits);
    }
    if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + scale - digits.len(), b'0');
        out.extend_from_slice(digits);
    }
}
