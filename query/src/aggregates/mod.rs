// Another person is writing this folder now: the types person leaves it alone.
// Another person is writing this folder now: the types person leaves it alone.
//! Aggregates: resolution and accumulators.

use crate::functions::Unresolved;
use crate::plan::AggregateId;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::{SqlError, SqlResult, state};
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
pub fn resolve_aggregate(
    name: &str,
    arguments: &[TypeId],
    is_star: bool,
) -> Result<ResolvedAggregate, Unresolved> {
    let _ = (name, arguments, is_star);
    Err(Unresolved::Unknown)
}

/// Whether there is an aggregate of this name.
pub fn is_aggregate(name: &str) -> bool {
    let _ = name;
    false
}

/// A new accumulator. For an id that is no aggregate's, or arguments that do not fit it, one whose
/// every use is the error XX000.
pub fn accumulator(id: AggregateId, arguments: &[SqlType]) -> Box<dyn Accumulator> {
    let _ = (id, arguments);
    Box::new(Invalid)
}

/// What a malformed plan gets.
struct Invalid;

impl Accumulator for Invalid {
    fn resize(&mut self, _groups: usize) {}
    fn update(&mut self, _groups: &[u32], _arguments: &[Vector], _rows: usize) -> SqlResult<()> {
        Err(SqlError::new(
            state::INTERNAL_ERROR,
            "malformed aggregate in a plan",
        ))
    }
    fn finish(&mut self) -> SqlResult<Vector> {
        Err(SqlError::new(
            state::INTERNAL_ERROR,
            "malformed aggregate in a plan",
        ))
    }
    fn memory(&self) -> usize {
        0
    }
}
