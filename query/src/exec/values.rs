//! VALUES: rows of expressions without columns.

use super::eval::eval_once;
use super::{ExecContext, Operator, bad_plan};
use crate::plan::Expr;
use crate::txn::LocalFuture;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::{CHUNK_ROWS, Chunk, Vector};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;

pub(super) struct ValuesList {
    types: Vec<SqlType>,
    rows: Vec<Vec<Expr>>,
    next: usize,
}

impl ValuesList {
    /// Every row has as many expressions as there are types, each of its type.
    pub(super) fn new(types: Vec<SqlType>, rows: Vec<Vec<Expr>>) -> ValuesList {
        ValuesList {
            types,
            rows,
            next: 0,
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        let rows = (self.rows.len() - self.next).min(CHUNK_ROWS);
        if rows == 0 {
            return Ok(None);
        }
        if self.next > 0 {
            cx.txn.checkpoint().await?;
        }
        let mut columns: Vec<Vector> = self
            .types
            .iter()
            .map(|t| Vector::with_capacity(t.kind(), rows))
            .collect();
        for row in &self.rows[self.next..self.next + rows] {
            for (column, expr) in columns.iter_mut().zip(row) {
                let value = eval_once(expr, cx)?;
                if value
                    .kind()
                    .is_some_and(|kind| kind != column.values.kind())
                {
                    return Err(bad_plan("a value of another type"));
                }
                column.push(&value);
            }
        }
        self.next += rows;
        Ok(Some(Chunk::new(columns, rows)))
    }
}

impl Operator for ValuesList {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
