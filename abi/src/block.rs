//! The link to a block device: one virtqueue in a link's area, with virtio-blk requests (VIRTIO 1.3, section 5.2).
//!
//! ```text
//!  offset        size          what
//!  0x00_0000     2048          descriptors
//!  0x00_0800     262           available ring
//!  0x00_1000     1030          used ring
//!  0x00_4000     42 * 64       requests: header (16 bytes), discard segment (16), status (1)
//!  0x00_8000     504 * 4096    data
//!  0x20_0000                   end
//!
//!  header        type u32, reserved u32, sector u64
//!  segment       sector u64, sectors u32, flags u32
//! ```
//!
//! Request `i` has descriptors `3i`, `3i + 1` and `3i + 2`: header, data (or segment; none for a flush), status.
//! Data is one run of 4 KiB blocks, so that a transfer is one `pread` or `pwrite` for the device.
//! Descriptor addresses are offsets in the area.
//!
//! Invariants:
//! 1. A request's blocks and descriptors belong to it until it completes.
//! 2. What a request is, the driver remembers itself; of what the device can write it believes only the
//!    status, the bytes read, and that it is finished.
//! 3. A flush covers the writes that had completed when it was queued, and no others. A durable write covers itself alone.
//!
//! Fails with a [`BlockError`] when the device breaks the protocol: the device is of no use then. A
//! failed transfer is none: it completes with its [`BlockStatus`].

#[cfg(test)]
mod tests;

use crate::memory_map::{LINK_SIZE, PAGE_SIZE};
use crate::ring::{
    Descriptor, DriverQueue, FLAG_NEXT, FLAG_WRITE, QUEUE_SIZE_MAX, RingError, RingLayout,
    RingMemory,
};
use alloc::vec::Vec;

/// Bytes of a sector, in which offsets and lengths are counted.
pub const SECTOR_SIZE: usize = 512;
/// Bytes of the largest transfer.
pub const TRANSFER_SIZE_MAX: usize = 64 << 10;
/// The queue.
pub const BLOCK_RING: RingLayout = RingLayout::new(QUEUE_SIZE_MAX, 0, 0x800, 0x1000);
/// Requests that can be in flight.
pub const REQUESTS_MAX: usize = QUEUE_SIZE_MAX as usize / 3;
/// Offset of the requests.
pub const REQUESTS: usize = 0x4000;
/// Bytes of a request.
pub const REQUEST_SIZE: usize = 64;
/// Offset of the data blocks, each of [`PAGE_SIZE`].
pub const DATA: usize = 0x8000;
/// Number of data blocks.
pub const DATA_BLOCKS: usize = (LINK_SIZE - DATA) / PAGE_SIZE;

const _: () = assert!(BLOCK_RING.end() <= REQUESTS);
const _: () = assert!(REQUESTS + REQUESTS_MAX * REQUEST_SIZE <= DATA);
const _: () = assert!(DATA_BLOCKS == 504 && REQUESTS_MAX == 42);

const HEADER_SIZE: usize = 16;
const SEGMENT: usize = 16;
const SEGMENT_SIZE: usize = 16;
const STATUS: usize = 32;
/// No status: what the byte holds until the device has written it.
const STATUS_NONE: u8 = 0xff;

/// Request types of virtio-blk.
pub mod request_type {
    /// Read.
    pub const IN: u32 = 0;
    /// Write.
    pub const OUT: u32 = 1;
    /// Make completed writes durable.
    pub const FLUSH: u32 = 4;
    /// Give sectors back; they read as zeros after.
    pub const DISCARD: u32 = 11;
    /// Write, and end only when the sectors written are durable (ours: virtio has no forced unit access).
    pub const OUT_DURABLE: u32 = 0x8000_0001;
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum BlockStatus {
    /// Done.
    Ok = 0,
    /// The device could not.
    IoErr = 1,
    /// The device does not know the request.
    Unsupported = 2,
    /// The volume, its pool or its quota is full (ours; virtio has none for it).
    NoSpace = 3,
}

impl BlockStatus {
    /// The status with this code.
    pub const fn from_code(code: u8) -> Option<BlockStatus> {
        match code {
            0 => Some(BlockStatus::Ok),
            1 => Some(BlockStatus::IoErr),
            2 => Some(BlockStatus::Unsupported),
            3 => Some(BlockStatus::NoSpace),
            _ => None,
        }
    }
}

/// A request in flight, unique for the lifetime of its driver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub u64);

/// A request that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completion<'a> {
    /// Which.
    pub ticket: Ticket,
    /// How.
    pub status: BlockStatus,
    /// For a read that is `Ok`, the bytes; else empty.
    pub data: &'a [u8],
}

/// How a device broke the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// It broke the rules of a virtqueue.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// It gave no status, or one that does not exist.
    #[error("block status {status}")]
    BadStatus {
        /// The status byte.
        status: u8,
    },
    /// It says that it wrote more than there was room for, or less than was read.
    #[error("a block request of {expected} bytes ended with {length}")]
    BadLength {
        /// Bytes it says.
        length: u32,
        /// Bytes of the request that the device writes: data and status.
        expected: u32,
    },
    /// The heap has no room for the driver's buffer.
    #[error("out of memory for a block device")]
    OutOfMemory,
}

/// What the driver knows of a request.
#[derive(Clone, Copy, Debug)]
struct Request {
    ticket: Ticket,
    first_block: usize,
    blocks: usize,
    /// Bytes read; 0 for what is no read.
    read_length: usize,
}

/// The driver's end.
#[derive(Debug)]
pub struct BlockDriver<M: RingMemory> {
    memory: M,
    queue: DriverQueue,
    requests: [Option<Request>; REQUESTS_MAX],
    /// A bit for each data block: 1 is taken. Bits past the last block are 1.
    taken: [u64; DATA_BLOCKS.div_ceil(64)],
    next_ticket: u64,
    /// The bytes of the last read that completed.
    data: Vec<u8>,
    failure: Option<BlockError>,
}

impl<M: RingMemory> BlockDriver<M> {
    /// A driver in zeroed memory.
    ///
    /// # Errors
    /// If the memory is smaller than [`LINK_SIZE`], or the heap has no room.
    pub fn new(memory: M) -> Result<Self, BlockError> {
        if memory.size() < LINK_SIZE {
            let (size, needed) = (memory.size(), LINK_SIZE);
            return Err(RingError::MemoryTooSmall { size, needed }.into());
        }
        let queue = DriverQueue::new(&memory, BLOCK_RING)?;
        let mut data = Vec::new();
        data.try_reserve_exact(TRANSFER_SIZE_MAX)
            .map_err(|_| BlockError::OutOfMemory)?;
        let mut taken = [0; DATA_BLOCKS.div_ceil(64)];
        for block in DATA_BLOCKS..taken.len() * 64 {
            taken[block / 64] |= 1 << (block % 64);
        }
        let requests = [None; REQUESTS_MAX];
        Ok(BlockDriver {
            memory,
            queue,
            requests,
            taken,
            next_ticket: 0,
            data,
            failure: None,
        })
    }

    /// Queues a write. None: no room now, or the device is broken.
    ///
    /// # Panics
    /// If offset or length is no multiple of [`SECTOR_SIZE`], or the length is 0 or more than
    /// [`TRANSFER_SIZE_MAX`].
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        self.put_write(request_type::OUT, offset, data)
    }

    /// Queues a write that is durable when it completes. None: no room now, or the device is broken.
    ///
    /// # Panics
    /// As for [`BlockDriver::write`].
    pub fn write_durable(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        self.put_write(request_type::OUT_DURABLE, offset, data)
    }

    fn put_write(&mut self, code: u32, offset: u64, data: &[u8]) -> Option<Ticket> {
        let sector = check_transfer(offset, data.len());
        let (slot, first_block) = self.room(data.len())?;
        let at = DATA + first_block * PAGE_SIZE;
        self.memory.write_bytes(at, data);
        self.put_request(slot, code, sector, Some((at, data.len(), 0)));
        Some(self.note(slot, first_block, data.len(), 0))
    }

    /// Queues a read. None: no room now, or the device is broken.
    ///
    /// # Panics
    /// As for [`BlockDriver::write`].
    pub fn read(&mut self, offset: u64, length: usize) -> Option<Ticket> {
        let sector = check_transfer(offset, length);
        let (slot, first_block) = self.room(length)?;
        let at = DATA + first_block * PAGE_SIZE;
        self.put_request(
            slot,
            request_type::IN,
            sector,
            Some((at, length, FLAG_WRITE)),
        );
        Some(self.note(slot, first_block, length, length))
    }

    /// Queues a flush of all writes that have completed. None: no room now, or the device is broken.
    pub fn flush(&mut self) -> Option<Ticket> {
        let (slot, _) = self.room(0)?;
        self.put_request(slot, request_type::FLUSH, 0, None);
        Some(self.note(slot, 0, 0, 0))
    }

    /// Queues a discard. None: no room now, or the device is broken.
    ///
    /// # Panics
    /// If offset or length is no multiple of [`SECTOR_SIZE`], or the length is 0 or more than u32::MAX
    /// sectors.
    pub fn discard(&mut self, offset: u64, length: u64) -> Option<Ticket> {
        let sector = sector(offset);
        assert!(
            length.is_multiple_of(SECTOR_SIZE as u64),
            "a discard of {length} bytes"
        );
        let sectors = length / SECTOR_SIZE as u64;
        assert!(
            sectors != 0 && sectors <= u32::MAX.into(),
            "a discard of {sectors} sectors"
        );
        let (slot, _) = self.room(0)?;
        let at = REQUESTS + slot * REQUEST_SIZE + SEGMENT;
        self.memory.write_u64(at, sector);
        self.memory.write_u64(at + 8, sectors);
        self.put_request(slot, request_type::DISCARD, 0, Some((at, SEGMENT_SIZE, 0)));
        Some(self.note(slot, 0, 0, 0))
    }

    /// The next request that has ended, in the device's order.
    ///
    /// # Errors
    /// If the device broke the protocol; then from every later call.
    pub fn complete(&mut self) -> Result<Option<Completion<'_>>, BlockError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        match self.take_completed() {
            Ok(None) => Ok(None),
            Ok(Some((ticket, status))) => Ok(Some(Completion {
                ticket,
                status,
                data: &self.data,
            })),
            Err(error) => {
                self.failure = Some(error);
                Err(error)
            }
        }
    }

    fn take_completed(&mut self) -> Result<Option<(Ticket, BlockStatus)>, BlockError> {
        let Some(used) = self.queue.take_used(&self.memory)? else {
            return Ok(None);
        };
        let slot = usize::from(used.head / 3);
        let request = self.requests[slot]
            .take()
            .expect("a chain in flight is a request");
        let expected = request.read_length as u32 + 1;
        self.data.clear();
        self.memory
            .read_bytes(REQUESTS + slot * REQUEST_SIZE + STATUS, 1, &mut self.data);
        let code = self.data[0];
        self.data.clear();
        let status = BlockStatus::from_code(code).ok_or(BlockError::BadStatus { status: code })?;
        let is_short = status == BlockStatus::Ok && used.length < expected && expected > 1;
        if used.length > expected || is_short {
            return Err(BlockError::BadLength {
                length: used.length,
                expected,
            });
        }
        if status == BlockStatus::Ok {
            let at = DATA + request.first_block * PAGE_SIZE;
            self.memory
                .read_bytes(at, request.read_length, &mut self.data);
        }
        for block in request.first_block..request.first_block + request.blocks {
            self.taken[block / 64] &= !(1 << (block % 64));
        }
        Ok(Some((request.ticket, status)))
    }

    /// Whether the device must be rung for what was queued since the last call.
    pub fn take_kick(&mut self) -> bool {
        self.queue.take_kick(&self.memory)
    }

    /// Before sleeping: asks the device to ring at the next completion. True: none is pending, and the
    /// function may sleep.
    ///
    /// # Errors
    /// If the device broke the protocol.
    pub fn prepare_sleep(&mut self) -> Result<bool, BlockError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let may_sleep = self.queue.arm(&self.memory).map_err(BlockError::from);
        if let Err(error) = may_sleep {
            self.failure = Some(error);
        }
        if !may_sleep? {
            self.woke();
            return Ok(false);
        }
        Ok(true)
    }

    /// After sleeping: asks the device not to ring.
    pub fn woke(&mut self) {
        self.queue.disarm(&self.memory);
    }

    /// Requests in flight.
    pub fn depth(&self) -> u64 {
        self.queue.in_flight().into()
    }

    /// A free request, and the first of a free run of blocks for `length` bytes.
    fn room(&self, length: usize) -> Option<(usize, usize)> {
        if self.failure.is_some() {
            return None;
        }
        let slot = self.requests.iter().position(Option::is_none)?;
        Some((slot, self.free_run(length.div_ceil(PAGE_SIZE))?))
    }

    /// The first block of the first free run of `blocks` blocks.
    fn free_run(&self, blocks: usize) -> Option<usize> {
        let mut run = 0;
        let mut block = 0;
        while run < blocks {
            let word = *self.taken.get(block / 64)?;
            if word == u64::MAX {
                run = 0;
                block = (block / 64 + 1) * 64;
            } else {
                run = if word >> (block % 64) & 1 == 0 {
                    run + 1
                } else {
                    0
                };
                block += 1;
            }
        }
        Some(block - run)
    }

    /// Writes header, status and descriptors of a request and publishes it. `data`: where, how long, and the
    /// descriptor's flags.
    fn put_request(
        &mut self,
        slot: usize,
        code: u32,
        sector: u64,
        data: Option<(usize, usize, u16)>,
    ) {
        let at = REQUESTS + slot * REQUEST_SIZE;
        self.memory.write_u64(at, code.into());
        self.memory.write_u64(at + 8, sector);
        self.memory.write_bytes(at + STATUS, &[STATUS_NONE]);
        let head = (slot * 3) as u16;
        let descriptor = |at: usize, length: usize, flags, next| Descriptor {
            address: at as u64,
            length: length as u32,
            flags,
            next,
        };
        let after_header = if data.is_some() { head + 1 } else { head + 2 };
        let header = descriptor(at, HEADER_SIZE, FLAG_NEXT, after_header);
        self.queue.set_descriptor(&self.memory, head, header);
        if let Some((at, length, flags)) = data {
            let data = descriptor(at, length, flags | FLAG_NEXT, head + 2);
            self.queue.set_descriptor(&self.memory, head + 1, data);
        }
        let status = descriptor(at + STATUS, 1, FLAG_WRITE, 0);
        self.queue.set_descriptor(&self.memory, head + 2, status);
        self.queue.offer(&self.memory, head);
        self.queue.publish(&self.memory);
    }

    /// Remembers a request; `length` bytes from its first block are its own.
    fn note(
        &mut self,
        slot: usize,
        first_block: usize,
        length: usize,
        read_length: usize,
    ) -> Ticket {
        let blocks = length.div_ceil(PAGE_SIZE);
        for block in first_block..first_block + blocks {
            self.taken[block / 64] |= 1 << (block % 64);
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.requests[slot] = Some(Request {
            ticket,
            first_block,
            blocks,
            read_length,
        });
        ticket
    }
}

/// The sector at a byte offset.
fn sector(offset: u64) -> u64 {
    assert!(
        offset.is_multiple_of(SECTOR_SIZE as u64),
        "a transfer at {offset}"
    );
    offset / SECTOR_SIZE as u64
}

/// The sector of a transfer that is as it must be.
fn check_transfer(offset: u64, length: usize) -> u64 {
    assert!(
        length.is_multiple_of(SECTOR_SIZE),
        "a transfer of {length} bytes"
    );
    assert!(
        length != 0 && length <= TRANSFER_SIZE_MAX,
        "a transfer of {length} bytes"
    );
    sector(offset)
}
