//! A hypervisor with one function, and the host's end of its link.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use vireo_abi::boot::Role;
use vireo_abi::link::{LinkEnd, LinkError, Side};
use vireo_hypervisor::{
    Event, HostLink, Hypervisor, Isolation, LinkMemory, Program, Reason, Spin, SpinMode, Topology,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// One function and the host's end of its link.
pub struct Machine {
    pub hypervisor: Hypervisor,
    pub events: Receiver<Event>,
    link: HostLink,
    end: Option<LinkEnd<LinkMemory>>,
    epoch: u32,
}

pub fn has_kvm() -> bool {
    let usable = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    if !usable {
        eprintln!("skipped: /dev/kvm cannot be used");
    }
    usable
}

/// Starts one function: the program, as its role.
pub fn start(isolation: Isolation, spin: SpinMode, program: Program) -> Machine {
    let mut topology = Topology {
        isolation,
        data_pool_mib: 16,
        catalog_pool_mib: 16,
        runaway_ms: 300,
        ..Topology::default()
    };
    for (role, spec) in [
        (Role::Parse, &mut topology.parse),
        (Role::Execute, &mut topology.execute),
        (Role::Storage, &mut topology.storage),
        (Role::Echo, &mut topology.echo),
    ] {
        spec.instances = u32::from(role == program.role);
        spec.spin_us = Spin::Mode(spin);
        spec.heap_mib = 64;
    }
    let (sender, events) = channel();
    let on_event = Box::new(move |event| drop(sender.send(event)));
    let mut hypervisor = Hypervisor::start(topology, vec![program], None, on_event).unwrap();
    hypervisor.wait_ready(PATIENCE).unwrap();
    let mut links = hypervisor.take_host_links();
    assert_eq!(links.len(), 1);
    Machine {
        hypervisor,
        events,
        link: links.remove(0),
        end: None,
        epoch: 1,
    }
}

impl Machine {
    /// Sends a message; false if the link is down.
    pub fn send(&mut self, head: &[u8], body: &[u8]) -> bool {
        self.follow_epoch();
        let Some(end) = &mut self.end else {
            return false;
        };
        end.send(head, body).is_ok()
    }

    /// Looks at the link once and gives the next message to `take`.
    pub fn receive<T>(&mut self, take: impl FnOnce(&[u8], &[u8]) -> T) -> Option<T> {
        self.follow_epoch();
        let end = self.end.as_mut()?;
        let look = || -> Result<Option<T>, LinkError> {
            end.poll()?;
            Ok(end
                .receive()?
                .map(|received| take(received.head, received.body)))
        };
        let received = look().unwrap_or_else(|_| {
            self.link.report_fault(self.epoch);
            None
        });
        if self.end.as_mut().is_some_and(LinkEnd::take_kick) {
            self.link.kick();
        }
        received
    }

    /// Sends and waits for the answer, which must be the same.
    pub fn echo(&mut self, head: &[u8], body: &[u8]) {
        let started = Instant::now();
        while !self.send(head, body) {
            assert!(started.elapsed() < PATIENCE, "the link does not come up");
            std::thread::yield_now();
        }
        while self
            .receive(|h, b| assert!(h == head && b == body))
            .is_none()
        {
            assert!(started.elapsed() < PATIENCE, "no answer");
            std::hint::spin_loop();
        }
    }

    /// Why the function ended; looks at the link meanwhile.
    pub fn next_end(&mut self) -> Reason {
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < PATIENCE, "the function does not end");
            self.receive(|_, _| ());
            if let Ok(Event::FunctionDown { reason, .. }) = self.events.try_recv() {
                return reason;
            }
            std::thread::yield_now();
        }
    }

    fn follow_epoch(&mut self) {
        let epoch = self.link.epoch();
        if epoch == self.epoch {
            return;
        }
        self.end = None;
        if epoch.is_multiple_of(2) {
            self.end = Some(LinkEnd::new(self.link.memory(), Side::Driver).unwrap());
        }
        self.epoch = epoch;
        self.link.acknowledge(epoch);
    }
}
