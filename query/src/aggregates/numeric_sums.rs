//! `sum`, `avg`, variances and deviations, exact: of `numeric`s and of integers.

use super::dense::{BytesState, State};
use crate::types::column::Column;
use crate::types::numeric::{Numeric, NumericSum, deviation};
use core::marker::PhantomData;
use vireo_abi::datum::Datum;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::Kind;

/// Sum or average of numerics.
#[derive(Clone, Default)]
pub(super) struct Sum<const IS_AVERAGE: bool> {
    sum: NumericSum,
    count: i64,
}

impl<const IS_AVERAGE: bool> BytesState for Sum<IS_AVERAGE> {
    const KIND: Kind = Kind::Bytes;

    #[inline]
    fn add(&mut self, value: &[u8]) -> SqlResult<()> {
        self.count += 1;
        self.sum.add(value)
    }

    fn finish(&self) -> SqlResult<Datum> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        let mut total = self.sum.total()?;
        if IS_AVERAGE {
            total = total.divide(&Numeric::from(self.count))?;
        }
        Ok(Datum::Bytes(total.to_bytes()))
    }

    fn heap(&self) -> usize {
        self.sum.heap()
    }
}

/// The sums of values and of their squares.
#[derive(Clone, Default)]
struct Moments {
    count: i64,
    sum: NumericSum,
    squares: NumericSum,
}

impl Moments {
    fn finish(&self, is_sample: bool, is_root: bool) -> SqlResult<Datum> {
        let result = deviation(self.count, &self.sum.total()?, &self.squares.total()?, is_sample, is_root)?;
        Ok(result.map_or(Datum::Null, |n| Datum::Bytes(n.to_bytes())))
    }

    fn heap(&self) -> usize {
        self.sum.heap() + self.squares.heap()
    }
}

/// Variance or deviation of numerics.
#[derive(Clone, Default)]
pub(super) struct Deviation<const IS_SAMPLE: bool, const IS_ROOT: bool>(Moments);

impl<const IS_SAMPLE: bool, const IS_ROOT: bool> BytesState for Deviation<IS_SAMPLE, IS_ROOT> {
    const KIND: Kind = Kind::Bytes;

    fn add(&mut self, value: &[u8]) -> SqlResult<()> {
        self.0.count += 1;
        self.0.sum.add(value)?;
        self.0.squares.add_square(value)
    }

    fn finish(&self) -> SqlResult<Datum> {
        self.0.finish(IS_SAMPLE, IS_ROOT)
    }

    fn heap(&self) -> usize {
        self.0.heap()
    }
}

/// Variance or deviation of integers.
#[derive(Clone, Default)]
pub(super) struct IntDeviation<T, const IS_SAMPLE: bool, const IS_ROOT: bool>(Moments, PhantomData<T>);

impl<T: Column + Into<i64>, const IS_SAMPLE: bool, const IS_ROOT: bool> State
    for IntDeviation<T, IS_SAMPLE, IS_ROOT>
{
    type Input = T;
    const KIND: Kind = Kind::Bytes;

    fn add(&mut self, value: T) -> SqlResult<()> {
        let value = i128::from(value.into());
        self.0.count += 1;
        self.0.sum.add_integer(value)?;
        self.0.squares.add_integer(value * value)
    }

    fn finish(&self) -> SqlResult<Datum> {
        self.0.finish(IS_SAMPLE, IS_ROOT)
    }

    fn heap(&self) -> usize {
        self.0.heap()
    }
}
