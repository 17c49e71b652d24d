//! The driver end of a virtio-blk device.

/// Names a request until its completion.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BlockStatus {
    /// Done.
    Ok,
    /// The device failed.
    IoErr,
    /// The device does not know the request.
    Unsupported,
    /// The host has no room: the request may be repeated when there is some.
    NoSpace,
}

/// A finished request.
#[derive(Clone, Copy, Debug)]
pub struct Completion<'a> {
    /// Which.
    pub ticket: Ticket,
    /// How it ended.
    pub status: BlockStatus,
    /// What was read; empty for other requests and for failed ones.
    pub data: &'a [u8],
}

/// The driver end of a virtio-blk device. Offsets and lengths are multiples of 512; a transfer
/// is at most 64 KiB.
pub struct VirtioBlock {
    capacity: u64,
}

impl VirtioBlock {
    /// Bytes of the device.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Queues a write. `None`: no room now, try after completions.
    pub fn write(&mut self, _offset: u64, _data: &[u8]) -> Option<Ticket> {
        None
    }

    /// Queues a read. `None`: no room now, try after completions.
    pub fn read(&mut self, _offset: u64, _length: usize) -> Option<Ticket> {
        None
    }

    /// Queues a flush of all completed writes. `None`: no room now, try after completions.
    pub fn flush(&mut self) -> Option<Ticket> {
        None
    }

    /// Queues a discard. `None`: no room now, try after completions.
    pub fn discard(&mut self, _offset: u64, _length: u64) -> Option<Ticket> {
        None
    }

    /// The next completion.
    pub fn complete(&mut self) -> Option<Completion<'_>> {
        None
    }
}
