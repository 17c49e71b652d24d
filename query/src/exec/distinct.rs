//! Distinct rows, put out as they first appear. NULLs are alike.

use super::group_table::GroupTable;
use super::{ExecContext, Operator};
use crate::txn::LocalFuture;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::Chunk;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;

pub(super) struct Distinct {
    input: Box<dyn Operator>,
    table: GroupTable,
    groups: Vec<u32>,
    new_rows: Vec<u32>,
}

impl Distinct {
    pub(super) fn new(input: Box<dyn Operator>, types: Vec<SqlType>) -> Distinct {
        let table = GroupTable::new(types);
        Distinct {
            input,
            table,
            groups: Vec::new(),
            new_rows: Vec::new(),
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        while let Some(chunk) = self.input.next(cx).await? {
            let (groups, new_rows) = (&mut self.groups, &mut self.new_rows);
            self.table
                .lookup(chunk.columns(), chunk.rows(), cx, groups, new_rows)?;
            if new_rows.len() == chunk.rows() {
                return Ok(Some(chunk));
            }
            if !new_rows.is_empty() {
                return Ok(Some(chunk.take(new_rows)));
            }
        }
        Ok(None)
    }
}

impl Operator for Distinct {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
