//! The storage engine: pages, copy-on-write trees, WAL, transactions, recovery.
//!
//! Two sides use this crate.
//!
//! **Readers** (execute, parse) map the pools read-only and read pages in place, without a lock and
//! without a message: [`PoolView`] finds pages, [`announce::Announcer`] acquires a [`Snapshot`],
//! [`Tree::get`] and [`Cursor`] read a tree in it.
//!
//! An execute instance may also keep row locks itself, in the same [`lock::Locks`], if storage leases them to it.
//!
//! **The writer** (the storage function) drives the engine, a state machine over two block
//! devices that owns everything else: trees, locks, commits, the log, checkpoints.
//!
//! `docs/file-format.md` has every layout as a table.
#![no_std]
#![deny(unsafe_code)]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod announce;
pub mod block;
mod checkpoint;
mod commit;
mod crc;
mod cursor;
mod database;
mod engine;
mod error;
#[allow(unsafe_code)] // the one module that touches shared memory
mod frame;
pub mod lock;
mod log;
mod node;
mod node_mut;
mod overflow;
pub mod page;
mod recovery;
#[cfg(test)]
mod simulated_disk;
mod snapshot;
mod space;
mod stage;
mod superblock;
mod transaction;
mod tree;
mod wal;

pub use cursor::{Cursor, Leaf};
pub use engine::{Config, Engine, Event, Memory, Now};
pub use error::ReadError;
pub use frame::{AnnounceArea, AnnouncePage, PoolArea, PoolTooSmall, PoolView};
pub use node::{Entry, Value};
pub use overflow::{Overflow, OverflowChunks};
pub use recovery::StartError;
pub use snapshot::{Snapshot, Tree};
pub use space::SpaceError;
pub use superblock::FormatError;
