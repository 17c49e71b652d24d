//! Which index finds the rows of a table, by the conditions on its columns.
//!
//! An index serves a condition `column = value`, for its first columns, and then perhaps a range on the
//! next one. The value must be of the column's type. Where an integer column is compared with a wider
//! integer, the value is narrowed; one that does not fit equals nothing, so it becomes NULL, which a probe
//! never finds.

use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::datum::Datum;
use vireo_abi::sql_type::{SqlType, TypeId};

use super::binder::fold_context;
use super::fold;
use super::rel::{Scan, has_columns, is_volatile};
use super::scope::ColumnId;
use crate::functions::{FUNCTIONS, resolve_operator};
use crate::plan::{Bound, Expr, IndexProbe};

/// A way to find rows by an index.
pub(super) struct Access {
    /// Which keys.
    pub(super) probe: IndexProbe,
    /// The conditions that the probe tests, for EXPLAIN.
    pub(super) tested: Vec<Expr>,
    /// The conditions that remain.
    pub(super) remaining: Vec<Expr>,
    /// Whether it finds at most one row.
    pub(super) is_unique: bool,
}

/// The symbol of the operator that an expression calls, and its operands.
pub(super) fn as_operator(expr: &Expr) -> Option<(&'static str, &Expr, &Expr)> {
    let Expr::Call {
        function,
        arguments,
        ..
    } = expr
    else {
        return None;
    };
    let [left, right] = arguments.as_slice() else {
        return None;
    };
    let symbol = FUNCTIONS.get(usize::from(function.0))?.operator;
    (!symbol.is_empty()).then_some((symbol, left, right))
}

fn is_integer(id: TypeId) -> bool {
    matches!(id, TypeId::Int2 | TypeId::Int4 | TypeId::Int8)
}

/// The column that an expression is, casts that keep the order aside.
fn column_of(expr: &Expr) -> Option<(ColumnId, SqlType)> {
    match expr {
        Expr::Column { index, sql_type } => Some((*index, *sql_type)),
        Expr::Cast {
            operand, sql_type, ..
        } => {
            let Expr::Column {
                index,
                sql_type: from,
            } = **operand
            else {
                return None;
            };
            let is_widened = is_integer(from.id)
                && is_integer(sql_type.id)
                && from.id.typlen() < sql_type.id.typlen();
            let is_relabelled =
                from.id == TypeId::Varchar && sql_type.id == TypeId::Text && sql_type.typmod < 0;
            (is_widened || is_relabelled).then_some((index, from))
        }
        _ => None,
    }
}

/// A condition on `column`, as an operator with the column on the left, and the value.
fn comparison(
    condition: &Expr,
    column: ColumnId,
    is_value: &dyn Fn(&Expr) -> bool,
) -> Option<(&'static str, Expr)> {
    let (symbol, left, right) = as_operator(condition)?;
    let (symbol, value, sql_type) = match (column_of(left), column_of(right)) {
        (Some((id, sql_type)), _) if id == column && is_value(right) => (symbol, right, sql_type),
        (_, Some((id, sql_type))) if id == column && is_value(left) => {
            let flipped = match symbol {
                "=" => "=",
                "<" => ">",
                "<=" => ">=",
                ">" => "<",
                ">=" => "<=",
                _ => return None,
            };
            (flipped, left, sql_type)
        }
        _ => return None,
    };
    let value = as_key(value, sql_type, symbol == "=")?;
    Some((symbol, value))
}

/// A value as one of the column's type that compares the same.
fn as_key(value: &Expr, column: SqlType, is_equality: bool) -> Option<Expr> {
    let from = value.sql_type();
    let plain = SqlType::plain(column.id);
    if from.id == column.id {
        return Some(value.clone());
    }
    if column.id == TypeId::Varchar && from.id == TypeId::Text {
        return Some(fold::cast(value.clone(), plain, false, &fold_context()));
    }
    if !is_integer(column.id) || !is_integer(from.id) {
        return None;
    }
    if from.id.typlen() < column.id.typlen() {
        return Some(fold::cast(value.clone(), plain, false, &fold_context()));
    }
    let fits = match value {
        Expr::Constant {
            value: Datum::Int8(n),
            ..
        } => fits(*n, column.id),
        Expr::Constant {
            value: Datum::Int4(n),
            ..
        } => fits(i64::from(*n), column.id),
        Expr::Constant { .. } => return None,
        _ if is_equality => return narrow(value, plain),
        _ => return None,
    };
    if fits {
        return Some(fold::cast(value.clone(), plain, false, &fold_context()));
    }
    is_equality.then_some(Expr::Constant {
        value: Datum::Null,
        sql_type: plain,
    })
}

fn fits(n: i64, id: TypeId) -> bool {
    match id {
        TypeId::Int2 => i16::try_from(n).is_ok(),
        TypeId::Int4 => i32::try_from(n).is_ok(),
        _ => true,
    }
}

/// `CASE WHEN value is within the type's range THEN value::type END`.
fn narrow(value: &Expr, target: SqlType) -> Option<Expr> {
    let from = value.sql_type();
    let (low, high) = match target.id {
        TypeId::Int2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        _ => (i64::from(i32::MIN), i64::from(i32::MAX)),
    };
    let constant = |n: i64| match from.id {
        TypeId::Int4 => Some(Datum::Int4(i32::try_from(n).ok()?)),
        TypeId::Int8 => Some(Datum::Int8(n)),
        _ => None,
    };
    let test = |symbol: &str, n: i64| {
        let resolved = resolve_operator(symbol, Some(from.id), from.id).ok()?;
        let bound = Expr::Constant {
            value: constant(n)?,
            sql_type: SqlType::plain(from.id),
        };
        Some(Expr::Call {
            function: resolved.id,
            arguments: alloc::vec![value.clone(), bound],
            sql_type: resolved.returns,
        })
    };
    let within = Expr::And(alloc::vec![test(">=", low)?, test("<=", high)?]);
    let cast = Expr::Cast {
        operand: Box::new(value.clone()),
        sql_type: target,
        is_explicit: false,
    };
    Some(Expr::Case {
        branches: alloc::vec![(within, cast)],
        otherwise: None,
        sql_type: target,
    })
}

/// The best index for these conditions, if one serves any. `is_value` says what may be a probe's value.
pub(super) fn choose(
    scan: &Scan,
    conditions: &[Expr],
    not_null: &dyn Fn(ColumnId) -> bool,
    is_value: &dyn Fn(&Expr) -> bool,
) -> Option<Access> {
    let mut best: Option<(usize, Access)> = None;
    for index in &scan.table.def.indexes {
        let mut used: Vec<usize> = Vec::new();
        let mut kept: Vec<usize> = Vec::new();
        let mut probe = IndexProbe {
            tree: index.tree,
            name: index.name.clone(),
            columns: index.columns.clone(),
            equal: Vec::new(),
            lower: None,
            upper: None,
            is_backward: false,
        };
        for &position in &index.columns {
            let column = scan.columns[usize::from(position)];
            let found = conditions.iter().enumerate().find_map(|(i, condition)| {
                match comparison(condition, column, is_value) {
                    Some(("=", value)) => Some((i, value)),
                    _ => None,
                }
            });
            if let Some((i, value)) = found {
                used.push(i);
                probe.equal.push(value);
                continue;
            }
            for (i, condition) in conditions.iter().enumerate() {
                let Some((symbol, value)) = comparison(condition, column, is_value) else {
                    continue;
                };
                let bound = Bound {
                    value,
                    is_inclusive: symbol.len() == 2,
                };
                match symbol {
                    ">" | ">=" if probe.lower.is_none() => probe.lower = Some(bound),
                    "<" | "<=" if probe.upper.is_none() => probe.upper = Some(bound),
                    _ => continue,
                }
                used.push(i);
                // NULLs sort after every value: a range without an upper bound may meet them.
                if !not_null(column) {
                    kept.push(i);
                }
            }
            break;
        }
        if used.is_empty() {
            continue;
        }
        let is_unique = probe.equal.len() == index.columns.len();
        let ranges = usize::from(probe.lower.is_some()) + usize::from(probe.upper.is_some());
        let score = usize::from(is_unique) * 1000 + probe.equal.len() * 10 + ranges;
        if best.as_ref().is_some_and(|(s, _)| *s >= score) {
            continue;
        }
        let tested = used.iter().map(|&i| conditions[i].clone()).collect();
        let remaining = conditions
            .iter()
            .enumerate()
            .filter(|(i, _)| !used.contains(i) || kept.contains(i))
            .map(|(_, c)| c.clone())
            .collect();
        best = Some((
            score,
            Access {
                probe,
                tested,
                remaining,
                is_unique,
            },
        ));
    }
    best.map(|(_, access)| access)
}

/// A list of keys to look up in a unique index of one column, from a condition `column IN (…)`.
pub(super) struct KeyList {
    /// The probe; its one value is the first column of the rows that it is joined with.
    pub(super) probe: IndexProbe,
    /// The keys, different ones if they are constants.
    pub(super) keys: Vec<Expr>,
    /// The condition, for EXPLAIN.
    pub(super) tested: Expr,
    /// The conditions that remain.
    pub(super) remaining: Vec<Expr>,
}

/// Keys that a list may have to be looked up one by one.
const KEYS_MAX: usize = 1024;

/// The first condition that is a list of keys.
pub(super) fn key_list(scan: &Scan) -> Option<KeyList> {
    scan.conditions
        .iter()
        .enumerate()
        .find_map(|(i, condition)| {
            let Expr::InList {
                operand,
                list,
                is_negated: false,
            } = condition
            else {
                return None;
            };
            let (id, sql_type) = column_of(operand)?;
            let index = scan.table.def.indexes.iter().find(|index| {
            matches!(index.columns.as_slice(), [c] if scan.columns[usize::from(*c)] == id)
        })?;
            if list.len() > KEYS_MAX || !list.iter().all(is_fixed) {
                return None;
            }
            let mut keys: Vec<Expr> = Vec::with_capacity(list.len());
            for value in list {
                let key = as_key(value, sql_type, true)?;
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
            let probe = IndexProbe {
                tree: index.tree,
                name: index.name.clone(),
                columns: index.columns.clone(),
                equal: alloc::vec![Expr::Column {
                    index: 0,
                    sql_type: SqlType::plain(sql_type.id)
                }],
                lower: None,
                upper: None,
                is_backward: false,
            };
            let mut remaining = scan.conditions.clone();
            let tested = remaining.remove(i);
            Some(KeyList {
                probe,
                keys,
                tested,
                remaining,
            })
        })
}

/// What may be a probe's value where rows are looked up once.
pub(super) fn is_fixed(expr: &Expr) -> bool {
    !has_columns(expr) && !is_volatile(expr)
}

/// Whether the conditions of a scan leave at most one row.
pub(super) fn is_single_row(scan: &Scan) -> bool {
    choose(scan, &scan.conditions, &|_| true, &is_fixed).is_some_and(|a| a.is_unique)
}
