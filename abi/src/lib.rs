//! What both sides of a VM edge agree on.
//!
//! A function VM shares memory with its peers and with the hypervisor. Everything that two of
//! them must read the same way is in this crate, and nothing else is: addresses
//! ([`memory_map`]), the pages a function is started with ([`boot`]), queues ([`ring`], [`link`]),
//! messages ([`message`]), SQL types and values ([`sql_type`], [`datum`], [`chunk`]).
//!
//! The crate is `no_std` and imports nothing of ours.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod block;
pub mod boot;
pub mod chunk;
pub mod datum;
pub mod ids;
pub mod link;
pub mod log_ring;
pub mod memory_map;
pub mod message;
pub mod platform;
pub mod ring;
pub mod spin;
pub mod sql_type;
pub mod write_set;

#[cfg(test)]
mod testing;
