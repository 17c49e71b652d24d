//! SQL: text to plan, plan to rows. Pure: no I/O, no clock, no globals.
//!
//! ```text
//!  SQL text ──bind──> plan ──(rkyv bytes, another VM)──> exec ──chunks──> wire rows
//!              │                                          │
//!           catalog (read)                        txn::Transaction (trees, locks)
//! ```
//!
//! - [`bind`]: sqlparser's tree to a typed [`plan::Plan`], optimized; runs in the parse function.
//! - [`exec`]: operators over [`vireo_abi::chunk`]s; runs in the execute function.
//! - [`types`], [`functions`], [`aggregates`]: what values, operators and functions mean.
//! - [`dml`], [`ddl`], [`copy`]: statements that change rows and tables, and COPY's formats.
//! - [`guc`]: a session's settings.
//! - [`row`]: how rows and keys are encoded in trees, and rows for clients.
//! - [`txn`]: what execution needs of a transaction; the execute function implements it over the
//!   storage engine's reader, tests over a `BTreeMap`.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod aggregates;
pub mod bind;
pub mod catalog;
pub mod copy;
pub mod ddl;
pub mod dml;
pub mod exec;
pub mod functions;
pub mod guc;
pub mod plan;
pub mod row;
pub mod settings;
pub mod txn;
pub mod types;
