//! The memcomparable form of `numeric`.
//!
//! ```text
//!  class     1 -Infinity, 2 negative, 3 zero, 4 positive, 5 Infinity, 6 NaN
//!  exponent  u32 big-endian, sign bit turned over: the value is 0.d1 d2 d3 … × 10^exponent, d1 not zero
//!  digits    two to a byte, plus one; no zeros at the end but one that fills a byte; then 0
//! ```
//!
//! After class 2 every bit is turned over; the other classes but 4 have nothing behind them. The scale is not in it:
//! 1.0 and 1.00 are one key.

use crate::types::numeric::{Decimal, Numeric, magnitude};
use alloc::string::ToString;
use alloc::vec::Vec;

const NEG_INFINITY: u8 = 1;
const NEGATIVE: u8 = 2;
const ZERO: u8 = 3;
const POSITIVE: u8 = 4;
const INFINITY: u8 = 5;
const NAN: u8 = 6;

/// Decimal digits of the largest `u128`.
const SMALL_DIGITS: usize = 39;

/// Appends the key of a `numeric` in its column form.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    match Numeric::decode(bytes) {
        Numeric::NaN => out.push(NAN),
        Numeric::Infinity => out.push(INFINITY),
        Numeric::NegInfinity => out.push(NEG_INFINITY),
        Numeric::Finite(value) if value.is_zero() => out.push(ZERO),
        Numeric::Finite(value) => encode_finite(&value, out),
    }
}

fn encode_finite(value: &Decimal, out: &mut Vec<u8>) {
    out.push(if value.is_negative() {
        NEGATIVE
    } else {
        POSITIVE
    });
    let start = out.len();
    let magnitude = magnitude(&value.coefficient);
    match u128::try_from(&magnitude) {
        Ok(small) => {
            let mut digits = [0; SMALL_DIGITS];
            let first = write_digits(small, &mut digits);
            encode_digits(&digits[first..], value.scale, out);
        }
        Err(_) => {
            let text = magnitude.to_string();
            let digits: Vec<u8> = text.bytes().map(|b| b - b'0').collect();
            encode_digits(&digits, value.scale, out);
        }
    }
    if value.is_negative() {
        for byte in &mut out[start..] {
            *byte = !*byte;
        }
    }
}

/// Writes the digits at the end of the buffer. Where they begin.
fn write_digits(mut value: u128, digits: &mut [u8; SMALL_DIGITS]) -> usize {
    let mut at = SMALL_DIGITS;
    while value > u128::from(u64::MAX) {
        at -= 1;
        digits[at] = (value % 10) as u8;
        value /= 10;
    }
    let mut value = value as u64;
    while value > 0 {
        at -= 1;
        digits[at] = (value % 10) as u8;
        value /= 10;
    }
    at
}

/// `digits` begin with one that is not zero.
fn encode_digits(digits: &[u8], scale: u16, out: &mut Vec<u8>) {
    let exponent = digits.len() as i64 - i64::from(scale);
    out.extend_from_slice(&(exponent as i32 ^ i32::MIN).to_be_bytes());
    let length = digits
        .iter()
        .rposition(|d| *d != 0)
        .map_or(0, |last| last + 1);
    for pair in digits[..length].chunks(2) {
        let second = pair.get(1).copied().unwrap_or(0);
        out.push(pair[0] * 10 + second + 1);
    }
    out.push(0);
}
