//! Distinct keys and their numbers: the hash table under grouping and DISTINCT.
//!
//! ```text
//!  slots (open addressing, a power of two)     groups
//!  [ 0 | 3 | 0 | 1 | 2 | 0 | … ]               hash of group 0, 1, 2, …     keys of group 0, 1, 2, … in blocks
//!        group number + 1; 0 is empty
//! ```
//!
//! Keys are compared only where all 64 bits of the hash agree. NULLs are alike. The table is at most half full.

use super::ExecContext;
use super::gather::size;
use super::materialized::Materialized;
use crate::types::compare;
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::chunk::{Values, Vector};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;

const SLOTS_MIN: usize = 64;
/// Memory is reserved in steps of so many bytes.
const STEP: usize = 64 << 10;

pub(super) struct GroupTable {
    types: Vec<SqlType>,
    keys: Materialized,
    hashes: Vec<u64>,
    slots: Vec<u32>,
    /// Bytes reserved and not used yet.
    budget: usize,
    scratch: Vec<u64>,
}

impl GroupTable {
    /// An empty table of keys of these types.
    pub(super) fn new(types: Vec<SqlType>) -> GroupTable {
        GroupTable {
            keys: Materialized::new(&types),
            types,
            hashes: Vec::new(),
            slots: Vec::new(),
            budget: 0,
            scratch: Vec::new(),
        }
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The keys of some groups.
    pub(super) fn keys(&self, groups: &[u32]) -> Vec<Vector> {
        self.keys.gather(groups)
    }

    /// The group of each row's key, made where it is new. `new_rows` gets the rows that made one.
    pub(super) fn lookup(
        &mut self,
        columns: &[Vector],
        rows: usize,
        cx: &ExecContext,
        groups: &mut Vec<u32>,
        new_rows: &mut Vec<u32>,
    ) -> SqlResult<()> {
        let mut hashes = core::mem::take(&mut self.scratch);
        hashes.clear();
        hashes.resize(rows, 0);
        for (column, sql_type) in columns.iter().zip(&self.types) {
            compare::hash(sql_type.id, column, &mut hashes);
        }
        groups.clear();
        new_rows.clear();
        for (row, &hash) in hashes.iter().enumerate() {
            if (self.len() + 1) * 2 > self.slots.len() {
                self.grow(cx)?;
            }
            let (slot, found) = self.find(columns, row, hash);
            if let Some(group) = found {
                groups.push(group);
                continue;
            }
            self.charge(row_size(columns, row), cx)?;
            let group = self.len() as u32;
            self.keys.push_row(columns, row)?;
            self.hashes.push(hash);
            self.slots[slot] = group + 1;
            groups.push(group);
            new_rows.push(row as u32);
        }
        self.scratch = hashes;
        Ok(())
    }

    /// The slot where a key is or belongs, and its group if it is there.
    #[inline]
    fn find(&self, columns: &[Vector], row: usize, hash: u64) -> (usize, Option<u32>) {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let Some(group) = self.slots[slot].checked_sub(1) else {
                return (slot, None);
            };
            if self.hashes[group as usize] == hash && self.is_key(columns, row, group) {
                return (slot, Some(group));
            }
            slot = (slot + 1) & mask;
        }
    }

    fn is_key(&self, columns: &[Vector], row: usize, group: u32) -> bool {
        columns
            .iter()
            .zip(&self.types)
            .enumerate()
            .all(|(index, (column, sql_type))| {
                let (key, at) = self.keys.locate(index, group);
                match (column.is_null(row), key.is_null(at)) {
                    (false, false) => compare::equal(sql_type.id, column, row, key, at),
                    (a, b) => a && b,
                }
            })
    }

    fn grow(&mut self, cx: &ExecContext) -> SqlResult<()> {
        let count = (self.slots.len() * 2).max(SLOTS_MIN);
        cx.txn.reserve_memory(count * size_of::<u32>())?;
        let mask = count - 1;
        let mut slots = vec![0; count];
        for (group, hash) in self.hashes.iter().enumerate() {
            let mut slot = *hash as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = group as u32 + 1;
        }
        self.slots = slots;
        Ok(())
    }

    fn charge(&mut self, bytes: usize, cx: &ExecContext) -> SqlResult<()> {
        if self.budget < bytes {
            let step = bytes.max(STEP);
            cx.txn.reserve_memory(step)?;
            self.budget += step;
        }
        self.budget -= bytes;
        Ok(())
    }
}

/// About how many bytes a key takes.
fn row_size(columns: &[Vector], row: usize) -> usize {
    let mut bytes = size_of::<u64>();
    for column in columns {
        bytes += match &column.values {
            Values::Bytes(v) => v.get(row).len() + 4,
            _ => size(column) / column.len().max(1),
        };
    }
    bytes
}
