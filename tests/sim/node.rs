//! A function in its surroundings: what the poll loop is to it, with the scheduler as the processor.
//!
//! Like the poll loop, a node whose turn found nothing may ask its peers to ring and sleep; then it runs again only when
//! one did. So a message that is slept over stops the simulation, which is an error.

use crate::trace::Trace;
use vireo_abi::link::Link as LinkEnd;

use vireo_runtime::{Function, Io, Level, Log, Port, Start, VirtioBlock, turn};

/// Unix time at the simulation's beginning, in microseconds: 2026-01-01.
const EPOCH_US: i64 = 1_767_225_600_000_000;

/// A function that runs, whichever it is.
pub trait Running {
    /// One turn: whether it worked.
    fn turn(&mut self, now_ns: u64) -> bool;
    fn io(&mut self) -> &mut Io;
    fn link_down(&mut self, port: usize, now_ns: u64);
    fn link_up(&mut self, port: usize, end: LinkEnd, now_ns: u64);
}

struct Instance<F> {
    function: F,
    io: Io,
}

impl<F: Function> Running for Instance<F> {
    fn turn(&mut self, now_ns: u64) -> bool {
        set_clock(&mut self.io, now_ns);
        let turn = turn(&mut self.function, &mut self.io);
        assert!(
            turn.broken_ports == 0,
            "a link broke: {:?}",
            self.io.take_log_lines()
        );
        for block in self.io.block.iter_mut().flatten() {
            if let Some(error) = block.take_failure() {
                panic!("a block link broke: {error}");
            }
        }
        turn.worked
    }

    fn io(&mut self) -> &mut Io {
        &mut self.io
    }

    fn link_down(&mut self, port: usize, now_ns: u64) {
        set_clock(&mut self.io, now_ns);
        self.io.ports[port].set_end(None);
        self.function.link_down(port, &mut self.io);
    }

    fn link_up(&mut self, port: usize, end: LinkEnd, now_ns: u64) {
        set_clock(&mut self.io, now_ns);
        self.io.ports[port].set_end(Some(end));
        self.function.link_up(port, &mut self.io);
    }
}

fn set_clock(io: &mut Io, now_ns: u64) {
    io.set_clock(EPOCH_US + (now_ns / 1000) as i64, now_ns);
}

/// The place of a function: it runs, sleeps, or is down.
pub struct Node {
    pub name: String,
    pub restarts: u32,
    /// When it starts again, while it is down.
    pub starts_at_ns: u64,
    is_asleep: bool,
    running: Option<Box<dyn Running>>,
}

impl Node {
    pub fn new(name: String) -> Node {
        Node {
            name,
            restarts: 0,
            starts_at_ns: 0,
            is_asleep: false,
            running: None,
        }
    }

    pub fn start<F: Function + 'static>(
        &mut self,
        start: &Start,
        ports: Vec<Port>,
        block: [Option<VirtioBlock>; 2],
        now_ns: u64,
    ) {
        let mut io = Io::new(ports, block, Log::Lines(Vec::new()));
        set_clock(&mut io, now_ns);
        let function = F::new(start, &mut io);
        self.running = Some(Box::new(Instance { function, io }));
        self.is_asleep = false;
    }

    /// Ends it wherever it is.
    pub fn kill(&mut self) {
        self.running = None;
        self.restarts += 1;
    }

    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    pub fn is_awake(&self) -> bool {
        self.is_up() && !self.is_asleep
    }

    pub fn io(&mut self) -> &mut Io {
        self.running.as_mut().expect("it runs").io()
    }

    /// One turn; its log lines go into the trace. True if it worked. `may_fail`: something went wrong that it may call an
    /// error.
    ///
    /// # Panics
    /// If it logs an error that nothing explains: a database that does not open any more would else only keep its clients
    /// waiting.
    pub fn turn(&mut self, now_ns: u64, may_fail: bool, trace: &mut Trace) -> bool {
        let running = self.running.as_mut().expect("it runs");
        let worked = running.turn(now_ns);
        for (level, line) in running.io().take_log_lines() {
            trace.note(now_ns, format_args!("{} {level:?}: {line}", self.name));
            assert!(may_fail || level != Level::Error, "{}: {line}", self.name);
        }
        worked
    }

    pub fn link_down(&mut self, port: usize, now_ns: u64) {
        if let Some(running) = &mut self.running {
            running.link_down(port, now_ns);
        }
        self.wake();
    }

    pub fn link_up(&mut self, port: usize, end: LinkEnd, now_ns: u64) {
        if let Some(running) = &mut self.running {
            running.link_up(port, end, now_ns);
        }
        self.wake();
    }

    /// Goes to sleep, unless something came meanwhile.
    pub fn sleep(&mut self) {
        let io = self.io();
        let mut is_quiet = true;
        for port in &mut io.ports {
            is_quiet &= port.prepare_sleep();
        }
        for block in io.block.iter_mut().flatten() {
            is_quiet &= block.prepare_sleep();
        }
        self.is_asleep = true;
        if !is_quiet {
            self.wake();
        }
    }

    /// The doorbell rang.
    pub fn wake(&mut self) {
        if !std::mem::take(&mut self.is_asleep) {
            return;
        }
        let Some(running) = &mut self.running else {
            return;
        };
        let io = running.io();
        for port in &mut io.ports {
            port.woke();
        }
        for block in io.block.iter_mut().flatten() {
            block.woke();
        }
    }
}
