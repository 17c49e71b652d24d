use super::{BlockStatus, Ticket, VirtioBlock};
use crate::fake::Memory;
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::block::{BLOCK_RING, request_type};
use vireo_abi::memory_map::LINK_SIZE;
use vireo_abi::ring::{DeviceQueue, FLAG_WRITE, RingMemory, SharedMemory};

/// A device over a vector: answers what is in the queue.
struct Device {
    memory: SharedMemory,
    queue: DeviceQueue,
    disk: Vec<u8>,
    full: bool,
}

impl Device {
    fn new(memory: &Memory, size: usize) -> Device {
        let memory = memory.shared();
        Device {
            queue: DeviceQueue::new(&memory, BLOCK_RING).unwrap(),
            memory,
            disk: vec![0; size],
            full: false,
        }
    }

    fn serve(&mut self) {
        while let Some(head) = self.queue.take(&self.memory).unwrap() {
            let chain: Vec<_> = self
                .queue
                .chain(&self.memory, head)
                .map(Result::unwrap)
                .collect();
            let header = chain[0].address as usize;
            let code = self.memory.read_u32(header);
            let at = self.memory.read_u64(header + 8) as usize * 512;
            let status = chain.last().unwrap().address as usize;
            let mut written = 1;
            for data in &chain[1..chain.len() - 1] {
                let (address, length) = (data.address as usize, data.length as usize);
                match code {
                    request_type::IN => {
                        assert_eq!(data.flags & FLAG_WRITE, FLAG_WRITE);
                        self.memory
                            .write_bytes(address, &self.disk[at..at + length]);
                        written += data.length;
                    }
                    request_type::OUT => {
                        let mut bytes = Vec::with_capacity(length);
                        self.memory.read_bytes(address, length, &mut bytes);
                        self.disk[at..at + length].copy_from_slice(&bytes);
                    }
                    _ => {}
                }
            }
            let code = if self.full { 3 } else { 0 };
            self.memory.write_bytes(status, &[code]);
            self.queue.give_back(&self.memory, head, written);
        }
        self.queue.publish(&self.memory);
    }
}

fn pair() -> (Memory, VirtioBlock, Device) {
    let memory = Memory::new(LINK_SIZE);
    let block = VirtioBlock::new(memory.shared(), 1 << 20).unwrap();
    let device = Device::new(&memory, 1 << 20);
    (memory, block, device)
}

fn expect(block: &mut VirtioBlock, ticket: Ticket, status: BlockStatus, data: &[u8]) {
    let completion = block.complete().unwrap();
    assert_eq!((completion.ticket, completion.status), (ticket, status));
    assert_eq!(completion.data, data);
}

#[test]
fn requests_reach_the_device_and_come_back() {
    let (_memory, mut block, mut device) = pair();
    assert_eq!(block.capacity(), 1 << 20);
    let data: Vec<u8> = (0..1536usize).map(|i| (i / 7) as u8).collect();
    let write = block.write(4096, &data).unwrap();
    let flush = block.flush().unwrap();
    assert!(block.complete().is_none());
    assert!(block.take_kick());
    device.serve();
    expect(&mut block, write, BlockStatus::Ok, b"");
    expect(&mut block, flush, BlockStatus::Ok, b"");
    let read = block.read(4608, 1024).unwrap();
    assert_eq!(block.depth(), 1);
    device.serve();
    assert!(!block.prepare_sleep(), "a completion is there");
    expect(&mut block, read, BlockStatus::Ok, &data[512..]);
    let discard = block.discard(0, 1 << 20).unwrap();
    device.full = true;
    device.serve();
    expect(&mut block, discard, BlockStatus::NoSpace, b"");
    assert!(block.prepare_sleep());
    assert_eq!((block.sent(), block.received(), block.depth()), (4, 4, 0));
}

#[test]
fn a_full_queue_says_so_and_takes_more_after_completions() {
    let (_memory, mut block, mut device) = pair();
    let mut tickets = vec![];
    while let Some(ticket) = block.write(0, &[7; 65536]) {
        tickets.push(ticket);
    }
    assert_eq!(tickets.len(), 504 / 16);
    device.serve();
    for ticket in tickets {
        expect(&mut block, ticket, BlockStatus::Ok, b"");
    }
    assert!(block.read(0, 65536).is_some());
}

#[test]
fn a_broken_device_fails_all_requests_and_is_reported_once() {
    let (memory, mut block, _device) = pair();
    let first = block.read(0, 512).unwrap();
    let second = block.flush().unwrap();
    assert!(block.take_failure().is_none());
    memory.shared().store_release(BLOCK_RING.used() + 2, 999);
    expect(&mut block, first, BlockStatus::IoErr, b"");
    assert!(!block.prepare_sleep());
    expect(&mut block, second, BlockStatus::IoErr, b"");
    assert!(block.complete().is_none());
    assert!(block.prepare_sleep());
    let third = block.write(0, &[0; 512]).unwrap();
    assert!(third > second);
    expect(&mut block, third, BlockStatus::IoErr, b"");
    assert!(block.take_failure().is_some());
    assert!(block.take_failure().is_none());
    assert!(!block.take_kick());
}
