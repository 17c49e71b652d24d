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
mod clock;
mod echo;
#[cfg(test)]
mod fake;
mod function;
#[cfg(feature = "guest")]
pub mod guest;
#[cfg(any(feature = "guest", test))]
mod heap;
mod io;
mod log;
#[cfg(any(feature = "guest", test))]
mod mem;
pub mod memory;
mod ping;
mod platform;
mod poll_loop;
mod port;
mod status;
pub mod task;
mod thread;
mod turn;

pub use block::{BlockStatus, Completion, Ticket, VirtioBlock};
pub use clock::Stopwatch;
pub use echo::Echo;
pub use function::{Function, Region, Start};
pub use io::Io;
pub use log::{Line, Log};
pub use ping::Ping;
pub use platform::{Doorbells, HostThread, Platform, read_tsc};
pub use poll_loop::run;
pub use port::{Port, Received};
pub use thread::thread_entry;
pub use turn::{Turn, turn};
pub use vireo_abi::boot::{Peer, Role};
pub use vireo_abi::log_ring::Level;
