//! CASE, COALESCE, GREATEST and LEAST: results put together from several expressions.

use super::{ExecContext, Input, Truth, Value, bad_plan};
use crate::exec::gather::{all_null, append};
use crate::plan::Expr;
use crate::types::compare;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{Kind, SqlType};

/// A result that is made of parts, each for some rows.
struct Parts {
    kind: Kind,
    /// The values of all parts in turn.
    values: Vector,
    /// For each row, where its value is.
    places: Vec<u32>,
}

impl Parts {
    fn new(kind: Kind, rows: usize) -> Parts {
        Parts {
            kind,
            values: Vector::with_capacity(kind, rows),
            places: vec![0; rows],
        }
    }

    /// `part[i]` is the value of row `rows[i]`.
    fn add(&mut self, rows: &[u32], part: Vector) -> SqlResult<()> {
        if part.values.kind() != self.kind {
            return Err(bad_plan("branches of different types"));
        }
        let start = self.values.len() as u32;
        for (place, row) in (start..).zip(rows) {
            self.places[*row as usize] = place;
        }
        append(&mut self.values, &part, 0..part.len());
        Ok(())
    }

    fn finish(self) -> Value<'static> {
        Value::owned(self.values.take(&self.places))
    }
}

impl<'c> Input<'c> {
    #[inline(never)]
    pub(super) fn case(
        &self,
        branches: &'c [(Expr, Expr)],
        otherwise: Option<&'c Expr>,
        sql_type: SqlType,
        cx: &'c ExecContext,
    ) -> SqlResult<Value<'c>> {
        let mut parts = Parts::new(sql_type.kind(), self.rows);
        let mut open: Vec<u32> = (0..self.rows as u32).collect();
        for (condition, result) in branches {
            if open.is_empty() {
                break;
            }
            let chosen = self.chosen(condition, &mut open, cx)?;
            if chosen.len() == self.rows {
                return self.value(result, cx);
            }
            if !chosen.is_empty() {
                let part = self.value_at(result, &chosen, cx)?;
                parts.add(&chosen, part)?;
            }
        }
        match otherwise {
            Some(result) if open.len() == self.rows => return self.value(result, cx),
            Some(result) if !open.is_empty() => {
                let part = self.value_at(result, &open, cx)?;
                parts.add(&open, part)?;
            }
            None => parts.add(&open, all_null(sql_type.kind(), open.len()))?,
            Some(_) => {}
        }
        Ok(parts.finish())
    }

    /// The open rows where a condition is true; the others stay open.
    fn chosen(
        &self,
        condition: &'c Expr,
        open: &mut Vec<u32>,
        cx: &'c ExecContext,
    ) -> SqlResult<Vec<u32>> {
        let mut selection = Vec::new();
        let input = if open.len() == self.rows {
            *self
        } else {
            self.narrowed(open, &mut selection)
        };
        let value = input.value(condition, cx)?;
        let truth = Truth::of(&value)?;
        let mut chosen = Vec::new();
        let mut index = 0;
        open.retain(|row| {
            let is_true = truth.get(index) == Some(true);
            index += 1;
            if is_true {
                chosen.push(*row);
            }
            !is_true
        });
        Ok(chosen)
    }

    /// An expression on some rows only.
    fn value_at(&self, expr: &'c Expr, rows: &[u32], cx: &'c ExecContext) -> SqlResult<Vector> {
        let mut selection = Vec::with_capacity(rows.len());
        let input = self.narrowed(rows, &mut selection);
        Ok(input.value(expr, cx)?.into_vector(rows.len()))
    }

    #[inline(never)]
    pub(super) fn coalesce(
        &self,
        arguments: &'c [Expr],
        sql_type: SqlType,
        cx: &'c ExecContext,
    ) -> SqlResult<Value<'c>> {
        let mut parts = Parts::new(sql_type.kind(), self.rows);
        let mut open: Vec<u32> = (0..self.rows as u32).collect();
        for argument in arguments {
            if open.is_empty() {
                break;
            }
            if open.len() == self.rows {
                let value = self.value(argument, cx)?;
                let has_null = value
                    .vector()
                    .nulls
                    .as_ref()
                    .is_some_and(|n| n.contains(&true));
                if !has_null {
                    return Ok(value);
                }
                let part = value.into_vector(self.rows);
                open = (0..self.rows as u32)
                    .filter(|r| part.is_null(*r as usize))
                    .collect();
                let all: Vec<u32> = (0..self.rows as u32).collect();
                parts.add(&all, part)?;
            } else {
                let part = self.value_at(argument, &open, cx)?;
                let null_rows = open.iter().enumerate().filter(|(i, _)| part.is_null(*i));
                let still_open = null_rows.map(|(_, row)| *row).collect();
                parts.add(&open, part)?;
                open = still_open;
            }
        }
        if parts.values.is_empty() {
            return Err(bad_plan("COALESCE of nothing"));
        }
        Ok(parts.finish())
    }

    /// The greatest or least argument that is not NULL.
    #[inline(never)]
    pub(super) fn extreme(
        &self,
        arguments: &'c [Expr],
        is_greatest: bool,
        sql_type: SqlType,
        cx: &'c ExecContext,
    ) -> SqlResult<Value<'c>> {
        let wanted = if is_greatest {
            Ordering::Greater
        } else {
            Ordering::Less
        };
        let mut best: Option<Vector> = None;
        for argument in arguments {
            let next = self.value(argument, cx)?.into_vector(self.rows);
            if next.values.kind() != sql_type.kind() {
                return Err(bad_plan("arguments of different types"));
            }
            let Some(before) = best.take() else {
                best = Some(next);
                continue;
            };
            let is_better = |row: usize| {
                !next.is_null(row)
                    && (before.is_null(row)
                        || compare::compare(sql_type.id, &next, row, &before, row) == wanted)
            };
            let rows = self.rows as u32;
            let places: Vec<u32> = (0..rows)
                .map(|r| if is_better(r as usize) { rows + r } else { r })
                .collect();
            let mut both = before;
            append(&mut both, &next, 0..self.rows);
            best = Some(both.take(&places));
        }
        best.map(Value::owned)
            .ok_or_else(|| bad_plan("GREATEST of nothing"))
    }
}
