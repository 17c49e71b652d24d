//! ORDER BY, DISTINCT, LIMIT and OFFSET.
//!
//! A sort key is a result column, by number or name, or an expression over FROM. Result columns that are
//! keys, and all of them under DISTINCT, are computed once, below the sort.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::ast::{self, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Query};
use vireo_abi::datum::Datum;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::aggregate::Aggregation;
use super::binder::Binder;
use super::expr::{Clause, Env};
use super::names::special_value;
use super::query::{Output, OutputColumn};
use super::rel::Rel;
use super::scope::{ColumnId, Scope};
use super::text::{place, unsupported};
use crate::plan::{Expr, SortKey};
use crate::types::cast::CastContext;

/// A result column with the columns of FROM that it refers to, and where.
pub(super) struct Item {
    pub(super) column: OutputColumn,
    pub(super) references: Vec<(ColumnId, Option<u32>)>,
}

/// A sort key before grouping.
pub(super) struct Key {
    pub(super) expr: Expr,
    /// The result column that it is.
    pub(super) item: Option<usize>,
    pub(super) references: Vec<(ColumnId, Option<u32>)>,
    pub(super) is_descending: bool,
    pub(super) nulls_first: bool,
    pub(super) at: Option<u32>,
}

impl Binder<'_> {
    /// DISTINCT and ORDER BY over the result columns.
    pub(super) fn arrange(
        &mut self,
        rel: Rel,
        mut items: Vec<Item>,
        keys: Vec<Key>,
        is_distinct: bool,
    ) -> SqlResult<Output> {
        let mut computed = Vec::new();
        for (index, item) in items.iter_mut().enumerate() {
            let is_key = keys.iter().any(|k| k.item == Some(index));
            if !is_distinct && !is_key {
                continue;
            }
            let typed = item.column.typed.clone();
            let expr = self.settle(typed)?;
            if !matches!(expr, Expr::Column { .. }) {
                let id = self.add_computed(&item.column.name, expr.sql_type())?;
                computed.push((id, expr));
                item.column.typed.expr = self.column(id);
            }
        }
        let mut rel = rel.extended(computed.clone());
        if is_distinct {
            let mut columns: Vec<ColumnId> = Vec::with_capacity(items.len());
            for item in &items {
                if let Expr::Column { index, .. } = item.column.typed.expr
                    && !columns.contains(&index)
                {
                    columns.push(index);
                }
            }
            rel = Rel::Distinct {
                input: Box::new(rel),
                columns,
            };
        }
        let mut sort = Vec::with_capacity(keys.len());
        for key in keys {
            let same = |item: &Item| {
                item.column.typed.expr == key.expr
                    || matches!(&item.column.typed.expr, Expr::Column { index, .. }
                        if computed.iter().any(|(id, e)| id == index && *e == key.expr))
            };
            let item = match key.item {
                Some(index) => Some(index),
                None => items.iter().position(same),
            };
            let expr = match item {
                Some(index) => items[index].column.typed.expr.clone(),
                None if is_distinct => {
                    let error = SqlError::new(
                        state::INVALID_COLUMN_REFERENCE,
                        "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                    );
                    return Err(place(error, key.at));
                }
                None => key.expr,
            };
            // A constant does not order anything.
            if !matches!(expr, Expr::Constant { .. }) {
                sort.push(SortKey {
                    expr,
                    is_descending: key.is_descending,
                    nulls_first: key.nulls_first,
                });
            }
        }
        if !sort.is_empty() {
            rel = Rel::Sort {
                input: Box::new(rel),
                keys: sort,
            };
        }
        Ok(Output {
            rel,
            columns: items.into_iter().map(|item| item.column).collect(),
        })
    }

    /// The result column that an integer literal of ORDER BY or GROUP BY means.
    pub(super) fn ordinal(
        &self,
        expr: &ast::Expr,
        width: usize,
        clause: &str,
    ) -> SqlResult<Option<usize>> {
        let ast::Expr::Value(value) = expr else {
            return Ok(None);
        };
        let at = self.text.at_expr(expr);
        let error = match &value.value {
            ast::Value::Number(digits, _) => match digits.parse::<usize>() {
                Ok(n) if (1..=width).contains(&n) => return Ok(Some(n - 1)),
                Ok(n) => SqlError::new(
                    state::INVALID_COLUMN_REFERENCE,
                    format!("{clause} position {n} is not in select list"),
                ),
                Err(_) => SqlError::new(
                    state::SYNTAX_ERROR,
                    format!("non-integer constant in {clause}"),
                ),
            },
            ast::Value::SingleQuotedString(_) => SqlError::new(
                state::SYNTAX_ERROR,
                format!("non-integer constant in {clause}"),
            ),
            _ => return Ok(None),
        };
        Err(place(error, at))
    }

    /// The result column of this name.
    pub(super) fn alias(
        &self,
        name: &str,
        items: &[Item],
        clause: &str,
        at: Option<u32>,
    ) -> SqlResult<Option<usize>> {
        let mut found: Option<usize> = None;
        for (index, item) in items.iter().enumerate() {
            if item.column.name != name {
                continue;
            }
            match found {
                Some(first) if items[first].column.typed.expr != item.column.typed.expr => {
                    let error = SqlError::new(
                        state::AMBIGUOUS_COLUMN,
                        format!("{clause} \"{name}\" is ambiguous"),
                    );
                    return Err(place(error, at));
                }
                Some(_) => {}
                None => found = Some(index),
            }
        }
        Ok(found)
    }

    pub(super) fn order_by_list<'q>(
        &self,
        order: Option<&'q OrderBy>,
    ) -> SqlResult<&'q [OrderByExpr]> {
        match order {
            None => Ok(&[]),
            Some(OrderBy {
                kind: OrderByKind::Expressions(list),
                interpolate: None,
            }) => Ok(list),
            Some(order) => Err(unsupported("this form of ORDER BY", self.text.at(order))),
        }
    }

    pub(super) fn order_key(
        &mut self,
        key: &OrderByExpr,
        scope: &Rc<Scope>,
        items: &[Item],
        aggregation: &mut Aggregation,
        subqueries: &mut Vec<Rel>,
    ) -> SqlResult<Key> {
        let at = self.text.at_expr(&key.expr);
        let (is_descending, nulls_first) = direction(key).map_err(|error| place(error, at))?;
        let mut item = self.ordinal(&key.expr, items.len(), "ORDER BY")?;
        if item.is_none()
            && let ast::Expr::Identifier(ident) = &key.expr
            && special_value(ident).is_none()
        {
            let name = self.text.name(ident)?;
            item = self.alias(&name, items, "ORDER BY", at)?;
        }
        let (expr, references) = match item {
            Some(index) => (
                items[index].column.typed.expr.clone(),
                items[index].references.clone(),
            ),
            None => {
                let mut env = Env::new(Rc::clone(scope), Clause::OrderBy);
                env.aggregation = Some(aggregation);
                env.subqueries = Some(subqueries);
                let typed = self.expr(&key.expr, &mut env)?;
                let references = env.references;
                (self.settle(typed)?, references)
            }
        };
        Ok(Key {
            expr,
            item,
            references,
            is_descending,
            nulls_first,
            at,
        })
    }

    /// ORDER BY after a set operation or VALUES: result columns only.
    pub(super) fn order_outputs(
        &mut self,
        output: Output,
        order: &[OrderByExpr],
    ) -> SqlResult<Output> {
        let items: Vec<Item> = output
            .columns
            .into_iter()
            .map(|column| Item {
                column,
                references: Vec::new(),
            })
            .collect();
        let mut keys = Vec::with_capacity(order.len());
        for key in order {
            let at = self.text.at_expr(&key.expr);
            let mut item = self.ordinal(&key.expr, items.len(), "ORDER BY")?;
            if item.is_none()
                && let ast::Expr::Identifier(ident) = &key.expr
            {
                let name = self.text.name(ident)?;
                item = self.alias(&name, &items, "ORDER BY", at)?;
                if item.is_none() {
                    return Err(Scope::default().no_column(&name, at));
                }
            }
            let Some(index) = item else {
                let error = SqlError::new(
                    state::FEATURE_NOT_SUPPORTED,
                    "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
                )
                .with_detail("Only result column names can be used, not expressions or functions.")
                .with_hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.");
                return Err(place(error, at));
            };
            let (is_descending, nulls_first) = direction(key).map_err(|error| place(error, at))?;
            keys.push(Key {
                expr: items[index].column.typed.expr.clone(),
                item: Some(index),
                references: Vec::new(),
                is_descending,
                nulls_first,
                at,
            });
        }
        self.arrange(output.rel, items, keys, false)
    }

    pub(super) fn limits(&mut self, query: &Query) -> SqlResult<(Option<Expr>, Option<Expr>)> {
        let at = self.text.at_query(query);
        let (mut limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => (limit.as_ref(), offset.as_ref().map(|o| &o.value)),
            Some(clause) => {
                let at = self.text.at(clause).or(at);
                let error = SqlError::new(state::SYNTAX_ERROR, "LIMIT #,# syntax is not supported")
                    .with_hint("Use separate LIMIT and OFFSET clauses.");
                return Err(place(error, at));
            }
        };
        let one;
        if let Some(fetch) = &query.fetch {
            if fetch.with_ties || fetch.percent || limit.is_some() {
                return Err(unsupported("this form of FETCH", at));
            }
            limit = match &fetch.quantity {
                Some(quantity) => Some(quantity),
                None => {
                    one = ast::Expr::value(ast::Value::Number(String::from("1"), false));
                    Some(&one)
                }
            };
        }
        let limit = match limit {
            Some(limit) => Some(self.limit(limit, Clause::Limit, "LIMIT")?),
            None => None,
        };
        let offset = match offset {
            Some(offset) => Some(self.limit(offset, Clause::Offset, "OFFSET")?),
            None => None,
        };
        let is_none = |e: &Expr| {
            matches!(
                e,
                Expr::Constant {
                    value: Datum::Null,
                    ..
                }
            )
        };
        Ok((
            limit.filter(|e| !is_none(e)),
            offset.filter(|e| !is_none(e)),
        ))
    }

    pub(super) fn limit(
        &mut self,
        expr: &ast::Expr,
        clause: Clause,
        what: &str,
    ) -> SqlResult<Expr> {
        let mut env = Env::new(Rc::new(Scope::default()), clause);
        let typed = self.expr(expr, &mut env)?;
        match self.try_coerce(typed, SqlType::plain(TypeId::Int8), CastContext::Assignment)? {
            Ok(expr) => Ok(expr),
            Err(typed) => {
                let error = SqlError::new(
                    state::DATATYPE_MISMATCH,
                    format!(
                        "argument of {what} must be type bigint, not type {}",
                        typed.id().sql_name()
                    ),
                );
                Err(place(error, typed.at))
            }
        }
    }
}

fn direction(key: &OrderByExpr) -> SqlResult<(bool, bool)> {
    if key.with_fill.is_some() {
        return Err(unsupported("this form of ORDER BY", None));
    }
    let is_descending = match &key.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(_) => return Err(unsupported("ORDER BY … USING", None)),
    };
    Ok((
        is_descending,
        key.options.nulls_first.unwrap_or(is_descending),
    ))
}
