//! The thread of a function: makes its machine, runs it to its end, and says how it ended.
//!
//! Invariants:
//! 1. The report is sent after the function has run its last instruction, and exactly once.
//! 2. The machine is taken apart after the report: whoever waits for the function need not wait for that.

use crate::cut::Cut;
use crate::error::Error;
use crate::image::Image;
use crate::kvm::Kvm;
use crate::pages::Pages;
use crate::spare::Spares;
use crate::thread;
use crate::vcpu::{self, Counters, Exit};
use crate::vm::{SharedArea, Vm};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::Sender;
use vireo_abi::platform::ThreadEntry;
use vmm_sys_util::eventfd::EventFd;

/// How a function's code is run.
#[derive(Clone)]
pub(crate) enum Code {
    /// In a VM.
    Kvm {
        image: Arc<Image>,
        kvm: Arc<Kvm>,
        spares: Arc<Spares>,
    },
    /// On a thread.
    Thread { entry: ThreadEntry },
}

/// What a function's thread needs.
pub(crate) struct Launch {
    pub(crate) name: String,
    pub(crate) code: Code,
    pub(crate) pages: Pages,
    pub(crate) shared: Vec<SharedArea>,
    pub(crate) doorbell: Arc<EventFd>,
    /// The eventfd of each link's peer.
    pub(crate) peers: Vec<EventFd>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) core: Option<usize>,
    pub(crate) node: usize,
    pub(crate) generation: u64,
    pub(crate) reports: Sender<Report>,
}

/// How a function ended.
pub(crate) struct Report {
    pub(crate) node: usize,
    pub(crate) generation: u64,
    pub(crate) result: Result<Exit, Error>,
}

/// A function's thread, seen from outside.
pub(crate) struct FunctionThread {
    /// The host's thread id; 0 before it runs and after it ended.
    pub(crate) id: Arc<AtomicI32>,
    pub(crate) cut: Arc<Cut>,
}

/// Starts the thread.
pub(crate) fn start(launch: Launch) -> Result<FunctionThread, Error> {
    let id = Arc::new(AtomicI32::new(0));
    let cut = Arc::new(Cut::default());
    let (thread_id, thread_cut) = (id.clone(), cut.clone());
    let builder = std::thread::Builder::new().name(launch.name.clone());
    let spawned = builder.spawn(move || {
        // SAFETY: gettid has no preconditions.
        thread_id.store(unsafe { libc::gettid() }, Ordering::Release);
        run(launch, &thread_cut, &thread_id);
    });
    // Nobody joins it: its report is its end, and what it holds it drops itself.
    spawned.map_err(|source| Error::Host {
        what: "a thread",
        source,
    })?;
    Ok(FunctionThread { id, cut })
}

fn run(launch: Launch, cut: &Cut, id: &AtomicI32) {
    let Launch {
        code,
        pages,
        shared,
        doorbell,
        peers,
        counters,
        ..
    } = launch;
    if let Some(core) = launch.core {
        pin(core);
    }
    let mut machine = None;
    let result = match code {
        Code::Thread { entry } => Ok(thread::run(entry, &pages, &doorbell, &peers, &counters)),
        Code::Kvm { image, kvm, spares } => {
            let vm = spares
                .take(&kvm)
                .and_then(|bare| Vm::new(bare, image, pages, shared, &peers));
            vm.map(|vm| vcpu::run(machine.insert(vm), &doorbell, cut, &counters))
        }
    };
    id.store(0, Ordering::Release);
    let report = Report {
        node: launch.node,
        generation: launch.generation,
        result,
    };
    // A supervisor that is gone waits for no report.
    let _ = launch.reports.send(report);
    drop(machine);
}

/// Pins the calling thread. A core that does not exist is worth a warning, not a failure.
fn pin(core: usize) {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if core < libc::CPU_SETSIZE as usize {
        // SAFETY: the core is inside the set.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: a valid set of its own size, for the calling thread.
    if unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) } != 0 {
        tracing::warn!(core, error = %std::io::Error::last_os_error(), "cannot pin");
    }
}
