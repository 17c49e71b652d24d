//! Execution: a plan's [`Node`](crate::plan::Node)s as [`Operator`]s that hand chunks upward.
//!
//! ```text
//!        next()          next()           next()
//!  session <── Project <── HashJoin <──┬── SeqScan
//!                                      └── IndexScan
//! ```
//!
//! - [`build`] makes operators of a plan that it does not trust: every position, type and arity is checked there, and
//!   the depth is bounded, so that what runs later cannot step outside.
//! - [`eval`] computes an expression over a chunk.
//! - An operator is pulled: each call gives the next chunk, with at least one row, or none at the end.
//!
//! Invariants:
//! 1. After its end or an error an operator is not asked again.
//! 2. An operator's chunks have the columns that its node states, of their types' kinds.
//! 3. Between chunks an operator passes [`Transaction::checkpoint`]: there other sessions get their turn, and
//!    cancellation takes effect.
//! 4. What grows with the data (built sides, groups, sorts) is reserved with the transaction before it is allocated.
//!
//! Failures: XX000 for a plan that does not fit, 54001 for one that is too deep, 53200 when memory is short, and
//! whatever expressions and the transaction say.

mod aggregate;
mod analyze;
mod append;
mod build;
mod check;
mod distinct;
mod eval;
mod fetch;
mod filter;
mod gather;
mod group_table;
mod hash_join;
mod index_join;
mod index_scan;
mod join_output;
mod limit;
mod materialized;
mod nested_loop_join;
mod probe;
mod project;
mod seq_scan;
mod sort;
mod sort_key;
mod system_view;
mod top_n;
mod values;

#[cfg(test)]
mod tests;

pub use analyze::{Clock, OperatorStats, Stats, build_analyzed};
pub use build::build;
pub use check::{check_expr, check_exprs};
pub use eval::{eval, eval_filter, eval_once};

use crate::settings::EvalContext;
use crate::txn::{LocalFuture, Transaction};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use vireo_abi::chunk::Chunk;
use vireo_abi::datum::Datum;
use vireo_abi::message::error::{SqlError, SqlResult, state};

/// What a statement runs in.
pub struct ExecContext {
    /// Its transaction.
    pub txn: Rc<dyn Transaction>,
    /// What expressions may look at.
    pub eval: EvalContext,
    /// The values of `$1` and so on, of the kinds of the plan's parameters.
    pub parameters: Vec<Datum>,
}

/// A part of a running query.
pub trait Operator {
    /// The next chunk; none at the end.
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>>;
}

/// A plan that contradicts itself or its tables: a bug of the planner, or a hostile one.
#[cold]
pub(crate) fn bad_plan(what: &str) -> Box<SqlError> {
    SqlError::new(
        state::INTERNAL_ERROR,
        alloc::format!("malformed plan: {what}"),
    )
}
