//! The physical plan: operators with positions, from a logical tree with ids.
//!
//! Planned from above: each operator is told which columns are needed of it ([`IdSet`]) and answers with a
//! node and its layout, the ids of the node's columns in order. Expressions are rewritten from ids to
//! positions against the layout of the node below. So a scan reads only columns that something uses.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::datum::Datum;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::access::{self, Access, KeyList};
use super::cost::{self, Cost};
use super::explain::{self, Explained};
use super::fold;
use super::rel::{IdSet, Rel, Scan, each_child_mut};
use super::scope::{ColumnId, ColumnMeta};
use crate::catalog::view::SystemView;
use crate::functions::resolve_operator;
use crate::plan::{AggregateCall, Expr, JoinKind, Measured, Node, ScanColumn, SortKey};

/// A node, what its columns are, and what it is thought to cost.
pub(super) struct Planned {
    /// The node.
    pub(super) node: Node,
    /// The ids of its columns.
    pub(super) layout: Vec<ColumnId>,
    /// Estimates.
    pub(super) cost: Cost,
    /// For EXPLAIN.
    pub(super) explained: Option<Box<Explained>>,
}

/// Lays out plans.
pub(super) struct Planner<'c> {
    /// What is known of each column.
    pub(super) columns: &'c [ColumnMeta],
    /// Whether to describe the plan as well.
    pub(super) explains: bool,
    /// Whether names in the description need their relation's.
    pub(super) qualifies: bool,
}

impl Planner<'_> {
    /// The whole plan of a query: `outputs` over the rows of `rel`, in this order.
    ///
    /// # Errors
    /// XX000 for a reference to a column that is not there, which would be a mistake of the binder.
    pub(super) fn finish(
        &self,
        rel: Rel,
        outputs: &[Expr],
    ) -> SqlResult<(Node, Option<Box<Explained>>, Cost)> {
        let mut need = IdSet::default();
        outputs.iter().for_each(|e| need.add(e));
        let planned = self.plan(rel, &need)?;
        let mut exprs = outputs.to_vec();
        self.locate_all(&mut exprs, &planned.layout)?;
        let mut cost = planned.cost;
        cost.width = cost::width(exprs.iter().map(Expr::sql_type));
        let mut explained = planned.explained;
        if let Some(explained) = &mut explained {
            if explained.is_leaf_values() {
                explained.title = String::from("Result");
            }
            explained.cost.width = cost.width;
        }
        Ok((
            project(planned.node, planned.layout.len(), exprs),
            explained,
            cost,
        ))
    }

    /// A node that gives at least the columns of `need` that the tree has.
    ///
    /// # Errors
    /// XX000, as [`Planner::finish`].
    pub(super) fn plan(&self, rel: Rel, need: &IdSet) -> SqlResult<Planned> {
        match rel {
            Rel::Values { columns, rows } => self.values(columns, rows, need),
            Rel::Scan(scan) => self.scan(*scan, need),
            Rel::SystemView {
                view,
                alias,
                columns,
            } => Ok(self.system_view(view, &alias, &columns, need)),
            Rel::Filter { input, conditions } => self.filter(*input, conditions, need),
            Rel::Project { input, exprs } => self.computed(*input, exprs, need),
            join @ Rel::Join { .. } => self.join(join, need),
            Rel::Aggregate {
                input,
                group,
                calls,
            } => self.aggregate(*input, group, calls, need),
            Rel::Distinct { input, columns } => self.distinct(*input, &columns),
            Rel::Sort { input, keys } => self.sort(*input, keys, None, need),
            Rel::Limit {
                input,
                limit,
                offset,
            } => self.limit(*input, limit, offset, need),
            Rel::Append { columns, inputs } => self.append(columns, inputs, need),
        }
    }

    /// Rewrites ids to positions.
    pub(super) fn locate(&self, expr: &mut Expr, layout: &[ColumnId]) -> SqlResult<()> {
        if let Expr::Column { index, .. } = expr {
            let position = layout.iter().position(|id| id == index).ok_or_else(|| {
                SqlError::new(state::INTERNAL_ERROR, "a plan lacks a column that it needs")
            })?;
            *index = position as u16;
            return Ok(());
        }
        let mut result = Ok(());
        each_child_mut(expr, &mut |child| {
            if result.is_ok() {
                result = self.locate(child, layout);
            }
        });
        result
    }

    /// Rewrites each of several expressions.
    pub(super) fn locate_all(&self, exprs: &mut [Expr], layout: &[ColumnId]) -> SqlResult<()> {
        exprs.iter_mut().try_for_each(|e| self.locate(e, layout))
    }

    /// Conditions as one expression over a layout; none when there are none.
    pub(super) fn predicate(
        &self,
        conditions: Vec<Expr>,
        layout: &[ColumnId],
    ) -> SqlResult<Option<Expr>> {
        if conditions.is_empty() {
            return Ok(None);
        }
        let mut predicate = fold::and(conditions);
        self.locate(&mut predicate, layout)?;
        Ok(Some(predicate))
    }

    /// Describes a node, when descriptions are wanted.
    pub(super) fn describe(
        &self,
        cost: Cost,
        children: Vec<Option<Box<Explained>>>,
        text: impl FnOnce(&Self) -> (String, Vec<String>),
    ) -> Option<Box<Explained>> {
        if !self.explains {
            return None;
        }
        let (title, details) = text(self);
        let children = children.into_iter().flatten().map(|c| *c).collect();
        Some(Box::new(Explained {
            title,
            details,
            cost,
            children,
            measured: Measured::Nothing,
            is_wrapper: false,
        }))
    }

    /// An expression as EXPLAIN shows it.
    pub(super) fn show(&self, expr: &Expr) -> String {
        explain::expression(expr, self.columns, self.qualifies)
    }

    /// Conditions as EXPLAIN shows them, after a label.
    pub(super) fn show_conditions(&self, label: &str, conditions: &[Expr]) -> Option<String> {
        if conditions.is_empty() {
            return None;
        }
        Some(format!(
            "{label}: {}",
            self.show(&fold::and(conditions.to_vec()))
        ))
    }

    fn values(
        &self,
        columns: Vec<ColumnId>,
        rows: Vec<Vec<Expr>>,
        need: &IdSet,
    ) -> SqlResult<Planned> {
        let cost = Cost::values(rows.len() as f64);
        let kept: Vec<usize> = (0..columns.len())
            .filter(|&i| need.contains(columns[i]))
            .collect();
        let layout: Vec<ColumnId> = kept.iter().map(|&i| columns[i]).collect();
        let types: Vec<SqlType> = layout
            .iter()
            .map(|&id| self.columns[usize::from(id)].sql_type)
            .collect();
        let rows: Vec<Vec<Expr>> = if kept.len() == columns.len() {
            rows
        } else {
            rows.into_iter()
                .map(|row| kept.iter().map(|&i| row[i].clone()).collect())
                .collect()
        };
        let explained = self.describe(cost, Vec::new(), |_| {
            let title = if columns.is_empty() {
                "Result"
            } else {
                "Values Scan on \"*VALUES*\""
            };
            (String::from(title), Vec::new())
        });
        Ok(Planned {
            node: Node::Values { types, rows },
            layout,
            cost,
            explained,
        })
    }

    fn system_view(
        &self,
        view: SystemView,
        alias: &str,
        columns: &[ColumnId],
        need: &IdSet,
    ) -> Planned {
        let is_needed = |(_, id): &(usize, &ColumnId)| need.contains(**id);
        let kept = columns.iter().enumerate().filter(is_needed);
        let (positions, layout): (Vec<u16>, Vec<ColumnId>) =
            kept.map(|(position, id)| (position as u16, *id)).unzip();
        let mut cost = Cost::values(cost::SYSTEM_VIEW_ROWS);
        cost.width = self.width(&layout);
        let explained = self.describe(cost, Vec::new(), |_| {
            let name = explain::aliased(view.name(), alias);
            (format!("System View Scan on {name}"), Vec::new())
        });
        Planned {
            node: Node::SystemView {
                view,
                columns: positions,
            },
            layout,
            cost,
            explained,
        }
    }

    /// The columns that a scan produces, and their ids.
    pub(super) fn scan_columns(scan: &Scan, need: &IdSet) -> (Vec<ScanColumn>, Vec<ColumnId>) {
        let mut columns = Vec::new();
        let mut layout = Vec::new();
        for (position, &id) in scan.columns.iter().enumerate() {
            if need.contains(id) {
                columns.push(ScanColumn::Table(position as u16));
                layout.push(id);
            }
        }
        if let Some((row, version)) = scan.row {
            if need.contains(row) {
                columns.push(ScanColumn::RowId);
                layout.push(row);
            }
            if need.contains(version) {
                columns.push(ScanColumn::Version);
                layout.push(version);
            }
        }
        (columns, layout)
    }

    fn scan(&self, scan: Scan, need: &IdSet) -> SqlResult<Planned> {
        let not_null = |id: ColumnId| self.columns[usize::from(id)].not_null;
        let access = access::choose(&scan, &scan.conditions, &not_null, &access::is_fixed);
        match access {
            Some(access) => self.index_scan(&scan, access, need),
            None => match access::key_list(&scan) {
                Some(list) if cost::estimate_table(&scan) > list.keys.len() as f64 => {
                    self.list_scan(&scan, list, need)
                }
                _ => self.seq_scan(scan, need),
            },
        }
    }

    /// Rows of a list of keys: the keys as rows, each looked up.
    fn list_scan(&self, scan: &Scan, list: KeyList, need: &IdSet) -> SqlResult<Planned> {
        let mut all = need.clone();
        list.remaining.iter().for_each(|c| all.add(c));
        let (columns, layout) = Self::scan_columns(scan, &all);
        let count = list.keys.len() as f64;
        let cost = Cost::values(count).index_joined(self.width(&layout), count);
        let explained = self.describe(cost, Vec::new(), |p| {
            let title = format!(
                "Index Scan using {} on {}",
                list.probe.name,
                explain::table_name(scan)
            );
            let mut details = Vec::new();
            details.extend(p.show_conditions("Index Cond", core::slice::from_ref(&list.tested)));
            details.extend(p.show_conditions("Filter", &list.remaining));
            (title, details)
        });
        let types: Vec<SqlType> = list.probe.equal.iter().map(Expr::sql_type).collect();
        let is_constant = list.keys.iter().all(|k| matches!(k, Expr::Constant { .. }));
        let rows = list.keys.into_iter().map(|key| alloc::vec![key]).collect();
        let mut keys = Node::Values { types, rows };
        if !is_constant {
            keys = Node::Distinct {
                input: Box::new(keys),
            };
        }
        let residual = self.predicate(list.remaining, &layout)?.map(|mut e| {
            shift(&mut e);
            e
        });
        let join = Node::IndexJoin {
            left: Box::new(keys),
            table: scan.table.reference(),
            probe: list.probe,
            columns,
            kind: JoinKind::Inner,
            residual,
        };
        let mut outputs: Vec<Expr> = layout.iter().map(|&id| self.column(id)).collect();
        self.locate_all(&mut outputs, &layout)?;
        outputs.iter_mut().for_each(shift);
        let node = project(join, layout.len() + 1, outputs);
        Ok(Planned {
            node,
            layout,
            cost,
            explained,
        })
    }

    fn seq_scan(&self, scan: Scan, need: &IdSet) -> SqlResult<Planned> {
        let mut all = need.clone();
        scan.conditions.iter().for_each(|c| all.add(c));
        let (columns, layout) = Self::scan_columns(&scan, &all);
        let cost = cost::seq_scan(&scan, self.width(&layout));
        let explained = self.describe(cost, Vec::new(), |p| {
            let title = format!("Seq Scan on {}", explain::table_name(&scan));
            (
                title,
                p.show_conditions("Filter", &scan.conditions)
                    .into_iter()
                    .collect(),
            )
        });
        let filter = self.predicate(scan.conditions, &layout)?;
        let node = Node::SeqScan {
            table: scan.table.reference(),
            columns,
            filter,
        };
        Ok(Planned {
            node,
            layout,
            cost,
            explained,
        })
    }

    fn index_scan(&self, scan: &Scan, access: Access, need: &IdSet) -> SqlResult<Planned> {
        let mut all = need.clone();
        access.remaining.iter().for_each(|c| all.add(c));
        let (columns, layout) = Self::scan_columns(scan, &all);
        let cost = cost::index_scan(scan, &access, self.width(&layout));
        let explained = self.describe(cost, Vec::new(), |p| {
            let title = format!(
                "Index Scan using {} on {}",
                access.probe.name,
                explain::table_name(scan)
            );
            let mut details = Vec::new();
            details.extend(p.show_conditions("Index Cond", &access.tested));
            details.extend(p.show_conditions("Filter", &access.remaining));
            (title, details)
        });
        let filter = self.predicate(access.remaining, &layout)?;
        let table = scan.table.reference();
        let node = Node::IndexScan {
            table,
            probe: access.probe,
            columns,
            filter,
        };
        Ok(Planned {
            node,
            layout,
            cost,
            explained,
        })
    }

    fn width(&self, layout: &[ColumnId]) -> f64 {
        cost::width(
            layout
                .iter()
                .map(|&id| self.columns[usize::from(id)].sql_type),
        )
    }

    fn filter(&self, input: Rel, conditions: Vec<Expr>, need: &IdSet) -> SqlResult<Planned> {
        let mut all = need.clone();
        conditions.iter().for_each(|c| all.add(c));
        let planned = self.plan(input, &all)?;
        let cost = planned.cost.filtered(conditions.len());
        let mut explained = planned.explained;
        if let Some(explained) = &mut explained {
            explained
                .details
                .extend(self.show_conditions("Filter", &conditions));
            explained.cost = cost;
        }
        let node = match self.predicate(conditions, &planned.layout)? {
            Some(predicate) => Node::Filter {
                input: Box::new(planned.node),
                predicate,
            },
            None => planned.node,
        };
        Ok(Planned {
            node,
            layout: planned.layout,
            cost,
            explained,
        })
    }

    fn computed(
        &self,
        input: Rel,
        exprs: Vec<(ColumnId, Expr)>,
        need: &IdSet,
    ) -> SqlResult<Planned> {
        let mut below = need.clone();
        let needed: Vec<(ColumnId, Expr)> = exprs
            .into_iter()
            .filter(|(id, _)| need.contains(*id))
            .collect();
        needed.iter().for_each(|(_, e)| below.add(e));
        let planned = self.plan(input, &below)?;
        if needed.is_empty() {
            return Ok(planned);
        }
        let mut layout: Vec<ColumnId> = planned
            .layout
            .iter()
            .copied()
            .filter(|&id| need.contains(id))
            .collect();
        let mut outputs: Vec<Expr> = layout.iter().map(|&id| self.column(id)).collect();
        for (id, expr) in needed {
            layout.push(id);
            outputs.push(expr);
        }
        self.locate_all(&mut outputs, &planned.layout)?;
        let node = project(planned.node, planned.layout.len(), outputs);
        let mut cost = planned.cost;
        cost.width = self.width(&layout);
        let mut explained = planned.explained;
        if let Some(explained) = &mut explained {
            explained.cost.width = cost.width;
        }
        Ok(Planned {
            node,
            layout,
            cost,
            explained,
        })
    }

    fn column(&self, id: ColumnId) -> Expr {
        Expr::Column {
            index: id,
            sql_type: self.columns[usize::from(id)].sql_type,
        }
    }

    fn aggregate(
        &self,
        input: Rel,
        group: Vec<(ColumnId, Expr)>,
        calls: Vec<(ColumnId, AggregateCall)>,
        need: &IdSet,
    ) -> SqlResult<Planned> {
        // A key that nothing needs must stay: it makes the groups.
        let calls: Vec<(ColumnId, AggregateCall)> = calls
            .into_iter()
            .filter(|(id, _)| need.contains(*id))
            .collect();
        let mut below = IdSet::default();
        group.iter().for_each(|(_, e)| below.add(e));
        for (_, call) in &calls {
            call.arguments
                .iter()
                .chain(&call.filter)
                .for_each(|e| below.add(e));
        }
        let planned = self.plan(input, &below)?;
        let mut layout: Vec<ColumnId> = group.iter().map(|(id, _)| *id).collect();
        layout.extend(calls.iter().map(|(id, _)| *id));
        let cost = planned
            .cost
            .aggregated(group.len(), calls.len(), self.width(&layout));
        let explained = self.describe(cost, alloc::vec![planned.explained], |p| {
            if group.is_empty() {
                return (String::from("Aggregate"), Vec::new());
            }
            let keys: Vec<String> = group.iter().map(|(_, e)| p.show(e)).collect();
            (
                String::from("HashAggregate"),
                alloc::vec![format!("Group Key: {}", keys.join(", "))],
            )
        });
        let mut keys: Vec<Expr> = group.into_iter().map(|(_, e)| e).collect();
        self.locate_all(&mut keys, &planned.layout)?;
        let mut aggregates: Vec<AggregateCall> = calls.into_iter().map(|(_, c)| c).collect();
        for call in &mut aggregates {
            self.locate_all(&mut call.arguments, &planned.layout)?;
            if let Some(filter) = &mut call.filter {
                self.locate(filter, &planned.layout)?;
            }
        }
        let node = Node::Aggregate {
            input: Box::new(planned.node),
            group: keys,
            aggregates,
        };
        Ok(Planned {
            node,
            layout,
            cost,
            explained,
        })
    }

    fn distinct(&self, input: Rel, columns: &[ColumnId]) -> SqlResult<Planned> {
        let mut need = IdSet::default();
        columns.iter().for_each(|&id| need.insert(id));
        let planned = self.plan(input, &need)?;
        let mut outputs: Vec<Expr> = columns.iter().map(|&id| self.column(id)).collect();
        let keys = outputs.clone();
        self.locate_all(&mut outputs, &planned.layout)?;
        let input = project(planned.node, planned.layout.len(), outputs);
        let cost = planned
            .cost
            .aggregated(columns.len(), 0, planned.cost.width);
        let explained = self.describe(cost, alloc::vec![planned.explained], |p| {
            let keys: Vec<String> = keys.iter().map(|e| p.show(e)).collect();
            (
                String::from("HashAggregate"),
                alloc::vec![format!("Group Key: {}", keys.join(", "))],
            )
        });
        let node = Node::Distinct {
            input: Box::new(input),
        };
        Ok(Planned {
            node,
            layout: columns.to_vec(),
            cost,
            explained,
        })
    }

    fn sort(
        &self,
        input: Rel,
        mut keys: Vec<SortKey>,
        limit: Option<Expr>,
        need: &IdSet,
    ) -> SqlResult<Planned> {
        let mut below = need.clone();
        keys.iter().for_each(|k| below.add(&k.expr));
        let planned = self.plan(input, &below)?;
        let cost = planned.cost.sorted();
        let explained = self.describe(cost, alloc::vec![planned.explained], |p| {
            let keys: Vec<String> = keys
                .iter()
                .map(|k| explain::sort_key(k, &p.show(&k.expr)))
                .collect();
            (
                String::from("Sort"),
                alloc::vec![format!("Sort Key: {}", keys.join(", "))],
            )
        });
        for key in &mut keys {
            self.locate(&mut key.expr, &planned.layout)?;
        }
        let node = Node::Sort {
            input: Box::new(planned.node),
            keys,
            limit,
        };
        Ok(Planned {
            node,
            layout: planned.layout,
            cost,
            explained,
        })
    }

    fn limit(
        &self,
        input: Rel,
        limit: Option<Expr>,
        offset: Option<Expr>,
        need: &IdSet,
    ) -> SqlResult<Planned> {
        let planned = match input {
            Rel::Sort { input, keys } => {
                let kept = rows_kept(limit.as_ref(), offset.as_ref());
                self.sort(*input, keys, kept, need)?
            }
            input => self.plan(input, need)?,
        };
        let cost = planned
            .cost
            .limited(constant(limit.as_ref()), constant(offset.as_ref()));
        let explained = self.describe(cost, alloc::vec![planned.explained], |_| {
            (String::from("Limit"), Vec::new())
        });
        let node = Node::Limit {
            input: Box::new(planned.node),
            limit,
            offset,
        };
        Ok(Planned {
            node,
            layout: planned.layout,
            cost,
            explained,
        })
    }

    fn append(
        &self,
        columns: Vec<ColumnId>,
        inputs: Vec<(Rel, Vec<Expr>)>,
        need: &IdSet,
    ) -> SqlResult<Planned> {
        let kept: Vec<usize> = (0..columns.len())
            .filter(|&i| need.contains(columns[i]))
            .collect();
        let layout: Vec<ColumnId> = kept.iter().map(|&i| columns[i]).collect();
        let mut nodes = Vec::with_capacity(inputs.len());
        let mut children = Vec::with_capacity(inputs.len());
        let mut cost = Cost::values(0.0);
        for (rel, exprs) in inputs {
            let exprs: Vec<Expr> = kept.iter().map(|&i| exprs[i].clone()).collect();
            let (node, explained, own) = self.finish(rel, &exprs)?;
            nodes.push(node);
            children.push(explained);
            cost = cost.plus(own);
        }
        let explained = self.describe(cost, children, |_| (String::from("Append"), Vec::new()));
        Ok(Planned {
            node: Node::Append { inputs: nodes },
            layout,
            cost,
            explained,
        })
    }
}

/// Moves references one position on: past the key that was looked up.
fn shift(expr: &mut Expr) {
    if let Expr::Column { index, .. } = expr {
        *index += 1;
    }
    each_child_mut(expr, &mut shift);
}

/// A constant bigint's value.
fn constant(expr: Option<&Expr>) -> Option<i64> {
    match expr {
        Some(Expr::Constant {
            value: Datum::Int8(n),
            ..
        }) => Some(*n),
        _ => None,
    }
}

/// LIMIT plus OFFSET, where that is sure to be a number of rows.
fn rows_kept(limit: Option<&Expr>, offset: Option<&Expr>) -> Option<Expr> {
    const ROWS_MAX: i64 = 1 << 40;
    let bigint = SqlType::plain(TypeId::Int8);
    let limit = limit?;
    match (limit, offset) {
        (
            Expr::Constant {
                value: Datum::Int8(n),
                ..
            },
            None,
        ) => (0..ROWS_MAX).contains(n).then(|| limit.clone()),
        (limit @ Expr::Parameter { .. }, None) => Some(limit.clone()),
        (
            Expr::Constant {
                value: Datum::Int8(n),
                ..
            },
            Some(Expr::Constant {
                value: Datum::Int8(m),
                ..
            }),
        ) => {
            let is_small = (0..ROWS_MAX).contains(n) && (0..ROWS_MAX).contains(m);
            is_small.then(|| Expr::Constant {
                value: Datum::Int8(n + m),
                sql_type: bigint,
            })
        }
        (
            Expr::Constant {
                value: Datum::Int8(n),
                ..
            },
            Some(offset @ Expr::Parameter { .. }),
        ) => {
            if !(0..ROWS_MAX).contains(n) {
                return None;
            }
            let plus = resolve_operator("+", Some(TypeId::Int8), TypeId::Int8).ok()?;
            let zero = Expr::Constant {
                value: Datum::Int8(0),
                sql_type: bigint,
            };
            let offset = Expr::Coalesce {
                arguments: alloc::vec![offset.clone(), zero],
                sql_type: bigint,
            };
            let arguments = alloc::vec![limit.clone(), offset];
            Some(Expr::Call {
                function: plus.id,
                arguments,
                sql_type: bigint,
            })
        }
        _ => None,
    }
}

/// Expressions over a node of `width` columns, without a projection where none is needed.
pub(super) fn project(node: Node, width: usize, exprs: Vec<Expr>) -> Node {
    let is_identity = exprs.len() == width
        && exprs
            .iter()
            .enumerate()
            .all(|(i, e)| matches!(e, Expr::Column { index, .. } if usize::from(*index) == i));
    if is_identity {
        return node;
    }
    match node {
        Node::Values { types, rows } if types.is_empty() && rows.len() == 1 => {
            let types = exprs.iter().map(Expr::sql_type).collect();
            Node::Values {
                types,
                rows: alloc::vec![exprs],
            }
        }
        Node::Project {
            input,
            exprs: inner,
        } => {
            let mut seen = alloc::vec![0_u32; inner.len()];
            let is_selection = exprs.iter().all(|e| match e {
                Expr::Column { index, .. } => {
                    seen[usize::from(*index)] += 1;
                    seen[usize::from(*index)] == 1
                }
                _ => false,
            });
            if !is_selection {
                let input = Box::new(Node::Project {
                    input,
                    exprs: inner,
                });
                return Node::Project { input, exprs };
            }
            let exprs = exprs
                .iter()
                .filter_map(|e| match e {
                    Expr::Column { index, .. } => Some(inner[usize::from(*index)].clone()),
                    _ => None,
                })
                .collect();
            Node::Project { input, exprs }
        }
        node => Node::Project {
            input: Box::new(node),
            exprs,
        },
    }
}
