//! The table of scalar functions.

use crate::settings::EvalContext;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::TypeId;

/// Whether the same arguments always give the same result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Volatility {
    /// Always.
    Immutable,
    /// Within one statement.
    Stable,
    /// Not even that.
    Volatile,
}

/// A function over whole vectors of `rows` rows.
pub type Kernel = fn(&EvalContext, &[Vector], usize) -> SqlResult<Vector>;

/// One scalar function with fixed argument types.
#[derive(Clone, Copy)]
pub struct ScalarFunction {
    /// PostgreSQL's name.
    pub name: &'static str,
    /// The operator that it implements, prefix where it has one argument; empty: none.
    pub operator: &'static str,
    /// Argument types.
    pub arguments: &'static [TypeId],
    /// Whether the last argument may be repeated.
    pub is_variadic: bool,
    /// Result type.
    pub returns: TypeId,
    /// Volatility.
    pub volatility: Volatility,
    /// The code.
    pub kernel: Kernel,
}

/// Every scalar function; a [`crate::plan::FunctionId`] is an index into it.
pub static FUNCTIONS: &[ScalarFunction] = &[];
