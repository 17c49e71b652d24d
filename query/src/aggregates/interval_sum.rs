//! `sum` and `avg` of intervals.

use super::group_state::GroupState;
use super::output::{column, try_column};
use crate::types::interval;
use vireo_abi::chunk::Vector;
use vireo_abi::datum::Interval;
use vireo_abi::message::error::SqlResult;

/// Sum and count of intervals.
#[derive(Default)]
pub(super) struct IntervalSum {
    sum: Interval,
    count: i64,
}

impl GroupState for IntervalSum {
    type Input = Interval;

    #[inline]
    fn add(&mut self, value: Interval) -> SqlResult<()> {
        self.sum = interval::add(self.sum, value)?;
        self.count += 1;
        Ok(())
    }
}

/// `sum(interval)`
pub(super) fn interval_sums(states: &[IntervalSum]) -> SqlResult<Vector> {
    Ok(column(states, |s| (s.count > 0).then_some(s.sum)))
}

/// `avg(interval)`
pub(super) fn interval_averages(states: &[IntervalSum]) -> SqlResult<Vector> {
    try_column(states, |s| match s.count {
        0 => Ok(None),
        count => interval::divide(s.sum, count as f64).map(Some),
    })
}
