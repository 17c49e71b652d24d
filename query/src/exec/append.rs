//! The rows of all inputs in turn.

use super::{ExecContext, Operator};
use crate::txn::LocalFuture;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::Chunk;
use vireo_abi::message::error::SqlResult;

pub(super) struct Append {
    /// Those that are left, the next one last.
    inputs: Vec<Box<dyn Operator>>,
}

impl Append {
    pub(super) fn new(mut inputs: Vec<Box<dyn Operator>>) -> Append {
        inputs.reverse();
        Append { inputs }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        while let Some(input) = self.inputs.last_mut() {
            if let Some(chunk) = input.next(cx).await? {
                return Ok(Some(chunk));
            }
            self.inputs.pop();
            cx.txn.checkpoint().await?;
        }
        Ok(None)
    }
}

impl Operator for Append {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
