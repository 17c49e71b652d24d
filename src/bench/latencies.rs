//! Durations and their percentiles.

use std::time::Duration;

/// Durations, in order.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    sorted_ns: Vec<u64>,
}

impl Latencies {
    /// Sorts them.
    pub fn new(durations: impl IntoIterator<Item = Duration>) -> Latencies {
        let ns = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let mut sorted_ns: Vec<u64> = durations.into_iter().map(ns).collect();
        sorted_ns.sort_unstable();
        Latencies { sorted_ns }
    }

    /// The duration that `percent` of 100 do not exceed; zero if there are none.
    pub fn percentile(&self, percent: u32) -> Duration {
        let count = self.sorted_ns.len() as u64;
        let rank = (count * u64::from(percent.min(100))).div_ceil(100).max(1);
        let at = usize::try_from(rank - 1).unwrap_or(usize::MAX);
        Duration::from_nanos(self.sorted_ns.get(at).copied().unwrap_or(0))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sorted_ns.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let latencies = Latencies::new((1..=10).rev().map(Duration::from_millis));
        let check = |percent, ms| {
            assert_eq!(latencies.percentile(percent), Duration::from_millis(ms));
        };
        check(0, 1);
        check(50, 5);
        check(99, 10);
        check(100, 10);
        assert_eq!(Latencies::default().percentile(50), Duration::ZERO);
    }
}
