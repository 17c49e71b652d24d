//! Where things are in a link's area.
//!
//! ```text
//!  offset        size            what
//!  0x00_0000     16 KiB          queue 0, driver to device:
//!  0x00_0000       2048            descriptors
//!  0x00_0800        262            available ring
//!  0x00_1000       1030            used ring
//!  0x00_4000     16 KiB          queue 1, device to driver: the same
//!  0x00_8000     128 * 8064      buffers of queue 0
//!  0x10_4000     128 * 8064      buffers of queue 1
//!  0x20_0000                     end
//! ```
//!
//! Descriptor `i` of a queue always is its buffer `i`, as a chain of its own: descriptors are written
//! once. There are as many buffers as slots, so in a link that works in order slot `i` always
//! holds descriptor `i` too, and a message changes two cache lines besides its own bytes.

use crate::memory_map::LINK_SIZE;
use crate::ring::{DESCRIPTOR_SIZE, QUEUE_SIZE_MAX, RingLayout};

/// The sizes of a link; [`LINK_LAYOUT`] is what functions use, others are for tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkLayout {
    /// The queues, driver to device first.
    pub queues: [RingLayout; 2],
    /// The first buffer of each queue.
    pub buffers: [usize; 2],
    /// Bytes of a buffer; a queue has as many as descriptors.
    pub buffer_size: usize,
}

/// The layout of a link's area.
pub const LINK_LAYOUT: LinkLayout = LinkLayout::new(QUEUE_SIZE_MAX, 16 << 10, 8064);

impl LinkLayout {
    /// Two queues of `size` descriptors, each in `ring_area` bytes, then their buffers.
    ///
    /// # Panics
    /// If the parts overlap, or the buffers are not aligned to 8 bytes.
    pub const fn new(size: u16, ring_area: usize, buffer_size: usize) -> LinkLayout {
        let available = size as usize * DESCRIPTOR_SIZE;
        // The used ring has other writers than the tables before it: it begins on a cache line, and a page if it can.
        let used = (available + 6 + 2 * size as usize).next_multiple_of(ring_area / 4);
        let queues = [
            RingLayout::new(size, 0, available, used),
            RingLayout::new(size, ring_area, ring_area + available, ring_area + used),
        ];
        assert!(queues[0].end() <= ring_area && queues[1].end() <= 2 * ring_area);
        assert!(ring_area.is_multiple_of(64) && buffer_size.is_multiple_of(8));
        let first = 2 * ring_area;
        let buffers = [first, first + size as usize * buffer_size];
        LinkLayout {
            queues,
            buffers,
            buffer_size,
        }
    }

    /// Bytes of the whole area.
    pub const fn size(&self) -> usize {
        self.buffers[1] + self.queues[1].size() as usize * self.buffer_size
    }

    /// The offset of a buffer.
    pub(super) const fn buffer(&self, queue: usize, id: u16) -> usize {
        self.buffers[queue] + id as usize * self.buffer_size
    }
}

const _: () = assert!(LINK_LAYOUT.size() == LINK_SIZE);
const _: () = assert!(LINK_LAYOUT.queues[0].available() == 0x800);
const _: () = assert!(LINK_LAYOUT.queues[0].used() == 0x1000);
const _: () = assert!(LINK_LAYOUT.queues[1].descriptors() == 0x4000);
const _: () = assert!(LINK_LAYOUT.buffers[0] == 0x8000);
const _: () = assert!(LINK_LAYOUT.buffers[1] == 0x10_4000);
const _: () = assert!(LINK_LAYOUT.buffer_size.is_multiple_of(64));
