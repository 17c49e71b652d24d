//! Which function a call means: PostgreSQL's rules of overload resolution.

use crate::plan::FunctionId;
use alloc::vec::Vec;
use vireo_abi::sql_type::{SqlType, TypeId};

/// Why a call means no function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unresolved {
    /// No candidate fits.
    Unknown,
    /// Several fit equally well.
    Ambiguous,
}

/// What a call means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// The function.
    pub id: FunctionId,
    /// The types to which the arguments are to be cast, one for each argument given.
    pub arguments: Vec<TypeId>,
    /// The type of the result.
    pub returns: SqlType,
}

/// Resolves a function call. `TypeId::Unknown` stands for a literal or parameter without a type.
///
/// # Errors
/// [`Unresolved`].
pub fn resolve(name: &str, arguments: &[TypeId]) -> Result<Resolved, Unresolved> {
    let _ = (name, arguments);
    Err(Unresolved::Unknown)
}

/// Resolves an operator; prefix when there is no left operand.
///
/// # Errors
/// [`Unresolved`].
pub fn resolve_operator(
    symbol: &str,
    left: Option<TypeId>,
    right: TypeId,
) -> Result<Resolved, Unresolved> {
    let _ = (symbol, left, right);
    Err(Unresolved::Unknown)
}
