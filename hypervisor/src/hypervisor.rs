//! The hypervisor as its user sees it: start, links, kill, restart, statistics, stop.
//!
//! Everything of the supervisor's is under one lock, which its thread holds for a turn at a time.

use crate::backend::{Backend, codes};
use crate::block::{DeviceThread, Volumes};
use crate::error::Error;
use crate::event::{Event, Reason};
use crate::launch::Message;
use crate::layout::Layout;
use crate::link::HostLink;
use crate::memory::Region;
use crate::schedule;
use crate::standby::Standbys;
use crate::stats::Stats;
use crate::supervise::node::Node;
use crate::supervise::{Pools, Supervisor};
use crate::topology::{Isolation, Spin, Topology};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vireo_abi::boot::Role;
use vireo_abi::memory_map::ANNOUNCE_SIZE;
use vireo_abi::platform::ThreadEntry;

/// The code of a role: its image for KVM, its entry for the thread backend.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it is.
    pub role: Role,
    /// A static ELF image.
    pub image: Option<&'static [u8]>,
    /// The function on a host thread.
    pub entry: Option<ThreadEntry>,
}

/// Called for each event, on the supervisor's thread: it must not block.
pub type EventHandler = Box<dyn Fn(Event) + Send>;

/// How often `wait_ready` and `stop` look.
const POLL: Duration = Duration::from_micros(200);

/// The running functions. Dropping it stops them.
pub struct Hypervisor {
    isolation: Isolation,
    tsc_hz: u64,
    supervisor: Arc<Mutex<Supervisor>>,
    wake: Sender<Message>,
    is_over: Arc<AtomicBool>,
    host_links: Vec<HostLink>,
    threads: Mutex<Threads>,
    standbys: Option<Arc<Standbys>>,
}

/// What `stop` ends, in this order.
#[derive(Default)]
struct Threads {
    supervisor: Option<JoinHandle<()>>,
    devices: Vec<DeviceThread>,
}

impl Hypervisor {
    /// Starts the functions of the topology and returns without waiting for them.
    ///
    /// # Errors
    /// If KVM is asked for and cannot be used, an image or a volume is missing or bad, or the host gives no
    /// memory or threads. What goes wrong in a function later is an event.
    pub fn start(
        topology: Topology,
        programs: Vec<Program>,
        volumes: Option<Volumes>,
        on_event: EventHandler,
    ) -> Result<Hypervisor, Error> {
        topology.check()?;
        let backend = Backend::open(topology.isolation)?;
        let codes = codes(&topology, programs, &backend)?;
        let clock = backend.clock()?;
        let (wake, messages) = channel();
        let pools = Pools {
            catalog: Arc::new(Region::new_huge(
                (topology.catalog_pool_mib as usize) << 20,
            )?),
            data: Arc::new(Region::new_huge((topology.data_pool_mib as usize) << 20)?),
            announce: Arc::new(Region::new_huge(ANNOUNCE_SIZE)?),
        };
        let mut supervisor = Supervisor::new(topology, codes, pools, clock, wake.clone());
        let mut layout = Layout::new(&mut supervisor);
        layout.add_functions()?;
        layout.add_links(volumes)?;
        let Layout {
            host_links,
            devices,
            ..
        } = layout;
        let supervisor = Arc::new(Mutex::new(supervisor));
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = supervise(supervisor.clone(), messages, on_event, is_over.clone())?;
        let threads = Mutex::new(Threads {
            supervisor: Some(thread),
            devices,
        });
        Ok(Hypervisor {
            isolation: backend.isolation,
            tsc_hz: clock.tsc_hz,
            supervisor,
            wake,
            is_over,
            host_links,
            threads,
            standbys: backend.standbys,
        })
    }

    /// Kvm or Thread: what the functions really run on.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The gateway's links, by role and instance; a second call finds none.
    pub fn take_host_links(&mut self) -> Vec<HostLink> {
        std::mem::take(&mut self.host_links)
    }

    /// Waits until every function is in its loop.
    pub fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            let late = self
                .lock()
                .nodes
                .iter()
                .find(|node| !node.is_ready())
                .map(|node| node.name.clone());
            let Some(name) = late else {
                return Ok(());
            };
            if self.is_over.load(Ordering::Acquire) {
                return Err(Error::Stopped);
            }
            if start.elapsed() > limit {
                let milliseconds = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                return Err(Error::NotReady { name, milliseconds });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Ends a function ("execute0") as a crash would; it is replaced.
    ///
    /// On the thread backend, where nothing can be cut off, it is asked to stop instead.
    pub fn kill(&self, name: &str) -> Result<(), Error> {
        self.with_function(name, |supervisor, index| {
            supervisor.cut(index, Reason::Killed)
        })
    }

    /// Asks a function to finish what it has begun, and replaces it.
    pub fn restart(&self, name: &str) -> Result<(), Error> {
        self.with_function(name, |supervisor, index| {
            supervisor.ask_to_stop(index, Reason::Restarted)
        })
    }

    /// Changes how long a function spins before it parks.
    pub fn set_spin(&self, name: &str, spin: Spin) -> Result<(), Error> {
        let ticks = spin.ticks(self.tsc_hz);
        self.with_function(name, |supervisor, index| {
            let node = &mut supervisor.nodes[index];
            node.spin_ticks = ticks;
            if let Some(running) = &node.running {
                running
                    .pages
                    .control()
                    .spin_ticks
                    .store(ticks, Ordering::Relaxed);
            }
            node.wake();
        })
    }

    /// Every function at this moment.
    pub fn stats(&self) -> Stats {
        let (functions, catalog_pool, data_pool) = {
            let supervisor = self.lock();
            let pools = (
                supervisor.catalog_pool.clone(),
                supervisor.data_pool.clone(),
            );
            (supervisor.snapshot(), pools.0, pools.1)
        };
        Stats {
            functions,
            tsc_hz: self.tsc_hz,
            catalog_pool_resident: catalog_pool.resident() as u64,
            data_pool_resident: data_pool.resident() as u64,
        }
    }

    /// Asks every function to finish, storage last, and ends them and their disks. Calling it again does
    /// nothing.
    pub fn stop(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(supervisor) = threads.supervisor.take() else {
            return;
        };
        self.lock().is_stopping = true;
        self.stop_functions(|node| node.role != Role::Storage);
        self.stop_functions(|_| true);
        self.is_over.store(true, Ordering::Release);
        // It may have ended by itself.
        let _ = self.wake.send(Message::Turn);
        if supervisor.join().is_err() {
            tracing::error!("the supervisor panicked");
        }
        threads.devices.clear();
        if let Some(standbys) = &self.standbys {
            standbys.stop();
        }
    }

    /// Asks the chosen functions to stop and waits until they have, or were cut off. A thread that does
    /// not stop is left behind.
    fn stop_functions(&self, chosen: impl Fn(&Node) -> bool) {
        let limit = {
            let mut supervisor = self.lock();
            for index in 0..supervisor.nodes.len() {
                if chosen(&supervisor.nodes[index]) {
                    supervisor.ask_to_stop(index, Reason::Stopped);
                }
            }
            Duration::from_millis(supervisor.topology.stop_ms) + Duration::from_secs(1)
        };
        let start = Instant::now();
        loop {
            let left = {
                let supervisor = self.lock();
                let left = supervisor
                    .nodes
                    .iter()
                    .find(|node| chosen(node) && node.running.is_some());
                left.map(|node| node.name.clone())
            };
            let Some(name) = left else {
                return;
            };
            if start.elapsed() > limit {
                tracing::error!(
                    function = name,
                    "a function does not stop and is left behind"
                );
                return;
            }
            let _ = self.wake.send(Message::Turn);
            std::thread::sleep(POLL);
        }
    }

    fn with_function(
        &self,
        name: &str,
        act: impl FnOnce(&mut Supervisor, usize),
    ) -> Result<(), Error> {
        if self.is_over.load(Ordering::Acquire) {
            return Err(Error::Stopped);
        }
        let mut supervisor = self.lock();
        let index = supervisor.find(name)?;
        act(&mut supervisor, index);
        drop(supervisor);
        self.wake.send(Message::Turn).map_err(|_| Error::Stopped)
    }

    fn lock(&self) -> MutexGuard<'_, Supervisor> {
        self.supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hypervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the supervisor's thread.
fn supervise(
    supervisor: Arc<Mutex<Supervisor>>,
    messages: Receiver<Message>,
    on_event: EventHandler,
    is_over: Arc<AtomicBool>,
) -> Result<JoinHandle<()>, Error> {
    let builder = std::thread::Builder::new().name("supervisor".into());
    let spawned = builder.spawn(move || {
        schedule::be_prompt();
        let lock = || supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_over.load(Ordering::Acquire) {
            let (wait, events) = {
                let mut supervisor = lock();
                (supervisor.turn(), supervisor.take_events())
            };
            events.into_iter().for_each(&on_event);
            let mut next = messages.recv_timeout(wait);
            loop {
                match next {
                    Ok(Message::Report(report)) => lock().ended(report),
                    Ok(Message::Turn) => {}
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                next = messages.try_recv().map_err(|_| RecvTimeoutError::Timeout);
            }
        }
        let last = lock().take_events();
        last.into_iter().for_each(&on_event);
    });
    spawned.map_err(|source| Error::Host {
        what: "a thread",
        source,
    })
}
