//! The entry of a function on the thread backend.

use crate::function::Function;
use crate::platform::HostThread;
use crate::poll_loop::run;
use vireo_abi::boot::BootPage;
use vireo_abi::platform::Platform as HostFunctions;

/// Runs a function on this thread until `control.stop`; a
/// [`ThreadEntry`](vireo_abi::platform::ThreadEntry) for each `F`.
///
/// # Safety
/// The boot page and every area it names stay mapped, with the rights
/// [`vireo_abi::memory_map`] gives them, and the platform's functions stay callable, until this
/// has returned.
pub unsafe fn thread_entry<F: Function>(boot: *const BootPage, functions: &HostFunctions) {
    // SAFETY: the caller's promise.
    let code = unsafe { run::<F, _>(boot, HostThread::new(functions)) };
    // SAFETY: the caller's promise.
    unsafe { HostThread::new(functions) }.exit(code);
}
