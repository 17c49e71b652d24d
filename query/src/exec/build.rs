//! Operators from a plan that is not trusted.
//!
//! Each node's output types follow from its inputs' and are what the expressions above it are checked against. What
//! cannot be checked here is whether the tables are still what the plan says: the session compares each
//! [`TableRef`](crate::plan::TableRef) with the catalog before it runs a plan.

use super::aggregate::Aggregate;
use super::analyze::Analysis;
use super::append::Append;
use super::check::{check_aggregate, check_condition, check_exprs, check_sort_keys, same};
use super::distinct::Distinct;
use super::eval::too_deep;
use super::fetch::{Fetch, column_type};
use super::filter::Filter;
use super::hash_join::HashJoin;
use super::index_join::IndexJoin;
use super::index_scan::IndexScan;
use super::join_output::JoinOutput;
use super::limit::Limit;
use super::nested_loop_join::NestedLoopJoin;
use super::probe::Probe;
use super::project::Project;
use super::seq_scan::SeqScan;
use super::sort::Sort;
use super::system_view::SystemViewScan;
use super::values::ValuesList;
use super::{Operator, bad_plan};
use crate::plan::{Expr, JoinKind, Node, ScanColumn, TableRef};
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{SqlType, TypeId};

/// Levels of operators: each is polled within the one above it.
const DEPTH_MAX: usize = 500;

type Built = (Box<dyn Operator>, Vec<SqlType>);

/// The operators of a plan.
///
/// # Errors
/// XX000 for a plan that does not fit together; 54001 for one that is too deep.
pub fn build(node: &Node) -> SqlResult<Box<dyn Operator>> {
    Builder { analysis: None }.build(node)
}

pub(super) struct Builder<'a> {
    pub(super) analysis: Option<&'a Analysis>,
}

impl Builder<'_> {
    pub(super) fn build(&self, node: &Node) -> SqlResult<Box<dyn Operator>> {
        Ok(self.node(node, 0)?.0)
    }

    fn node(&self, node: &Node, depth: usize) -> SqlResult<Built> {
        if depth >= DEPTH_MAX {
            return Err(too_deep());
        }
        let Some(analysis) = self.analysis else {
            return self.operator(node, depth);
        };
        let stats = analysis.enter();
        let (operator, types) = self.operator(node, depth)?;
        Ok((analysis.wrap(operator, stats), types))
    }

    fn operator(&self, node: &Node, depth: usize) -> SqlResult<Built> {
        let input = |node: &Node| self.node(node, depth + 1);
        match node {
            Node::Values { types, rows } => values(types, rows),
            Node::SystemView { view, columns } => {
                let types: Vec<SqlType> = columns
                    .iter()
                    .map(|&c| {
                        view.column_type(c)
                            .ok_or_else(|| bad_plan("no such column"))
                    })
                    .collect::<SqlResult<_>>()?;
                let scan = SystemViewScan::new(*view, columns.clone(), &types);
                Ok((Box::new(scan), types))
            }
            Node::SeqScan {
                table,
                columns,
                filter,
            } => {
                let types = scan_types(table, columns)?;
                check_filter(filter.as_ref(), &types)?;
                let fetch = Fetch::new(table, columns, filter.as_ref());
                Ok((Box::new(SeqScan::new(fetch)), types))
            }
            Node::IndexScan {
                table,
                probe,
                columns,
                filter,
            } => {
                let types = scan_types(table, columns)?;
                check_filter(filter.as_ref(), &types)?;
                let probe = Probe::new(probe, table, &[])?;
                let fetch = Fetch::new(table, columns, filter.as_ref());
                Ok((Box::new(IndexScan::new(probe, fetch)), types))
            }
            Node::Filter {
                input: node,
                predicate,
            } => {
                let (operator, types) = input(node)?;
                check_condition(predicate, &types)?;
                Ok((Box::new(Filter::new(operator, predicate.clone())), types))
            }
            Node::Project { input: node, exprs } => {
                let (operator, types) = input(node)?;
                check_exprs(exprs, &types)?;
                let types = exprs.iter().map(Expr::sql_type).collect();
                Ok((Box::new(Project::new(operator, exprs.clone())), types))
            }
            Node::HashJoin { .. } | Node::NestedLoopJoin { .. } | Node::IndexJoin { .. } => {
                self.join(node, depth)
            }
            Node::Aggregate {
                input: node,
                group,
                aggregates,
            } => {
                let (operator, types) = input(node)?;
                check_exprs(group, &types)?;
                aggregates
                    .iter()
                    .try_for_each(|a| check_aggregate(a, &types))?;
                let keys = group.iter().map(Expr::sql_type);
                let types = keys.chain(aggregates.iter().map(|a| a.sql_type)).collect();
                let operator = Aggregate::new(operator, group.clone(), aggregates.clone());
                Ok((Box::new(operator), types))
            }
            Node::Distinct { input: node } => {
                let (operator, types) = input(node)?;
                Ok((Box::new(Distinct::new(operator, types.clone())), types))
            }
            Node::Sort {
                input: node,
                keys,
                limit,
            } => {
                let (operator, types) = input(node)?;
                check_sort_keys(keys, &types)?;
                check_limit(limit.as_ref())?;
                let sort = Sort::new(operator, types.clone(), keys.clone(), limit.clone());
                Ok((Box::new(sort), types))
            }
            Node::Limit {
                input: node,
                limit,
                offset,
            } => {
                let (operator, types) = input(node)?;
                check_limit(limit.as_ref())?;
                check_limit(offset.as_ref())?;
                Ok((
                    Box::new(Limit::new(operator, limit.clone(), offset.clone())),
                    types,
                ))
            }
            Node::Append { inputs } => self.append(inputs, depth),
        }
    }

    fn append(&self, nodes: &[Node], depth: usize) -> SqlResult<Built> {
        let mut inputs = Vec::with_capacity(nodes.len());
        let mut types: Option<Vec<SqlType>> = None;
        for node in nodes {
            let (operator, these) = self.node(node, depth + 1)?;
            match &types {
                Some(types) => same_types(types, &these)?,
                None => types = Some(these),
            }
            inputs.push(operator);
        }
        let types = types.ok_or_else(|| bad_plan("nothing to append"))?;
        Ok((Box::new(Append::new(inputs)), types))
    }

    fn join(&self, node: &Node, depth: usize) -> SqlResult<Built> {
        let input = |node: &Node| self.node(node, depth + 1);
        match node {
            Node::HashJoin {
                left,
                right,
                kind,
                left_keys,
                right_keys,
                residual,
            } => {
                let ((left, left_types), (right, right_types)) = (input(left)?, input(right)?);
                check_exprs(left_keys, &left_types)?;
                check_exprs(right_keys, &right_types)?;
                let types = |keys: &[Expr]| keys.iter().map(Expr::sql_type).collect::<Vec<_>>();
                same_types(&types(left_keys), &types(right_keys))?;
                let (output, types) =
                    join_output(*kind, residual.as_ref(), left_types, &right_types)?;
                let (left_keys, right_keys) = (left_keys.clone(), right_keys.clone());
                let join = HashJoin::new(left, right, left_keys, right_keys, &right_types, output);
                Ok((Box::new(join), types))
            }
            Node::NestedLoopJoin {
                left,
                right,
                kind,
                condition,
            } => {
                let ((left, left_types), (right, right_types)) = (input(left)?, input(right)?);
                let (output, types) =
                    join_output(*kind, condition.as_ref(), left_types, &right_types)?;
                Ok((
                    Box::new(NestedLoopJoin::new(left, right, &right_types, output)),
                    types,
                ))
            }
            Node::IndexJoin {
                left,
                table,
                probe,
                columns,
                kind,
                residual,
            } => {
                let (left, left_types) = input(left)?;
                if matches!(kind, JoinKind::Right | JoinKind::Full) {
                    return Err(bad_plan("an index join of a kind that it cannot do"));
                }
                let right_types = scan_types(table, columns)?;
                let probe = Probe::new(probe, table, &left_types)?;
                let (output, types) =
                    join_output(*kind, residual.as_ref(), left_types, &right_types)?;
                let fetch = Fetch::new(table, columns, None);
                let meter = self.analysis.map(Analysis::meter);
                let join = IndexJoin::new(left, right_types, probe, fetch, output, meter);
                Ok((Box::new(join), types))
            }
            _ => Err(bad_plan("not a join")),
        }
    }
}

fn values(types: &[SqlType], rows: &[Vec<Expr>]) -> SqlResult<Built> {
    for row in rows {
        if row.len() != types.len() {
            return Err(bad_plan("a row of another length"));
        }
        check_exprs(row, &[])?;
        for (expr, sql_type) in row.iter().zip(types) {
            same(expr.sql_type(), *sql_type)?;
        }
    }
    Ok((
        Box::new(ValuesList::new(types.to_vec(), rows.to_vec())),
        types.to_vec(),
    ))
}

fn scan_types(table: &TableRef, columns: &[ScanColumn]) -> SqlResult<Vec<SqlType>> {
    columns.iter().map(|c| column_type(*c, table)).collect()
}

fn check_filter(filter: Option<&Expr>, types: &[SqlType]) -> SqlResult<()> {
    filter.map_or(Ok(()), |f| check_condition(f, types))
}

fn check_limit(limit: Option<&Expr>) -> SqlResult<()> {
    let Some(limit) = limit else { return Ok(()) };
    check_exprs(core::slice::from_ref(limit), &[])?;
    same(limit.sql_type(), TypeId::Int8.into())
}

fn same_types(a: &[SqlType], b: &[SqlType]) -> SqlResult<()> {
    if a.len() != b.len() {
        return Err(bad_plan("another number of columns"));
    }
    a.iter().zip(b).try_for_each(|(a, b)| same(*a, *b))
}

/// A join's output, and its types.
fn join_output(
    kind: JoinKind,
    residual: Option<&Expr>,
    left_types: Vec<SqlType>,
    right_types: &[SqlType],
) -> SqlResult<(JoinOutput, Vec<SqlType>)> {
    let mut both = left_types.clone();
    both.extend_from_slice(right_types);
    check_filter(residual, &both)?;
    if matches!(kind, JoinKind::Semi | JoinKind::Anti) {
        both.truncate(left_types.len());
    }
    Ok((JoinOutput::new(kind, residual.cloned(), left_types), both))
}
