//! `vireo serve` as a process: what it says when it cannot start, hostile clients, a full disk, kill -9.
//!
//! The program is the one that cargo built for the tests, or the one that `VIREO` names.

mod crash;
mod disk_full;
mod hostile;
mod ledger;
mod opening;
#[path = "../../server/tests/support/raw.rs"]
#[allow(dead_code, reason = "a part is used here")]
mod raw;
mod support;
