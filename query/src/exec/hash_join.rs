//! Join on equal keys: the right side in a hash table, the left side streamed past it.
//!
//! ```text
//!  slots (open addressing)     hashes[row]     next[row]            rows in blocks
//!  [ 0 | 8 | 0 | 3 | … ]       of right rows   the row after it     (and keys that are not columns)
//!        first row + 1                         with the same hash
//! ```
//!
//! Rows of one hash are a chain in the order of the input. A key that is a plain column is compared where the row is, and
//! not stored twice. Rows with a NULL in a key are not in the table: NULL equals nothing.

use super::eval::eval;
use super::gather::NO_ROW;
use super::join_output::{Candidates, JoinOutput};
use super::materialized::Materialized;
use super::{ExecContext, Operator};
use crate::plan::Expr;
use crate::txn::LocalFuture;
use crate::types::compare;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::chunk::{Chunk, Vector};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{SqlType, TypeId};

/// The hash of a row with a NULL in its key.
const NULL_HASH: u64 = 0;
/// Right rows entered between checkpoints.
const BUILD_STEP: usize = 1 << 16;

pub(super) struct HashJoin {
    left: Box<dyn Operator>,
    right: Box<dyn Operator>,
    left_keys: Vec<Expr>,
    table: Table,
    output: JoinOutput,
    phase: Phase,
    probe: Probe,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Build,
    Left,
    /// Right rows without a match.
    Right,
    Done,
}

/// Where the probing of a left chunk is.
#[derive(Default)]
struct Probe {
    keys: Vec<Vector>,
    hashes: Vec<u64>,
    row: usize,
    /// The next candidate of `row`; none: not looked up yet.
    candidate: Option<u32>,
}

/// Where a key of the right side is.
enum KeyPlace {
    /// A column of the rows.
    Row(usize),
    /// A column of the stored keys.
    Stored(usize),
}

struct Table {
    key_exprs: Vec<Expr>,
    key_types: Vec<TypeId>,
    places: Vec<KeyPlace>,
    rows: Materialized,
    stored: Materialized,
    hashes: Vec<u64>,
    next: Vec<u32>,
    slots: Vec<u32>,
}

impl Table {
    fn new(right_keys: Vec<Expr>, right_types: &[SqlType]) -> Table {
        let mut stored = Vec::new();
        let mut places = Vec::new();
        for key in &right_keys {
            places.push(match key {
                Expr::Column { index, .. } => KeyPlace::Row(usize::from(*index)),
                _ => {
                    stored.push(key.sql_type());
                    KeyPlace::Stored(stored.len() - 1)
                }
            });
        }
        Table {
            key_types: right_keys.iter().map(|k| k.sql_type().id).collect(),
            key_exprs: right_keys,
            places,
            rows: Materialized::new(right_types),
            stored: Materialized::new(&stored),
            hashes: Vec::new(),
            next: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// Takes a chunk of the right side.
    fn push(&mut self, chunk: Chunk, cx: &ExecContext) -> SqlResult<()> {
        let rows = chunk.rows();
        let keys = eval_keys(&self.key_exprs, &chunk, cx)?;
        cx.txn.reserve_memory(rows * size_of::<u64>())?;
        self.hashes.extend(hashes(&self.key_types, &keys, rows));
        let stored = keys.into_iter().zip(&self.places);
        let stored = stored.filter(|(_, place)| matches!(place, KeyPlace::Stored(_)));
        self.stored
            .push(Chunk::new(stored.map(|(key, _)| key).collect(), rows), cx)?;
        self.rows.push(chunk, cx)
    }

    /// Makes the table of the rows that came. Rows are entered from the last, so that chains are in order.
    async fn finish(&mut self, cx: &ExecContext) -> SqlResult<()> {
        let rows = self.hashes.len();
        let count = (rows * 2).next_power_of_two().max(2);
        cx.txn.reserve_memory((rows + count) * size_of::<u32>())?;
        self.next = vec![NO_ROW; rows];
        self.slots = vec![0; count];
        for row in (0..rows).rev() {
            if self.hashes[row] != NULL_HASH {
                self.enter(row);
            }
            if row > 0 && row.is_multiple_of(BUILD_STEP) {
                cx.txn.checkpoint().await?;
            }
        }
        Ok(())
    }

    fn enter(&mut self, row: usize) {
        let hash = self.hashes[row];
        let slot = self.slot(hash);
        if let Some(first) = self.slots[slot].checked_sub(1) {
            self.next[row] = first;
        }
        self.slots[slot] = row as u32 + 1;
    }

    /// The slot of a hash: its chain's, or an empty one.
    #[inline]
    fn slot(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while let Some(first) = self.slots[slot].checked_sub(1) {
            if self.hashes[first as usize] == hash {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// The first row with this hash.
    #[inline]
    fn first(&self, hash: u64) -> u32 {
        if hash == NULL_HASH {
            return NO_ROW;
        }
        self.slots[self.slot(hash)].checked_sub(1).unwrap_or(NO_ROW)
    }

    fn is_match(&self, keys: &[Vector], row: usize, candidate: u32) -> bool {
        keys.iter()
            .zip(&self.key_types)
            .zip(&self.places)
            .all(|((key, ty), place)| {
                let (vector, at) = match place {
                    KeyPlace::Row(column) => self.rows.locate(*column, candidate),
                    KeyPlace::Stored(column) => self.stored.locate(*column, candidate),
                };
                compare::equal(*ty, key, row, vector, at)
            })
    }
}

fn eval_keys(exprs: &[Expr], chunk: &Chunk, cx: &ExecContext) -> SqlResult<Vec<Vector>> {
    exprs.iter().map(|e| eval(e, chunk, cx)).collect()
}

/// Hashes of keys, [`NULL_HASH`] where one is NULL.
fn hashes(types: &[TypeId], keys: &[Vector], rows: usize) -> Vec<u64> {
    let mut hashes = vec![0; rows];
    for (ty, key) in types.iter().zip(keys) {
        compare::hash(*ty, key, &mut hashes);
    }
    for hash in &mut hashes {
        *hash = (*hash).max(NULL_HASH + 1);
    }
    for nulls in keys.iter().filter_map(|k| k.nulls.as_ref()) {
        for (hash, is_null) in hashes.iter_mut().zip(nulls) {
            if *is_null {
                *hash = NULL_HASH;
            }
        }
    }
    hashes
}

impl HashJoin {
    /// Each of `left_keys` is of the type of its counterpart in `right_keys`.
    pub(super) fn new(
        left: Box<dyn Operator>,
        right: Box<dyn Operator>,
        left_keys: Vec<Expr>,
        right_keys: Vec<Expr>,
        right_types: &[SqlType],
        output: JoinOutput,
    ) -> HashJoin {
        HashJoin {
            left,
            right,
            left_keys,
            table: Table::new(right_keys, right_types),
            output,
            phase: Phase::Build,
            probe: Probe::default(),
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        if self.phase == Phase::Build {
            self.build(cx).await?;
        }
        while self.phase == Phase::Left {
            if self.probe.row == self.output.left().rows() {
                match self.left.next(cx).await? {
                    Some(chunk) => self.start(chunk, cx)?,
                    None => self.phase = Phase::Right,
                }
                continue;
            }
            let mut candidates = Candidates::default();
            self.collect(&mut candidates);
            let chunk = self
                .output
                .emit(candidates, self.probe.row, &self.table.rows, cx)?;
            cx.txn.checkpoint().await?;
            if chunk.is_some() {
                return Ok(chunk);
            }
        }
        if self.phase == Phase::Right {
            cx.txn.checkpoint().await?;
            return Ok(self.output.emit_right(&self.table.rows));
        }
        Ok(None)
    }

    async fn build(&mut self, cx: &ExecContext) -> SqlResult<()> {
        while let Some(chunk) = self.right.next(cx).await? {
            self.table.push(chunk, cx)?;
        }
        self.table.finish(cx).await?;
        let rows = self.table.rows.rows();
        self.output.set_right_rows(rows, cx)?;
        let is_empty = rows == 0 && self.output.needs_right();
        self.phase = if is_empty { Phase::Done } else { Phase::Left };
        Ok(())
    }

    fn start(&mut self, chunk: Chunk, cx: &ExecContext) -> SqlResult<()> {
        let keys = eval_keys(&self.left_keys, &chunk, cx)?;
        let hashes = hashes(&self.table.key_types, &keys, chunk.rows());
        self.probe = Probe {
            keys,
            hashes,
            row: 0,
            candidate: None,
        };
        self.output.start(chunk);
        Ok(())
    }

    /// Candidates of the next left rows, as many as there is room for.
    fn collect(&mut self, out: &mut Candidates) {
        let Probe {
            keys,
            hashes,
            row,
            candidate,
        } = &mut self.probe;
        let first_settles = self.output.first_settles();
        while *row < hashes.len() && out.room() > 0 {
            let mut next = match *candidate {
                Some(next) => next,
                None if self.output.is_settled(*row) => NO_ROW,
                None => self.table.first(hashes[*row]),
            };
            let mut is_lone = true;
            while next != NO_ROW && out.room() > 0 {
                if self.table.is_match(keys, *row, next) {
                    out.push(*row, next);
                    is_lone = false;
                    if first_settles {
                        next = NO_ROW;
                        break;
                    }
                }
                next = self.table.next[next as usize];
            }
            if next != NO_ROW {
                *candidate = Some(next);
                return;
            }
            if is_lone {
                out.push_lone();
            }
            *candidate = None;
            *row += 1;
        }
    }
}

impl Operator for HashJoin {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
