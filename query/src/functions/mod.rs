//! Scalar functions and operators: the table, resolution, and calls.

mod resolve;
mod table;

pub use resolve::{Resolved, Unresolved, resolve, resolve_operator};
pub use table::{FUNCTIONS, Kernel, ScalarFunction, Volatility};

use crate::plan::FunctionId;
use crate::settings::EvalContext;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::{SqlError, SqlResult, state};

/// Calls a function on `rows` rows. Strict functions give NULL where an argument is NULL.
///
/// # Errors
/// The function's, for the first row that has one; XX000 for an id or arguments that do not fit.
pub fn call(
    id: FunctionId,
    cx: &EvalContext,
    arguments: &[Vector],
    rows: usize,
) -> SqlResult<Vector> {
    let function = FUNCTIONS
        .get(usize::from(id.0))
        .ok_or_else(|| SqlError::new(state::INTERNAL_ERROR, "no such function in a plan"))?;
    (function.kernel)(cx, arguments, rows)
}

/// Whether a call may be computed once (and in advance).
pub fn volatility(id: FunctionId) -> Volatility {
    FUNCTIONS
        .get(usize::from(id.0))
        .map_or(Volatility::Volatile, |f| f.volatility)
}

/// Whether there is a function of this name.
pub fn exists(name: &str) -> bool {
    FUNCTIONS.iter().any(|f| f.name == name)
}
