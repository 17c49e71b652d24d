//! The engine while it runs: the turn, the group commit, publication, reclamation, checkpoints. The picture and the
//! invariants are the parent module's.

use super::{Config, Event, Failure, Input, Now};
use crate::block::Devices;
use crate::checkpoint::{Checkpoint, free_stage_list};
use crate::commit::MergeJob;
use crate::database::{Database, State};
use crate::frame::AnnounceArea;
use crate::lock::{Locks, Txn};
use crate::log::Log;
use crate::recovery::Recovered;
use crate::space::SpaceError;
use crate::superblock::Superblock;
use crate::transaction::Transaction;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use vireo_abi::ids::{Lsn, RequestId, TxnId};
use vireo_abi::memory_map::{EXECUTE_ANNOUNCE_PAGE, LINKS_MAX, PAGE_SIZE};
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::storage::{StorageReply, StorageRequest};

/// Requests taken from the inbox in a turn.
const REQUESTS_PER_TURN: usize = 64;
/// Pages freed, or visited in dropped trees, in a turn.
const PAGES_PER_TURN: usize = 256;
/// Retired pages that are worth a look at the announcements.
const RECLAIM_BATCH: usize = 64;
/// Bytes of records that one frame collects.
const FRAME_BYTES_MAX: usize = 4 << 20;

/// What waits for a publication.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) answers: Vec<(u32, StorageReply)>,
    pub(crate) releases: Vec<Txn>,
    pub(crate) is_durable: bool,
}

/// A state between its seal and its publication.
#[derive(Debug)]
struct Sealed {
    state: State,
    batch: Batch,
}

/// The engine while it runs.
pub(crate) struct Running {
    pub(crate) config: Config,
    pub(crate) database: Database,
    pub(crate) log: Log,
    pub(crate) locks: Locks,
    pub(crate) transactions: BTreeMap<Txn, Transaction>,
    pub(crate) names: BTreeMap<(u32, TxnId), Txn>,
    pub(crate) next_txn: Txn,
    pub(crate) open: Batch,
    sealed: VecDeque<Sealed>,
    pub(crate) published: State,
    pub(crate) merging: Option<MergeJob>,
    checkpoint: Option<Checkpoint>,
    /// Who asked for a checkpoint, and from which lsn on one will do.
    checkpoint_waiters: Vec<(u32, RequestId, u64)>,
    pub(super) superblock: Superblock,
    announce: AnnounceArea,
    pub(super) ignored: u128,
    pub(crate) replies: VecDeque<(u32, StorageReply)>,
    pub(super) events: VecDeque<Event>,
    pub(crate) now: Now,
    pub(super) is_new: bool,
}

impl Running {
    pub(super) fn new(
        config: Config,
        recovered: Recovered,
        announce: AnnounceArea,
    ) -> Result<Running, Failure> {
        let Recovered {
            mut database,
            superblock,
            log_end,
            frame_checksum,
            is_new,
            ..
        } = recovered;
        let circle = superblock.wal_bytes - PAGE_SIZE as u64;
        let published = database.seal(log_end, frame_checksum)?;
        database.publish(&published);
        let mut running = Running {
            config,
            log: Log::new(
                superblock.database,
                circle,
                log_end,
                frame_checksum,
                superblock.lsn.0,
            ),
            database,
            locks: Locks::default(),
            transactions: BTreeMap::new(),
            names: BTreeMap::new(),
            next_txn: 1,
            open: Batch::default(),
            sealed: VecDeque::new(),
            published,
            merging: None,
            checkpoint: None,
            checkpoint_waiters: Vec::new(),
            superblock,
            announce,
            ignored: 0,
            replies: VecDeque::new(),
            events: VecDeque::new(),
            now: Now::default(),
            is_new,
        };
        // Transactions of before are gone, and what they staged with them.
        let stages: Vec<u64> = running.database.staged.keys().copied().collect();
        for stage in stages {
            running.unstage(stage)?;
        }
        Ok(running)
    }

    pub(super) fn poll(
        &mut self,
        devices: &mut Devices<'_>,
        now: Now,
        inbox: &mut VecDeque<Input>,
    ) -> Result<bool, Failure> {
        self.now = now;
        let now_ns = now.monotonic_ns;
        let mut worked = self
            .log
            .complete(devices.wal, now_ns)
            .map_err(|e| Failure::io(&e))?;
        worked |= self.publish_ready();
        worked |= self.resume_granted()?;
        if !self.is_new {
            // Before its first superblock nothing of a new database would survive.
            worked |= self.take_requests(inbox)?;
        }
        worked |= self.step_merge()?;
        worked |= self.database.step_drops(PAGES_PER_TURN)?;
        worked |= self.reclaim(PAGES_PER_TURN);
        worked |= self.seal_open()?;
        worked |= self.publish_ready();
        worked |= self.log.submit(devices.wal, now_ns);
        worked |= self.flush_log(devices);
        worked |= self.step_checkpoint(devices)?;
        // What waits for space is tried again after a while: nobody rings for that.
        worked |= self.log.is_out_of_space();
        worked |= self
            .checkpoint
            .as_ref()
            .is_some_and(Checkpoint::is_out_of_space);
        Ok(worked)
    }

    /// Whether everything begun is on disk and answered.
    pub(super) fn is_idle(&self) -> bool {
        self.log.is_idle()
            && self.sealed.is_empty()
            && self.checkpoint.is_none()
            && self.checkpoint_waiters.is_empty()
            && self.merging.is_none()
    }

    /// The room that a writer's record needs in the open frame, if there is any now.
    fn has_log_room(&self, bytes: usize) -> bool {
        self.log.has_room(bytes + FRAME_SLACK)
    }

    fn take_requests(&mut self, inbox: &mut VecDeque<Input>) -> Result<bool, Failure> {
        let mut worked = false;
        for _ in 0..REQUESTS_PER_TURN {
            let Some(input) = inbox.front() else { break };
            let is_write = matches!(
                input.request,
                StorageRequest::Commit { .. } | StorageRequest::Stage { .. }
            );
            let is_refused = is_write && self.is_out_of_space();
            if is_write && !is_refused && !self.can_write(input.body.len()) {
                // A withdrawal must not wait behind what it withdraws.
                worked |= self.withdraw_queued(inbox);
                break;
            }
            if self.merging.is_some() && matches!(input.request, StorageRequest::Lock { .. }) {
                // A row that is about to change must not be taken for unchanged.
                worked |= self.withdraw_queued(inbox);
                break;
            }
            let Some(input) = inbox.pop_front() else {
                break;
            };
            worked = true;
            if is_refused {
                self.refuse_for_space(&input);
                continue;
            }
            self.handle(input)?;
            if self.merging.is_some() {
                break;
            }
        }
        Ok(worked)
    }

    /// Whether a writer with so many bytes can begin now. What can never begin is let through, to be refused.
    fn can_write(&self, bytes: usize) -> bool {
        self.merging.is_none()
            && (self.is_too_large(bytes)
                || (self.has_log_room(bytes)
                    && (self.log.is_open_empty()
                        || self.log.open_size() + bytes <= self.frame_bytes_max())))
    }

    fn frame_bytes_max(&self) -> usize {
        FRAME_BYTES_MAX.min((self.log.circle() / 8) as usize)
    }

    /// Whether a write set of so many bytes is more than the log can ever take.
    pub(crate) fn is_too_large(&self, bytes: usize) -> bool {
        bytes as u64 > self.log.circle() / 4
    }

    /// Whether a volume is full and nothing can be written until it is not.
    fn is_out_of_space(&self) -> bool {
        let is_stuck = self
            .checkpoint
            .as_ref()
            .is_some_and(Checkpoint::is_out_of_space);
        self.log.is_out_of_space() || (is_stuck && !self.has_log_room(self.frame_bytes_max()))
    }

    fn refuse_for_space(&mut self, input: &Input) {
        if let Some(request) = input.request.id() {
            let message = "could not write: no space left on device";
            let error = SqlError::new(state::DISK_FULL, message);
            self.replies
                .push_back((input.peer, StorageReply::Failed { request, error }));
        }
    }

    fn withdraw_queued(&mut self, inbox: &mut VecDeque<Input>) -> bool {
        let mut worked = false;
        while let Some(at) = inbox
            .iter()
            .position(|input| matches!(input.request, StorageRequest::Withdraw { .. }))
        {
            worked = true;
            let Some(Input {
                peer,
                request: StorageRequest::Withdraw { request },
                ..
            }) = inbox.remove(at)
            else {
                break;
            };
            let queued = inbox
                .iter()
                .position(|input| input.peer == peer && input.request.id() == Some(request));
            match queued {
                Some(at) => {
                    inbox.remove(at);
                    self.fail_request(peer, request, canceled());
                }
                None => self.withdraw(peer, request),
            }
        }
        worked
    }

    fn handle(&mut self, input: Input) -> Result<(), Failure> {
        let Input {
            peer,
            request,
            body,
        } = input;
        match request {
            StorageRequest::Lock {
                txn,
                request,
                keys,
                wait,
            } => self.lock(peer, txn, request, keys, wait),
            StorageRequest::Stage { txn, request } => self.stage(peer, txn, request, &body),
            StorageRequest::Commit {
                txn,
                request,
                relied_on,
                durable,
            } => self.commit(peer, txn, request, relied_on, durable, body),
            StorageRequest::Abort { txn } => self.abort(peer, txn),
            StorageRequest::Withdraw { request } => {
                self.withdraw(peer, request);
                Ok(())
            }
            StorageRequest::Reserve {
                request,
                tree,
                count,
            } => {
                let (first, record) = self.database.reserve(tree, count)?;
                if let Some(record) = record {
                    self.push_record(record)?;
                }
                self.replies
                    .push_back((peer, StorageReply::Reserved { request, first }));
                Ok(())
            }
            StorageRequest::Checkpoint { request } => {
                let target = self.log.end() + u64::from(!self.log.is_open_empty());
                self.checkpoint_waiters.push((peer, request, target));
                Ok(())
            }
            StorageRequest::LeaseLocks { request } => {
                let is_granted = self.config.leases_locks;
                self.replies.push_back((
                    peer,
                    StorageReply::LocksLeased {
                        request,
                        is_granted,
                    },
                ));
                Ok(())
            }
        }
    }

    pub(crate) fn fail_request(&mut self, peer: u32, request: RequestId, error: Box<SqlError>) {
        self.replies
            .push_back((peer, StorageReply::Failed { request, error }));
    }

    /// Answers when all that is applied now is published.
    pub(crate) fn answer_after_publication(&mut self, peer: u32, reply: StorageReply) {
        if !self.log.is_open_empty() {
            self.open.answers.push((peer, reply));
        } else if let Some(last) = self.sealed.back_mut() {
            last.batch.answers.push((peer, reply));
        } else {
            self.replies.push_back((peer, reply));
        }
    }

    /// Seals what is open, if the log is free for it.
    fn seal_open(&mut self) -> Result<bool, Failure> {
        let waits_for_flush = self.sealed.iter().any(|sealed| sealed.batch.is_durable);
        if self.log.is_open_empty()
            || self.log.is_writing()
            || waits_for_flush
            || self.merging.is_some()
            || !self.log.has_room(0)
        {
            return Ok(false);
        }
        if self.database.check_seal_room().is_err() {
            // Readers of old snapshots hold the pool: what is open waits for them.
            self.database
                .reclaim(self.oldest(), self.superblock.sequence.0, usize::MAX);
            if self.database.check_seal_room().is_err() {
                return Ok(false);
            }
        }
        let (end, checksum) = self.log.seal(self.superblock.number, self.open.is_durable);
        let state = self.database.seal(end, checksum)?;
        let batch = core::mem::take(&mut self.open);
        self.sealed.push_back(Sealed { state, batch });
        Ok(true)
    }

    /// Publishes what may be published, answers, and lets go of locks.
    fn publish_ready(&mut self) -> bool {
        let mut worked = false;
        while let Some(front) = self.sealed.front()
            && (!front.batch.is_durable || self.log.flushed() >= front.state.lsn)
        {
            let Some(Sealed { state, batch }) = self.sealed.pop_front() else {
                break;
            };
            self.database.publish(&state);
            self.published = state;
            for txn in batch.releases {
                self.locks.release_all(txn);
            }
            self.replies.extend(batch.answers);
            worked = true;
        }
        worked
    }

    /// Flushes for those who wait, or when there is nothing better to do.
    fn flush_log(&mut self, devices: &mut Devices<'_>) -> bool {
        let is_wanted = self.sealed.iter().any(|sealed| sealed.batch.is_durable);
        let is_quiet = self.log.is_open_empty();
        if self.log.is_writing() || !(is_wanted || is_quiet) {
            return false;
        }
        self.log.flush(devices.wal)
    }

    /// The oldest sequence that anyone reads.
    fn oldest(&self) -> u64 {
        let mut oldest = self.published.sequence;
        if let Some(checkpoint) = &self.checkpoint {
            oldest = oldest.min(checkpoint.superblock.sequence.0);
        }
        for page in 0..EXECUTE_ANNOUNCE_PAGE + LINKS_MAX {
            let instance = page.wrapping_sub(EXECUTE_ANNOUNCE_PAGE);
            if instance < LINKS_MAX && self.ignored >> instance & 1 == 1 {
                continue;
            }
            match self.announce.load(page) {
                0 => {}
                sequence => oldest = oldest.min(sequence),
            }
        }
        oldest
    }

    pub(crate) fn reclaim(&mut self, budget: usize) -> bool {
        let before = self.database.retired_count();
        if before < RECLAIM_BATCH {
            return false;
        }
        self.database
            .reclaim(self.oldest(), self.superblock.sequence.0, budget);
        self.database.retired_count() < before
    }

    /// Begins a checkpoint when one is due, and goes on with the one under way.
    fn step_checkpoint(&mut self, devices: &mut Devices<'_>) -> Result<bool, Failure> {
        let mut worked = false;
        if self.checkpoint.is_none() && self.is_checkpoint_due() {
            match Checkpoint::begin(&mut self.database, &self.published, &self.superblock) {
                Ok(checkpoint) => {
                    self.database.begin_epoch();
                    self.checkpoint = Some(checkpoint);
                    worked = true;
                }
                // No page for the list of staged trees: later.
                Err(SpaceError::PoolFull | SpaceError::VolumeFull) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Some(checkpoint) = &mut self.checkpoint else {
            return Ok(worked);
        };
        worked |= checkpoint
            .step(&self.database, devices.data, self.now.monotonic_ns)
            .map_err(|e| Failure::io(&e))?;
        if checkpoint.is_durable() {
            self.finish_checkpoint()?;
            worked = true;
        }
        Ok(worked)
    }

    fn is_checkpoint_due(&self) -> bool {
        let log_bytes = self.log.end() - self.superblock.lsn.0;
        let limit = self.config.checkpoint_bytes.min(self.log.circle() / 4);
        let lsn = self.published.lsn;
        let is_asked = self
            .checkpoint_waiters
            .iter()
            .any(|(_, _, target)| *target <= lsn);
        let is_full = !self.has_log_room(self.frame_bytes_max());
        self.is_new || is_asked || is_full || log_bytes >= limit
    }

    fn finish_checkpoint(&mut self) -> Result<(), Failure> {
        let Some(checkpoint) = self.checkpoint.take() else {
            return Ok(());
        };
        let before = core::mem::replace(&mut self.superblock, checkpoint.superblock);
        free_stage_list(&mut self.database, &before)?;
        // Until the next one, the log of this one and of the one before stays: either superblock will do.
        self.log.release_until(before.lsn.0);
        self.is_new = false;
        let lsn = Lsn(self.superblock.lsn.0);
        self.events.push_back(Event::Checkpointed {
            number: self.superblock.number,
        });
        let waiters = core::mem::take(&mut self.checkpoint_waiters);
        for (peer, request, target) in waiters {
            if target <= lsn.0 {
                self.replies
                    .push_back((peer, StorageReply::Checkpointed { request, lsn }));
            } else {
                self.checkpoint_waiters.push((peer, request, target));
            }
        }
        Ok(())
    }

    /// Answers everyone who waits for something that will not come.
    pub(super) fn fail_all(&mut self, failure: &Failure) {
        let batches = self.sealed.drain(..).map(|sealed| sealed.batch);
        let answers: Vec<_> = batches
            .chain([core::mem::take(&mut self.open)])
            .flat_map(|batch| batch.answers)
            .collect();
        for (peer, reply) in answers {
            let reply = match reply {
                StorageReply::Committed { request, .. } | StorageReply::Staged { request, .. } => {
                    StorageReply::Failed {
                        request,
                        error: failure.error(),
                    }
                }
                reply => reply,
            };
            self.replies.push_back((peer, reply));
        }
        for (peer, request, _) in core::mem::take(&mut self.checkpoint_waiters) {
            self.fail_request(peer, request, failure.error());
        }
        for (peer, request) in self.take_waiting() {
            self.fail_request(peer, request, failure.error());
        }
    }

    pub(super) fn peer_down(&mut self, peer: u32) -> Result<(), Failure> {
        for batch in self
            .sealed
            .iter_mut()
            .map(|s| &mut s.batch)
            .chain([&mut self.open])
        {
            batch.answers.retain(|(to, _)| *to != peer);
        }
        self.replies.retain(|(to, _)| *to != peer);
        self.checkpoint_waiters.retain(|(to, _, _)| *to != peer);
        self.drop_transactions_of(peer)
    }
}

/// Room in the log for small records beside a writer's.
const FRAME_SLACK: usize = 64 << 10;

/// What a withdrawn request fails with.
pub(crate) fn canceled() -> Box<SqlError> {
    SqlError::new(
        state::QUERY_CANCELED,
        "canceling statement due to user request",
    )
}
