//! `numeric`: exact decimals of PostgreSQL's range, with its display scales.
//!
//! A finite value is an integer coefficient and a display scale: coefficient × 10^-scale. The
//! scale says how many digits are shown after the point, so 1.0 and 1.00 are equal but differ.
//! At most 131072 digits stand before the point and 16383 after; infinities and NaN exist, NaN
//! equals itself and is above everything.
//!
//! In a bytes column a value is
//! ```text
//! byte 0      class: 0 positive or zero, 1 negative, 2 NaN, 3 Infinity, 4 -Infinity
//! bytes 1..3  scale, u16 little-endian; absent for NaN and the infinities
//! bytes 3..   magnitude of the coefficient, little-endian, without zero bytes at its end
//! ```
//! Invariants: 1. a value and scale have exactly one encoding; 2. zero has class 0 and no
//! magnitude; 3. decoding never fails: bytes that are no encoding read as NaN.
//!
//! Values up to 2^127 are computed on as `i128`, checked; larger ones by `dashu-int`.

mod arith;
mod convert;
mod fast;
mod math;
mod number_text;
mod power;
mod sum;

pub use convert::Rounding;
pub(crate) use fast::{
    add_into, compare_bytes, divide_into, multiply_into, subtract_into, write_normalized,
};
pub(crate) use sum::{NumericSum, deviation};

use alloc::vec::Vec;
use dashu_int::{IBig, Sign, UBig};

/// Most digits after the point that a value can have.
pub(crate) const SCALE_MAX: u32 = 16383;
/// Most digits before the point that a value can have.
pub(crate) const WHOLE_DIGITS_MAX: i64 = 131_072;
/// Largest scale that a computation chooses by itself.
pub(crate) const DISPLAY_SCALE_MAX: i64 = 1000;
/// Significant digits that division and the like give at least.
pub(crate) const SIGNIFICANT_DIGITS_MIN: i64 = 16;

/// A finite value: `coefficient` × 10^-`scale`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decimal {
    /// The digits.
    pub coefficient: IBig,
    /// How many of them stand after the point.
    pub scale: u16,
}

/// A `numeric`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Numeric {
    /// Not a number.
    NaN,
    /// Infinity.
    Infinity,
    /// -Infinity.
    NegInfinity,
    /// Any other.
    Finite(Decimal),
}

const POSITIVE: u8 = 0;
const NEGATIVE: u8 = 1;
const NAN: u8 = 2;
const INFINITY: u8 = 3;
const NEG_INFINITY: u8 = 4;

/// 10^n for n up to 38.
pub(crate) const POW10: [u128; 39] = {
    let mut powers = [1u128; 39];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// 10^n.
pub(crate) fn pow10(n: u32) -> UBig {
    match POW10.get(n as usize) {
        Some(power) => UBig::from(*power),
        None => UBig::from(10u8).pow(n as usize),
    }
}

/// Decimal digits of a magnitude; 0 for zero.
pub(crate) fn digit_count(magnitude: &UBig) -> u32 {
    if magnitude.is_zero() {
        return 0;
    }
    match u128::try_from(magnitude) {
        Ok(small) => small.ilog10() + 1,
        Err(_) => u32::try_from(magnitude.ilog(&UBig::from(10u8))).unwrap_or(u32::MAX - 1) + 1,
    }
}

/// The magnitude of a signed integer.
pub(crate) fn magnitude(value: &IBig) -> UBig {
    value.clone().into_parts().1
}

impl Decimal {
    /// An integer.
    pub fn from_integer(value: impl Into<IBig>) -> Decimal {
        Decimal {
            coefficient: value.into(),
            scale: 0,
        }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.coefficient.sign() == Sign::Negative
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.coefficient.is_zero()
    }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Numeric {
        Numeric::Finite(Decimal::from_integer(value))
    }
}

impl From<i128> for Numeric {
    fn from(value: i128) -> Numeric {
        Numeric::Finite(Decimal::from_integer(value))
    }
}

impl Numeric {
    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let value = match self {
            Numeric::NaN => return out.push(NAN),
            Numeric::Infinity => return out.push(INFINITY),
            Numeric::NegInfinity => return out.push(NEG_INFINITY),
            Numeric::Finite(value) => value,
        };
        out.push(if value.is_negative() {
            NEGATIVE
        } else {
            POSITIVE
        });
        out.extend_from_slice(&value.scale.to_le_bytes());
        let (_, words) = value.coefficient.as_sign_words();
        let start = out.len();
        for word in words {
            out.extend_from_slice(&word.to_le_bytes());
        }
        while out.len() > start && out.last() == Some(&0) {
            out.pop();
        }
    }

    /// The encoding.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16);
        self.encode(&mut out);
        out
    }

    /// The value of an encoding.
    pub fn decode(bytes: &[u8]) -> Numeric {
        match bytes {
            [class @ (POSITIVE | NEGATIVE), low, high, magnitude @ ..] => {
                let magnitude = match magnitude.len() {
                    0..=16 => {
                        let mut word = [0; 16];
                        word[..magnitude.len()].copy_from_slice(magnitude);
                        UBig::from(u128::from_le_bytes(word))
                    }
                    _ => UBig::from_le_bytes(magnitude),
                };
                let sign = if *class == NEGATIVE {
                    Sign::Negative
                } else {
                    Sign::Positive
                };
                Numeric::Finite(Decimal {
                    coefficient: IBig::from_parts(sign, magnitude),
                    scale: u16::from_le_bytes([*low, *high]),
                })
            }
            [INFINITY, ..] => Numeric::Infinity,
            [NEG_INFINITY, ..] => Numeric::NegInfinity,
            _ => Numeric::NaN,
        }
    }
}

#[cfg(test)]
mod tests;
