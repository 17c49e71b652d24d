//! Counters of the gateway, as the admin interface shows them.
//!
//! Invariant: each is only ever added to, but for `connections`, which is a gauge.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident $kind:literal;)*) => {
        /// What the gateway has counted since its start.
        #[derive(Debug, Default)]
        pub struct Counters { $($(#[doc = $doc])+ pub $name: Counter,)* }

        impl Counters {
            /// Every counter: name, kind as Prometheus names it, what it counts, value.
            pub fn all(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
                vec![$((stringify!($name), $kind, concat!($($doc),+).trim_ascii(), self.$name.get()),)*]
            }
        }
    };
}

counters! {
    /// Statements run by execute, with or without success.
    statements "counter";
    /// Statements that ended with an error.
    errors "counter";
    /// Requests that went to a parse function.
    parse_requests "counter";
    /// Statements whose plan was in the cache.
    plan_cache_hits "counter";
    /// Statements whose plan was not in the cache.
    plan_cache_misses "counter";
    /// Plans refused by execute because the catalog had changed.
    stale_plans "counter";
    /// Client connections now.
    connections "gauge";
    /// Client connections ever.
    connections_total "counter";
    /// Statements cancelled on request or by a timeout.
    cancels "counter";
    /// Doorbells that the gateway rang.
    doorbells "counter";
    /// Times that the dispatcher slept.
    parks "counter";
    /// Microseconds that the dispatcher spun without work.
    spin_us "counter";
    /// Bytes of results and replies written to clients.
    bytes_sent "counter";
}

/// A number that many read and few write.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; its value before.
    pub fn add(&self, amount: u64) -> u64 {
        self.0.fetch_add(amount, Ordering::Relaxed)
    }

    /// Takes away, of a gauge.
    pub fn subtract(&self, amount: u64) {
        self.0.fetch_sub(amount, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
