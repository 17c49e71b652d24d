//! Functions on host threads: a real link through to the gateway, a panic, a restart.

mod support;

use std::mem::offset_of;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::{Machine, topology};
use vireo_abi::boot::{BootPage, ControlPage, Role, StatusPage};
use vireo_abi::link::{Link, LinkEnd, Side};
use vireo_abi::platform::{Platform, exit_code};
use vireo_abi::ring::SharedMemory;
use vireo_hypervisor::{HostLink, Isolation, LinkMemory, Program, Reason};

fn word<'a>(page: u64, offset: usize) -> &'a AtomicU32 {
    // SAFETY: the page is the function's status page, alive as long as the function.
    unsafe { AtomicU32::from_ptr((page as usize + offset) as *mut u32) }
}

/// Sends every message back; panics at "panic".
unsafe fn echo(boot: *const BootPage, platform: &Platform) {
    // SAFETY: the hypervisor wrote the page before the function started.
    let boot = unsafe { boot.read() };
    // SAFETY: the control page lives as long as the function, and is all atomics.
    let control = unsafe { &*(boot.control.address as *const ControlPage) };
    let status = boot.status.address;
    let (mut link, mut seen): (Option<Link>, u32) = (None, 0);
    word(status, offset_of!(StatusPage, state)).store(1, Ordering::Release);
    while control.stop.load(Ordering::Acquire) == 0 {
        // SAFETY: the heartbeat is an aligned u64 of the status page.
        let beat = unsafe {
            AtomicU64::from_ptr((status as usize + offset_of!(StatusPage, heartbeat)) as *mut u64)
        };
        beat.fetch_add(1, Ordering::Relaxed);
        let epoch = control.link_epoch[0].load(Ordering::Acquire);
        if epoch != seen {
            seen = epoch;
            link = epoch.is_multiple_of(2).then(|| {
                let area = boot.links[0].area;
                // SAFETY: the area is mapped as long as the function runs.
                let memory =
                    unsafe { SharedMemory::new(area.address as *mut u8, area.size as usize) };
                Link::new(memory, Side::Device).expect("a link")
            });
            word(status, offset_of!(StatusPage, link_ack)).store(epoch, Ordering::Release);
        }
        let mut may_sleep = true;
        if let Some(link) = &mut link {
            link.poll().expect("a right peer");
            while let Some(message) = link.receive().expect("a right peer") {
                assert!(message.head != b"panic", "asked to panic");
                let (head, body) = (message.head.to_vec(), message.body.to_vec());
                link.send(&head, &body).expect("a right peer");
            }
            if link.take_kick() {
                // SAFETY: the platform's own context.
                unsafe { (platform.ring)(platform.context, 0) };
            }
            may_sleep = link.prepare_sleep().expect("a right peer");
        }
        if may_sleep {
            // SAFETY: as above.
            unsafe { (platform.park)(platform.context) };
        }
        if let Some(link) = &mut link {
            link.woke();
        }
    }
    // SAFETY: as above.
    unsafe { (platform.exit)(platform.context, exit_code::STOPPED) };
}

/// The gateway's end, as the server keeps it.
struct Gateway {
    link: HostLink,
    end: Option<LinkEnd<LinkMemory>>,
    seen: u32,
}

impl Gateway {
    fn follow_epoch(&mut self) {
        let epoch = self.link.epoch();
        if epoch != self.seen {
            self.seen = epoch;
            self.end = None;
            if epoch.is_multiple_of(2) {
                self.end = Some(LinkEnd::new(self.link.memory(), Side::Driver).expect("a link"));
            }
            self.link.acknowledge(epoch);
        }
    }

    fn wait_up(&mut self) {
        let begin = Instant::now();
        while self.end.is_none() {
            self.follow_epoch();
            assert!(begin.elapsed() < Duration::from_secs(5));
        }
    }

    fn call(&mut self, head: &[u8], body: &[u8]) {
        let end = self.end.as_mut().expect("is up");
        end.send(head, body).expect("is sent");
        if end.take_kick() {
            self.link.kick();
        }
        let begin = Instant::now();
        loop {
            end.poll().expect("a right peer");
            if let Some(message) = end.receive().expect("a right peer") {
                assert_eq!((message.head, message.body), (head, body));
                return;
            }
            if end.take_kick() {
                self.link.kick();
            }
            assert!(begin.elapsed() < Duration::from_secs(5));
        }
    }
}

#[test]
fn an_echo_survives_panics_and_kills() {
    let mut topology = topology();
    topology.isolation = Isolation::Thread;
    topology.echo.instances = 1;
    let program = Program {
        role: Role::Echo,
        image: None,
        entry: Some(echo),
    };
    let (sender, events) = std::sync::mpsc::channel();
    let handler = Box::new(move |event| drop(sender.send(event)));
    let hypervisor = vireo_hypervisor::Hypervisor::start(topology, vec![program], None, handler)
        .expect("starts");
    let mut machine = Machine { hypervisor, events };
    assert_eq!(machine.hypervisor.isolation(), Isolation::Thread);
    let link = machine
        .hypervisor
        .take_host_links()
        .pop()
        .expect("one link");
    let mut gateway = Gateway {
        link,
        end: None,
        seen: 0,
    };
    gateway.wait_up();
    let body = vec![7; 300_000];
    for length in [0, 1, 100, 5000, 300_000] {
        gateway.call(b"head", &body[..length]);
    }
    let end = gateway.end.as_mut().expect("is up");
    end.send(b"panic", b"").expect("is sent");
    gateway.link.kick();
    match machine.next_end(Role::Echo) {
        Reason::Panicked { message } => assert!(message.contains("asked to panic"), "{message}"),
        other => panic!("{other}"),
    }
    // The old end is no end any more: its epoch went by.
    while gateway.link.epoch() == gateway.seen {
        std::hint::spin_loop();
    }
    gateway.end = None;
    gateway.wait_up();
    gateway.call(b"again", b"");
    machine.hypervisor.kill("echo0").expect("is killed");
    assert_eq!(machine.next_end(Role::Echo), Reason::Killed);
    while gateway.link.epoch() == gateway.seen {
        std::hint::spin_loop();
    }
    gateway.end = None;
    gateway.wait_up();
    gateway.call(b"again", &body);
    let stats = machine.hypervisor.stats();
    assert_eq!(stats.functions[0].isolation, "thread");
    assert_eq!(stats.functions[0].restarts, 2);
    machine.hypervisor.stop();
}
