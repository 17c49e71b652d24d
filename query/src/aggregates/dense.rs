//! Accumulators over a dense vector of states.

use super::Accumulator;
use crate::types::column::{Column, bytes};
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::datum::Datum;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::Kind;

/// The state of one group over values of a fixed-width type.
pub(super) trait State: Clone + Default {
    /// What is added.
    type Input: Column;
    /// The kind of the result.
    const KIND: Kind;
    /// Adds a value.
    fn add(&mut self, value: Self::Input) -> SqlResult<()>;
    /// The result.
    fn finish(&self) -> SqlResult<Datum>;
    /// Bytes held outside the state itself.
    fn heap(&self) -> usize {
        0
    }
}

/// The state of one group over byte strings.
pub(super) trait BytesState: Clone + Default {
    /// The kind of the result.
    const KIND: Kind;
    /// Adds a value.
    fn add(&mut self, value: &[u8]) -> SqlResult<()>;
    /// The result.
    fn finish(&self) -> SqlResult<Datum>;
    /// Bytes held outside the state itself.
    fn heap(&self) -> usize;
}

/// States of groups with fixed-width input.
pub(super) struct Dense<S> {
    states: Vec<S>,
}

impl<S> Default for Dense<S> {
    fn default() -> Self {
        Dense { states: Vec::new() }
    }
}

fn results<S>(states: &[S], kind: Kind, finish: impl Fn(&S) -> SqlResult<Datum>) -> SqlResult<Vector> {
    let mut out = Vector::with_capacity(kind, states.len());
    for state in states {
        out.push(&finish(state)?);
    }
    Ok(out)
}

impl<S: State> Accumulator for Dense<S> {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, S::default());
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], rows: usize) -> SqlResult<()> {
        let values = &S::Input::of(&arguments[0])[..rows];
        let groups = &groups[..rows];
        match (&arguments[0].nulls, self.states.as_mut_slice()) {
            (None, [only]) => values.iter().try_for_each(|v| only.add(*v)),
            (None, states) => groups.iter().zip(values).try_for_each(|(g, v)| states[*g as usize].add(*v)),
            (Some(nulls), states) => {
                for ((group, value), is_null) in groups.iter().zip(values).zip(nulls) {
                    if !is_null {
                        states[*group as usize].add(*value)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        results(&self.states, S::KIND, S::finish)
    }

    fn memory(&self) -> usize {
        self.states.capacity() * size_of::<S>() + self.states.iter().map(S::heap).sum::<usize>()
    }
}

/// States of groups with byte strings as input; what they hold outside is counted as it grows.
pub(super) struct DenseBytes<S> {
    states: Vec<S>,
    heap: usize,
}

impl<S> Default for DenseBytes<S> {
    fn default() -> Self {
        DenseBytes { states: Vec::new(), heap: 0 }
    }
}

impl<S: BytesState> Accumulator for DenseBytes<S> {
    fn resize(&mut self, groups: usize) {
        self.states.resize(groups, S::default());
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], rows: usize) -> SqlResult<()> {
        let values = bytes(&arguments[0]);
        for (row, group) in groups[..rows].iter().enumerate() {
            if arguments[0].is_null(row) {
                continue;
            }
            let state = &mut self.states[*group as usize];
            let before = state.heap();
            state.add(values.get(row))?;
            self.heap = self.heap + state.heap() - before;
        }
        Ok(())
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        results(&self.states, S::KIND, S::finish)
    }

    fn memory(&self) -> usize {
        self.states.capacity() * size_of::<S>() + self.heap
    }
}
