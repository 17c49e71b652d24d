//! `sqrt`, `exp`, `ln`, `log` and smaller functions, with PostgreSQL's result scales.
//!
//! `dashu-float` computes with some digits more than are shown; the last is then rounded half away from zero.

use super::arith::{gcd, leading_of};
use super::{DISPLAY_SCALE_MAX, Decimal, Numeric, SIGNIFICANT_DIGITS_MIN, magnitude, pow10};
use crate::types::errors::{Fault, numeric_overflow};
use core::cmp::Ordering;
use dashu_base::{Approximation, SquareRoot};
use dashu_float::{Context, FBig, Repr, round::mode};
use dashu_int::{IBig, UBig};
use vireo_abi::message::error::{SqlError, SqlResult, state};

/// Digits computed beyond those shown.
const GUARD_DIGITS: i64 = 10;

pub(super) use core::f64::consts::LOG10_E;

type Float = FBig<mode::Zero, 10>;

#[cold]
fn logarithm_error(message: &str) -> Fault {
    SqlError::new(state::INVALID_ARGUMENT_FOR_LOGARITHM, message)
}

/// A scale that a computation chose, within its bounds and not below the operands'.
pub(super) fn clamp_scale(chosen: i64, operands: u16) -> u16 {
    chosen.max(i64::from(operands)).clamp(0, DISPLAY_SCALE_MAX) as u16
}

pub(super) fn to_repr(value: &Decimal) -> Repr<10> {
    Repr::new(
        value.coefficient.clone(),
        -isize::try_from(value.scale).unwrap_or(0),
    )
}

/// A float rounded to `scale`.
pub(super) fn from_float(value: &Float, scale: u16) -> Decimal {
    let (significand, exponent) = (value.repr().significand().clone(), value.repr().exponent());
    if exponent >= 0 {
        let factor = IBig::from(pow10(exponent.unsigned_abs() as u32));
        return Decimal {
            coefficient: significand * factor,
            scale: 0,
        }
        .round(i32::from(scale));
    }
    let digits = exponent.unsigned_abs();
    if digits <= usize::from(u16::MAX) {
        return Decimal {
            coefficient: significand,
            scale: digits as u16,
        }
        .round(i32::from(scale));
    }
    Decimal {
        coefficient: IBig::ZERO,
        scale,
    }
}

pub(super) fn context(digits: i64) -> Context<mode::Zero> {
    Context::new((digits.max(1) + GUARD_DIGITS) as usize)
}

fn value_of<E>(
    result: Result<Approximation<Float, dashu_float::round::Rounding>, E>,
) -> SqlResult<Float> {
    result
        .map(Approximation::value)
        .map_err(|_| numeric_overflow())
}

/// The approximate value, from its leading digits.
pub(super) fn approximate(value: &Decimal) -> f64 {
    let magnitude = magnitude(&value.coefficient);
    let digits = super::digit_count(&magnitude);
    let dropped = digits.saturating_sub(18);
    let lead = if dropped > 0 {
        magnitude / pow10(dropped)
    } else {
        magnitude
    };
    let lead = u64::try_from(&lead).unwrap_or(0) as f64;
    let exponent = f64::from(dropped) - f64::from(value.scale);
    let absolute = lead * libm::pow(10.0, exponent);
    if value.is_negative() {
        -absolute
    } else {
        absolute
    }
}

/// `estimate_ln_dweight` of numeric.c: the decimal weight of ln(value).
pub(super) fn ln_weight(value: &Decimal) -> i64 {
    if value.is_zero() || value.is_negative() {
        return 0;
    }
    let bound = |n: u8| Decimal {
        coefficient: IBig::from(n),
        scale: 1,
    };
    if value.compare(&bound(9)) != Ordering::Less && value.compare(&bound(11)) != Ordering::Greater
    {
        let difference = value.plus(&Decimal::from_integer(-1));
        if difference.is_zero() {
            return 0;
        }
        let (weight, first) = leading_of(&difference);
        return i64::from(weight) * 4 + libm::log10(f64::from(first)) as i64;
    }
    let digits = super::digit_count(&magnitude(&value.coefficient));
    let dropped = digits.saturating_sub(8);
    let lead = magnitude(&value.coefficient) / pow10(dropped);
    let lead = u64::try_from(&lead).unwrap_or(1) as f64;
    let ln =
        libm::log(lead) + (f64::from(dropped) - f64::from(value.scale)) * core::f64::consts::LN_10;
    libm::log10(libm::fabs(ln)) as i64
}

/// ln(value) to `scale` digits after the point; the value is above zero.
pub(super) fn ln_at(value: &Decimal, scale: u16) -> SqlResult<Decimal> {
    if value.compare(&Decimal::from_integer(1)) == Ordering::Equal {
        return Ok(Decimal {
            coefficient: IBig::ZERO,
            scale,
        });
    }
    let digits = ln_weight(value) + 1 + i64::from(scale);
    Ok(from_float(
        &value_of(context(digits).ln(&to_repr(value), None))?,
        scale,
    ))
}

/// exp(value) to `scale` digits after the point.
pub(super) fn exp_at(value: &Decimal, scale: u16) -> SqlResult<Decimal> {
    let approximation = approximate(value);
    if libm::fabs(approximation) >= 6000.0 {
        if approximation > 0.0 {
            return Err(numeric_overflow());
        }
        return Ok(Decimal {
            coefficient: IBig::ZERO,
            scale,
        });
    }
    if value.is_zero() {
        return Ok(Decimal::from_integer(1).round(i32::from(scale)));
    }
    let digits = (approximation * LOG10_E) as i64 + 1 + i64::from(scale);
    Ok(from_float(
        &value_of(context(digits).exp(&to_repr(value), None))?,
        scale,
    ))
}

impl Decimal {
    /// The square root rounded to `scale`; the value is not negative.
    pub(crate) fn sqrt_at(&self, scale: u16) -> Decimal {
        // One digit more than shown, so that the rest decides the rounding: floor(sqrt) with a sticky digit.
        let wanted = u32::from(scale) + 1;
        let magnitude = magnitude(&self.coefficient);
        let shift = i64::from(2 * wanted) - i64::from(self.scale);
        let scaled: UBig = if shift >= 0 {
            magnitude * pow10(shift as u32)
        } else {
            magnitude / pow10(shift.unsigned_abs() as u32)
        };
        Decimal {
            coefficient: IBig::from(scaled.sqrt()),
            scale: scale + 1,
        }
        .round(i32::from(scale))
    }
}

impl Numeric {
    /// The square root.
    ///
    /// # Errors
    /// 2201F for a negative value.
    pub fn sqrt(&self) -> SqlResult<Numeric> {
        if self.signum() < 0 {
            return Err(SqlError::new(
                state::INVALID_ARGUMENT_FOR_POWER_FUNCTION,
                "cannot take square root of a negative number",
            ));
        }
        let Numeric::Finite(value) = self else {
            return Ok(self.clone());
        };
        let weight = i64::from(leading_of(value).0);
        let root_weight = (weight + 1) * 4 / 2 - 1;
        value
            .sqrt_at(clamp_scale(
                SIGNIFICANT_DIGITS_MIN - root_weight,
                value.scale,
            ))
            .checked()
    }

    /// e to the power of the value.
    ///
    /// # Errors
    /// 22003.
    pub fn exp(&self) -> SqlResult<Numeric> {
        match self {
            Numeric::Finite(value) => {
                let weight = (approximate(value) * LOG10_E).clamp(-2000.0, 2000.0) as i64;
                exp_at(
                    value,
                    clamp_scale(SIGNIFICANT_DIGITS_MIN - weight, value.scale),
                )?
                .checked()
            }
            Numeric::NegInfinity => Ok(Numeric::from(0i64)),
            other => Ok(other.clone()),
        }
    }

    /// Refuses what has no logarithm.
    fn check_logarithm(&self) -> SqlResult<()> {
        match self {
            Numeric::NaN => Ok(()),
            _ if self.signum() < 0 => Err(logarithm_error(
                "cannot take logarithm of a negative number",
            )),
            _ if self.signum() == 0 => Err(logarithm_error("cannot take logarithm of zero")),
            _ => Ok(()),
        }
    }

    /// The natural logarithm.
    ///
    /// # Errors
    /// 2201E.
    pub fn ln(&self) -> SqlResult<Numeric> {
        self.check_logarithm()?;
        let Numeric::Finite(value) = self else {
            return Ok(self.clone());
        };
        ln_at(
            value,
            clamp_scale(SIGNIFICANT_DIGITS_MIN - ln_weight(value), value.scale),
        )?
        .checked()
    }

    /// The logarithm to a base.
    ///
    /// # Errors
    /// 2201E, 22012.
    pub fn log(&self, base: &Numeric) -> SqlResult<Numeric> {
        if matches!(self, Numeric::NaN) || matches!(base, Numeric::NaN) {
            return Ok(Numeric::NaN);
        }
        base.check_logarithm()?;
        self.check_logarithm()?;
        let (value, base) = match (self, base) {
            (Numeric::Finite(value), Numeric::Finite(base)) => (value, base),
            (Numeric::Finite(_), _) => return Ok(Numeric::from(0i64)),
            (_, Numeric::Finite(_)) => return Ok(Numeric::Infinity),
            _ => return Ok(Numeric::NaN),
        };
        let (base_weight, value_weight) = (ln_weight(base), ln_weight(value));
        let weight = value_weight - base_weight;
        let scale = clamp_scale(SIGNIFICANT_DIGITS_MIN - weight, value.scale.max(base.scale));
        let ln_scale = |own: i64| (i64::from(scale) + weight - own + 8).clamp(0, 16_000) as u16;
        let ln_base = ln_at(base, ln_scale(base_weight))?;
        let ln_value = ln_at(value, ln_scale(value_weight))?;
        if ln_base.is_zero() {
            return Err(crate::types::errors::division_by_zero());
        }
        ln_value.over(&ln_base, scale).checked()
    }

    /// The greatest common divisor.
    #[must_use]
    pub fn gcd(&self, other: &Numeric) -> Numeric {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => {
                let scale = a.scale.max(b.scale);
                let divisor = gcd(magnitude(&a.at_scale(scale)), magnitude(&b.at_scale(scale)));
                Numeric::Finite(Decimal {
                    coefficient: IBig::from(divisor),
                    scale,
                })
            }
            _ => Numeric::NaN,
        }
    }

    /// The least common multiple.
    ///
    /// # Errors
    /// 22003.
    pub fn lcm(&self, other: &Numeric) -> SqlResult<Numeric> {
        match (self, other) {
            (Numeric::Finite(a), Numeric::Finite(b)) => {
                let scale = a.scale.max(b.scale);
                let (x, y) = (magnitude(&a.at_scale(scale)), magnitude(&b.at_scale(scale)));
                if x.is_zero() || y.is_zero() {
                    return Ok(Numeric::Finite(Decimal {
                        coefficient: IBig::ZERO,
                        scale,
                    }));
                }
                let divisor = gcd(x.clone(), y.clone());
                Decimal {
                    coefficient: IBig::from(x / divisor * y),
                    scale,
                }
                .checked()
            }
            _ => Ok(Numeric::NaN),
        }
    }

    /// `n!`.
    ///
    /// # Errors
    /// 22003.
    pub fn factorial(n: i64) -> SqlResult<Numeric> {
        if n < 0 {
            return Err(crate::types::errors::range(
                "factorial of a negative number is undefined",
            ));
        }
        if n > 32177 {
            return Err(numeric_overflow());
        }
        let product = (2..=n as u64).fold(UBig::ONE, |product, k| product * k);
        Decimal::from_integer(IBig::from(product)).checked()
    }
}
