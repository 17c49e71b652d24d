//! Joins: in which order, and how.
//!
//! Inner joins that stand next to each other are one set of inputs and one set of conditions. They are joined
//! greedily: the smallest input first, then always the one that a condition ties to what is there and
//! that gives the fewest rows.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{SqlType, TypeId};

use super::access::{self, as_operator};
use super::binder::fold_context;
use super::cost::{self, estimate};
use super::explain;
use super::fold;
use super::physical::{Planned, Planner};
use super::rel::{IdSet, Rel, Scan, has_columns, is_volatile};
use super::scope::ColumnId;
use crate::plan::{Expr, JoinKind, Node};

/// Rows of the inner table for which one look-up by index pays against building a hash table.
const ROWS_PER_LOOKUP: f64 = 8.0;

impl Planner<'_> {
    /// A join and what stands below it.
    pub(super) fn join(&self, join: Rel, need: &IdSet) -> SqlResult<Planned> {
        let mut inputs = Vec::new();
        let mut conditions = Vec::new();
        flatten(join, &mut inputs, &mut conditions);
        if inputs.len() == 1
            && let Some(Rel::Join {
                left,
                right,
                kind,
                conditions,
            }) = inputs.pop()
        {
            return self.pair(*left, *right, kind, conditions, need);
        }
        let ordered = reorder(inputs, conditions);
        match ordered {
            Rel::Join {
                left,
                right,
                kind,
                conditions,
            } => self.pair(*left, *right, kind, conditions, need),
            other => self.plan(other, need),
        }
    }

    fn child(&self, rel: Rel, need: &IdSet) -> SqlResult<Planned> {
        match rel {
            // Already in order.
            Rel::Join {
                left,
                right,
                kind: JoinKind::Inner,
                conditions,
            } => self.pair(*left, *right, JoinKind::Inner, conditions, need),
            other => self.plan(other, need),
        }
    }

    fn pair(
        &self,
        left: Rel,
        right: Rel,
        kind: JoinKind,
        conditions: Vec<Expr>,
        need: &IdSet,
    ) -> SqlResult<Planned> {
        // A right join is a left join seen from the other side; columns are found by id.
        let (left, right, kind) = match kind {
            JoinKind::Right => (right, left, JoinKind::Left),
            kind => (left, right, kind),
        };
        let mut below = need.clone();
        conditions.iter().for_each(|c| below.add(c));
        let (left, right) = match self.index_join(left, right, kind, &conditions, &below)? {
            Ok(planned) => return Ok(planned),
            Err(sides) => *sides,
        };
        let (in_left, in_right) = (left.outputs(), right.outputs());
        let mut left_keys = Vec::new();
        let mut right_keys = Vec::new();
        let mut rest = Vec::new();
        for condition in conditions.iter() {
            match equal_keys(condition, &in_left, &in_right) {
                Some((l, r)) => {
                    left_keys.push(l);
                    right_keys.push(r);
                }
                None => rest.push(condition.clone()),
            }
        }
        let swap = kind == JoinKind::Inner && estimate(&left) < estimate(&right);
        let (left, right) = if swap { (right, left) } else { (left, right) };
        if swap {
            core::mem::swap(&mut left_keys, &mut right_keys);
        }
        let left = self.child(left, &below)?;
        let right = self.child(right, &below)?;
        self.join_node(
            left,
            right,
            kind,
            (left_keys, right_keys),
            rest,
            &conditions,
        )
    }

    fn join_node(
        &self,
        left: Planned,
        right: Planned,
        kind: JoinKind,
        (mut left_keys, mut right_keys): (Vec<Expr>, Vec<Expr>),
        rest: Vec<Expr>,
        all: &[Expr],
    ) -> SqlResult<Planned> {
        let mut both = left.layout.clone();
        both.extend_from_slice(&right.layout);
        let layout = match kind {
            JoinKind::Semi | JoinKind::Anti => left.layout.clone(),
            _ => both.clone(),
        };
        let rows = cost::join_rows(
            left.cost.rows,
            right.cost.rows,
            kind,
            left_keys.len(),
            rest.len(),
        );
        let is_hash = !left_keys.is_empty();
        let cost = if is_hash {
            left.cost.hash_joined(right.cost, rows)
        } else {
            left.cost.loop_joined(right.cost, rows)
        };
        let keys_shown: Vec<Expr> = all.iter().filter(|c| !rest.contains(c)).cloned().collect();
        let inner = if is_hash { "Hash" } else { "Materialize" };
        let inner_explained = right
            .explained
            .map(|child| Box::new(explain::wrap(inner, *child)));
        let explained = self.describe(cost, alloc::vec![left.explained, inner_explained], |p| {
            let title = explain::join_title(if is_hash { "Hash" } else { "Nested Loop" }, kind);
            let mut details = Vec::new();
            if is_hash {
                details.extend(p.show_conditions("Hash Cond", &keys_shown));
            }
            details.extend(p.show_conditions("Join Filter", &rest));
            (title, details)
        });
        let residual = self.predicate(rest, &both)?;
        self.locate_all(&mut left_keys, &left.layout)?;
        self.locate_all(&mut right_keys, &right.layout)?;
        let (l, r) = (Box::new(left.node), Box::new(right.node));
        let node = if is_hash {
            Node::HashJoin {
                left: l,
                right: r,
                kind,
                left_keys,
                right_keys,
                residual,
            }
        } else {
            Node::NestedLoopJoin {
                left: l,
                right: r,
                kind,
                condition: residual,
            }
        };
        Ok(Planned {
            node,
            layout,
            cost,
            explained,
        })
    }

    /// A join by look-ups in a unique index of one side, where that pays. Else the sides back.
    #[allow(clippy::type_complexity)] // the two sides are given back as they came
    fn index_join(
        &self,
        left: Rel,
        right: Rel,
        kind: JoinKind,
        conditions: &[Expr],
        below: &IdSet,
    ) -> SqlResult<Result<Planned, Box<(Rel, Rel)>>> {
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
            return Ok(Err(Box::new((left, right))));
        }
        if self.pays(&left, &right, conditions) {
            if let Rel::Scan(scan) = right {
                return self.look_up(left, &scan, kind, conditions, below).map(Ok);
            }
            return Ok(Err(Box::new((left, right))));
        }
        if kind == JoinKind::Inner && self.pays(&right, &left, conditions) {
            if let Rel::Scan(scan) = left {
                return self.look_up(right, &scan, kind, conditions, below).map(Ok);
            }
            return Ok(Err(Box::new((left, right))));
        }
        Ok(Err(Box::new((left, right))))
    }

    fn not_null(&self, id: ColumnId) -> bool {
        self.columns[usize::from(id)].not_null
    }

    fn pays(&self, outer: &Rel, inner: &Rel, conditions: &[Expr]) -> bool {
        let Rel::Scan(scan) = inner else { return false };
        if estimate(outer) * ROWS_PER_LOOKUP > estimate(inner).max(ROWS_PER_LOOKUP) {
            return false;
        }
        let all: Vec<Expr> = scan.conditions.iter().chain(conditions).cloned().collect();
        let from = outer.outputs();
        let is_value = |e: &Expr| from.covers(e) && !is_volatile(e);
        access::choose(scan, &all, &|id| self.not_null(id), &is_value)
            .is_some_and(|a| a.is_unique && a.probe.equal.iter().any(has_columns))
    }

    fn look_up(
        &self,
        outer: Rel,
        scan: &Scan,
        kind: JoinKind,
        conditions: &[Expr],
        below: &IdSet,
    ) -> SqlResult<Planned> {
        let from = outer.outputs();
        let all: Vec<Expr> = scan.conditions.iter().chain(conditions).cloned().collect();
        let is_value = |e: &Expr| from.covers(e) && !is_volatile(e);
        let chosen = access::choose(scan, &all, &|id| self.not_null(id), &is_value);
        let Some(mut access) = chosen else {
            let left = self.child(outer, below)?;
            let right = self.plan(Rel::Scan(Box::new(scan.clone())), below)?;
            return self.join_node(
                left,
                right,
                kind,
                (Vec::new(), Vec::new()),
                conditions.to_vec(),
                conditions,
            );
        };
        let mut need = below.clone();
        all.iter().for_each(|c| need.add(c));
        let left = self.child(outer, &need)?;
        let mut inner_need = below.clone();
        access.remaining.iter().for_each(|c| inner_need.add(c));
        let (columns, inner_layout) = Self::scan_columns(scan, &inner_need);
        let mut layout = left.layout.clone();
        layout.extend_from_slice(&inner_layout);
        let width = cost::width(
            inner_layout
                .iter()
                .map(|&id| self.columns[usize::from(id)].sql_type),
        );
        let cost = left.cost.index_joined(width, left.cost.rows);
        let explained = {
            let inner = self.describe(cost::index_scan(scan, &access, width), Vec::new(), |p| {
                let title = format!(
                    "Index Scan using {} on {}",
                    access.probe.name,
                    explain::table_name(scan)
                );
                let mut details: Vec<String> = Vec::new();
                details.extend(p.show_conditions("Index Cond", &access.tested));
                details.extend(p.show_conditions("Filter", &access.remaining));
                (title, details)
            });
            self.describe(cost, alloc::vec![left.explained, inner], |_| {
                (explain::join_title("Nested Loop", kind), Vec::new())
            })
        };
        self.locate_all(&mut access.probe.equal, &left.layout)?;
        let residual = self.predicate(access.remaining, &layout)?;
        let node = Node::IndexJoin {
            left: Box::new(left.node),
            table: scan.table.reference(),
            probe: access.probe,
            columns,
            kind,
            residual,
        };
        Ok(Planned {
            node,
            layout,
            cost,
            explained,
        })
    }
}

/// Takes apart neighbouring inner joins.
fn flatten(rel: Rel, inputs: &mut Vec<Rel>, conditions: &mut Vec<Expr>) {
    match rel {
        Rel::Join {
            left,
            right,
            kind: JoinKind::Inner,
            conditions: own,
        } => {
            flatten(*left, inputs, conditions);
            flatten(*right, inputs, conditions);
            conditions.extend(own);
        }
        other => inputs.push(other),
    }
}

/// A left-deep tree of inner joins in a good order.
fn reorder(inputs: Vec<Rel>, mut conditions: Vec<Expr>) -> Rel {
    let mut rest: Vec<(Rel, f64, IdSet)> = inputs
        .into_iter()
        .map(|rel| {
            let rows = estimate(&rel);
            let outputs = rel.outputs();
            (rel, rows, outputs)
        })
        .collect();
    let is_pair = rest.len() == 2;
    let first = if is_pair {
        0
    } else {
        smallest(&rest, |_| true).unwrap_or(0)
    };
    let (mut tree, _, mut have) = rest.remove(first);
    while !rest.is_empty() {
        let is_tied = |(_, _, outputs): &(Rel, f64, IdSet)| {
            conditions
                .iter()
                .any(|c| !have.covers(c) && !outputs.covers(c) && covers_both(&have, outputs, c))
        };
        let next = smallest(&rest, is_tied)
            .or_else(|| smallest(&rest, |_| true))
            .unwrap_or(0);
        let (right, _, outputs) = rest.remove(next);
        let mut all = have.clone();
        right.each_output(&mut |id| all.insert(id));
        let is_last = rest.is_empty();
        let (here, later): (Vec<Expr>, Vec<Expr>) = conditions
            .into_iter()
            .partition(|c| is_last || (has_columns(c) && covers_both(&have, &outputs, c)));
        conditions = later;
        tree = Rel::Join {
            left: Box::new(tree),
            right: Box::new(right),
            kind: JoinKind::Inner,
            conditions: here,
        };
        have = all;
    }
    tree
}

fn covers_both(a: &IdSet, b: &IdSet, condition: &Expr) -> bool {
    let mut all = true;
    super::rel::each_column(condition, &mut |id| all &= a.contains(id) || b.contains(id));
    all
}

fn smallest(
    rest: &[(Rel, f64, IdSet)],
    is_candidate: impl Fn(&(Rel, f64, IdSet)) -> bool,
) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, item) in rest.iter().enumerate() {
        let is_better = best.is_none_or(|(_, rows)| item.1 < rows);
        if is_better && is_candidate(item) {
            best = Some((index, item.1));
        }
    }
    best.map(|(index, _)| index)
}

/// The two sides of an equality between the inputs, as one type.
fn equal_keys(condition: &Expr, in_left: &IdSet, in_right: &IdSet) -> Option<(Expr, Expr)> {
    let ("=", a, b) = as_operator(condition)? else {
        return None;
    };
    if is_volatile(condition) || !has_columns(a) || !has_columns(b) {
        return None;
    }
    let (left, right) = if in_left.covers(a) && in_right.covers(b) {
        (a, b)
    } else if in_left.covers(b) && in_right.covers(a) {
        (b, a)
    } else {
        return None;
    };
    let (from, to) = (left.sql_type().id, right.sql_type().id);
    if from == to {
        return Some((left.clone(), right.clone()));
    }
    let is_integer = |id| matches!(id, TypeId::Int2 | TypeId::Int4 | TypeId::Int8);
    if !is_integer(from) || !is_integer(to) {
        return None;
    }
    let wide = SqlType::plain(if from.typlen() > to.typlen() {
        from
    } else {
        to
    });
    let cast = |e: &Expr| {
        if e.sql_type().id == wide.id {
            e.clone()
        } else {
            fold::cast(e.clone(), wide, false, &fold_context())
        }
    };
    Some((cast(left), cast(right)))
}
