//! The panic report: what, where, and then the end of the VM.
//!
//! A panic while a panic is reported (a `Display` that panics) ends the VM with what was written
//! so far. Nothing here allocates: a panic may come from the allocator's failure.

use crate::log::Line;
use crate::platform::Doorbells;
use crate::status::Status;
use core::fmt::Write;
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use vireo_abi::boot::{BootPage, PANIC_MESSAGE_SIZE, State, StatusPage};
use vireo_abi::memory_map;
use vireo_abi::platform::exit_code;

static BOOT: AtomicPtr<BootPage> = AtomicPtr::new(memory_map::BOOT as *mut BootPage);
static PANICKING: AtomicBool = AtomicBool::new(false);

pub(super) fn set_boot_page(boot: *const BootPage) {
    BOOT.store(boot.cast_mut(), Ordering::Relaxed);
}

#[panic_handler]
fn report(info: &PanicInfo<'_>) -> ! {
    let boot = BOOT.load(Ordering::Relaxed);
    // SAFETY: the boot page is mapped from the VM's first instruction to its last.
    let doorbells = unsafe { Doorbells::new(boot) };
    // SAFETY: as above; the status page that it names is this VM's own.
    let status = unsafe { (&raw const (*boot).status.address).read() } as *mut StatusPage;
    if !PANICKING.swap(true, Ordering::Relaxed) {
        let mut line = Line::<PANIC_MESSAGE_SIZE>::new();
        // What does not fit is cut.
        let _ = match info.location() {
            Some(at) => write!(line, "{}:{}: {}", at.file(), at.line(), info.message()),
            None => write!(line, "{}", info.message()),
        };
        let number = info.location().map_or(0, core::panic::Location::line);
        write_record(status, number, line.as_str());
    }
    // SAFETY: the status page is mapped and this VM its only writer.
    unsafe { Status::new(status) }.set_state(State::Panicked);
    doorbells.exit(exit_code::PANICKED)
}

fn write_record(status: *mut StatusPage, line: u32, message: &str) {
    // SAFETY: the status page is mapped, no reference to its panic record exists, and this VM is
    // its only writer; the message is no longer than the record's (`Line`).
    unsafe {
        let record = &raw mut (*status).panic;
        (*(&raw const (*record).line)).store(line, Ordering::Relaxed);
        (*(&raw const (*record).length)).store(message.len() as u32, Ordering::Relaxed);
        ptr::copy_nonoverlapping(
            message.as_ptr(),
            (&raw mut (*record).message).cast(),
            message.len(),
        );
    }
}
