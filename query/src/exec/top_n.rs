//! The first rows of a sort with a limit, without keeping the others.
//!
//! Candidates pile up to twice the limit, then all but the least are dropped; from there on a row must be less than the
//! greatest that was kept. Rows are numbered as they come and keep their order, so ties go to the first.

use super::ExecContext;
use super::materialized::Materialized;
use super::sort_key::{Entry, KeyBlock, compare};
use crate::plan::SortKey;
use alloc::vec::Vec;
use vireo_abi::chunk::{CHUNK_ROWS, Chunk};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;

/// The largest limit that is served this way.
pub(super) const LIMIT_MAX: u64 = 1 << 16;

pub(super) struct TopN {
    types: Vec<SqlType>,
    limit: usize,
    rows: Materialized,
    keys: KeyBlock,
    /// The greatest key kept, once the limit is reached; in `keys`.
    threshold: Option<Entry>,
}

impl TopN {
    /// The first `limit` rows, which is from 1 to [`LIMIT_MAX`].
    pub(super) fn new(types: Vec<SqlType>, limit: usize) -> TopN {
        let rows = Materialized::new(&types);
        TopN {
            types,
            limit,
            rows,
            keys: KeyBlock::default(),
            threshold: None,
        }
    }

    pub(super) fn push(
        &mut self,
        keys: &[SortKey],
        chunk: Chunk,
        cx: &ExecContext,
    ) -> SqlResult<()> {
        let mut new = KeyBlock::default();
        let first_row = self.rows.rows() as u32;
        new.push(keys, &chunk, first_row, cx)?;
        let is_less = |entry: &&Entry| match &self.threshold {
            Some(threshold) => compare(entry, &new, threshold, &self.keys).is_lt(),
            None => true,
        };
        let kept: Vec<Entry> = new.entries.iter().filter(is_less).copied().collect();
        for (row, entry) in (first_row..).zip(&kept) {
            self.keys.copy(entry, &new, row);
        }
        if kept.len() == chunk.rows() {
            self.rows.push(chunk, cx)?;
        } else if !kept.is_empty() {
            let places: Vec<u32> = kept.iter().map(|e| e.row - first_row).collect();
            self.rows.push(chunk.take(&places), cx)?;
        }
        if self.rows.rows() >= 2 * self.limit + CHUNK_ROWS {
            self.compact(cx)?;
        }
        Ok(())
    }

    /// Drops all but the least rows.
    fn compact(&mut self, cx: &ExecContext) -> SqlResult<()> {
        self.keys.keep_least(self.limit);
        let mut entries = core::mem::take(&mut self.keys.entries);
        entries.sort_unstable_by_key(|e| e.row);
        let (mut keys, mut rows) = (KeyBlock::default(), Materialized::new(&self.types));
        for part in entries.chunks(CHUNK_ROWS) {
            for entry in part {
                let number = keys.entries.len() as u32;
                keys.copy(entry, &self.keys, number);
            }
            let places: Vec<u32> = part.iter().map(|e| e.row).collect();
            rows.push(Chunk::new(self.rows.gather(&places), part.len()), cx)?;
        }
        self.threshold = keys
            .entries
            .iter()
            .max_by(|a, b| compare(a, &keys, b, &keys))
            .copied();
        self.keys = keys;
        self.rows = rows;
        Ok(())
    }

    /// The rows, and their numbers in order.
    pub(super) fn finish(mut self) -> (Materialized, Vec<u32>) {
        self.keys.keep_least(self.limit);
        self.keys.sort();
        (self.rows, self.keys.entries.iter().map(|e| e.row).collect())
    }
}
