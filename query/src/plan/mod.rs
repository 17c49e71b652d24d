//! The physical plan: what parse hands to execute, through the gateway that cannot read it.
//!
//! Execute does not trust it: [`decode`] validates the archive, and building operators checks every column
//! position, type and table against the catalog it reads itself.

mod expr;
mod node;
mod statement;

pub use expr::{AggregateCall, AggregateId, Expr, FunctionId, SortKey};
pub use node::{Bound, IndexProbe, JoinKind, Node, ScanColumn, TableRef};
pub use statement::{
    Body, CopyFormat, CopyOptions, Explain, NewColumn, NewConstraint, Plan, SetScope,
    TransactionCommand,
};

use alloc::vec::Vec;
use vireo_abi::message::error::{SqlError, SqlResult, state};

/// A plan as bytes.
///
/// # Panics
/// Never: a plan holds nothing that cannot be archived.
pub fn encode(plan: &Plan) -> Vec<u8> {
    rkyv::to_bytes::<rkyv::rancor::Error>(plan)
        .expect("a plan holds nothing that cannot be archived")
        .into_vec()
}

/// A plan from bytes, validated.
///
/// # Errors
/// XX000 when the bytes are no plan.
pub fn decode(bytes: &[u8]) -> SqlResult<Plan> {
    rkyv::from_bytes::<Plan, rkyv::rancor::Error>(bytes)
        .map_err(|_| SqlError::new(state::INTERNAL_ERROR, "malformed plan"))
}
