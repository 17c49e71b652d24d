//! Exact arithmetic, comparison and rounding, with PostgreSQL's result scales.

use super::{
    DISPLAY_SCALE_MAX, Decimal, Numeric, SCALE_MAX, SIGNIFICANT_DIGITS_MIN, WHOLE_DIGITS_MAX,
    digit_count, magnitude, pow10,
};
use crate::types::errors::{division_by_zero, numeric_overflow};
use core::cmp::Ordering;
use dashu_base::{Abs, DivRem, UnsignedAbs};
use dashu_int::{IBig, Sign, UBig};
use vireo_abi::message::error::SqlResult;

/// The weight of the leading base-10000 digit, and that digit: what PostgreSQL's scale rules look at.
pub(super) fn leading(magnitude: u128, scale: u16) -> (i32, u32) {
    if magnitude == 0 {
        return (0, 0);
    }
    let digits = magnitude.ilog10() as i32 + 1;
    let exponent = digits - 1 - i32::from(scale);
    let weight = exponent.div_euclid(4);
    let wanted = exponent - 4 * weight + 1;
    let first = if wanted >= digits {
        magnitude * super::POW10[(wanted - digits) as usize]
    } else {
        magnitude / super::POW10[(digits - wanted) as usize]
    };
    (weight, first as u32)
}

/// [`leading`] of any decimal.
pub(super) fn leading_of(value: &Decimal) -> (i32, u32) {
    let magnitude = magnitude(&value.coefficient);
    if let Ok(small) = u128::try_from(&magnitude) {
        return leading(small, value.scale);
    }
    let digits = digit_count(&magnitude) as i32;
    let exponent = digits - 1 - i32::from(value.scale);
    let weight = exponent.div_euclid(4);
    let wanted = exponent - 4 * weight + 1; // below 5, and there are over 38 digits
    let first = magnitude / pow10((digits - wanted) as u32);
    (weight, u32::try_from(&first).unwrap_or(0))
}

/// `select_div_scale` of PostgreSQL's numeric.c: at least 16 significant digits, and no fewer
/// digits after the point than either operand shows.
pub(super) fn division_scale(a: (i32, u32), a_scale: u16, b: (i32, u32), b_scale: u16) -> u16 {
    let mut weight = a.0 - b.0;
    if a.1 <= b.1 {
        weight -= 1;
    }
    let scale = (SIGNIFICANT_DIGITS_MIN - i64::from(weight) * 4)
        .max(i64::from(a_scale))
        .max(i64::from(b_scale))
        .clamp(0, DISPLAY_SCALE_MAX);
    scale as u16
}

/// `numerator / denominator` rounded half away from zero.
pub(super) fn divide_rounded(numerator: IBig, denominator: &IBig) -> IBig {
    let is_negative =
        (numerator.sign() == Sign::Negative) != (denominator.sign() == Sign::Negative);
    let (quotient, rest) = numerator.div_rem(denominator);
    if rest.unsigned_abs() * 2u8 >= denominator.unsigned_abs() {
        if is_negative {
            quotient - 1
        } else {
            quotient + 1
        }
    } else {
        quotient
    }
}

impl Decimal {
    /// The coefficient that the value has at a scale not below its own.
    pub(crate) fn at_scale(&self, scale: u16) -> IBig {
        match scale - self.scale {
            0 => self.coefficient.clone(),
            digits => &self.coefficient * IBig::from(pow10(u32::from(digits))),
        }
    }

    /// Rounded half away from zero to `digits` after the point (before it, where negative).
    #[must_use]
    pub fn round(&self, digits: i32) -> Decimal {
        self.shorten(digits, divide_rounded)
    }

    /// Cut to `digits` after the point (before it, where negative).
    #[must_use]
    pub fn truncate(&self, digits: i32) -> Decimal {
        self.shorten(digits, |n, d| n / d)
    }

    fn shorten(&self, digits: i32, divide: impl Fn(IBig, &IBig) -> IBig) -> Decimal {
        let digits = digits.clamp(-(WHOLE_DIGITS_MAX as i32) - 1, SCALE_MAX as i32);
        let scale = digits.max(0) as u16;
        if digits >= i32::from(self.scale) {
            return Decimal {
                coefficient: self.at_scale(scale),
                scale,
            };
        }
        let dropped = (i32::from(self.scale) - digits) as u32;
        let quotient = divide(self.coefficient.clone(), &IBig::from(pow10(dropped)));
        let coefficient = if digits < 0 {
            quotient * IBig::from(pow10(digits.unsigned_abs()))
        } else {
            quotient
        };
        Decimal { coefficient, scale }
    }

    /// The largest integer not above, or the smallest not below.
    #[must_use]
    pub fn to_whole(&self, is_up: bool) -> Decimal {
        let (quotient, rest) = self
            .coefficient
            .clone()
            .div_rem(IBig::from(pow10(u32::from(self.scale))));
        let coefficient = match (rest.is_zero(), self.is_negative(), is_up) {
            (false, false, true) => quotient + 1,
            (false, true, false) => quotient - 1,
            _ => quotient,
        };
        Decimal {
            coefficient,
            scale: 0,
        }
    }

    /// The exact sum.
    #[must_use]
    pub fn plus(&self, other: &Decimal) -> Decimal {
        let scale = self.scale.max(other.scale);
        Decimal {
            coefficient: self.at_scale(scale) + other.at_scale(scale),
            scale,
        }
    }

    /// The product, rounded where it has more digits than a value can show.
    #[must_use]
    pub fn times(&self, other: &Decimal) -> Decimal {
        let coefficient = &self.coefficient * &other.coefficient;
        let scale = u32::from(self.scale) + u32::from(other.scale);
        if scale <= SCALE_MAX {
            return Decimal {
                coefficient,
                scale: scale as u16,
            };
        }
        let excess = IBig::from(pow10(scale - SCALE_MAX));
        Decimal {
            coefficient: divide_rounded(coefficient, &excess),
            scale: SCALE_MAX as u16,
        }
    }

    /// The quotient rounded to `scale`; the divisor is not zero.
    #[must_use]
    pub(crate) fn over(&self, divisor: &Decimal, scale: u16) -> Decimal {
        let shift = i64::from(scale) + i64::from(divisor.scale) - i64::from(self.scale);
        let factor = IBig::from(pow10(shift.unsigned_abs() as u32));
        let coefficient = if shift >= 0 {
            divide_rounded(&self.coefficient * factor, &divisor.coefficient)
        } else {
            divide_rounded(self.coefficient.clone(), &(&divisor.coefficient * factor))
        };
        Decimal { coefficient, scale }
    }

    /// The scale that `self / divisor` gets.
    pub(crate) fn scale_over(&self, divisor: &Decimal) -> u16 {
        division_scale(
            leading_of(self),
            self.scale,
            leading_of(divisor),
            divisor.scale,
        )
    }

    /// Order by value.
    pub fn compare(&self, other: &Decimal) -> Ordering {
        match self.scale.cmp(&other.scale) {
            Ordering::Equal => self.coefficient.cmp(&other.coefficient),
            Ordering::Less => self.at_scale(other.scale).cmp(&other.coefficient),
            Ordering::Greater => self.coefficient.cmp(&other.at_scale(self.scale)),
        }
    }

    /// Checks the limits of the format.
    pub(crate) fn checked(self) -> SqlResult<Numeric> {
        let whole = i64::from(digit_count(&magnitude(&self.coefficient))) - i64::from(self.scale);
        if whole > WHOLE_DIGITS_MAX || u32::from(self.scale) > SCALE_MAX {
            return Err(numeric_overflow());
        }
        Ok(Numeric::Finite(self))
    }
}

/// The sign as -1, 0, 1; NaN has none.
fn sign_of(value: &Numeric) -> Option<i8> {
    Some(match value {
        Numeric::NaN => return None,
        Numeric::Infinity => 1,
        Numeric::NegInfinity => -1,
        Numeric::Finite(d) if d.is_zero() => 0,
        Numeric::Finite(d) if d.is_negative() => -1,
        Numeric::Finite(_) => 1,
    })
}

/// An infinity of a sign.
fn infinity(is_negative: bool) -> Numeric {
    if is_negative {
        Numeric::NegInfinity
    } else {
        Numeric::Infinity
    }
}

impl Numeric {
    /// Order: -Infinity, finite values, Infinity, NaN.
    pub fn compare(&self, other: &Numeric) -> Ordering {
        let rank = |n: &Numeric| match n {
            Numeric::NegInfinity => 0,
            Numeric::Finite(_) => 1,
            Numeric::Infinity => 2,
            Numeric::NaN => 3,
        };
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => a.compare(b),
            _ => rank(self).cmp(&rank(other)),
        }
    }

    /// -1, 0 or 1; 0 for NaN too.
    pub(crate) fn signum(&self) -> i8 {
        sign_of(self).unwrap_or(0)
    }

    /// `self + other`.
    ///
    /// # Errors
    /// 22003.
    pub fn add(&self, other: &Numeric) -> SqlResult<Numeric> {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => a.plus(b).checked(),
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (Numeric::Infinity, Numeric::NegInfinity)
            | (Numeric::NegInfinity, Numeric::Infinity) => Ok(Numeric::NaN),
            (Numeric::Finite(_), infinite) | (infinite, _) => Ok(infinite.clone()),
        }
    }

    /// `-self`.
    #[must_use]
    pub fn negate(&self) -> Numeric {
        match self {
            Numeric::NaN => Numeric::NaN,
            Numeric::Infinity => Numeric::NegInfinity,
            Numeric::NegInfinity => Numeric::Infinity,
            Numeric::Finite(d) => Numeric::Finite(Decimal {
                coefficient: -d.coefficient.clone(),
                scale: d.scale,
            }),
        }
    }

    /// The absolute value.
    #[must_use]
    pub fn absolute(&self) -> Numeric {
        match self {
            Numeric::NegInfinity => Numeric::Infinity,
            Numeric::Finite(d) => Numeric::Finite(Decimal {
                coefficient: d.coefficient.clone().abs(),
                scale: d.scale,
            }),
            other => other.clone(),
        }
    }

    /// `self - other`.
    ///
    /// # Errors
    /// 22003.
    pub fn subtract(&self, other: &Numeric) -> SqlResult<Numeric> {
        self.add(&other.negate())
    }

    /// `self * other`.
    ///
    /// # Errors
    /// 22003.
    pub fn multiply(&self, other: &Numeric) -> SqlResult<Numeric> {
        if let (Numeric::Finite(a), Numeric::Finite(b)) = (self, other) {
            return a.times(b).checked();
        }
        Ok(match (sign_of(self), sign_of(other)) {
            (None, _) | (_, None) | (Some(0), _) | (_, Some(0)) => Numeric::NaN,
            (Some(a), Some(b)) => infinity(a != b),
        })
    }

    /// `self / other`.
    ///
    /// # Errors
    /// 22012, 22003.
    pub fn divide(&self, other: &Numeric) -> SqlResult<Numeric> {
        match (self, other) {
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (_, Numeric::Finite(b)) if b.is_zero() => Err(division_by_zero()),
            (Numeric::Finite(a), Numeric::Finite(b)) => a.over(b, a.scale_over(b)).checked(),
            (Numeric::Finite(_), _) => Ok(Numeric::from(0i64)),
            (_, Numeric::Finite(_)) => Ok(infinity(self.signum() != other.signum())),
            _ => Ok(Numeric::NaN),
        }
    }

    /// The integer quotient (`div`).
    ///
    /// # Errors
    /// 22012, 22003.
    pub fn divide_whole(&self, other: &Numeric) -> SqlResult<Numeric> {
        if let (Numeric::Finite(a), Numeric::Finite(b)) = (self, other)
            && !b.is_zero()
        {
            let scale = a.scale.max(b.scale);
            return Decimal::from_integer(a.at_scale(scale) / b.at_scale(scale)).checked();
        }
        self.divide(other)
    }

    /// The remainder, with the dividend's sign.
    ///
    /// # Errors
    /// 22012.
    pub fn remainder(&self, other: &Numeric) -> SqlResult<Numeric> {
        match (self, other) {
            (Numeric::NaN, _) | (_, Numeric::NaN) => Ok(Numeric::NaN),
            (_, Numeric::Finite(b)) if b.is_zero() => Err(division_by_zero()),
            (Numeric::Finite(a), Numeric::Finite(b)) => {
                let scale = a.scale.max(b.scale);
                let coefficient = a.at_scale(scale) % b.at_scale(scale);
                Ok(Numeric::Finite(Decimal { coefficient, scale }))
            }
            (Numeric::Finite(_), _) => Ok(self.clone()),
            _ => Ok(Numeric::NaN),
        }
    }

    /// The value without zeros at its end after the point: equal values become identical.
    #[must_use]
    pub(crate) fn normalized(&self) -> Numeric {
        let Numeric::Finite(d) = self else {
            return self.clone();
        };
        if d.is_zero() {
            return Numeric::from(0i64);
        }
        let (mut coefficient, mut scale) = (d.coefficient.clone(), d.scale);
        let ten = IBig::from(10u8);
        while scale > 0 {
            let (quotient, rest) = coefficient.clone().div_rem(&ten);
            if !rest.is_zero() {
                break;
            }
            coefficient = quotient;
            scale -= 1;
        }
        Numeric::Finite(Decimal { coefficient, scale })
    }
}

/// The greatest common divisor of two magnitudes.
pub(super) fn gcd(a: UBig, b: UBig) -> UBig {
    use dashu_base::Gcd;
    if a.is_zero() {
        b
    } else if b.is_zero() {
        a
    } else {
        a.gcd(b)
    }
}
