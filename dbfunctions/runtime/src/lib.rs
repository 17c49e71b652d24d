//! The surroundings of a function: links, disks, time, log, memory, tasks and the poll loop.
//!
//! A function is a pure state machine ([`Function`]): all that it learns comes through [`Io`] and
//! [`Start`], all that it does goes through [`Io`]. The same function runs in a VM, on a host
//! thread and in a simulator; only the platform beneath differs.
//!
//! The crate is `no_std`. The feature `guest` adds what only an image has: the entry point, the
//! heap, the panic report and the C memory functions.
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod block;
mod function;
mod io;
pub mod memory;
mod port;
pub mod task;

pub use block::{BlockStatus, Completion, Ticket, VirtioBlock};
pub use function::{Function, Region, Start};
pub use io::{Io, Level};
pub use port::{Port, Received};
pub use vireo_abi::boot::{Peer, Role};
