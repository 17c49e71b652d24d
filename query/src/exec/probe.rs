//! Which keys of an index an [`IndexProbe`] means, for the values of one row.
//!
//! ```text
//!  columns    a = 1, b = 2, c > 5          index on (a, b, c, d)
//!  prefix     enc(1) enc(2)
//!  lower      prefix enc(5), passed over with all that begins so    (c >= 5: included)
//!  upper      prefix NULL: a range leaves NULLs out, and they are last
//! ```
//!
//! A key may be longer than the prefix: further columns follow, or the row id of a row with a NULL.

use super::ExecContext;
use super::bad_plan;
use super::check::{check_exprs, same};
use super::eval::eval;
use crate::plan::{Bound as ProbeBound, Expr, IndexProbe, TableRef};
use crate::row::key;
use crate::txn::KeyRange;
use alloc::vec::Vec;
use core::ops::Bound;
use vireo_abi::chunk::{Chunk, Vector};
use vireo_abi::ids::TreeId;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;
use vireo_abi::write_set::KEY_SIZE_MAX;

pub(super) struct Probe {
    pub(super) tree: TreeId,
    types: Vec<SqlType>,
    equal: Vec<Expr>,
    lower: Option<ProbeBound>,
    upper: Option<ProbeBound>,
    is_backward: bool,
    /// Whether every column of the unique index is given.
    is_point: bool,
}

/// The values of a probe's expressions.
pub(super) struct ProbeValues {
    equal: Vec<Vector>,
    lower: Option<Vector>,
    upper: Option<Vector>,
}

/// What to read.
pub(super) enum Target {
    /// Nothing: a value is NULL, or no key is that long.
    Nothing,
    /// The key that was written to the buffer.
    Point,
    /// A range.
    Range(KeyRange),
}

impl Probe {
    /// A probe of an index of `table`, its expressions over `input`.
    pub(super) fn new(probe: &IndexProbe, table: &TableRef, input: &[SqlType]) -> SqlResult<Probe> {
        let mut types = Vec::with_capacity(probe.columns.len());
        for column in &probe.columns {
            let sql_type = table.columns.get(usize::from(*column));
            types.push(*sql_type.ok_or_else(|| bad_plan("no such column under an index"))?);
        }
        let has_range = probe.lower.is_some() || probe.upper.is_some();
        if probe.equal.len() + usize::from(has_range) > types.len() || types.is_empty() {
            return Err(bad_plan("a probe of more columns than its index has"));
        }
        check_exprs(&probe.equal, input)?;
        for (expr, sql_type) in probe.equal.iter().zip(&types) {
            same(expr.sql_type(), *sql_type)?;
        }
        for bound in [&probe.lower, &probe.upper].into_iter().flatten() {
            check_exprs(core::slice::from_ref(&bound.value), input)?;
            same(bound.value.sql_type(), types[probe.equal.len()])?;
        }
        Ok(Probe {
            tree: probe.tree,
            is_point: probe.equal.len() == types.len(),
            types,
            equal: probe.equal.clone(),
            lower: probe.lower.clone(),
            upper: probe.upper.clone(),
            is_backward: probe.is_backward,
        })
    }

    /// Evaluates the expressions for every row of a chunk.
    pub(super) fn values(&self, chunk: &Chunk, cx: &ExecContext) -> SqlResult<ProbeValues> {
        let bound = |bound: &Option<ProbeBound>| {
            bound
                .as_ref()
                .map(|b| eval(&b.value, chunk, cx))
                .transpose()
        };
        let mut equal = Vec::with_capacity(self.equal.len());
        for expr in &self.equal {
            equal.push(eval(expr, chunk, cx)?);
        }
        Ok(ProbeValues {
            equal,
            lower: bound(&self.lower)?,
            upper: bound(&self.upper)?,
        })
    }

    /// The keys for row `row`. `buffer` is scratch, and holds the key of a point.
    pub(super) fn target(&self, values: &ProbeValues, row: usize, buffer: &mut Vec<u8>) -> Target {
        buffer.clear();
        for (column, sql_type) in values.equal.iter().zip(&self.types) {
            if column.is_null(row) {
                return Target::Nothing;
            }
            key::encode_value(sql_type.id, column, row, buffer);
        }
        if self.is_point {
            // No index holds a longer key, and a tree need not take one.
            return if buffer.len() > KEY_SIZE_MAX {
                Target::Nothing
            } else {
                Target::Point
            };
        }
        match self.range(values, row, buffer) {
            Some(range) => Target::Range(range),
            None => Target::Nothing,
        }
    }

    fn range(&self, values: &ProbeValues, row: usize, prefix: &[u8]) -> Option<KeyRange> {
        let ty = self.types[self.equal.len()].id;
        let with = |vector: &Vector| {
            let mut bytes = prefix.to_vec();
            key::encode_value(ty, vector, row, &mut bytes);
            (!vector.is_null(row)).then_some(bytes)
        };
        let lower = match (&self.lower, &values.lower) {
            (Some(bound), Some(vector)) => {
                let at = with(vector)?;
                Bound::Included(if bound.is_inclusive {
                    at
                } else {
                    key::successor(&at)?
                })
            }
            _ if prefix.is_empty() => Bound::Unbounded,
            _ => Bound::Included(prefix.to_vec()),
        };
        let upper = match (&self.upper, &values.upper) {
            (Some(bound), Some(vector)) => {
                let at = with(vector)?;
                Bound::Excluded(if bound.is_inclusive {
                    key::successor(&at)?
                } else {
                    at
                })
            }
            _ if self.lower.is_some() => {
                let mut nulls = prefix.to_vec();
                nulls.push(key::NULL_LAST);
                Bound::Excluded(nulls)
            }
            _ => key::successor(prefix).map_or(Bound::Unbounded, Bound::Excluded),
        };
        Some(KeyRange {
            lower,
            upper,
            is_backward: self.is_backward,
        })
    }
}
