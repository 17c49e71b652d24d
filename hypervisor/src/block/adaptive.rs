//! Spinning before sleeping, as long as it pays.
//!
//! The budget doubles when spinning found work and halves when it did not, between nothing and
//! [`BUDGET_MAX`]; a budget of nothing is tried again after [`PROBE`] sleeps.

use std::time::{Duration, Instant};

const BUDGET_MAX: Duration = Duration::from_micros(20);
const BUDGET_MIN: Duration = Duration::from_micros(2);
const PROBE: u32 = 64;

#[derive(Debug)]
pub(crate) struct Adaptive {
    budget: Duration,
    sleeps: u32,
}

impl Adaptive {
    pub(crate) fn new() -> Adaptive {
        Adaptive {
            budget: BUDGET_MIN,
            sleeps: 0,
        }
    }

    /// Spins until `has_work` or the budget is spent. True if there is work.
    pub(crate) fn spin(&mut self, has_work: impl Fn() -> bool) -> bool {
        if self.budget.is_zero() {
            self.sleeps += 1;
            if self.sleeps >= PROBE {
                self.sleeps = 0;
                self.budget = BUDGET_MIN;
            }
            return has_work();
        }
        let start = Instant::now();
        while start.elapsed() < self.budget {
            if has_work() {
                self.budget = (self.budget * 2).min(BUDGET_MAX);
                return true;
            }
            std::hint::spin_loop();
        }
        let half = self.budget / 2;
        self.budget = if half < BUDGET_MIN {
            Duration::ZERO
        } else {
            half
        };
        false
    }
}
