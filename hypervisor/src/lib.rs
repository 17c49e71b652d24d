//! The hypervisor: KVM, memory, images, doorbells, supervision, topology, block devices.
//!
//! It hosts a set of functions, each in a VM of its own or on a host thread, and knows neither SQL
//! nor a page's format. [`Hypervisor::start`] takes a [`Topology`], the functions' code and their
//! volumes; [`HostLink`] is how the gateway talks to them.

mod backend;
mod block;
mod constant;
mod cut;
mod error;
mod event;
mod hypervisor;
mod image;
mod kvm;
mod launch;
mod layout;
mod link;
mod memory;
mod page_table;
mod pages;
mod schedule;
mod standby;
mod stats;
mod supervise;
mod thread;
mod topology;
mod vcpu;
mod vm;

pub use block::{Disk, FileDisk, Volumes};
pub use error::Error;
pub use event::{CodeAddress, Event, Reason};
pub use hypervisor::{EventHandler, Hypervisor, Program};
pub use link::{HostLink, LinkMemory};
pub use memory::Region;
pub use stats::{AreaStats, ExitStats, FunctionStats, MemoryStats, QueueStats, Stats};
pub use topology::{FunctionSpec, Isolation, Spin, SpinMode, Topology};
