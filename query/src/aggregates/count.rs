//! `count(*)`, `count(x)`, `regr_count(y, x)`: rows in which no argument is NULL.

use super::Accumulator;
use crate::functions::kernel::combined_nulls;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::size_of;
use vireo_abi::chunk::{Values, Vector};
use vireo_abi::message::error::SqlResult;

#[derive(Default)]
struct Count {
    counts: Vec<i64>,
}

/// Counts rows.
pub(super) fn count() -> Box<dyn Accumulator> {
    Box::new(Count::default())
}

impl Count {
    fn add(&mut self, groups: &[u32], nulls: Option<&[bool]>) {
        match (self.counts.as_mut_slice(), nulls) {
            ([only], None) => *only += groups.len() as i64,
            ([only], Some(nulls)) => *only += nulls.iter().filter(|n| !**n).count() as i64,
            (counts, None) => {
                for group in groups {
                    counts[*group as usize] += 1;
                }
            }
            (counts, Some(nulls)) => {
                for (group, is_null) in groups.iter().zip(nulls) {
                    counts[*group as usize] += i64::from(!*is_null);
                }
            }
        }
    }
}

impl Accumulator for Count {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], _rows: usize) -> SqlResult<()> {
        match arguments {
            [] => self.add(groups, None),
            [only] => self.add(groups, only.nulls.as_deref()),
            several => self.add(groups, combined_nulls(several).as_deref()),
        }
        Ok(())
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        Ok(Vector::new(Values::Int8(core::mem::take(&mut self.counts))))
    }

    fn memory(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}
