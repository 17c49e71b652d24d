//! virtio-blk as the engine's disk.

use vireo_runtime::VirtioBlock;
use vireo_storage::block::{BlockDevice, Completion, Ticket};

/// A device of the function, for one turn. Without one it has no bytes, which the engine refuses.
pub(crate) struct Device<'d>(pub(crate) Option<&'d mut VirtioBlock>);

impl BlockDevice for Device<'_> {
    fn capacity(&self) -> u64 {
        self.0.as_ref().map_or(0, |device| device.capacity())
    }

    fn read(&mut self, offset: u64, length: usize) -> Option<Ticket> {
        self.0.as_mut()?.read(offset, length)
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        self.0.as_mut()?.write(offset, data)
    }

    fn write_durable(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        self.0.as_mut()?.write_durable(offset, data)
    }

    fn flush(&mut self) -> Option<Ticket> {
        self.0.as_mut()?.flush()
    }

    fn complete(&mut self) -> Option<Completion<'_>> {
        self.0.as_mut()?.complete()
    }
}
