//! The four operations and comparison on encodings: `i128` where that suffices, else the general way.

use super::arith::{division_scale, leading};
use super::{DISPLAY_SCALE_MAX, NEGATIVE, Numeric, POSITIVE, POW10};
use alloc::vec::Vec;
use core::cmp::Ordering;
use vireo_abi::message::error::SqlResult;

/// The coefficient and scale of an encoding whose magnitude is below 2^127.
#[inline]
pub(super) fn small(bytes: &[u8]) -> Option<(i128, u16)> {
    let [class @ (POSITIVE | NEGATIVE), low, high, magnitude @ ..] = bytes else {
        return None;
    };
    let value = match magnitude.len() {
        // Byte by byte: a copy of unknown length would be a call.
        0..=8 => u128::from(
            magnitude
                .iter()
                .rev()
                .fold(0u64, |v, b| v << 8 | u64::from(*b)),
        ),
        length @ 9..=16 => {
            let mut word = [0; 16];
            word[..length].copy_from_slice(magnitude);
            u128::from_le_bytes(word)
        }
        _ => return None,
    };
    let value = i128::try_from(value).ok()?;
    let value = if *class == NEGATIVE { -value } else { value };
    Some((value, u16::from_le_bytes([*low, *high])))
}

/// Appends the encoding of a small value.
#[inline]
pub(super) fn encode_small(value: i128, scale: u16, out: &mut Vec<u8>) {
    let magnitude = value.unsigned_abs();
    let length = (128 - magnitude.leading_zeros()).div_ceil(8) as usize;
    let mut bytes = [0; 19];
    bytes[0] = if value < 0 { NEGATIVE } else { POSITIVE };
    bytes[1..3].copy_from_slice(&scale.to_le_bytes());
    bytes[3..].copy_from_slice(&magnitude.to_le_bytes());
    // All of it, then cut: a copy of a known length is no call.
    let start = out.len();
    out.extend_from_slice(&bytes);
    out.truncate(start + 3 + length);
}

/// `a * b`, if it fits. Most factors are below 2^63, and their product cannot overflow.
#[inline]
fn multiply(a: i128, b: i128) -> Option<i128> {
    match (i64::try_from(a), i64::try_from(b)) {
        (Ok(a), Ok(b)) => Some(i128::from(a) * i128::from(b)),
        _ => a.checked_mul(b),
    }
}

/// `value` × 10^`digits`, if it fits.
#[inline]
pub(super) fn scale_up(value: i128, digits: u16) -> Option<i128> {
    if digits == 0 {
        return Some(value);
    }
    let factor = i128::try_from(*POW10.get(usize::from(digits))?).ok()?;
    multiply(value, factor)
}

/// Both coefficients at the larger scale.
#[inline]
fn aligned(a: &[u8], b: &[u8]) -> Option<(i128, i128, u16)> {
    let ((a, a_scale), (b, b_scale)) = (small(a)?, small(b)?);
    let scale = a_scale.max(b_scale);
    Some((
        scale_up(a, scale - a_scale)?,
        scale_up(b, scale - b_scale)?,
        scale,
    ))
}

macro_rules! operation {
    ($(#[$doc:meta])* $name:ident, $general:ident, |$a:ident, $b:ident| $fast:expr) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// 22003; for division 22012.
        #[inline]
        pub(crate) fn $name($a: &[u8], $b: &[u8], out: &mut Vec<u8>) -> SqlResult<()> {
            let fast: Option<(i128, u16)> = (|| $fast)();
            if let Some((value, scale)) = fast {
                encode_small(value, scale, out);
                return Ok(());
            }
            Numeric::decode($a).$general(&Numeric::decode($b))?.encode(out);
            Ok(())
        }
    };
}

operation!(
    /// Appends `a + b`.
    add_into, add, |a, b| {
        let (x, y, scale) = aligned(a, b)?;
        Some((x.checked_add(y)?, scale))
    }
);
operation!(
    /// Appends `a - b`.
    subtract_into, subtract, |a, b| {
        let (x, y, scale) = aligned(a, b)?;
        Some((x.checked_sub(y)?, scale))
    }
);
operation!(
    /// Appends `a * b`.
    multiply_into, multiply, |a, b| {
        let ((x, x_scale), (y, y_scale)) = (small(a)?, small(b)?);
        let scale = x_scale.checked_add(y_scale).filter(|s| u32::from(*s) <= super::SCALE_MAX)?;
        Some((multiply(x, y)?, scale))
    }
);
operation!(
    /// Appends `a / b`.
    divide_into, divide, |a, b| {
        let ((x, x_scale), (y, y_scale)) = (small(a)?, small(b)?);
        if y == 0 {
            return None;
        }
        let scale = division_scale(
            leading(x.unsigned_abs(), x_scale), x_scale,
            leading(y.unsigned_abs(), y_scale), y_scale,
        );
        debug_assert!(i64::from(scale) <= DISPLAY_SCALE_MAX.max(i64::from(x_scale.max(y_scale))));
        let shift = i32::from(scale) + i32::from(y_scale) - i32::from(x_scale);
        let (x, y) = if shift >= 0 {
            (scale_up(x, u16::try_from(shift).ok()?)?, y)
        } else {
            (x, scale_up(y, u16::try_from(-shift).ok()?)?)
        };
        let (quotient, rest) = match (i64::try_from(x), i64::try_from(y)) {
            (Ok(x), Ok(y)) => (i128::from(x.checked_div(y)?), i128::from(x.checked_rem(y)?)),
            _ => {
                let quotient = x.checked_div(y)?;
                (quotient, x - quotient * y)
            }
        };
        let is_up = rest.unsigned_abs() >= y.unsigned_abs() - rest.unsigned_abs();
        let step = if !is_up || rest == 0 { 0 } else if (x < 0) == (y < 0) { 1 } else { -1 };
        Some((quotient + step, scale))
    }
);

/// Compares two encodings by value.
#[inline]
pub(crate) fn compare_bytes(a: &[u8], b: &[u8]) -> Ordering {
    match aligned(a, b) {
        Some((x, y, _)) => x.cmp(&y),
        None => Numeric::decode(a).compare(&Numeric::decode(b)),
    }
}

/// Appends the encoding without zeros at its end after the point: the same for equal values.
pub(crate) fn write_normalized(bytes: &[u8], out: &mut Vec<u8>) {
    match small(bytes) {
        Some((mut value, mut scale)) => {
            while scale > 0 && value % 10 == 0 {
                if value == 0 {
                    scale = 0;
                    break;
                }
                value /= 10;
                scale -= 1;
            }
            encode_small(value, scale, out);
        }
        None => Numeric::decode(bytes).normalized().encode(out),
    }
}
