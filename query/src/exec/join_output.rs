//! From candidate pairs to a join's rows: what all joins share.
//!
//! A join hands over the pairs that it found for the current left chunk, in the order of left rows, and how far it got:
//! rows before `finished` have no more candidates. This applies the residual, remembers who had a match, and puts out
//! pairs, rows with NULLs, or left rows alone, as the kind demands. The left's order is kept.
//!
//! Left rows and candidates per call are bounded by [`Candidates`], so that no output exceeds a chunk.

use super::ExecContext;
use super::eval::eval_filter;
use super::gather::{NO_ROW, all_null, take_or_null};
use super::materialized::Materialized;
use crate::plan::{Expr, JoinKind};
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::chunk::{CHUNK_ROWS, Chunk, Vector};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;

/// Rows of a join's right side, found by number.
pub(super) trait RightRows {
    /// The rows at `indexes`; NULLs for [`NO_ROW`].
    fn rows_at(&self, indexes: &[u32]) -> Vec<Vector>;
}

impl RightRows for Materialized {
    fn rows_at(&self, indexes: &[u32]) -> Vec<Vector> {
        self.gather(indexes)
    }
}

impl RightRows for Chunk {
    fn rows_at(&self, indexes: &[u32]) -> Vec<Vector> {
        self.columns()
            .iter()
            .map(|c| take_or_null(c, indexes))
            .collect()
    }
}

/// Pairs of a left row and a right row that may belong together.
#[derive(Default)]
pub(super) struct Candidates {
    left: Vec<u32>,
    right: Vec<u32>,
    /// Left rows that had no candidate.
    lone: usize,
}

impl Candidates {
    /// How many more rows the output has room for.
    pub(super) fn room(&self) -> usize {
        CHUNK_ROWS.saturating_sub(self.left.len() + self.lone)
    }

    pub(super) fn push(&mut self, left: usize, right: u32) {
        self.left.push(left as u32);
        self.right.push(right);
    }

    /// A left row is finished, and had no candidate in this call.
    pub(super) fn push_lone(&mut self) {
        self.lone += 1;
    }
}

pub(super) struct JoinOutput {
    pub(super) kind: JoinKind,
    residual: Option<Expr>,
    left_types: Vec<SqlType>,
    left: Chunk,
    /// Which rows of the left chunk had a match.
    matched: Vec<bool>,
    /// The first row of the left chunk that had candidates left after the last call.
    unfinished: usize,
    /// Which right rows had a match; for the kinds that ask.
    right_matched: Vec<bool>,
    /// The next right row to look at when the left is done.
    right_next: usize,
}

impl JoinOutput {
    /// `residual` is over the left's columns, then the right's.
    pub(super) fn new(
        kind: JoinKind,
        residual: Option<Expr>,
        left_types: Vec<SqlType>,
    ) -> JoinOutput {
        JoinOutput {
            kind,
            residual,
            left_types,
            left: Chunk::new(Vec::new(), 0),
            matched: Vec::new(),
            unfinished: 0,
            right_matched: Vec::new(),
            right_next: 0,
        }
    }

    /// The right side is complete and has so many rows.
    pub(super) fn set_right_rows(&mut self, rows: usize, cx: &ExecContext) -> SqlResult<()> {
        if matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            cx.txn.reserve_memory(rows)?;
            self.right_matched = vec![false; rows];
        }
        Ok(())
    }

    /// Whether an empty right side makes the result empty.
    pub(super) fn needs_right(&self) -> bool {
        matches!(
            self.kind,
            JoinKind::Inner | JoinKind::Semi | JoinKind::Right
        )
    }

    /// The next left chunk.
    pub(super) fn start(&mut self, left: Chunk) {
        self.matched.clear();
        self.matched.resize(left.rows(), false);
        self.unfinished = 0;
        self.left = left;
    }

    /// The current left chunk.
    pub(super) fn left(&self) -> &Chunk {
        &self.left
    }

    /// Whether a left row needs no more candidates.
    pub(super) fn is_settled(&self, row: usize) -> bool {
        matches!(self.kind, JoinKind::Semi | JoinKind::Anti) && self.matched[row]
    }

    /// Whether the first candidate settles a left row.
    pub(super) fn first_settles(&self) -> bool {
        matches!(self.kind, JoinKind::Semi | JoinKind::Anti) && self.residual.is_none()
    }

    /// The rows that follow from `candidates`; left rows before `finished` have no more. None: there are none.
    pub(super) fn emit(
        &mut self,
        candidates: Candidates,
        finished: usize,
        right: &dyn RightRows,
        cx: &ExecContext,
    ) -> SqlResult<Option<Chunk>> {
        let Candidates {
            left: mut left_rows,
            right: mut right_rows,
            ..
        } = candidates;
        let mut pairs = None;
        if let Some(residual) = self.residual.as_ref().filter(|_| !left_rows.is_empty()) {
            let chunk = self.combine(&left_rows, &right_rows, right);
            match eval_filter(residual, &chunk, cx)? {
                None => pairs = Some(chunk),
                Some(kept) => {
                    left_rows = kept.iter().map(|i| left_rows[*i as usize]).collect();
                    right_rows = kept.iter().map(|i| right_rows[*i as usize]).collect();
                    pairs = Some(chunk.take(&kept));
                }
            }
        }
        let first_matches = self.mark(&left_rows, &right_rows);
        let open = self.unfinished..finished;
        self.unfinished = finished;
        let unmatched = || {
            open.clone()
                .filter(|row| !self.matched[*row])
                .map(|row| row as u32)
        };
        let chunk = match self.kind {
            JoinKind::Semi => self.left.take(&first_matches),
            JoinKind::Anti => self.left.take(&unmatched().collect::<Vec<_>>()),
            JoinKind::Left | JoinKind::Full if unmatched().next().is_some() => {
                let (l, r) = interleave(&left_rows, &right_rows, unmatched());
                self.combine(&l, &r, right)
            }
            _ => match pairs {
                Some(chunk) => chunk,
                None => self.combine(&left_rows, &right_rows, right),
            },
        };
        Ok((chunk.rows() > 0).then_some(chunk))
    }

    /// Remembers who has a match. The left rows that have their first.
    fn mark(&mut self, left_rows: &[u32], right_rows: &[u32]) -> Vec<u32> {
        let mut first = Vec::new();
        for &row in left_rows {
            if !core::mem::replace(&mut self.matched[row as usize], true) {
                first.push(row);
            }
        }
        if !self.right_matched.is_empty() {
            for &row in right_rows {
                self.right_matched[row as usize] = true;
            }
        }
        first
    }

    fn combine(&self, left_rows: &[u32], right_rows: &[u32], right: &dyn RightRows) -> Chunk {
        let mut columns: Vec<Vector> = self
            .left
            .columns()
            .iter()
            .map(|c| c.take(left_rows))
            .collect();
        columns.extend(right.rows_at(right_rows));
        Chunk::new(columns, left_rows.len())
    }

    /// After the left's end: the next right rows without a match. None: there are no more.
    pub(super) fn emit_right(&mut self, right: &Materialized) -> Option<Chunk> {
        let mut rows = Vec::new();
        while self.right_next < self.right_matched.len() && rows.len() < CHUNK_ROWS {
            if !self.right_matched[self.right_next] {
                rows.push(self.right_next as u32);
            }
            self.right_next += 1;
        }
        if rows.is_empty() {
            return None;
        }
        let mut columns: Vec<Vector> = self
            .left_types
            .iter()
            .map(|t| all_null(t.kind(), rows.len()))
            .collect();
        columns.extend(right.gather(&rows));
        Some(Chunk::new(columns, rows.len()))
    }
}

/// Pairs, and left rows without one, in the order of left rows.
fn interleave(
    left_rows: &[u32],
    right_rows: &[u32],
    unmatched: impl Iterator<Item = u32>,
) -> (Vec<u32>, Vec<u32>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    let mut next = 0;
    for row in unmatched {
        let end = next + left_rows[next..].partition_point(|l| *l < row);
        left.extend_from_slice(&left_rows[next..end]);
        right.extend_from_slice(&right_rows[next..end]);
        left.push(row);
        right.push(NO_ROW);
        next = end;
    }
    left.extend_from_slice(&left_rows[next..]);
    right.extend_from_slice(&right_rows[next..]);
    (left, right)
}
