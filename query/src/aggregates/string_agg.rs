//! `string_agg(value, delimiter)`.

use super::Accumulator;
use crate::types::column::bytes;
use alloc::vec::Vec;
use vireo_abi::chunk::{Values, Vector};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::Kind;

/// Longest string that PostgreSQL builds.
const LENGTH_MAX: usize = 0x3fff_ffff;

/// The joined values of each group; none where there was no value.
#[derive(Default)]
pub(super) struct StringAgg {
    groups: Vec<Option<Vec<u8>>>,
    heap: usize,
}

impl Accumulator for StringAgg {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups, None);
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], rows: usize) -> SqlResult<()> {
        let (values, delimiters) = (bytes(&arguments[0]), bytes(&arguments[1]));
        for (row, group) in groups[..rows].iter().enumerate() {
            if arguments[0].is_null(row) {
                continue;
            }
            let slot = &mut self.groups[*group as usize];
            let before = slot.as_ref().map_or(0, Vec::capacity);
            let is_first = slot.is_none();
            let joined = slot.get_or_insert_default();
            if !is_first && !arguments[1].is_null(row) {
                joined.extend_from_slice(delimiters.get(row));
            }
            joined.extend_from_slice(values.get(row));
            if joined.len() > LENGTH_MAX {
                return Err(SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "string_agg result too long"));
            }
            self.heap = self.heap + joined.capacity() - before;
        }
        Ok(())
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        let mut out = Vector::with_capacity(Kind::Bytes, self.groups.len());
        for group in &self.groups {
            match (group, &mut out.values) {
                (Some(joined), Values::Bytes(values)) => {
                    values.push(joined);
                    if let Some(nulls) = &mut out.nulls {
                        nulls.push(false);
                    }
                }
                _ => out.push_null(),
            }
        }
        Ok(out)
    }

    fn memory(&self) -> usize {
        self.groups.capacity() * size_of::<Option<Vec<u8>>>() + self.heap
    }
}
