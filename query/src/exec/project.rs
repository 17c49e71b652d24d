//! Expressions over the input. A column that is passed on unchanged is moved, not copied, at its last use.

use super::eval::eval;
use super::{ExecContext, Operator};
use crate::plan::Expr;
use crate::txn::LocalFuture;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::{Chunk, Vector};
use vireo_abi::message::error::SqlResult;

pub(super) struct Project {
    input: Box<dyn Operator>,
    exprs: Vec<Expr>,
    /// Whether all expressions are columns, none of them twice.
    is_permutation: bool,
}

impl Project {
    pub(super) fn new(input: Box<dyn Operator>, exprs: Vec<Expr>) -> Project {
        let is_permutation = exprs.iter().enumerate().all(|(index, expr)| match expr {
            Expr::Column { .. } => !exprs[..index].contains(expr),
            _ => false,
        });
        Project {
            input,
            exprs,
            is_permutation,
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        let Some(chunk) = self.input.next(cx).await? else {
            return Ok(None);
        };
        let rows = chunk.rows();
        if self.is_permutation {
            return Ok(Some(Chunk::new(self.permute(chunk), rows)));
        }
        let mut columns = Vec::with_capacity(self.exprs.len());
        for expr in &self.exprs {
            columns.push(eval(expr, &chunk, cx)?);
        }
        Ok(Some(Chunk::new(columns, rows)))
    }

    fn permute(&self, chunk: Chunk) -> Vec<Vector> {
        let mut columns: Vec<Option<Vector>> = chunk.into_columns().into_iter().map(Some).collect();
        let position = |expr: &Expr| match expr {
            Expr::Column { index, .. } => usize::from(*index),
            _ => unreachable!("a permutation is made of columns"),
        };
        let taken = self.exprs.iter().map(|e| columns[position(e)].take());
        taken
            .map(|c| c.expect("no column is in a permutation twice"))
            .collect()
    }
}

impl Operator for Project {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
