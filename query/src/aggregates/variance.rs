//! `avg`, variances and deviations of floats: the Youngs-Cramer recurrence, as PostgreSQL computes them.

use super::dense::State;
use crate::types::column::Column;
use crate::types::errors::float_overflow;
use core::marker::PhantomData;
use vireo_abi::datum::Datum;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::Kind;

/// Which result.
pub(super) const AVERAGE: u8 = 0;
pub(super) const VARIANCE_POP: u8 = 1;
pub(super) const VARIANCE_SAMP: u8 = 2;
pub(super) const STDDEV_POP: u8 = 3;
pub(super) const STDDEV_SAMP: u8 = 4;

/// Count, sum, and sum of squared differences from the mean.
#[derive(Clone, Default)]
pub(super) struct FloatMoments<T, const RESULT: u8> {
    count: f64,
    sum: f64,
    squares: f64,
    input: PhantomData<T>,
}

impl<T: Column + Into<f64>, const RESULT: u8> State for FloatMoments<T, RESULT> {
    type Input = T;
    const KIND: Kind = Kind::Float8;

    fn add(&mut self, value: T) -> SqlResult<()> {
        let value: f64 = value.into();
        let (count, sum) = (self.count + 1.0, self.sum + value);
        if self.count > 0.0 {
            let difference = value * count - sum;
            let mut squares = self.squares + difference * difference / (count * self.count);
            if sum.is_infinite() || squares.is_infinite() {
                if !self.sum.is_infinite() && !value.is_infinite() {
                    return Err(float_overflow());
                }
                squares = f64::NAN;
            }
            self.squares = squares;
        } else if !value.is_finite() {
            self.squares = f64::NAN;
        }
        (self.count, self.sum) = (count, sum);
        Ok(())
    }

    fn finish(&self) -> SqlResult<Datum> {
        let least = if matches!(RESULT, VARIANCE_SAMP | STDDEV_SAMP) { 2.0 } else { 1.0 };
        if self.count < least {
            return Ok(Datum::Null);
        }
        Ok(Datum::Float8(match RESULT {
            AVERAGE => self.sum / self.count,
            VARIANCE_POP => self.squares / self.count,
            VARIANCE_SAMP => self.squares / (self.count - 1.0),
            STDDEV_POP => libm::sqrt(self.squares / self.count),
            _ => libm::sqrt(self.squares / (self.count - 1.0)),
        }))
    }
}
