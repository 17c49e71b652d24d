//! What a function's loop needs of what it runs on: the doorbell page under KVM, host functions
//! on the thread backend. See [`vireo_abi::platform`].

use vireo_abi::boot::BootPage;
use vireo_abi::platform::Platform as HostFunctions;

/// What the poll loop runs on.
pub trait Platform {
    /// Rings the peer of link `link` of the boot page.
    fn ring(&mut self, link: usize);

    /// Sleeps until the function's own doorbell rings, or for no reason shorter.
    fn park(&mut self);

    /// The time stamp counter.
    fn tsc(&mut self) -> u64;

    /// Where a function may read a counter of the same frequency by itself, within a turn.
    fn counter(&self) -> fn() -> u64 {
        read_tsc
    }
}

/// The time stamp counter of this processor.
#[inline]
pub fn read_tsc() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and no platform traps it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The thread backend: the hypervisor's own functions.
pub struct HostThread<'a> {
    functions: &'a HostFunctions,
}

impl<'a> HostThread<'a> {
    /// A platform of these functions.
    ///
    /// # Safety
    /// The functions may be called with their context for as long as the value lives.
    pub unsafe fn new(functions: &'a HostFunctions) -> HostThread<'a> {
        HostThread { functions }
    }

    /// Says that the function ends.
    pub fn exit(&mut self, code: u32) {
        // SAFETY: `new`'s caller promised that the functions may be called.
        unsafe { (self.functions.exit)(self.functions.context, code) }
    }
}

impl Platform for HostThread<'_> {
    fn ring(&mut self, link: usize) {
        let link = u32::try_from(link).expect("a link's index is below LINKS_MAX");
        // SAFETY: `new`'s caller promised that the functions may be called.
        unsafe { (self.functions.ring)(self.functions.context, link) }
    }

    fn park(&mut self) {
        // SAFETY: `new`'s caller promised that the functions may be called.
        unsafe { (self.functions.park)(self.functions.context) }
    }

    fn tsc(&mut self) -> u64 {
        read_tsc()
    }
}

/// The doorbell page of a function VM.
#[derive(Clone, Copy, Debug)]
pub struct Doorbells {
    boot: *const BootPage,
}

impl Doorbells {
    /// The registers that `boot` names.
    ///
    /// # Safety
    /// This is a function VM, `boot` is its boot page, and a write to a register that it names
    /// means what [`vireo_abi::memory_map`] says.
    pub unsafe fn new(boot: *const BootPage) -> Doorbells {
        Doorbells { boot }
    }

    /// Ends the VM.
    pub fn exit(&self, code: u32) -> ! {
        loop {
            self.write(register_offset(vireo_abi::memory_map::EXIT), code);
        }
    }

    fn write(&self, offset: u64, value: u32) {
        // SAFETY: the boot page is mapped and constant for the VM's life, and the register is what
        // the memory map says (`new`'s caller); no memory is behind it.
        unsafe {
            let page = (&raw const (*self.boot).doorbells.address).read();
            ((page + offset) as *mut u32).write_volatile(value);
        }
    }
}

const fn register_offset(register: u64) -> u64 {
    register - vireo_abi::memory_map::DOORBELLS
}

impl Platform for Doorbells {
    fn ring(&mut self, link: usize) {
        // SAFETY: as in `write`; the link is one of the boot page's.
        unsafe {
            let register = (&raw const (*self.boot).links[link].doorbell).read();
            (register as *mut u32).write_volatile(1);
        }
    }

    fn park(&mut self) {
        self.write(register_offset(vireo_abi::memory_map::PARK), 0);
    }

    fn tsc(&mut self) -> u64 {
        read_tsc()
    }
}
