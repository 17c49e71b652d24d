//! Reading the log while the database opens: frame after frame, and the search where it ends.

use super::{Phase, Recovery, StartError};
use crate::block::{Devices, TRANSFER_SIZE_MAX};
use crate::superblock::Superblock;
use crate::wal::{FRAME_HEADER_SIZE, FrameHeader};
use alloc::vec::Vec;
use vireo_abi::memory_map::PAGE_SIZE;

/// Bytes of the log that are read ahead.
const READ_AHEAD: u64 = 1 << 20;
/// Bytes after the log's end that are searched: the frames that follow the longest one begin within.
const SEARCH_BYTES: u64 = 8 << 20;

impl Recovery {
    /// Reads ahead, and applies one frame.
    pub(super) fn replay(&mut self, devices: &mut Devices<'_>) -> Result<bool, StartError> {
        let Some(superblock) = self.superblock else {
            return Ok(false);
        };
        let limit = log_limit(&superblock);
        let mut worked = self.complete_log_reads(devices)?;
        if self.merge.is_some() {
            self.step_merge()?;
            return Ok(true);
        }
        let need = match self
            .peek(self.lsn, FRAME_HEADER_SIZE)
            .and_then(|h| FrameHeader::decode(&h))
        {
            None if self.has(self.lsn, FRAME_HEADER_SIZE) => return Ok(self.begin_search()),
            None => FRAME_HEADER_SIZE,
            Some(header) => {
                let follows = header.follows(self.lsn, superblock.database, self.checksum);
                if !follows || self.lsn + header.length as u64 > limit {
                    return Ok(self.begin_search());
                }
                if self.has(self.lsn, header.length) {
                    let frame = self.peek(self.lsn, header.length);
                    let frame = frame.ok_or(StartError::OutOfMemory)?;
                    if !header.is_intact(&frame) {
                        return Ok(self.begin_search());
                    }
                    self.checksum = header.checksum;
                    self.apply_frame(&frame)?;
                    self.lsn += header.length.next_multiple_of(PAGE_SIZE) as u64;
                    worked = true;
                    0
                } else {
                    header.length
                }
            }
        };
        while let Some((lsn, Some(bytes))) = self.chunks.front()
            && lsn + bytes.len() as u64 <= self.lsn
        {
            self.chunks.pop_front();
        }
        worked |= self.read_log(devices, READ_AHEAD.max(need as u64 + READ_AHEAD / 2));
        // The log may fill its circle: then what follows is where replay began, and ends it.
        if self.lsn >= limit {
            return Ok(self.end_replay());
        }
        Ok(worked)
    }

    fn begin_search(&mut self) -> bool {
        self.phase = Phase::Search;
        true
    }

    /// Looks for a frame that proves that the one at the position, which is not valid, was durable.
    pub(super) fn search(&mut self, devices: &mut Devices<'_>) -> Result<bool, StartError> {
        let Some(superblock) = self.superblock else {
            return Ok(false);
        };
        let mut worked = self.complete_log_reads(devices)?;
        worked |= self.read_log(devices, SEARCH_BYTES);
        let end = (self.lsn + SEARCH_BYTES).min(log_limit(&superblock));
        if !self.has(self.lsn, (end - self.lsn) as usize) {
            return Ok(worked);
        }
        for later in (self.lsn..end).step_by(PAGE_SIZE).skip(1) {
            let header = self.peek(later, FRAME_HEADER_SIZE);
            let Some(header) = header.and_then(|bytes| FrameHeader::decode(&bytes)) else {
                continue;
            };
            let is_ours = header.lsn == later && header.database == superblock.database;
            let proves = header.flushed.is_some_and(|flushed| flushed > self.lsn);
            // What does not lie within what was read cannot be believed.
            if is_ours
                && proves
                && later + header.length as u64 <= end
                && let Some(frame) = self.peek(later, header.length)
                && header.is_intact(&frame)
            {
                let lsn = self.lsn;
                return Err(StartError::LogDamaged { lsn, later });
            }
        }
        Ok(self.end_replay())
    }

    /// Takes what was read of the log.
    fn complete_log_reads(&mut self, devices: &mut Devices<'_>) -> Result<bool, StartError> {
        let Some(superblock) = &self.superblock else {
            return Ok(false);
        };
        let circle = superblock.wal_bytes - PAGE_SIZE as u64;
        let chunks = &mut self.chunks;
        self.wal_reads
            .complete(devices.wal, "log", |offset, bytes| {
                let place = offset - PAGE_SIZE as u64;
                let chunk = chunks
                    .iter_mut()
                    .find(|(lsn, content)| content.is_none() && lsn % circle == place);
                if let Some((_, content)) = chunk {
                    let mut copy = Vec::new();
                    copy.try_reserve_exact(bytes.len())
                        .map_err(|_| StartError::OutOfMemory)?;
                    copy.extend_from_slice(bytes);
                    *content = Some(copy);
                }
                Ok(())
            })
    }

    /// Reads the log until `ahead` bytes from the position on are on their way. True if it began to.
    fn read_log(&mut self, devices: &mut Devices<'_>, ahead: u64) -> bool {
        let Some(superblock) = &self.superblock else {
            return false;
        };
        let circle = superblock.wal_bytes - PAGE_SIZE as u64;
        let target = (self.lsn + ahead).min(log_limit(superblock));
        while self.read_until < target {
            let place = self.read_until % circle;
            let length = (circle - place).min(TRANSFER_SIZE_MAX as u64);
            self.wal_reads
                .todo
                .push_back((PAGE_SIZE as u64 + place, length as usize));
            self.chunks.push_back((self.read_until, None));
            self.read_until += length;
        }
        self.wal_reads.submit(devices.wal)
    }

    fn end_replay(&mut self) -> bool {
        self.chunks.clear();
        // What is still being read is of no use; its completions are ignored.
        self.wal_reads.todo.clear();
        self.phase = Phase::FinalFlush(None);
        true
    }

    /// Whether `length` bytes from `from` on are in memory.
    fn has(&self, from: u64, length: usize) -> bool {
        let end = from + length as u64;
        let mut at = from;
        for (lsn, bytes) in &self.chunks {
            let Some(bytes) = bytes else { return false };
            if *lsn <= at && at < lsn + bytes.len() as u64 {
                at = lsn + bytes.len() as u64;
            }
            if at >= end {
                return true;
            }
        }
        false
    }

    /// A copy of the bytes from `from` on.
    fn peek(&self, from: u64, length: usize) -> Option<Vec<u8>> {
        if !self.has(from, length) {
            return None;
        }
        let mut out = Vec::new();
        out.try_reserve_exact(length).ok()?;
        let end = from + length as u64;
        for (lsn, bytes) in &self.chunks {
            if lsn + bytes.as_ref().map_or(0, Vec::len) as u64 <= from {
                continue;
            }
            let bytes = bytes.as_ref()?;
            let from = from.saturating_sub(*lsn).min(bytes.len() as u64) as usize;
            let to = end.saturating_sub(*lsn).min(bytes.len() as u64) as usize;
            out.extend_from_slice(bytes.get(from..to).unwrap_or(&[]));
            if out.len() == length {
                break;
            }
        }
        Some(out)
    }
}

/// Where the log, as the superblock knows it, must end: its circle is full.
fn log_limit(superblock: &Superblock) -> u64 {
    superblock.lsn.0 + superblock.wal_bytes - PAGE_SIZE as u64
}
