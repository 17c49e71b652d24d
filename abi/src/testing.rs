//! What the tests of rings and links share: an area that several ends map, and random numbers.

use crate::ring::SharedMemory;
use std::alloc::{Layout, alloc_zeroed, dealloc};

/// Zeroed memory that several ends share.
pub(crate) struct Area {
    start: *mut u8,
    layout: Layout,
}

impl Area {
    pub fn new(size: usize) -> Area {
        let layout = Layout::from_size_align(size, 64).unwrap();
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(layout) };
        assert!(!start.is_null());
        Area { start, layout }
    }

    /// The memory for one end; the area must outlive it.
    pub fn memory(&self) -> SharedMemory {
        // SAFETY: mapped, aligned, and only touched through `SharedMemory`, while the area lives.
        unsafe { SharedMemory::new(self.start, self.layout.size()) }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: from `alloc_zeroed` with this layout; each test keeps its area longest.
        unsafe { dealloc(self.start, self.layout) };
    }
}

/// SplitMix64: the same seed gives the same numbers.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }
}
