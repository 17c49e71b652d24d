//! Exact sums of decimals.
//!
//! A sum is an `i128` coefficient at the largest scale that it has seen. When it would overflow, it moves
//! to a big number outside (the *spill*) and starts again from zero: the whole is both together. NaN and
//! the infinities are only noted.

use crate::types::numeric::{Decimal, Numeric, POW10};
use alloc::boxed::Box;
use core::mem::{size_of, size_of_val};
use dashu_int::IBig;
use vireo_abi::message::error::SqlResult;

/// A sum; its scale is the largest of what was added.
#[derive(Default)]
pub(super) struct NumericSum {
    small: i128,
    spill: Option<Box<Decimal>>,
    scale: u16,
    has_nan: bool,
    has_infinity: bool,
    has_neg_infinity: bool,
}

/// `value` × 10^`digits`, if it fits.
#[inline]
fn scale_up(value: i128, digits: u16) -> Option<i128> {
    if digits == 0 {
        return Some(value);
    }
    let factor = i128::try_from(*POW10.get(usize::from(digits))?).ok()?;
    value.checked_mul(factor)
}

impl NumericSum {
    /// Adds any value.
    #[inline]
    pub(super) fn add(&mut self, value: &Numeric) {
        match value {
            Numeric::Finite(value) => match i128::try_from(&value.coefficient) {
                Ok(small) => self.add_small(small, value.scale),
                Err(_) => self.spill(value),
            },
            Numeric::NaN => self.has_nan = true,
            Numeric::Infinity => self.has_infinity = true,
            Numeric::NegInfinity => self.has_neg_infinity = true,
        }
    }

    /// Adds the square of a finite value; others are left to the sum of the values themselves.
    #[inline]
    pub(super) fn add_square(&mut self, value: &Numeric) {
        let Numeric::Finite(value) = value else {
            return;
        };
        let small = i128::try_from(&value.coefficient).ok();
        let scale = 2 * value.scale; // a scale is below 2^14
        match small.and_then(|v| v.checked_mul(v)) {
            Some(square) => self.add_small(square, scale),
            None => self.spill(&Decimal {
                coefficient: &value.coefficient * &value.coefficient,
                scale,
            }),
        }
    }

    /// Adds `value` × 10^-`scale`.
    #[inline]
    pub(super) fn add_small(&mut self, value: i128, scale: u16) {
        let target = self.scale.max(scale);
        let sum = scale_up(self.small, target - self.scale)
            .zip(scale_up(value, target - scale))
            .and_then(|(sum, value)| sum.checked_add(value));
        match sum {
            Some(sum) => (self.small, self.scale) = (sum, target),
            None => self.spill(&Decimal {
                coefficient: IBig::from(value),
                scale,
            }),
        }
    }

    fn small_part(&self) -> Decimal {
        Decimal {
            coefficient: IBig::from(self.small),
            scale: self.scale,
        }
    }

    /// Moves the sum and a value outside.
    #[cold]
    fn spill(&mut self, value: &Decimal) {
        let moved = self.small_part().plus(value);
        (self.small, self.scale) = (0, 0);
        match &mut self.spill {
            Some(spill) => **spill = spill.plus(&moved),
            None => self.spill = Some(Box::new(moved)),
        }
    }

    /// The sum of the finite values, of any size.
    pub(super) fn finite(&self) -> Decimal {
        match &self.spill {
            None => self.small_part(),
            Some(spill) => spill.plus(&self.small_part()),
        }
    }

    /// Whether all values were finite.
    pub(super) fn is_finite(&self) -> bool {
        !(self.has_nan || self.has_infinity || self.has_neg_infinity)
    }

    /// The sum.
    ///
    /// # Errors
    /// 22003.
    pub(super) fn total(&self) -> SqlResult<Numeric> {
        match (self.has_nan, self.has_infinity, self.has_neg_infinity) {
            // The addition checks the limits of the format.
            (false, false, false) => Numeric::Finite(self.finite()).add(&Numeric::from(0i64)),
            (false, true, false) => Ok(Numeric::Infinity),
            (false, false, true) => Ok(Numeric::NegInfinity),
            _ => Ok(Numeric::NaN),
        }
    }

    /// Bytes held outside of this.
    #[inline]
    pub(super) fn heap(&self) -> usize {
        self.spill.as_deref().map_or(0, |spill| {
            size_of::<Decimal>() + size_of_val(spill.coefficient.as_sign_words().1)
        })
    }
}
