//! Aggregates: resolution and accumulators.
//!
//! An accumulator keeps one state a group, in a dense vector. DISTINCT and FILTER are the caller's:
//! it hands over only the rows that count. NULL arguments are skipped here, as each aggregate asks.

mod bits;
mod count;
mod dense;
mod extremes;
mod numeric_sums;
mod string_agg;
mod sums;
mod table;
mod variance;

pub use table::AGGREGATES;

use crate::functions::{Candidate, Unresolved, select};
use crate::plan::AggregateId;
use crate::types::errors::malformed;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{SqlType, TypeId};

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
    /// The aggregate's, for example 22003.
    ///
    /// # Panics
    /// If a group is not below the last `resize`'s, or the arguments are not of the aggregate's kinds.
    fn update(&mut self, groups: &[u32], arguments: &[Vector], rows: usize) -> SqlResult<()>;
    /// The results, one row a group.
    ///
    /// # Errors
    /// The aggregate's.
    fn finish(&mut self) -> SqlResult<Vector>;
    /// Bytes of memory held.
    fn memory(&self) -> usize;
}

/// Resolves an aggregate call.
///
/// # Errors
/// [`Unresolved`].
pub fn resolve_aggregate(name: &str, arguments: &[TypeId], is_star: bool) -> Result<ResolvedAggregate, Unresolved> {
    let found = |index: usize, arguments: Vec<TypeId>| ResolvedAggregate {
        id: AggregateId(index as u16), // the table is far below 65536 entries
        arguments,
        returns: SqlType::plain(AGGREGATES[index].returns),
    };
    let mut candidates = Vec::new();
    for (index, aggregate) in AGGREGATES.iter().enumerate() {
        if aggregate.name != name || aggregate.is_star != is_star {
            continue;
        }
        if aggregate.takes_any && arguments.len() == 1 {
            let ty = if arguments[0] == TypeId::Unknown { TypeId::Text } else { arguments[0] };
            return Ok(found(index, alloc::vec![ty]));
        }
        if aggregate.takes_any || aggregate.arguments.len() != arguments.len() {
            continue;
        }
        if aggregate.arguments == arguments {
            return Ok(found(index, arguments.to_vec()));
        }
        candidates.push(Candidate { index, arguments: aggregate.arguments });
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
    match AGGREGATES.get(usize::from(id.0)) {
        Some(a) if a.takes_any && arguments.len() == 1 => (a.make)(),
        Some(a)
            if !a.takes_any
                && a.arguments.len() == arguments.len()
                && a.arguments.iter().zip(arguments).all(|(want, got)| want.kind() == got.kind()) =>
        {
            (a.make)()
        }
        _ => Box::new(Invalid),
    }
}

/// What a malformed plan gets.
struct Invalid;

impl Accumulator for Invalid {
    fn resize(&mut self, _groups: usize) {}
    fn update(&mut self, _groups: &[u32], _arguments: &[Vector], _rows: usize) -> SqlResult<()> {
        Err(malformed("an aggregate"))
    }
    fn finish(&mut self) -> SqlResult<Vector> {
        Err(malformed("an aggregate"))
    }
    fn memory(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests;
