//! The execute function: plans to rows.
//!
//! ```text
//!  gateway port ──> mailbox of the session ──> session task ──> statement ──> operators
//!       ^                                           │                            │
//!       └────────── outbox <── rows, Done ──────────┘              pools, read in place
//!                                                   │
//!                            storage port <── Stage, Commit; Lock, where locks are not leased (`locks`)
//! ```
//!
//! One instance serves many sessions. Each is a task ([`vireo_runtime::task`]) that waits for messages, for
//! storage, or for room in the gateway's link, and gives the others their turn between chunks.
//!
//! Invariants:
//! 1. A page of a pool is only read while the snapshot that shows it is held (`snapshot::Held`), and not after the link
//!    to storage went down: then every task that could hold a reference is ended or waits.
//! 2. Nothing is sent in the middle of a turn: messages gather in the outbox and leave when the tasks rest.
//! 3. A session has at most one statement running.
//!
//! A malformed message from the gateway ends nothing: it is logged and left out. A malformed plan fails the
//! statements that name it.
#![no_std]
#![deny(unsafe_code)]
extern crate alloc;

mod analyze;
mod bulk;
mod function;
mod locks;
mod merge;
mod overlay;
mod portal;
mod session;
mod session_state;
mod shared;
mod snapshot;
mod statement;
mod transaction;

pub use function::ExecuteFunction;
