//! Links and block links against rust-vmm's `virtio-queue`: their device with our driver, their driver's
//! tables with our device. Nothing here shares code with what it tests but the layout's constants.

use std::collections::VecDeque;
use vireo_abi::block::{BLOCK_RING, BlockDriver, BlockStatus, Ticket};
use vireo_abi::link::{LINK_LAYOUT, Link, LinkError, Side};
use vireo_abi::memory_map::LINK_SIZE;
use vireo_abi::ring::{RingLayout, SharedMemory};
use virtio_queue::desc::RawDescriptor;
use virtio_queue::desc::split::{Descriptor, VirtqUsedElem};
use virtio_queue::mock::{AvailRing, DescriptorTable, UsedRing};
use virtio_queue::{DescriptorChain, Queue, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

const HEADER: usize = 24;
const ROOM: usize = 8064 - HEADER;

fn area() -> GuestMemoryMmap {
    GuestMemoryMmap::from_ranges(&[(GuestAddress(0), LINK_SIZE)]).unwrap()
}

/// The area as our ends see it.
fn shared(memory: &GuestMemoryMmap) -> SharedMemory {
    let start = memory.get_host_address(GuestAddress(0)).unwrap();
    // SAFETY: mapped as long as `memory`, which every test keeps longest; a page is aligned.
    unsafe { SharedMemory::new(start, LINK_SIZE) }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.number() as u8).collect()
    }

    /// Mostly one fragment, at times many.
    fn length(&mut self) -> usize {
        match self.below(5) {
            0 => 0,
            1 | 2 => self.below(200),
            3 => ROOM - 2 + self.below(4),
            _ => self.below(300_000),
        }
    }
}

/// rust-vmm's device queue over one of our layouts.
fn device_queue(layout: &RingLayout, memory: &GuestMemoryMmap) -> Queue {
    let mut queue = Queue::new(128).unwrap();
    queue.set_desc_table_address(Some(layout.descriptors() as u32), Some(0));
    queue.set_avail_ring_address(Some(layout.available() as u32), Some(0));
    queue.set_used_ring_address(Some(layout.used() as u32), Some(0));
    queue.set_event_idx(true);
    queue.set_size(128);
    queue.set_ready(true);
    assert!(queue.is_valid(memory));
    queue
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// A message as buffers, by the table in `link/fragment.rs`.
fn fragments(head: &[u8], body: &[u8]) -> Vec<Vec<u8>> {
    let all = [head, body].concat();
    let mut out = Vec::new();
    let mut offset = 0;
    loop {
        let length = (all.len() - offset).min(ROOM);
        let is_last = offset + length == all.len();
        let flags = u32::from(offset == 0) | if is_last { 2 } else { 0 };
        let words = [
            flags,
            length as u32,
            offset as u32,
            head.len() as u32,
            body.len() as u32,
            0,
        ];
        let mut buffer: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        buffer.extend_from_slice(&all[offset..offset + length]);
        out.push(buffer);
        offset += length;
        if is_last {
            return out;
        }
    }
}

/// Collects buffers into messages.
#[derive(Default)]
struct Collector {
    bytes: Vec<u8>,
    messages: VecDeque<(Vec<u8>, Vec<u8>)>,
}

impl Collector {
    fn push(&mut self, buffer: &[u8]) {
        let (flags, length) = (u32_at(buffer, 0), u32_at(buffer, 4));
        assert_eq!(u32_at(buffer, 8), self.bytes.len());
        assert_eq!(flags & 1 != 0, self.bytes.is_empty());
        assert_eq!(u32_at(buffer, 20), 0);
        self.bytes
            .extend_from_slice(&buffer[HEADER..HEADER + length]);
        if flags & 2 != 0 {
            let body = self.bytes.split_off(u32_at(buffer, 12));
            assert_eq!(body.len(), u32_at(buffer, 16));
            self.messages
                .push_back((std::mem::take(&mut self.bytes), body));
        }
    }
}

/// rust-vmm's device at the other end of a link whose driver is ours.
struct TheirDevice<'a> {
    memory: &'a GuestMemoryMmap,
    queues: [Queue; 2],
    collector: Collector,
    waiting: VecDeque<Vec<u8>>,
}

impl<'a> TheirDevice<'a> {
    fn new(memory: &'a GuestMemoryMmap) -> Self {
        let queues = [0, 1].map(|i| device_queue(&LINK_LAYOUT.queues[i], memory));
        TheirDevice {
            memory,
            queues,
            collector: Collector::default(),
            waiting: VecDeque::new(),
        }
    }

    fn only(chain: DescriptorChain<&GuestMemoryMmap>) -> Descriptor {
        let all: Vec<_> = chain.collect();
        assert_eq!(all.len(), 1);
        all[0]
    }

    fn turn(&mut self) {
        while let Some(chain) = self.queues[0].pop_descriptor_chain(self.memory) {
            let head = chain.head_index();
            let buffer = TheirDevice::only(chain);
            assert!(!buffer.is_write_only());
            let mut bytes = vec![0; buffer.len() as usize];
            self.memory.read_slice(&mut bytes, buffer.addr()).unwrap();
            self.collector.push(&bytes);
            self.queues[0].add_used(self.memory, head, 0).unwrap();
        }
        while !self.waiting.is_empty()
            && let Some(chain) = self.queues[1].pop_descriptor_chain(self.memory)
        {
            let head = chain.head_index();
            let buffer = TheirDevice::only(chain);
            let bytes = self.waiting.pop_front().unwrap();
            assert!(buffer.is_write_only() && buffer.len() as usize >= bytes.len());
            self.memory.write_slice(&bytes, buffer.addr()).unwrap();
            self.queues[1]
                .add_used(self.memory, head, bytes.len() as u32)
                .unwrap();
        }
    }
}

#[test]
fn our_link_driver_and_their_device() {
    let memory = area();
    let mut random = Random(1);
    let mut link = Link::new(shared(&memory), Side::Driver).unwrap();
    let mut device = TheirDevice::new(&memory);
    let mut to_device = VecDeque::new();
    let mut to_driver = VecDeque::new();
    for _ in 0..800 {
        if link.outbox_bytes() < 100_000 {
            let (head, body) = (random.length(), random.length());
            let (head, body) = (random.bytes(head), random.bytes(body));
            link.send(&head, &body).unwrap();
            to_device.push_back((head, body));
        }
        if device.waiting.len() < 200 {
            let (head, body) = (random.length(), random.length());
            let (head, body) = (random.bytes(head), random.bytes(body));
            device.waiting.extend(fragments(&head, &body));
            to_driver.push_back((head, body));
        }
        device.turn();
        link.poll().unwrap();
        while let Some(message) = device.collector.messages.pop_front() {
            assert_eq!(Some(message), to_device.pop_front());
        }
        while let Some(got) = link.receive().unwrap() {
            let (head, body) = to_driver.pop_front().unwrap();
            assert!(got.head == head && got.body == body);
        }
    }
    for _ in 0..1000 {
        link.poll().unwrap();
        device.turn();
        link.receive().unwrap();
    }
    assert_eq!((link.outbox_bytes(), link.depth()), (0, 0));
    assert!(link.received() > 300);
}

#[test]
fn our_link_driver_and_their_events() {
    let memory = area();
    let mut link = Link::new(shared(&memory), Side::Driver).unwrap();
    let mut device = TheirDevice::new(&memory);
    device.turn();
    // Whatever stood in the events before, a message after they asked rings, the next does not.
    link.take_kick();
    for _ in 0..1000 {
        assert!(!device.queues[0].enable_notification(&memory).unwrap());
        link.send(b"a", b"").unwrap();
        assert!(link.take_kick());
        link.send(b"b", b"").unwrap();
        assert!(!link.take_kick());
        assert!(
            device.queues[0].enable_notification(&memory).unwrap(),
            "something is pending"
        );
        device.turn();
        // And the other way round.
        link.woke();
        device.waiting.extend(fragments(b"c", b""));
        device.turn();
        assert!(!device.queues[1].needs_notification(&memory).unwrap());
        assert!(!link.prepare_sleep().unwrap());
        assert!(link.receive().unwrap().is_some());
        assert!(link.prepare_sleep().unwrap());
        device.waiting.extend(fragments(b"d", b""));
        device.turn();
        assert!(device.queues[1].needs_notification(&memory).unwrap());
        assert!(link.receive().unwrap().is_some());
    }
}

/// rust-vmm's tables of a driver at the other end of a link whose device is ours. Its
/// descriptors are in another order than our driver's.
struct TheirDriver<'a> {
    available: [AvailRing<'a, GuestMemoryMmap>; 2],
    used: [UsedRing<'a, GuestMemoryMmap>; 2],
    memory: &'a GuestMemoryMmap,
    taken: [u16; 2],
    empty: Vec<u16>,
    collector: Collector,
}

impl<'a> TheirDriver<'a> {
    fn address(queue: usize, id: u16) -> u64 {
        (LINK_LAYOUT.buffers[queue] + usize::from(127 - id) * 8064) as u64
    }

    fn new(memory: &'a GuestMemoryMmap) -> Self {
        let at = |offset| GuestAddress(offset as u64);
        let layouts = LINK_LAYOUT.queues;
        for (queue, layout) in layouts.iter().enumerate() {
            let table = DescriptorTable::new(memory, at(layout.descriptors()), 128);
            for id in 0..128 {
                let address = TheirDriver::address(queue, id);
                let descriptor = Descriptor::new(address, 8064, queue as u16 * 2, 0);
                table.store(id, RawDescriptor::from(descriptor)).unwrap();
            }
        }
        let mut driver = TheirDriver {
            available: layouts.map(|l| AvailRing::new(memory, at(l.available()), 128)),
            used: layouts.map(|l| UsedRing::new(memory, at(l.used()), 128)),
            memory,
            taken: [0; 2],
            empty: (0..128).collect(),
            collector: Collector::default(),
        };
        for id in 0..128 {
            driver.offer(1, 127 - id);
        }
        driver
    }

    fn offer(&mut self, queue: usize, id: u16) {
        let ring = &self.available[queue];
        let index = ring.idx().load();
        ring.ring()
            .ref_at(usize::from(index % 128))
            .unwrap()
            .store(id);
        ring.idx().store(index.wrapping_add(1));
    }

    fn take_used(&mut self, queue: usize) -> Option<VirtqUsedElem> {
        let ring = &self.used[queue];
        if self.taken[queue] == ring.idx().load() {
            return None;
        }
        let slot = usize::from(self.taken[queue] % 128);
        self.taken[queue] = self.taken[queue].wrapping_add(1);
        Some(ring.ring().ref_at(slot).unwrap().load())
    }

    fn turn(&mut self, waiting: &mut VecDeque<Vec<u8>>) {
        while let Some(used) = self.take_used(0) {
            self.empty.push(used.id() as u16);
        }
        while !waiting.is_empty()
            && let Some(id) = self.empty.pop()
        {
            let at = GuestAddress(TheirDriver::address(0, id));
            self.memory
                .write_slice(&waiting.pop_front().unwrap(), at)
                .unwrap();
            self.offer(0, id);
        }
        while let Some(used) = self.take_used(1) {
            let id = used.id() as u16;
            let mut bytes = vec![0; used.len() as usize];
            let at = GuestAddress(TheirDriver::address(1, id));
            self.memory.read_slice(&mut bytes, at).unwrap();
            self.collector.push(&bytes);
            self.offer(1, id);
        }
    }
}

#[test]
fn their_link_driver_and_our_device() {
    let memory = area();
    let mut random = Random(2);
    // Our device attaches before anything is laid out.
    let mut link = Link::new(shared(&memory), Side::Device).unwrap();
    assert!(link.receive().unwrap().is_none());
    let mut driver = TheirDriver::new(&memory);
    let mut waiting = VecDeque::new();
    let mut to_device = VecDeque::new();
    let mut to_driver = VecDeque::new();
    for _ in 0..800 {
        if link.outbox_bytes() < 100_000 {
            let (head, body) = (random.length(), random.length());
            let (head, body) = (random.bytes(head), random.bytes(body));
            link.send(&head, &body).unwrap();
            to_driver.push_back((head, body));
        }
        if waiting.len() < 200 {
            let (head, body) = (random.length(), random.length());
            let (head, body) = (random.bytes(head), random.bytes(body));
            waiting.extend(fragments(&head, &body));
            to_device.push_back((head, body));
        }
        driver.turn(&mut waiting);
        link.poll().unwrap();
        while let Some(message) = driver.collector.messages.pop_front() {
            assert_eq!(Some(message), to_driver.pop_front());
        }
        while let Some(got) = link.receive().unwrap() {
            let (head, body) = to_device.pop_front().unwrap();
            assert!(got.head == head && got.body == body);
        }
    }
    assert!(link.received() > 300);
}

#[test]
fn a_driver_that_offers_short_buffers() {
    let memory = area();
    let mut link = Link::new(shared(&memory), Side::Device).unwrap();
    TheirDriver::new(&memory);
    let table = LINK_LAYOUT.queues[1].descriptors();
    let table = DescriptorTable::new(&memory, GuestAddress(table as u64), 128);
    let short = Descriptor::new(LINK_LAYOUT.buffers[1] as u64, 8063, 2, 0);
    table.store(127, RawDescriptor::from(short)).unwrap();
    assert_eq!(
        link.send(b"", b""),
        Err(LinkError::ShortBuffer { length: 8063 })
    );
}

/// rust-vmm's virtio-blk device on a vector. Its completions come in any order.
struct TheirDisk<'a> {
    memory: &'a GuestMemoryMmap,
    queue: Queue,
    bytes: Vec<u8>,
    taken: Vec<(u16, Vec<Descriptor>)>,
}

impl TheirDisk<'_> {
    fn turn(&mut self, random: &mut Random) {
        while let Some(chain) = self.queue.pop_descriptor_chain(self.memory) {
            self.taken.push((chain.head_index(), chain.collect()));
        }
        for _ in 0..random.below(4) {
            if !self.taken.is_empty() {
                let (head, chain) = self.taken.swap_remove(random.below(self.taken.len()));
                let length = self.serve(&chain);
                self.queue.add_used(self.memory, head, length).unwrap();
            }
        }
    }

    /// Serves a request of one header, at most one data buffer and a status; the bytes written.
    fn serve(&mut self, chain: &[Descriptor]) -> u32 {
        let (header, status) = (chain[0], chain[chain.len() - 1]);
        assert!(chain.len() <= 3 && header.len() == 16 && !header.is_write_only());
        assert!(status.len() == 1 && status.is_write_only());
        let code: u32 = self.memory.read_obj(header.addr()).unwrap();
        let sector: u64 = self
            .memory
            .read_obj(GuestAddress(header.addr().0 + 8))
            .unwrap();
        let start = sector as usize * 512;
        let (result, length) = match code {
            0 => self.transfer(start, &chain[1], true),
            1 => self.transfer(start, &chain[1], false),
            4 => {
                assert_eq!(chain.len(), 2);
                (0u8, 0)
            }
            11 => {
                let mut segment = [0; 16];
                self.memory
                    .read_slice(&mut segment, chain[1].addr())
                    .unwrap();
                assert!(chain[1].len() == 16 && u32_at(&segment, 12) == 0 && sector == 0);
                let start = u32_at(&segment, 0) * 512;
                self.bytes[start..][..u32_at(&segment, 8) * 512].fill(0);
                (0, 0)
            }
            _ => (2, 0),
        };
        self.memory.write_obj(result, status.addr()).unwrap();
        length + 1
    }

    fn transfer(&mut self, start: usize, data: &Descriptor, is_read: bool) -> (u8, u32) {
        assert_eq!(data.is_write_only(), is_read);
        let Some(bytes) = self.bytes.get_mut(start..start + data.len() as usize) else {
            return (if is_read { 1 } else { 3 }, 0);
        };
        if is_read {
            self.memory.write_slice(bytes, data.addr()).unwrap();
            return (0, data.len());
        }
        self.memory.read_slice(bytes, data.addr()).unwrap();
        (0, 0)
    }
}

/// What a ticket should bring: status and data.
type Expected = (Ticket, BlockStatus, Vec<u8>);
/// A request in flight: its ticket, and the bytes from where to where it concerns.
type Busy = (Ticket, usize, usize);

/// Queues one random request; its sectors are in no other request that is in flight.
fn request(
    driver: &mut BlockDriver<SharedMemory>,
    random: &mut Random,
    disk: &mut [u8],
    busy: &[Busy],
) -> Option<(Busy, Expected)> {
    let length = (1 + random.below(128)) * 512;
    let start = random.below(disk.len() / 512 + 40) * 512;
    let end = start + length;
    if busy.iter().any(|&(_, s, e)| start < e && s < end) {
        return None;
    }
    let is_inside = end <= disk.len();
    let (ticket, status, data) = match random.below(8) {
        0 => (driver.flush()?, BlockStatus::Ok, Vec::new()),
        1 if is_inside => {
            let ticket = driver.discard(start as u64, length as u64)?;
            disk[start..end].fill(0);
            (ticket, BlockStatus::Ok, Vec::new())
        }
        2..=4 => {
            let ticket = driver.read(start as u64, length)?;
            match disk.get(start..end) {
                Some(bytes) => (ticket, BlockStatus::Ok, bytes.to_vec()),
                None => (ticket, BlockStatus::IoErr, Vec::new()),
            }
        }
        _ => {
            let bytes = random.bytes(length);
            let ticket = driver.write(start as u64, &bytes)?;
            if is_inside {
                disk[start..end].copy_from_slice(&bytes);
            }
            let status = if is_inside {
                BlockStatus::Ok
            } else {
                BlockStatus::NoSpace
            };
            (ticket, status, Vec::new())
        }
    };
    Some(((ticket, start, end), (ticket, status, data)))
}

#[test]
fn our_block_driver_and_their_device() {
    let memory = area();
    let mut random = Random(3);
    let mut driver = BlockDriver::new(shared(&memory)).unwrap();
    let queue = device_queue(&BLOCK_RING, &memory);
    let mut model = vec![0; 4 << 20];
    let mut disk = TheirDisk {
        memory: &memory,
        queue,
        bytes: model.clone(),
        taken: Vec::new(),
    };
    let mut busy = Vec::new();
    let mut expected: Vec<Expected> = Vec::new();
    let mut refused = 0;
    for round in 0..8_000 {
        for _ in 0..random.below(5) {
            match request(&mut driver, &mut random, &mut model, &busy) {
                None => refused += 1,
                Some((at, outcome)) => {
                    expected.push(outcome);
                    busy.push(at);
                }
            }
        }
        // Now and then the device is slow, and the driver runs out of room.
        if round % 1000 > 30 {
            disk.turn(&mut random);
        }
        while let Some(done) = driver.complete().unwrap() {
            let at = expected
                .iter()
                .position(|e| e.0 == done.ticket)
                .expect("a ticket of ours");
            let (ticket, status, data) = expected.swap_remove(at);
            assert!(done.status == status && done.data == data);
            busy.retain(|b| b.0 != ticket);
        }
        assert_eq!(driver.depth(), expected.len() as u64);
    }
    assert!(refused > 0);
    assert!(expected.len() <= 42);
}

#[test]
fn our_block_driver_and_their_events() {
    let memory = area();
    let mut driver = BlockDriver::new(shared(&memory)).unwrap();
    let mut queue = device_queue(&BLOCK_RING, &memory);
    for _ in 0..1000 {
        assert!(!queue.enable_notification(&memory).unwrap());
        driver.flush().unwrap();
        assert!(driver.take_kick());
        assert!(!driver.take_kick());
        assert!(driver.prepare_sleep().unwrap());
        let chain = queue.pop_descriptor_chain(&memory).unwrap();
        let head = chain.head_index();
        let status = chain.last().unwrap();
        memory.write_obj(1u8, status.addr()).unwrap();
        queue.add_used(&memory, head, 1).unwrap();
        assert!(queue.needs_notification(&memory).unwrap());
        driver.woke();
        assert_eq!(
            driver.complete().unwrap().unwrap().status,
            BlockStatus::IoErr
        );
    }
}
