//! What only an image has: entry, heap, panic report, the symbols that the compiler expects.
//!
//! ```text
//!  _start ──> stack, no caller ──> vireo_main (the image's, made by `image!`)
//!         ──> run: heap, panic report ──> the poll loop ──> EXIT
//! ```
//!
//! The statics here are the runtime's, not the function's: the heap and the place of the panic
//! report. An image runs on exactly one vCPU.

mod panic;
mod stubs;

use crate::function::Function;
use crate::heap::Heap;
use crate::memory::Figures;
use crate::platform::Doorbells;
use core::arch::naked_asm;

use vireo_abi::memory_map;

pub use vireo_abi::boot::BootPage;

#[global_allocator]
static HEAP: Heap = Heap::new();

/// Makes an image of a function: `vireo_runtime::image!(EchoFunction);` in a binary that is
/// `no_std` and `no_main`.
#[macro_export]
macro_rules! image {
    ($function:ty) => {
        /// # Safety
        /// Called once, by `_start`.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn vireo_main(boot: *const $crate::guest::BootPage) -> ! {
            // SAFETY: `_start` calls this once, with the boot page of this VM.
            unsafe { $crate::guest::run::<$function>(boot) }
        }
    };
}

unsafe extern "C" {
    fn vireo_main(boot: *const BootPage) -> !;
}

/// The first instruction of an image: an empty stack, no frame above, the boot page as argument.
///
/// # Safety
/// Entered by the hypervisor only.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "mov esp, {stack}",
        "xor ebp, ebp",
        "mov edi, {boot}",
        "call {main}",
        "ud2",
        stack = const memory_map::STACK_END,
        boot = const memory_map::BOOT,
        main = sym vireo_main,
    )
}

/// Runs the function and ends the VM.
///
/// # Safety
/// Called once, by `vireo_main`, with the boot page of this VM.
pub unsafe fn run<F: Function>(boot: *const BootPage) -> ! {
    // SAFETY: the caller's promise.
    let doorbells = unsafe { Doorbells::new(boot) };
    panic::set_boot_page(boot);
    // SAFETY: the heap area is this VM's alone and nothing was allocated yet.
    unsafe {
        let heap = (&raw const (*boot).heap).read();
        HEAP.set_area(heap.address as *mut u8, heap.size as usize);
    }
    // SAFETY: the caller's promise; the hypervisor filled the boot page in.
    let code = unsafe { crate::poll_loop::run::<F, _>(boot, doorbells) };
    doorbells.exit(code)
}

/// What is known of this image's heap.
pub(crate) fn heap_figures() -> Figures {
    HEAP.figures()
}
