//! Join by trying every pair, the right side materialized. Pairs are made a chunk at a time and filtered by the
//! condition as vectors.

use super::join_output::{Candidates, JoinOutput};
use super::materialized::Materialized;
use super::{ExecContext, Operator};
use crate::txn::LocalFuture;
use alloc::boxed::Box;
use vireo_abi::chunk::Chunk;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;

pub(super) struct NestedLoopJoin {
    left: Box<dyn Operator>,
    right: Box<dyn Operator>,
    rows: Materialized,
    output: JoinOutput,
    phase: Phase,
    /// The next pair to try.
    left_row: usize,
    right_row: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Build,
    Left,
    Right,
    Done,
}

impl NestedLoopJoin {
    pub(super) fn new(
        left: Box<dyn Operator>,
        right: Box<dyn Operator>,
        right_types: &[SqlType],
        output: JoinOutput,
    ) -> NestedLoopJoin {
        NestedLoopJoin {
            left,
            right,
            rows: Materialized::new(right_types),
            output,
            phase: Phase::Build,
            left_row: 0,
            right_row: 0,
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        if self.phase == Phase::Build {
            while let Some(chunk) = self.right.next(cx).await? {
                self.rows.push(chunk, cx)?;
            }
            self.output.set_right_rows(self.rows.rows(), cx)?;
            let is_empty = self.rows.rows() == 0 && self.output.needs_right();
            self.phase = if is_empty { Phase::Done } else { Phase::Left };
        }
        while self.phase == Phase::Left {
            if self.left_row == self.output.left().rows() {
                match self.left.next(cx).await? {
                    Some(chunk) => {
                        self.output.start(chunk);
                        (self.left_row, self.right_row) = (0, 0);
                    }
                    None => self.phase = Phase::Right,
                }
                continue;
            }
            let mut candidates = Candidates::default();
            self.collect(&mut candidates);
            let chunk = self
                .output
                .emit(candidates, self.left_row, &self.rows, cx)?;
            cx.txn.checkpoint().await?;
            if chunk.is_some() {
                return Ok(chunk);
            }
        }
        if self.phase == Phase::Right {
            cx.txn.checkpoint().await?;
            return Ok(self.output.emit_right(&self.rows));
        }
        Ok(None)
    }

    fn collect(&mut self, out: &mut Candidates) {
        let (left_rows, right_rows) = (self.output.left().rows(), self.rows.rows());
        while self.left_row < left_rows && out.room() > 0 {
            if self.output.is_settled(self.left_row) {
                self.right_row = right_rows;
            }
            let mut end = right_rows.min(self.right_row + out.room());
            if self.output.first_settles() {
                end = end.min(self.right_row + 1);
            }
            if self.right_row == end {
                out.push_lone();
            }
            for right in self.right_row..end {
                out.push(self.left_row, right as u32);
            }
            if end < right_rows && !self.output.first_settles() {
                self.right_row = end;
                return;
            }
            self.left_row += 1;
            self.right_row = 0;
        }
    }
}

impl Operator for NestedLoopJoin {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
