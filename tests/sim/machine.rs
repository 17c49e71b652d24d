//! The machine: functions, links, pools and disks, and what the hypervisor does when one of them ends.
//!
//! ```text
//!   gateway ──┬── parse 0 ..          links: the left end is the driver
//!             └── execute 0 .. ────── storage ──┬── wal
//!                                               └── data
//! ```
//!
//! The rules are the supervisor's: an ended function's links go down at their other ends at once; a link's memory is zeroed when
//! both ends are gone and comes up when both live, the driver's end first; when storage ends, the executes let go of
//! the pools, the parse functions end too, the pools are zeroed, and then storage and parse start again.

use crate::device::Device;
use crate::gateway::Gateway;
use crate::link::{Edge, Link};
use crate::memory::Area;
use crate::node::Node;
use crate::random::Random;
use crate::trace::Trace;
use vireo_abi::link::Side;
use vireo_abi::memory_map::{ANNOUNCE_SIZE, EXECUTE_ANNOUNCE_PAGE, PAGE_SIZE, PARSE_ANNOUNCE_PAGE};
use vireo_execute::ExecuteFunction;
use vireo_parse::ParseFunction;
use vireo_runtime::{Peer, Port, Region, Role, Start};
use vireo_storage_function::StorageFunction;

/// Sizes of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub parses: usize,
    pub executes: usize,
    pub catalog_pool: usize,
    pub data_pool: usize,
    pub wal: usize,
    pub data: usize,
}

/// A function's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Parse(usize),
    Execute(usize),
    Storage,
}

/// The port numbers of an execute function.
const TO_GATEWAY: usize = 0;
const TO_STORAGE: usize = 1;

/// The machine. Functions and ends come before the memory that they use, so that they are dropped first.
pub struct Machine {
    pub parses: Vec<Node>,
    pub executes: Vec<Node>,
    pub storage: Node,
    pub gateway: Gateway,
    pub devices: [Device; 2],
    pub now_ns: u64,
    pub trace: Trace,
    pub random: Random,
    parse_links: Vec<Link>,
    execute_links: Vec<Link>,
    storage_links: Vec<Link>,
    catalog: Area,
    data: Area,
    announce: Area,
}

impl Machine {
    /// A machine with everything down.
    pub fn new(sizes: Sizes, mut random: Random, trace: Trace) -> Machine {
        let nodes = |count: usize, name: &str| -> Vec<Node> {
            (0..count)
                .map(|n| Node::new(format!("{name}-{n}")))
                .collect()
        };
        let links = |count: usize, from: &str, to: &str, edge: Edge| -> Vec<Link> {
            (0..count)
                .map(|n| Link::new(format!("{from}-{to}-{n}"), edge))
                .collect()
        };
        Machine {
            parses: nodes(sizes.parses, "parse"),
            executes: nodes(sizes.executes, "execute"),
            storage: Node::new("storage".to_string()),
            gateway: Gateway::new(sizes.parses, sizes.executes, random.fork()),
            devices: [
                Device::new("wal", sizes.wal),
                Device::new("data", sizes.data),
            ],
            now_ns: 0,
            trace,
            random,
            parse_links: links(sizes.parses, "gateway", "parse", Edge::GatewayParse),
            execute_links: links(sizes.executes, "gateway", "execute", Edge::GatewayExecute),
            storage_links: links(sizes.executes, "storage", "execute", Edge::ExecuteStorage),
            catalog: Area::new(sizes.catalog_pool),
            data: Area::new(sizes.data_pool),
            announce: Area::new(ANNOUNCE_SIZE),
        }
    }

    pub fn node(&mut self, place: Place) -> &mut Node {
        match place {
            Place::Parse(n) => &mut self.parses[n],
            Place::Execute(n) => &mut self.executes[n],
            Place::Storage => &mut self.storage,
        }
    }

    /// Every place of a function.
    pub fn places(&self) -> Vec<Place> {
        let parses = (0..self.parses.len()).map(Place::Parse);
        let executes = (0..self.executes.len()).map(Place::Execute);
        parses.chain(executes).chain([Place::Storage]).collect()
    }

    fn start_page(&mut self, place: Place) -> Start {
        let restarts = self.node(place).restarts;
        let seed = std::array::from_fn(|_| self.random.next());
        let (role, instance, announce) = match place {
            Place::Parse(n) => (Role::Parse, n, self.announce.page(PARSE_ANNOUNCE_PAGE + n)),
            Place::Execute(n) => (
                Role::Execute,
                n,
                self.announce.page(EXECUTE_ANNOUNCE_PAGE + n),
            ),
            Place::Storage => (Role::Storage, 0, self.announce.region()),
        };
        Start {
            role,
            instance: instance as u32,
            restarts,
            seed,
            catalog_pool: self.catalog.region(),
            data_pool: if role == Role::Parse {
                Region::NONE
            } else {
                self.data.region()
            },
            announce,
        }
    }

    /// Starts a function that is down, and brings up what links it can have.
    pub fn start(&mut self, place: Place) {
        let now_ns = self.now_ns;
        let start = self.start_page(place);
        self.trace.note(now_ns, format_args!("start {place:?}"));
        match place {
            Place::Parse(n) => {
                self.gateway
                    .parse_up(n, self.parse_links[n].end(Side::Driver));
                let end = self.parse_links[n].end(Side::Device);
                let ports = vec![Port::new(Peer::Gateway, 0, Some(end))];
                self.parses[n].start::<ParseFunction>(&start, ports, [None, None], now_ns);
            }
            Place::Execute(n) => {
                self.gateway
                    .execute_up(n, self.execute_links[n].end(Side::Driver));
                let end = self.execute_links[n].end(Side::Device);
                let ports = vec![
                    Port::new(Peer::Gateway, 0, Some(end)),
                    Port::new(Peer::Storage, 0, None),
                ];
                self.executes[n].start::<ExecuteFunction>(&start, ports, [None, None], now_ns);
                self.connect_storage(n);
            }
            Place::Storage => {
                let count = self.executes.len() as u32;
                let ports = (0..count)
                    .map(|n| Port::new(Peer::Execute, n, None))
                    .collect();
                let [wal, data] = &mut self.devices;
                let block = [Some(wal.connect()), Some(data.connect())];
                self.storage
                    .start::<StorageFunction>(&start, ports, block, now_ns);
                for n in 0..self.executes.len() {
                    self.connect_storage(n);
                }
            }
        }
        self.gateway.wake();
    }

    fn connect_storage(&mut self, n: usize) {
        if self.executes[n].is_up() && self.storage.is_up() {
            let link = &self.storage_links[n];
            self.executes[n].link_up(TO_STORAGE, link.end(Side::Driver), self.now_ns);
            self.storage.link_up(n, link.end(Side::Device), self.now_ns);
            self.after_turn(Place::Execute(n));
            self.after_turn(Place::Storage);
        }
    }

    /// Ends a function that is up, wherever it is; it starts again at `starts_at_ns`.
    pub fn kill(&mut self, place: Place, starts_at_ns: u64) {
        let now_ns = self.now_ns;
        self.trace.note(now_ns, format_args!("kill {place:?}"));
        self.node(place).kill();
        self.node(place).starts_at_ns = starts_at_ns;
        match place {
            Place::Parse(n) => {
                self.gateway.parse_down(n);
                self.parse_links[n].clear();
                self.announce
                    .clear((PARSE_ANNOUNCE_PAGE + n) * PAGE_SIZE, PAGE_SIZE);
            }
            Place::Execute(n) => {
                self.gateway.execute_down(n, now_ns);
                self.announce
                    .clear((EXECUTE_ANNOUNCE_PAGE + n) * PAGE_SIZE, PAGE_SIZE);
                self.storage.link_down(n, now_ns);
                if self.storage.is_up() {
                    self.after_turn(Place::Storage);
                }
                self.execute_links[n].clear();
                self.storage_links[n].clear();
            }
            Place::Storage => self.storage_ended(starts_at_ns),
        }
        self.gateway.wake();
    }

    fn storage_ended(&mut self, starts_at_ns: u64) {
        for device in &mut self.devices {
            device.disconnect(&mut self.random);
        }
        for n in 0..self.executes.len() {
            if self.executes[n].is_up() {
                self.executes[n].link_down(TO_STORAGE, self.now_ns);
                self.after_turn(Place::Execute(n));
            }
            self.storage_links[n].clear();
        }
        for n in 0..self.parses.len() {
            if self.parses[n].is_up() {
                self.kill(Place::Parse(n), starts_at_ns);
            }
        }
        self.catalog.clear_all();
        self.data.clear_all();
    }

    /// The power goes: nothing is left but what the disks kept. Everything is down then, the clients are cut off.
    pub fn power_cut(&mut self) -> Vec<Box<dyn crate::client::Client>> {
        self.trace.note(self.now_ns, format_args!("power cut"));
        let clients = self.gateway.cut_off();
        for place in self.places() {
            if self.node(place).is_up() {
                self.node(place).kill();
            }
        }
        let (parses, executes) = (self.parses.len(), self.executes.len());
        self.gateway = Gateway::new(parses, executes, self.random.fork());
        for device in &mut self.devices {
            device.power_cut(&mut self.random);
        }
        let links = [
            &mut self.parse_links,
            &mut self.execute_links,
            &mut self.storage_links,
        ];
        links.into_iter().flatten().for_each(Link::clear);
        for area in [&mut self.catalog, &mut self.data, &mut self.announce] {
            area.clear_all();
        }
        clients
    }

    /// A function's turn. True if it worked.
    pub fn turn(&mut self, place: Place) -> bool {
        let now_ns = self.now_ns;
        let may_fail = place == Place::Storage && self.devices.iter().any(|disk| disk.has_failed);
        let node = match place {
            Place::Parse(n) => &mut self.parses[n],
            Place::Execute(n) => &mut self.executes[n],
            Place::Storage => &mut self.storage,
        };
        let worked = node.turn(now_ns, may_fail, &mut self.trace);
        self.after_turn(place);
        worked
    }

    /// Sees what a function sent, and rings for it.
    fn after_turn(&mut self, place: Place) {
        let (now_ns, trace) = (self.now_ns, &mut self.trace);
        match place {
            Place::Parse(n) => {
                self.parse_links[n].observe(now_ns, trace);
                if self.parses[n].io().ports[TO_GATEWAY].take_kick() {
                    self.gateway.wake();
                }
            }
            Place::Execute(n) => {
                self.execute_links[n].observe(now_ns, trace);
                self.storage_links[n].observe(now_ns, trace);
                let io = self.executes[n].io();
                let rings_storage = io.ports[TO_STORAGE].take_kick();
                if io.ports[TO_GATEWAY].take_kick() {
                    self.gateway.wake();
                }
                if rings_storage {
                    self.storage.wake();
                }
            }
            Place::Storage => {
                for n in 0..self.executes.len() {
                    self.storage_links[n].observe(now_ns, trace);
                    if self.storage.io().ports[n].take_kick() {
                        self.executes[n].wake();
                    }
                }
                for (index, device) in self.devices.iter_mut().enumerate() {
                    device.observe();
                    let block = self.storage.io().block[index].as_mut();
                    if block.expect("storage has its disks").take_kick() {
                        device.woke();
                    }
                }
            }
        }
    }

    /// The gateway's turn. True if it worked.
    pub fn gateway_turn(&mut self) -> bool {
        let worked = self.gateway.turn(self.now_ns);
        self.after_gateway();
        worked
    }

    fn after_gateway(&mut self) {
        let (now_ns, trace) = (self.now_ns, &mut self.trace);
        for (n, link) in self.parse_links.iter_mut().enumerate() {
            link.observe(now_ns, trace);
            let end = self.gateway.parses[n].end.as_mut();
            if end.is_some_and(|end| end.take_kick()) {
                self.parses[n].wake();
            }
        }
        for (n, link) in self.execute_links.iter_mut().enumerate() {
            link.observe(now_ns, trace);
            let end = self.gateway.executes[n].end.as_mut();
            if end.is_some_and(|end| end.take_kick()) {
                self.executes[n].wake();
            }
        }
    }

    /// Completes a request of a disk.
    pub fn complete(&mut self, device: usize) {
        let device = &mut self.devices[device];
        if device.complete(&mut self.random, self.now_ns, &mut self.trace) {
            self.storage.wake();
        }
    }
}
