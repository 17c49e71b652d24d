//! Rows kept in memory by an operator: the built side of a join, groups, what a sort sorts.
//!
//! Rows are numbered from 0 and held in blocks of [`CHUNK_ROWS`], so that growing never copies what is there and no
//! column of bytes comes near its 4 GiB. Every block but the last is full.

use super::ExecContext;
use super::gather::{NO_ROW, append, size};
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::chunk::{BytesColumn, CHUNK_ROWS, Chunk, Values, Vector};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{Kind, SqlType};

const _: () = assert!(CHUNK_ROWS.is_power_of_two());

/// Rows in blocks.
pub(crate) struct Materialized {
    kinds: Vec<Kind>,
    /// Columns by block.
    blocks: Vec<Vec<Vector>>,
    rows: usize,
}

impl Materialized {
    /// No rows of these columns.
    pub(crate) fn new(types: &[SqlType]) -> Materialized {
        Materialized {
            kinds: types.iter().map(|t| t.kind()).collect(),
            blocks: Vec::new(),
            rows: 0,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Where a column's row is: a vector, and the index in it.
    #[inline]
    pub(crate) fn locate(&self, column: usize, row: u32) -> (&Vector, usize) {
        let row = row as usize;
        (&self.blocks[row / CHUNK_ROWS][column], row % CHUNK_ROWS)
    }

    /// Appends a chunk of these columns; its memory is reserved first.
    ///
    /// # Errors
    /// 53200; 54000 past the number of rows that an index can count.
    pub(crate) fn push(&mut self, chunk: Chunk, cx: &ExecContext) -> SqlResult<()> {
        let (rows, columns) = (chunk.rows(), chunk.into_columns());
        self.check_rows(rows)?;
        cx.txn.reserve_memory(columns.iter().map(size).sum())?;
        if rows == CHUNK_ROWS && self.rows.is_multiple_of(CHUNK_ROWS) {
            self.blocks.push(columns);
            self.rows += rows;
            return Ok(());
        }
        let mut start = 0;
        while start < rows {
            let room = CHUNK_ROWS - self.rows % CHUNK_ROWS;
            let end = rows.min(start + room);
            for (into, from) in self.tail().iter_mut().zip(&columns) {
                append(into, from, start..end);
            }
            self.rows += end - start;
            start = end;
        }
        Ok(())
    }

    /// Appends one row of `columns`; the caller reserves the memory.
    ///
    /// # Errors
    /// 54000 past the number of rows that an index can count.
    pub(crate) fn push_row(&mut self, columns: &[Vector], row: usize) -> SqlResult<()> {
        self.check_rows(1)?;
        for (into, from) in self.tail().iter_mut().zip(columns) {
            append(into, from, row..row + 1);
        }
        self.rows += 1;
        Ok(())
    }

    fn check_rows(&self, more: usize) -> SqlResult<()> {
        if self.rows + more >= NO_ROW as usize {
            return Err(SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                "too many rows in memory",
            ));
        }
        Ok(())
    }

    /// The last block, which has room.
    fn tail(&mut self) -> &mut Vec<Vector> {
        if self.rows.is_multiple_of(CHUNK_ROWS) {
            self.blocks.push(
                self.kinds
                    .iter()
                    .map(|k| Vector::with_capacity(*k, 0))
                    .collect(),
            );
        }
        self.blocks
            .last_mut()
            .expect("a block was pushed for the first row")
    }

    /// The rows at `indexes`; NULLs for [`NO_ROW`].
    pub(crate) fn gather(&self, indexes: &[u32]) -> Vec<Vector> {
        (0..self.kinds.len())
            .map(|c| self.gather_column(c, indexes))
            .collect()
    }

    /// The rows at `indexes` of one column.
    pub(crate) fn gather_column(&self, column: usize, indexes: &[u32]) -> Vector {
        macro_rules! fixed {
            ($variant:ident, $absent:expr) => {{
                let value = |&index: &u32| {
                    if index == NO_ROW {
                        return $absent;
                    }
                    match self.locate(column, index) {
                        (
                            Vector {
                                values: Values::$variant(v),
                                ..
                            },
                            at,
                        ) => v[at],
                        (other, _) => panic!("a block of {:?}", other.values.kind()),
                    }
                };
                Values::$variant(indexes.iter().map(value).collect())
            }};
        }
        let values = match self.kinds[column] {
            Kind::Bool => fixed!(Bool, false),
            Kind::Int2 => fixed!(Int2, 0),
            Kind::Int4 => fixed!(Int4, 0),
            Kind::Int8 => fixed!(Int8, 0),
            Kind::Float4 => fixed!(Float4, 0.0),
            Kind::Float8 => fixed!(Float8, 0.0),
            Kind::Interval => fixed!(Interval, Default::default()),
            Kind::Uuid => fixed!(Uuid, [0; 16]),
            Kind::Bytes => Values::Bytes(self.gather_bytes(column, indexes)),
        };
        let mut nulls = None;
        for (at, &index) in indexes.iter().enumerate() {
            let is_null = index == NO_ROW || {
                let (vector, row) = self.locate(column, index);
                vector.is_null(row)
            };
            if is_null {
                nulls.get_or_insert_with(|| vec![false; indexes.len()])[at] = true;
            }
        }
        Vector { values, nulls }
    }

    fn gather_bytes(&self, column: usize, indexes: &[u32]) -> BytesColumn {
        let get = |index: u32| match self.locate(column, index) {
            (
                Vector {
                    values: Values::Bytes(v),
                    ..
                },
                at,
            ) => v.get(at),
            (other, _) => panic!("a block of {:?}", other.values.kind()),
        };
        let present = || indexes.iter().filter(|i| **i != NO_ROW);
        let bytes = present().map(|i| get(*i).len()).sum();
        let mut out = BytesColumn::with_capacity(indexes.len(), bytes);
        for &index in indexes {
            out.push(if index == NO_ROW { &[] } else { get(index) });
        }
        out
    }
}
