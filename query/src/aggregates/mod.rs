//! Aggregates: resolution and accumulators.
//!
//! ```text
//!  resolve_aggregate ──> AggregateId, an index into AGGREGATES ──> accumulator ──> resize, update …, finish
//! ```
//!
//! An accumulator holds the states of all groups of one aggregate densely, indexed by the group's
//! number, and takes whole vectors. Most aggregates are a `group_state::GroupState`, the state of one
//! group over one fixed-size argument; the others (numeric, strings, pairs) keep what groups share, or
//! what is outside of their states, beside these.
//!
//! Invariants:
//! 1. Rows are taken in their order: sums of floats, and which of two equal values an extreme
//!    shows, are those that PostgreSQL gives for that order.
//! 2. An update allocates to grow what all groups share, never for each row.
//! 3. An accumulator sees only arguments of the kinds of its entry in the table.
//! 4. A group without values finishes as NULL; as 0 for counts.
//!
//! Fails with PostgreSQL's errors (22003, 22008, 54000), and with XX000 for a plan that asks for
//! what does not exist. After an error an accumulator is of no more use. DISTINCT and FILTER are the
//! executor's: it hands over only the rows that count.

mod count;
mod exact;
mod extreme;
mod float_state;
mod float_sum;
mod fold;
mod group_state;
mod integer_sum;
mod interval_sum;
mod output;
mod regression;
mod string_agg;
mod table;

pub use table::{AGGREGATES, Aggregate};

use crate::functions::{Candidate, Unresolved, select};
use crate::plan::AggregateId;
use crate::types::errors::malformed;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{Kind, SqlType, TypeId};

/// What an aggregate call means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolvedAggregate {
    /// The aggregate.
    pub id: AggregateId,
    /// The types to which the arguments are to be cast.
    pub arguments: Vec<TypeId>,
    /// The type of the result.
    pub returns: SqlType,
}

/// The state of one aggregate over many groups.
pub trait Accumulator {
    /// Makes room for groups `0..groups`; new ones start empty.
    fn resize(&mut self, groups: usize);
    /// Adds rows: `groups[row]` is the group of each. NULL arguments are skipped as the aggregate asks.
    ///
    /// # Errors
    /// The aggregate's, for example 22003; XX000 for arguments that do not fit it.
    ///
    /// # Panics
    /// If a group is not below the last `resize`'s.
    fn update(&mut self, groups: &[u32], arguments: &[Vector], rows: usize) -> SqlResult<()>;
    /// The results, one row a group. The accumulator is then done.
    ///
    /// # Errors
    /// The aggregate's.
    fn finish(&mut self) -> SqlResult<Vector>;
    /// Bytes of memory held.
    fn memory(&self) -> usize;
}

fn found(index: usize, arguments: Vec<TypeId>) -> ResolvedAggregate {
    ResolvedAggregate {
        id: AggregateId(index as u16), // the table is far below 65536 entries
        arguments,
        returns: SqlType::plain(AGGREGATES[index].returns),
    }
}

/// Resolves an aggregate call by PostgreSQL's rules for functions. `TypeId::Unknown` stands for a
/// literal or parameter without a type.
///
/// # Errors
/// [`Unresolved`].
pub fn resolve_aggregate(
    name: &str,
    arguments: &[TypeId],
    is_star: bool,
) -> Result<ResolvedAggregate, Unresolved> {
    let mut candidates = Vec::new();
    for (index, aggregate) in AGGREGATES.iter().enumerate() {
        let wanted = aggregate.arguments;
        if aggregate.name != name || wanted.len() != arguments.len() || wanted.is_empty() != is_star
        {
            continue;
        }
        if aggregate.takes_any() {
            let decided = arguments.iter().map(|t| match t {
                TypeId::Unknown => TypeId::Text,
                known => *known,
            });
            return Ok(found(index, decided.collect()));
        }
        if wanted == arguments {
            return Ok(found(index, arguments.to_vec()));
        }
        candidates.push(Candidate {
            index,
            arguments: wanted,
        });
    }
    select(candidates, arguments).map(|c| found(c.index, c.arguments.to_vec()))
}

/// Whether there is an aggregate of this name.
pub fn is_aggregate(name: &str) -> bool {
    AGGREGATES.iter().any(|a| a.name == name)
}

/// A new accumulator. For an id that is no aggregate's, or arguments that do not fit it, one whose
/// every use is the error XX000.
pub fn accumulator(id: AggregateId, arguments: &[SqlType]) -> Box<dyn Accumulator> {
    let fits = |aggregate: &&Aggregate| {
        let wanted = aggregate.arguments;
        let mut pairs = wanted.iter().zip(arguments);
        wanted.len() == arguments.len()
            && (aggregate.takes_any() || pairs.all(|(w, a)| w.kind() == a.kind()))
    };
    match AGGREGATES.get(usize::from(id.0)).filter(fits) {
        Some(aggregate) => Box::new(Checked {
            kinds: arguments.iter().map(|a| a.kind()).collect(),
            inner: (aggregate.make)(),
        }),
        None => Box::new(Invalid),
    }
}

/// An accumulator behind a check of what it is given (invariant 3).
struct Checked {
    kinds: Vec<Kind>,
    inner: Box<dyn Accumulator>,
}

impl Accumulator for Checked {
    fn resize(&mut self, groups: usize) {
        self.inner.resize(groups);
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], rows: usize) -> SqlResult<()> {
        let mut pairs = arguments.iter().zip(&self.kinds);
        let is_fitting = groups.len() == rows
            && arguments.len() == self.kinds.len()
            && pairs.all(|(v, kind)| v.values.kind() == *kind && v.len() == rows);
        if !is_fitting {
            return Err(malformed("arguments that do not fit their aggregate"));
        }
        if rows == 0 {
            return Ok(());
        }
        self.inner.update(groups, arguments, rows)
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        self.inner.finish()
    }

    fn memory(&self) -> usize {
        self.inner.memory()
    }
}

/// What a malformed plan gets.
struct Invalid;

impl Accumulator for Invalid {
    fn resize(&mut self, _groups: usize) {}

    fn update(&mut self, _groups: &[u32], _arguments: &[Vector], _rows: usize) -> SqlResult<()> {
        Err(malformed("no such aggregate"))
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        Err(malformed("no such aggregate"))
    }

    fn memory(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests;
