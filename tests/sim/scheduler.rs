//! Who runs next, and what goes wrong: one seed, one order.
//!
//! A step is a turn of a function that is awake, a turn of the gateway, a disk that takes requests, or one request that completes.
//! Which, the generator says; each actor has a weight that changes now and then, so that one is slow for a while. The
//! clock moves a little with each step. When nothing can run, it moves to the next timer; if there is none, something
//! was slept over.

use crate::bulk::{self, Loader, SharedBulkBooks};
use crate::check::Check;
use crate::client::{Client, Script};
use crate::copy::{self, Copier, SharedCopyBooks};
use crate::ddl::{Scribe, Shaper, SharedDdlBooks, TABLES};
use crate::device::Fault;
use crate::machine::{Machine, Place, Sizes};
use crate::random::Random;
use crate::tpcb::{Auditor, Counter, Scale, SharedLedger, Teller, setup, touch_all};
use crate::trace::Trace;
use crate::watchdog::Watchdog;
use vireo_abi::memory_map::PAGE_SIZE;

/// The data volume's place among the disks.
const DATA: usize = 1;

/// Steps that a run may take, all its phases and boots together: some ten times what the longest seeds take.
const STEPS_MAX: u64 = 600_000;

/// What a run is to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Execute functions: one alone may hold locks by itself, two may not.
    pub executes: u64,
    pub tellers: u64,
    pub transactions: u64,
    /// COPYs of each copier; batches of each loader; shapes of each table.
    pub copies: u64,
    pub batches: u64,
    pub shapes: u64,
    /// How many times what goes wrong.
    pub power_cuts: u64,
    pub kills: u64,
    pub disk_faults: u64,
    pub cancels: bool,
}

/// What a run came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    pub hash: u64,
    pub lines: u64,
    pub steps: u64,
    pub executes: u64,
    pub acknowledged: u64,
    pub retried: u64,
    pub unknown: u64,
    pub audits: u64,
    pub copies: u64,
    pub batches: u64,
    /// Tables made, truncated or dropped, and rows written into them meanwhile.
    pub shapes: u64,
    pub notes: u64,
    pub text: String,
}

/// What the clients know.
#[derive(Default)]
struct Known {
    ledger: SharedLedger,
    copies: SharedCopyBooks,
    bulk: SharedBulkBooks,
    ddl: SharedDdlBooks,
}

/// Who has a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    Function(Place),
    Gateway,
    Device(usize),
    Request(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mishap {
    PowerCut,
    /// When so many more requests of that disk are completed.
    PowerCutAfter(usize, u64),
    /// When the next superblock is written and not yet flushed: what it names must be on the disk.
    PowerCutAtSuperblock,
    Kill(Place),
    Disk(usize, Fault),
}

/// A simulation under way.
pub struct Scheduler {
    machine: Machine,
    random: Random,
    plan: Plan,
    known: Known,
    weights: Vec<(Actor, u64)>,
    steps: u64,
    /// When storage is replaced because a disk failed it.
    replaces_storage_at: Option<u64>,
    /// The disk, and the counts of its requests and superblocks at which the power is cut.
    cut_at: Option<(usize, u64, u64)>,
    watchdog: Watchdog,
}

impl Scheduler {
    pub fn new(seed: u64, plan: Plan, keeps_text: bool) -> Scheduler {
        let mut random = Random::new(seed);
        // Batches need a log that takes them, and pages for several at once.
        let (data_pool, wal, data) = if plan.batches > 0 {
            (128 << 20, 64 << 20, 160 << 20)
        } else {
            (16 << 20, 1 << 20, 16 << 20)
        };
        let sizes = Sizes {
            parses: 1,
            executes: plan.executes as usize,
            catalog_pool: 4 << 20,
            data_pool,
            wal,
            data,
        };
        let machine = Machine::new(sizes, random.fork(), Trace::new(keeps_text));
        Scheduler {
            machine,
            random,
            plan,
            known: Known::default(),
            weights: Vec::new(),
            steps: 0,
            replaces_storage_at: None,
            cut_at: None,
            watchdog: Watchdog::new(seed),
        }
    }

    /// Runs the whole plan.
    pub fn run(mut self) -> Report {
        let plan = self.plan;
        let scale = Scale {
            branches: self.random.between(1, 3),
            tellers: 10,
            accounts: 150,
            counters: 3,
        };
        self.boot(plan.power_cuts > 0);
        let tables = [setup(scale), copy::setup(), bulk::setup()];
        self.run_clients(vec![Box::new(Script::new(tables.concat()))]);
        let mut clients = self.load(scale, plan);
        let mut mishaps = self.mishaps(plan);
        loop {
            self.machine.gateway.cancels = plan.cancels;
            for client in clients.drain(..) {
                self.machine.gateway.connect(client);
            }
            let is_over = self.run_until_done_or_cut(&mut mishaps);
            self.machine.gateway.cancels = false;
            if is_over {
                break;
            }
            clients = self.machine.power_cut();
            self.boot(true);
            self.check();
        }
        self.settle();
        self.check();
        self.report()
    }

    /// Damages both superblocks of a database at rest, and waits for it to open again.
    pub fn run_with_damage(mut self) {
        self.boot(false);
        self.run_clients(vec![Box::new(Script::new(copy::setup()))]);
        self.machine.power_cut();
        for offset in [100, PAGE_SIZE + 100] {
            self.machine.devices[DATA].damage(offset);
        }
        self.boot(false);
        self.run_clients(vec![Box::new(Check::new(self.known.copies.clone()))]);
    }

    fn report(self) -> Report {
        let ledger = self.known.ledger.borrow();
        let ddl = self.known.ddl.borrow();
        Report {
            hash: self.machine.trace.hash(),
            lines: self.machine.trace.lines(),
            steps: self.steps,
            executes: self.plan.executes,
            acknowledged: ledger.acknowledged,
            retried: ledger.retried,
            unknown: ledger.unknown,
            audits: ledger.audits,
            copies: self.known.copies.borrow().acknowledged,
            batches: self.known.bulk.borrow().acknowledged,
            shapes: ddl.shaped,
            notes: ddl.acknowledged,
            text: self.machine.trace.text().to_string(),
        }
    }

    fn load(&mut self, scale: Scale, plan: Plan) -> Vec<Box<dyn Client>> {
        let mut clients: Vec<Box<dyn Client>> = Vec::new();
        for name in 0..plan.tellers as usize {
            let ledger = self.known.ledger.clone();
            clients.push(Box::new(Teller::new(
                name,
                scale,
                plan.transactions,
                ledger,
            )));
        }
        for _ in 0..2 {
            clients.push(Box::new(Counter::new(
                scale,
                plan.transactions,
                self.known.ledger.clone(),
            )));
        }
        clients.push(Box::new(Auditor::new(
            2 + plan.transactions / 10,
            self.known.ledger.clone(),
        )));
        for name in 0..2 {
            let books = self.known.copies.clone();
            clients.push(Box::new(Copier::new(name, plan.copies, books)));
        }
        if plan.batches > 0 {
            for name in 0..2 {
                let books = self.known.bulk.clone();
                clients.push(Box::new(Loader::new(name, plan.batches, books)));
            }
        }
        if plan.shapes > 0 {
            for table in 0..TABLES {
                let books = self.known.ddl.clone();
                clients.push(Box::new(Shaper::new(table, plan.shapes, books)));
            }
            for name in 0..2 {
                let books = self.known.ddl.clone();
                clients.push(Box::new(Scribe::new(name, 6 * plan.shapes, books)));
            }
        }
        clients
    }

    /// What will go wrong, in a random order.
    fn mishaps(&mut self, plan: Plan) -> Vec<Mishap> {
        let mut mishaps = Vec::new();
        for _ in 0..plan.power_cuts {
            let device = self.random.below(2) as usize;
            mishaps.push(match self.random.below(3) {
                0 => Mishap::PowerCut,
                1 => Mishap::PowerCutAfter(device, self.random.between(1, 60)),
                _ => Mishap::PowerCutAtSuperblock,
            });
        }
        for _ in 0..plan.kills {
            let places = self.machine.places();
            mishaps.push(Mishap::Kill(
                places[self.random.below(places.len() as u64) as usize],
            ));
        }
        for _ in 0..plan.disk_faults {
            let fault = match self.random.below(3) {
                0 => Fault::WriteError,
                1 => Fault::AnyError,
                _ => Fault::NoSpace(self.random.between(1, 30) as u32),
            };
            mishaps.push(Mishap::Disk(self.random.below(2) as usize, fault));
        }
        for at in (1..mishaps.len()).rev() {
            mishaps.swap(at, self.random.below(at as u64 + 1) as usize);
        }
        mishaps
    }

    /// Everything starts, in any order. `is_cut`: now and then the power goes again before it is up.
    fn boot(&mut self, is_cut: bool) {
        loop {
            self.replaces_storage_at = None;
            let mut places = self.machine.places();
            while !places.is_empty() {
                let place = places.swap_remove(self.random.below(places.len() as u64) as usize);
                self.machine.start(place);
            }
            if !is_cut || self.random.once_in(2) {
                return;
            }
            for _ in 0..self.random.below(250) {
                self.step();
            }
            let clients = self.machine.power_cut();
            assert!(clients.is_empty(), "nobody is connected yet");
        }
    }

    fn check(&mut self) {
        // Nobody holds a lock for ever; and once this is committed, so is what was on its way when its client was cut off.
        self.run_clients(vec![Box::new(Script::new(touch_all()))]);
        let known = &self.known;
        self.run_clients(vec![
            Box::new(Check::new(known.ledger.clone())),
            Box::new(Check::new(known.copies.clone())),
            Box::new(Check::new(known.bulk.clone())),
            Box::new(Check::new(known.ddl.clone())),
        ]);
    }

    /// Lets everything come back that is down.
    fn settle(&mut self) {
        for place in self.machine.places() {
            self.machine.node(place).starts_at_ns = 0;
        }
        for device in &mut self.machine.devices {
            device.fault = None;
        }
        let is_failed = self.replaces_storage_at.take().is_some();
        if is_failed && self.machine.storage.is_up() {
            self.machine.kill(Place::Storage, 0);
        }
        self.start_due();
    }

    fn run_clients(&mut self, clients: Vec<Box<dyn Client>>) {
        for client in clients {
            self.machine.gateway.connect(client);
        }
        assert!(
            self.run_until_done_or_cut(&mut Vec::new()),
            "nothing cuts the power"
        );
    }

    /// True when every client is done, false when the power is to be cut. What is left to go wrong does so in between.
    fn run_until_done_or_cut(&mut self, mishaps: &mut Vec<Mishap>) -> bool {
        let mut next_mishap = self.steps + self.random.between(50, 900);
        self.machine.gateway.wake();
        while !self.machine.gateway.is_done() {
            if self.steps >= next_mishap {
                next_mishap = self.steps + self.random.between(50, 900);
                match mishaps.pop() {
                    Some(Mishap::PowerCut) => {
                        self.cut_at = None;
                        return false;
                    }
                    Some(mishap) => self.befall(mishap),
                    None => {}
                }
            }
            self.step();
            if self.is_cut_now() {
                return false;
            }
        }
        self.cut_at = None;
        true
    }

    fn is_cut_now(&mut self) -> bool {
        let is_now = self.cut_at.is_some_and(|(device, completed, heads)| {
            let device = &self.machine.devices[device];
            device.completed >= completed || device.heads_written >= heads
        });
        if is_now {
            self.cut_at = None;
        }
        is_now
    }

    fn befall(&mut self, mishap: Mishap) {
        match mishap {
            Mishap::Kill(place) if self.machine.node(place).is_up() => {
                let soon = self.soon();
                self.machine.kill(place, soon);
            }
            Mishap::Disk(device, fault) => {
                self.machine.trace.note(
                    self.machine.now_ns,
                    format_args!("fault {device} {fault:?}"),
                );
                self.machine.devices[device].fault = Some(fault);
            }
            Mishap::PowerCutAfter(device, requests) => {
                let completed = self.machine.devices[device].completed;
                self.cut_at = Some((device, completed + requests, u64::MAX));
            }
            Mishap::PowerCutAtSuperblock => {
                let heads = self.machine.devices[DATA].heads_written;
                self.cut_at = Some((DATA, u64::MAX, heads + 1));
            }
            Mishap::PowerCut | Mishap::Kill(_) => {}
        }
    }

    fn soon(&mut self) -> u64 {
        self.machine.now_ns + self.random.between(10_000, 20_000_000)
    }

    fn step(&mut self) {
        self.steps += 1;
        assert!(
            self.steps <= STEPS_MAX,
            "no end in sight after {STEPS_MAX} steps:{}",
            self.machine.gateway.waiting()
        );
        self.machine.now_ns += self.random.below(20_000);
        if self.random.once_in(500) {
            self.machine.now_ns += self.random.below(20_000_000);
        }
        self.start_due();
        if self.weights.is_empty() || self.random.once_in(300) {
            self.weigh();
        }
        if self
            .machine
            .gateway
            .next_timer_ns()
            .is_some_and(|timer| timer <= self.machine.now_ns)
        {
            self.machine.gateway.wake();
        }
        let actor = self.pick();
        self.watchdog.begin(self.steps, actor);
        match actor {
            Some(actor) => self.act(actor),
            None => self.skip_time(),
        }
    }

    /// Starts what is due, and replaces a storage that a disk failed.
    fn start_due(&mut self) {
        if self
            .replaces_storage_at
            .is_some_and(|at| at <= self.machine.now_ns)
        {
            self.replaces_storage_at = None;
            if self.machine.storage.is_up() {
                let soon = self.soon();
                self.machine.kill(Place::Storage, soon);
            }
        }
        for place in self.machine.places() {
            let now_ns = self.machine.now_ns;
            let node = self.machine.node(place);
            if !node.is_up() && node.starts_at_ns <= now_ns {
                self.machine.start(place);
            }
        }
    }

    fn weigh(&mut self) {
        let mut actors: Vec<Actor> = self
            .machine
            .places()
            .into_iter()
            .map(Actor::Function)
            .collect();
        actors.push(Actor::Gateway);
        actors.extend((0..2).flat_map(|n| [Actor::Device(n), Actor::Request(n)]));
        let random = &mut self.random;
        self.weights = actors
            .into_iter()
            .map(|actor| {
                (
                    actor,
                    if random.once_in(6) {
                        1
                    } else {
                        random.between(5, 20)
                    },
                )
            })
            .collect();
    }

    fn can_act(&mut self, actor: Actor) -> bool {
        match actor {
            Actor::Function(place) => self.machine.node(place).is_awake(),
            Actor::Gateway => !self.machine.gateway.is_asleep,
            Actor::Device(n) => !self.machine.devices[n].is_asleep,
            Actor::Request(n) => self.machine.devices[n].in_flight() > 0,
        }
    }

    fn pick(&mut self) -> Option<Actor> {
        let mut able = Vec::with_capacity(self.weights.len());
        for index in 0..self.weights.len() {
            let (actor, weight) = self.weights[index];
            if self.can_act(actor) {
                able.push((actor, weight));
            }
        }
        let total: u64 = able.iter().map(|(_, weight)| weight).sum();
        if total == 0 {
            return None;
        }
        let mut at = self.random.below(total);
        for (actor, weight) in able {
            if at < weight {
                return Some(actor);
            }
            at -= weight;
        }
        None
    }

    fn act(&mut self, actor: Actor) {
        let worked = match actor {
            Actor::Function(place) => self.machine.turn(place),
            Actor::Gateway => self.machine.gateway_turn(),
            Actor::Device(n) => self.machine.devices[n].turn(),
            Actor::Request(n) => {
                self.machine.complete(n);
                if self.machine.devices[n].has_failed && self.replaces_storage_at.is_none() {
                    self.replaces_storage_at = Some(self.soon());
                }
                true
            }
        };
        // Who found nothing spins on for a while, or sleeps.
        if !worked && !self.random.once_in(4) {
            match actor {
                Actor::Function(place) => self.machine.node(place).sleep(),
                Actor::Gateway => self.machine.gateway.sleep(),
                Actor::Device(n) => {
                    let device = &mut self.machine.devices[n];
                    device.is_asleep = device.prepare_sleep();
                }
                Actor::Request(_) => {}
            }
        }
    }

    /// Nothing can run: the clock moves to the next thing that time brings.
    fn skip_time(&mut self) {
        let mut timers: Vec<u64> = self.machine.gateway.next_timer_ns().into_iter().collect();
        timers.extend(self.replaces_storage_at);
        for place in self.machine.places() {
            let node = self.machine.node(place);
            if !node.is_up() {
                timers.push(node.starts_at_ns);
            }
        }
        let Some(next) = timers.into_iter().min() else {
            // Nobody is connected while the machine boots.
            let gateway = &self.machine.gateway;
            let waiting = gateway.waiting();
            assert!(
                gateway.is_done(),
                "everything sleeps, and nobody will wake it:{waiting}"
            );
            return;
        };
        self.machine.now_ns = self.machine.now_ns.max(next);
    }
}
