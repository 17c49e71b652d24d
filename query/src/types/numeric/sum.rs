//! Exact sums of numerics: an `i128` while it suffices, then a `Numeric` of any size.

use super::fast::{scale_up, small};
use super::{Decimal, Numeric};
use alloc::boxed::Box;
use dashu_int::IBig;
use vireo_abi::message::error::SqlResult;

/// A running sum. Its display scale is the largest of what was added.
#[derive(Clone, Default, Debug)]
pub(crate) struct NumericSum {
    small: i128,
    scale: u16,
    big: Option<Box<Numeric>>,
}

impl NumericSum {
    /// Adds an encoded value.
    #[inline]
    pub(crate) fn add(&mut self, bytes: &[u8]) -> SqlResult<()> {
        match small(bytes) {
            Some((value, scale)) if self.try_add(value, scale) => Ok(()),
            _ => self.add_numeric(&Numeric::decode(bytes)),
        }
    }

    /// Adds an integer.
    #[inline]
    pub(crate) fn add_integer(&mut self, value: i128) -> SqlResult<()> {
        if self.try_add(value, 0) {
            Ok(())
        } else {
            self.add_numeric(&Numeric::from(value))
        }
    }

    /// Adds a value squared.
    pub(crate) fn add_square(&mut self, bytes: &[u8]) -> SqlResult<()> {
        if let Some((value, scale)) = small(bytes)
            && let Some(square) = value.checked_mul(value)
            && scale < 8000
            && self.try_add(square, scale * 2)
        {
            return Ok(());
        }
        let value = Numeric::decode(bytes);
        self.add_numeric(&value.multiply(&value)?)
    }

    #[inline]
    fn try_add(&mut self, value: i128, scale: u16) -> bool {
        let target = self.scale.max(scale);
        let sum = scale_up(self.small, target - self.scale)
            .and_then(|s| s.checked_add(scale_up(value, target - scale)?));
        if let Some(sum) = sum {
            (self.small, self.scale) = (sum, target);
        }
        sum.is_some()
    }

    fn add_numeric(&mut self, value: &Numeric) -> SqlResult<()> {
        let total = self.total()?.add(value)?;
        // The small part restarts at zero with the scale that the sum has to show.
        if let Numeric::Finite(d) = &total {
            self.scale = d.scale;
        }
        self.small = 0;
        self.big = Some(Box::new(total));
        Ok(())
    }

    /// The sum.
    pub(crate) fn total(&self) -> SqlResult<Numeric> {
        let small = Numeric::Finite(Decimal {
            coefficient: IBig::from(self.small),
            scale: self.scale,
        });
        match &self.big {
            None => Ok(small),
            Some(big) => big.add(&small),
        }
    }

    /// Bytes held outside the value itself.
    pub(crate) fn heap(&self) -> usize {
        match self.big.as_deref() {
            None => 0,
            Some(Numeric::Finite(d)) => {
                size_of::<Numeric>() + d.coefficient.as_sign_words().1.len() * 8
            }
            Some(_) => size_of::<Numeric>(),
        }
    }
}

/// The variance, or the standard deviation, of `count` values with these sums (`numeric_stddev_internal`).
pub(crate) fn deviation(
    count: i64,
    sum: &Numeric,
    squares: &Numeric,
    is_sample: bool,
    is_root: bool,
) -> SqlResult<Option<Numeric>> {
    if count < if is_sample { 2 } else { 1 } {
        return Ok(None);
    }
    let (Numeric::Finite(sum), Numeric::Finite(squares)) = (sum, squares) else {
        return Ok(Some(Numeric::NaN));
    };
    let n = Decimal::from_integer(count);
    let mut square_of_sum = sum.times(sum);
    square_of_sum.coefficient = -square_of_sum.coefficient;
    let numerator = n.times(squares).plus(&square_of_sum);
    if numerator.is_negative() || numerator.is_zero() {
        return Ok(Some(Numeric::from(0i64)));
    }
    let divisor = n.times(&Decimal::from_integer(if is_sample {
        count - 1
    } else {
        count
    }));
    let scale = numerator.scale_over(&divisor);
    let variance = numerator.over(&divisor, scale);
    let result = if is_root {
        variance.sqrt_at(scale)
    } else {
        variance
    };
    result.checked().map(Some)
}
