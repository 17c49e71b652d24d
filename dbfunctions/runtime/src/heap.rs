//! The heap of an image: talc over the boot page's heap area.
//!
//! The area is claimed in steps as it is needed: memory that was never allocated is never
//! touched, and so costs the host nothing. A free piece below the frontier is always preferred.
//!
//! Invariants:
//! 1. One processor, one thread: a function VM has one vCPU and no interrupts, so nothing enters
//!    the allocator while it runs. `Sync` rests on that.
//! 2. Nothing in the allocator allocates or panics.
//!
//! Failure: when the area is used up, allocation returns null; see [`crate::memory`] for how
//! code keeps away from there.

use crate::memory::Figures;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::{self, NonNull};
use talc::DefaultBinning;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;

/// Bytes claimed at a time.
const STEP: usize = 2 << 20;

/// A heap over one area of memory.
pub(crate) struct Heap {
    inner: UnsafeCell<Inner>,
}

struct Inner {
    talc: Talc<Area, DefaultBinning>,
    start: usize,
    peak: usize,
}

// SAFETY: module documentation, invariant 1.
unsafe impl Sync for Heap {}

/// The part of the area that talc has not been given yet.
#[derive(Debug)]
struct Area {
    /// The end of what it was given; none at first.
    claimed_to: Option<NonNull<u8>>,
    /// The first byte that it was not given.
    next: *mut u8,
    end: *mut u8,
}

impl Heap {
    /// A heap without memory.
    pub(crate) const fn new() -> Heap {
        let area = Area {
            claimed_to: None,
            next: ptr::null_mut(),
            end: ptr::null_mut(),
        };
        Heap {
            inner: UnsafeCell::new(Inner {
                talc: Talc::new(area),
                start: 0,
                peak: 0,
            }),
        }
    }

    /// Gives the heap its memory.
    ///
    /// # Safety
    /// Called once, before the first allocation. The memory is mapped, writable, and the heap's
    /// alone for as long as it lives.
    pub(crate) unsafe fn set_area(&self, start: *mut u8, size: usize) {
        // SAFETY: invariant 1: no other reference to the inside exists now.
        let inner = unsafe { &mut *self.inner.get() };
        inner.start = start.addr();
        inner.talc.source.next = start;
        inner.talc.source.end = start.wrapping_add(size);
    }

    pub(crate) fn figures(&self) -> Figures {
        // SAFETY: invariant 1: no other reference to the inside exists now.
        let inner = unsafe { &*self.inner.get() };
        let size = inner.talc.source.end.addr() - inner.start;
        let used = inner.used();
        Figures {
            size,
            used,
            peak: inner.peak.max(used),
        }
    }
}

impl Inner {
    /// Bytes below the frontier that are not free: what was allocated and what that cost.
    fn used(&self) -> usize {
        let claimed = self.talc.source.next.addr() - self.start;
        claimed.saturating_sub(self.talc.counters().available_bytes)
    }
}

// SAFETY: `acquire` touches nothing but the allocator that it is given.
unsafe impl Source for Area {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let left = talc.source.end.addr() - talc.source.next.addr();
        // What the allocator adds of its own is far below a page.
        let wanted = layout
            .size()
            .saturating_add(layout.align())
            .saturating_add(4096);
        let step = wanted.max(STEP).min(left);
        if step == 0 {
            return Err(());
        }
        let base = talc.source.next;
        let next = base.wrapping_add(step);
        let claimed_to = match talc.source.claimed_to {
            // SAFETY: the memory from `base` on belongs to the heap (`set_area`) and was not given
            // to talc before.
            None => unsafe { talc.claim(base, step) }.ok_or(())?,
            // SAFETY: as above, and it follows on what talc has.
            Some(end) => unsafe { talc.extend(end, next) },
        };
        talc.source.claimed_to = Some(claimed_to);
        talc.source.next = next;
        Ok(())
    }
}

// SAFETY: talc's allocations are valid, disjoint and of the layout asked for; that nothing enters
// twice is invariant 1.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: invariant 1: no other reference to the inside exists now.
        let inner = unsafe { &mut *self.inner.get() };
        // SAFETY: the caller promises a size that is not zero.
        let allocated = unsafe { inner.talc.allocate(layout) };
        if layout.size() >= 4096 {
            // Small pieces come and go by the million: the peak they reach is seen at the next
            // large one, or when the figures are asked for.
            inner.peak = inner.peak.max(inner.used());
        }
        allocated.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: invariant 1: no other reference to the inside exists now.
        let inner = unsafe { &mut *self.inner.get() };
        // SAFETY: the caller promises that this heap allocated it with this layout.
        unsafe { inner.talc.deallocate(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        {
            // SAFETY: invariant 1: no other reference to the inside exists now.
            let inner = unsafe { &mut *self.inner.get() };
            // SAFETY: the caller promises that this heap allocated it with this layout, and a new
            // size that is not zero.
            if unsafe { inner.talc.try_realloc_in_place(pointer, layout, new_size) } {
                return pointer;
            }
        }
        // SAFETY: the caller promises that the new size and the alignment are a layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: the new size is not zero.
        let moved = unsafe { self.alloc(new_layout) };
        if !moved.is_null() {
            // SAFETY: both pieces hold the smaller of the sizes and are apart.
            unsafe { ptr::copy_nonoverlapping(pointer, moved, layout.size().min(new_size)) };
            // SAFETY: the caller's promise.
            unsafe { self.dealloc(pointer, layout) };
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    const SIZE: usize = 16 << 20;

    fn heap() -> (Vec<u128>, Heap) {
        let mut memory = vec![0u128; SIZE / 16];
        let heap = Heap::new();
        // SAFETY: the vector outlives the heap in each test and is not touched otherwise.
        unsafe { heap.set_area(memory.as_mut_ptr().cast(), SIZE) };
        (memory, heap)
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn an_empty_heap_gives_null() {
        let heap = Heap::new();
        // SAFETY: the layout is not of size zero.
        assert!(unsafe { heap.alloc(layout(8)) }.is_null());
        assert_eq!(heap.figures().size, 0);
    }

    #[test]
    fn the_area_is_claimed_in_steps_and_given_back_whole() {
        let (_memory, heap) = heap();
        assert_eq!(
            heap.figures(),
            Figures {
                size: SIZE,
                used: 0,
                peak: 0
            }
        );
        // SAFETY: layouts are not of size zero; what is freed was allocated so.
        unsafe {
            let small = heap.alloc(layout(100));
            assert!(!small.is_null());
            let used = heap.figures().used;
            assert!((100..100_000).contains(&used), "{used}");
            let large = heap.alloc(layout(10 << 20));
            assert!(!large.is_null());
            assert!(heap.figures().used >= 10 << 20);
            assert!(heap.alloc(layout(8 << 20)).is_null());
            heap.dealloc(large, layout(10 << 20));
            assert!(heap.figures().used < 100_000);
            assert!(heap.figures().peak >= 10 << 20);
            let again = heap.alloc(layout(14 << 20));
            assert!(!again.is_null());
            heap.dealloc(again, layout(14 << 20));
            heap.dealloc(small, layout(100));
        }
    }

    #[test]
    fn a_full_heap_gives_null_and_recovers() {
        let (_memory, heap) = heap();
        let mut pieces = vec![];
        // SAFETY: layouts are not of size zero; what is freed was allocated so.
        unsafe {
            loop {
                let piece = heap.alloc(layout(1000));
                if piece.is_null() {
                    break;
                }
                piece.write_bytes(pieces.len() as u8, 1000);
                pieces.push(piece);
            }
            assert!(pieces.len() > SIZE / 1100, "{}", pieces.len());
            assert!(!heap.figures().has_room(0));
            for (index, &piece) in pieces.iter().enumerate() {
                assert_eq!((*piece, *piece.add(999)), (index as u8, index as u8));
                heap.dealloc(piece, layout(1000));
            }
            assert!(heap.figures().used < 100_000);
            let grown = heap.alloc(layout(16));
            grown.cast::<u64>().write(77);
            let grown = heap.realloc(grown, layout(16), 1 << 20);
            assert_eq!(grown.cast::<u64>().read(), 77);
            assert!(heap.realloc(grown, layout(1 << 20), 32 << 20).is_null());
            assert_eq!(grown.cast::<u64>().read(), 77);
            heap.dealloc(grown, layout(1 << 20));
        }
    }
}
