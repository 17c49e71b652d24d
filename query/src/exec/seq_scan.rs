//! All rows of a table, in row-id order.

use super::fetch::Fetch;
use super::{ExecContext, Operator};
use crate::txn::{KeyRange, LocalFuture, TreeCursor};
use alloc::boxed::Box;
use vireo_abi::chunk::Chunk;
use vireo_abi::message::error::SqlResult;

pub(super) struct SeqScan {
    fetch: Fetch,
    cursor: Option<Box<dyn TreeCursor>>,
    is_done: bool,
}

impl SeqScan {
    pub(super) fn new(fetch: Fetch) -> SeqScan {
        SeqScan {
            fetch,
            cursor: None,
            is_done: false,
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        while !self.is_done {
            let cursor = match &mut self.cursor {
                Some(cursor) => {
                    cx.txn.checkpoint().await?;
                    cursor
                }
                None => self
                    .cursor
                    .insert(cx.txn.scan(self.fetch.tree(), KeyRange::ALL)?),
            };
            let (fetch, txn) = (&mut self.fetch, &*cx.txn);
            if let Some(limit) = fetch.room() {
                self.is_done = !cursor.next(limit, &mut |row| fetch.push(row, txn))?;
            }
            if let Some(chunk) = fetch.finish(cx)? {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }
}

impl Operator for SeqScan {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
