//! The thread of a function: makes its machine, runs it to its end, and says how it ended.
//!
//! Invariants:
//! 1. The report is sent after the function has run its last instruction, and exactly once.
//! 2. The machine goes with the report: taking it apart takes time and locks that a start needs.

use crate::cut::Cut;
use crate::error::Error;
use crate::image::Image;
use crate::kvm::Kvm;
use crate::pages::Pages;
use crate::schedule;
use crate::standby::Standbys;
use crate::thread;
use crate::vcpu::{self, Counters, Exit};
use crate::vm::{BareVm, SharedArea, Vm};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::Sender;
use vireo_abi::memory_map::{STACK, STACK_END};
use vireo_abi::platform::ThreadEntry;
use vmm_sys_util::eventfd::EventFd;

/// How a function's code is run.
#[derive(Clone)]
pub(crate) enum Code {
    /// In a VM.
    Kvm {
        image: Arc<Image>,
        kvm: Arc<Kvm>,
        standbys: Arc<Standbys>,
    },
    /// On a thread.
    Thread { entry: ThreadEntry },
}

/// What a function's thread needs.
pub(crate) struct Launch {
    pub(crate) name: String,
    pub(crate) code: Code,
    /// A machine made ahead, for KVM.
    pub(crate) standby: Option<Vm>,
    pub(crate) pages: Pages,
    pub(crate) shared: Vec<SharedArea>,
    pub(crate) doorbell: Arc<EventFd>,
    /// The eventfd of each link's peer.
    pub(crate) peers: Vec<EventFd>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) core: Option<usize>,
    pub(crate) node: usize,
    pub(crate) generation: u64,
    pub(crate) supervisor: Sender<Message>,
}

/// How a function ended.
pub(crate) struct Report {
    pub(crate) node: usize,
    pub(crate) generation: u64,
    pub(crate) result: Result<Exit, Error>,
    /// The machine, to be taken apart when there is time.
    pub(crate) machine: Option<Vm>,
}

/// What wakes the supervisor.
pub(crate) enum Message {
    /// A function ended.
    Report(Report),
    /// Look again.
    Turn,
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
    // On the thread backend the function runs on this very stack: as much as it has in a VM.
    let builder = std::thread::Builder::new()
        .name(launch.name.clone())
        .stack_size((STACK_END - STACK) as usize);
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
        standby,
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
    schedule::be_ordinary();
    let mut machine = None;
    let result = match code {
        Code::Thread { entry } => {
            // Nobody else holds what the function can reach: here it is held until the entry has returned.
            let exit = thread::run(entry, &pages, &doorbell, &peers, &counters);
            drop(shared);
            Ok(exit)
        }
        Code::Kvm {
            image,
            kvm,
            standbys,
        } => {
            let made = standby.map_or_else(
                || {
                    let bare = standbys.take_bare().map_or_else(|| BareVm::new(&kvm), Ok)?;
                    Vm::new(bare, image, pages, shared, &peers)
                },
                Ok,
            );
            made.map(|vm| vcpu::run(machine.insert(vm), &doorbell, cut, &counters))
        }
    };
    id.store(0, Ordering::Release);
    let report = Report {
        node: launch.node,
        generation: launch.generation,
        result,
        machine,
    };
    // A supervisor that is gone waits for no report.
    let _ = launch.supervisor.send(Message::Report(report));
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
