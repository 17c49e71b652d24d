//! `sum` and `avg` of fixed-width types.

use super::dense::State;
use crate::types::column::Column;
use crate::types::errors::{float_overflow, int8_range};
use crate::types::interval;
use crate::types::numeric::Numeric;
use core::marker::PhantomData;
use vireo_abi::datum::{Datum, Interval};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::Kind;

/// Sum of small integers, a bigint.
#[derive(Clone, Default)]
pub(super) struct IntSum<T> {
    sum: i64,
    has_any: bool,
    input: PhantomData<T>,
}

impl<T: Column + Into<i64>> State for IntSum<T> {
    type Input = T;
    const KIND: Kind = Kind::Int8;

    #[inline]
    fn add(&mut self, value: T) -> SqlResult<()> {
        self.sum = self.sum.checked_add(value.into()).ok_or_else(int8_range)?;
        self.has_any = true;
        Ok(())
    }

    fn finish(&self) -> SqlResult<Datum> {
        Ok(if self.has_any { Datum::Int8(self.sum) } else { Datum::Null })
    }
}

/// Sum and count of integers in 128 bits, which 2^64 bigints do not overflow.
#[derive(Clone, Default)]
pub(super) struct WideSum<T, const IS_AVERAGE: bool> {
    sum: i128,
    count: i64,
    input: PhantomData<T>,
}

impl<T: Column + Into<i64>, const IS_AVERAGE: bool> State for WideSum<T, IS_AVERAGE> {
    type Input = T;
    const KIND: Kind = Kind::Bytes;

    #[inline]
    fn add(&mut self, value: T) -> SqlResult<()> {
        self.sum += i128::from(value.into());
        self.count += 1;
        Ok(())
    }

    fn finish(&self) -> SqlResult<Datum> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        let sum = Numeric::from(self.sum);
        let result = if IS_AVERAGE { sum.divide(&Numeric::from(self.count))? } else { sum };
        Ok(Datum::Bytes(result.to_bytes()))
    }
}

/// Sum of reals, a real.
#[derive(Clone, Default)]
pub(super) struct Float4Sum {
    sum: f32,
    has_any: bool,
}

impl State for Float4Sum {
    type Input = f32;
    const KIND: Kind = Kind::Float4;

    #[inline]
    fn add(&mut self, value: f32) -> SqlResult<()> {
        let sum = if self.has_any { self.sum + value } else { value };
        if sum.is_infinite() && self.sum.is_finite() && value.is_finite() {
            return Err(float_overflow());
        }
        (self.sum, self.has_any) = (sum, true);
        Ok(())
    }

    fn finish(&self) -> SqlResult<Datum> {
        Ok(if self.has_any { Datum::Float4(self.sum) } else { Datum::Null })
    }
}

/// Sum of doubles.
#[derive(Clone, Default)]
pub(super) struct Float8Sum {
    sum: f64,
    has_any: bool,
}

impl State for Float8Sum {
    type Input = f64;
    const KIND: Kind = Kind::Float8;

    #[inline]
    fn add(&mut self, value: f64) -> SqlResult<()> {
        // The first value as it is: 0 + -0 would lose its sign.
        let sum = if self.has_any { self.sum + value } else { value };
        if sum.is_infinite() && self.sum.is_finite() && value.is_finite() {
            return Err(float_overflow());
        }
        (self.sum, self.has_any) = (sum, true);
        Ok(())
    }

    fn finish(&self) -> SqlResult<Datum> {
        Ok(if self.has_any { Datum::Float8(self.sum) } else { Datum::Null })
    }
}

/// Sum or average of intervals.
#[derive(Clone, Default)]
pub(super) struct IntervalSum<const IS_AVERAGE: bool> {
    sum: Interval,
    count: i64,
}

impl<const IS_AVERAGE: bool> State for IntervalSum<IS_AVERAGE> {
    type Input = Interval;
    const KIND: Kind = Kind::Interval;

    fn add(&mut self, value: Interval) -> SqlResult<()> {
        self.sum = interval::add(self.sum, value)?;
        self.count += 1;
        Ok(())
    }

    fn finish(&self) -> SqlResult<Datum> {
        if self.count == 0 {
            return Ok(Datum::Null);
        }
        let result = if IS_AVERAGE { interval::divide(self.sum, self.count as f64)? } else { self.sum };
        Ok(Datum::Interval(result))
    }
}
