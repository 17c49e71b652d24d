//! Whether expressions fit the columns they are given. A plan comes from another machine and is not trusted.
//!
//! After [`check_expr`] every column is there with its type, branches and comparisons are of one type, and the depth is
//! bounded. What depends on values (how many parameters came, of what kinds) is checked as they are used, and functions
//! and aggregates check their own arguments.

use super::bad_plan;
use super::eval::{MAX_DEPTH, too_deep};
use crate::plan::{AggregateCall, Expr, SortKey};
use crate::types::cast;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{SqlType, TypeId};

/// Checks an expression over a chunk of these columns.
///
/// # Errors
/// XX000 if it does not fit; 54001 if it is too deep.
pub fn check_expr(expr: &Expr, input: &[SqlType]) -> SqlResult<()> {
    check(expr, input, 0)
}

/// Checks several expressions.
///
/// # Errors
/// As [`check_expr`].
pub fn check_exprs(exprs: &[Expr], input: &[SqlType]) -> SqlResult<()> {
    exprs.iter().try_for_each(|e| check_expr(e, input))
}

/// Checks a condition.
pub(super) fn check_condition(expr: &Expr, input: &[SqlType]) -> SqlResult<()> {
    check_expr(expr, input)?;
    same(expr.sql_type(), TypeId::Bool.into())
}

/// Checks what has an input of its own.
pub(super) fn check_aggregate(call: &AggregateCall, input: &[SqlType]) -> SqlResult<()> {
    check_exprs(&call.arguments, input)?;
    call.filter
        .iter()
        .try_for_each(|f| check_condition(f, input))
}

/// Checks the keys of a sort.
pub(super) fn check_sort_keys(keys: &[SortKey], input: &[SqlType]) -> SqlResult<()> {
    keys.iter().try_for_each(|k| check_expr(&k.expr, input))
}

/// Whether two types hold the same values: the same identity, or both of them text.
pub(super) fn same(a: SqlType, b: SqlType) -> SqlResult<()> {
    if a.id == b.id || (is_text(a.id) && is_text(b.id)) {
        return Ok(());
    }
    Err(bad_plan("types that do not agree"))
}

fn is_text(id: TypeId) -> bool {
    matches!(
        id,
        TypeId::Text | TypeId::Varchar | TypeId::Bpchar | TypeId::Name | TypeId::Unknown
    )
}

fn check(expr: &Expr, input: &[SqlType], depth: usize) -> SqlResult<()> {
    if depth >= MAX_DEPTH {
        return Err(too_deep());
    }
    let all = |exprs: &[Expr]| exprs.iter().try_for_each(|e| check(e, input, depth + 1));
    let one = |expr: &Expr| check(expr, input, depth + 1);
    match expr {
        Expr::Column { index, sql_type } => match input.get(usize::from(*index)) {
            Some(column) => same(*column, *sql_type),
            None => Err(bad_plan("no such column")),
        },
        Expr::Constant { value, sql_type } => match value.kind() {
            Some(kind) if kind != sql_type.kind() => Err(bad_plan("a value of another type")),
            _ => Ok(()),
        },
        Expr::Parameter { .. } => Ok(()),
        Expr::Call { arguments, .. } => all(arguments),
        Expr::Cast {
            operand, sql_type, ..
        } => {
            one(operand)?;
            let from = operand.sql_type().id;
            if from != sql_type.id && cast::find(from, sql_type.id).is_none() {
                return Err(bad_plan("no such cast"));
            }
            Ok(())
        }
        Expr::And(operands) | Expr::Or(operands) => {
            all(operands)?;
            operands.iter().try_for_each(is_condition)
        }
        Expr::Not(operand) | Expr::IsBool { operand, .. } => {
            one(operand)?;
            is_condition(operand)
        }
        Expr::IsNull { operand, .. } => one(operand),
        Expr::IsDistinct { left, right, .. } => {
            one(left)?;
            one(right)?;
            same(left.sql_type(), right.sql_type())
        }
        Expr::Case {
            branches,
            otherwise,
            sql_type,
        } => {
            for (condition, result) in branches {
                one(condition)?;
                is_condition(condition)?;
                one(result)?;
                same(result.sql_type(), *sql_type)?;
            }
            otherwise.iter().try_for_each(|result| {
                one(result)?;
                same(result.sql_type(), *sql_type)
            })
        }
        Expr::Coalesce {
            arguments,
            sql_type,
        }
        | Expr::Extreme {
            arguments,
            sql_type,
            ..
        } => {
            all(arguments)?;
            arguments
                .iter()
                .try_for_each(|a| same(a.sql_type(), *sql_type))
        }
        Expr::InList { operand, list, .. } => {
            one(operand)?;
            all(list)?;
            list.iter()
                .try_for_each(|item| same(item.sql_type(), operand.sql_type()))
        }
    }
}

fn is_condition(expr: &Expr) -> SqlResult<()> {
    same(expr.sql_type(), TypeId::Bool.into())
}
