//! The life of a vCPU: one thread, one loop, from the entry to the function's end.
//!
//! ```text
//!  enter ──► guest ──► MMIO write to PARK ──► wait for the function's own doorbell ──► enter
//!                 ├──► MMIO write to EXIT ──► Exit::Code
//!                 ├──► any other MMIO      ──► Exit::Violation
//!                 ├──► shutdown            ──► Exit::Fault
//!                 ├──► signal              ──► Exit::Cut if asked for, else enter
//!                 └──► anything else       ──► Exit::Internal
//! ```
//!
//! Doorbells of links do not come here: the kernel turns them into eventfd writes.
//!
//! Invariants:
//! 1. A vCPU is run by one thread only, and that thread makes nothing else.
//! 2. When the loop has returned, the function does not run any more and its memory changes no more.

use crate::cut::Cut;
use crate::vm::{DOORBELLS_PHYSICAL, Vm};
use kvm_ioctls::VcpuExit;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use vireo_abi::boot::State;
use vireo_abi::memory_map::{DOORBELLS, EXIT, PAGE_SIZE, PARK};
use vmm_sys_util::eventfd::EventFd;

/// How a run ended. Addresses are RIP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// The function wrote an exit code.
    Code(u32),
    /// An exception, with CR2.
    Fault { rip: u64, cr2: u64 },
    /// An access that its memory slots forbid.
    Violation {
        rip: u64,
        address: u64,
        is_write: bool,
    },
    /// KVM gave up, or the processor state was refused.
    Internal { rip: u64, detail: String },
    /// Cut off as asked.
    Cut { rip: u64 },
    /// A function on a thread unwound.
    Unwound { message: String },
}

/// What a function's thread counts; it alone writes.
#[derive(Default, Debug)]
pub(crate) struct Counters {
    pub(crate) runs: AtomicU64,
    pub(crate) exits_park: AtomicU64,
    pub(crate) exits_interrupted: AtomicU64,
    pub(crate) exits_other: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// What one return from the guest asks for.
enum Next {
    Park,
    Enter,
    End(Exit),
}

/// Runs the function until it ends.
pub(crate) fn run(vm: &mut Vm, doorbell: &EventFd, cut: &Cut, counters: &Counters) -> Exit {
    cut.arm(&raw mut vm.vcpu.get_kvm_run().immediate_exit);
    let exit = loop {
        if cut.is_requested() {
            break Exit::Cut { rip: rip(vm) };
        }
        count(&counters.runs);
        match enter(vm, counters) {
            Next::Enter => {}
            Next::Park => wait(doorbell),
            Next::End(exit) => break exit,
        }
    };
    cut.disarm();
    exit
}

/// Runs a function that was asked to hold until it does. False if it ends, or parks for another reason.
pub(crate) fn run_until_held(vm: &mut Vm, cut: &Cut, counters: &Counters) -> bool {
    cut.arm(&raw mut vm.vcpu.get_kvm_run().immediate_exit);
    let holds = loop {
        if cut.is_requested() {
            break false;
        }
        match enter(vm, counters) {
            Next::Enter => {}
            Next::Park => break vm.pages.state() == Some(State::Held),
            Next::End(_) => break false,
        }
    };
    cut.disarm();
    holds
}

fn enter(vm: &mut Vm, counters: &Counters) -> Next {
    let exit = match vm.vcpu.run() {
        Ok(exit) => exit,
        Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => {
            count(&counters.exits_interrupted);
            return Next::Enter;
        }
        Err(error) => {
            count(&counters.exits_other);
            let detail = format!("KVM_RUN: {error}");
            return Next::End(Exit::Internal {
                rip: rip(vm),
                detail,
            });
        }
    };
    let (address, is_write) = match exit {
        VcpuExit::MmioWrite(PARK_PHYSICAL, _) => {
            count(&counters.exits_park);
            return Next::Park;
        }
        VcpuExit::MmioWrite(EXIT_PHYSICAL, data) => {
            count(&counters.exits_other);
            let mut code = [0; 4];
            let length = data.len().min(4);
            code[..length].copy_from_slice(&data[..length]);
            return Next::End(Exit::Code(u32::from_le_bytes(code)));
        }
        VcpuExit::MmioWrite(address, _) => (address, true),
        VcpuExit::MmioRead(address, _) => (address, false),
        VcpuExit::Shutdown => {
            count(&counters.exits_other);
            let cr2 = vm.vcpu.get_sregs().map_or(0, |system| system.cr2);
            return Next::End(Exit::Fault { rip: rip(vm), cr2 });
        }
        other => {
            count(&counters.exits_other);
            let detail = format!("{other:?}");
            return Next::End(Exit::Internal {
                rip: rip(vm),
                detail,
            });
        }
    };
    count(&counters.exits_other);
    let address = virtual_address(address);
    Next::End(Exit::Violation {
        rip: rip(vm),
        address,
        is_write,
    })
}

const PARK_PHYSICAL: u64 = DOORBELLS_PHYSICAL + (PARK - DOORBELLS);
const EXIT_PHYSICAL: u64 = DOORBELLS_PHYSICAL + (EXIT - DOORBELLS);

/// The address that the function used: all that can exit is mapped at its physical address but for the
/// doorbells and the image's text, which is at the fixed distance that `vm` gives it.
fn virtual_address(physical: u64) -> u64 {
    if (DOORBELLS_PHYSICAL..DOORBELLS_PHYSICAL + PAGE_SIZE as u64).contains(&physical) {
        physical - DOORBELLS_PHYSICAL + DOORBELLS
    } else {
        physical
    }
}

fn rip(vm: &Vm) -> u64 {
    vm.vcpu.get_regs().map_or(0, |registers| registers.rip)
}

/// Sleeps until the doorbell rings or a signal comes; either way the function looks again.
pub(crate) fn wait(doorbell: &EventFd) {
    if let Err(error) = doorbell.read()
        && error.kind() != io::ErrorKind::Interrupted
    {
        tracing::error!(%error, "a function cannot wait");
    }
}
