//! What the fuzz targets do with their bytes.
//!
//! A target of a ring runs one side in earnest and takes the peer's part from the input: a script of
//! calls, and of writes anywhere into the shared memory between them. What must hold: no
//! panic, no access outside the memory (`Memory` panics on one), an end in bounded time.

use std::cell::RefCell;
use std::rc::Rc;
use vireo_abi::block::BlockDriver;
use vireo_abi::link::{LinkEnd, LinkLayout, Side};
use vireo_abi::memory_map::LINK_SIZE;
use vireo_abi::message::{decode, execute, parse, storage};
use vireo_abi::ring::{Descriptor, DeviceQueue, DriverQueue, FLAG_NEXT, RingLayout, RingMemory};
use vireo_abi::write_set::Operations;

/// Memory that checks its bounds.
#[derive(Clone)]
struct Memory(Rc<RefCell<Vec<u8>>>);

impl Memory {
    fn new(size: usize) -> Memory {
        Memory(Rc::new(RefCell::new(vec![0; size])))
    }

    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        assert!(at.is_multiple_of(N));
        self.0.borrow()[at..at + N].try_into().expect("N bytes")
    }
}

impl RingMemory for Memory {
    fn size(&self) -> usize {
        self.0.borrow().len()
    }

    fn load_relaxed(&self, at: usize) -> u16 {
        self.read_u16(at)
    }

    fn load_acquire(&self, at: usize) -> u16 {
        self.read_u16(at)
    }

    fn store_relaxed(&self, at: usize, value: u16) {
        self.write_u16(at, value);
    }

    fn store_release(&self, at: usize, value: u16) {
        self.write_u16(at, value);
    }

    fn fence(&self) {}

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
        assert!(out.capacity() - out.len() >= length);
        out.extend_from_slice(&self.0.borrow()[at..at + length]);
    }

    fn write_bytes(&self, at: usize, bytes: &[u8]) {
        self.0.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// The input, read as a script.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// The peer's part: writes a number at an even offset below `end`.
    fn poke(&mut self, memory: &Memory, end: usize) -> Option<()> {
        let at = usize::from(self.number()?) * 2 % end;
        memory.write_u16(at, self.number()?);
        Some(())
    }

    /// The peer's part, nearer to what a peer does: adds a little to an index.
    fn advance(&mut self, memory: &Memory, at: usize) -> Option<()> {
        let step = u16::from(self.byte()? % 4);
        memory.write_u16(at, memory.read_u16(at).wrapping_add(step));
        Some(())
    }
}

const RING: RingLayout = RingLayout::new(8, 0, 128, 152);
const RING_SIZE: usize = 512;

/// A hostile device against the driver's side of a queue.
pub fn ring_driver(data: &[u8]) {
    let _ = run_ring_driver(&mut Script(data));
}

fn run_ring_driver(script: &mut Script<'_>) -> Option<()> {
    let memory = Memory::new(RING_SIZE);
    let mut driver = DriverQueue::new(&memory, RING).expect("the memory suffices");
    let mut free: Vec<u16> = (0..8).collect();
    loop {
        match script.byte()? % 8 {
            0 => script.poke(&memory, RING_SIZE)?,
            1 => script.advance(&memory, RING.used() + 2)?,
            2 => {
                let slot = usize::from(script.byte()? % 8);
                memory.write_u32(RING.used() + 4 + slot * 8, u32::from(script.byte()? % 9));
            }
            3 | 4 => {
                if let Some(id) = free.pop() {
                    let buffer = Descriptor {
                        address: 256,
                        length: 8,
                        flags: 0,
                        next: 0,
                    };
                    driver.set_descriptor(&memory, id, buffer);
                    driver.offer(&memory, id);
                }
                driver.publish(&memory);
            }
            5 => drop(driver.take_kick(&memory)),
            6 => drop(driver.arm(&memory).ok()?),
            _ => free.extend(driver.take_used(&memory).ok()?.map(|used| used.head)),
        }
        assert_eq!(usize::from(driver.in_flight()) + free.len(), 8);
        assert!(driver.depth(&memory) <= 8);
    }
}

/// A hostile driver against the device's side of a queue.
pub fn ring_device(data: &[u8]) {
    let _ = run_ring_device(&mut Script(data));
}

fn run_ring_device(script: &mut Script<'_>) -> Option<()> {
    let memory = Memory::new(RING_SIZE);
    let mut device = DeviceQueue::new(&memory, RING).expect("the memory suffices");
    let mut taken = Vec::new();
    loop {
        match script.byte()? % 8 {
            0 => script.poke(&memory, RING_SIZE)?,
            1 => script.advance(&memory, RING.available() + 2)?,
            2 => {
                let at = usize::from(script.byte()? % 8) * 16;
                memory.write_u32(at + 8, u32::from(script.byte()?));
                memory.write_u16(at + 12, u16::from(script.byte()?) & (FLAG_NEXT | 2));
                memory.write_u16(at + 14, u16::from(script.byte()? % 9));
            }
            3 => {
                let slot = usize::from(script.byte()? % 8);
                memory.write_u16(
                    RING.available() + 4 + slot * 2,
                    u16::from(script.byte()? % 9),
                );
            }
            4 => {
                if let Some(head) = taken.pop() {
                    device.give_back(&memory, head, 8);
                    device.publish(&memory);
                }
            }
            5 => drop(device.take_kick(&memory)),
            6 => drop(device.arm(&memory).ok()?),
            _ => {
                let Some(head) = device.take(&memory).ok()? else {
                    continue;
                };
                let chain: Vec<_> = device.chain(&memory, head).collect();
                assert!(chain.len() <= 9);
                for buffer in chain.into_iter().flatten() {
                    assert!(memory.contains(buffer.address, buffer.length.into()));
                }
                taken.push(head);
            }
        }
        assert!(taken.len() <= 8 && device.depth(&memory) <= 8);
    }
}

const LINK: LinkLayout = LinkLayout::new(4, 256, 64);

/// A hostile peer against a link end of either side. The input says which, and may let an honest
/// peer work at times.
pub fn link(data: &[u8]) {
    let _ = run_link(&mut Script(data));
}

fn run_link(script: &mut Script<'_>) -> Option<()> {
    let memory = Memory::new(LINK.size());
    let end = |side| LinkEnd::with_layout(memory.clone(), side, LINK).expect("memory suffices");
    let mut ends = [end(Side::Driver), end(Side::Device)];
    let victim = usize::from(script.byte()? % 2);
    let bytes = [0xa5; 300];
    loop {
        let code = script.byte()?;
        // An honest peer that fails has met its own lies; only the victim's end ends the run.
        let who = if code & 0x80 != 0 { 1 - victim } else { victim };
        let end = &mut ends[who];
        let result = match code % 8 {
            0 => script.poke(&memory, LINK.size()).map(|()| Ok(()))?,
            1 => {
                let queue = &LINK.queues[usize::from(script.byte()? % 2)];
                let at = if victim == 0 {
                    queue.used()
                } else {
                    queue.available()
                };
                script.advance(&memory, at + 2).map(|()| Ok(()))?
            }
            2 => {
                let buffer = usize::from(script.byte()? % 8);
                let at = LINK.buffers[0] + buffer * LINK.buffer_size;
                let at = at + usize::from(script.byte()? % 6) * 4;
                memory.write_u32(at, u32::from(script.byte()?));
                Ok(())
            }
            3 => {
                let (head, body) = (script.byte()? % 50, script.byte()?);
                end.send(&bytes[..head.into()], &bytes[..body.into()])
            }
            4 => end.poll().map(drop),
            5 => end.prepare_sleep().map(|_| end.woke()),
            _ => end.receive().map(drop),
        };
        end.take_kick();
        end.depth();
        if who == victim && result.is_err() {
            return None;
        }
    }
}

/// A hostile device against a block driver.
pub fn block(data: &[u8]) {
    let _ = run_block(&mut Script(data));
}

fn run_block(script: &mut Script<'_>) -> Option<()> {
    let memory = Memory::new(LINK_SIZE);
    let mut driver = BlockDriver::new(memory.clone()).expect("memory suffices");
    let used = 0x1000;
    let bytes = [0x5a; 64 << 10];
    loop {
        let length = |n: u8| (usize::from(n % 128) + 1) * 512;
        match script.byte()? % 10 {
            0 => script.poke(&memory, 0x8000)?,
            1 => script.advance(&memory, used + 2)?,
            2 => {
                let slot = used + 4 + usize::from(script.byte()? % 128) * 8;
                memory.write_u32(slot, u32::from(script.byte()? % 130));
                memory.write_u32(slot + 4, u32::from(script.number()?));
            }
            3 => {
                let status = 0x4000 + usize::from(script.byte()? % 42) * 64 + 32;
                memory.write_bytes(status, &[script.byte()? % 5]);
            }
            4 => drop(driver.write(512, &bytes[..length(script.byte()?)])),
            5 => drop(driver.read(1024, length(script.byte()?))),
            6 => drop(driver.flush()),
            7 => drop(driver.discard(0, length(script.byte()?) as u64)),
            8 => drop(driver.prepare_sleep().ok()?),
            _ => {
                if let Some(done) = driver.complete().ok()? {
                    assert!(done.data.len() <= bytes.len());
                }
            }
        }
        driver.take_kick();
        assert!(driver.depth() <= 42);
    }
}

/// Bytes that should be a message of one of the edges, or a write set.
pub fn message(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    match kind % 7 {
        0 => drop(decode::<parse::ParseRequest>(bytes)),
        1 => drop(decode::<parse::ParseReply>(bytes)),
        2 => drop(decode::<execute::ExecuteRequest>(bytes)),
        3 => drop(decode::<execute::ExecuteReply>(bytes)),
        4 => drop(decode::<storage::StorageRequest>(bytes)),
        5 => drop(decode::<storage::StorageReply>(bytes)),
        _ => {
            let count = Operations::new(bytes).count();
            assert!(count <= bytes.len());
        }
    }
}
