//! How a function reaches its hypervisor.
//!
//! Under KVM the platform is the doorbell page: a write to a register rings, parks or exits. On the
//! thread backend the same function library runs on a host thread, and the hypervisor hands it a
//! [`Platform`] of host functions instead. Both mean the same:
//!
//! ```text
//!  what     doorbell page            Platform
//!  ring     write to 4 * link        ring(context, link)
//!  park     write to 0x800           park(context)
//!  exit     write to 0x804           exit(context, code), then return from the entry
//! ```
//!
//! Invariants:
//! 1. A ring is never lost: a function that rang before its peer parked wakes that peer at once.
//!    So the order is: ask for doorbells in the ring, look once more, park.
//! 2. `park` may return without a ring; the function looks again.
//! 3. `exit` says why a function ended; after it, a function under KVM does not run again, and one
//!    on a thread returns from its entry.

use crate::boot::BootPage;
use core::ffi::c_void;

/// The host functions of a function on the thread backend.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Platform {
    /// Passed back to each of the functions below.
    pub context: *mut c_void,
    /// Rings the peer of a link; the link is its index in the boot page.
    pub ring: unsafe fn(context: *mut c_void, link: u32),
    /// Sleeps until the function's own doorbell rings.
    pub park: unsafe fn(context: *mut c_void),
    /// Says why the function ends: an [`exit_code`].
    pub exit: unsafe fn(context: *mut c_void, code: u32),
}

/// The entry of a function on the thread backend: runs it until `control.stop` and returns.
/// A panic may unwind out of it; the hypervisor takes that as the function's end.
///
/// # Safety
/// The boot page and every area it names stay mapped, with the rights [`crate::memory_map`] gives
/// them, and the platform's functions stay callable, until the entry has returned.
pub type ThreadEntry = unsafe fn(boot: *const BootPage, platform: &Platform);

/// The codes of an exit.
pub mod exit_code {
    /// Stopped as `control.stop` asked.
    pub const STOPPED: u32 = 0;
    /// Panicked; the status page's panic record says why.
    pub const PANICKED: u32 = 1;
    /// Refused its boot page: magic, version or an area is not what the image was built for.
    pub const BOOT_REFUSED: u32 = 2;
}
