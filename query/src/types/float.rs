//! `real` and `double precision` from and to text.
//!
//! Output is the shortest text that reads back exactly (`extra_float_digits` above 0, digits by
//! Ryu, with PostgreSQL's choice among them: `float_digits`), or `%.*g` with 15 or 6 digits plus `extra_float_digits`.

use super::errors::{Fault, invalid_input};
use super::float_digits::{Binary, Decimal, strictly_between};
use super::integer::{is_space, trim_spaces};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use vireo_abi::message::error::{SqlError, SqlResult, state};

#[cold]
fn out_of_range(type_name: &str, text: &str) -> Fault {
    SqlError::new(
        state::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("\"{text}\" is out of range for type {type_name}"),
    )
}

/// A number as strtod takes it from the start of `text`: its length; 0 when there is none.
fn number_length(text: &[u8]) -> usize {
    let mut at = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let digits = |from: usize| {
        text[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let whole = digits(at);
    at += whole;
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        fraction = digits(at + 1);
        if whole + fraction > 0 {
            at += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return 0;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = text
            .get(at + 1 + sign..)
            .map_or(0, |_| digits(at + 1 + sign));
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at
}

/// The words that stand for no number.
fn special(text: &str) -> Option<f64> {
    let (sign, word) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if word.eq_ignore_ascii_case("nan") {
        Some(f64::NAN)
    } else if word.eq_ignore_ascii_case("infinity") || word.eq_ignore_ascii_case("inf") {
        Some(sign * f64::INFINITY)
    } else {
        None
    }
}

macro_rules! parser {
    ($(#[$doc:meta])* $name:ident, $float:ty, $type_name:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(text: &str) -> SqlResult<$float> {
            let trimmed = trim_spaces(text);
            if let Some(value) = special(trimmed) {
                return Ok(value as $float);
            }
            let bytes = trimmed.as_bytes();
            let length = number_length(bytes);
            if length == 0 || !bytes[length..].iter().all(|b| is_space(*b)) {
                return Err(invalid_input($type_name, text));
            }
            let value: $float = trimmed.parse().map_err(|_| invalid_input($type_name, text))?;
            let is_zero = !bytes.iter().take_while(|b| !matches!(b, b'e' | b'E')).any(|b| matches!(b, b'1'..=b'9'));
            if value.is_infinite() || (value == 0.0 && !is_zero) {
                return Err(out_of_range($type_name, trimmed));
            }
            Ok(value)
        }
    };
}

parser!(
    /// A `double precision`.
    parse_float8, f64, "double precision"
);
parser!(
    /// A `real`.
    parse_float4, f32, "real"
);

/// Digits without point, and the decimal exponent of the first: d.ddd × 10^exponent.
struct Digits {
    digits: [u8; 32],
    count: usize,
    exponent: i32,
}

impl Digits {
    fn decimal(&self) -> Decimal {
        let digits = &self.digits[..self.count];
        Decimal {
            digits: digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')),
            exponent: self.exponent - (self.count as i32 - 1),
        }
    }
}

/// Takes apart what ryu prints ("1.5", "1e16", "1.25e-7", "0.001").
fn digits_of(text: &str) -> Digits {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut d = Digits {
        digits: [0; 32],
        count: 0,
        exponent: exponent.parse().unwrap_or(0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut is_leading = true;
    if whole == "0" {
        d.exponent -= 1;
    } else {
        d.exponent += i32::try_from(whole.len()).unwrap_or(0) - 1;
    }
    let skip = usize::from(whole == "0");
    for b in whole.bytes().skip(skip).chain(fraction.bytes()) {
        if is_leading && b == b'0' {
            d.exponent -= 1;
            continue;
        }
        is_leading = false;
        if d.count < d.digits.len() {
            d.digits[d.count] = b;
            d.count += 1;
        }
    }
    while d.count > 1 && d.digits[d.count - 1] == b'0' {
        d.count -= 1;
    }
    d
}

/// Lays digits out as C's `%g` does: fixed when the exponent is in `-4..fixed_below`.
fn lay_out(d: &Digits, fixed_below: i32, out: &mut Vec<u8>) {
    let digits = &d.digits[..d.count];
    if d.exponent < -4 || d.exponent >= fixed_below {
        out.push(digits[0]);
        if d.count > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.push(b'e');
        out.push(if d.exponent < 0 { b'-' } else { b'+' });
        let exponent = d.exponent.unsigned_abs();
        if exponent < 10 {
            out.push(b'0');
        }
        super::integer::write(i64::from(exponent), out);
    } else if d.exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + d.exponent.unsigned_abs() as usize - 1, b'0');
        out.extend_from_slice(digits);
    } else {
        let whole = d.exponent as usize + 1;
        if d.count <= whole {
            out.extend_from_slice(digits);
            out.resize(out.len() + whole - d.count, b'0');
        } else {
            out.extend_from_slice(&digits[..whole]);
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
        }
    }
}

/// Writes NaN, infinities and zeros; false for other values.
fn write_special(value: f64, out: &mut Vec<u8>) -> bool {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 {
            b"Infinity"
        } else {
            b"-Infinity"
        });
    } else if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    } else {
        return false;
    }
    true
}

/// A stack buffer for core's formatting.
struct Buffer {
    bytes: [u8; 64],
    length: usize,
}

impl Write for Buffer {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        let end = self.length + s.len();
        self.bytes
            .get_mut(self.length..end)
            .ok_or(core::fmt::Error)?
            .copy_from_slice(s.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// `%.{precision}g`.
pub(crate) fn write_general(value: f64, precision: i32, out: &mut Vec<u8>) {
    if write_special(value, out) {
        return;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let precision = precision.clamp(1, 20);
    let mut buffer = Buffer {
        bytes: [0; 64],
        length: 0,
    };
    // Cannot fail: 20 digits, a point and an exponent fit.
    let _ = write!(
        buffer,
        "{:.*e}",
        (precision - 1) as usize,
        libm::fabs(value)
    );
    let text = core::str::from_utf8(&buffer.bytes[..buffer.length]).unwrap_or("0");
    lay_out(&digits_of(text), precision, out);
}

/// Writes a `double precision`.
pub(crate) fn write_float8(value: f64, extra_digits: i8, out: &mut Vec<u8>) {
    if extra_digits <= 0 {
        return write_general(value, 15 + i32::from(extra_digits), out);
    }
    if write_special(value, out) {
        return;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let value = libm::fabs(value);
    let digits = digits_of(ryu::Buffer::new().format_finite(value));
    let binary = Binary::of_f64(value);
    let digits = postgresql_digits(
        digits,
        binary,
        |digits| format!("{value:.digits$e}"),
        |text| text.parse() == Ok(value),
    );
    lay_out(&digits, 15, out);
}

/// Writes a `real`.
pub(crate) fn write_float4(value: f32, extra_digits: i8, out: &mut Vec<u8>) {
    if extra_digits <= 0 {
        return write_general(f64::from(value), 6 + i32::from(extra_digits), out);
    }
    if write_special(f64::from(value), out) {
        return;
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let value = libm::fabsf(value);
    let digits = digits_of(ryu::Buffer::new().format_finite(value));
    let binary = Binary::of_f32(value);
    let digits = postgresql_digits(
        digits,
        binary,
        |digits| format!("{value:.digits$e}"),
        |text| text.parse() == Ok(value),
    );
    lay_out(&digits, 6, out);
}

/// Ryu's digits, or others where PostgreSQL takes others.
fn postgresql_digits(
    ryu: Digits,
    binary: Binary,
    rounded: impl Fn(usize) -> String,
    reads_back: impl Fn(&str) -> bool,
) -> Digits {
    if !binary.has_middle(ryu.decimal()) {
        return ryu;
    }
    match strictly_between(binary, ryu.count, rounded, reads_back) {
        Some(decimal) => digits_of(&format!("{}e{}", decimal.digits, decimal.exponent)),
        None => ryu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: f64, expected: &str) {
        let mut out = Vec::new();
        write_float8(value, 1, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn shortest() {
        check(1e20, "1e+20");
        check(1e-5, "1e-05");
        check(0.0001, "0.0001");
        check(123456789012345.0, "123456789012345");
        check(1e15, "1e+15");
        check(0.1 + 0.2, "0.30000000000000004");
        check(-1.5, "-1.5");
        check(100.0, "100");
        check(f64::MAX, "1.7976931348623157e+308");
    }

    #[test]
    fn no_shortest_form_is_a_middle() {
        // Answers of PostgreSQL 15.
        check(336_250_929_617_148_032.0, "3.3625092961714803e+17");
    }

    #[test]
    fn general() {
        let mut out = Vec::new();
        write_float8(1.0 / 3.0, 0, &mut out);
        assert_eq!(out, b"0.333333333333333");
    }
}
