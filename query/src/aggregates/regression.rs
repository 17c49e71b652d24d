//! `corr`, `covar_pop`, `covar_samp` and the `regr_` family: the algorithm of Youngs and Cramer over pairs
//! (y, x), as `float8_regr_accum` in PostgreSQL's float.c has it.
//!
//! A state is the count N, the sums Sx and Sy, and Sxx, Syy, Sxy, the sums of products of differences from the
//! means; these are NaN once a value was not finite. Rows in which either is NULL do not count.

use super::Accumulator;
use super::group_state::each_row;
use super::output::column;
use crate::functions::kernel::combined_nulls;
use crate::types::column::Column;
use crate::types::errors::float_overflow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::size_of;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;

/// The state of one group.
#[derive(Default)]
pub(super) struct Pairs {
    n: f64,
    sx: f64,
    sxx: f64,
    sy: f64,
    syy: f64,
    sxy: f64,
}

/// NaN for what overflowed.
fn or_nan(value: f64) -> f64 {
    if value.is_infinite() { f64::NAN } else { value }
}

impl Pairs {
    fn add(&mut self, y: f64, x: f64) -> SqlResult<()> {
        let (n, sx, sy) = (self.n + 1.0, self.sx + x, self.sy + y);
        if self.n > 0.0 {
            let (dx, dy) = (x * n - sx, y * n - sy);
            let scale = 1.0 / (n * self.n);
            let sxx = self.sxx + dx * dx * scale;
            let syy = self.syy + dy * dy * scale;
            let sxy = self.sxy + dx * dy * scale;
            let is_x_finite = !self.sx.is_infinite() && !x.is_infinite();
            let is_y_finite = !self.sy.is_infinite() && !y.is_infinite();
            if ((sx.is_infinite() || sxx.is_infinite()) && is_x_finite)
                || ((sy.is_infinite() || syy.is_infinite()) && is_y_finite)
                || (sxy.is_infinite() && is_x_finite && is_y_finite)
            {
                return Err(float_overflow());
            }
            (self.sxx, self.syy, self.sxy) = (or_nan(sxx), or_nan(syy), or_nan(sxy));
        } else {
            if !x.is_finite() {
                (self.sxx, self.sxy) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (self.syy, self.sxy) = (f64::NAN, f64::NAN);
            }
        }
        (self.n, self.sx, self.sy) = (n, sx, sy);
        Ok(())
    }

    /// A value of at least `count` pairs.
    fn of(&self, count: f64, value: impl FnOnce() -> f64) -> Option<f64> {
        (self.n >= count).then(value)
    }

    /// A value of a line that is not vertical.
    fn of_line(&self, value: impl FnOnce() -> f64) -> Option<f64> {
        (self.n >= 1.0 && self.sxx != 0.0).then(value)
    }
}

/// What is asked of a state.
type Statistic = fn(&Pairs) -> Option<f64>;

/// `regr_avgx`
pub(super) const AVGX: Statistic = |p| p.of(1.0, || p.sx / p.n);
/// `regr_avgy`
pub(super) const AVGY: Statistic = |p| p.of(1.0, || p.sy / p.n);
/// `regr_sxx`
pub(super) const SXX: Statistic = |p| p.of(1.0, || p.sxx);
/// `regr_syy`
pub(super) const SYY: Statistic = |p| p.of(1.0, || p.syy);
/// `regr_sxy`
pub(super) const SXY: Statistic = |p| p.of(1.0, || p.sxy);
/// `covar_pop`
pub(super) const COVAR_POP: Statistic = |p| p.of(1.0, || p.sxy / p.n);
/// `covar_samp`
pub(super) const COVAR_SAMP: Statistic = |p| p.of(2.0, || p.sxy / (p.n - 1.0));
/// `regr_slope`
pub(super) const SLOPE: Statistic = |p| p.of_line(|| p.sxy / p.sxx);
/// `regr_intercept`
pub(super) const INTERCEPT: Statistic = |p| p.of_line(|| (p.sy - p.sx * p.sxy / p.sxx) / p.n);
/// `regr_r2`
pub(super) const R2: Statistic = |p| {
    p.of_line(|| match p.syy {
        0.0 => 1.0,
        syy => (p.sxy * p.sxy) / (p.sxx * syy),
    })
};
/// `corr`
pub(super) const CORR: Statistic = |p| {
    p.of_line(|| p.sxy / libm::sqrt(p.sxx * p.syy))
        .filter(|_| p.syy != 0.0)
};

struct Regression {
    states: Vec<Pairs>,
    statistic: Statistic,
}

/// An accumulator of a statistic.
pub(super) fn regression(statistic: Statistic) -> Box<dyn Accumulator> {
    Box::new(Regression {
        states: Vec::new(),
        statistic,
    })
}

impl Accumulator for Regression {
    fn resize(&mut self, groups: usize) {
        self.states.resize_with(groups, Pairs::default);
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], _rows: usize) -> SqlResult<()> {
        let (ys, xs) = (f64::of(&arguments[0]), f64::of(&arguments[1]));
        let nulls = combined_nulls(arguments);
        each_row(groups, nulls.as_deref(), |group, row| {
            self.states[group].add(ys[row], xs[row])
        })
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        Ok(column(&self.states, self.statistic))
    }

    fn memory(&self) -> usize {
        self.states.capacity() * size_of::<Pairs>()
    }
}
