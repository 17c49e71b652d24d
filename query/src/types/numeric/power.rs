//! `power(numeric, numeric)`.

use super::math::{
    LOG10_E, approximate, clamp_scale, context, exp_at, from_float, ln_at, ln_weight, to_repr,
};
use super::{
    DISPLAY_SCALE_MAX, Decimal, Numeric, SIGNIFICANT_DIGITS_MIN, WHOLE_DIGITS_MAX, magnitude, pow10,
};
use crate::types::errors::{Fault, division_by_zero, numeric_overflow};
use core::cmp::Ordering;
use dashu_base::Approximation;
use dashu_int::IBig;
use vireo_abi::message::error::{SqlError, SqlResult, state};

#[cold]
fn undefined(message: &str) -> Fault {
    SqlError::new(state::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message)
}

/// Whether a value is an integer.
fn is_whole(value: &Decimal) -> bool {
    value.truncate(0).compare(value) == Ordering::Equal
}

/// Whether an integer is odd.
fn is_odd(value: &Decimal) -> bool {
    let whole = value.truncate(0).coefficient;
    !(whole % IBig::from(2)).is_zero()
}

impl Numeric {
    /// `self` to the power of `exponent`.
    ///
    /// # Errors
    /// 2201F, 22003.
    pub fn power(&self, exponent: &Numeric) -> SqlResult<Numeric> {
        if let (Numeric::Finite(base), Numeric::Finite(exponent)) = (self, exponent) {
            if base.is_zero() && exponent.is_negative() {
                return Err(undefined("zero raised to a negative power is undefined"));
            }
            if base.is_negative() && !is_whole(exponent) {
                return Err(undefined(
                    "a negative number raised to a non-integer power yields a complex result",
                ));
            }
            return power_finite(base, exponent)?.checked();
        }
        self.power_special(exponent)
    }

    /// POSIX's rules for powers where one side is not finite.
    fn power_special(&self, exponent: &Numeric) -> SqlResult<Numeric> {
        let one = Numeric::from(1i64);
        let is_one = |n: &Numeric| n.compare(&one) == Ordering::Equal;
        let is_zero = |n: &Numeric| matches!(n, Numeric::Finite(d) if d.is_zero());
        match (self, exponent) {
            (Numeric::NaN, e) => Ok(if is_zero(e) { one } else { Numeric::NaN }),
            (b, Numeric::NaN) => Ok(if is_one(b) { one } else { Numeric::NaN }),
            (b, _) if is_one(b) => Ok(one),
            (_, e) if is_zero(e) => Ok(one),
            (b, e) if is_zero(b) => {
                if e.signum() < 0 {
                    return Err(undefined("zero raised to a negative power is undefined"));
                }
                Ok(Numeric::from(0i64))
            }
            (_, Numeric::Infinity | Numeric::NegInfinity) => {
                let size = self.absolute().compare(&one);
                Ok(match (size, exponent) {
                    (Ordering::Equal, _) => one,
                    (Ordering::Greater, Numeric::Infinity)
                    | (Ordering::Less, Numeric::NegInfinity) => Numeric::Infinity,
                    _ => Numeric::from(0i64),
                })
            }
            (Numeric::Infinity, e) => Ok(if e.signum() > 0 {
                Numeric::Infinity
            } else {
                Numeric::from(0i64)
            }),
            (_, Numeric::Finite(e)) => {
                if !is_whole(e) {
                    return Err(undefined(
                        "a negative number raised to a non-integer power yields a complex result",
                    ));
                }
                Ok(match (e.is_negative(), is_odd(e)) {
                    (true, _) => Numeric::from(0i64),
                    (false, true) => Numeric::NegInfinity,
                    (false, false) => Numeric::Infinity,
                })
            }
        }
    }
}

fn power_finite(base: &Decimal, exponent: &Decimal) -> SqlResult<Decimal> {
    if is_whole(exponent)
        && let Ok(n) = i32::try_from(&exponent.truncate(0).coefficient)
    {
        return power_int(base, n);
    }
    if base.is_zero() {
        return Ok(Decimal {
            coefficient: IBig::ZERO,
            scale: SIGNIFICANT_DIGITS_MIN as u16,
        });
    }
    let absolute = Decimal {
        coefficient: IBig::from(magnitude(&base.coefficient)),
        scale: base.scale,
    };
    let is_negated = base.is_negative() && is_odd(exponent);
    let weight = ln_weight(&absolute);
    let rough_scale = (8 - weight).clamp(0, DISPLAY_SCALE_MAX) as u16;
    let rough = ln_at(&absolute, rough_scale)?
        .times(exponent)
        .round(i32::from(rough_scale));
    let value = approximate(&rough);
    if libm::fabs(value) > 6020.0 {
        if value > 0.0 {
            return Err(numeric_overflow());
        }
        return Ok(Decimal {
            coefficient: IBig::ZERO,
            scale: DISPLAY_SCALE_MAX as u16,
        });
    }
    let result_weight = (value * LOG10_E) as i64;
    let scale = clamp_scale(
        SIGNIFICANT_DIGITS_MIN - result_weight,
        base.scale.max(exponent.scale),
    );
    let significant = (i64::from(scale) + result_weight).max(0);
    let ln_scale = (significant - weight + 8).clamp(0, 16_000) as u16;
    let product = ln_at(&absolute, ln_scale)?.times(exponent);
    let mut result = exp_at(&product, scale)?;
    if is_negated {
        result.coefficient = -result.coefficient;
    }
    Ok(result)
}

/// The approximate decimal weight of `base` to the power of `n`.
fn power_weight(base: &Decimal, n: i32) -> f64 {
    if base.is_zero() {
        return 0.0;
    }
    let magnitude = magnitude(&base.coefficient);
    let dropped = super::digit_count(&magnitude).saturating_sub(17);
    let lead = u64::try_from(&(magnitude / pow10(dropped))).unwrap_or(1) as f64;
    f64::from(n) * (libm::log10(lead) + f64::from(dropped) - f64::from(base.scale))
}

fn power_int(base: &Decimal, n: i32) -> SqlResult<Decimal> {
    let scale = clamp_scale(SIGNIFICANT_DIGITS_MIN, base.scale);
    match n {
        0 => return Ok(Decimal::from_integer(1).round(i32::from(scale))),
        1 => return Ok(base.round(i32::from(scale))),
        2 => return Ok(base.times(base).round(i32::from(scale))),
        _ if base.is_zero() && n < 0 => return Err(division_by_zero()),
        _ if base.is_zero() => {
            return Ok(Decimal {
                coefficient: IBig::ZERO,
                scale,
            });
        }
        -1 => return Ok(Decimal::from_integer(1).over(base, scale)),
        _ => {}
    }
    let weight = power_weight(base, n);
    if weight > WHOLE_DIGITS_MAX as f64 {
        return Err(numeric_overflow());
    }
    if weight + 1.0 < -f64::from(scale) {
        return Ok(Decimal {
            coefficient: IBig::ZERO,
            scale,
        });
    }
    let digits = weight as i64 + 2 + i64::from(scale);
    let power = context(digits)
        .powi(&to_repr(base), IBig::from(n))
        .map(Approximation::value);
    Ok(from_float(&power.map_err(|_| numeric_overflow())?, scale))
}
