//! Sort keys as bytes: each row's keys in one byte string that compares as the rows do (`row::key`, with the bits of
//! descending ones turned over), its first eight bytes beside the row's number, so that most comparisons are one of
//! two integers. Equal keys are in the order of row numbers: sorting by them is stable.

use super::eval::eval;
use super::gather::size;
use super::{ExecContext, bad_plan};
use crate::plan::SortKey;
use crate::row::key;
use alloc::vec::Vec;
use core::cmp::Ordering;
use vireo_abi::chunk::{Chunk, Vector};
use vireo_abi::message::error::SqlResult;

/// A row and where its key is.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    prefix: u64,
    start: u32,
    length: u32,
    pub(super) row: u32,
}

/// Keys of some rows.
#[derive(Default)]
pub(super) struct KeyBlock {
    bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
}

/// The order of two rows, each in its block.
#[inline]
pub(super) fn compare(a: &Entry, in_a: &KeyBlock, b: &Entry, in_b: &KeyBlock) -> Ordering {
    a.prefix
        .cmp(&b.prefix)
        .then_with(|| in_a.key(a).cmp(in_b.key(b)))
        .then_with(|| a.row.cmp(&b.row))
}

impl KeyBlock {
    pub(super) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    #[inline]
    pub(super) fn key(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start as usize..][..entry.length as usize]
    }

    /// Adds a chunk's rows, numbered from `first_row`.
    ///
    /// # Errors
    /// The keys' own; 53200.
    pub(super) fn push(
        &mut self,
        keys: &[SortKey],
        chunk: &Chunk,
        first_row: u32,
        cx: &ExecContext,
    ) -> SqlResult<()> {
        let rows = chunk.rows();
        let mut columns: Vec<(Vector, &SortKey)> = Vec::with_capacity(keys.len());
        for sort_key in keys {
            columns.push((eval(&sort_key.expr, chunk, cx)?, sort_key));
        }
        // Markers, ends, and now and then an escaped zero.
        let bytes: usize = columns.iter().map(|(c, _)| size(c) + 3 * rows).sum();
        cx.txn.reserve_memory(bytes + rows * size_of::<Entry>())?;
        for row in 0..rows {
            let start = self.bytes.len();
            for (column, k) in &columns {
                let ty = k.expr.sql_type().id;
                let out = &mut self.bytes;
                key::encode_sort(ty, column, row, k.is_descending, k.nulls_first, out);
            }
            let too_large = |_| bad_plan("sort keys of 4 GiB");
            let end = u32::try_from(self.bytes.len()).map_err(too_large)?;
            self.enter(start as u32, end, first_row + row as u32);
        }
        Ok(())
    }

    fn enter(&mut self, start: u32, end: u32, row: u32) {
        let key = &self.bytes[start as usize..end as usize];
        let mut prefix = [0; 8];
        let length = key.len().min(8);
        prefix[..length].copy_from_slice(&key[..length]);
        let prefix = u64::from_be_bytes(prefix);
        self.entries.push(Entry {
            prefix,
            start,
            length: end - start,
            row,
        });
    }

    /// Copies a row's key from another block under a new number.
    pub(super) fn copy(&mut self, entry: &Entry, from: &KeyBlock, row: u32) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(from.key(entry));
        self.entries.push(Entry {
            start,
            row,
            ..*entry
        });
    }

    /// Sorts the entries.
    pub(super) fn sort(&mut self) {
        let mut entries = core::mem::take(&mut self.entries);
        entries.sort_unstable_by(|a, b| compare(a, self, b, self));
        self.entries = entries;
    }

    /// Puts the `count` least entries first, the greatest of them last; the others are dropped. There are at least as many.
    pub(super) fn keep_least(&mut self, count: usize) {
        let mut entries = core::mem::take(&mut self.entries);
        if count < entries.len() {
            entries.select_nth_unstable_by(count, |a, b| compare(a, self, b, self));
            entries.truncate(count);
        }
        self.entries = entries;
    }
}
