//! The parse function: SQL text to a physical plan.
//!
//! It sees the catalog pool, read-only, and its link to the gateway; no row and no other function.
//! A request is answered in the turn that takes it, so nothing of one request is there when the next one comes.
//!
//! ```text
//!  gateway ──ParseRequest, SQL──> [ParseFunction] ──vireo_query::bind──> plan ──ParseReply──> gateway
//!                                       │
//!                        newest snapshot of the catalog pool + the session's uncommitted changes
//! ```
//!
//! Invariants:
//! 1. References into the catalog pool live within one call of the catalog reader: values are copied out. The
//!    snapshot is acquired for one request and released before its reply is sent.
//! 2. A request is answered exactly once, or its link is down.
//!
//! Fails by answering: a text that is not UTF-8, a statement too large for the heap, storage that has not
//! published a catalog yet, and whatever binding finds are errors of the statement. A message that is no
//! request has no number to answer under: it is logged and dropped.
#![no_std]
#![deny(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod catalog;
mod function;

pub use function::ParseFunction;
