//! A link whose heap is full: one message is lost, the link goes on. The only test of its program,
//! because the allocator is the whole program's.

use std::alloc::{GlobalAlloc, Layout, System, alloc_zeroed};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use vireo_abi::link::{LINK_LAYOUT, Link, LinkError, Side};
use vireo_abi::ring::SharedMemory;

/// Refuses what is larger than the limit.
struct Limited;

static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

// SAFETY: hands on to `System`, or fails, which `GlobalAlloc` allows.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LIMIT.load(Ordering::Relaxed) {
            return null_mut();
        }
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: `start` came from `System` with this layout.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Limited = Limited;

#[test]
fn out_of_memory_costs_one_message() {
    let layout = Layout::from_size_align(LINK_LAYOUT.size(), 64).unwrap();
    // SAFETY: the layout is not empty; the area is leaked, so it outlives both ends.
    let area = unsafe { alloc_zeroed(layout) };
    let [mut driver, mut device] = [Side::Driver, Side::Device].map(|side| {
        // SAFETY: mapped for ever, aligned, touched by nobody else.
        Link::new(unsafe { SharedMemory::new(area, LINK_LAYOUT.size()) }, side).unwrap()
    });
    let long = vec![1; 2 << 20];
    for rounds in 0..3 {
        // The sender has no room for what does not fit the ring: nothing was sent.
        LIMIT.store(500_000, Ordering::Relaxed);
        assert_eq!(driver.send(b"lost", &long), Err(LinkError::OutOfMemory));
        assert_eq!((driver.depth(), driver.sent()), (0, rounds * 2));
        LIMIT.store(usize::MAX, Ordering::Relaxed);

        // The receiver has no room: it says so once and throws the rest away.
        driver.send(b"thrown away", &long).unwrap();
        driver.send(b"next", b"message").unwrap();
        LIMIT.store(500_000, Ordering::Relaxed);
        let mut failures = 0;
        loop {
            driver.poll().unwrap();
            match device.receive() {
                Ok(None) => {}
                Ok(Some(got)) => {
                    assert_eq!((got.head, got.body), (&b"next"[..], &b"message"[..]));
                    break;
                }
                Err(error) => {
                    assert_eq!(error, LinkError::OutOfMemory);
                    assert!(!error.is_fatal());
                    failures += 1;
                }
            }
        }
        assert_eq!(failures, 1);
        LIMIT.store(usize::MAX, Ordering::Relaxed);
    }
    assert_eq!(device.received(), 3);
}
