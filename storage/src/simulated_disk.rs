//! A disk for tests: everything that a disk may do, from a seed.
//!
//! Requests complete in a random order. A write that completed is lost with the power unless a flush that began
//! later completed; what of it is lost is up to chance, sector by sector. At a chosen operation the power goes, or
//! the operation fails.

use crate::block::{BlockDevice, BlockStatus, Completion, TRANSFER_SIZE_MAX, Ticket};
use crate::tree::tests::Random;
use std::collections::BTreeMap;
use std::vec::Vec;

const SECTOR: usize = 512;

/// What happens at the chosen operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The power goes: nothing completes any more.
    PowerCut,
    /// The operation fails.
    IoError,
    /// The read fails: of reads this counts those.
    ReadError,
    /// The operation, if it is a write, finds no space; so do some more after it.
    NoSpace,
}

#[derive(Debug)]
enum Request {
    Read(u64, usize),
    Write(u64, Vec<u8>),
    /// A write that is durable when it completes.
    WriteDurable(u64, Vec<u8>),
    /// The writes before this place in the list of unflushed ones become durable.
    Flush(usize),
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct SimulatedDisk {
    capacity: u64,
    /// Sectors that survive.
    durable: BTreeMap<u64, [u8; SECTOR]>,
    /// Writes that completed since, in order.
    unflushed: Vec<(u64, Vec<u8>)>,
    queue: Vec<(Ticket, Request)>,
    next_ticket: u64,
    operations: u64,
    reads: u64,
    fault: Option<(u64, Fault)>,
    pub(crate) is_dead: bool,
    /// No write finds space while this is so.
    pub(crate) is_full: bool,
    random: Random,
    data: Vec<u8>,
    /// Highest sector ever written, plus one.
    pub(crate) sectors_used: u64,
    pub(crate) flushes: u64,
}

impl SimulatedDisk {
    pub(crate) fn new(capacity: u64, seed: u64) -> SimulatedDisk {
        SimulatedDisk {
            capacity,
            durable: BTreeMap::new(),
            unflushed: Vec::new(),
            queue: Vec::new(),
            next_ticket: 0,
            operations: 0,
            reads: 0,
            fault: None,
            is_dead: false,
            is_full: false,
            random: Random(seed | 1),
            data: Vec::new(),
            sectors_used: 0,
            flushes: 0,
        }
    }

    /// The fault comes at the `at`th operation from the disk's beginning.
    pub(crate) fn fault_at(&mut self, at: u64, fault: Fault) {
        self.fault = Some((at, fault));
    }

    /// Reads so far.
    pub(crate) fn reads(&self) -> u64 {
        self.reads
    }

    /// Writes and flushes so far.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// The power comes back: of what was not flushed, any sectors are there.
    pub(crate) fn restart(&mut self) {
        let mut pending: Vec<(u64, Vec<u8>)> = core::mem::take(&mut self.unflushed);
        for (_, request) in core::mem::take(&mut self.queue) {
            if let Request::Write(offset, data) | Request::WriteDurable(offset, data) = request {
                pending.push((offset, data));
            }
        }
        let keep = self.random.below(5);
        for (offset, data) in pending {
            for (i, sector) in data.as_chunks::<SECTOR>().0.iter().enumerate() {
                if self.random.below(4) < keep {
                    self.durable
                        .insert(offset / SECTOR as u64 + i as u64, *sector);
                }
            }
        }
        self.is_dead = false;
        self.fault = None;
    }

    /// The process ends and starts, the disk does not: all that completed is there.
    pub(crate) fn reopen(&mut self) {
        self.flush_until(self.unflushed.len());
        self.queue.clear();
        self.is_dead = false;
        self.fault = None;
    }

    /// Changes a byte on the disk.
    pub(crate) fn damage(&mut self, offset: u64) {
        let sector = self
            .durable
            .entry(offset / SECTOR as u64)
            .or_insert([0; SECTOR]);
        sector[offset as usize % SECTOR] ^= 0x40;
    }

    pub(crate) fn overwrite(&mut self, offset: u64, data: &[u8]) {
        self.unflushed.push((offset, data.to_vec()));
        self.flush_until(self.unflushed.len());
    }

    fn flush_until(&mut self, count: usize) {
        let rest = self.unflushed.split_off(count.min(self.unflushed.len()));
        for (offset, data) in core::mem::replace(&mut self.unflushed, rest) {
            for (i, sector) in data.as_chunks::<SECTOR>().0.iter().enumerate() {
                self.durable
                    .insert(offset / SECTOR as u64 + i as u64, *sector);
            }
        }
        for (_, request) in &mut self.queue {
            if let Request::Flush(until) = request {
                *until = until.saturating_sub(count);
            }
        }
    }

    fn submit(&mut self, request: Request) -> Option<Ticket> {
        if self.queue.len() >= 24 {
            return None;
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.queue.push((ticket, request));
        Some(ticket)
    }

    fn read_now(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut out = std::vec![0; length];
        for (i, sector) in out.as_chunks_mut::<SECTOR>().0.iter_mut().enumerate() {
            if let Some(bytes) = self.durable.get(&(offset / SECTOR as u64 + i as u64)) {
                *sector = *bytes;
            }
        }
        for (at, data) in &self.unflushed {
            let start = (*at).max(offset);
            let end = (at + data.len() as u64).min(offset + length as u64);
            if start < end {
                let from = &data[(start - at) as usize..(end - at) as usize];
                out[(start - offset) as usize..(end - offset) as usize].copy_from_slice(from);
            }
        }
        out
    }

    fn fault_now(&mut self) -> Option<Fault> {
        self.operations += 1;
        match self.fault {
            Some((at, Fault::NoSpace)) if (at..at + 5).contains(&self.operations) => {
                Some(Fault::NoSpace)
            }
            Some((_, Fault::NoSpace | Fault::ReadError)) => None,
            Some((at, fault)) if at == self.operations => Some(fault),
            _ if self.is_full => Some(Fault::NoSpace),
            _ => None,
        }
    }

    fn is_failed_read(&mut self) -> bool {
        self.reads += 1;
        self.fault == Some((self.reads, Fault::ReadError))
    }
}

impl BlockDevice for SimulatedDisk {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn read(&mut self, offset: u64, length: usize) -> Option<Ticket> {
        assert!(offset + length as u64 <= self.capacity && length <= TRANSFER_SIZE_MAX);
        self.submit(Request::Read(offset, length))
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        assert!(offset + data.len() as u64 <= self.capacity && data.len() <= TRANSFER_SIZE_MAX);
        assert!(offset.is_multiple_of(4096) && data.len().is_multiple_of(4096));
        self.submit(Request::Write(offset, data.to_vec()))
    }

    fn write_durable(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        assert!(offset + data.len() as u64 <= self.capacity && data.len() <= TRANSFER_SIZE_MAX);
        assert!(offset.is_multiple_of(4096) && data.len().is_multiple_of(4096));
        self.submit(Request::WriteDurable(offset, data.to_vec()))
    }

    fn flush(&mut self) -> Option<Ticket> {
        self.submit(Request::Flush(self.unflushed.len()))
    }

    fn complete(&mut self) -> Option<Completion<'_>> {
        if self.is_dead || self.queue.is_empty() || self.random.below(4) == 0 {
            return None;
        }
        let at = self.random.below(self.queue.len() as u64) as usize;
        if matches!(self.queue[at].1, Request::Read(..)) {
            if self.is_failed_read() {
                let (ticket, _) = self.queue.swap_remove(at);
                return Some(Completion {
                    ticket,
                    status: BlockStatus::IoErr,
                    data: &[],
                });
            }
        } else {
            match self.fault_now() {
                Some(Fault::PowerCut) => {
                    self.is_dead = true;
                    return None;
                }
                Some(Fault::IoError) => {
                    let (ticket, _) = self.queue.swap_remove(at);
                    return Some(Completion {
                        ticket,
                        status: BlockStatus::IoErr,
                        data: &[],
                    });
                }
                Some(Fault::NoSpace)
                    if matches!(
                        self.queue[at].1,
                        Request::Write(..) | Request::WriteDurable(..)
                    ) =>
                {
                    let (ticket, _) = self.queue.swap_remove(at);
                    return Some(Completion {
                        ticket,
                        status: BlockStatus::NoSpace,
                        data: &[],
                    });
                }
                _ => {}
            }
        }
        let (ticket, request) = self.queue.swap_remove(at);
        self.data.clear();
        match request {
            Request::Read(offset, length) => self.data = self.read_now(offset, length),
            Request::Write(offset, data) => {
                let end = (offset + data.len() as u64) / SECTOR as u64;
                self.sectors_used = self.sectors_used.max(end);
                self.unflushed.push((offset, data));
            }
            Request::WriteDurable(offset, data) => {
                let end = (offset + data.len() as u64) / SECTOR as u64;
                self.sectors_used = self.sectors_used.max(end);
                self.flushes += 1;
                let is_over = |(at, other): &(u64, Vec<u8>)| {
                    *at < offset + data.len() as u64 && offset < at + other.len() as u64
                };
                if self.unflushed.iter().any(is_over) {
                    // What it covers has reached the medium before it.
                    self.flush_until(self.unflushed.len());
                }
                for (i, sector) in data.as_chunks::<SECTOR>().0.iter().enumerate() {
                    self.durable
                        .insert(offset / SECTOR as u64 + i as u64, *sector);
                }
            }
            Request::Flush(until) => {
                self.flushes += 1;
                self.flush_until(until);
            }
        }
        Some(Completion {
            ticket,
            status: BlockStatus::Ok,
            data: &self.data,
        })
    }
}
