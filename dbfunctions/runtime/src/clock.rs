//! Time from the processor's time stamp counter (TSC).
//!
//! The hypervisor keeps a pair (TSC, wall clock) in the control page under a sequence lock; between
//! its updates the TSC counts on. A reading that the writer disturbs is repeated a few times and
//! then left: the last good pair still tells the time, so a writer that stopped in the middle of
//! an update stops nobody.
//!
//! The monotonic clock is the TSC alone, from the function's start, and never goes back even where
//! two processors' counters differ. The wall clock may jump when the host's is set.

use core::sync::atomic::{Ordering, fence};
use vireo_abi::boot::ControlPage;

/// Attempts at reading the pair in one turn.
const ATTEMPTS: usize = 8;

/// The clocks of a function.
#[derive(Clone, Debug)]
pub struct Clock {
    started_tsc: u64,
    monotonic_ns: u64,
    /// The last good pair.
    pair_sequence: u32,
    pair_tsc: u64,
    pair_unix_us: u64,
    ns_per_tick: Ratio,
    us_per_tick: Ratio,
}

/// A number below 2^32 in fixed point: `value >> 64` is its whole part.
#[derive(Clone, Copy, Debug)]
struct Ratio(u128);

impl Ratio {
    fn new(dividend: u64, divisor: u64) -> Ratio {
        // Rounded up, so that whole results stay whole: the error is below ticks / 2^64.
        Ratio((u128::from(dividend) << 64).div_ceil(u128::from(divisor.max(1))))
    }

    fn of(self, ticks: u64) -> u64 {
        let whole = (self.0 >> 64) as u64;
        let fraction = (u128::from(self.0 as u64) * u128::from(ticks)) >> 64;
        whole.wrapping_mul(ticks).wrapping_add(fraction as u64)
    }
}

impl Clock {
    /// Clocks of a processor with `tsc_hz` ticks a second, started at `tsc`.
    pub fn new(tsc_hz: u64, tsc: u64) -> Clock {
        Clock {
            started_tsc: tsc,
            monotonic_ns: 0,
            // No writer leaves an odd number, so the first reading is taken.
            pair_sequence: 1,
            pair_tsc: tsc,
            pair_unix_us: 0,
            ns_per_tick: Ratio::new(1_000_000_000, tsc_hz),
            us_per_tick: Ratio::new(1_000_000, tsc_hz),
        }
    }

    /// Nanoseconds since the start and microseconds since 1970-01-01 UTC, at `tsc`.
    pub fn read(&mut self, control: &ControlPage, tsc: u64) -> (u64, i64) {
        self.read_pair(control);
        let since_start = tsc.saturating_sub(self.started_tsc);
        self.monotonic_ns = self.monotonic_ns.max(self.ns_per_tick.of(since_start));
        let unix_us = match tsc.checked_sub(self.pair_tsc) {
            Some(later) => self.pair_unix_us.wrapping_add(self.us_per_tick.of(later)),
            // The pair was taken on a processor that is a little ahead, or after `tsc` was read.
            None => self
                .pair_unix_us
                .wrapping_sub(self.us_per_tick.of(self.pair_tsc - tsc)),
        };
        (self.monotonic_ns, unix_us.cast_signed())
    }

    fn read_pair(&mut self, control: &ControlPage) {
        for _ in 0..ATTEMPTS {
            // Pairs with the writer's Release store of the even number that ends its update.
            let before = control.clock_sequence.load(Ordering::Acquire);
            if before == self.pair_sequence {
                return;
            }
            if before.is_multiple_of(2) {
                let tsc = control.clock_tsc.load(Ordering::Relaxed);
                let unix_us = control.clock_unix_us.load(Ordering::Relaxed);
                // Pairs with the writer's fence after its odd number: if one of the loads above saw
                // a new value, the load below sees the odd number or a later one.
                fence(Ordering::Acquire);
                if control.clock_sequence.load(Ordering::Relaxed) == before {
                    self.pair_sequence = before;
                    self.pair_tsc = tsc;
                    self.pair_unix_us = unix_us;
                    return;
                }
            }
            core::hint::spin_loop();
        }
    }
}

/// A clock that goes on within a turn, to measure how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    counter: fn() -> u64,
    ns_per_tick: Ratio,
}

impl Stopwatch {
    /// A stopwatch over a counter of `tsc_hz` ticks a second.
    pub fn new(tsc_hz: u64, counter: fn() -> u64) -> Stopwatch {
        Stopwatch {
            counter,
            ns_per_tick: Ratio::new(1_000_000_000, tsc_hz),
        }
    }

    /// One that always shows 0: where time is simulated.
    pub fn stopped() -> Stopwatch {
        Stopwatch::new(1, || 0)
    }

    /// Nanoseconds since whenever. On another processor it may be a little behind.
    pub fn now_ns(&self) -> u64 {
        self.ns_per_tick.of((self.counter)())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::control_page;
    use alloc::sync::Arc;
    use std::thread;

    #[test]
    fn time_goes_on_between_updates() {
        let control = control_page();
        control.clock_tsc.store(5_000, Ordering::Relaxed);
        control
            .clock_unix_us
            .store(1_700_000_000_000_000, Ordering::Relaxed);
        control.clock_sequence.store(2, Ordering::Relaxed);
        let mut clock = Clock::new(2_000_000_000, 4_000);
        assert_eq!(clock.read(&control, 4_000), (0, 1_700_000_000_000_000));
        let (ns, us) = clock.read(&control, 5_000 + 20_000);
        assert_eq!((ns, us), (10_500, 1_700_000_000_000_010));
        let (ns, us) = clock.read(&control, 4_000 + 2_000_000_000);
        assert_eq!((ns, us), (1_000_000_000, 1_700_000_000_999_999));
        // A processor that is behind: the monotonic clock stands still.
        let (ns, us) = clock.read(&control, 1_000);
        assert_eq!((ns, us), (1_000_000_000, 1_699_999_999_999_998));
    }

    #[test]
    fn a_year_is_exact_to_a_microsecond() {
        let control = control_page();
        control.clock_sequence.store(2, Ordering::Relaxed);
        let hz = 2_445_406_123;
        let mut clock = Clock::new(hz, 0);
        let seconds = 365 * 86_400;
        let (ns, us) = clock.read(&control, hz * seconds);
        assert!(ns.abs_diff(seconds * 1_000_000_000) <= 1);
        assert!(us.cast_unsigned().abs_diff(seconds * 1_000_000) <= 1);
    }

    #[test]
    fn an_unfinished_update_leaves_the_last_pair() {
        let control = control_page();
        control.clock_unix_us.store(77, Ordering::Relaxed);
        control.clock_sequence.store(2, Ordering::Relaxed);
        let mut clock = Clock::new(1_000_000, 0);
        assert_eq!(clock.read(&control, 0).1, 77);
        control.clock_sequence.store(3, Ordering::Relaxed);
        control.clock_unix_us.store(1_000_000, Ordering::Relaxed);
        assert_eq!(clock.read(&control, 5).1, 82);
        control.clock_sequence.store(4, Ordering::Relaxed);
        assert_eq!(clock.read(&control, 5).1, 1_000_005);
    }

    #[test]
    fn readers_never_see_half_of_a_pair() {
        const UPDATES: u64 = 200_000;
        let control = Arc::new(control_page());
        // A second pair is the first, later: both give the same time for every TSC.
        let writer = {
            let control = control.clone();
            thread::spawn(move || {
                for n in 1..=UPDATES {
                    control
                        .clock_sequence
                        .store(2 * n as u32 - 1, Ordering::Relaxed);
                    fence(Ordering::Release);
                    control.clock_tsc.store(n * 1000, Ordering::Relaxed);
                    control.clock_unix_us.store(n * 1000, Ordering::Relaxed);
                    control
                        .clock_sequence
                        .store(2 * n as u32, Ordering::Release);
                }
            })
        };
        let mut clock = Clock::new(1_000_000, 0);
        while clock.pair_sequence != 2 * UPDATES as u32 {
            assert_eq!(clock.read(&control, 123_456).1, 123_456);
        }
        writer.join().unwrap();
    }
}
