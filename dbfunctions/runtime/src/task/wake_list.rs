//! The list of woken tasks, linked through the tasks' headers.
//!
//! A Treiber stack with one consumer that takes all of it at once, so there is no ABA problem.
//! Whoever turns a header's flag from false to true owns its `next` link until the push, the
//! stack owns it until the drain, and the drainer from there on: it is never written by two.

use super::TaskId;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// The part of a task that its wakers share.
pub(super) struct Header {
    task: TaskId,
    woken: AtomicBool,
    next: AtomicPtr<Header>,
    list: Arc<WakeList>,
}

impl Header {
    pub(super) fn new(task: TaskId, list: Arc<WakeList>) -> Header {
        Header {
            task,
            woken: AtomicBool::new(false),
            next: AtomicPtr::new(ptr::null_mut()),
            list,
        }
    }

    pub(super) fn task(&self) -> TaskId {
        self.task
    }

    pub(super) fn set_woken(&self, woken: bool) {
        // Before a poll: what a waker wrote before its wake must be seen by the poll, so this is
        // a read too; pairs with the swap in `wake_by_ref`.
        self.woken.swap(woken, Ordering::AcqRel);
    }
}

impl Wake for Header {
    fn wake(self: Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            let list = self.list.clone();
            list.push(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.list.push(self.clone());
        }
    }
}

/// Woken tasks, newest first.
#[derive(Default)]
pub(super) struct WakeList {
    newest: AtomicPtr<Header>,
}

impl WakeList {
    pub(super) fn is_empty(&self) -> bool {
        self.newest.load(Ordering::Acquire).is_null()
    }

    fn push(&self, header: Arc<Header>) {
        let pushed = Arc::into_raw(header).cast_mut();
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            // SAFETY: `pushed` came from an Arc whose count the list now holds, so it is valid;
            // `next` is an atomic and this thread is the one that turned the flag (module
            // documentation).
            unsafe { (*pushed).next.store(newest, Ordering::Relaxed) };
            // Release pairs with the Acquire of the drain, which then sees `next`.
            match self.newest.compare_exchange_weak(
                newest,
                pushed,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(current) => newest = current,
            }
        }
    }

    /// Takes all, the newest first.
    pub(super) fn drain_newest_first(&self, into: &mut Vec<Arc<Header>>) {
        let mut next = self.newest.swap(ptr::null_mut(), Ordering::Acquire);
        while !next.is_null() {
            // SAFETY: each pointer in the list came from `Arc::into_raw` in `push`, and the swap
            // made this call the only one that turns it back.
            let header = unsafe { Arc::from_raw(next) };
            next = header.next.load(Ordering::Relaxed);
            into.push(header);
        }
    }
}
