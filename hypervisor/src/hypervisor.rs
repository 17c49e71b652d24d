//! The hypervisor as its user sees it: start, links, kill, restart, statistics, stop.
//!
//! Everything of the supervisor's is under one lock, which its thread holds for a turn at a time.

use crate::block::{DeviceThread, Disk, Volumes};
use crate::cut;
use crate::error::{Error, host};
use crate::event::{Event, Reason};
use crate::image::Image;
use crate::kvm::{Kvm, host_cpu_features};
use crate::launch::{Code, Report};
use crate::link::{HostEnd, HostLink};
use crate::memory::Region;
use crate::spare::Spares;
use crate::stats::Stats;
use crate::supervise::links::{Link, Place};
use crate::supervise::node::Node;
use crate::supervise::{ClockSource, Pools, Supervisor, tsc};
use crate::topology::{Isolation, Spin, Topology};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vireo_abi::boot::{Peer, Role};
use vireo_abi::memory_map::{
    ANNOUNCE_SIZE, EXECUTE_ANNOUNCE_PAGE, LINK_SIZE, PAGE_SIZE, PARSE_ANNOUNCE_PAGE,
};
use vireo_abi::platform::ThreadEntry;
use vmm_sys_util::eventfd::EventFd;

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
    spares: Option<Arc<Spares>>,
}

/// What `stop` ends, in this order.
#[derive(Default)]
struct Threads {
    supervisor: Option<JoinHandle<()>>,
    devices: Vec<DeviceThread>,
}

/// What wakes the supervisor.
enum Message {
    Report(Report),
    /// Look again.
    Turn,
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
        let (reports, reported) = channel();
        forward(reported, wake.clone())?;
        let pools = Pools {
            catalog: Arc::new(Region::new_huge(
                (topology.catalog_pool_mib as usize) << 20,
            )?),
            data: Arc::new(Region::new_huge((topology.data_pool_mib as usize) << 20)?),
            announce: Arc::new(Region::new_huge(ANNOUNCE_SIZE)?),
        };
        let spare_vms = topology.spare_vms as usize;
        let mut supervisor = Supervisor::new(topology, codes, pools, clock, reports);
        let mut builder = Builder {
            supervisor: &mut supervisor,
            host_links: Vec::new(),
            devices: Vec::new(),
        };
        builder.add_functions()?;
        builder.add_links(volumes)?;
        let Builder {
            host_links,
            devices,
            ..
        } = builder;
        let supervisor = Arc::new(Mutex::new(supervisor));
        let is_over = Arc::new(AtomicBool::new(false));
        let spares = backend.spares;
        let thread = supervise(
            supervisor.clone(),
            messages,
            on_event,
            is_over.clone(),
            spares.clone().map(|spares| (spares, spare_vms)),
        )?;
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
            spares,
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
        if let Some(spares) = &self.spares {
            spares.stop();
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

/// What functions run on.
struct Backend {
    isolation: Isolation,
    kvm: Option<Arc<Kvm>>,
    spares: Option<Arc<Spares>>,
}

impl Backend {
    fn open(isolation: Isolation) -> Result<Backend, Error> {
        let thread = Backend {
            isolation: Isolation::Thread,
            kvm: None,
            spares: None,
        };
        if isolation == Isolation::Thread {
            return Ok(thread);
        }
        match Kvm::open() {
            Ok(kvm) => {
                cut::install_handler()?;
                let kvm = Arc::new(kvm);
                let spares = Spares::new(kvm.clone())?;
                Ok(Backend {
                    isolation: Isolation::Kvm,
                    kvm: Some(kvm),
                    spares: Some(spares),
                })
            }
            Err(error) if isolation == Isolation::Auto => {
                tracing::warn!(%error, "functions run on host threads, without isolation");
                Ok(thread)
            }
            Err(error) => Err(error),
        }
    }

    fn clock(&self) -> Result<ClockSource, Error> {
        if let (Some(kvm), Some(spares)) = (&self.kvm, &self.spares) {
            let bare = spares.take(kvm)?;
            let tsc_hz = bare.tsc_hz()?;
            spares.give_back(bare);
            return Ok(ClockSource {
                tsc_hz,
                cpu_features: kvm.cpu_features,
            });
        }
        Ok(ClockSource {
            tsc_hz: measure_tsc(),
            cpu_features: host_cpu_features(),
        })
    }
}

/// TSC ticks a second, measured against the monotonic clock.
fn measure_tsc() -> u64 {
    let (start, start_ticks) = (Instant::now(), tsc());
    std::thread::sleep(Duration::from_millis(10));
    let (elapsed, ticks) = (start.elapsed(), tsc().wrapping_sub(start_ticks));
    let hz = u128::from(ticks) * 1_000_000_000 / elapsed.as_nanos().max(1);
    u64::try_from(hz).unwrap_or(1_000_000_000)
}

fn codes(
    topology: &Topology,
    programs: Vec<Program>,
    backend: &Backend,
) -> Result<HashMap<Role, Code>, Error> {
    let mut codes = HashMap::new();
    for role in [Role::Parse, Role::Execute, Role::Storage, Role::Echo] {
        if topology.spec(role).instances == 0 {
            continue;
        }
        let missing = |what| Error::NoProgram {
            what,
            role: role.name(),
        };
        let program = programs.iter().find(|program| program.role == role);
        let program = program.ok_or_else(|| missing("program"))?;
        let code = match (&backend.kvm, &backend.spares) {
            (Some(kvm), Some(spares)) => {
                let bytes = program.image.ok_or_else(|| missing("image"))?;
                let image = Arc::new(Image::load(role, bytes)?);
                Code::Kvm {
                    image,
                    kvm: kvm.clone(),
                    spares: spares.clone(),
                }
            }
            _ => Code::Thread {
                entry: program.entry.ok_or_else(|| missing("thread entry"))?,
            },
        };
        codes.insert(role, code);
    }
    Ok(codes)
}

/// Hands the functions' reports to the supervisor's one queue.
fn forward(reported: Receiver<Report>, wake: Sender<Message>) -> Result<(), Error> {
    let builder = std::thread::Builder::new().name("reports".into());
    let spawned = builder.spawn(move || {
        while let Ok(report) = reported.recv() {
            if wake.send(Message::Report(report)).is_err() {
                return;
            }
        }
    });
    spawned.map(drop).map_err(|source| Error::Host {
        what: "a thread",
        source,
    })
}

/// Starts the supervisor's thread.
fn supervise(
    supervisor: Arc<Mutex<Supervisor>>,
    messages: Receiver<Message>,
    on_event: EventHandler,
    is_over: Arc<AtomicBool>,
    spares: Option<(Arc<Spares>, usize)>,
) -> Result<JoinHandle<()>, Error> {
    let builder = std::thread::Builder::new().name("supervisor".into());
    let spawned = builder.spawn(move || {
        let lock = || supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        while !is_over.load(Ordering::Acquire) {
            let (wait, events, is_up) = {
                let mut supervisor = lock();
                let wait = supervisor.turn();
                let is_up = supervisor.nodes.iter().all(Node::is_ready);
                (wait, supervisor.take_events(), is_up)
            };
            events.into_iter().for_each(&on_event);
            // Spares are made when nobody waits for a processor to start on.
            if is_up && let Some((spares, count)) = &spares {
                spares.keep(*count);
            }
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

/// Lays out functions and links.
struct Builder<'a> {
    supervisor: &'a mut Supervisor,
    host_links: Vec<HostLink>,
    devices: Vec<DeviceThread>,
}

impl Builder<'_> {
    fn add_functions(&mut self) -> Result<(), Error> {
        for role in [Role::Parse, Role::Execute, Role::Echo, Role::Storage] {
            let spec = self.supervisor.topology.spec(role).clone();
            for instance in 0..spec.instances {
                let core = spec
                    .cores
                    .get(instance as usize % spec.cores.len().max(1))
                    .copied();
                let doorbell = EventFd::new(0).map_err(|_| host("an eventfd"))?;
                let spin_ticks = spec.spin_us.ticks(self.supervisor.clock.tsc_hz);
                let heap_size = (spec.heap_mib as usize) << 20;
                let mut node = Node::new(
                    role,
                    instance,
                    core,
                    heap_size,
                    spin_ticks,
                    Arc::new(doorbell),
                );
                let first_page = match role {
                    Role::Parse => Some(PARSE_ANNOUNCE_PAGE),
                    Role::Execute => Some(EXECUTE_ANNOUNCE_PAGE),
                    Role::Storage | Role::Echo => None,
                };
                node.announce = first_page.map(|first| {
                    let offset = (first + instance as usize) * PAGE_SIZE;
                    (self.supervisor.announce.clone(), offset)
                });
                self.supervisor.nodes.push(node);
            }
        }
        Ok(())
    }

    fn add_links(&mut self, volumes: Option<Volumes>) -> Result<(), Error> {
        let storage = self
            .supervisor
            .nodes
            .iter()
            .position(|node| node.role == Role::Storage);
        for index in 0..self.supervisor.nodes.len() {
            match self.supervisor.nodes[index].role {
                Role::Parse | Role::Echo => self.add_gateway_link(index)?,
                Role::Execute => {
                    self.add_gateway_link(index)?;
                    let storage = storage.ok_or(Error::NoVolumes)?;
                    self.add_function_link(index, storage)?;
                }
                Role::Storage => {}
            }
        }
        let Some(storage) = storage else {
            return Ok(());
        };
        let Volumes { wal, data } = volumes.ok_or(Error::NoVolumes)?;
        self.add_block_link(storage, "wal", Peer::WalDevice, wal)?;
        self.add_block_link(storage, "data", Peer::DataDevice, data)
    }

    fn add_gateway_link(&mut self, index: usize) -> Result<(), Error> {
        let end = Arc::new(HostEnd::new()?);
        let area = Arc::new(Region::new_huge(LINK_SIZE)?);
        let node = &self.supervisor.nodes[index];
        let (role, instance) = (node.role, node.instance);
        let link = HostLink::new(role, instance, area.clone(), end.clone(), &node.doorbell)?;
        self.host_links.push(link);
        let name = format!("gateway-{}", node.name);
        let driver = Place::Host {
            end,
            peer: Peer::Gateway,
            capacity: 0,
        };
        let device = Place::Function {
            node: index,
            index: node.links.len(),
        };
        self.push(Link::new(name, area, driver, device));
        Ok(())
    }

    fn add_function_link(&mut self, driver: usize, device: usize) -> Result<(), Error> {
        let area = Arc::new(Region::new_huge(LINK_SIZE)?);
        let nodes = &self.supervisor.nodes;
        let name = format!("{}-{}", nodes[driver].name, nodes[device].name);
        let place = |node: usize| Place::Function {
            node,
            index: nodes[node].links.len(),
        };
        let link = Link::new(name, area, place(driver), place(device));
        self.push(link);
        Ok(())
    }

    fn add_block_link(
        &mut self,
        storage: usize,
        name: &'static str,
        peer: Peer,
        disk: Box<dyn Disk>,
    ) -> Result<(), Error> {
        let end = Arc::new(HostEnd::new()?);
        let area = Arc::new(Region::new_huge(LINK_SIZE)?);
        let capacity = disk.capacity();
        let node = &self.supervisor.nodes[storage];
        let device = DeviceThread::start(name, disk, area.clone(), end.clone(), &node.doorbell)?;
        self.devices.push(device);
        let link_name = format!("{}-{name}", node.name);
        let driver = Place::Function {
            node: storage,
            index: node.links.len(),
        };
        let device = Place::Host {
            end,
            peer,
            capacity,
        };
        self.push(Link::new(link_name, area, driver, device));
        Ok(())
    }

    /// Adds the link, and its ends to their functions.
    fn push(&mut self, link: Link) {
        let number = self.supervisor.links.len();
        for (place, is_driver) in [(&link.driver, true), (&link.device, false)] {
            if let Place::Function { node, .. } = place {
                self.supervisor.nodes[*node].links.push((number, is_driver));
            }
        }
        self.supervisor.links.push(link);
    }
}
