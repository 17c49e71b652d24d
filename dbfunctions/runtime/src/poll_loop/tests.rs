use super::*;
use crate::fake::World;
use crate::{Echo, thread_entry};
use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use core::cell::RefCell;
use core::ffi::c_void;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;
use vireo_abi::platform::Platform as HostFunctions;
use vireo_abi::ring::RingMemory;

std::thread_local! {
    static TRACE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn note(event: String) {
    TRACE.with_borrow_mut(|trace| trace.push(event));
}

fn take_trace() -> Vec<String> {
    TRACE.with_borrow_mut(core::mem::take)
}

/// The echo function, noting what it is told.
struct Probe(Echo);

impl Function for Probe {
    fn new(start: &Start, io: &mut Io) -> Probe {
        let up: Vec<bool> = io.ports.iter().map(Port::is_up).collect();
        note(format!("new {:?} {} {up:?}", start.role, start.instance));
        Probe(Echo::new(start, io))
    }

    fn poll(&mut self, io: &mut Io) -> bool {
        self.0.poll(io)
    }

    fn link_down(&mut self, port: usize, io: &mut Io) {
        assert!(!io.ports[port].is_up());
        io.ports[port].send(b"into", b"the void");
        note(format!("down {port}"));
    }

    fn link_up(&mut self, port: usize, io: &mut Io) {
        assert!(io.ports[port].is_up());
        note(format!("up {port}"));
    }
}

/// A platform on which the test's script is what happens while the function is parked.
struct Scripted<'a> {
    tsc: u64,
    rings: Rc<RefCell<Vec<usize>>>,
    script: Box<dyn FnMut(usize) + 'a>,
    parks: usize,
}

impl Platform for Scripted<'_> {
    fn ring(&mut self, link: usize) {
        self.rings.borrow_mut().push(link);
    }

    fn park(&mut self) {
        assert!(self.parks < 1000, "the function does not stop");
        (self.script)(self.parks);
        self.parks += 1;
    }

    fn tsc(&mut self) -> u64 {
        self.tsc += 100;
        self.tsc
    }
}

/// Runs the function; `script` is called with the number of each park.
fn play<F: Function>(world: &World, script: impl FnMut(usize)) -> (u32, Vec<usize>) {
    let rings = Rc::new(RefCell::new(vec![]));
    let platform = Scripted {
        tsc: 0,
        rings: rings.clone(),
        script: Box::new(script),
        parks: 0,
    };
    // SAFETY: the world is what `run` asks for, and outlives it.
    let code = unsafe { run::<F, _>(world.boot(), platform) };
    (code, rings.take())
}

fn state(world: &World) -> Option<State> {
    State::from_code(world.status().state.load(Ordering::Acquire))
}

#[test]
fn a_boot_page_that_makes_no_sense_is_refused() {
    type Change = fn(&mut BootPage);
    let changes: [(Change, &str); 6] = [
        (|page| page.magic += 1, ""),
        (|page| page.version += 1, ""),
        (|page| page.role = 77, "role"),
        (|page| page.tsc_hz = 0, "TSC"),
        (|page| page.link_count = 33, "links"),
        (|page| page.links[0].peer = 99, "peer"),
    ];
    for (change, reason) in changes {
        let world = World::new(Role::Echo, &[Peer::Gateway]);
        world.change_boot(change);
        let (code, _) = play::<Echo>(&world, |_| panic!("parked"));
        assert_eq!(code, exit_code::BOOT_REFUSED);
        assert!(world.log_text().contains(reason), "{}", world.log_text());
    }
}

#[test]
fn a_held_function_reads_its_identity_when_it_is_let_go() {
    let world = World::new(Role::Parse, &[Peer::Gateway, Peer::Gateway]);
    world.control().hold.store(1, Ordering::Release);
    world.set_epoch(1, 1);
    let (code, _) = play::<Probe>(&world, |park| match park {
        0 | 1 => {
            assert_eq!(state(&world), Some(State::Held));
            assert_eq!(take_trace(), [""; 0]);
            world.change_boot(|page| page.instance = 5);
            world
                .control()
                .hold
                .store(u32::from(park == 0), Ordering::Release);
        }
        _ => {
            assert_eq!(state(&world), Some(State::Parked));
            assert_eq!(take_trace(), ["new Parse 5 [true, false]"]);
            world.stop();
        }
    });
    assert_eq!(code, exit_code::STOPPED);
    assert_eq!(state(&world), Some(State::Stopped));
}

#[test]
fn messages_are_answered_between_parks_and_counted() {
    let world = World::new(Role::Echo, &[Peer::Gateway, Peer::Parse]);
    let mut peers = [world.peer(0), world.peer(1)];
    let (code, rings) = play::<Echo>(&world, |park| {
        for peer in &mut peers {
            peer.woke();
            if park > 0 {
                let received = peer.receive().unwrap().unwrap();
                assert_eq!((received.head, received.body), (&b"head"[..], &b"body"[..]));
            }
            assert_eq!(peer.receive().unwrap(), None);
            if park == 5 {
                world.stop();
                continue;
            }
            peer.send(b"head", b"body").unwrap();
            assert!(peer.take_kick(), "a parked function wants to be rung");
        }
        // The first peer sleeps and the second spins.
        assert!(peers[0].prepare_sleep().unwrap());
    });
    assert_eq!(code, exit_code::STOPPED);
    assert_eq!(rings, [0; 5]);
    let status = world.status();
    assert_eq!(status.parks.load(Ordering::Relaxed), 6);
    assert_eq!(status.requests.load(Ordering::Relaxed), 10);
    assert_eq!(status.turns_worked.load(Ordering::Relaxed), 5);
    for (link, doorbells) in [(0, 5), (1, 0)] {
        let counters = &status.links[link];
        assert_eq!(counters.sent.load(Ordering::Relaxed), 5);
        assert_eq!(counters.received.load(Ordering::Relaxed), 5);
        assert_eq!(counters.doorbells.load(Ordering::Relaxed), doorbells);
        assert_eq!(counters.depth.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_message_that_comes_while_falling_asleep_keeps_it_awake() {
    // A platform whose clock's reading sends a message: some of them come after the function has
    // found nothing and before it asks to be rung.
    struct Meddling<'a> {
        scripted: Scripted<'a>,
        peer: Link,
        left: u32,
    }
    impl Platform for Meddling<'_> {
        fn ring(&mut self, link: usize) {
            self.scripted.ring(link);
        }
        fn park(&mut self) {
            assert_eq!(self.left, 0, "parked with a message in the ring");
            self.scripted.park();
        }
        fn tsc(&mut self) -> u64 {
            while self.peer.receive().unwrap().is_some() {}
            if self.left > 0 && self.scripted.tsc.is_multiple_of(300) {
                self.peer.send(b"late", b"").unwrap();
                // The first message rings in any case: nobody has asked for anything yet.
                let rung = self.peer.take_kick() && self.left < 500;
                assert!(!rung, "an awake function is rung");
                self.left -= 1;
            }
            self.scripted.tsc()
        }
    }
    let world = World::new(Role::Echo, &[Peer::Gateway]);
    // Spins a little, so that turns without work come between.
    world.control().spin_ticks.store(1000, Ordering::Relaxed);
    let platform = Meddling {
        peer: world.peer(0),
        left: 500,
        scripted: Scripted {
            tsc: 0,
            rings: Rc::default(),
            script: Box::new(|_| world.stop()),
            parks: 0,
        },
    };
    // SAFETY: the world is what `run` asks for, and outlives it.
    let code = unsafe { run::<Echo, _>(world.boot(), platform) };
    assert_eq!(code, exit_code::STOPPED);
    assert_eq!(world.status().requests.load(Ordering::Relaxed), 500);
}

#[test]
fn it_spins_for_its_budget_before_it_parks() {
    for budget in [0, 10_000, 100_000] {
        let world = World::new(Role::Echo, &[Peer::Gateway]);
        world.control().spin_ticks.store(budget, Ordering::Relaxed);
        play::<Echo>(&world, |_| {
            let status = world.status();
            let spun = status.spin_ticks.load(Ordering::Relaxed);
            assert!(
                (budget..=budget + 200).contains(&spun),
                "{spun} of {budget}"
            );
            let turns = status.heartbeat.load(Ordering::Relaxed);
            assert_eq!(turns, 1 + budget / 100);
            world.stop();
        });
    }
}

#[test]
fn links_go_down_and_come_up_as_the_hypervisor_says() {
    let world = World::new(Role::Echo, &[Peer::Gateway, Peer::Storage]);
    world.set_epoch(1, 1);
    let peer: RefCell<Option<Link>> = RefCell::default();
    let connect = || *peer.borrow_mut() = Some(world.peer(1));
    let ask = || {
        let mut peer = peer.borrow_mut();
        peer.as_mut().unwrap().send(b"x", b"").unwrap();
    };
    let answered = || {
        let mut peer = peer.borrow_mut();
        peer.as_mut().unwrap().receive().unwrap().is_some()
    };
    play::<Probe>(&world, |park| {
        let trace = take_trace().join(", ");
        let acknowledged = world.acknowledged(1);
        match park {
            0 => {
                assert_eq!(
                    (trace.as_str(), acknowledged),
                    ("new Echo 0 [true, false]", 1)
                );
                connect();
                world.set_epoch(1, 2);
            }
            1 => {
                assert_eq!((trace.as_str(), acknowledged), ("up 1", 2));
                ask();
            }
            2 => {
                assert!(answered());
                world.set_epoch(1, 3);
            }
            3 => {
                assert_eq!((trace.as_str(), acknowledged), ("down 1", 3));
                world.links[1].clear();
                connect();
                world.set_epoch(1, 4);
            }
            4 => {
                assert_eq!((trace.as_str(), acknowledged), ("up 1", 4));
                ask();
            }
            5 => {
                // Died and came back between two looks.
                assert!(answered());
                world.links[1].clear();
                connect();
                world.set_epoch(1, 6);
            }
            6 => {
                assert_eq!((trace.as_str(), acknowledged), ("down 1, up 1", 6));
                ask();
            }
            _ => {
                assert!(answered());
                assert_eq!(trace, "");
                world.stop();
            }
        }
    });
    assert_eq!(world.acknowledged(0), 0);
    let sent = &world.status().links[1].sent;
    assert_eq!(sent.load(Ordering::Relaxed), 3, "counters outlive the ends");
    assert_eq!(world.fault(1), 0);
}

#[test]
fn a_peer_that_breaks_the_ring_is_reported_and_the_link_can_come_back() {
    let world = World::new(Role::Echo, &[Peer::Gateway]);
    world.set_epoch(0, 8);
    let _peer = world.peer(0);
    play::<Probe>(&world, |park| {
        let trace = take_trace().join(", ");
        match park {
            0 => {
                assert_eq!(trace, "new Echo 0 [true]");
                // The available index of the queue to the function leaps.
                let available = vireo_abi::link::LINK_LAYOUT.queues[0].available() + 2;
                world.links[0].shared().store_release(available, 0x7000);
            }
            1 => {
                assert_eq!(trace, "down 0");
                assert_eq!((world.fault(0), world.acknowledged(0)), (9, 8));
                assert!(world.log_text().contains("link to Gateway 0 is broken"));
                world.set_epoch(0, 9);
            }
            2 => {
                assert_eq!((trace.as_str(), world.acknowledged(0)), ("", 9));
                world.links[0].clear();
                core::mem::forget(world.peer(0));
                world.set_epoch(0, 10);
            }
            _ => {
                assert_eq!((trace.as_str(), world.acknowledged(0)), ("up 0", 10));
                world.stop();
            }
        }
    });
    assert_eq!(world.fault(0), 9);
}

/// Sends four messages that do not fit the ring, and is finished some turns after it was asked.
struct Reluctant {
    sent: bool,
    turns: u32,
}

impl Function for Reluctant {
    fn new(_start: &Start, _io: &mut Io) -> Reluctant {
        Reluctant {
            sent: false,
            turns: 0,
        }
    }

    fn poll(&mut self, io: &mut Io) -> bool {
        if io.is_stopping() {
            self.turns += 1;
        }
        if self.sent {
            return false;
        }
        self.sent = true;
        for _ in 0..4 {
            io.ports[0].send(b"", &vec![7; 1 << 20]);
        }
        assert!(io.ports[0].is_congested());
        true
    }

    fn link_down(&mut self, _port: usize, _io: &mut Io) {}

    fn link_up(&mut self, _port: usize, _io: &mut Io) {}

    fn is_finished(&self) -> bool {
        self.turns > 10
    }
}

#[test]
fn a_function_stops_when_it_is_finished_and_all_it_sent_is_in_the_ring() {
    let world = World::new(Role::Echo, &[Peer::Gateway]);
    let mut peer = world.peer(0);
    let mut received = 0;
    let (code, _) = play::<Reluctant>(&world, |park| {
        world.stop();
        // Four messages of a MiB through a ring of one: they come when they are taken.
        if park > 3 {
            received += usize::from(peer.receive().unwrap().is_some());
        }
    });
    assert_eq!(code, exit_code::STOPPED);
    while peer.receive().unwrap().is_some() {
        received += 1;
    }
    assert_eq!(received, 4);
    assert!(world.status().parks.load(Ordering::Relaxed) > 10);
}

/// The doorbell of a function on a host thread.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    wake: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.wake.notify_one();
    }

    fn wait(&self) {
        let rung = self.rung.lock().unwrap();
        let patience = Duration::from_secs(20);
        let (mut rung, timeout) = self
            .wake
            .wait_timeout_while(rung, patience, |rung| !*rung)
            .unwrap();
        assert!(!timeout.timed_out(), "a wakeup was lost");
        *rung = false;
    }
}

struct Threaded {
    own: Bell,
    peer: Bell,
    code: Mutex<Option<u32>>,
}

fn threaded<'a>(context: *mut c_void) -> &'a Threaded {
    // SAFETY: the context is the test's `Threaded`, which outlives the function.
    unsafe { &*context.cast::<Threaded>() }
}

#[test]
fn two_threads_that_park_at_once_lose_no_wakeup() {
    const MESSAGES: u64 = 20_000;
    let world = World::new(Role::Echo, &[Peer::Gateway]);
    let mut peer = world.peer(0);
    let shared = Arc::new(Threaded {
        own: Bell::default(),
        peer: Bell::default(),
        code: Mutex::new(None),
    });
    let boot = world.boot().addr();
    let function = {
        let shared = shared.clone();
        thread::spawn(move || {
            let functions = HostFunctions {
                context: Arc::as_ptr(&shared).cast_mut().cast(),
                ring: |context, link| {
                    assert_eq!(link, 0);
                    threaded(context).peer.ring();
                },
                park: |context| threaded(context).own.wait(),
                exit: |context, code| *threaded(context).code.lock().unwrap() = Some(code),
            };
            // SAFETY: the world and the context outlive the thread, which the test joins.
            unsafe { thread_entry::<Echo>(boot as *const BootPage, &functions) };
        })
    };
    for message in 0..MESSAGES {
        peer.send(&message.to_le_bytes(), b"").unwrap();
        if peer.take_kick() {
            shared.own.ring();
        }
        // Every other answer is waited for asleep, the others awake.
        let answer = loop {
            if let Some(received) = peer.receive().unwrap() {
                break u64::from_le_bytes(received.head.try_into().unwrap());
            }
            if peer.take_kick() {
                shared.own.ring();
            }
            if message.is_multiple_of(2) && peer.prepare_sleep().unwrap() {
                shared.peer.wait();
                peer.woke();
            } else {
                thread::yield_now();
            }
        };
        assert_eq!(answer, message);
    }
    world.stop();
    shared.own.ring();
    function.join().unwrap();
    assert_eq!(*shared.code.lock().unwrap(), Some(exit_code::STOPPED));
    assert!(world.status().parks.load(Ordering::Relaxed) > 0);
}
