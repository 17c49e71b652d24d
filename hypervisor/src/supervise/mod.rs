//! The supervisor: starts functions, sees how each ends, tells its peers and replaces it.
//!
//! ```text
//!             start ──► Booting ──► Ready ◄──► Parked
//!               ▲           │          │
//!               │           └────┬─────┘  crash, runaway, kill, restart, broken link
//!               │                ▼
//!               └──────────── ended ──► links down, memory dropped, reason told
//! ```
//!
//! One thread turns over all of it: every [`Supervisor::turn`] looks at each function and link and does what
//! can be done now. Nothing in it waits.
//!
//! When storage ends, the pools are worthless: the executes let go of them (they acknowledge that their storage
//! link is down), the parse functions, which read the catalog pool and have no such link, are restarted, the pools are
//! zeroed, and storage starts again from its volumes.
//!
//! Invariants:
//! 1. A function's memory, its pools' and its links' are reused or dropped only after its thread has
//!    reported its end.
//! 2. The pools are zeroed only when no function that maps them can hold anything of them, and storage
//!    and parse functions start only after that.
//! 3. A function that lies in its status page harms itself: what it says decides when its own links come
//!    up, and when it is replaced.
//!
//! Failure: what cannot be started is tried again, each time later, up to a second.

pub(crate) mod links;
pub(crate) mod node;
mod snapshot;
mod start;

use crate::error::Error;
use crate::event::{CodeAddress, Event, Reason};
use crate::image::Image;
use crate::launch::{Code, Message, Report};
use crate::memory::Region;
use crate::topology::Topology;
use crate::vcpu::Exit;
use crate::vm::Vm;
use links::{Link, Place, Progress};
use node::Node;
pub(crate) use start::{ClockSource, tsc};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use vireo_abi::boot::{Role, State};
use vireo_abi::memory_map::PAGE_SIZE;
use vireo_abi::platform::exit_code;

/// How soon to look again while something is under way, while that takes long, and else.
const SOON: Duration = Duration::from_micros(50);
const LATER: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_millis(20);
/// How long something may be under way before it takes long, and before it seems to wait for somebody.
const LONG: Duration = Duration::from_millis(20);
const STALLED: Duration = Duration::from_secs(1);
/// How long after the start the first standbys are made: the first statements have the cores for themselves, and who
/// ends before needs none.
const SETTLED: Duration = Duration::from_millis(100);
/// Machines that wait to be taken apart; more are taken apart even while functions start.
const ENDED_MAX: usize = 8;
const CLOCK_PERIOD: Duration = Duration::from_millis(500);

/// What the supervisor knows.
pub(crate) struct Supervisor {
    pub(crate) topology: Topology,
    pub(crate) codes: HashMap<Role, Code>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
    pub(crate) catalog_pool: Arc<Region>,
    pub(crate) data_pool: Arc<Region>,
    pub(crate) announce: Arc<Region>,
    pub(crate) clock: ClockSource,
    /// Wakes this supervisor: what functions' threads report to.
    pub(crate) messages: Sender<Message>,
    pub(crate) is_stopping: bool,
    made: Instant,
    /// Storage ended, and its pools are not zero yet.
    pools_are_stale: bool,
    /// Since when something is under way, or since something new is.
    moving_since: Option<Instant>,
    clock_written: Instant,
    events: Vec<Event>,
    /// Machines to take apart.
    ended: Vec<Vm>,
}

/// The memory that functions share.
pub(crate) struct Pools {
    pub(crate) catalog: Arc<Region>,
    pub(crate) data: Arc<Region>,
    pub(crate) announce: Arc<Region>,
}

impl Supervisor {
    pub(crate) fn new(
        topology: Topology,
        codes: HashMap<Role, Code>,
        pools: Pools,
        clock: ClockSource,
        messages: Sender<Message>,
    ) -> Supervisor {
        Supervisor {
            topology,
            codes,
            nodes: Vec::new(),
            links: Vec::new(),
            catalog_pool: pools.catalog,
            data_pool: pools.data,
            announce: pools.announce,
            clock,
            messages,
            is_stopping: false,
            made: Instant::now(),
            pools_are_stale: false,
            moving_since: None,
            clock_written: Instant::now(),
            events: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Does all that can be done now, and says when to look again.
    pub(crate) fn turn(&mut self) -> Duration {
        let mut is_moving = false;
        self.write_clock();
        for index in 0..self.nodes.len() {
            is_moving |= self.look_at(index);
        }
        self.replace_faulty();
        is_moving |= self.clear_pools();
        is_moving |= self.advance_links();
        is_moving |= self.start_functions();
        // A link of what was just started can move at once.
        is_moving |= self.advance_links();
        if self.nodes.iter().all(Node::is_ready) || self.ended.len() > ENDED_MAX {
            self.prepare();
        }
        if !is_moving {
            self.moving_since = None;
            return IDLE;
        }
        let since = *self.moving_since.get_or_insert_with(Instant::now);
        match since.elapsed() {
            elapsed if elapsed < LONG => SOON,
            elapsed if elapsed < STALLED => LATER,
            _ => IDLE,
        }
    }

    /// What there is to tell.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The function of this name.
    pub(crate) fn find(&self, name: &str) -> Result<usize, Error> {
        let found = self.nodes.iter().position(|node| node.name == name);
        found.ok_or_else(|| Error::NoFunction {
            name: name.to_owned(),
        })
    }

    /// Ends a function without its help.
    pub(crate) fn cut(&mut self, index: usize, reason: Reason) {
        self.moving_since = None;
        self.nodes[index].cut(reason);
        self.take_links_down(index);
    }

    /// Asks a function to finish, and ends it if it does not.
    pub(crate) fn ask_to_stop(&mut self, index: usize, reason: Reason) {
        let limit = Duration::from_millis(self.topology.stop_ms);
        self.nodes[index].ask_to_stop(reason, limit);
    }

    /// A function's thread has ended.
    pub(crate) fn ended(&mut self, report: Report) {
        let Report {
            node: index,
            generation,
            result,
            machine,
        } = report;
        self.ended.extend(machine);
        self.moving_since = None;
        if self.nodes[index].generation != generation {
            return;
        }
        self.nodes[index].drain_log();
        let Some(running) = self.nodes[index].running.take() else {
            return;
        };
        let role = self.nodes[index].role;
        let decided = running.ending.map(|ending| ending.reason);
        let reason = match result {
            Ok(exit) => self.reason(role, exit, decided, || running.pages.panic_message()),
            Err(error) => Reason::StartFailed {
                error: error.to_string(),
            },
        };
        let node = &mut self.nodes[index];
        if reason.is_crash() {
            tracing::error!(function = node.name, %reason, "a function crashed");
        } else {
            tracing::info!(function = node.name, %reason, "a function ended");
        }
        node.note_end(reason.clone(), running.started.elapsed());
        if let Some((announce, offset)) = &node.announce {
            announce.clear(*offset, PAGE_SIZE);
        }
        let instance = node.instance;
        self.events.push(Event::FunctionDown {
            role,
            instance,
            reason,
        });
        self.take_links_down(index);
        if role == Role::Storage && !self.is_stopping {
            self.pools_are_stale = true;
            for parse in self.of_role(Role::Parse) {
                self.cut(parse, Reason::StorageRestarted);
            }
        }
    }

    /// What ended a function, of how its thread came back and what was decided about it.
    fn reason(
        &self,
        role: Role,
        exit: Exit,
        decided: Option<Reason>,
        panic_message: impl FnOnce() -> String,
    ) -> Reason {
        let locate = |address| self.locate(role, address);
        match exit {
            Exit::Fault { rip, cr2 } => Reason::Fault {
                at: locate(rip),
                cr2,
            },
            Exit::Violation {
                rip,
                address,
                is_write,
            } => Reason::IsolationViolation {
                at: locate(rip),
                address,
                is_write,
            },
            Exit::Internal { rip, detail } => Reason::InternalError {
                at: locate(rip),
                detail,
            },
            Exit::Unwound { message } => {
                let written = panic_message();
                Reason::Panicked {
                    message: if written.is_empty() { message } else { written },
                }
            }
            Exit::Code(exit_code::PANICKED) => Reason::Panicked {
                message: panic_message(),
            },
            Exit::Code(exit_code::STOPPED) if decided.is_some() => {
                decided.expect("the guard looked")
            }
            Exit::Code(code) => Reason::Exited { code },
            Exit::Cut { rip } => match decided {
                Some(Reason::Runaway { milliseconds, .. }) => Reason::Runaway {
                    at: locate(rip),
                    milliseconds,
                },
                Some(reason) => reason,
                None => Reason::Killed,
            },
        }
    }

    fn locate(&self, role: Role, address: u64) -> CodeAddress {
        match self.codes.get(&role) {
            Some(Code::Kvm { image, .. }) => Image::locate(image, address),
            _ => CodeAddress {
                address,
                symbol: None,
            },
        }
    }

    /// Looks at one function. True while it is booting or ending.
    fn look_at(&mut self, index: usize) -> bool {
        let limit = Duration::from_millis(self.topology.runaway_ms);
        let node = &mut self.nodes[index];
        node.drain_log();
        if let Some(spent) = node.runaway(limit) {
            let milliseconds = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
            let reason = Reason::Runaway {
                at: CodeAddress::default(),
                milliseconds,
            };
            self.cut(index, reason);
            return true;
        }
        let Some(running) = &mut node.running else {
            return false;
        };
        if let Some(ending) = &running.ending {
            if ending.cut_at.is_some_and(|at| Instant::now() >= at) {
                let reason = Reason::Unresponsive {
                    what: "it did not stop in time",
                };
                self.cut(index, reason);
            }
            return true;
        }
        if running.is_ready {
            return false;
        }
        if matches!(running.pages.state(), Some(State::Ready | State::Parked)) {
            running.is_ready = true;
            node.boot_us = u64::try_from(running.started.elapsed().as_micros()).unwrap_or(u64::MAX);
            let (role, instance, restarts) = (node.role, node.instance, node.restarts);
            let boot_us = node.boot_us;
            tracing::info!(function = node.name, restarts, boot_us, "a function is up");
            self.events.push(Event::FunctionUp {
                role,
                instance,
                restarts,
                boot_us,
            });
        }
        true
    }

    fn replace_faulty(&mut self) {
        for link in 0..self.links.len() {
            if let Some(index) = self.links[link].faulty(&self.nodes)
                && self.nodes[index].is_alive()
            {
                let reason = Reason::LinkFault {
                    link: self.links[link].name.clone(),
                };
                self.cut(index, reason);
            }
        }
    }

    /// Zeroes the pools when nobody holds anything of them. True while somebody does.
    fn clear_pools(&mut self) -> bool {
        if !self.pools_are_stale {
            return false;
        }
        let holds = |index: usize, node: &Node| match node.role {
            Role::Storage | Role::Parse => node.running.is_some(),
            Role::Execute => node.running.is_some() && !self.has_let_go_of_storage(index),
            Role::Echo | Role::Ping => false,
        };
        if self
            .nodes
            .iter()
            .enumerate()
            .any(|(index, node)| holds(index, node))
        {
            return true;
        }
        for pool in [&self.catalog_pool, &self.data_pool] {
            if let Err(error) = pool.discard(0, pool.size()) {
                tracing::error!(%error, "a pool cannot be given back, it is cleared");
                pool.clear(0, pool.size());
            }
        }
        self.pools_are_stale = false;
        false
    }

    fn has_let_go_of_storage(&self, index: usize) -> bool {
        let links = self.nodes[index].links.iter();
        let mut to_storage = links.filter(|(link, is_driver)| {
            let other = self.links[*link].other(*is_driver);
            matches!(other, Place::Function { node, .. } if self.nodes[*node].role == Role::Storage)
        });
        to_storage.all(|(link, _)| self.links[*link].has_let_go(index, &self.nodes))
    }

    fn advance_links(&mut self) -> bool {
        let limit = Duration::from_millis(self.topology.acknowledge_ms);
        let mut is_moving = false;
        for link in 0..self.links.len() {
            match self.links[link].advance(&self.nodes, limit) {
                Progress::Settled => {}
                Progress::Moving => is_moving = true,
                Progress::Unresponsive(index) => {
                    is_moving = true;
                    let reason = Reason::Unresponsive {
                        what: "it holds on to a link that is down",
                    };
                    self.cut(index, reason);
                }
            }
        }
        is_moving
    }

    fn take_links_down(&mut self, index: usize) {
        for at in 0..self.nodes[index].links.len() {
            let (link, _) = self.nodes[index].links[at];
            self.links[link].take_down(&self.nodes);
        }
    }

    /// Starts what is due. True if something is or will be.
    fn start_functions(&mut self) -> bool {
        if self.is_stopping {
            return false;
        }
        let mut is_moving = false;
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            let waits_for_pools =
                self.pools_are_stale && matches!(node.role, Role::Storage | Role::Parse);
            if node.running.is_some() || waits_for_pools || Instant::now() < node.start_at {
                continue;
            }
            is_moving = true;
            if let Err(error) = self.start(index) {
                let reason = Reason::StartFailed {
                    error: error.to_string(),
                };
                let node = &mut self.nodes[index];
                tracing::error!(function = node.name, %reason, "a function cannot be started");
                node.note_end(reason, Duration::ZERO);
            }
        }
        is_moving
    }

    /// What is done when every function is up: taking machines apart, and having standbys made.
    fn prepare(&mut self) {
        let standbys = self.codes.values().find_map(|code| match code {
            Code::Kvm { standbys, .. } => Some(standbys.clone()),
            Code::Thread { .. } => None,
        });
        let Some(standbys) = standbys else {
            return;
        };
        if !self.ended.is_empty() {
            standbys.bury(std::mem::take(&mut self.ended));
        }
        let is_settled = self.made.elapsed() >= SETTLED;
        if self.is_stopping || !self.topology.standbys || !is_settled {
            return;
        }
        for index in 0..self.nodes.len() {
            if self.nodes[index].is_ready() && standbys.lacks(index) {
                match self.recipe(index) {
                    Ok(Some(recipe)) => standbys.order(recipe),
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "no standby"),
                }
            }
        }
    }

    fn of_role(&self, role: Role) -> Vec<usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(|(_, node)| node.role == role)
            .map(|(index, _)| index)
            .collect()
    }

    fn write_clock(&mut self) {
        if self.clock_written.elapsed() < CLOCK_PERIOD {
            return;
        }
        self.clock_written = Instant::now();
        for running in self.nodes.iter().filter_map(|node| node.running.as_ref()) {
            self.clock.write(running.pages.control());
        }
    }
}
