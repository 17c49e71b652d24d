//! Memory that the simulated machine's parts share: what the hypervisor maps, out of the heap.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use vireo_abi::memory_map::PAGE_SIZE;
use vireo_abi::ring::SharedMemory;
use vireo_runtime::Region;

/// Page-aligned memory, zeroed. Who uses it holds addresses: it must outlive them all, and the
/// machine drops its functions and link ends before.
#[derive(Debug)]
pub struct Area {
    start: *mut u8,
    layout: Layout,
}

impl Area {
    pub fn new(size: usize) -> Area {
        let layout = Layout::from_size_align(size, PAGE_SIZE).expect("a size far from the top");
        assert!(size > 0, "an area of nothing");
        // SAFETY: the layout is not empty.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        Area { start, layout }
    }

    /// Makes bytes zero, when nobody holds anything of them.
    pub fn clear(&mut self, offset: usize, length: usize) {
        assert!(offset + length <= self.layout.size(), "past the end");
        // SAFETY: inside the allocation; nothing runs meanwhile, for there is one thread.
        unsafe { self.start.add(offset).write_bytes(0, length) };
    }

    pub fn clear_all(&mut self) {
        self.clear(0, self.layout.size());
    }

    /// The area as a function's boot page would name it.
    pub fn region(&self) -> Region {
        Region {
            start: self.start,
            size: self.layout.size(),
        }
    }

    /// One page of the area.
    pub fn page(&self, index: usize) -> Region {
        assert!(
            (index + 1) * PAGE_SIZE <= self.layout.size(),
            "no such page"
        );
        Region {
            start: self.start.wrapping_add(index * PAGE_SIZE),
            size: PAGE_SIZE,
        }
    }

    /// The area for one end of a link, or for who looks on.
    pub fn shared(&self) -> SharedMemory {
        // SAFETY: page-aligned and mapped until the area is dropped, which is after all ends (the
        // type's promise); only ring code and `clear` touch it, all on one thread.
        unsafe { SharedMemory::new(self.start, self.layout.size()) }
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and dropped once.
        unsafe { dealloc(self.start, self.layout) };
    }
}
