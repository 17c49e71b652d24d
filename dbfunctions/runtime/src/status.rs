//! The function's side of the status page.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use vireo_abi::boot::{LinkCounters, State, StatusPage};
use vireo_abi::memory_map::LINKS_MAX;

/// The status page, as its only writer sees it.
///
/// Fields are reached one by one: no reference to the whole page exists, because the panic
/// record in it is written through a pointer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    page: *mut StatusPage,
}

macro_rules! field {
    ($self:ident, $($place:tt)+) => {
        // SAFETY: the page is mapped, aligned and lives as long as the function (`Status::new`);
        // the field is an atomic, and only this function writes it.
        unsafe { &*(&raw const (*$self.page).$($place)+) }
    };
}

impl Status {
    /// # Safety
    /// `page` is a status page: mapped, writable and page-aligned for as long as the function
    /// lives, and no one else writes it.
    pub(crate) unsafe fn new(page: *mut StatusPage) -> Status {
        Status { page }
    }

    pub(crate) fn set_state(&self, state: State) {
        let field: &AtomicU32 = field!(self, state);
        // Release: whoever sees the state sees what the function wrote before it, above all the
        // panic record.
        field.store(state as u32, Ordering::Release);
    }

    pub(crate) fn heartbeat(&self) -> &AtomicU64 {
        field!(self, heartbeat)
    }

    pub(crate) fn turns_worked(&self) -> &AtomicU64 {
        field!(self, turns_worked)
    }

    pub(crate) fn parks(&self) -> &AtomicU64 {
        field!(self, parks)
    }

    pub(crate) fn spin_ticks(&self) -> &AtomicU64 {
        field!(self, spin_ticks)
    }

    pub(crate) fn park_ticks(&self) -> &AtomicU64 {
        field!(self, park_ticks)
    }

    pub(crate) fn requests(&self) -> &AtomicU64 {
        field!(self, requests)
    }

    pub(crate) fn heap_used(&self) -> &AtomicU64 {
        field!(self, heap_used)
    }

    pub(crate) fn heap_peak(&self) -> &AtomicU64 {
        field!(self, heap_peak)
    }

    pub(crate) fn link(&self, link: usize) -> &LinkCounters {
        assert!(link < LINKS_MAX);
        field!(self, links[link])
    }

    pub(crate) fn acknowledge(&self, link: usize, epoch: u32) {
        assert!(link < LINKS_MAX);
        let field: &AtomicU32 = field!(self, link_ack[link]);
        // Release pairs with the hypervisor's Acquire load: what the function did to let go of the
        // link is done when it reads this.
        field.store(epoch, Ordering::Release);
    }

    pub(crate) fn report_fault(&self, link: usize, epoch: u32) {
        assert!(link < LINKS_MAX);
        let field: &AtomicU32 = field!(self, link_fault[link]);
        field.store(epoch.wrapping_add(1), Ordering::Release);
    }
}

/// Adds to a counter of which this thread is the only writer.
pub(crate) fn add(counter: &AtomicU64, amount: u64) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(amount);
    counter.store(sum, Ordering::Relaxed);
}
