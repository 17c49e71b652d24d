//! A function on a host thread: the same library, the same areas, no isolation.
//!
//! Invariants:
//! 1. The context of the platform lives on the function's thread until its entry has returned.
//! 2. What an unwinding panic leaves is not used again: the function's memory is dropped, its links
//!    are cleared. A build that aborts on panic ends the process instead.
//!
//! A thread cannot be cut off: a runaway or a wild access on this backend is the process's.

use crate::link::ring;
use crate::pages::Pages;
use crate::vcpu::{Counters, Exit, count, wait};
use std::any::Any;
use std::cell::Cell;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use vireo_abi::platform::{Platform, ThreadEntry, exit_code};
use vmm_sys_util::eventfd::EventFd;

struct Context<'a> {
    doorbell: &'a EventFd,
    peers: &'a [EventFd],
    counters: &'a Counters,
    code: Cell<u32>,
}

/// Runs a function until its entry returns.
pub(crate) fn run(
    entry: ThreadEntry,
    pages: &Pages,
    doorbell: &EventFd,
    peers: &[EventFd],
    counters: &Counters,
) -> Exit {
    let context = Context {
        doorbell,
        peers,
        counters,
        code: Cell::new(exit_code::STOPPED),
    };
    let platform = Platform {
        context: (&raw const context).cast_mut().cast::<c_void>(),
        ring: ring_peer,
        park,
        exit,
    };
    count(&counters.runs);
    let run = AssertUnwindSafe(|| {
        // SAFETY: the boot page was written for this function and names areas that its launcher
        // holds until the thread has ended; the context outlives the call (invariant 1).
        unsafe { entry(pages.boot(), &platform) }
    });
    match catch_unwind(run) {
        Ok(()) => Exit::Code(context.code.get()),
        Err(payload) => Exit::Unwound {
            message: message(payload.as_ref()),
        },
    }
}

/// # Safety
/// `context` is that of the platform (invariant 1).
unsafe fn ring_peer(context: *mut c_void, link: u32) {
    // SAFETY: the caller's promise; the context is only ever shared.
    let context = unsafe { &*context.cast::<Context<'_>>() };
    if let Some(peer) = context.peers.get(link as usize) {
        ring(peer);
    }
}

/// # Safety
/// As for `ring_peer`.
unsafe fn park(context: *mut c_void) {
    // SAFETY: as in `ring_peer`.
    let context = unsafe { &*context.cast::<Context<'_>>() };
    count(&context.counters.exits_park);
    wait(context.doorbell);
    count(&context.counters.runs);
}

/// # Safety
/// As for `ring_peer`.
unsafe fn exit(context: *mut c_void, code: u32) {
    // SAFETY: as in `ring_peer`.
    let context = unsafe { &*context.cast::<Context<'_>>() };
    count(&context.counters.exits_other);
    context.code.set(code);
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
