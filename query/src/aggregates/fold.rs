//! Aggregates that fold values into one of the same type: `min` and `max` of fixed-size types,
//! `bool_and`, `bool_or`, `bit_and`, `bit_or`, `bit_xor`.
//!
//! Each operation has an identity, which an empty group holds. Of two equal values (0.0 and -0.0, '1
//! day' and '24 hours') an extreme is the later one, as PostgreSQL's `float8larger` and the like say.

use super::group_state::GroupState;
use super::output::column;
use crate::types::column::Column;
use crate::types::compare::{compare_float, interval_span};
use core::cmp::Ordering;
use core::marker::PhantomData;
use vireo_abi::chunk::Vector;
use vireo_abi::datum::Interval;
use vireo_abi::message::error::SqlResult;

/// An associative operation.
pub(super) trait Operation<T>: 'static {
    /// What changes no value.
    const IDENTITY: T;
    /// The operation, the earlier value first.
    fn apply(earlier: T, later: T) -> T;
}

/// The smallest.
pub(super) struct Min;
/// The largest.
pub(super) struct Max;
/// All bits.
pub(super) struct And;
/// Any bits.
pub(super) struct Or;
/// An odd number of bits.
pub(super) struct Xor;

macro_rules! operation {
    ($($operation:ident, $native:ty, $identity:expr, |$a:ident, $b:ident| $body:expr;)*) => {$(
        impl Operation<$native> for $operation {
            const IDENTITY: $native = $identity;
            #[inline]
            fn apply($a: $native, $b: $native) -> $native {
                $body
            }
        }
    )*};
}

macro_rules! integers {
    ($($native:ty),*) => {$(
        operation! {
            Min, $native, <$native>::MAX, |a, b| a.min(b);
            Max, $native, <$native>::MIN, |a, b| a.max(b);
            And, $native, -1, |a, b| a & b;
            Or, $native, 0, |a, b| a | b;
            Xor, $native, 0, |a, b| a ^ b;
        }
    )*};
}

integers!(i16, i32, i64);

/// The earlier where it is above the later (for a minimum: below).
#[inline]
fn pick<T: Copy>(earlier: T, later: T, order: Ordering, wanted: Ordering) -> T {
    if order == wanted { earlier } else { later }
}

const fn interval(extreme: i64) -> Interval {
    let field = if extreme < 0 { i32::MIN } else { i32::MAX };
    Interval {
        months: field,
        days: field,
        micros: extreme,
    }
}

operation! {
    Min, f32, f32::NAN, |a, b| pick(a, b, compare_float(a.into(), b.into()), Ordering::Less);
    Max, f32, f32::NEG_INFINITY, |a, b| pick(a, b, compare_float(a.into(), b.into()), Ordering::Greater);
    Min, f64, f64::NAN, |a, b| pick(a, b, compare_float(a, b), Ordering::Less);
    Max, f64, f64::NEG_INFINITY, |a, b| pick(a, b, compare_float(a, b), Ordering::Greater);
    Min, Interval, interval(i64::MAX), |a, b| pick(a, b, interval_span(a).cmp(&interval_span(b)), Ordering::Less);
    Max, Interval, interval(i64::MIN), |a, b| pick(a, b, interval_span(a).cmp(&interval_span(b)), Ordering::Greater);
    And, bool, true, |a, b| a & b;
    Or, bool, false, |a, b| a | b;
}

/// The values of a group under an operation.
pub(super) struct Folded<T, O> {
    value: T,
    is_present: bool,
    operation: PhantomData<O>,
}

impl<T, O: Operation<T>> Default for Folded<T, O> {
    fn default() -> Self {
        Folded {
            value: O::IDENTITY,
            is_present: false,
            operation: PhantomData,
        }
    }
}

impl<T: Column, O: Operation<T>> GroupState for Folded<T, O> {
    type Input = T;

    #[inline]
    fn add(&mut self, value: T) -> SqlResult<()> {
        self.value = O::apply(self.value, value);
        self.is_present = true;
        Ok(())
    }

    fn add_all(&mut self, values: &[T]) -> SqlResult<()> {
        self.value = values.iter().copied().fold(self.value, O::apply);
        self.is_present |= !values.is_empty();
        Ok(())
    }
}

/// The folded values.
pub(super) fn folded<T: Column, O>(states: &[Folded<T, O>]) -> SqlResult<Vector> {
    Ok(column(states, |s| s.is_present.then_some(s.value)))
}
