//! Whether looking for work for a while pays before sleeping.
//!
//! Looking costs the processor; sleeping costs a wake-up, on either side, and time. Looking pays when work tends to come
//! within the budget. So the last waits are remembered, whether they were spent looking or sleeping: when at least half
//! of them were short, the next is begun by looking; else it is slept through.

/// The memory of the last eight waits of one waiter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spin {
    /// A bit for each wait, the last lowest; set for a short one.
    short: u8,
}

impl Default for Spin {
    fn default() -> Spin {
        Spin::new()
    }
}

impl Spin {
    /// Nothing is known: looking is tried.
    pub const fn new() -> Spin {
        Spin { short: u8::MAX }
    }

    /// Whether to look before sleeping.
    pub const fn pays(self) -> bool {
        self.short.count_ones() >= u8::BITS / 2
    }

    /// A wait has ended. `was_short`: looking for the budget would have seen, or did see, what came.
    pub fn ended(&mut self, was_short: bool) {
        self.short = self.short << 1 | u8::from(was_short);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_majority_of_the_last_waits() {
        let mut spin = Spin::new();
        for long in 1..=8 {
            spin.ended(false);
            assert_eq!(spin.pays(), long <= 4, "{long} long waits");
        }
        for short in 1..=8 {
            spin.ended(true);
            assert_eq!(spin.pays(), short >= 4, "{short} short waits");
        }
    }
}
