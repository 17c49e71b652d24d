//! A disk's medium and its cache: what a power cut leaves.
//!
//! A write that completed is in the cache: it is read back, and it is on the medium only after a flush that was queued
//! later completed. When the power goes, any sectors of what was not flushed, or was still on its way, are there
//! and the others are not, whatever their order: writes are torn between sectors, and a later one may have
//! survived an earlier one. A sector is never torn in itself.
//!
//! A flush that fails has lost any sectors of what it was to keep, at once (as a kernel drops pages that it could not
//! write). So an engine that goes on after one as if nothing had happened is found out.

use crate::random::Random;
use std::collections::VecDeque;
use vireo_abi::block::SECTOR_SIZE;

/// A disk.
#[derive(Debug)]
pub struct Disk {
    /// What survives.
    medium: Vec<u8>,
    /// What is read.
    cache: Vec<u8>,
    /// Completed writes that no flush has covered, oldest first.
    unflushed: VecDeque<(usize, Vec<u8>)>,
    /// Writes completed since the beginning.
    completed: u64,
}

impl Disk {
    pub fn new(capacity: usize) -> Disk {
        Disk {
            medium: vec![0; capacity],
            cache: vec![0; capacity],
            unflushed: VecDeque::new(),
            completed: 0,
        }
    }

    pub fn capacity(&self) -> u64 {
        self.medium.len() as u64
    }

    /// Writes completed so far: what a flush that is queued now covers.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    pub fn read(&self, offset: usize, length: usize) -> &[u8] {
        &self.cache[offset..offset + length]
    }

    pub fn write(&mut self, offset: usize, data: Vec<u8>) {
        self.cache[offset..offset + data.len()].copy_from_slice(&data);
        self.unflushed.push_back((offset, data));
        self.completed += 1;
    }

    /// A write that is on the medium when it completes. What it covers has reached the medium before it.
    pub fn write_durable(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        let is_over = |(at, other): &(usize, Vec<u8>)| *at < end && offset < at + other.len();
        if self.unflushed.iter().any(is_over) {
            self.flush(self.completed);
        }
        self.cache[offset..end].copy_from_slice(data);
        self.medium[offset..end].copy_from_slice(data);
    }

    /// Puts the first `covered` writes of the disk's life onto the medium.
    pub fn flush(&mut self, covered: u64) {
        let flushed = self.completed - self.unflushed.len() as u64;
        for _ in flushed..covered {
            let (offset, data) = self
                .unflushed
                .pop_front()
                .expect("as many as are not flushed");
            self.medium[offset..offset + data.len()].copy_from_slice(&data);
        }
    }

    /// A write that fails: some of it may have been done.
    pub fn fail_write(&mut self, offset: usize, mut data: Vec<u8>, random: &mut Random) {
        for (index, sector) in data.chunks_mut(SECTOR_SIZE).enumerate() {
            if random.once_in(2) {
                let at = offset + index * SECTOR_SIZE;
                sector.copy_from_slice(&self.cache[at..at + sector.len()]);
            }
        }
        self.write(offset, data);
    }

    /// Of all that is not flushed, any sectors remain. For a power cut and for a failed flush.
    pub fn lose_unflushed(&mut self, on_the_way: Vec<(usize, Vec<u8>)>, random: &mut Random) {
        self.unflushed.extend(on_the_way);
        // Sometimes nearly all is lost, sometimes nearly nothing.
        let kept = random.below(5);
        for (offset, data) in self.unflushed.drain(..) {
            for (index, sector) in data.chunks(SECTOR_SIZE).enumerate() {
                if random.below(4) < kept {
                    let at = offset + index * SECTOR_SIZE;
                    self.medium[at..at + sector.len()].copy_from_slice(sector);
                }
            }
        }
        self.cache.copy_from_slice(&self.medium);
    }
}
