//! The loop of a function: poll, ring, spin, park.
//!
//! ```text
//!          ┌────────────────────────── worked ───────────────────────────┐
//!          v                                                             │
//!   epochs, clock ──> turn ──> doorbells ──> idle for spin_ticks? ── no ─┘
//!          ^                                        │ yes
//!          │                             ask every peer to ring
//!          │                                        │
//!          └── tell them not to ring <── park <── nothing came meanwhile
//! ```
//!
//! Invariants:
//! 1. Between asking the peers to ring and parking, every end is looked at once more
//!    (`prepare_sleep`), and so are the control page's epochs and its stop. What comes later
//!    rings, and a ring before the park makes the park return at once: no wakeup is lost.
//! 2. An epoch is acknowledged after the function has acted on it, never before.
//! 3. The loop allocates nothing but the ends of links that come up.
//!
//! Failure: a link that breaks is reported in `status.link_fault` and stays down until its epoch
//! changes. A boot page that makes no sense is refused with an exit code; the log says why.

use crate::block::VirtioBlock;
use crate::clock::{Clock, Stopwatch};
use crate::function::{Function, Region, Start};
use crate::io::Io;
use crate::log::Log;
use crate::memory;
use crate::platform::Platform;
use crate::port::Port;
use crate::status::{Status, add};
use crate::turn::turn;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use vireo_abi::boot::{
    Area, BOOT_MAGIC, BOOT_VERSION, BootPage, ControlPage, LinkEntry, Peer, Role, State,
};
use vireo_abi::link::{Link, Side};
use vireo_abi::log_ring::{Level, Writer};
use vireo_abi::memory_map::LINKS_MAX;
use vireo_abi::platform::exit_code;
use vireo_abi::ring::SharedMemory;
use vireo_abi::spin::Spin;

/// Worked turns between two publications of the counters.
const PUBLISH_TURNS: u64 = 32;
/// Idle turns after which the counters are published, once; parking publishes them too.
const PUBLISH_IDLE_TURNS: u32 = 1000;
/// What parking and being rung takes, as a part of a second (20 us): so much of a parked wait is not the work's delay.
const WAKES_PER_SECOND: u64 = 50_000;

/// Runs the function of a boot page until it is asked to stop, and returns its exit code.
///
/// # Safety
/// `boot` is a page that the hypervisor has filled in: it, and every area it names, is mapped
/// with the rights [`vireo_abi::memory_map`] gives it until this returns, nobody but the peers
/// and the hypervisor touches them, and this is the only function that runs on them.
pub unsafe fn run<F: Function, P: Platform>(boot: *const BootPage, mut platform: P) -> u32 {
    // SAFETY: the caller's promise.
    let (magic, version) = unsafe {
        (
            (&raw const (*boot).magic).read(),
            (&raw const (*boot).version).read(),
        )
    };
    if magic != BOOT_MAGIC || version != BOOT_VERSION {
        return exit_code::BOOT_REFUSED;
    }
    // SAFETY: the caller's promise; magic and version say that this is the layout. Of this copy,
    // only what no clone changes is used before the hold ends.
    let page = unsafe { boot.read() };
    // SAFETY: the caller's promise: the areas are the pages that they are named for.
    let (log, control, status) = unsafe {
        (
            Writer::new(page.log.address as *mut u8, page.log.size as usize),
            &*(page.control.address as *const ControlPage),
            Status::new(page.status.address as *mut _),
        )
    };
    let log = log.map_or(Log::Discard, Log::ring);
    hold(control, &status, &mut platform);
    // SAFETY: as above. Read again: a clone's identity is written while it is held.
    let page = unsafe { boot.read() };
    // SAFETY: the caller's promise.
    match unsafe { Loop::new(page, control, status, platform, log) } {
        Some(mut poll_loop) => poll_loop.run::<F>(),
        None => exit_code::BOOT_REFUSED,
    }
}

fn hold(control: &ControlPage, status: &Status, platform: &mut impl Platform) {
    // Acquire pairs with the hypervisor's Release store, after it wrote the identity.
    while control.hold.load(Ordering::Acquire) != 0 {
        status.set_state(State::Held);
        platform.park();
        status.set_state(State::Booting);
    }
}

/// Where a link of the boot page ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Port(usize),
    Block(usize),
}

struct LinkState {
    entry: LinkEntry,
    end: End,
    /// The last epoch acted on.
    epoch: u32,
}

struct Loop<'a, P> {
    page: BootPage,
    role: Role,
    control: &'a ControlPage,
    status: Status,
    platform: P,
    clock: Clock,
    io: Io,
    links: Vec<LinkState>,
    /// When the spinning without work began.
    idle_since: Option<u64>,
    idle_turns: u32,
    spin: Spin,
    turns_worked: u64,
}

impl<'a, P: Platform> Loop<'a, P> {
    /// None, with the reason in the log, if the boot page makes no sense.
    ///
    /// # Safety
    /// As [`run`]'s, for the page's areas.
    unsafe fn new(
        page: BootPage,
        control: &'a ControlPage,
        status: Status,
        mut platform: P,
        log: Log,
    ) -> Option<Loop<'a, P>> {
        let mut io = Io::new(Vec::new(), [None, None], log);
        let refuse = |io: &mut Io, what: &str| {
            io.log(Level::Error, format_args!("boot page refused: {what}"));
        };
        let Some(role) = Role::from_code(page.role) else {
            refuse(&mut io, "unknown role");
            return None;
        };
        let count = page.link_count as usize;
        if count > LINKS_MAX || page.tsc_hz == 0 {
            refuse(&mut io, "too many links or no TSC frequency");
            return None;
        }
        let mut links = Vec::with_capacity(count);
        for entry in &page.links[..count] {
            let Some(end) = add_end(&mut io, entry) else {
                refuse(&mut io, "a link's peer or size");
                return None;
            };
            links.push(LinkState {
                entry: *entry,
                end,
                // Odd: down, whatever the control page says first.
                epoch: u32::MAX,
            });
        }
        let clock = Clock::new(page.tsc_hz, platform.tsc());
        io.set_stopwatch(Stopwatch::new(page.tsc_hz, platform.counter()));
        Some(Loop {
            page,
            role,
            control,
            status,
            platform,
            clock,
            io,
            links,
            idle_since: None,
            idle_turns: 0,
            spin: Spin::new(),
            turns_worked: 0,
        })
    }

    fn run<F: Function>(&mut self) -> u32 {
        self.read_clock();
        for link in 0..self.links.len() {
            let epoch = self.epoch(link);
            if is_up(epoch) {
                self.bring_up(link, epoch);
            }
            self.links[link].epoch = epoch;
        }
        let start = self.start();
        let mut function = F::new(&start, &mut self.io);
        for link in 0..self.links.len() {
            self.status.acknowledge(link, self.links[link].epoch);
        }
        self.status.set_state(State::Ready);
        loop {
            let now = self.read_clock();
            if self.control.stop.load(Ordering::Acquire) != 0 {
                self.io.set_stopping();
            }
            let worked = self.follow_epochs(&mut function) | self.turn(&mut function);
            self.ring_doorbells();
            add(self.status.heartbeat(), 1);
            if worked {
                self.count_work(now);
                continue;
            }
            if self.io.is_stopping() && function.is_finished() && self.is_drained() {
                self.publish_counters();
                self.status.set_state(State::Stopped);
                return exit_code::STOPPED;
            }
            self.idle(now);
        }
    }

    fn start(&self) -> Start {
        let region = |area: &Area| Region {
            start: area.address as *mut u8,
            size: area.size as usize,
        };
        Start {
            role: self.role,
            instance: self.page.instance,
            restarts: self.page.restarts,
            seed: self.page.seed,
            catalog_pool: region(&self.page.catalog_pool),
            data_pool: region(&self.page.data_pool),
            announce: region(&self.page.announce),
        }
    }

    fn read_clock(&mut self) -> u64 {
        let now = self.platform.tsc();
        let (monotonic_ns, unix_us) = self.clock.read(self.control, now);
        self.io.set_clock(unix_us, monotonic_ns);
        now
    }

    fn epoch(&self, link: usize) -> u32 {
        // Acquire pairs with the hypervisor's Release store: the link's memory is clear when an
        // even number is seen.
        self.control.link_epoch[link].load(Ordering::Acquire)
    }

    /// Acts on links that went down or came up. True if there were any.
    fn follow_epochs<F: Function>(&mut self, function: &mut F) -> bool {
        let mut changed = false;
        for link in 0..self.links.len() {
            let epoch = self.epoch(link);
            if epoch == self.links[link].epoch {
                continue;
            }
            changed = true;
            self.take_down(link, function);
            if is_up(epoch)
                && self.bring_up(link, epoch)
                && let End::Port(port) = self.links[link].end
            {
                function.link_up(port, &mut self.io);
            }
            self.links[link].epoch = epoch;
            self.status.acknowledge(link, epoch);
        }
        changed
    }

    fn take_down<F: Function>(&mut self, link: usize, function: &mut F) {
        match self.links[link].end {
            End::Port(port) => {
                if self.io.ports[port].is_up() {
                    self.io.ports[port].set_end(None);
                    function.link_down(port, &mut self.io);
                }
            }
            End::Block(device) => self.io.block[device] = None,
        }
    }

    /// Makes the link's end. False, and the fault is reported, if that is impossible.
    fn bring_up(&mut self, link: usize, epoch: u32) -> bool {
        let LinkState { entry, end, .. } = &self.links[link];
        let (start, size) = (entry.area.address as *mut u8, entry.area.size as usize);
        // SAFETY: the boot page names the area (`run`'s promise); an even epoch says that its
        // memory is clear and this function's end is the only one on this side: the one before
        // was dropped in `take_down`.
        let memory = unsafe { SharedMemory::new(start, size) };
        let failed = match *end {
            End::Port(port) => {
                let side = match entry.is_driver {
                    0 => Side::Device,
                    _ => Side::Driver,
                };
                match Link::new(memory, side) {
                    Ok(made) => {
                        self.io.ports[port].set_end(Some(made));
                        false
                    }
                    Err(error) => {
                        let message = format_args!("link {link} cannot come up: {error}");
                        self.io.log(Level::Error, message);
                        true
                    }
                }
            }
            End::Block(device) => match VirtioBlock::new(memory, entry.capacity) {
                Ok(made) => {
                    self.io.block[device] = Some(made);
                    false
                }
                Err(error) => {
                    let message = format_args!("block device {link} cannot come up: {error}");
                    self.io.log(Level::Error, message);
                    true
                }
            },
        };
        if failed {
            self.status.report_fault(link, epoch);
        }
        !failed
    }

    fn turn<F: Function>(&mut self, function: &mut F) -> bool {
        let turn = turn(function, &mut self.io);
        if turn.broken_ports != 0 {
            self.report_broken_ports(turn.broken_ports);
        }
        for device in 0..self.io.block.len() {
            if let Some(block) = &mut self.io.block[device]
                && let Some(error) = block.take_failure()
            {
                self.report_broken_block(device, &error);
            }
        }
        turn.worked
    }

    #[cold]
    fn report_broken_ports(&mut self, broken: u64) {
        for (index, link) in self.links.iter().enumerate() {
            if matches!(link.end, End::Port(port) if broken >> port & 1 != 0) {
                self.status.report_fault(index, link.epoch);
            }
        }
    }

    #[cold]
    fn report_broken_block(&mut self, broken: usize, error: &vireo_abi::block::BlockError) {
        self.io.log(
            Level::Error,
            format_args!("block device {broken} is broken: {error}"),
        );
        for (index, link) in self.links.iter().enumerate() {
            if matches!(link.end, End::Block(device) if device == broken) {
                self.status.report_fault(index, link.epoch);
            }
        }
    }

    fn ring_doorbells(&mut self) {
        for (index, link) in self.links.iter().enumerate() {
            let kick = match link.end {
                End::Port(port) => self.io.ports[port].take_kick(),
                End::Block(device) => self.io.block[device]
                    .as_mut()
                    .is_some_and(VirtioBlock::take_kick),
            };
            if kick {
                self.platform.ring(index);
                add(&self.status.link(index).doorbells, 1);
            }
        }
    }

    fn count_work(&mut self, now: u64) {
        if let Some(since) = self.idle_since.take() {
            add(self.status.spin_ticks(), now.saturating_sub(since));
            self.spin.ended(true);
            self.idle_turns = 0;
        }
        self.turns_worked += 1;
        add(self.status.turns_worked(), 1);
        if self.turns_worked.is_multiple_of(PUBLISH_TURNS) {
            self.publish_counters();
        }
    }

    /// Spins on, or parks when the budget is used up or spinning does not pay.
    fn idle(&mut self, now: u64) {
        let since = *self.idle_since.get_or_insert(now);
        let budget = self.control.spin_ticks.load(Ordering::Relaxed);
        let spun = now.saturating_sub(since);
        if spun < budget && (self.spin.pays() || budget == u64::MAX) {
            self.idle_turns = self.idle_turns.saturating_add(1);
            if self.idle_turns == PUBLISH_IDLE_TURNS {
                self.publish_counters();
            }
            core::hint::spin_loop();
            return;
        }
        add(self.status.spin_ticks(), spun);
        self.publish_counters();
        if self.prepare_sleep() {
            self.status.set_state(State::Parked);
            let parked = self.platform.tsc();
            self.platform.park();
            let woken = self.platform.tsc();
            self.status.set_state(State::Ready);
            add(self.status.parks(), 1);
            add(self.status.park_ticks(), woken.saturating_sub(parked));
            let wake = self.page.tsc_hz / WAKES_PER_SECOND;
            let waited = woken.saturating_sub(since).saturating_sub(wake);
            self.spin.ended(waited < budget);
        }
        for port in &mut self.io.ports {
            port.woke();
        }
        for block in self.io.block.iter_mut().flatten() {
            block.woke();
        }
        self.idle_since = None;
        self.idle_turns = 0;
    }

    /// Asks every peer to ring. True: nothing came meanwhile.
    fn prepare_sleep(&mut self) -> bool {
        let mut quiet = true;
        for port in &mut self.io.ports {
            quiet &= port.prepare_sleep();
        }
        for block in self.io.block.iter_mut().flatten() {
            quiet &= block.prepare_sleep();
        }
        let stop = self.control.stop.load(Ordering::Acquire) != 0;
        quiet
            && stop == self.io.is_stopping()
            && (0..self.links.len()).all(|link| self.epoch(link) == self.links[link].epoch)
    }

    fn is_drained(&self) -> bool {
        self.io.ports.iter().all(Port::is_drained)
    }

    fn publish_counters(&mut self) {
        let status = &self.status;
        status
            .requests()
            .store(self.io.requests(), Ordering::Relaxed);
        status
            .heap_used()
            .store(memory::used() as u64, Ordering::Relaxed);
        status
            .heap_peak()
            .store(memory::peak() as u64, Ordering::Relaxed);
        for (index, link) in self.links.iter().enumerate() {
            let (sent, received, depth) = match link.end {
                End::Port(port) => {
                    let port = &self.io.ports[port];
                    (port.sent(), port.received(), port.depth())
                }
                End::Block(device) => match &self.io.block[device] {
                    Some(block) => (block.sent(), block.received(), block.depth()),
                    None => continue,
                },
            };
            let counters = status.link(index);
            counters.sent.store(sent, Ordering::Relaxed);
            counters.received.store(received, Ordering::Relaxed);
            counters.depth.store(depth, Ordering::Relaxed);
        }
    }
}

fn is_up(epoch: u32) -> bool {
    epoch.is_multiple_of(2)
}

/// A place in `io` for the end of a link: down at first. None if the entry makes no sense.
fn add_end(io: &mut Io, entry: &LinkEntry) -> Option<End> {
    let peer = Peer::from_code(entry.peer)?;
    if entry.area.size < vireo_abi::memory_map::LINK_SIZE as u64 {
        return None;
    }
    Some(match peer {
        Peer::WalDevice => End::Block(0),
        Peer::DataDevice => End::Block(1),
        _ => {
            io.ports.push(Port::new(peer, entry.instance, None));
            End::Port(io.ports.len() - 1)
        }
    })
}

#[cfg(test)]
mod tests;
