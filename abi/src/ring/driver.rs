//! The driver's side of a virtqueue: offers buffers, takes them back used.
//!
//! Which descriptor holds what is the caller's business: it writes descriptors
//! ([`DriverQueue::set_descriptor`]), offers the first of a chain ([`DriverQueue::offer`]) and gets
//! that number back from [`DriverQueue::take_used`]. Descriptors that never change need to be written
//! only once, and then stay in the device's cache.
//!
//! Invariants:
//! 1. A chain is offered at most once until it comes back (`in_flight`), so no more than `size`
//!    entries are ever between the two indexes.
//! 2. Only what is in flight comes back: anything else is the device's error.

use super::{Descriptor, Published, QUEUE_SIZE_MAX, RingError, RingLayout, RingMemory};

/// A chain that the device has finished with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    /// Its first descriptor.
    pub head: u16,
    /// Bytes that the device says it wrote. Not checked against the chain.
    pub length: u32,
}

/// The driver's side of a virtqueue.
#[derive(Debug)]
pub struct DriverQueue {
    layout: RingLayout,
    /// The next free slot of `available.ring`.
    available: u16,
    published: Published,
    /// The next slot of `used.ring` to take.
    used: u16,
    /// `used.index` as last seen and checked.
    used_seen: u16,
    in_flight: u128,
    /// What stands in each slot of `available.ring`: a slot that stands as it should is not written,
    /// so that its cache line stays with the device. (When chains come back in order it always does.)
    /// A descriptor's number fits a u8; `u8::MAX` is none.
    slots: [u8; QUEUE_SIZE_MAX as usize],
}

impl DriverQueue {
    /// A queue in zeroed memory.
    ///
    /// # Errors
    /// If the memory does not hold the queue.
    pub fn new(memory: &impl RingMemory, layout: RingLayout) -> Result<DriverQueue, RingError> {
        layout.check(memory)?;
        Ok(DriverQueue {
            layout,
            available: 0,
            published: Published::default(),
            used: 0,
            used_seen: 0,
            in_flight: 0,
            slots: [u8::MAX; QUEUE_SIZE_MAX as usize],
        })
    }

    /// Writes a descriptor. Its chain must not be in flight.
    pub fn set_descriptor(&mut self, memory: &impl RingMemory, id: u16, descriptor: Descriptor) {
        assert!(id < self.layout.size, "descriptor {id} of a smaller queue");
        let at = self.layout.descriptor(id);
        let tail = u64::from(descriptor.length)
            | u64::from(descriptor.flags) << 32
            | u64::from(descriptor.next) << 48;
        memory.write_u64(at, descriptor.address);
        memory.write_u64(at + 8, tail);
    }

    /// Offers the chain that begins at descriptor `head`; the device sees it after
    /// [`DriverQueue::publish`].
    ///
    /// # Panics
    /// If the chain is in flight already (invariant 1).
    #[inline]
    pub fn offer(&mut self, memory: &impl RingMemory, head: u16) {
        assert!(
            head < self.layout.size,
            "descriptor {head} of a smaller queue"
        );
        assert!(
            self.in_flight & (1 << head) == 0,
            "descriptor {head} is in flight"
        );
        self.in_flight |= 1 << head;
        let slot = &mut self.slots[usize::from(self.available & (self.layout.size - 1))];
        if u16::from(*slot) != head {
            *slot = head as u8;
            memory.write_u16(self.layout.available_slot(self.available), head);
        }
        self.available = self.available.wrapping_add(1);
    }

    /// Publishes what was offered: Release, pairs with the Acquire in `DeviceQueue::take`.
    #[inline]
    pub fn publish(&mut self, memory: &impl RingMemory) {
        self.published
            .publish(memory, self.layout.available_index(), self.available);
    }

    /// The next chain that the device has finished with.
    ///
    /// # Errors
    /// If the device gives back what it does not have.
    #[inline]
    pub fn take_used(&mut self, memory: &impl RingMemory) -> Result<Option<Used>, RingError> {
        if self.used == self.used_seen && !self.look(memory)? {
            return Ok(None);
        }
        let at = self.layout.used_slot(self.used);
        let id = memory.read_u32(at);
        let length = memory.read_u32(at + 4);
        if id >= self.layout.size.into() || self.in_flight & (1 << id) == 0 {
            return Err(RingError::BadHead { id });
        }
        self.in_flight &= !(1 << id);
        self.used = self.used.wrapping_add(1);
        Ok(Some(Used {
            head: id as u16,
            length,
        }))
    }

    /// Looks at `used.index`: true if something came back. Acquire, pairs with the Release in
    /// `DeviceQueue::publish`.
    #[inline]
    fn look(&mut self, memory: &impl RingMemory) -> Result<bool, RingError> {
        let index = memory.load_acquire(self.layout.used_index());
        let limit = self.published.index.wrapping_sub(self.used);
        if index.wrapping_sub(self.used) > limit {
            return Err(RingError::BadIndex {
                index,
                last: self.used,
                limit,
            });
        }
        self.used_seen = index;
        Ok(index != self.used)
    }

    /// Chains offered and not yet taken back.
    pub fn in_flight(&self) -> u16 {
        self.available.wrapping_sub(self.used)
    }

    /// Chains that the device has not given back, as of now.
    pub fn depth(&self, memory: &impl RingMemory) -> u16 {
        let index = memory.load_relaxed(self.layout.used_index());
        self.available.wrapping_sub(index).min(self.in_flight())
    }

    /// Whether the device must be rung for what was published since the last call.
    pub fn take_kick(&mut self, memory: &impl RingMemory) -> bool {
        if !self.may_kick() {
            return false;
        }
        // Between our store of the index and our load of the event; pairs with `DeviceQueue::arm`.
        memory.fence();
        self.passed_event(memory)
    }

    /// Whether anything was published since the device was last rung or found awake.
    #[inline]
    pub(crate) fn may_kick(&self) -> bool {
        self.published.unkicked != 0
    }

    /// [`DriverQueue::take_kick`] for a caller that has made the fence.
    #[inline]
    pub(crate) fn passed_event(&mut self, memory: &impl RingMemory) -> bool {
        self.published
            .passed_event(memory, self.layout.available_event())
    }

    /// Asks the device to ring for the next chain that it gives back. True if there is none yet; false:
    /// there is one, do not sleep.
    ///
    /// # Errors
    /// If the device gives back what it does not have.
    pub fn arm(&mut self, memory: &impl RingMemory) -> Result<bool, RingError> {
        if self.used != self.used_seen {
            return Ok(false);
        }
        memory.store_relaxed(self.layout.used_event(), self.used);
        // Between our store of the event and our load of the index; pairs with
        // `DeviceQueue::take_kick`.
        memory.fence();
        Ok(!self.look(memory)?)
    }

    /// Asks the device not to ring: the event is one that it has passed already. (It passes it
    /// again after 2^16 chains and then rings once for nothing.)
    pub fn disarm(&mut self, memory: &impl RingMemory) {
        memory.store_relaxed(self.layout.used_event(), self.used.wrapping_sub(1));
    }
}
