//! From two volumes to a running database.
//!
//! ```text
//!  Heads ──▶ new: Header ─▶ HeaderFlush ─▶ (first checkpoint) ──────────────▶ running
//!    └─────▶ known: Load roots ─▶ Load trees ─▶ Replay ─▶ Search ─▶ FinalFlush ─▶ running
//! ```
//!
//! 1. The newest valid superblock names the state; its pages are read, wherever it leads, and each is verified: checksum,
//!    own number, and that it is not from after the superblock.
//! 2. The log's frames from the superblock's lsn on are applied, up to the first that is not valid. A frame was lost there with
//!    the power, or is damaged: what follows within some megabytes is searched for a frame that knows it durable.
//! 3. The log's device is flushed before anything is published: what was replayed may have been in its cache only.
//!
//! Fails with [`StartError`]: nothing was written then, but for a new database's headers.

mod replay;

use crate::block::{BlockDevice, BlockStatus, Devices, TRANSFER_SIZE_MAX, Ticket};
use crate::crc::crc32c;
use crate::database::{CATALOG, DATA, Database, State};
use crate::error::ReadError;
use crate::frame::{PoolArea, PoolMemory, PoolTooSmall};
use crate::node::{Node, Value};
use crate::page::{self, HEADER_SIZE, Kind, Page};
use crate::space::SpaceError;
use crate::stage::{Merge, Progress, decode_stages};
use crate::superblock::{
    FormatError, SUPERBLOCKS, Superblock, decode_wal_header, encode_wal_header,
};
use crate::wal::{Record, Records, WalError};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use vireo_abi::ids::{Lsn, PageId, TreeId, Version};
use vireo_abi::memory_map::PAGE_SIZE;
use vireo_abi::write_set::{Operation, Operations};

/// Bytes of the smallest data volume, and of the smallest log.
const VOLUME_MIN: u64 = 1 << 20;
/// Reads of pages in flight.
const READS_MAX: usize = 16;

/// Why the database does not start.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The volumes are not what this program can use.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A page is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log is damaged where it must not be.
    #[error(transparent)]
    Wal(#[from] WalError),
    /// The log has lost what was durable.
    #[error("the log is damaged at {lsn}: the frame at {later} was written when that was durable")]
    LogDamaged {
        /// The frame that is not valid.
        lsn: u64,
        /// A later one.
        later: u64,
    },
    /// The data does not fit the pool.
    #[error("the database does not fit: {0}")]
    Space(SpaceError),
    /// A pool cannot be laid out.
    #[error(transparent)]
    Pool(#[from] PoolTooSmall),
    /// A device failed.
    #[error("could not {what} the {volume} volume")]
    Io {
        /// "read", "write" or "flush".
        what: &'static str,
        /// "data" or "log".
        volume: &'static str,
    },
    /// Not enough heap.
    #[error("out of memory during recovery")]
    OutOfMemory,
}

impl From<SpaceError> for StartError {
    fn from(error: SpaceError) -> Self {
        match error {
            SpaceError::Read(error) => StartError::Read(error),
            error => StartError::Space(error),
        }
    }
}

/// What recovery leaves.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) database: Database,
    pub(crate) superblock: Superblock,
    /// Where the log goes on, and the checksum of its last frame.
    pub(crate) log_end: u64,
    pub(crate) frame_checksum: u32,
    /// Whether the database is new: nothing is on the data volume yet.
    pub(crate) is_new: bool,
    /// Commits replayed.
    pub(crate) replayed: u64,
}

/// Blocks being read, in any order.
#[derive(Debug, Default)]
struct Reads {
    todo: VecDeque<(u64, usize)>,
    in_flight: Vec<(Ticket, u64)>,
}

impl Reads {
    fn is_done(&self) -> bool {
        self.todo.is_empty() && self.in_flight.is_empty()
    }

    fn submit(&mut self, device: &mut dyn BlockDevice) -> bool {
        let mut worked = false;
        while self.in_flight.len() < READS_MAX
            && let Some(&(offset, length)) = self.todo.front()
            && let Some(ticket) = device.read(offset, length)
        {
            self.todo.pop_front();
            self.in_flight.push((ticket, offset));
            worked = true;
        }
        worked
    }

    /// Hands completed reads, with their offsets, to `take`.
    fn complete(
        &mut self,
        device: &mut dyn BlockDevice,
        volume: &'static str,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), StartError>,
    ) -> Result<bool, StartError> {
        let mut worked = false;
        while let Some(completion) = device.complete() {
            worked = true;
            let place = self
                .in_flight
                .iter()
                .position(|(t, _)| *t == completion.ticket);
            let Some(place) = place else { continue };
            let (_, offset) = self.in_flight.swap_remove(place);
            if completion.status != BlockStatus::Ok {
                return Err(StartError::Io {
                    what: "read",
                    volume,
                });
            }
            take(offset, completion.data)?;
        }
        Ok(worked)
    }
}

#[derive(Debug)]
enum Phase {
    Heads,
    Header(Option<Ticket>),
    HeaderFlush(Option<Ticket>),
    LoadRoots,
    LoadTrees,
    Replay,
    Search,
    FinalFlush(Option<Ticket>),
    Done,
}

/// Recovery under way.
#[derive(Debug)]
pub(crate) struct Recovery {
    phase: Phase,
    seed: u64,
    pools: Option<[PoolArea; 2]>,
    blocks: [Page; 2],
    wal_block: Page,
    wal_reads: Reads,
    reads: Reads,
    /// Pages to be read.
    wanted: Vec<PageId>,
    database: Option<Database>,
    superblock: Option<Superblock>,
    chunks: VecDeque<(u64, Option<Vec<u8>>)>,
    read_until: u64,
    lsn: u64,
    checksum: u32,
    merge: Option<(Merge, Vec<u8>, u64)>,
    replayed: u64,
}

impl Recovery {
    pub(crate) fn new(seed: u64, catalog: PoolArea, data: PoolArea) -> Recovery {
        let block = PAGE_SIZE;
        let reads = Reads {
            todo: (0..SUPERBLOCKS)
                .map(|i| (i * block as u64, block))
                .collect(),
            in_flight: Vec::new(),
        };
        let wal_reads = Reads {
            todo: VecDeque::from([(0, block)]),
            in_flight: Vec::new(),
        };
        Recovery {
            phase: Phase::Heads,
            seed,
            pools: Some([catalog, data]),
            blocks: [[0; PAGE_SIZE]; 2],
            wal_block: [0; PAGE_SIZE],
            wal_reads,
            reads,
            wanted: Vec::new(),
            database: None,
            superblock: None,
            chunks: VecDeque::new(),
            read_until: 0,
            lsn: 0,
            checksum: 0,
            merge: None,
            replayed: 0,
        }
    }

    /// A bounded step. `Ok(true)` if there was anything to do.
    pub(crate) fn step(&mut self, devices: &mut Devices<'_>) -> Result<bool, StartError> {
        match self.phase {
            Phase::Heads => self.heads(devices),
            Phase::Header(_) | Phase::HeaderFlush(_) | Phase::FinalFlush(_) => self.writes(devices),
            Phase::LoadRoots | Phase::LoadTrees => self.load(devices),
            Phase::Replay => self.replay(devices),
            Phase::Search => self.search(devices),
            Phase::Done => Ok(false),
        }
    }

    /// What recovery leaves, when it is done.
    pub(crate) fn take(&mut self) -> Option<Recovered> {
        if !matches!(self.phase, Phase::Done) {
            return None;
        }
        let superblock = self.superblock.take()?;
        Some(Recovered {
            database: self.database.take()?,
            superblock,
            log_end: self.lsn,
            frame_checksum: self.checksum,
            is_new: superblock.number == 0,
            replayed: self.replayed,
        })
    }

    fn heads(&mut self, devices: &mut Devices<'_>) -> Result<bool, StartError> {
        for (volume, bytes) in [
            ("data", devices.data.capacity()),
            ("log", devices.wal.capacity()),
        ] {
            if bytes < VOLUME_MIN {
                return Err(FormatError::TooSmall { volume, bytes }.into());
            }
        }
        let mut worked = self.reads.submit(devices.data) | self.wal_reads.submit(devices.wal);
        let (blocks, wal_block) = (&mut self.blocks, &mut self.wal_block);
        worked |= self.reads.complete(devices.data, "data", |offset, bytes| {
            if let Ok(page) = bytes.try_into() {
                blocks[(offset / PAGE_SIZE as u64) as usize] = page;
            }
            Ok(())
        })?;
        worked |= self.wal_reads.complete(devices.wal, "log", |_, bytes| {
            if let Ok(page) = bytes.try_into() {
                *wal_block = page;
            }
            Ok(())
        })?;
        if self.reads.is_done() && self.wal_reads.is_done() {
            self.inspect(devices)?;
            worked = true;
        }
        Ok(worked)
    }

    /// Decides what the volumes are.
    fn inspect(&mut self, devices: &mut Devices<'_>) -> Result<(), StartError> {
        let (data_bytes, wal_bytes) = (devices.data.capacity(), devices.wal.capacity());
        let superblock = Superblock::newest(&self.blocks)?;
        let header = decode_wal_header(&self.wal_block)?;
        let data_pages = data_bytes / PAGE_SIZE as u64;
        let superblock = match (superblock, header) {
            (Some(superblock), Some((database, bytes))) => {
                if database != superblock.database {
                    return Err(FormatError::Mismatch.into());
                }
                if bytes != superblock.wal_bytes || wal_bytes < bytes {
                    let expected = superblock.wal_bytes;
                    let found = wal_bytes.min(bytes);
                    return Err(FormatError::Size {
                        volume: "log",
                        found,
                        expected,
                    }
                    .into());
                }
                superblock
            }
            (Some(_), None) => return Err(FormatError::Missing { volume: "log" }.into()),
            // A log of its own may be left from a creation that was interrupted before its first checkpoint.
            (None, _) => Superblock {
                database: self.seed,
                number: 0,
                sequence: Version(1),
                lsn: Lsn(0),
                frame_checksum: 0,
                epoch: 1,
                catalog_version: Version(1),
                catalog_root: PageId(0),
                catalog_rows: 0,
                master_root: PageId(0),
                next_object: 0,
                staged: PageId(0),
                staged_bytes: 0,
                data_first: SUPERBLOCKS + (data_pages / 16).clamp(64, 65536),
                wal_bytes: wal_bytes / PAGE_SIZE as u64 * PAGE_SIZE as u64,
            },
        };
        let Some([catalog, data]) = self.pools.take() else {
            return Ok(());
        };
        let first = superblock.data_first;
        let catalog = PoolMemory::format(catalog, SUPERBLOCKS, first - SUPERBLOCKS)?;
        let data = PoolMemory::format(data, first, data_pages.saturating_sub(first))?;
        let mut database = Database::new(catalog, data, data_pages);
        self.lsn = superblock.lsn.0;
        self.checksum = superblock.frame_checksum;
        if superblock.number == 0 {
            database.create()?;
            self.phase = Phase::Header(None);
        } else {
            self.wanted = alloc::vec![superblock.catalog_root, superblock.master_root];
            if superblock.staged.0 != 0 {
                self.wanted.push(superblock.staged);
            }
            self.phase = Phase::LoadRoots;
        }
        self.database = Some(database);
        self.superblock = Some(superblock);
        Ok(())
    }

    /// The single writes and flushes, one after the other.
    fn writes(&mut self, devices: &mut Devices<'_>) -> Result<bool, StartError> {
        let mut worked = false;
        while let Some(completion) = devices.wal.complete() {
            worked = true;
            let status = completion.status;
            let io = |what| {
                Err(StartError::Io {
                    what,
                    volume: "log",
                })
            };
            match self.phase {
                Phase::Header(Some(ticket)) if ticket == completion.ticket => {
                    if status != BlockStatus::Ok {
                        return io("write");
                    }
                    self.phase = Phase::HeaderFlush(None);
                }
                Phase::HeaderFlush(Some(ticket)) if ticket == completion.ticket => {
                    if status != BlockStatus::Ok {
                        return io("flush");
                    }
                    self.phase = Phase::Done;
                }
                Phase::FinalFlush(Some(ticket)) if ticket == completion.ticket => {
                    if status != BlockStatus::Ok {
                        return io("flush");
                    }
                    self.phase = Phase::Done;
                }
                _ => {}
            }
        }
        match &mut self.phase {
            Phase::Header(ticket @ None) => {
                if let Some(superblock) = &self.superblock {
                    let block = encode_wal_header(superblock.database, superblock.wal_bytes);
                    *ticket = devices.wal.write(0, &block);
                    worked |= ticket.is_some();
                }
            }
            Phase::HeaderFlush(ticket @ None) | Phase::FinalFlush(ticket @ None) => {
                *ticket = devices.wal.flush();
                worked |= ticket.is_some();
            }
            _ => {}
        }
        Ok(worked)
    }

    /// Reads pages and what they lead to.
    fn load(&mut self, devices: &mut Devices<'_>) -> Result<bool, StartError> {
        let (Some(database), Some(superblock)) = (&mut self.database, &self.superblock) else {
            return Ok(false);
        };
        let wanted = &mut self.wanted;
        let mut worked = self.reads.complete(devices.data, "data", |offset, bytes| {
            for (i, page) in bytes.as_chunks::<PAGE_SIZE>().0.iter().enumerate() {
                let id = PageId(offset / PAGE_SIZE as u64 + i as u64);
                take_page(database, superblock, id, page, wanted)?;
            }
            Ok(())
        })?;
        if self.reads.todo.is_empty() && !wanted.is_empty() {
            wanted.sort_unstable();
            for page in wanted.drain(..) {
                let offset = page.0 * PAGE_SIZE as u64;
                match self.reads.todo.back_mut() {
                    Some((start, length))
                        if *start + *length as u64 == offset && *length < TRANSFER_SIZE_MAX =>
                    {
                        *length += PAGE_SIZE;
                    }
                    _ => self.reads.todo.push_back((offset, PAGE_SIZE)),
                }
            }
            worked = true;
        }
        worked |= self.reads.submit(devices.data);
        if self.reads.is_done() && self.wanted.is_empty() {
            match self.phase {
                Phase::LoadRoots => self.find_trees()?,
                _ => self.begin_replay()?,
            }
            worked = true;
        }
        Ok(worked)
    }

    /// The master tree and the list of staged trees are there: now what they name.
    fn find_trees(&mut self) -> Result<(), StartError> {
        let (Some(database), Some(superblock)) = (&mut self.database, &self.superblock) else {
            return Ok(());
        };
        let mut staged = BTreeMap::new();
        if superblock.staged.0 != 0 {
            let mut list = Vec::new();
            let value = crate::Overflow {
                length: superblock.staged_bytes as u32,
                first: superblock.staged,
            };
            database.view(DATA).read_overflow(value, &mut list)?;
            let corrupt = ReadError::Corrupt {
                page: superblock.staged,
                what: "the list of staged trees is malformed",
            };
            staged = decode_stages(&list).ok_or(corrupt)?;
        }
        let state = State {
            sequence: superblock.sequence.0,
            lsn: superblock.lsn.0,
            frame_checksum: superblock.frame_checksum,
            epoch: superblock.epoch,
            catalog_version: superblock.catalog_version.0,
            catalog_root: superblock.catalog_root,
            catalog_rows: superblock.catalog_rows,
            master_root: superblock.master_root,
            next_object: superblock.next_object,
            staged,
            descriptors: [None, None],
        };
        self.wanted = database.restore_trees(&state)?;
        self.phase = Phase::LoadTrees;
        Ok(())
    }

    fn begin_replay(&mut self) -> Result<(), StartError> {
        if let (Some(database), Some(superblock)) = (&mut self.database, &self.superblock) {
            database.finish_loading(superblock.epoch);
        }
        self.read_until = self.lsn;
        self.phase = Phase::Replay;
        Ok(())
    }

    fn apply_frame(&mut self, frame: &[u8]) -> Result<(), StartError> {
        let lsn = self.lsn;
        for record in Records::new(frame, lsn) {
            // A merge of the record before must be through.
            while self.merge.is_some() {
                self.step_merge()?;
            }
            let Some(database) = &mut self.database else {
                break;
            };
            match record? {
                Record::Reserve { tree, next } => database.note_reserved(tree, next),
                Record::Unstage { stage } => database.unstage(stage),
                Record::Stage { stage, body } => {
                    check_body(body, lsn)?;
                    database.open_stage(stage);
                    database.stage(stage, body)?;
                }
                Record::Commit {
                    sequence,
                    stage,
                    body,
                    ..
                } => {
                    check_body(body, lsn)?;
                    self.replayed += 1;
                    database.sequence = database.sequence.max(sequence);
                    if stage == 0 {
                        database.apply(body, sequence)?;
                        continue;
                    }
                    let mut merge = Merge::new(database, stage);
                    merge.begin_replay(database, sequence, &creates(body))?;
                    self.merge = Some((merge, body.into(), sequence));
                }
            }
        }
        let Some(database) = &mut self.database else {
            return Ok(());
        };
        // Replayed pages need not be kept for anyone but the checkpoint.
        database.begin_epoch();
        database.reclaim(
            u64::MAX,
            self.superblock.map_or(0, |s| s.sequence.0),
            usize::MAX,
        );
        while database.step_drops(1024)? {}
        Ok(())
    }

    fn step_merge(&mut self) -> Result<(), StartError> {
        let Some(database) = &mut self.database else {
            return Ok(());
        };
        if let Some((merge, body, sequence)) = &mut self.merge
            && merge.apply(database, 4096)? == Progress::Done
        {
            database.apply(body, *sequence)?;
            self.merge = None;
        }
        Ok(())
    }
}

/// The trees that a write set makes.
pub(crate) fn creates(body: &[u8]) -> Vec<TreeId> {
    Operations::new(body)
        .filter_map(|operation| match operation {
            Ok(Operation::CreateTree { tree }) => Some(tree),
            _ => None,
        })
        .collect()
}

fn check_body(body: &[u8], lsn: u64) -> Result<(), WalError> {
    if Operations::new(body).all(|operation| operation.is_ok()) {
        Ok(())
    } else {
        Err(WalError { lsn })
    }
}

/// Verifies a page, puts it into its pool, and notes the pages that it leads to.
fn take_page(
    database: &mut Database,
    superblock: &Superblock,
    id: PageId,
    page: &Page,
    wanted: &mut Vec<PageId>,
) -> Result<(), StartError> {
    let corrupt = |what| StartError::Read(ReadError::Corrupt { page: id, what });
    if crc32c(&page[4..]).to_le_bytes() != page[..4] {
        return Err(corrupt("its checksum is wrong"));
    }
    if page::id(page) != id {
        return Err(corrupt("its block holds another page"));
    }
    if page::born(page) > superblock.epoch {
        return Err(corrupt("it is newer than the superblock"));
    }
    let pool = if id.0 < superblock.data_first {
        CATALOG
    } else {
        DATA
    };
    if !database.stores[pool].load(id, page)? {
        return Err(corrupt("it is used twice"));
    }
    let mut want = |page: PageId| {
        if page.0 < SUPERBLOCKS {
            return Err(corrupt("it leads to a superblock"));
        }
        wanted.push(page);
        Ok(())
    };
    if page::kind(page) == Kind::Overflow as u8 {
        match page::u64_at(page, HEADER_SIZE).unwrap_or(0) {
            0 => {}
            next => want(PageId(next))?,
        }
        return Ok(());
    }
    let node = Node::new(page)?;
    for index in 0..node.count() {
        if node.level() > 0 {
            want(node.child(index)?)?;
        } else if let Value::Overflow(value) = node.entry(index)?.value {
            want(value.first)?;
        }
    }
    Ok(())
}
