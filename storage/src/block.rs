//! The disks, as the engine sees them.
//!
//! Asynchronous: a request gives a ticket, and its completion comes later, in any order. A write that
//! completed may still be lost with the power; a flush that completed after it keeps it. Offsets and lengths
//! are multiples of 512 bytes, a transfer is at most [`TRANSFER_SIZE_MAX`] bytes.

pub use vireo_abi::block::{BlockStatus, Completion, TRANSFER_SIZE_MAX, Ticket};

/// A disk. Two live: virtio-blk (in the storage function) and the simulated disk of the tests.
pub trait BlockDevice {
    /// Bytes of the device.
    fn capacity(&self) -> u64;
    /// Begins to read. `None`: no room now, try after completions.
    fn read(&mut self, offset: u64, length: usize) -> Option<Ticket>;
    /// Begins to write; the data is copied. `None`: no room now, try after completions.
    fn write(&mut self, offset: u64, data: &[u8]) -> Option<Ticket>;
    /// Begins to write what is durable when it completes; the data is copied. `None`: no room now, try after completions.
    fn write_durable(&mut self, offset: u64, data: &[u8]) -> Option<Ticket>;
    /// Begins to flush the writes that have completed. `None`: no room now, try after completions.
    fn flush(&mut self) -> Option<Ticket>;
    /// The next completion, if there is one.
    fn complete(&mut self) -> Option<Completion<'_>>;
}

/// The engine's disks, for one turn.
pub struct Devices<'d> {
    /// The log's.
    pub wal: &'d mut dyn BlockDevice,
    /// The pages'.
    pub data: &'d mut dyn BlockDevice,
}

impl core::fmt::Debug for Devices<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Devices").finish_non_exhaustive()
    }
}
