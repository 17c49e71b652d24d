//! A function's private memory, and the pages in it that it shares with the hypervisor.
//!
//! The same layout serves both backends: offsets in the region are the memory map's addresses.
//! Under KVM it is the VM's first memory slot, tables, stack and heap included; on a thread it ends with
//! the log ring.
//!
//! Invariants:
//! 1. The function may write the status page at any time: only atomics and volatile reads touch it, and each
//!    value is read once and checked.

use crate::error::Error;
use crate::memory::Region;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use vireo_abi::boot::{
    BootPage, ControlPage, LinkCounters, PANIC_MESSAGE_SIZE, PanicRecord, State, StatusPage,
};
use vireo_abi::log_ring;
use vireo_abi::memory_map::{BOOT, CONTROL, HEAP, LINKS_MAX, LOG, LOG_SIZE, STATUS};

/// A function's private memory.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    pub(crate) region: Arc<Region>,
}

impl Pages {
    /// Memory for a VM with so much heap.
    pub(crate) fn for_vm(heap_size: usize) -> Result<Pages, Error> {
        let region = Region::new(HEAP as usize + heap_size)?;
        region.advise_huge(HEAP as usize, heap_size);
        Ok(Pages {
            region: Arc::new(region),
        })
    }

    /// Memory for a function on a thread.
    pub(crate) fn for_thread() -> Result<Pages, Error> {
        let region = Region::new(LOG as usize + LOG_SIZE)?;
        Ok(Pages {
            region: Arc::new(region),
        })
    }

    /// Writes the boot page, before the function starts.
    pub(crate) fn write_boot(&self, boot: &BootPage) {
        let to = self
            .region
            .at(BOOT as usize, size_of::<BootPage>())
            .cast::<BootPage>();
        // SAFETY: inside the region, page-aligned, and the function does not run yet.
        unsafe { to.write(*boot) };
    }

    /// The host's address of the boot page.
    pub(crate) fn boot(&self) -> *const BootPage {
        self.region.at(BOOT as usize, size_of::<BootPage>()).cast()
    }

    pub(crate) fn control(&self) -> &ControlPage {
        let page = self.region.at(CONTROL as usize, size_of::<ControlPage>());
        // SAFETY: inside the region and page-aligned; every field is an atomic.
        unsafe { &*page.cast::<ControlPage>() }
    }

    /// A 64-bit counter of the status page.
    pub(crate) fn counter(&self, offset: usize) -> u64 {
        let at = self.region.at(STATUS as usize + offset, 8);
        // SAFETY: inside the region and 8-aligned, as the fields of `StatusPage` are; the function
        // may write it at the same time (invariant 1).
        unsafe { AtomicU64::from_ptr(at.cast()) }.load(Ordering::Relaxed)
    }

    /// A 32-bit field of the status page. Acquire pairs with the function's Release stores of
    /// `state`, `link_ack` and `link_fault`.
    fn word(&self, offset: usize) -> u32 {
        let at = self.region.at(STATUS as usize + offset, 4);
        // SAFETY: as in `counter`, 4-aligned.
        unsafe { AtomicU32::from_ptr(at.cast()) }.load(Ordering::Acquire)
    }

    /// What the function says it is doing; None for nonsense.
    pub(crate) fn state(&self) -> Option<State> {
        State::from_code(self.word(offset_of!(StatusPage, state)))
    }

    pub(crate) fn heartbeat(&self) -> u64 {
        self.counter(offset_of!(StatusPage, heartbeat))
    }

    pub(crate) fn link_ack(&self, link: usize) -> u32 {
        assert!(link < LINKS_MAX);
        self.word(offset_of!(StatusPage, link_ack) + 4 * link)
    }

    pub(crate) fn link_fault(&self, link: usize) -> u32 {
        assert!(link < LINKS_MAX);
        self.word(offset_of!(StatusPage, link_fault) + 4 * link)
    }

    /// A counter of a link: the offset is that of a field of `LinkCounters`.
    pub(crate) fn link_counter(&self, link: usize, field: usize) -> u64 {
        assert!(link < LINKS_MAX);
        let links = offset_of!(StatusPage, links);
        self.counter(links + size_of::<LinkCounters>() * link + field)
    }

    /// What the function wrote of its panic.
    pub(crate) fn panic_message(&self) -> String {
        let record = offset_of!(StatusPage, panic);
        let length = self.word(record + offset_of!(PanicRecord, length)) as usize;
        let mut bytes = [0; PANIC_MESSAGE_SIZE];
        let at = STATUS as usize + record + offset_of!(PanicRecord, message);
        self.region.read(at, &mut bytes);
        printable(&bytes[..length.min(PANIC_MESSAGE_SIZE)])
    }

    /// The hypervisor's end of the log ring.
    pub(crate) fn log_reader(&self) -> log_ring::Reader {
        let start = self.region.at(LOG as usize, LOG_SIZE);
        // SAFETY: inside the region, which the reader's owner holds as long as the reader.
        let reader = unsafe { log_ring::Reader::new(start, LOG_SIZE) };
        reader.expect("the log's area is page-aligned and large enough")
    }
}

/// Text that a function wrote, made safe for a terminal and a log file.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}
