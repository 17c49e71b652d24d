//! `numeric` from and to integers, floats and libpq's base-10000 digits.

use super::{Decimal, Numeric, magnitude, pow10};
use crate::types::errors::Fault;
use crate::types::float::{parse_float8, write_general};
use alloc::string::String;
use alloc::vec::Vec;
use dashu_int::{IBig, Sign, UBig, Word};
use vireo_abi::message::error::{SqlError, SqlResult, state};

const SIGN_NEGATIVE: u16 = 0x4000;
const SIGN_NAN: u16 = 0xc000;
const SIGN_INFINITY: u16 = 0xd000;
const SIGN_NEG_INFINITY: u16 = 0xf000;

/// Which significant digits of a float count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rounding {
    /// 6, of a `real`.
    Float4,
    /// 15, of a `double precision`.
    Float8,
}

#[cold]
fn invalid_binary(message: &str) -> Fault {
    SqlError::new(state::INVALID_BINARY_REPRESENTATION, message)
}

impl Numeric {
    /// A float's value to 6 or 15 significant digits, as PostgreSQL converts.
    ///
    /// # Errors
    /// None in practice: every float is in range.
    pub fn from_float(value: f64, rounding: Rounding) -> SqlResult<Numeric> {
        if value.is_nan() {
            return Ok(Numeric::NaN);
        }
        if value.is_infinite() {
            return Ok(if value > 0.0 {
                Numeric::Infinity
            } else {
                Numeric::NegInfinity
            });
        }
        let mut text = Vec::with_capacity(32);
        write_general(
            value,
            if rounding == Rounding::Float4 { 6 } else { 15 },
            &mut text,
        );
        Numeric::parse(core::str::from_utf8(&text).unwrap_or("NaN"))
    }

    /// The nearest `double precision`; an error when it is too large.
    ///
    /// # Errors
    /// 22003.
    pub fn to_float8(&self) -> SqlResult<f64> {
        match self {
            Numeric::NaN => Ok(f64::NAN),
            Numeric::Infinity => Ok(f64::INFINITY),
            Numeric::NegInfinity => Ok(f64::NEG_INFINITY),
            Numeric::Finite(_) => parse_float8(&self.to_text()),
        }
    }

    /// The text form.
    pub(crate) fn to_text(&self) -> String {
        let mut text = Vec::with_capacity(32);
        self.write(&mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    /// The nearest integer, half away from zero; none when it is outside i128 or not finite.
    pub fn to_i128(&self) -> Option<i128> {
        match self {
            Numeric::Finite(value) => i128::try_from(&value.round(0).coefficient).ok(),
            _ => None,
        }
    }

    /// Appends libpq's binary form.
    pub fn write_binary(&self, out: &mut Vec<u8>) {
        let special = |sign: u16, out: &mut Vec<u8>| {
            for word in [0, 0, sign, 0] {
                out.extend_from_slice(&word.to_be_bytes());
            }
        };
        let value = match self {
            Numeric::NaN => return special(SIGN_NAN, out),
            Numeric::Infinity => return special(SIGN_INFINITY, out),
            Numeric::NegInfinity => return special(SIGN_NEG_INFINITY, out),
            Numeric::Finite(value) => value,
        };
        let padding = (4 - value.scale % 4) % 4;
        let mut magnitude = magnitude(&value.coefficient);
        if padding > 0 {
            magnitude *= pow10(u32::from(padding));
        }
        let fraction_groups = i32::from((value.scale + padding) / 4);
        let mut digits = if magnitude.is_zero() {
            Vec::new()
        } else {
            magnitude.to_digits(10_000)
        };
        let weight = if digits.is_empty() {
            0
        } else {
            digits.len() as i32 - 1 - fraction_groups
        };
        while digits.last() == Some(&0) {
            digits.pop();
        }
        out.extend_from_slice(&(digits.len() as i16).to_be_bytes());
        out.extend_from_slice(&(weight as i16).to_be_bytes());
        let sign = if value.is_negative() {
            SIGN_NEGATIVE
        } else {
            0
        };
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&value.scale.to_be_bytes());
        for digit in digits {
            out.extend_from_slice(&(digit as u16).to_be_bytes());
        }
    }

    /// A value from libpq's binary form.
    ///
    /// # Errors
    /// 22P03.
    pub fn parse_binary(bytes: &[u8]) -> SqlResult<Numeric> {
        let word = |i: usize| {
            bytes
                .get(i * 2..i * 2 + 2)
                .map(|b| u16::from_be_bytes([b[0], b[1]]))
        };
        let header = (word(0), word(1), word(2), word(3));
        let (Some(count), Some(weight), Some(sign), Some(scale)) = header else {
            return Err(invalid_binary("insufficient data left in message"));
        };
        let (count, weight) = (usize::from(count), i32::from(weight as i16));
        if bytes.len() < 8 + count * 2 {
            return Err(invalid_binary("insufficient data left in message"));
        }
        if bytes.len() > 8 + count * 2 {
            return Err(invalid_binary(crate::types::input::TRAILING_DATA));
        }
        match sign {
            SIGN_NAN => return Ok(Numeric::NaN),
            SIGN_INFINITY => return Ok(Numeric::Infinity),
            SIGN_NEG_INFINITY => return Ok(Numeric::NegInfinity),
            0 | SIGN_NEGATIVE => {}
            _ => return Err(invalid_binary("invalid sign in external \"numeric\" value")),
        }
        if u32::from(scale) > super::SCALE_MAX {
            return Err(invalid_binary(
                "invalid scale in external \"numeric\" value",
            ));
        }
        let mut digits: Vec<Word> = Vec::with_capacity(count);
        for i in 0..count {
            let digit = word(4 + i).unwrap_or(u16::MAX);
            if digit >= 10_000 {
                return Err(invalid_binary(
                    "invalid digit in external \"numeric\" value",
                ));
            }
            digits.push(Word::from(digit));
        }
        let magnitude = if digits.is_empty() {
            UBig::ZERO
        } else {
            UBig::from_digits(10_000, &digits).unwrap_or(UBig::ZERO)
        };
        let sign = if sign == SIGN_NEGATIVE {
            Sign::Negative
        } else {
            Sign::Positive
        };
        let coefficient = IBig::from_parts(sign, magnitude);
        let has_scale = (count as i32 - 1 - weight) * 4; // digits after the point as sent
        let value = if has_scale <= 0 {
            let factor = IBig::from(pow10(has_scale.unsigned_abs()));
            Decimal {
                coefficient: coefficient * factor,
                scale: 0,
            }
        } else if let Ok(has_scale) = u16::try_from(has_scale) {
            Decimal {
                coefficient,
                scale: has_scale,
            }
        } else {
            return Err(invalid_binary(
                "invalid scale in external \"numeric\" value",
            ));
        };
        value.truncate(i32::from(scale)).checked()
    }
}
