//! Constant folding: what depends on nothing is computed once, here.
//!
//! A computation that fails is left for the time when the statement runs: perhaps it is never reached
//! (`CASE WHEN false THEN 1/0 …`).

use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::datum::Datum;
use vireo_abi::sql_type::{SqlType, TypeId};

use crate::functions::{self, Volatility};
use crate::plan::{Expr, FunctionId};
use crate::settings::EvalContext;
use crate::types::cast as casts;

/// Bytes of the largest value that folding may put into a plan.
const VALUE_SIZE_MAX: usize = 1 << 16;

/// A call, or its value.
pub(super) fn call(
    function: FunctionId,
    arguments: Vec<Expr>,
    sql_type: SqlType,
    eval: &EvalContext,
) -> Expr {
    let value = compute_call(function, &arguments, eval);
    match value {
        Some(value) => Expr::Constant { value, sql_type },
        None => Expr::Call {
            function,
            arguments,
            sql_type,
        },
    }
}

fn compute_call(function: FunctionId, arguments: &[Expr], eval: &EvalContext) -> Option<Datum> {
    if functions::volatility(function) != Volatility::Immutable {
        return None;
    }
    let mut columns = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let Expr::Constant { value, sql_type } = argument else {
            return None;
        };
        columns.push(Vector::constant(value, sql_type.kind(), 1));
    }
    let result = functions::call(function, eval, &columns, 1).ok()?;
    small(result)
}

fn small(result: Vector) -> Option<Datum> {
    if result.len() != 1 {
        return None;
    }
    match result.datum(0) {
        Datum::Bytes(bytes) if bytes.len() > VALUE_SIZE_MAX => None,
        value => Some(value),
    }
}

/// A cast, or its value.
pub(super) fn cast(
    operand: Expr,
    sql_type: SqlType,
    is_explicit: bool,
    eval: &EvalContext,
) -> Expr {
    if let Expr::Constant {
        value,
        sql_type: from,
    } = &operand
    {
        if value.is_null() {
            return Expr::Constant {
                value: Datum::Null,
                sql_type,
            };
        }
        if is_settled(from.id, sql_type.id) {
            let column = Vector::constant(value, from.kind(), 1);
            let result = casts::cast(&column, *from, sql_type, is_explicit, eval);
            if let Some(value) = result.ok().and_then(small) {
                return Expr::Constant { value, sql_type };
            }
        }
    }
    Expr::Cast {
        operand: Box::new(operand),
        sql_type,
        is_explicit,
    }
}

/// Whether a cast gives the same in every session and at every time.
fn is_settled(from: TypeId, to: TypeId) -> bool {
    use TypeId as T;
    let depends = |id| {
        matches!(
            id,
            T::Date | T::Time | T::Timestamp | T::Timestamptz | T::Interval
        )
    };
    let is_text = |id| matches!(id, T::Text | T::Varchar | T::Bpchar | T::Name | T::Unknown);
    match (from, to) {
        _ if from == to => true,
        (T::Timestamptz, _) | (_, T::Timestamptz) => false,
        _ if is_text(from) => !depends(to),
        _ if is_text(to) => !depends(from) && !matches!(from, T::Float4 | T::Float8 | T::Bytea),
        _ => true,
    }
}

/// AND of conditions: flat, without constants that do not matter.
pub(super) fn and(operands: Vec<Expr>) -> Expr {
    let mut flat = Vec::with_capacity(operands.len());
    for operand in operands {
        match operand {
            Expr::And(inner) => flat.extend(inner),
            Expr::Constant {
                value: Datum::Bool(true),
                ..
            } => {}
            constant @ Expr::Constant {
                value: Datum::Bool(false),
                ..
            } => return constant,
            other => flat.push(other),
        }
    }
    match flat.len() {
        0 => boolean(true),
        1 => flat.swap_remove(0),
        _ => Expr::And(flat),
    }
}

/// OR of conditions, likewise.
pub(super) fn or(operands: Vec<Expr>) -> Expr {
    let mut flat = Vec::with_capacity(operands.len());
    for operand in operands {
        match operand {
            Expr::Or(inner) => flat.extend(inner),
            Expr::Constant {
                value: Datum::Bool(false),
                ..
            } => {}
            constant @ Expr::Constant {
                value: Datum::Bool(true),
                ..
            } => return constant,
            other => flat.push(other),
        }
    }
    match flat.len() {
        0 => boolean(false),
        1 => flat.swap_remove(0),
        _ => Expr::Or(flat),
    }
}

/// NOT.
pub(super) fn not(operand: Expr) -> Expr {
    match operand {
        Expr::Constant {
            value: Datum::Bool(value),
            ..
        } => boolean(!value),
        constant @ Expr::Constant {
            value: Datum::Null, ..
        } => constant,
        Expr::Not(inner) => *inner,
        other => Expr::Not(Box::new(other)),
    }
}

/// IS [NOT] NULL.
pub(super) fn is_null(operand: Expr, is_negated: bool) -> Expr {
    match operand {
        Expr::Constant { value, .. } => boolean(value.is_null() != is_negated),
        other => Expr::IsNull {
            operand: Box::new(other),
            is_negated,
        },
    }
}

/// TRUE or FALSE.
pub(super) fn boolean(value: bool) -> Expr {
    Expr::Constant {
        value: Datum::Bool(value),
        sql_type: SqlType::plain(TypeId::Bool),
    }
}

/// CASE without the branches that are never reached.
pub(super) fn case(
    branches: Vec<(Expr, Expr)>,
    mut otherwise: Option<Box<Expr>>,
    sql_type: SqlType,
) -> Expr {
    let mut live = Vec::with_capacity(branches.len());
    for (condition, result) in branches {
        match condition {
            Expr::Constant {
                value: Datum::Bool(true),
                ..
            } => {
                otherwise = Some(Box::new(result));
                break;
            }
            Expr::Constant {
                value: Datum::Bool(false) | Datum::Null,
                ..
            } => {}
            condition => live.push((condition, result)),
        }
    }
    match (live.is_empty(), otherwise) {
        (true, Some(result)) => *result,
        (true, None) => Expr::Constant {
            value: Datum::Null,
            sql_type,
        },
        (false, otherwise) => Expr::Case {
            branches: live,
            otherwise,
            sql_type,
        },
    }
}
