//! The driver end of a virtio-blk device, as a function uses it.
//!
//! A device that breaks the protocol is of no use any more, and its function must hear of it like
//! of any other failing disk: every request that was in flight completes with
//! [`BlockStatus::IoErr`], and so does every later one. The poll loop reports the failure to the
//! hypervisor.

use alloc::collections::VecDeque;
use vireo_abi::block::{BlockDriver, BlockError};
use vireo_abi::ring::SharedMemory;

pub use vireo_abi::block::{BlockStatus, Completion, Ticket};

/// The driver end of a virtio-blk device. Offsets and lengths are multiples of 512; a transfer
/// is at most 64 KiB.
#[derive(Debug)]
pub struct VirtioBlock {
    driver: BlockDriver<SharedMemory>,
    capacity: u64,
    /// Requests that have not completed, in the order they were made.
    in_flight: VecDeque<Ticket>,
    next_ticket: u64,
    completed: u64,
    failure: Option<BlockError>,
    failure_taken: bool,
}

impl VirtioBlock {
    /// A driver in zeroed memory that it shares with a device of `capacity` bytes.
    ///
    /// # Errors
    /// If the memory is too small for the queue.
    pub fn new(memory: SharedMemory, capacity: u64) -> Result<VirtioBlock, BlockError> {
        Ok(VirtioBlock {
            driver: BlockDriver::new(memory)?,
            capacity,
            in_flight: VecDeque::with_capacity(vireo_abi::block::REQUESTS_MAX),
            next_ticket: 0,
            completed: 0,
            failure: None,
            failure_taken: false,
        })
    }

    /// Bytes of the device.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Queues a write. `None`: no room now, try after completions.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        self.request(|driver| driver.write(offset, data))
    }

    /// Queues a write that is durable when it completes. `None`: no room now, try after completions.
    pub fn write_durable(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        self.request(|driver| driver.write_durable(offset, data))
    }

    /// Queues a read. `None`: no room now, try after completions.
    pub fn read(&mut self, offset: u64, length: usize) -> Option<Ticket> {
        self.request(|driver| driver.read(offset, length))
    }

    /// Queues a flush of the writes that have completed. `None`: no room now, try after completions.
    pub fn flush(&mut self) -> Option<Ticket> {
        self.request(BlockDriver::flush)
    }

    /// Queues a discard. `None`: no room now, try after completions.
    pub fn discard(&mut self, offset: u64, length: u64) -> Option<Ticket> {
        self.request(|driver| driver.discard(offset, length))
    }

    /// The next completion, in the device's order.
    pub fn complete(&mut self) -> Option<Completion<'_>> {
        if self.failure.is_some() {
            return self.fail_oldest();
        }
        match self.driver.complete() {
            Ok(None) => None,
            Ok(Some(completion)) => {
                let index = self
                    .in_flight
                    .iter()
                    .position(|&ticket| ticket == completion.ticket)
                    .expect("the driver completes only what it was given");
                self.in_flight.remove(index);
                self.completed += 1;
                Some(completion)
            }
            Err(error) => {
                self.failure = Some(error);
                fail_oldest(&mut self.in_flight, &mut self.completed)
            }
        }
    }

    /// Whether the device must be rung for what was queued since the last call.
    pub fn take_kick(&mut self) -> bool {
        self.failure.is_none() && self.driver.take_kick()
    }

    /// Before sleeping: asks the device to ring. False: something is pending, poll again.
    pub fn prepare_sleep(&mut self) -> bool {
        if self.failure.is_some() {
            return self.in_flight.is_empty();
        }
        self.driver.prepare_sleep().unwrap_or_else(|error| {
            self.failure = Some(error);
            false
        })
    }

    /// After sleeping: asks the device not to ring.
    pub fn woke(&mut self) {
        if self.failure.is_none() {
            self.driver.woke();
        }
    }

    /// Requests queued so far.
    pub fn sent(&self) -> u64 {
        self.next_ticket
    }

    /// Requests completed so far.
    pub fn received(&self) -> u64 {
        self.completed
    }

    /// Requests in flight.
    pub fn depth(&self) -> u64 {
        self.in_flight.len() as u64
    }

    /// How the device broke the protocol, once.
    pub fn take_failure(&mut self) -> Option<BlockError> {
        if self.failure_taken {
            return None;
        }
        self.failure_taken = self.failure.is_some();
        self.failure
    }

    fn request(
        &mut self,
        queue: impl FnOnce(&mut BlockDriver<SharedMemory>) -> Option<Ticket>,
    ) -> Option<Ticket> {
        let ticket = match self.failure {
            None => queue(&mut self.driver)?,
            Some(_) => Ticket(self.next_ticket),
        };
        debug_assert!(ticket.0 == self.next_ticket);
        self.next_ticket = ticket.0 + 1;
        self.in_flight.push_back(ticket);
        Some(ticket)
    }

    fn fail_oldest(&mut self) -> Option<Completion<'_>> {
        fail_oldest(&mut self.in_flight, &mut self.completed)
    }
}

/// Completes the oldest request of a broken device.
fn fail_oldest(
    in_flight: &mut VecDeque<Ticket>,
    completed: &mut u64,
) -> Option<Completion<'static>> {
    let ticket = in_flight.pop_front()?;
    *completed += 1;
    Some(Completion {
        ticket,
        status: BlockStatus::IoErr,
        data: &[],
    })
}

#[cfg(test)]
mod tests;
