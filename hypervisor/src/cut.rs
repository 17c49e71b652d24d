//! Cutting off a running vCPU from another thread.
//!
//! The cutter sets `immediate_exit` in the vCPU's run structure and then signals its thread. If
//! the thread is in the guest, the signal brings it out; if it is just about to enter, KVM sees the
//! flag and returns at once; if it is parked, its doorbell is rung as well and it sees `requested`.
//!
//! Invariants:
//! 1. `target` is Some exactly while the thread lives and the run structure is mapped; both are
//!    used under its lock only.
//! 2. The signal does nothing but interrupt: its handler is empty, and no other code uses it.

use crate::error::{Error, host};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

struct Target {
    thread: libc::pid_t,
    /// `kvm_run.immediate_exit`.
    immediate_exit: *mut u8,
}

// SAFETY: the pointer is used under the lock of `Cut::target` only, while it is valid.
unsafe impl Send for Target {}

/// The means to cut off one vCPU.
#[derive(Default)]
pub(crate) struct Cut {
    requested: AtomicBool,
    target: Mutex<Option<Target>>,
}

impl Cut {
    /// Says which thread and run structure to cut off. Called by the vCPU's thread before it runs.
    pub(crate) fn arm(&self, immediate_exit: *mut u8) {
        // SAFETY: gettid has no preconditions.
        let thread = unsafe { libc::gettid() };
        *self.lock() = Some(Target {
            thread,
            immediate_exit,
        });
    }

    /// Called by the vCPU's thread before the run structure goes.
    pub(crate) fn disarm(&self) {
        *self.lock() = None;
    }

    /// Whether the vCPU is to stop.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Brings the vCPU out of its guest for good. The caller rings the doorbell too.
    pub(crate) fn request(&self) {
        self.requested.store(true, Ordering::Release);
        let target = self.lock();
        if let Some(target) = &*target {
            // SAFETY: valid by invariant 1; KVM reads the byte at any time, so the write is volatile.
            unsafe { target.immediate_exit.write_volatile(1) };
            // SAFETY: the thread lives (invariant 1), and the signal's handler is empty.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), target.thread, signal()) };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Target>> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The signal that interrupts a vCPU: one that Rust and tokio do not use.
fn signal() -> libc::c_int {
    libc::SIGRTMIN() + 3
}

/// Installs the empty handler, once for the process.
pub(crate) fn install_handler() -> Result<(), Error> {
    static INSTALL: Once = Once::new();
    let mut result = Ok(());
    INSTALL.call_once(|| {
        extern "C" fn nothing(_: libc::c_int) {}
        // SAFETY: an all-zero sigaction is valid: no flags, so that system calls are interrupted
        // and not restarted, and an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = nothing as *const () as usize;
        // SAFETY: the handler does nothing, so it is safe at any point of any thread.
        if unsafe { libc::sigaction(signal(), &action, ptr::null_mut()) } != 0 {
            result = Err(host("a signal handler"));
        }
    });
    result
}
