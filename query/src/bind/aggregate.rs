//! Aggregates and GROUP BY: what a grouped query may refer to.
//!
//! Expressions of a grouped query are bound over the columns of FROM first, aggregates as columns of
//! their own. Then every part that equals a GROUP BY expression becomes a reference to that key; a column of
//! FROM that remains is PostgreSQL's error 42803, unless the primary key of its table is among the keys.

use alloc::format;
use alloc::vec::Vec;
use sqlparser::ast::{
    DuplicateTreatment, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::binder::Binder;
use super::coerce::Typed;
use super::expr::Env;
use super::operator::no_function;
use super::rel::{IdSet, Rel, each_child_mut};
use super::scope::{ColumnId, Scope};
use super::text::place;
use crate::aggregates;
use crate::plan::{AggregateCall, Expr};
use crate::types::cast::CastContext;

/// The groups of a query.
#[derive(Default, Debug)]
pub(super) struct Aggregation {
    /// GROUP BY expressions over FROM, and the column that each becomes.
    pub(super) group: Vec<(ColumnId, Expr)>,
    /// Aggregates, and the column that each becomes.
    pub(super) calls: Vec<(ColumnId, AggregateCall)>,
    /// Columns that come from elsewhere than FROM (subqueries joined after grouping).
    pub(super) others: IdSet,
}

impl Binder<'_> {
    /// A call of an aggregate.
    ///
    /// # Errors
    /// 42803 where none may stand, 42883.
    pub(super) fn aggregate_call(
        &mut self,
        name: &str,
        function: &Function,
        list: &FunctionArgumentList,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<Typed> {
        if env.aggregation.is_none() || env.in_aggregate {
            return Err(env.no_aggregate(at));
        }
        let is_star = matches!(
            list.args.as_slice(),
            [FunctionArg::Unnamed(
                FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_)
            )]
        );
        let is_distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        if !is_star && list.args.is_empty() && name == "count" {
            let error = SqlError::new(
                state::WRONG_OBJECT_TYPE,
                "count(*) must be used to call a parameterless aggregate function",
            );
            return Err(place(error, at));
        }
        env.in_aggregate = true;
        let bound = self.aggregate_parts(function, list, is_star, at, env);
        env.in_aggregate = false;
        let (arguments, filter) = bound?;
        let types: Vec<TypeId> = arguments.iter().map(Typed::id).collect();
        let resolved = aggregates::resolve_aggregate(name, &types, is_star)
            .map_err(|reason| no_function(name, &types, reason, at))?;
        let mut exprs = Vec::with_capacity(arguments.len());
        for (argument, &id) in arguments.into_iter().zip(&resolved.arguments) {
            exprs.push(self.coerce(argument, SqlType::plain(id), CastContext::Implicit)?);
        }
        let call = AggregateCall {
            aggregate: resolved.id,
            arguments: exprs,
            is_distinct,
            filter,
            sql_type: resolved.returns,
        };
        let known = env
            .aggregation
            .as_deref()
            .and_then(|a| a.calls.iter().find(|(_, c)| *c == call).map(|(id, _)| *id));
        let id = match known {
            Some(id) => id,
            None => {
                let id = self.add_computed(name, resolved.returns)?;
                if let Some(aggregation) = env.aggregation.as_deref_mut() {
                    aggregation.calls.push((id, call));
                }
                id
            }
        };
        Ok(Typed {
            expr: self.column(id),
            at,
        })
    }

    fn aggregate_parts(
        &mut self,
        function: &Function,
        list: &FunctionArgumentList,
        is_star: bool,
        at: Option<u32>,
        env: &mut Env<'_>,
    ) -> SqlResult<(Vec<Typed>, Option<Expr>)> {
        let arguments = if is_star {
            Vec::new()
        } else {
            self.arguments(&list.args, at, env)?
        };
        let filter = match &function.filter {
            Some(filter) => {
                let filter = self.expr(filter, env)?;
                Some(self.boolean(filter, "FILTER")?)
            }
            None => None,
        };
        Ok((arguments, filter))
    }

    /// Adds as keys the columns that follow from the keys: those of a table whose primary key is all there.
    pub(super) fn add_dependent_keys(
        &mut self,
        rel: &Rel,
        aggregation: &mut Aggregation,
    ) -> SqlResult<()> {
        let mut scans = Vec::new();
        collect_scans(rel, &mut scans);
        for scan in scans {
            let Some(key) = scan.table.def.primary_key() else {
                continue;
            };
            let is_key = |id: ColumnId, aggregation: &Aggregation| {
                aggregation
                    .group
                    .iter()
                    .any(|(_, e)| matches!(e, Expr::Column { index, .. } if *index == id))
            };
            let is_whole = key
                .columns
                .iter()
                .all(|&c| is_key(scan.columns[usize::from(c)], aggregation));
            if !is_whole {
                continue;
            }
            for &id in &scan.columns {
                if !is_key(id, aggregation) {
                    let meta = self.columns[usize::from(id)].clone();
                    let expr = self.column(id);
                    let key = self.add_column(meta)?;
                    aggregation.group.push((key, expr));
                }
            }
        }
        Ok(())
    }

    /// Rewrites an expression over FROM into one over the groups.
    ///
    /// # Errors
    /// 42803 for a column that is not grouped by.
    pub(super) fn regroup(
        &self,
        expr: &mut Expr,
        aggregation: &Aggregation,
        scope: &Scope,
        references: &[(ColumnId, Option<u32>)],
    ) -> SqlResult<()> {
        if let Some((id, key)) = aggregation.group.iter().find(|(_, key)| key == expr)
            && !matches!(key, Expr::Constant { .. })
        {
            *expr = self.column(*id);
            return Ok(());
        }
        if let Expr::Column { index, .. } = expr {
            let is_call = aggregation.calls.iter().any(|(id, _)| id == index);
            if is_call || aggregation.others.contains(*index) {
                return Ok(());
            }
            let shown = scope
                .display(*index)
                .unwrap_or_else(|| self.columns[usize::from(*index)].qualified());
            let error = SqlError::new(
                state::GROUPING_ERROR,
                format!(
                    "column \"{shown}\" must appear in the GROUP BY clause or be used in an aggregate function"
                ),
            );
            let at = references
                .iter()
                .find(|(id, _)| id == index)
                .and_then(|(_, at)| *at);
            return Err(place(error, at));
        }
        let mut result = Ok(());
        each_child_mut(expr, &mut |child| {
            if result.is_ok() {
                result = self.regroup(child, aggregation, scope, references);
            }
        });
        result
    }
}

fn collect_scans<'r>(rel: &'r Rel, into: &mut Vec<&'r super::rel::Scan>) {
    match rel {
        Rel::Scan(scan) => into.push(scan),
        Rel::Filter { input, .. } => collect_scans(input, into),
        Rel::Join { left, right, .. } => {
            collect_scans(left, into);
            collect_scans(right, into);
        }
        _ => {}
    }
}
