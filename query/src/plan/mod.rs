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
    Body, CopyFormat, CopyOptions, Explain, ExplainLine, Measured, NewColumn, NewConstraint, Plan,
    SetScope, TransactionCommand,
};

use alloc::vec::Vec;
use core::num::NonZeroUsize;
use rkyv::api::{access_with_context, deserialize_using};
use rkyv::de::Pool;
use rkyv::rancor;
use rkyv::validation::Validator;
use rkyv::validation::archive::ArchiveValidator;
use rkyv::validation::shared::SharedValidator;
use statement::ArchivedPlan;
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

/// Levels that a plan may have: more than the binder makes, and few enough for the stack of whoever reads it.
const DEPTH_MAX: NonZeroUsize = NonZeroUsize::new(4000).expect("it is not zero");

/// A plan from bytes, validated: it has no more levels than [`encode`]'s plans have, so walking and dropping it cannot
/// overflow the stack.
///
/// # Errors
/// XX000 when the bytes are no plan, or one that is too deep.
pub fn decode(bytes: &[u8]) -> SqlResult<Plan> {
    let archive = ArchiveValidator::with_max_depth(bytes, Some(DEPTH_MAX));
    let mut validator = Validator::new(archive, SharedValidator::new());
    access_with_context::<ArchivedPlan, _, rancor::Error>(bytes, &mut validator)
        .and_then(|archived| deserialize_using(archived, &mut Pool::new()))
        .map_err(|_| SqlError::new(state::INTERNAL_ERROR, "malformed plan"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use std::thread;
    use vireo_abi::sql_type::TypeId;

    /// A plan whose expression has `levels` levels, as bytes.
    fn nested(levels: usize) -> Vec<u8> {
        let make = move || {
            let mut expr = Expr::Parameter {
                index: 0,
                sql_type: TypeId::Bool.into(),
            };
            for _ in 0..levels {
                expr = Expr::Not(Box::new(expr));
            }
            let node = Node::Values {
                types: Vec::new(),
                rows: alloc::vec![alloc::vec![expr]],
            };
            encode(&Plan {
                body: Body::Query(node),
                parameters: Vec::new(),
                results: Vec::new(),
                catalog_version: 0,
            })
        };
        // Encoding and dropping take a level of stack for each.
        let thread = thread::Builder::new().stack_size(1 << 30).spawn(make);
        thread.unwrap().join().unwrap()
    }

    /// Runs something with as much stack as the execute function has.
    fn with_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
        let thread = thread::Builder::new().stack_size(14 << 20).spawn(run);
        thread.unwrap().join().unwrap()
    }

    #[test]
    fn a_plan_that_is_too_deep_is_refused() {
        let bytes = nested(100_000);
        let error = with_stack(move || decode(&bytes).unwrap_err());
        assert_eq!(error.message, "malformed plan");
    }

    #[test]
    fn the_deepest_plan_can_be_walked() {
        let bytes = nested(DEPTH_MAX.get() - 10);
        assert!(with_stack(move || encode(&decode(&bytes).unwrap()) == bytes));
    }
}
