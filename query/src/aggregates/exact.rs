//! Exact aggregates: `sum` and `avg` of numeric; variance and standard deviation of integers and numeric.
//!
//! The sums of a group are [`NumericSum`]s: an `i128` each, with a big number outside of the state once that
//! does not suffice. What is outside is counted as it changes, so that `memory` need not look at each group.

use super::Accumulator;
use super::group_state::each_row;
use super::output::strings;
use crate::types::column::{Column, bytes};
use crate::types::numeric::{Numeric, NumericSum, deviation};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::size_of;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;

/// One group of an exact aggregate.
trait ExactState: Default {
    /// Bytes held outside of the state.
    fn heap(&self) -> usize;
}

/// What is asked of the states: the result, none for NULL.
type Finish<S> = fn(&S) -> SqlResult<Option<Numeric>>;
/// Adds the rows of an argument.
type AddRows<S> = fn(&mut Exact<S>, &[u32], &Vector) -> SqlResult<()>;

struct Exact<S> {
    states: Vec<S>,
    heap: usize,
    add_rows: AddRows<S>,
    finish: Finish<S>,
}

fn exact<S: ExactState + 'static>(add_rows: AddRows<S>, finish: Finish<S>) -> Box<dyn Accumulator> {
    Box::new(Exact {
        states: Vec::new(),
        heap: 0,
        add_rows,
        finish,
    })
}

impl<S: ExactState> Exact<S> {
    #[inline]
    fn change(&mut self, group: usize, f: impl FnOnce(&mut S) -> SqlResult<()>) -> SqlResult<()> {
        let state = &mut self.states[group];
        let before = state.heap();
        f(state)?;
        self.heap = self.heap + state.heap() - before;
        Ok(())
    }
}

impl<S: ExactState> Accumulator for Exact<S> {
    fn resize(&mut self, groups: usize) {
        self.states.resize_with(groups, S::default);
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], _rows: usize) -> SqlResult<()> {
        (self.add_rows)(self, groups, &arguments[0])
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        strings(self.states.len(), |group, out| {
            let result = (self.finish)(&self.states[group])?;
            if let Some(value) = &result {
                value.encode(out);
            }
            Ok(result.is_some())
        })
    }

    fn memory(&self) -> usize {
        self.states.capacity() * size_of::<S>() + self.heap
    }
}

/// Sum and count.
#[derive(Default)]
struct Sum {
    sum: NumericSum,
    count: i64,
}

impl ExactState for Sum {
    #[inline]
    fn heap(&self) -> usize {
        self.sum.heap()
    }
}

fn add_to_sums(sums: &mut Exact<Sum>, groups: &[u32], argument: &Vector) -> SqlResult<()> {
    let values = bytes(argument);
    each_row(groups, argument.nulls.as_deref(), |group, row| {
        sums.change(group, |state| {
            state.count += 1;
            state.sum.add(values.get(row))
        })
    })
}

/// `sum(numeric)`
pub(super) fn sum() -> Box<dyn Accumulator> {
    exact(add_to_sums, |s| match s.count {
        0 => Ok(None),
        _ => s.sum.total().map(Some),
    })
}

/// `avg(numeric)`
pub(super) fn average() -> Box<dyn Accumulator> {
    exact(add_to_sums, |s| match s.count {
        0 => Ok(None),
        count => s.sum.total()?.divide(&Numeric::from(count)).map(Some),
    })
}

/// Count, and sums of the values and of their squares.
#[derive(Default)]
pub(super) struct Moments {
    sum: NumericSum,
    squares: NumericSum,
    count: i64,
}

impl ExactState for Moments {
    #[inline]
    fn heap(&self) -> usize {
        self.sum.heap() + self.squares.heap()
    }
}

impl Moments {
    fn deviation(&self, is_sample: bool, is_root: bool) -> SqlResult<Option<Numeric>> {
        let (sum, squares) = (self.sum.total()?, self.squares.total()?);
        deviation(self.count, &sum, &squares, is_sample, is_root)
    }
}

/// `var_pop`
pub(super) fn var_pop(moments: &Moments) -> SqlResult<Option<Numeric>> {
    moments.deviation(false, false)
}

/// `var_samp`
pub(super) fn var_samp(moments: &Moments) -> SqlResult<Option<Numeric>> {
    moments.deviation(true, false)
}

/// `stddev_pop`
pub(super) fn stddev_pop(moments: &Moments) -> SqlResult<Option<Numeric>> {
    moments.deviation(false, true)
}

/// `stddev_samp`
pub(super) fn stddev_samp(moments: &Moments) -> SqlResult<Option<Numeric>> {
    moments.deviation(true, true)
}

fn add_integers<T: Column + Into<i64>>(
    moments: &mut Exact<Moments>,
    groups: &[u32],
    argument: &Vector,
) -> SqlResult<()> {
    let values = T::of(argument);
    each_row(groups, argument.nulls.as_deref(), |group, row| {
        let value: i64 = values[row].into();
        let value = i128::from(value);
        moments.change(group, |state| {
            state.count += 1;
            state.sum.add_integer(value)?;
            state.squares.add_integer(value * value)
        })
    })
}

fn add_numerics(moments: &mut Exact<Moments>, groups: &[u32], argument: &Vector) -> SqlResult<()> {
    let values = bytes(argument);
    each_row(groups, argument.nulls.as_deref(), |group, row| {
        moments.change(group, |state| {
            state.count += 1;
            state.sum.add(values.get(row))?;
            state.squares.add_square(values.get(row))
        })
    })
}

/// A statistic of integers.
pub(super) fn of_integers<T: Column + Into<i64>>(
    statistic: fn(&Moments) -> SqlResult<Option<Numeric>>,
) -> Box<dyn Accumulator> {
    exact(add_integers::<T>, statistic)
}

/// A statistic of numeric.
pub(super) fn of_numerics(
    statistic: fn(&Moments) -> SqlResult<Option<Numeric>>,
) -> Box<dyn Accumulator> {
    exact(add_numerics, statistic)
}
