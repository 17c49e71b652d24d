//! Estimates: rows and PostgreSQL's units of cost, from the row counts of the catalog.

use vireo_abi::sql_type::{SqlType, TypeId};

use super::access::{Access, as_operator};
use super::rel::{Rel, Scan};
use crate::plan::{Expr, JoinKind};

const PAGE: f64 = 8192.0;
const TUPLE_OVERHEAD: f64 = 28.0;
const CPU_TUPLE: f64 = 0.01;
const CPU_INDEX_TUPLE: f64 = 0.005;
const CPU_OPERATOR: f64 = 0.0025;
const RANDOM_PAGE: f64 = 4.0;
/// Pages that PostgreSQL assumes of a table that was never analyzed.
const PAGES_UNKNOWN: f64 = 10.0;

/// What a node is thought to cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Until the first row.
    pub(super) startup: f64,
    /// Until the last row.
    pub(super) total: f64,
    /// Rows.
    pub(super) rows: f64,
    /// Bytes of a row.
    pub(super) width: f64,
}

fn at_least_one(rows: f64) -> f64 {
    if rows < 1.0 { 1.0 } else { libm::round(rows) }
}

impl Cost {
    /// Rows of expressions.
    pub(super) fn values(rows: f64) -> Cost {
        Cost {
            startup: 0.0,
            total: rows * CPU_TUPLE,
            rows,
            width: 0.0,
        }
    }

    /// After `count` conditions.
    pub(super) fn filtered(self, count: usize) -> Cost {
        let mut rows = self.rows;
        (0..count).for_each(|_| rows /= 3.0);
        let total = self.total + self.rows * CPU_OPERATOR * count as f64;
        Cost {
            rows: at_least_one(rows),
            total,
            ..self
        }
    }

    /// After grouping.
    pub(super) fn aggregated(self, keys: usize, calls: usize, width: f64) -> Cost {
        let work = self.rows * CPU_OPERATOR * (keys + calls) as f64;
        if keys == 0 {
            let startup = self.total + work;
            return Cost {
                startup,
                total: startup + CPU_TUPLE,
                rows: 1.0,
                width,
            };
        }
        let rows = at_least_one(if self.rows > 200.0 { 200.0 } else { self.rows });
        let startup = self.total + work;
        Cost {
            startup,
            total: startup + rows * CPU_TUPLE,
            rows,
            width,
        }
    }

    /// After sorting.
    pub(super) fn sorted(self) -> Cost {
        let rows = if self.rows < 2.0 { 2.0 } else { self.rows };
        let startup = self.total + 2.0 * CPU_OPERATOR * rows * libm::log2(rows);
        Cost {
            startup,
            total: startup + CPU_OPERATOR * self.rows,
            ..self
        }
    }

    /// After LIMIT and OFFSET.
    pub(super) fn limited(self, limit: Option<i64>, offset: Option<i64>) -> Cost {
        let skipped = (offset.unwrap_or(0).max(0) as f64).min(self.rows);
        let left = self.rows - skipped;
        let rows = limit.map_or(left, |n| (n.max(0) as f64).min(left));
        let part = |rows: f64| {
            let fraction = if self.rows > 0.0 {
                rows / self.rows
            } else {
                1.0
            };
            self.startup + (self.total - self.startup) * fraction
        };
        let startup = part(skipped);
        Cost {
            startup,
            total: part(skipped + rows),
            rows: at_least_one(rows),
            ..self
        }
    }

    /// One after the other.
    pub(super) fn plus(self, other: Cost) -> Cost {
        Cost {
            startup: self.startup,
            total: self.total + other.total,
            rows: self.rows + other.rows,
            width: other.width,
        }
    }

    /// A hash join with `right` built.
    pub(super) fn hash_joined(self, right: Cost, rows: f64) -> Cost {
        let startup = right.total + right.rows * (CPU_OPERATOR + CPU_TUPLE) + self.startup;
        let work = self.rows * CPU_OPERATOR + rows * CPU_TUPLE;
        Cost {
            startup,
            total: startup + (self.total - self.startup) + work,
            rows: at_least_one(rows),
            width: self.width + right.width,
        }
    }

    /// A nested loop with `right` materialized.
    pub(super) fn loop_joined(self, right: Cost, rows: f64) -> Cost {
        let work = self.rows * right.rows * (CPU_TUPLE + CPU_OPERATOR);
        Cost {
            startup: self.startup + right.startup,
            total: self.total + right.total + work,
            rows: at_least_one(rows),
            width: self.width + right.width,
        }
    }

    /// One look-up by an index for each row.
    pub(super) fn index_joined(self, width: f64, rows: f64) -> Cost {
        let each = RANDOM_PAGE * 0.07 + CPU_INDEX_TUPLE + CPU_TUPLE;
        Cost {
            startup: self.startup + 0.28,
            total: self.total + self.rows * each,
            rows: at_least_one(rows),
            width: self.width + width,
        }
    }
}

/// Bytes of a row of these types.
pub(super) fn width(types: impl Iterator<Item = SqlType>) -> f64 {
    types.map(type_width).fold(0.0, |sum, width| sum + width)
}

fn type_width(sql_type: SqlType) -> f64 {
    let length = sql_type.id.typlen();
    if length > 0 {
        return f64::from(length);
    }
    let characters = f64::from(sql_type.typmod - 4);
    match sql_type.id {
        TypeId::Bpchar if sql_type.typmod > 4 => characters,
        TypeId::Varchar if sql_type.typmod > 4 && characters <= 32.0 => characters,
        TypeId::Varchar if sql_type.typmod > 4 => 32.0 + (characters.min(1000.0) - 32.0) * 0.5,
        _ => 32.0,
    }
}

fn table_size(scan: &Scan) -> (f64, f64) {
    let width = width(scan.table.def.columns.iter().map(|c| c.sql_type)) + TUPLE_OVERHEAD;
    let estimate = scan.table.def.row_estimate;
    if estimate >= 0.0 {
        let pages = libm::ceil(estimate * width / PAGE);
        (estimate, if pages < 1.0 { 1.0 } else { pages })
    } else {
        (libm::floor(PAGES_UNKNOWN * PAGE / width), PAGES_UNKNOWN)
    }
}

/// Rows of a table.
pub(super) fn estimate_table(scan: &Scan) -> f64 {
    table_size(scan).0
}

/// The part of rows that a condition leaves.
fn selectivity(condition: &Expr) -> f64 {
    match condition {
        Expr::IsNull {
            is_negated: true, ..
        } => 0.995,
        Expr::IsNull { .. } => 0.005,
        Expr::InList {
            list,
            is_negated: false,
            ..
        } => (0.005 * list.len() as f64).min(1.0),
        _ => match as_operator(condition) {
            Some(("=", ..)) => 0.005,
            Some(("<>" | "!=", ..)) => 0.995,
            Some(("~~", ..)) => 0.005,
            Some(_) => 1.0 / 3.0,
            None => 0.5,
        },
    }
}

fn selected(rows: f64, conditions: &[Expr]) -> f64 {
    let part: f64 = conditions.iter().map(selectivity).product();
    at_least_one(rows * part)
}

/// A sequential scan.
pub(super) fn seq_scan(scan: &Scan, width: f64) -> Cost {
    let (rows, pages) = table_size(scan);
    let tests = rows * CPU_OPERATOR * scan.conditions.len() as f64;
    Cost {
        startup: 0.0,
        total: pages + rows * CPU_TUPLE + tests,
        rows: selected(rows, &scan.conditions),
        width,
    }
}

/// A scan by an index.
pub(super) fn index_scan(scan: &Scan, access: &Access, width: f64) -> Cost {
    let (rows, pages) = table_size(scan);
    let found = if access.is_unique {
        1.0
    } else {
        selected(rows, &access.tested)
    };
    let levels = if rows > 1.0 {
        libm::ceil(libm::log2(rows))
    } else {
        0.0
    };
    let startup = libm::round((levels * CPU_OPERATOR + 50.0 * CPU_OPERATOR) * 100.0) / 100.0;
    let fetched = (RANDOM_PAGE * 2.0).min(RANDOM_PAGE + pages);
    let read = if access.is_unique {
        fetched
    } else {
        found.min(pages) * RANDOM_PAGE * 0.5 + fetched
    };
    let work = found * (CPU_INDEX_TUPLE + CPU_TUPLE + CPU_OPERATOR);
    Cost {
        startup,
        total: startup + read + work,
        rows: if access.is_unique {
            1.0
        } else {
            selected(found, &access.remaining)
        },
        width,
    }
}

/// Rows of a join.
pub(super) fn join_rows(left: f64, right: f64, kind: JoinKind, keys: usize, rest: usize) -> f64 {
    let mut rows = if keys > 0 {
        left.max(right)
    } else {
        left * right
    };
    (0..rest).for_each(|_| rows /= 3.0);
    match kind {
        JoinKind::Inner => at_least_one(rows),
        JoinKind::Left => rows.max(left),
        JoinKind::Right => rows.max(right),
        JoinKind::Full => rows.max(left).max(right),
        JoinKind::Semi | JoinKind::Anti => at_least_one(left / 2.0),
    }
}

/// Rows that a system view is thought to have.
pub(super) const SYSTEM_VIEW_ROWS: f64 = 100.0;

/// Rows of a logical tree, for choosing between plans.
pub(super) fn estimate(rel: &Rel) -> f64 {
    match rel {
        Rel::Values { rows, .. } => rows.len() as f64,
        Rel::SystemView { .. } => SYSTEM_VIEW_ROWS,
        Rel::Scan(scan) => {
            if super::access::is_single_row(scan) {
                1.0
            } else {
                selected(table_size(scan).0, &scan.conditions)
            }
        }
        Rel::Filter { input, conditions } => selected(estimate(input), conditions),
        Rel::Project { input, .. } | Rel::Sort { input, .. } => estimate(input),
        Rel::Join {
            left,
            right,
            kind,
            conditions,
        } => {
            let keys = conditions
                .iter()
                .filter(|c| matches!(as_operator(c), Some(("=", ..))))
                .count();
            join_rows(
                estimate(left),
                estimate(right),
                *kind,
                keys,
                conditions.len() - keys,
            )
        }
        Rel::Aggregate { group, .. } if group.is_empty() => 1.0,
        Rel::Aggregate { input, .. } | Rel::Distinct { input, .. } => {
            at_least_one(estimate(input).min(200.0))
        }
        Rel::Limit { input, limit, .. } => {
            use vireo_abi::datum::Datum;
            let rows = estimate(input);
            match limit {
                Some(Expr::Constant {
                    value: Datum::Int8(n),
                    ..
                }) => rows.min(*n as f64),
                _ => rows,
            }
        }
        Rel::Append { inputs, .. } => inputs.iter().map(|(rel, _)| estimate(rel)).sum(),
    }
}
