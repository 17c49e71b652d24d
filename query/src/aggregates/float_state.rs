//! `avg`, variance and standard deviation of floats: the algorithm of Youngs and Cramer, as
//! `float8_accum` in PostgreSQL's float.c has it.
//!
//! A state is the count N, the sum Sx, and Sxx, the sum of squared differences from the mean. Sxx is
//! NaN once a value was not finite. Overflow of Sxx is an error of `avg` too, as in PostgreSQL.

use super::group_state::{Finish, GroupState};
use super::output::column;
use crate::types::column::Column;
use crate::types::errors::float_overflow;
use core::marker::PhantomData;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;

/// The state, over `real` or `double precision`.
pub(super) struct FloatState<T> {
    n: f64,
    sx: f64,
    sxx: f64,
    input: PhantomData<T>,
}

impl<T> Default for FloatState<T> {
    fn default() -> Self {
        FloatState {
            n: 0.0,
            sx: 0.0,
            sxx: 0.0,
            input: PhantomData,
        }
    }
}

impl<T: Column + Into<f64>> GroupState for FloatState<T> {
    type Input = T;

    #[inline]
    fn add(&mut self, value: T) -> SqlResult<()> {
        let value: f64 = value.into();
        let (n, sx) = (self.n + 1.0, self.sx + value);
        if self.n > 0.0 {
            let difference = value * n - sx;
            self.sxx += difference * difference / (n * self.n);
            if sx.is_infinite() || self.sxx.is_infinite() {
                if !self.sx.is_infinite() && !value.is_infinite() {
                    return Err(float_overflow());
                }
                self.sxx = f64::NAN;
            }
        } else if !value.is_finite() {
            self.sxx = f64::NAN;
        }
        (self.n, self.sx) = (n, sx);
        Ok(())
    }
}

/// `avg`
pub(super) fn averages<T>(states: &[FloatState<T>]) -> SqlResult<Vector> {
    Ok(column(states, |s| (s.n > 0.0).then(|| s.sx / s.n)))
}

/// `var_pop`
pub(super) fn population_variances<T>(states: &[FloatState<T>]) -> SqlResult<Vector> {
    Ok(column(states, |s| (s.n > 0.0).then(|| s.sxx / s.n)))
}

/// `var_samp`
pub(super) fn sample_variances<T>(states: &[FloatState<T>]) -> SqlResult<Vector> {
    Ok(column(states, |s| (s.n > 1.0).then(|| s.sxx / (s.n - 1.0))))
}

/// `stddev_pop`
pub(super) fn population_deviations<T>(states: &[FloatState<T>]) -> SqlResult<Vector> {
    roots(states, population_variances)
}

/// `stddev_samp`
pub(super) fn sample_deviations<T>(states: &[FloatState<T>]) -> SqlResult<Vector> {
    roots(states, sample_variances)
}

fn roots<T>(states: &[FloatState<T>], variances: Finish<FloatState<T>>) -> SqlResult<Vector> {
    let mut result = variances(states)?;
    for value in f64::of_mut(&mut result) {
        *value = libm::sqrt(*value);
    }
    Ok(result)
}
