//! `sum` and `avg` of integers.
//!
//! Sums of smallint and integer are a bigint: 2^32 rows and more would be needed to leave it. Sums
//! of bigint are an `i128`, shown as numeric.

use super::group_state::GroupState;
use super::output::{column, strings};
use crate::types::column::Column;
use crate::types::numeric::{Numeric, divide_into};
use alloc::vec::Vec;
use core::marker::PhantomData;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;

/// Sum and count in an `i64`.
pub(super) struct NarrowSum<T> {
    sum: i64,
    count: i64,
    input: PhantomData<T>,
}

impl<T> Default for NarrowSum<T> {
    fn default() -> Self {
        NarrowSum {
            sum: 0,
            count: 0,
            input: PhantomData,
        }
    }
}

impl<T: Column + Into<i64>> GroupState for NarrowSum<T> {
    type Input = T;

    #[inline]
    fn add(&mut self, value: T) -> SqlResult<()> {
        self.sum = self.sum.wrapping_add(value.into());
        self.count += 1;
        Ok(())
    }

    fn add_all(&mut self, values: &[T]) -> SqlResult<()> {
        for value in values {
            self.sum = self.sum.wrapping_add((*value).into());
        }
        self.count += values.len() as i64;
        Ok(())
    }

    fn add_present(&mut self, values: &[T], nulls: &[bool]) -> SqlResult<()> {
        for (value, is_null) in values.iter().zip(nulls) {
            let value: i64 = (*value).into();
            self.sum = self.sum.wrapping_add(if *is_null { 0 } else { value });
            self.count += i64::from(!*is_null);
        }
        Ok(())
    }
}

/// Sum in an `i128`, and count, of bigints.
#[derive(Default)]
pub(super) struct WideSum {
    sum: i128,
    count: i64,
}

impl GroupState for WideSum {
    type Input = i64;

    #[inline]
    fn add(&mut self, value: i64) -> SqlResult<()> {
        self.sum += i128::from(value);
        self.count += 1;
        Ok(())
    }

    fn add_all(&mut self, values: &[i64]) -> SqlResult<()> {
        self.sum += values.iter().map(|v| i128::from(*v)).sum::<i128>();
        self.count += values.len() as i64;
        Ok(())
    }
}

/// `sum(smallint)`, `sum(integer)`
pub(super) fn narrow_sums<T>(states: &[NarrowSum<T>]) -> SqlResult<Vector> {
    Ok(column(states, |s| (s.count > 0).then_some(s.sum)))
}

/// `sum(bigint)`
pub(super) fn wide_sums(states: &[WideSum]) -> SqlResult<Vector> {
    strings(states.len(), |group, out| {
        let state = &states[group];
        if state.count > 0 {
            Numeric::from(state.sum).encode(out);
        }
        Ok(state.count > 0)
    })
}

/// `sum / count` of each group.
fn averages(groups: usize, of: impl Fn(usize) -> (i128, i64)) -> SqlResult<Vector> {
    let (mut dividend, mut divisor) = (Vec::new(), Vec::new());
    strings(groups, |group, out| {
        let (sum, count) = of(group);
        if count > 0 {
            dividend.clear();
            divisor.clear();
            Numeric::from(sum).encode(&mut dividend);
            Numeric::from(count).encode(&mut divisor);
            divide_into(&dividend, &divisor, out)?;
        }
        Ok(count > 0)
    })
}

/// `avg(smallint)`, `avg(integer)`
pub(super) fn narrow_averages<T>(states: &[NarrowSum<T>]) -> SqlResult<Vector> {
    averages(states.len(), |group| {
        (i128::from(states[group].sum), states[group].count)
    })
}

/// `avg(bigint)`
pub(super) fn wide_averages(states: &[WideSum]) -> SqlResult<Vector> {
    averages(states.len(), |group| {
        (states[group].sum, states[group].count)
    })
}
