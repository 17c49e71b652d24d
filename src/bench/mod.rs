//! Measurements of the whole, on this machine: what `vireo bench` prints, and what the criterion benches
//! are made of.
//!
//! - [`Echo`]: an echo function behind its real link; round trips and boots.
//! - [`Pair`]: two functions joined by a real link; round trips between them.
//! - [`Accounts`]: an embedded database with pgbench's tables under a load of prepared statements.
//!
//! Every figure but those of a [`Pair`] is taken with the caller polling on a thread of its own. On two cores the caller, the
//! gateway and three functions share them; figures of one run compare with each other, not across machines.

mod accounts;
mod echo;
mod host_port;
mod latencies;
mod load;
mod pair;

pub use accounts::Accounts;
pub use echo::{Echo, Replacement};
pub use latencies::Latencies;
pub use load::{Load, LoadResult};
pub use pair::Pair;

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The database.
    #[error(transparent)]
    Database(#[from] crate::Error),
    /// The hypervisor.
    #[error(transparent)]
    Hypervisor(#[from] vireo_hypervisor::Error),
    /// The link to the echo function.
    #[error("link to the echo function: {0}")]
    Link(#[from] vireo_abi::link::LinkError),
    /// The echo function answered with something else.
    #[error("the echo function answered {length} bytes that are not what it was sent")]
    NotAnEcho {
        /// Bytes of its answer.
        length: usize,
    },
    /// The function did not answer in time.
    #[error("no answer from {name} within {seconds} s")]
    NoAnswer {
        /// Which.
        name: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A statement of the load failed.
    #[error("statement of the load: {source}")]
    Statement {
        /// Why.
        source: tokio_postgres::Error,
    },
    /// A client's thread could not be started.
    #[error("cannot start a client: {source}")]
    Client {
        /// Why.
        source: std::io::Error,
    },
    /// After the load, the sums of balances differ.
    #[error("the sums of balances differ: {sums}")]
    Sums {
        /// Accounts, tellers, branches, history.
        sums: String,
    },
}
