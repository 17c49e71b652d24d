//! Writing a checkpoint while commits go on.
//!
//! ```text
//!  begin ──▶ Pages ──▶ FlushPages ──▶ Superblock ──▶ FlushSuperblock ──▶ durable
//! ```
//!
//! A checkpoint is of the newest published state. Its pages do not change any more; those that no earlier
//! checkpoint wrote are written in place of free blocks, in bounded pieces. Only when they are on the device does the
//! superblock name them, and only when that is on the device does anything of the checkpoint before become free.
//!
//! Fails: a write that finds no space is tried again, while the log has room commits go on; any other
//! failure is the engine's end.

use crate::block::{BlockDevice, BlockStatus, TRANSFER_SIZE_MAX, Ticket};
use crate::crc::crc32c;
use crate::database::{CATALOG, DATA, Database, State};
use crate::page::Page;
use crate::space::SpaceError;
use crate::stage::encode_stages;
use crate::superblock::Superblock;
use crate::tree;
use alloc::vec::Vec;
use core::ops::Range;
use vireo_abi::ids::{Lsn, PageId, Version};
use vireo_abi::memory_map::PAGE_SIZE;

const PAGES_PER_WRITE: usize = TRANSFER_SIZE_MAX / PAGE_SIZE;
/// Writes submitted in a turn: some 100 us of checksums.
const WRITES_PER_TURN: usize = 4;
const RETRY_NS: u64 = 50_000_000;

/// The data volume's device failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum CheckpointFailure {
    #[error("could not write to the data volume")]
    Write,
    #[error("could not flush the data volume")]
    Flush,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Pages,
    FlushPages(Option<Ticket>),
    Superblock(Option<Ticket>),
    FlushSuperblock(Option<Ticket>),
    Durable,
}

/// A checkpoint under way.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    pub(crate) superblock: Superblock,
    pages: Vec<PageId>,
    /// Runs of `pages` to write, the first last.
    todo: Vec<Range<usize>>,
    in_flight: Vec<(Ticket, Range<usize>)>,
    phase: Phase,
    buffer: Vec<u8>,
    retry_at: Option<u64>,
}

/// The list of staged trees, kept in pages.
pub(crate) fn write_stage_list(
    database: &mut Database,
    state: &State,
) -> Result<(PageId, u64, Vec<PageId>), SpaceError> {
    let list = encode_stages(&state.staged);
    if list.is_empty() {
        return Ok((PageId(0), 0, Vec::new()));
    }
    let store = &mut database.stores[DATA];
    store.check_room(list.len() as u64 / 4000 + 2)?;
    let value = tree::write_overflow(store, &list)?;
    let mut pages = Vec::new();
    let mut page = value.first;
    while page.0 != 0 {
        store.mark_clean(page);
        pages.push(page);
        page = tree::next_overflow(store, page)?;
    }
    Ok((value.first, list.len() as u64, pages))
}

/// Gives the pages of a list back.
pub(crate) fn free_stage_list(
    database: &mut Database,
    superblock: &Superblock,
) -> Result<(), SpaceError> {
    if superblock.staged.0 == 0 {
        return Ok(());
    }
    let value = crate::Overflow {
        length: superblock.staged_bytes as u32,
        first: superblock.staged,
    };
    tree::free_overflow(&mut database.stores[DATA], value)
}

impl Checkpoint {
    /// Begins a checkpoint of `state` that follows the one of `last`.
    pub(crate) fn begin(
        database: &mut Database,
        state: &State,
        last: &Superblock,
    ) -> Result<Checkpoint, SpaceError> {
        let (staged, staged_bytes, list) = write_stage_list(database, state)?;
        let superblock = Superblock {
            number: last.number + 1,
            sequence: Version(state.sequence),
            lsn: Lsn(state.lsn),
            frame_checksum: state.frame_checksum,
            epoch: database.stores[DATA].epoch(),
            catalog_version: Version(state.catalog_version),
            catalog_root: state.catalog_root,
            catalog_rows: state.catalog_rows,
            master_root: state.master_root,
            next_object: state.next_object,
            staged,
            staged_bytes,
            ..*last
        };
        let mut pages = database.stores[CATALOG].begin_checkpoint(state.sequence, state.epoch);
        pages.extend(database.stores[DATA].begin_checkpoint(state.sequence, state.epoch));
        pages.extend(list);
        pages.sort_unstable();
        let mut todo = Vec::new();
        let mut start = 0;
        for end in 1..=pages.len() {
            let is_run = end < pages.len()
                && pages[end].0 == pages[end - 1].0 + 1
                && end - start < PAGES_PER_WRITE;
            if !is_run {
                todo.push(start..end);
                start = end;
            }
        }
        todo.reverse();
        Ok(Checkpoint {
            superblock,
            pages,
            todo,
            in_flight: Vec::new(),
            phase: Phase::Pages,
            buffer: Vec::new(),
            retry_at: None,
        })
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.phase == Phase::Durable
    }

    /// Whether the device had no space for a page; the checkpoint waits.
    pub(crate) fn is_out_of_space(&self) -> bool {
        self.retry_at.is_some()
    }

    /// A bounded step. True if there was anything to do.
    pub(crate) fn step(
        &mut self,
        database: &Database,
        device: &mut dyn BlockDevice,
        now_ns: u64,
    ) -> Result<bool, CheckpointFailure> {
        let mut worked = self.complete(device, now_ns)?;
        if let Some(at) = self.retry_at {
            if now_ns < at {
                return Ok(worked);
            }
            self.retry_at = None;
        }
        match self.phase {
            Phase::Pages => {
                worked |= self.submit_pages(database, device);
                if self.todo.is_empty() && self.in_flight.is_empty() {
                    self.phase = Phase::FlushPages(None);
                    worked = true;
                }
            }
            Phase::FlushPages(None) => {
                let ticket = device.flush();
                worked |= ticket.is_some();
                self.phase = Phase::FlushPages(ticket);
            }
            Phase::Superblock(None) => {
                let offset = self.superblock.block() * PAGE_SIZE as u64;
                let ticket = device.write(offset, &self.superblock.encode());
                worked |= ticket.is_some();
                self.phase = Phase::Superblock(ticket);
            }
            Phase::FlushSuperblock(None) => {
                let ticket = device.flush();
                worked |= ticket.is_some();
                self.phase = Phase::FlushSuperblock(ticket);
            }
            _ => {}
        }
        Ok(worked)
    }

    fn submit_pages(&mut self, database: &Database, device: &mut dyn BlockDevice) -> bool {
        let mut worked = false;
        for _ in 0..WRITES_PER_TURN {
            let Some(run) = self.todo.last().cloned() else {
                break;
            };
            self.buffer.clear();
            for page in &self.pages[run.clone()] {
                let pool = if page.0 < self.superblock.data_first {
                    CATALOG
                } else {
                    DATA
                };
                let bytes = database.stores[pool].page(*page);
                let mut copy: Page = *bytes.expect("a checkpoint's pages stay until it is durable");
                let checksum = crc32c(&copy[4..]);
                copy[..4].copy_from_slice(&checksum.to_le_bytes());
                self.buffer.extend_from_slice(&copy);
            }
            let offset = self.pages[run.start].0 * PAGE_SIZE as u64;
            let Some(ticket) = device.write(offset, &self.buffer) else {
                break;
            };
            worked = true;
            self.todo.pop();
            self.in_flight.push((ticket, run));
        }
        worked
    }

    fn complete(
        &mut self,
        device: &mut dyn BlockDevice,
        now_ns: u64,
    ) -> Result<bool, CheckpointFailure> {
        let mut worked = false;
        while let Some(completion) = device.complete() {
            worked = true;
            let (ticket, status) = (completion.ticket, completion.status);
            let no_space = status == BlockStatus::NoSpace;
            match self.phase {
                Phase::Pages => {
                    let place = self.in_flight.iter().position(|(t, _)| *t == ticket);
                    let Some(place) = place else { continue };
                    let (_, run) = self.in_flight.swap_remove(place);
                    if no_space {
                        self.todo.push(run);
                        self.retry_at = Some(now_ns + RETRY_NS);
                    } else if status != BlockStatus::Ok {
                        return Err(CheckpointFailure::Write);
                    }
                }
                Phase::Superblock(Some(t)) if t == ticket => {
                    if no_space {
                        self.phase = Phase::Superblock(None);
                        self.retry_at = Some(now_ns + RETRY_NS);
                    } else if status != BlockStatus::Ok {
                        return Err(CheckpointFailure::Write);
                    } else {
                        self.phase = Phase::FlushSuperblock(None);
                    }
                }
                Phase::FlushPages(Some(t)) if t == ticket => {
                    if status != BlockStatus::Ok {
                        return Err(CheckpointFailure::Flush);
                    }
                    self.phase = Phase::Superblock(None);
                }
                Phase::FlushSuperblock(Some(t)) if t == ticket => {
                    if status != BlockStatus::Ok {
                        return Err(CheckpointFailure::Flush);
                    }
                    self.phase = Phase::Durable;
                }
                _ => {}
            }
        }
        Ok(worked)
    }
}
