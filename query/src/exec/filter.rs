//! The rows where a predicate is true.

use super::eval::eval_filter;
use super::{ExecContext, Operator};
use crate::plan::Expr;
use crate::txn::LocalFuture;
use alloc::boxed::Box;
use vireo_abi::chunk::Chunk;
use vireo_abi::message::error::SqlResult;

pub(super) struct Filter {
    input: Box<dyn Operator>,
    predicate: Expr,
}

impl Filter {
    pub(super) fn new(input: Box<dyn Operator>, predicate: Expr) -> Filter {
        Filter { input, predicate }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        while let Some(chunk) = self.input.next(cx).await? {
            match eval_filter(&self.predicate, &chunk, cx)? {
                None => return Ok(Some(chunk)),
                Some(rows) if !rows.is_empty() => return Ok(Some(chunk.take(&rows))),
                Some(_) => {}
            }
        }
        Ok(None)
    }
}

impl Operator for Filter {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
