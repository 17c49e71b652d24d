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
//! It spins only while a reply is awaited, and no longer than the budget since it last had work: a
//! reply that takes longer is paid for with a bell. When nothing is awaited it sleeps at once.

use crate::gateway::Gateway;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Instant;

/// Looks at the rings between two looks at the clock and the sockets.
const LOOKS: usize = 32;

/// Runs until it is dropped.
pub async fn run(gateway: Rc<Gateway>) {
    let budget = gateway.config.spin;
    let mut idle_since: Option<Instant> = None;
    loop {
        if look(&gateway) {
            if let Some(since) = idle_since.take() {
                gateway
                    .shared
                    .counters
                    .spin_us
                    .add(since.elapsed().as_micros() as u64);
            }
            tokio::task::yield_now().await;
            continue;
        }
        if gateway.is_waiting() && !budget.is_zero() {
            let since = *idle_since.get_or_insert_with(Instant::now);
            if since.elapsed() < budget {
                tokio::task::yield_now().await;
                continue;
            }
        }
        if let Some(since) = idle_since.take() {
            gateway
                .shared
                .counters
                .spin_us
                .add(since.elapsed().as_micros() as u64);
        }
        if gateway.prepare_sleep() {
            gateway.shared.counters.parks.add(1);
            poll_fn(|context| gateway.poll_work(context)).await;
            gateway.woke();
        }
    }
}

/// A turn; while replies are awaited, several until one finds work.
fn look(gateway: &Gateway) -> bool {
    if gateway.turn() {
        return true;
    }
    if gateway.is_waiting() && !gateway.config.spin.is_zero() {
        for _ in 0..LOOKS {
            std::hint::spin_loop();
            if gateway.turn() {
                return true;
            }
        }
    }
    false
}
