//! The device end of a block link, over abi's ring: what the hypervisor's device thread is.
//!
//! Requests are taken when the device has its turn and complete one at a time, whichever the scheduler says. A flush covers
//! the writes that had completed when it was queued, not when it was taken: the block link promises no more.

use crate::disk::Disk;
use crate::memory::Area;
use crate::random::Random;
use crate::trace::{Trace, hash};
use std::collections::VecDeque;
use vireo_abi::block::{BLOCK_RING, BlockStatus, SECTOR_SIZE, request_type};
use vireo_abi::memory_map::{LINK_SIZE, PAGE_SIZE};
use vireo_abi::ring::{Descriptor, DeviceQueue, RingMemory, SharedMemory};
use vireo_runtime::VirtioBlock;

/// Where the superblocks, or the log's header, end.
const HEADS_END: usize = 2 * PAGE_SIZE;

/// What is to go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The next write or flush fails.
    WriteError,
    /// The next request of any kind fails.
    AnyError,
    /// So many writes find no space.
    NoSpace(u32),
}

/// A disk with its device.
#[derive(Debug)]
pub struct Device {
    pub name: &'static str,
    pub is_asleep: bool,
    pub fault: Option<Fault>,
    /// Whether a request failed since storage started: it must be replaced.
    pub has_failed: bool,
    /// Requests completed, and writes of the blocks that name the rest.
    pub completed: u64,
    pub heads_written: u64,
    disk: Disk,
    end: Option<DeviceEnd>,
    area: Area,
}

#[derive(Debug)]
struct DeviceEnd {
    memory: SharedMemory,
    queue: DeviceQueue,
    taken: Vec<Request>,
    /// Requests taken so far, and for each index that was published the writes completed then.
    next: u16,
    published: VecDeque<(u16, u64)>,
}

#[derive(Debug)]
struct Request {
    head: u16,
    kind: u32,
    offset: usize,
    data: Option<Descriptor>,
    status: usize,
    /// Writes completed when it was queued.
    covered: u64,
}

impl Device {
    pub fn new(name: &'static str, capacity: usize) -> Device {
        Device {
            name,
            is_asleep: false,
            fault: None,
            has_failed: false,
            completed: 0,
            heads_written: 0,
            disk: Disk::new(capacity),
            end: None,
            area: Area::new(LINK_SIZE),
        }
    }

    /// Brings the link up: new memory, both ends. Gives the driver's.
    pub fn connect(&mut self) -> VirtioBlock {
        self.area.clear_all();
        let capacity = self.disk.capacity();
        let driver = VirtioBlock::new(self.area.shared(), capacity).expect("room for the queue");
        let memory = self.area.shared();
        let queue = DeviceQueue::new(&memory, BLOCK_RING).expect("room for the queue");
        self.end = Some(DeviceEnd {
            memory,
            queue,
            taken: Vec::new(),
            next: 0,
            published: VecDeque::new(),
        });
        self.is_asleep = false;
        self.has_failed = false;
        driver
    }

    /// The function died, the machine did not: what it had asked for is done or not, and the cache stays.
    pub fn disconnect(&mut self, random: &mut Random) {
        for (offset, data) in self.on_the_way(random) {
            self.disk.write(offset, data);
        }
        self.end = None;
    }

    /// Changes a byte of the medium, when nothing is on its way.
    pub fn damage(&mut self, offset: usize) {
        let byte = self.disk.read(offset, 1)[0] ^ 0x40;
        self.disk.write(offset, vec![byte]);
        self.disk.flush(self.disk.completed());
    }

    /// The power goes.
    pub fn power_cut(&mut self, random: &mut Random) {
        let on_the_way = self.on_the_way(random);
        self.disk.lose_unflushed(on_the_way, random);
        self.end = None;
        self.fault = None;
    }

    /// Writes in flight that the disk had begun.
    fn on_the_way(&mut self, random: &mut Random) -> Vec<(usize, Vec<u8>)> {
        let Some(end) = &mut self.end else {
            return Vec::new();
        };
        end.take();
        let writes = end.taken.iter().filter(|request| is_write(request.kind));
        let mut begun = Vec::new();
        for request in writes {
            if random.once_in(2) {
                begun.push((request.offset, end.bytes(request)));
            }
        }
        begun
    }

    /// After a turn of the driver: remembers what a flush that was queued in it covers.
    pub fn observe(&mut self) {
        let Some(end) = &mut self.end else { return };
        let index = end.memory.load_acquire(BLOCK_RING.available() + 2);
        if end.published.back().map_or(end.next, |(seen, _)| *seen) != index {
            end.published.push_back((index, self.disk.completed()));
        }
    }

    /// Takes what was queued. True if it took something.
    pub fn turn(&mut self) -> bool {
        self.end.as_mut().is_some_and(DeviceEnd::take)
    }

    /// Requests that can complete.
    pub fn in_flight(&self) -> usize {
        self.end.as_ref().map_or(0, |end| end.taken.len())
    }

    /// Whether it may sleep; it is asked to be rung then.
    pub fn prepare_sleep(&mut self) -> bool {
        let Some(end) = &mut self.end else {
            return true;
        };
        let may_sleep = end
            .queue
            .arm(&end.memory)
            .expect("the driver keeps to the protocol");
        if !may_sleep {
            end.queue.disarm(&end.memory);
        }
        may_sleep
    }

    pub fn woke(&mut self) {
        self.is_asleep = false;
        if let Some(end) = &mut self.end {
            end.queue.disarm(&end.memory);
        }
    }

    /// Completes one request. True if the driver must be rung.
    pub fn complete(&mut self, random: &mut Random, now_ns: u64, trace: &mut Trace) -> bool {
        let Some(end) = &mut self.end else {
            return false;
        };
        let request = end
            .taken
            .swap_remove(random.below(end.taken.len() as u64) as usize);
        let fault = fault_for(&mut self.fault, request.kind);
        self.has_failed |= fault == BlockStatus::IoErr;
        self.completed += 1;
        let is_head = request.kind == request_type::OUT && request.offset < HEADS_END;
        self.heads_written += u64::from(is_head);
        let data = match (request.kind, request.data) {
            (request_type::OUT | request_type::OUT_DURABLE, _) => end.bytes(&request),
            (request_type::IN, Some(place)) => self
                .disk
                .read(request.offset, place.length as usize)
                .to_vec(),
            _ => Vec::new(),
        };
        trace.note(
            now_ns,
            format_args!(
                "{} {} at {} length {} {:016x} {fault:?}",
                self.name,
                match request.kind {
                    request_type::IN => "read",
                    request_type::OUT => "write",
                    request_type::OUT_DURABLE => "write durable",
                    request_type::FLUSH => "flush",
                    _ => "discard",
                },
                request.offset,
                data.len(),
                hash(&data)
            ),
        );
        let mut written = 1;
        match (request.kind, fault) {
            (request_type::IN, BlockStatus::Ok) => {
                let place = request.data.expect("a read has data");
                end.memory.write_bytes(place.address as usize, &data);
                written += place.length;
            }
            (request_type::OUT, BlockStatus::Ok) => self.disk.write(request.offset, data),
            (request_type::OUT_DURABLE, BlockStatus::Ok) => {
                self.disk.write_durable(request.offset, &data);
            }
            (request_type::OUT | request_type::OUT_DURABLE, BlockStatus::IoErr) => {
                self.disk.fail_write(request.offset, data, random);
            }
            (request_type::FLUSH, BlockStatus::Ok) => self.disk.flush(request.covered),
            (request_type::FLUSH, _) => self.disk.lose_unflushed(Vec::new(), random),
            _ => {}
        }
        end.memory.write_bytes(request.status, &[fault as u8]);
        end.queue.give_back(&end.memory, request.head, written);
        end.queue.publish(&end.memory);
        end.queue.take_kick(&end.memory)
    }
}

impl DeviceEnd {
    fn take(&mut self) -> bool {
        let mut took = false;
        while let Some(head) = self
            .queue
            .take(&self.memory)
            .expect("the driver keeps to the protocol")
        {
            took = true;
            let request = self.read(head);
            self.taken.push(request);
        }
        took
    }

    fn read(&mut self, head: u16) -> Request {
        self.next = self.next.wrapping_add(1);
        let since = |index: u16| index.wrapping_sub(self.next);
        let covered = loop {
            let (index, completed) = *self.published.front().expect("observed after each turn");
            // An index behind `next` is a distance of nearly 2^16.
            if since(index) < 0x8000 {
                break completed;
            }
            self.published.pop_front();
        };
        let chain: Vec<Descriptor> = self
            .queue
            .chain(&self.memory, head)
            .collect::<Result<_, _>>()
            .expect("the driver keeps to the protocol");
        let (first, last) = (chain[0], chain[chain.len() - 1]);
        let kind = self.memory.read_u32(first.address as usize);
        let sector = self.memory.read_u64(first.address as usize + 8);
        Request {
            head,
            kind,
            offset: sector as usize * SECTOR_SIZE,
            data: (chain.len() == 3).then(|| chain[1]),
            status: last.address as usize,
            covered,
        }
    }

    /// The bytes that a write writes.
    fn bytes(&self, request: &Request) -> Vec<u8> {
        let place = request.data.expect("a write has data");
        let mut bytes = Vec::with_capacity(place.length as usize);
        self.memory
            .read_bytes(place.address as usize, place.length as usize, &mut bytes);
        bytes
    }
}

fn is_write(kind: u32) -> bool {
    matches!(kind, request_type::OUT | request_type::OUT_DURABLE)
}

/// What becomes of a request.
fn fault_for(fault: &mut Option<Fault>, kind: u32) -> BlockStatus {
    let is_write = is_write(kind);
    match *fault {
        Some(Fault::AnyError) => {
            *fault = None;
            BlockStatus::IoErr
        }
        Some(Fault::WriteError) if is_write || kind == request_type::FLUSH => {
            *fault = None;
            BlockStatus::IoErr
        }
        Some(Fault::NoSpace(left)) if is_write => {
            *fault = left.checked_sub(1).map(Fault::NoSpace);
            if fault.is_some() {
                BlockStatus::NoSpace
            } else {
                BlockStatus::Ok
            }
        }
        _ => BlockStatus::Ok,
    }
}
