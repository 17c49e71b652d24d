//! For each left row the rows of a table that an index finds for it.
//!
//! A batch collects the table's rows for as many left rows as fill a chunk, then decodes them all at once.

use super::analyze::Meter;
use super::fetch::Fetch;
use super::index_scan::{fetch_point, read_rows};
use super::join_output::{Candidates, JoinOutput};
use super::probe::{Probe, ProbeValues, Target};
use super::{ExecContext, Operator};
use crate::txn::{LocalFuture, TreeCursor};
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::{Chunk, Vector};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;

pub(super) struct IndexJoin {
    left: Box<dyn Operator>,
    right_types: Vec<SqlType>,
    probe: Probe,
    fetch: Fetch,
    output: JoinOutput,
    values: Option<ProbeValues>,
    row: usize,
    /// The range of `row`, when it is being read.
    cursor: Option<Box<dyn TreeCursor>>,
    buffer: Vec<u8>,
    /// Of the look-ups, for EXPLAIN ANALYZE.
    meter: Option<Meter>,
}

impl IndexJoin {
    /// `fetch` has no filter; `right_types` are its columns'.
    pub(super) fn new(
        left: Box<dyn Operator>,
        right_types: Vec<SqlType>,
        probe: Probe,
        fetch: Fetch,
        output: JoinOutput,
        meter: Option<Meter>,
    ) -> IndexJoin {
        IndexJoin {
            left,
            right_types,
            probe,
            fetch,
            output,
            values: None,
            row: 0,
            cursor: None,
            buffer: Vec::new(),
            meter,
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        loop {
            if self.row == self.output.left().rows() {
                let Some(chunk) = self.left.next(cx).await? else {
                    return Ok(None);
                };
                self.values = Some(self.probe.values(&chunk, cx)?);
                self.output.start(chunk);
                self.row = 0;
                continue;
            }
            if self.row > 0 || self.cursor.is_some() {
                cx.txn.checkpoint().await?;
            }
            let mut candidates = Candidates::default();
            let right = self.look_up(&mut candidates, cx)?;
            let chunk = self.output.emit(candidates, self.row, &right, cx)?;
            if chunk.is_some() {
                return Ok(chunk);
            }
        }
    }

    /// The table's rows for the next left rows.
    fn look_up(&mut self, candidates: &mut Candidates, cx: &ExecContext) -> SqlResult<Chunk> {
        let start = self.meter.as_ref().map_or(0, Meter::start);
        let first = self.row;
        self.collect(candidates, cx)?;
        let right = match self.fetch.finish(cx)? {
            Some(chunk) => chunk,
            None => self.no_rows(),
        };
        if let Some(meter) = &self.meter {
            meter.add(start, right.rows(), self.row - first);
        }
        Ok(right)
    }

    fn no_rows(&self) -> Chunk {
        let columns = self
            .right_types
            .iter()
            .map(|t| Vector::with_capacity(t.kind(), 0));
        Chunk::new(columns.collect(), 0)
    }

    /// Fetches the rows of the next left rows, as many as there is room for.
    fn collect(&mut self, out: &mut Candidates, cx: &ExecContext) -> SqlResult<()> {
        let Some(values) = &self.values else {
            return Ok(());
        };
        while self.row < self.output.left().rows()
            && out.room() > 0
            && let Some(room) = self.fetch.room()
        {
            let before = self.fetch.len();
            if self.cursor.is_none() {
                match self.probe.target(values, self.row, &mut self.buffer) {
                    Target::Nothing => {}
                    Target::Point => {
                        fetch_point(self.probe.tree, &self.buffer, &mut self.fetch, &*cx.txn)?;
                    }
                    Target::Range(range) => {
                        self.cursor = Some(cx.txn.scan(self.probe.tree, range)?);
                    }
                }
            }
            if let Some(cursor) = &mut self.cursor {
                let max = room.rows.min(out.room());
                if !read_rows(&mut **cursor, max, &mut self.fetch, &*cx.txn)? {
                    self.cursor = None;
                }
            }
            for right in before..self.fetch.len() {
                out.push(self.row, right as u32);
            }
            if self.cursor.is_none() {
                if self.fetch.len() == before {
                    out.push_lone();
                }
                self.row += 1;
            }
        }
        Ok(())
    }
}

impl Operator for IndexJoin {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
