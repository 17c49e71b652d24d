//! Split virtqueues (VIRTIO 1.3, section 2.7) with `VIRTIO_F_EVENT_IDX`, little-endian: the
//! driver's side ([`DriverQueue`]) and the device's ([`DeviceQueue`]).
//!
//! A virtqueue is three tables in memory that both sides map. Addresses in descriptors are
//! offsets in that memory.
//!
//! ```text
//!  descriptors   16 bytes each: address u64, length u32, flags u16, next u16    written by the driver
//!  available     flags u16, index u16, ring [u16; size], used_event u16         written by the driver
//!  used          flags u16, index u16, ring [(id u32, length u32); size],
//!                available_event u16                                           written by the device
//! ```
//!
//! The driver fills descriptors, puts the first of a chain into `available.ring` and publishes
//! `available.index`. The device takes it, works, puts it into `used.ring` and publishes
//! `used.index`. Indexes run freely through all of u16; a slot is the index modulo the size.
//!
//! # Orderings
//!
//! - An index is stored with Release after all that it covers, and loaded with Acquire before any
//!   of that is read: `DriverQueue::publish` pairs with `DeviceQueue::take`, and
//!   `DeviceQueue::publish` with `DriverQueue::take_used`.
//! - Who sleeps stores its event, then a SeqCst fence, then looks at the index once more (`arm`). Who
//!   publishes stores the index, then a SeqCst fence, then reads the event (`take_kick`). One of
//!   the two fences comes first, so either the sleeper sees the index or the publisher
//!   sees the event: no message is slept over.
//!
//! # Invariants
//! 1. A shared field is read once into a local; the local is checked and used.
//! 2. What a side must know about its own requests it keeps in private memory: it never reads back
//!    what it wrote where the peer can write.
//! 3. Each call does a bounded amount of work, whatever the peer writes.
//!
//! # Failure
//! A peer that breaks the protocol causes a [`RingError`]; the queue is of no use after that. A
//! full queue is none: the driver counts its own buffers.

mod device;
mod driver;
mod memory;
#[cfg(test)]
mod tests;

pub use device::{Chain, DeviceQueue};
pub use driver::{DriverQueue, Used};
pub use memory::{RingMemory, SharedMemory};

/// The largest queue: descriptors in flight fit a u128, and a descriptor's number a u8.
pub const QUEUE_SIZE_MAX: u16 = 128;
/// Bytes of a descriptor.
pub const DESCRIPTOR_SIZE: usize = 16;

/// Descriptor flag: the chain goes on at `next`.
pub const FLAG_NEXT: u16 = 1;
/// Descriptor flag: the device writes the buffer; else it reads it.
pub const FLAG_WRITE: u16 = 2;

/// One buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// Offset in the memory.
    pub address: u64,
    /// Bytes.
    pub length: u32,
    /// [`FLAG_NEXT`], [`FLAG_WRITE`].
    pub flags: u16,
    /// The next descriptor of the chain, where the flag says that there is one.
    pub next: u16,
}

/// Where the tables of a queue are in their memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingLayout {
    size: u16,
    descriptors: usize,
    available: usize,
    used: usize,
}

impl RingLayout {
    /// A queue of `size` descriptors whose tables are at these offsets.
    ///
    /// # Panics
    /// If the size is no power of two up to [`QUEUE_SIZE_MAX`], or a table is not aligned as VIRTIO
    /// demands: 16 bytes for descriptors, 2 for available, 4 for used.
    pub const fn new(size: u16, descriptors: usize, available: usize, used: usize) -> RingLayout {
        assert!(size.is_power_of_two() && size <= QUEUE_SIZE_MAX);
        assert!(descriptors.is_multiple_of(DESCRIPTOR_SIZE));
        assert!(available.is_multiple_of(2) && used.is_multiple_of(4));
        RingLayout {
            size,
            descriptors,
            available,
            used,
        }
    }

    /// Descriptors of the queue.
    pub const fn size(&self) -> u16 {
        self.size
    }

    /// Offset of the descriptor table.
    pub const fn descriptors(&self) -> usize {
        self.descriptors
    }

    /// Offset of the available ring.
    pub const fn available(&self) -> usize {
        self.available
    }

    /// Offset of the used ring.
    pub const fn used(&self) -> usize {
        self.used
    }

    /// The first offset past all three tables, wherever each is.
    pub const fn end(&self) -> usize {
        let descriptors = self.descriptors + self.size as usize * DESCRIPTOR_SIZE;
        let available = self.used_event() + 2;
        let used = self.available_event() + 2;
        let larger = if available > used { available } else { used };
        if descriptors > larger {
            descriptors
        } else {
            larger
        }
    }

    /// Offset of descriptor `id`.
    const fn descriptor(&self, id: u16) -> usize {
        self.descriptors + id as usize * DESCRIPTOR_SIZE
    }

    /// Offset of `available.index`.
    const fn available_index(&self) -> usize {
        self.available + 2
    }

    /// Offset of the slot of `available.ring` for a freely running index.
    const fn available_slot(&self, index: u16) -> usize {
        self.available + 4 + (index & (self.size - 1)) as usize * 2
    }

    /// Offset of `used_event`, which the driver writes: see [`need_event`].
    const fn used_event(&self) -> usize {
        self.available + 4 + self.size as usize * 2
    }

    /// Offset of `used.index`.
    const fn used_index(&self) -> usize {
        self.used + 2
    }

    /// Offset of the slot of `used.ring` for a freely running index.
    const fn used_slot(&self, index: u16) -> usize {
        self.used + 4 + (index & (self.size - 1)) as usize * 8
    }

    /// Offset of `available_event`, which the device writes: see [`need_event`].
    const fn available_event(&self) -> usize {
        self.used + 4 + self.size as usize * 8
    }

    /// Whether the memory holds all three tables.
    fn check(&self, memory: &impl RingMemory) -> Result<(), RingError> {
        if self.end() > memory.size() {
            return Err(RingError::MemoryTooSmall {
                size: memory.size(),
                needed: self.end(),
            });
        }
        Ok(())
    }
}

/// Whether an index that went from `old` to `new` passed `event` (VIRTIO 1.3, 2.7.7.1).
const fn need_event(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

/// An index that its owner publishes, and how far its peer was told of it.
#[derive(Debug, Default)]
struct Published {
    index: u16,
    /// Entries published since the peer was last rung or found awake.
    unkicked: u32,
}

impl Published {
    /// Stores `index` for the peer to see, if it is new.
    #[inline]
    fn publish(&mut self, memory: &impl RingMemory, at: usize, index: u16) {
        if index != self.index {
            memory.store_release(at, index);
            self.unkicked = self
                .unkicked
                .saturating_add(index.wrapping_sub(self.index).into());
            self.index = index;
        }
    }

    /// Whether the peer's event at `event_at` was passed since the last call. A fence has come
    /// between the last `publish` and this.
    #[inline]
    fn passed_event(&mut self, memory: &impl RingMemory, event_at: usize) -> bool {
        let unkicked = core::mem::take(&mut self.unkicked);
        if unkicked == 0 {
            return false;
        }
        // After 2^16 entries the old index no longer says which events were passed: ring.
        let Ok(unkicked) = u16::try_from(unkicked) else {
            return true;
        };
        let event = memory.load_relaxed(event_at);
        need_event(event, self.index, self.index.wrapping_sub(unkicked))
    }
}

/// How a peer broke the rules of a virtqueue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The memory does not hold the queue.
    #[error("a queue of {needed} bytes in {size} bytes of memory")]
    MemoryTooSmall {
        /// Bytes of the memory.
        size: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// An index went back, or further than there are entries.
    #[error("index {index} after {last}, with {limit} entries at most between them")]
    BadIndex {
        /// What the peer published.
        index: u16,
        /// The index up to which entries were taken.
        last: u16,
        /// How far it could be.
        limit: u16,
    },
    /// A ring entry names a descriptor that does not exist or is not in flight.
    #[error("descriptor {id} is out of range or not in flight")]
    BadHead {
        /// The descriptor.
        id: u32,
    },
    /// A descriptor lies outside the memory, or has flags that were not agreed on.
    #[error("descriptor {id}: {length} bytes at {address:#x} with flags {flags:#x}")]
    BadDescriptor {
        /// The descriptor.
        id: u16,
        /// Its offset.
        address: u64,
        /// Its length.
        length: u32,
        /// Its flags.
        flags: u16,
    },
    /// A chain has more descriptors than the queue: it is a loop.
    #[error("the chain at descriptor {head} does not end")]
    EndlessChain {
        /// Its first descriptor.
        head: u16,
    },
}
