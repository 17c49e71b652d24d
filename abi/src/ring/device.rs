//! The device's side of a virtqueue: takes offered chains, gives them back used.
//!
//! Invariants:
//! 1. At most `size` chains are taken and not given back, or offered and not taken, together.
//! 2. A [`Chain`] yields at most `size` descriptors, each inside the memory.

use super::{Descriptor, FLAG_NEXT, FLAG_WRITE, Published, RingError, RingLayout, RingMemory};

/// The device's side of a virtqueue.
#[derive(Debug)]
pub struct DeviceQueue {
    layout: RingLayout,
    /// The next slot of `available.ring` to take.
    available: u16,
    /// `available.index` as last seen and checked.
    available_seen: u16,
    /// The next free slot of `used.ring`.
    used: u16,
    published: Published,
    /// The most entries that were ever the device's at once: as many as the driver has.
    entries: u16,
}

impl DeviceQueue {
    /// A queue in memory that is zeroed or that its driver has just laid out.
    ///
    /// # Errors
    /// If the memory does not hold the queue.
    pub fn new(memory: &impl RingMemory, layout: RingLayout) -> Result<DeviceQueue, RingError> {
        layout.check(memory)?;
        Ok(DeviceQueue {
            layout,
            available: 0,
            available_seen: 0,
            used: 0,
            published: Published::default(),
            entries: 0,
        })
    }

    /// The first descriptor of the next chain that the driver offers.
    ///
    /// # Errors
    /// If the driver offers more than the queue holds, or a descriptor that does not exist.
    #[inline]
    pub fn take(&mut self, memory: &impl RingMemory) -> Result<Option<u16>, RingError> {
        if self.available == self.available_seen && !self.look(memory)? {
            return Ok(None);
        }
        let head = memory.read_u16(self.layout.available_slot(self.available));
        if head >= self.layout.size {
            return Err(RingError::BadHead { id: head.into() });
        }
        self.available = self.available.wrapping_add(1);
        Ok(Some(head))
    }

    /// How many chains are offered and not taken, if at least `wanted` are; else as of now.
    ///
    /// # Errors
    /// If the driver offers more than the queue holds.
    #[inline]
    pub fn offered(&mut self, memory: &impl RingMemory, wanted: u16) -> Result<u16, RingError> {
        if self.available_seen.wrapping_sub(self.available) < wanted {
            self.look(memory)?;
        }
        Ok(self.available_seen.wrapping_sub(self.available))
    }

    /// Looks at `available.index`: true if something is offered. Acquire, pairs with the Release in
    /// `DriverQueue::publish`.
    #[inline]
    fn look(&mut self, memory: &impl RingMemory) -> Result<bool, RingError> {
        let index = memory.load_acquire(self.layout.available_index());
        let limit = self.layout.size - self.taken();
        let offered = index.wrapping_sub(self.available);
        let seen = self.available_seen.wrapping_sub(self.available);
        if offered > limit || offered < seen {
            return Err(RingError::BadIndex {
                index,
                last: self.available,
                limit,
            });
        }
        self.available_seen = index;
        self.entries = self.entries.max(index.wrapping_sub(self.used));
        Ok(offered != 0)
    }

    /// Chains taken and not given back.
    pub fn taken(&self) -> u16 {
        self.available.wrapping_sub(self.used)
    }

    /// Chains given back that the driver has not offered again, as of now.
    pub fn depth(&self, memory: &impl RingMemory) -> u16 {
        let index = memory.load_relaxed(self.layout.available_index());
        self.entries.saturating_sub(index.wrapping_sub(self.used))
    }

    /// The descriptors of the chain that begins at `head`.
    pub fn chain<'a, M: RingMemory>(&self, memory: &'a M, head: u16) -> Chain<'a, M> {
        Chain {
            memory,
            layout: self.layout,
            head,
            next: Some(head),
            left: self.layout.size,
        }
    }

    /// Gives a chain back; the driver sees it after [`DeviceQueue::publish`].
    ///
    /// # Panics
    /// If no chain is taken: a bug of the caller.
    #[inline]
    pub fn give_back(&mut self, memory: &impl RingMemory, head: u16, length: u32) {
        assert!(
            self.taken() != 0,
            "descriptor {head} is given back, but none is taken"
        );
        let at = self.layout.used_slot(self.used);
        memory.write_u32(at, head.into());
        memory.write_u32(at + 4, length);
        self.used = self.used.wrapping_add(1);
    }

    /// Publishes what was given back: Release, pairs with the Acquire in `DriverQueue::take_used`.
    #[inline]
    pub fn publish(&mut self, memory: &impl RingMemory) {
        self.published
            .publish(memory, self.layout.used_index(), self.used);
    }

    /// Whether the driver must be rung for what was published since the last call.
    pub fn take_kick(&mut self, memory: &impl RingMemory) -> bool {
        if !self.may_kick() {
            return false;
        }
        // Between our store of the index and our load of the event; pairs with `DriverQueue::arm`.
        memory.fence();
        self.passed_event(memory)
    }

    /// Whether anything was published since the driver was last rung or found awake.
    #[inline]
    pub(crate) fn may_kick(&self) -> bool {
        self.published.unkicked != 0
    }

    /// [`DeviceQueue::take_kick`] for a caller that has made the fence.
    #[inline]
    pub(crate) fn passed_event(&mut self, memory: &impl RingMemory) -> bool {
        self.published
            .passed_event(memory, self.layout.used_event())
    }

    /// Asks the driver to ring for the next chain that it offers. True if there is none yet; false:
    /// there is one, do not sleep.
    ///
    /// # Errors
    /// If the driver offers more than the queue holds.
    pub fn arm(&mut self, memory: &impl RingMemory) -> Result<bool, RingError> {
        if self.available != self.available_seen {
            return Ok(false);
        }
        memory.store_relaxed(self.layout.available_event(), self.available);
        // Between our store of the event and our load of the index; pairs with
        // `DriverQueue::take_kick`.
        memory.fence();
        Ok(!self.look(memory)?)
    }

    /// Asks the driver not to ring: the event is one that it has passed already. (It passes it
    /// again after 2^16 chains and then rings once for nothing.)
    pub fn disarm(&mut self, memory: &impl RingMemory) {
        memory.store_relaxed(
            self.layout.available_event(),
            self.available.wrapping_sub(1),
        );
    }
}

/// The descriptors of a chain, read one by one and checked. After an error it ends.
#[derive(Debug)]
pub struct Chain<'a, M> {
    memory: &'a M,
    layout: RingLayout,
    head: u16,
    next: Option<u16>,
    /// Descriptors that the chain may still have.
    left: u16,
}

impl<M: RingMemory> Chain<'_, M> {
    fn read(&mut self, id: u16) -> Result<Descriptor, RingError> {
        if id >= self.layout.size {
            return Err(RingError::BadHead { id: id.into() });
        }
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(RingError::EndlessChain { head: self.head })?;
        let at = self.layout.descriptor(id);
        let address = self.memory.read_u64(at);
        let tail = self.memory.read_u64(at + 8);
        let (length, flags, next) = (tail as u32, (tail >> 32) as u16, (tail >> 48) as u16);
        if flags & !(FLAG_NEXT | FLAG_WRITE) != 0 || !self.memory.contains(address, length.into()) {
            return Err(RingError::BadDescriptor {
                id,
                address,
                length,
                flags,
            });
        }
        if flags & FLAG_NEXT != 0 {
            self.next = Some(next);
        }
        Ok(Descriptor {
            address,
            length,
            flags,
            next,
        })
    }
}

impl<M: RingMemory> Iterator for Chain<'_, M> {
    type Item = Result<Descriptor, RingError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let id = self.next.take()?;
        Some(self.read(id))
    }
}
