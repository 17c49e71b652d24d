//! Casts between types.

use crate::settings::EvalContext;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::SqlType;

pub use super::cast_table::find;

/// Where a cast may happen by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CastContext {
    /// Anywhere.
    Implicit,
    /// When assigning to a column.
    Assignment,
    /// Only when written.
    Explicit,
}

/// Casts a column, typmod included.
///
/// # Errors
/// PostgreSQL's: 22003, 22001, 22P02, …; 42846 when there is no such cast.
pub fn cast(
    v: &Vector,
    from: SqlType,
    to: SqlType,
    is_explicit: bool,
    cx: &EvalContext,
) -> SqlResult<Vector> {
    let _ = (v, from, to, is_explicit, cx);
    Err(SqlError::new(state::CANNOT_COERCE, "not yet"))
}
