//! The real ring and link code under loom, which runs every interleaving and every value that a load may
//! see under the orderings that the code asks for.
//!
//! The two indexes and two events of each queue are loom atomics. All other memory is loom cells: a
//! read that no ordering separates from the write of the peer is a failure of the model.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU16, Ordering, fence};
use loom::sync::{Arc, Notify};
use loom::thread;
use vireo_abi::link::{LinkEnd, LinkLayout, Side};
use vireo_abi::ring::{
    Descriptor, DeviceQueue, DriverQueue, FLAG_WRITE, RingLayout, RingMemory, Used,
};

/// Memory in units of two bytes.
struct Memory {
    cells: Vec<UnsafeCell<[u8; 2]>>,
    /// The watched fields, by offset.
    watched: Vec<(usize, AtomicU16)>,
    has_fence: bool,
}

#[derive(Clone)]
struct Shared(Arc<Memory>);

impl Shared {
    fn new(size: usize, queues: &[RingLayout], has_fence: bool) -> Shared {
        let watched = queues.iter().flat_map(|q| {
            let entries = usize::from(q.size());
            let available = [q.available() + 2, q.available() + 4 + entries * 2];
            let used = [q.used() + 2, q.used() + 4 + entries * 8];
            available.into_iter().chain(used)
        });
        Shared(Arc::new(Memory {
            cells: (0..size / 2).map(|_| UnsafeCell::new([0; 2])).collect(),
            watched: watched.map(|at| (at, AtomicU16::new(0))).collect(),
            has_fence,
        }))
    }

    fn watched(&self, at: usize) -> &AtomicU16 {
        let field = self.0.watched.iter().find(|field| field.0 == at);
        &field.expect("only indexes and events are watched").1
    }

    fn cell(&self, at: usize) -> &UnsafeCell<[u8; 2]> {
        assert!(self.0.watched.iter().all(|field| field.0 != at));
        &self.0.cells[at / 2]
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = Vec::with_capacity(N);
        self.read_bytes(at, N, &mut out);
        out.try_into().unwrap()
    }
}

impl RingMemory for Shared {
    fn size(&self) -> usize {
        self.0.cells.len() * 2
    }

    fn load_relaxed(&self, at: usize) -> u16 {
        self.watched(at).load(Ordering::Relaxed)
    }

    fn load_acquire(&self, at: usize) -> u16 {
        self.watched(at).load(Ordering::Acquire)
    }

    fn store_relaxed(&self, at: usize, value: u16) {
        self.watched(at).store(value, Ordering::Relaxed);
    }

    fn store_release(&self, at: usize, value: u16) {
        self.watched(at).store(value, Ordering::Release);
    }

    fn fence(&self) {
        if self.0.has_fence {
            fence(Ordering::SeqCst);
        }
    }

    fn read_u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(at))
    }

    fn write_u16(&self, at: usize, value: u16) {
        self.write_bytes(at, &value.to_le_bytes());
    }

    fn read_u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(at))
    }

    fn write_u32(&self, at: usize, value: u32) {
        self.write_bytes(at, &value.to_le_bytes());
    }

    fn read_u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes(at))
    }

    fn write_u64(&self, at: usize, value: u64) {
        self.write_bytes(at, &value.to_le_bytes());
    }

    fn read_bytes(&self, at: usize, length: usize, out: &mut Vec<u8>) {
        for at in at..at + length {
            // SAFETY: loom checks that nobody writes the cell meanwhile; the pointer is not kept.
            self.cell(at & !1)
                .with(|cell| out.push(unsafe { (*cell)[at & 1] }));
        }
    }

    fn write_bytes(&self, at: usize, bytes: &[u8]) {
        for (at, byte) in (at..).zip(bytes) {
            // SAFETY: loom checks that nobody else uses the cell meanwhile; the pointer is not kept.
            self.cell(at & !1)
                .with_mut(|cell| unsafe { (*cell)[at & 1] = *byte });
        }
    }
}

/// Two descriptors, and two buffers of 8 bytes from 80 on.
const RING: RingLayout = RingLayout::new(2, 0, 32, 48);
const SIZE: usize = 96;

fn buffer(id: u16) -> Descriptor {
    Descriptor {
        address: 80 + u64::from(id) * 8,
        length: 8,
        flags: FLAG_WRITE,
        next: 0,
    }
}

/// The driver offers `count` chains; the device fills each and gives it back. The device never sleeps when
/// `polls`; else it sleeps whenever it may, and the driver too.
fn hand_over(count: u16, polls: bool) {
    let memory = Shared::new(SIZE, &[RING], true);
    let bells = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let mut driver = DriverQueue::new(&memory, RING).unwrap();
    let mut device = DeviceQueue::new(&memory, RING).unwrap();
    let theirs = (memory.clone(), bells.clone());
    let thread = thread::spawn(move || {
        let (memory, bells) = theirs;
        for n in 0..count {
            let head = loop {
                if let Some(head) = device.take(&memory).unwrap() {
                    break head;
                }
                if polls {
                    thread::yield_now();
                } else if device.arm(&memory).unwrap() {
                    bells[1].wait();
                }
            };
            let chain: Vec<_> = device.chain(&memory, head).map(Result::unwrap).collect();
            assert_eq!(chain, [buffer(head)]);
            memory.write_u64(chain[0].address as usize, u64::from(n) + 1);
            device.give_back(&memory, head, 8);
            device.publish(&memory);
            if device.take_kick(&memory) {
                bells[0].notify();
            }
        }
    });
    for id in 0..count.min(2) {
        driver.set_descriptor(&memory, id, buffer(id));
        driver.offer(&memory, id);
        driver.publish(&memory);
        if driver.take_kick(&memory) {
            bells[1].notify();
        }
    }
    for n in 0..count {
        let used = loop {
            if let Some(used) = driver.take_used(&memory).unwrap() {
                break used;
            }
            if polls {
                thread::yield_now();
            } else if driver.arm(&memory).unwrap() {
                bells[0].wait();
            }
        };
        assert_eq!(
            used,
            Used {
                head: n % 2,
                length: 8
            }
        );
        assert_eq!(
            memory.read_u64(buffer(n % 2).address as usize),
            u64::from(n) + 1
        );
        if n + 2 < count {
            driver.offer(&memory, n % 2);
            driver.publish(&memory);
            if driver.take_kick(&memory) {
                bells[1].notify();
            }
        }
    }
    thread.join().unwrap();
}

fn check(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(f);
}

#[test]
fn chains_and_buffers_are_handed_over() {
    check(3, || hand_over(3, true));
}

#[test]
fn nothing_is_slept_over() {
    check(3, || hand_over(2, false));
}

/// One side goes to sleep while the other publishes: it sees the entry, or it is rung.
fn sleep_or_ring(has_fence: bool) {
    let memory = Shared::new(SIZE, &[RING], has_fence);
    let mut driver = DriverQueue::new(&memory, RING).unwrap();
    let mut device = DeviceQueue::new(&memory, RING).unwrap();
    device.disarm(&memory);
    driver.offer(&memory, 0);
    let theirs = memory.clone();
    let thread = thread::spawn(move || device.arm(&theirs).unwrap());
    driver.publish(&memory);
    let is_rung = driver.take_kick(&memory);
    let sleeps = thread.join().unwrap();
    assert!(is_rung || !sleeps, "slept over");
}

#[test]
fn a_sleeper_is_rung() {
    loom::model(|| sleep_or_ring(true));
}

/// The test above means something only if it fails where the fences are missing.
#[test]
#[should_panic(expected = "slept over")]
fn without_fences_a_sleeper_is_not_rung() {
    loom::model(|| sleep_or_ring(false));
}

/// One buffer of 40 bytes each way: a message of two fragments waits for its own first one.
const LINK: LinkLayout = LinkLayout::new(1, 256, 40);

/// Sends `messages` messages and receives as many, sleeping whenever the link allows it.
fn run_end(mut end: Box<LinkEnd<Shared>>, bells: [Arc<Notify>; 2], message: &[u8]) {
    end.send(&message[..2], &message[2..]).unwrap();
    let mut has_received = false;
    loop {
        let mut worked = end.poll().unwrap();
        if let Some(got) = end.receive().unwrap() {
            assert_eq!([got.head, got.body].concat(), message);
            (has_received, worked) = (true, true);
        }
        if end.take_kick() {
            bells[1].notify();
        }
        if has_received && end.outbox_bytes() == 0 {
            return;
        }
        if !worked && end.prepare_sleep().unwrap() {
            bells[0].wait();
            end.woke();
        }
    }
}

fn exchange(message: &'static [u8]) {
    let memory = Shared::new(LINK.size(), &LINK.queues, true);
    // Boxed: loom's stacks are small.
    let end = |side| Box::new(LinkEnd::with_layout(memory.clone(), side, LINK).unwrap());
    let (driver, device) = (end(Side::Driver), end(Side::Device));
    let (a, b) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let bells = [b.clone(), a.clone()];
    let thread = thread::spawn(move || run_end(device, bells, message));
    run_end(driver, [a, b], message);
    thread.join().unwrap();
}

#[test]
fn links_exchange_a_message() {
    check(2, || exchange(b"0123456789"));
}

#[test]
fn links_exchange_a_message_through_the_outbox() {
    check(1, || exchange(b"0123456789abcdefghij"));
}
