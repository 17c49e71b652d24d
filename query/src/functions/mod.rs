//! Scalar functions and operators: the table, resolution, and calls.
//!
//! A function is a kernel over whole vectors with fixed argument types; `1 + 1.5` is resolved to
//! `numeric_add` when it is bound, and its arguments are cast by the plan. One family to a file.

mod age;
mod comparison;
mod concat;
mod date_arith;
mod date_make;
mod date_parts;
mod date_trunc;
mod encoding;
mod float_ops;
mod integer_ops;
pub(crate) mod kernel;
mod keywords;
mod like;
mod math;
mod numeric_ops;
mod resolve;
mod strings;
mod system;
mod table;
mod text_case;
mod text_parts;

pub(crate) use encoding::quoted_identifier;
pub(crate) use resolve::{Candidate, select};
pub use resolve::{Resolved, Unresolved, resolve, resolve_operator};
pub use table::{FUNCTIONS, Kernel, ScalarFunction, Volatility};

use crate::plan::FunctionId;
use crate::settings::EvalContext;
use crate::types::errors::malformed;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;

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
        .ok_or_else(|| malformed("no such function"))?;
    let wanted = function.arguments;
    let is_enough =
        arguments.len() == wanted.len() || (function.is_variadic && arguments.len() > wanted.len());
    let is_typed = arguments.iter().zip(wanted).enumerate().all(|(i, (v, t))| {
        v.values.kind() == t.kind() || (function.is_variadic && i + 1 == wanted.len())
    });
    if !is_enough || !is_typed || arguments.iter().any(|v| v.len() != rows) {
        return Err(malformed("arguments that do not fit their function"));
    }
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

#[cfg(test)]
mod tests;
