//! What a function is, and what it is built from.

use crate::io::Io;
use vireo_abi::boot::Role;

/// Raw memory shared with others, at an address of this function's address space.
///
/// Whether it may be written, and who else writes it, is the memory map's matter; a region is
/// only an address and a size. `size` 0: there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// First byte.
    pub start: *mut u8,
    /// Bytes.
    pub size: usize,
}

impl Region {
    /// No memory at all.
    pub const NONE: Region = Region {
        start: core::ptr::null_mut(),
        size: 0,
    };
}

/// What a function is built from.
#[derive(Clone, Debug)]
pub struct Start {
    /// What it is.
    pub role: Role,
    /// Its number among its role, from 0.
    pub instance: u32,
    /// How many times it was started before.
    pub restarts: u32,
    /// Randomness for hash seeds and `random()`.
    pub seed: [u64; 4],
    /// The catalog pool; size 0 where it has none.
    pub catalog_pool: Region,
    /// The data pool; size 0 where it has none.
    pub data_pool: Region,
    /// For storage every instance's announce page, for the others their own; size 0 where it
    /// has none.
    pub announce: Region,
}

/// A function: a pure state machine. No globals, no clocks, no I/O but through [`Io`].
pub trait Function {
    /// Builds the function. Links that are up in `io` may be used at once; no
    /// [`Function::link_up`] is called for these.
    fn new(start: &Start, io: &mut Io) -> Self
    where
        Self: Sized;

    /// One bounded turn: receive, work, send. True if there was anything to do.
    fn poll(&mut self, io: &mut Io) -> bool;

    /// The peer of port `port` died. Forget all that came from it; a function whose storage link
    /// went down holds no reference into the pools when this returns.
    fn link_down(&mut self, port: usize, io: &mut Io);

    /// The port's peer is new: it knows nothing of what was before.
    fn link_up(&mut self, port: usize, io: &mut Io);

    /// Whether everything begun is finished: asked when [`Io::is_stopping`] and a turn found
    /// nothing to do. A function that answers false is polled further.
    fn is_finished(&self) -> bool {
        true
    }
}
