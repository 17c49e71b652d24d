//! Sorted rows: keys as bytes, rows in place until they are put out.
//!
//! ```text
//!  input ──> runs of up to 64 Ki rows, each sorted when it is full ──> merged by a heap as rows are put out
//! ```
//!
//! So no step is longer than one run's sort, and between steps other sessions get their turn. A small limit is
//! [`TopN`]'s.

use super::eval::eval_once;
use super::materialized::Materialized;
use super::sort_key::{KeyBlock, compare};
use super::top_n::{LIMIT_MAX, TopN};
use super::{ExecContext, Operator, bad_plan};
use crate::plan::{Expr, SortKey};
use crate::txn::LocalFuture;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::{CHUNK_ROWS, Chunk};
use vireo_abi::datum::Datum;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;

/// Rows of a run.
const RUN_ROWS: usize = 1 << 16;
/// Bytes of a run's keys, about.
const RUN_BYTES: usize = 16 << 20;

pub(super) struct Sort {
    input: Box<dyn Operator>,
    types: Vec<SqlType>,
    keys: Vec<SortKey>,
    limit: Option<Expr>,
    sorted: Option<Sorted>,
}

/// Rows and how to read them in order.
enum Sorted {
    /// By their numbers, of which so many are done.
    Listed(Materialized, Vec<u32>, usize),
    /// By merging.
    Runs(Materialized, Merge),
}

impl Sort {
    pub(super) fn new(
        input: Box<dyn Operator>,
        types: Vec<SqlType>,
        keys: Vec<SortKey>,
        limit: Option<Expr>,
    ) -> Sort {
        Sort {
            input,
            types,
            keys,
            limit,
            sorted: None,
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        let sorted = match &mut self.sorted {
            Some(sorted) => {
                cx.txn.checkpoint().await?;
                sorted
            }
            None => {
                let sorted = self.read(cx).await?;
                self.sorted.insert(sorted)
            }
        };
        let (rows, numbers) = match sorted {
            Sorted::Listed(rows, numbers, done) => {
                let end = numbers.len().min(*done + CHUNK_ROWS);
                let part = numbers[*done..end].to_vec();
                *done = end;
                (rows, part)
            }
            Sorted::Runs(rows, merge) => (rows, merge.next(CHUNK_ROWS)),
        };
        Ok((!numbers.is_empty()).then(|| Chunk::new(rows.gather(&numbers), numbers.len())))
    }

    async fn read(&mut self, cx: &ExecContext) -> SqlResult<Sorted> {
        match self.limit.as_ref().map(|l| eval_once(l, cx)).transpose()? {
            // A negative limit is refused by the LIMIT above.
            Some(Datum::Int8(limit)) if limit <= 0 => {
                return Ok(Sorted::Listed(
                    Materialized::new(&self.types),
                    Vec::new(),
                    0,
                ));
            }
            Some(Datum::Int8(limit)) if limit.unsigned_abs() <= LIMIT_MAX => {
                let mut top = TopN::new(self.types.clone(), limit as usize);
                while let Some(chunk) = self.input.next(cx).await? {
                    top.push(&self.keys, chunk, cx)?;
                }
                let (rows, numbers) = top.finish();
                return Ok(Sorted::Listed(rows, numbers, 0));
            }
            None | Some(Datum::Null | Datum::Int8(_)) => {}
            Some(_) => return Err(bad_plan("a limit that is no bigint")),
        }
        let mut rows = Materialized::new(&self.types);
        let mut runs = Vec::new();
        let mut run = KeyBlock::default();
        while let Some(chunk) = self.input.next(cx).await? {
            run.push(&self.keys, &chunk, rows.rows() as u32, cx)?;
            rows.push(chunk, cx)?;
            if run.entries.len() >= RUN_ROWS || run.byte_len() >= RUN_BYTES {
                run.sort();
                runs.push(core::mem::take(&mut run));
                cx.txn.checkpoint().await?;
            }
        }
        run.sort();
        runs.push(run);
        Ok(Sorted::Runs(rows, Merge::new(runs)))
    }
}

/// Merges sorted runs.
struct Merge {
    runs: Vec<KeyBlock>,
    /// The next entry of each run.
    next: Vec<usize>,
    /// The runs that have entries left, as a heap with the least next entry first.
    heap: Vec<usize>,
}

impl Merge {
    fn new(runs: Vec<KeyBlock>) -> Merge {
        let heap: Vec<usize> = (0..runs.len())
            .filter(|r| !runs[*r].entries.is_empty())
            .collect();
        let mut merge = Merge {
            next: alloc::vec![0; runs.len()],
            runs,
            heap,
        };
        for place in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(place);
        }
        merge
    }

    /// The numbers of the next rows.
    fn next(&mut self, max: usize) -> Vec<u32> {
        let mut numbers =
            Vec::with_capacity(max.min(self.runs.iter().map(|r| r.entries.len()).sum()));
        while numbers.len() < max {
            let Some(&run) = self.heap.first() else { break };
            numbers.push(self.runs[run].entries[self.next[run]].row);
            self.next[run] += 1;
            if self.next[run] == self.runs[run].entries.len() {
                self.heap.swap_remove(0);
            }
            self.sift_down(0);
        }
        numbers
    }

    fn is_less(&self, a: usize, b: usize) -> bool {
        let (in_a, in_b) = (&self.runs[a], &self.runs[b]);
        compare(
            &in_a.entries[self.next[a]],
            in_a,
            &in_b.entries[self.next[b]],
            in_b,
        )
        .is_lt()
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let mut least = place;
            for child in [2 * place + 1, 2 * place + 2] {
                if child < self.heap.len() && self.is_less(self.heap[child], self.heap[least]) {
                    least = child;
                }
            }
            if least == place {
                return;
            }
            self.heap.swap(place, least);
            place = least;
        }
    }
}

impl Operator for Sort {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
