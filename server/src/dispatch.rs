//! The dispatcher: moves messages between the links and the sessions of its thread.
//!
//! ```text
//!            ┌────────── work ──────────┐
//!            ▼                          │
//!   turn (deliver, ring) ── nothing ──> awaited and budget left? ── yes: spin, let sessions run
//!            ▲                          │ no
//!            └──── bell or request ──── sleep
//! ```
//!
//! It spins only while a reply is awaited and replies tend to come soon ([`Spin`]), and no longer than the budget since it
//! last had work: a reply that takes longer is paid for with a bell. When nothing is awaited it sleeps at once.

use crate::gateway::Gateway;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};
use vireo_abi::spin::Spin;

/// Looks at the rings between two looks at the clock and the sockets.
const LOOKS: usize = 32;
/// What sleeping and being rung takes: so much of a wait that was slept through is not the reply's delay.
const WAKE: Duration = Duration::from_micros(10);

/// Runs until it is dropped.
pub async fn run(gateway: Rc<Gateway>) {
    let budget = gateway.config.spin;
    let mut spin = Spin::new();
    let mut idle_since: Option<Instant> = None;
    let spin_us = &gateway.shared.counters.spin_us;
    let spun = |since: Instant| spin_us.add(since.elapsed().as_micros() as u64);
    loop {
        if look(&gateway, spin) {
            if let Some(since) = idle_since.take() {
                spun(since);
                spin.ended(true);
            }
            tokio::task::yield_now().await;
            continue;
        }
        let is_waiting = gateway.is_waiting();
        let since = *idle_since.get_or_insert_with(Instant::now);
        if is_waiting && spin.pays() && since.elapsed() < budget {
            tokio::task::yield_now().await;
            continue;
        }
        idle_since = None;
        spun(since);
        if gateway.prepare_sleep() {
            gateway.shared.counters.parks.add(1);
            poll_fn(|context| gateway.poll_work(context)).await;
            gateway.woke();
            if is_waiting {
                spin.ended(since.elapsed() < budget + WAKE);
            }
        }
    }
}

/// A turn; while replies are awaited, several until one finds work.
fn look(gateway: &Gateway, spin: Spin) -> bool {
    if gateway.turn() {
        return true;
    }
    if gateway.is_waiting() && spin.pays() {
        for _ in 0..LOOKS {
            std::hint::spin_loop();
            if gateway.turn() {
                return true;
            }
        }
    }
    false
}
