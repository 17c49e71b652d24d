//! The accumulator of aggregates whose state is of one group alone, over one fixed-size argument.
//!
//! With one group the whole column goes to its state in one call, which a state may implement as a
//! vectorized reduction; with more, each row goes to its group's.

use super::Accumulator;
use crate::types::column::Column;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::size_of;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;

/// The state of one group; its default is that of no rows.
pub(super) trait GroupState: Default + 'static {
    /// The argument.
    type Input: Column;

    /// Adds a value.
    fn add(&mut self, value: Self::Input) -> SqlResult<()>;

    /// Adds values in their order.
    #[inline]
    fn add_all(&mut self, values: &[Self::Input]) -> SqlResult<()> {
        values.iter().try_for_each(|value| self.add(*value))
    }

    /// Adds the values that are not NULL, in their order.
    #[inline]
    fn add_present(&mut self, values: &[Self::Input], nulls: &[bool]) -> SqlResult<()> {
        for (value, is_null) in values.iter().zip(nulls) {
            if !*is_null {
                self.add(*value)?;
            }
        }
        Ok(())
    }
}

/// The results of states.
pub(super) type Finish<S> = fn(&[S]) -> SqlResult<Vector>;

/// The states of all groups.
struct Groups<S> {
    states: Vec<S>,
    finish: Finish<S>,
}

/// An accumulator of such states.
pub(super) fn groups<S: GroupState>(finish: Finish<S>) -> Box<dyn Accumulator> {
    Box::new(Groups {
        states: Vec::new(),
        finish,
    })
}

impl<S: GroupState> Accumulator for Groups<S> {
    fn resize(&mut self, groups: usize) {
        self.states.resize_with(groups, S::default);
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], _rows: usize) -> SqlResult<()> {
        let values = S::Input::of(&arguments[0]);
        let nulls = arguments[0].nulls.as_deref();
        match (self.states.as_mut_slice(), nulls) {
            ([only], None) => only.add_all(values)?,
            ([only], Some(nulls)) => only.add_present(values, nulls)?,
            (states, None) => {
                for (group, value) in groups.iter().zip(values) {
                    states[*group as usize].add(*value)?;
                }
            }
            (states, Some(nulls)) => {
                for ((group, value), is_null) in groups.iter().zip(values).zip(nulls) {
                    if !*is_null {
                        states[*group as usize].add(*value)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        (self.finish)(&self.states)
    }

    fn memory(&self) -> usize {
        self.states.capacity() * size_of::<S>()
    }
}

/// Calls `f` with the group and the index of each row that is not NULL.
#[inline]
pub(super) fn each_row(
    groups: &[u32],
    nulls: Option<&[bool]>,
    mut f: impl FnMut(usize, usize) -> SqlResult<()>,
) -> SqlResult<()> {
    match nulls {
        None => {
            for (row, group) in groups.iter().enumerate() {
                f(*group as usize, row)?;
            }
        }
        Some(nulls) => {
            for (row, (group, is_null)) in groups.iter().zip(nulls).enumerate() {
                if !*is_null {
                    f(*group as usize, row)?;
                }
            }
        }
    }
    Ok(())
}
