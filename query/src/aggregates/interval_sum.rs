//! `sum` and `avg` of intervals: field by field, divided as PostgreSQL's `interval_div` does.

use super::group_state::GroupState;
use super::output::column;
use crate::types::errors::interval_range;
use vireo_abi::chunk::Vector;
use vireo_abi::datum::Interval;
use vireo_abi::message::error::SqlResult;

const DAYS_PER_MONTH: f64 = 30.0;
const SECONDS_PER_DAY: f64 = 86_400.0;
const MICROS_PER_SECOND: f64 = 1_000_000.0;

/// The sum of intervals.
#[derive(Default)]
pub(super) struct IntervalSum {
    sum: Interval,
    count: u64,
}

fn plus(a: Interval, b: Interval) -> Option<Interval> {
    Some(Interval {
        months: a.months.checked_add(b.months)?,
        days: a.days.checked_add(b.days)?,
        micros: a.micros.checked_add(b.micros)?,
    })
}

impl GroupState for IntervalSum {
    type Input = Interval;

    #[inline]
    fn add(&mut self, value: Interval) -> SqlResult<()> {
        self.sum = plus(self.sum, value).ok_or_else(interval_range)?;
        self.count += 1;
        Ok(())
    }
}

/// Rounded to microseconds.
fn round_seconds(seconds: f64) -> f64 {
    libm::rint(seconds * MICROS_PER_SECOND) / MICROS_PER_SECOND
}

/// An interval divided by a count: what remains of months goes to days, of days to the time.
fn divide(span: Interval, count: u64) -> Interval {
    let divisor = count as f64;
    let (months, days) = (
        f64::from(span.months) / divisor,
        f64::from(span.days) / divisor,
    );
    let (whole_months, mut whole_days) = (months as i32, days as i32);
    let month_rest = round_seconds((months - f64::from(whole_months)) * DAYS_PER_MONTH);
    let day_rest = days - f64::from(whole_days) + month_rest - f64::from(month_rest as i32);
    let mut seconds = round_seconds(day_rest * SECONDS_PER_DAY);
    if libm::fabs(seconds) >= SECONDS_PER_DAY {
        let carried = (seconds / SECONDS_PER_DAY) as i32;
        whole_days += carried; // |carried| is 1 and the quotient's days are then below the sum's
        seconds -= f64::from(carried) * SECONDS_PER_DAY;
    }
    Interval {
        months: whole_months,
        days: whole_days.wrapping_add(month_rest as i32),
        micros: libm::rint(span.micros as f64 / divisor + seconds * MICROS_PER_SECOND) as i64,
    }
}

/// `sum(interval)`
pub(super) fn interval_sums(states: &[IntervalSum]) -> SqlResult<Vector> {
    Ok(column(states, |s| (s.count > 0).then_some(s.sum)))
}

/// `avg(interval)`
pub(super) fn interval_averages(states: &[IntervalSum]) -> SqlResult<Vector> {
    Ok(column(states, |s| {
        (s.count > 0).then(|| divide(s.sum, s.count))
    }))
}
