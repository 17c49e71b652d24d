//! Expressions over chunks.
//!
//! Evaluation is by node, a whole vector at a time. What does not depend on a row stays one row long (a
//! [`Value::Constant`]) until somebody needs it in full: `$1 + 1` is computed once a chunk, not once a row.
//!
//! An operand that SQL may leave out (AND, OR, CASE, COALESCE, a list after IN) is evaluated on exactly the rows that
//! reach it: [`Input`] is a chunk with a selection, and columns are gathered where they are used. While every row
//! reaches it, there is no selection and nothing is gathered.
//!
//! Failures: what functions and casts say; 54001 past [`MAX_DEPTH`] levels; XX000 where an expression does not fit its
//! input: nothing here trusts a plan.

mod conditional;
mod logic;
mod predicate;

use super::gather::repeat;
use super::{ExecContext, bad_plan};
use crate::functions::{self, Volatility};
use crate::plan::{Expr, FunctionId};
use crate::types::cast;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::{Chunk, Values, Vector};
use vireo_abi::datum::Datum;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::SqlType;

/// Levels of an expression or of a plan. Each takes well below 4 KiB of a stack of 14 MiB.
pub(crate) const MAX_DEPTH: usize = 2000;

/// The values of `expr` for every row of the chunk.
///
/// # Errors
/// The expression's; see the module.
pub fn eval(expr: &Expr, chunk: &Chunk, cx: &ExecContext) -> SqlResult<Vector> {
    let input = Input {
        chunk,
        selection: None,
        rows: chunk.rows(),
        depth: 0,
    };
    Ok(input.value(expr, cx)?.into_vector(chunk.rows()))
}

/// The rows where `predicate` is true; none: all are.
///
/// # Errors
/// The expression's; see the module.
pub fn eval_filter(
    predicate: &Expr,
    chunk: &Chunk,
    cx: &ExecContext,
) -> SqlResult<Option<Vec<u32>>> {
    let input = Input {
        chunk,
        selection: None,
        rows: chunk.rows(),
        depth: 0,
    };
    let value = input.value(predicate, cx)?;
    let truth = Truth::of(&value)?;
    let rows = chunk.rows();
    let count = (0..rows)
        .filter(|row| truth.get(*row) == Some(true))
        .count();
    if count == rows {
        return Ok(None);
    }
    let mut selected = Vec::with_capacity(count);
    selected.extend((0..rows as u32).filter(|row| truth.get(*row as usize) == Some(true)));
    Ok(Some(selected))
}

/// The value of an expression that refers to no columns.
///
/// # Errors
/// The expression's; see the module.
pub fn eval_once(expr: &Expr, cx: &ExecContext) -> SqlResult<Datum> {
    if let Expr::Constant { value, .. } = expr {
        return Ok(value.clone());
    }
    Ok(eval(expr, &Chunk::new(Vec::new(), 1), cx)?.datum(0))
}

/// The values of an expression.
pub(super) enum Value<'c> {
    /// One row that stands for all.
    Constant(Cow<'c, Vector>),
    /// A row for each of the input's.
    Rows(Cow<'c, Vector>),
}

impl Value<'_> {
    fn owned(vector: Vector) -> Value<'static> {
        Value::Rows(Cow::Owned(vector))
    }

    fn constant(vector: Vector) -> Value<'static> {
        Value::Constant(Cow::Owned(vector))
    }

    fn into_vector(self, rows: usize) -> Vector {
        match self {
            Value::Constant(one) if rows == 1 => one.into_owned(),
            Value::Constant(one) => repeat(&one, rows),
            Value::Rows(vector) => vector.into_owned(),
        }
    }

    fn vector(&self) -> &Vector {
        match self {
            Value::Constant(v) | Value::Rows(v) => v,
        }
    }

    /// Where the value of row `row` is in [`Value::vector`].
    #[inline]
    fn at(&self, row: usize) -> usize {
        match self {
            Value::Constant(_) => 0,
            Value::Rows(_) => row,
        }
    }

    fn is_constant(&self) -> bool {
        matches!(self, Value::Constant(_))
    }
}

/// A value as booleans.
pub(super) struct Truth<'v> {
    values: &'v [bool],
    nulls: Option<&'v [bool]>,
    is_constant: bool,
}

impl<'v> Truth<'v> {
    fn of(value: &'v Value<'_>) -> SqlResult<Truth<'v>> {
        let vector = value.vector();
        let Values::Bool(values) = &vector.values else {
            return Err(bad_plan("a condition that is not boolean"));
        };
        let nulls = vector.nulls.as_deref();
        Ok(Truth {
            values,
            nulls,
            is_constant: value.is_constant(),
        })
    }

    /// Of row `row`; none is NULL.
    #[inline]
    fn get(&self, row: usize) -> Option<bool> {
        let row = if self.is_constant { 0 } else { row };
        match self.nulls {
            Some(nulls) if nulls[row] => None,
            _ => Some(self.values[row]),
        }
    }
}

/// What an expression is evaluated on: a chunk, or some of its rows.
#[derive(Clone, Copy)]
pub(super) struct Input<'c> {
    chunk: &'c Chunk,
    selection: Option<&'c [u32]>,
    rows: usize,
    depth: usize,
}

impl<'c> Input<'c> {
    fn value(&self, expr: &'c Expr, cx: &'c ExecContext) -> SqlResult<Value<'c>> {
        if self.depth >= MAX_DEPTH {
            return Err(too_deep());
        }
        if self.rows == 0 {
            return Ok(Value::owned(Vector::with_capacity(
                expr.sql_type().kind(),
                0,
            )));
        }
        let input = &Input {
            depth: self.depth + 1,
            ..*self
        };
        match expr {
            Expr::Column { index, sql_type } => input.column(usize::from(*index), *sql_type),
            Expr::Constant { value, sql_type } => single(value, *sql_type),
            Expr::Parameter { index, sql_type } => {
                let value = cx.parameters.get(usize::from(*index));
                single(
                    value.ok_or_else(|| bad_plan("no such parameter"))?,
                    *sql_type,
                )
            }
            Expr::Call {
                function,
                arguments,
                sql_type,
            } => input.call(*function, arguments, *sql_type, cx),
            Expr::Cast {
                operand,
                sql_type,
                is_explicit,
            } => input.cast(operand, *sql_type, *is_explicit, cx),
            Expr::And(operands) => input.logic(operands, false, cx),
            Expr::Or(operands) => input.logic(operands, true, cx),
            Expr::Not(operand) => input.not(operand, cx),
            Expr::IsNull {
                operand,
                is_negated,
            } => input.is_null(operand, *is_negated, cx),
            Expr::IsBool {
                operand,
                value,
                is_negated,
            } => input.is_bool(operand, *value, *is_negated, cx),
            Expr::IsDistinct {
                left,
                right,
                is_negated,
            } => input.is_distinct(left, right, *is_negated, cx),
            Expr::Case {
                branches,
                otherwise,
                sql_type,
            } => input.case(branches, otherwise.as_deref(), *sql_type, cx),
            Expr::Coalesce {
                arguments,
                sql_type,
            } => input.coalesce(arguments, *sql_type, cx),
            Expr::Extreme {
                arguments,
                is_greatest,
                sql_type,
            } => input.extreme(arguments, *is_greatest, *sql_type, cx),
            Expr::InList {
                operand,
                list,
                is_negated,
            } => input.in_list(operand, list, *is_negated, cx),
        }
    }

    /// The rows at `rows` of this input, whose places in the chunk go to `selection`.
    fn narrowed<'s>(&self, rows: &[u32], selection: &'s mut Vec<u32>) -> Input<'s>
    where
        'c: 's,
    {
        match self.selection {
            None => selection.extend_from_slice(rows),
            Some(outer) => selection.extend(rows.iter().map(|r| outer[*r as usize])),
        }
        Input {
            chunk: self.chunk,
            selection: Some(selection),
            rows: rows.len(),
            depth: self.depth,
        }
    }

    fn column(&self, index: usize, sql_type: SqlType) -> SqlResult<Value<'c>> {
        let column = self
            .chunk
            .columns()
            .get(index)
            .ok_or_else(|| bad_plan("no such column"))?;
        if column.values.kind() != sql_type.kind() {
            return Err(bad_plan("a column of another type"));
        }
        Ok(match self.selection {
            None => Value::Rows(Cow::Borrowed(column)),
            Some(selection) => Value::owned(column.take(selection)),
        })
    }

    #[inline(never)]
    fn call(
        &self,
        function: FunctionId,
        arguments: &'c [Expr],
        sql_type: SqlType,
        cx: &'c ExecContext,
    ) -> SqlResult<Value<'c>> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(self.value(argument, cx)?);
        }
        let is_constant = values.iter().all(Value::is_constant)
            && functions::volatility(function) != Volatility::Volatile;
        let rows = if is_constant { 1 } else { self.rows };
        let vectors: Vec<Vector> = values.into_iter().map(|v| v.into_vector(rows)).collect();
        let result = functions::call(function, &cx.eval, &vectors, rows)?;
        checked(result, sql_type, rows, is_constant)
    }

    #[inline(never)]
    fn cast(
        &self,
        operand: &'c Expr,
        to: SqlType,
        is_explicit: bool,
        cx: &'c ExecContext,
    ) -> SqlResult<Value<'c>> {
        let value = self.value(operand, cx)?;
        let rows = value.vector().len();
        let result = cast::cast(
            value.vector(),
            operand.sql_type(),
            to,
            is_explicit,
            &cx.eval,
        )?;
        checked(result, to, rows, value.is_constant())
    }
}

/// A result that is of the type and length that the plan says, or an error.
fn checked(
    result: Vector,
    sql_type: SqlType,
    rows: usize,
    is_constant: bool,
) -> SqlResult<Value<'static>> {
    if result.values.kind() != sql_type.kind() || result.len() != rows {
        return Err(bad_plan("a result of another type"));
    }
    Ok(if is_constant {
        Value::constant(result)
    } else {
        Value::owned(result)
    })
}

/// A datum as one row.
fn single(value: &Datum, sql_type: SqlType) -> SqlResult<Value<'static>> {
    let kind = sql_type.kind();
    if value.kind().is_some_and(|k| k != kind) {
        return Err(bad_plan("a value of another type"));
    }
    Ok(Value::constant(Vector::constant(value, kind, 1)))
}

#[cold]
pub(crate) fn too_deep() -> Box<SqlError> {
    SqlError::new(state::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
}
