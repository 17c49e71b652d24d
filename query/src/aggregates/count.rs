//! `count(*)` and `count(x)`.

use super::Accumulator;
use alloc::vec::Vec;
use vireo_abi::chunk::{Values, Vector};
use vireo_abi::message::error::SqlResult;

/// Rows of each group; with an argument, those where it is not NULL.
#[derive(Default)]
pub(super) struct Count {
    counts: Vec<i64>,
}

impl Accumulator for Count {
    fn resize(&mut self, groups: usize) {
        self.counts.resize(groups, 0);
    }

    fn update(&mut self, groups: &[u32], arguments: &[Vector], rows: usize) -> SqlResult<()> {
        let nulls = arguments.first().and_then(|v| v.nulls.as_ref());
        match (nulls, self.counts.as_mut_slice()) {
            (None, [only]) => *only += rows as i64,
            (None, counts) => groups[..rows].iter().for_each(|g| counts[*g as usize] += 1),
            (Some(nulls), counts) => {
                groups[..rows].iter().zip(nulls).for_each(|(g, n)| counts[*g as usize] += i64::from(!n));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> SqlResult<Vector> {
        Ok(Vector::new(Values::Int8(self.counts.clone())))
    }

    fn memory(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}
