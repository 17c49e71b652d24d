//! Transactions: locks, stages, commits, and how they end.
//!
//! A transaction exists here from its first lock or stage; a commit out of the blue needs no entry unless it
//! has to wait. What waits is kept with its transaction and begun again when the lock is granted.
//!
//! A commit is checked and applied in one turn (a staged one in several, alone): so all that it compares is
//! the newest, whether published or not. If it finds a newer version, the answer waits until that is published, so that
//! running the statement again sees it.

use crate::engine::{Failure, Running, canceled};
use crate::lock::{Attempt, LockId, Txn, lock_id};
use crate::recovery::creates;
use crate::space::SpaceError;
use crate::stage::{Merge, Progress, RowLock, Surroundings};
use crate::tree::pages_needed;
use crate::wal::Record;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::ids::{CATALOG_TREE, Lsn, RequestId, TreeId, TxnId, Version};
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::storage::{LockKey, LockMode, LockWait, StorageReply};
use vireo_abi::write_set::{Operation, Operations, UNCHECKED};

/// Rows compared or applied in one turn of a merge.
const MERGE_ROWS_PER_TURN: usize = 2048;
/// Pages that are kept for the master tree, descriptors and the like.
const PAGES_RESERVED: u64 = 32;

/// A transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    peer: u32,
    id: TxnId,
    stage: Option<u64>,
    waiting: Option<Waiting>,
}

/// A request that waits for a lock.
#[derive(Debug)]
enum Waiting {
    Lock(LockRequest),
    Commit(CommitRequest),
}

#[derive(Debug)]
struct LockRequest {
    request: RequestId,
    keys: Vec<LockKey>,
    wait: LockWait,
    /// The key to go on with.
    next: usize,
    skipped: Vec<u32>,
    /// What this request took.
    taken: Vec<LockId>,
}

#[derive(Debug)]
struct CommitRequest {
    request: RequestId,
    relied_on: Vec<(Vec<u8>, Version)>,
    is_durable: bool,
    body: Vec<u8>,
    /// Locks that the commit itself waited for: what they guard was not compared when they were taken.
    waited: Vec<LockId>,
}

/// A commit with a stage, in several turns.
#[derive(Debug)]
pub(crate) struct MergeJob {
    peer: u32,
    txn: Txn,
    commit: CommitRequest,
    creates: Vec<TreeId>,
    merge: Merge,
    /// The commit's number once it is being applied.
    sequence: Option<u64>,
}

/// The locks, as a merge sees them.
struct MergeLocks<'r> {
    running: &'r Running,
    txn: Txn,
    commit: &'r CommitRequest,
    creates: &'r [TreeId],
}

impl Surroundings for MergeLocks<'_> {
    fn row_lock(&self, tree: TreeId, key: &[u8]) -> RowLock {
        let running = self.running;
        if running.locks.count() == 0 {
            return RowLock::Free;
        }
        if running.owns(self.txn, self.commit, tree, key) {
            return RowLock::Owned;
        }
        let id = running.lock_id(tree, key);
        if running.locks.is_free_for(self.txn, id, LockMode::Exclusive) {
            RowLock::Free
        } else {
            RowLock::Taken(id)
        }
    }

    fn is_alone_in(&self, tree: TreeId) -> bool {
        let whole = self.running.lock_id(tree, &[]);
        self.running
            .locks
            .is_free_for(self.txn, whole, LockMode::Exclusive)
    }

    fn creates(&self, tree: TreeId) -> bool {
        self.creates.contains(&tree)
    }
}

/// Why a commit does not go through.
enum Refusal {
    Conflict(TreeId, Vec<u8>),
    Error(Box<SqlError>),
}

impl From<crate::ReadError> for Refusal {
    fn from(error: crate::ReadError) -> Self {
        Refusal::Error(error.into())
    }
}

fn malformed() -> Box<SqlError> {
    SqlError::new(state::PROTOCOL_VIOLATION, "malformed write set")
}

fn out_of_space(error: SpaceError) -> Box<SqlError> {
    let failure = Failure::from(error);
    SqlError::new(failure.sqlstate, failure.message)
}

impl Running {
    fn lock_id(&self, tree: TreeId, key: &[u8]) -> LockId {
        lock_id(self.config.seed, tree, key)
    }

    /// The transaction, begun if it is new.
    fn begin(&mut self, peer: u32, id: TxnId) -> Txn {
        if let Some(txn) = self.names.get(&(peer, id)) {
            return *txn;
        }
        let txn = self.next_txn;
        self.next_txn += 1;
        self.names.insert((peer, id), txn);
        self.transactions.insert(
            txn,
            Transaction {
                peer,
                id,
                stage: None,
                waiting: None,
            },
        );
        txn
    }

    /// Forgets the transaction; its locks are the caller's matter.
    fn forget(&mut self, txn: Txn) -> Option<Transaction> {
        let transaction = self.transactions.remove(&txn)?;
        self.names.remove(&(transaction.peer, transaction.id));
        Some(transaction)
    }

    fn is_waiting(&self, txn: Txn) -> bool {
        self.transactions
            .get(&txn)
            .is_some_and(|t| t.waiting.is_some())
    }

    pub(crate) fn lock(
        &mut self,
        peer: u32,
        id: TxnId,
        request: RequestId,
        keys: Vec<LockKey>,
        wait: LockWait,
    ) -> Result<(), Failure> {
        let txn = self.begin(peer, id);
        if self.is_waiting(txn) {
            let error = SqlError::new(
                state::PROTOCOL_VIOLATION,
                "the transaction waits for a lock already",
            );
            self.fail_request(peer, request, error);
            return Ok(());
        }
        let lock = LockRequest {
            request,
            keys,
            wait,
            next: 0,
            skipped: Vec::new(),
            taken: Vec::new(),
        };
        self.continue_lock(peer, txn, lock)
    }

    fn continue_lock(&mut self, peer: u32, txn: Txn, mut lock: LockRequest) -> Result<(), Failure> {
        if self.locks.count() + lock.keys.len() > self.config.locks_max {
            let error = SqlError::new(state::OUT_OF_MEMORY, "out of shared memory")
                .with_hint("You might need to lock fewer rows in one transaction.");
            self.give_up_lock(peer, txn, &lock, error);
            return Ok(());
        }
        while let Some(key) = lock.keys.get(lock.next) {
            let whole = self.lock_id(key.tree, &[]);
            let steps = if key.key.is_empty() {
                [(whole, key.mode), (whole, key.mode)]
            } else {
                [
                    (whole, LockMode::Shared),
                    (self.lock_id(key.tree, &key.key), key.mode),
                ]
            };
            let mut blocked = None;
            for (id, mode) in steps {
                match self.locks.attempt(txn, id, mode) {
                    Attempt::Held { new: true } => lock.taken.push(id),
                    Attempt::Held { new: false } => {}
                    Attempt::Taken => {
                        blocked = Some((id, mode));
                        break;
                    }
                }
            }
            match (blocked, lock.wait) {
                (None, _) => lock.next += 1,
                (Some(_), LockWait::Skip) => {
                    lock.skipped.push(lock.next as u32);
                    lock.next += 1;
                }
                (Some(_), LockWait::Fail) => {
                    let message = "could not obtain lock on row";
                    let error = SqlError::new(state::LOCK_NOT_AVAILABLE, message);
                    self.give_up_lock(peer, txn, &lock, error);
                    return Ok(());
                }
                (Some((id, mode)), LockWait::Wait) => {
                    if self.locks.wait(txn, id, mode) {
                        // If it is granted, this request took it.
                        lock.taken.push(id);
                        if let Some(transaction) = self.transactions.get_mut(&txn) {
                            transaction.waiting = Some(Waiting::Lock(lock));
                        }
                    } else {
                        self.give_up_lock(peer, txn, &lock, deadlock());
                    }
                    return Ok(());
                }
            }
        }
        self.answer_lock(peer, lock)
    }

    fn answer_lock(&mut self, peer: u32, lock: LockRequest) -> Result<(), Failure> {
        let mut changed = Vec::new();
        for (index, key) in lock.keys.iter().enumerate() {
            if key.key.is_empty() || lock.skipped.contains(&(index as u32)) {
                continue;
            }
            let newest = self.database.version(key.tree, &key.key)?;
            if newest.unwrap_or(0) != key.version.0 && key.version != UNCHECKED {
                changed.push(index as u32);
            }
        }
        let must_see = !changed.is_empty();
        let LockRequest {
            request, skipped, ..
        } = lock;
        let reply = StorageReply::Locked {
            request,
            changed,
            skipped,
        };
        if must_see {
            self.answer_after_publication(peer, reply);
        } else {
            self.replies.push_back((peer, reply));
        }
        Ok(())
    }

    /// Undoes what a lock request took, and fails it.
    fn give_up_lock(&mut self, peer: u32, txn: Txn, lock: &LockRequest, error: Box<SqlError>) {
        for id in &lock.taken {
            self.locks.release(txn, *id);
        }
        self.fail_request(peer, lock.request, error);
    }

    /// Goes on with those whose lock was granted.
    pub(crate) fn resume_granted(&mut self) -> Result<bool, Failure> {
        let mut worked = false;
        while self.merging.is_none()
            && let Some(txn) = self.locks.next_granted()
        {
            worked = true;
            let Some(transaction) = self.transactions.get_mut(&txn) else {
                continue;
            };
            let peer = transaction.peer;
            match transaction.waiting.take() {
                Some(Waiting::Lock(lock)) => self.continue_lock(peer, txn, lock)?,
                Some(Waiting::Commit(commit)) => self.continue_commit(peer, txn, commit)?,
                None => {}
            }
        }
        Ok(worked)
    }

    pub(crate) fn stage(
        &mut self,
        peer: u32,
        id: TxnId,
        request: RequestId,
        body: &[u8],
    ) -> Result<(), Failure> {
        if let Err(error) = self.check_body(body) {
            self.fail_request(peer, request, error);
            return Ok(());
        }
        let txn = self.begin(peer, id);
        let begun = self.transactions.get(&txn).and_then(|t| t.stage);
        let stage = begun.unwrap_or_else(|| self.database.begin_stage());
        if let Some(transaction) = self.transactions.get_mut(&txn) {
            transaction.stage = Some(stage);
        }
        self.database.stage(stage, body)?;
        self.push_record(Record::Stage { stage, body })?;
        // What was handed out does not change any more.
        self.database.begin_epoch();
        let trees = self.database.staged.get(&stage);
        let roots = trees
            .map(|s| {
                s.trees
                    .iter()
                    .map(|(tree, private)| (*tree, private.root))
                    .collect()
            })
            .unwrap_or_default();
        self.replies
            .push_back((peer, StorageReply::Staged { request, roots }));
        Ok(())
    }

    pub(crate) fn unstage(&mut self, stage: u64) -> Result<(), Failure> {
        self.database.unstage(stage);
        self.push_record(Record::Unstage { stage })
    }

    pub(crate) fn push_record(&mut self, record: Record<'_>) -> Result<(), Failure> {
        if self.log.push(record) {
            return Ok(());
        }
        let message = "out of memory while writing the log".into();
        Err(Failure {
            sqlstate: state::OUT_OF_MEMORY,
            message,
        })
    }

    /// Whether a write set is sound, and fits the log and the pools.
    fn check_body(&mut self, body: &[u8]) -> Result<(), Box<SqlError>> {
        if self.is_too_large(body.len()) {
            let message = "the write set is too large for the log";
            return Err(SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let mut need = [0, 0];
        for operation in Operations::new(body) {
            let (tree, pages) = match operation.map_err(|_| malformed())? {
                Operation::Put {
                    tree, key, value, ..
                } => (tree, pages_needed(key.len(), value.len())),
                Operation::Delete { tree, key, .. } => (tree, pages_needed(key.len(), 0)),
                Operation::CreateTree { tree } | Operation::DropTree { tree } => {
                    if tree == CATALOG_TREE {
                        return Err(malformed());
                    }
                    (tree, 4)
                }
            };
            if tree.0 == 0 {
                return Err(malformed());
            }
            let pool = crate::database::pool_of(tree);
            need[pool] += pages;
        }
        for (pool, need) in need.into_iter().enumerate() {
            // However many rows: no more than a copy of each page, and what the bytes fill, a third at least.
            let bound = self.database.stores[pool].live_count() + body.len() as u64 / 1024 + 16;
            self.check_room(pool, need.min(bound))?;
        }
        Ok(())
    }

    /// Whether a pool has room for a change that needs at most `need` pages.
    fn check_room(&mut self, pool: usize, need: u64) -> Result<(), Box<SqlError>> {
        if need == 0 {
            return Ok(());
        }
        let need = need + PAGES_RESERVED;
        if self.database.stores[pool].check_room(need).is_err() {
            self.reclaim(usize::MAX);
        }
        self.database.stores[pool]
            .check_room(need)
            .map_err(out_of_space)
    }

    pub(crate) fn commit(
        &mut self,
        peer: u32,
        id: TxnId,
        request: RequestId,
        relied_on: Vec<(Vec<u8>, Version)>,
        is_durable: bool,
        body: Vec<u8>,
    ) -> Result<(), Failure> {
        let known = self.names.get(&(peer, id)).copied();
        let txn = match known {
            Some(txn) => txn,
            // Nobody is in the way: no entry is needed.
            None if self.locks.count() == 0 => 0,
            None => self.begin(peer, id),
        };
        if self.is_waiting(txn) {
            let error = SqlError::new(
                state::PROTOCOL_VIOLATION,
                "the transaction waits for a lock already",
            );
            self.fail_request(peer, request, error);
            return Ok(());
        }
        let waited = Vec::new();
        self.continue_commit(
            peer,
            txn,
            CommitRequest {
                request,
                relied_on,
                is_durable,
                body,
                waited,
            },
        )
    }

    fn continue_commit(
        &mut self,
        peer: u32,
        txn: Txn,
        commit: CommitRequest,
    ) -> Result<(), Failure> {
        if let Err(error) = self.check_body(&commit.body) {
            return self.refuse(peer, txn, commit.request, Refusal::Error(error));
        }
        let stage_lock = self.stage_lock_in_the_way(txn);
        if let Some((id, mode)) = stage_lock.or_else(|| self.lock_in_the_way(txn, &commit.body)) {
            return self.wait_to_commit(peer, txn, commit, id, mode);
        }
        if let Err(refusal) = self.compare(txn, &commit) {
            return self.refuse(peer, txn, commit.request, refusal);
        }
        if let Some(stage) = self.transactions.get(&txn).and_then(|t| t.stage) {
            let merge = Merge::new(&self.database, stage);
            let created = self.database.staged.get(&stage).map(|s| s.created.clone());
            let mut creates = creates(&commit.body);
            creates.extend(created.unwrap_or_default());
            self.merging = Some(MergeJob {
                peer,
                txn,
                commit,
                creates,
                merge,
                sequence: None,
            });
            return Ok(());
        }
        if commit.body.is_empty() {
            return self.finish_empty(peer, txn, commit.request);
        }
        self.database.sequence += 1;
        let sequence = self.database.sequence;
        self.database.apply(&commit.body, sequence)?;
        self.finish(peer, txn, commit, sequence, 0)
    }

    /// Waits with a commit for a lock that another holds.
    fn wait_to_commit(
        &mut self,
        peer: u32,
        txn: Txn,
        mut commit: CommitRequest,
        id: LockId,
        mode: LockMode,
    ) -> Result<(), Failure> {
        if !self.locks.wait(txn, id, mode) {
            return self.refuse(peer, txn, commit.request, Refusal::Error(deadlock()));
        }
        commit.waited.push(id);
        if let Some(transaction) = self.transactions.get_mut(&txn) {
            transaction.waiting = Some(Waiting::Commit(commit));
        }
        Ok(())
    }

    /// The first lock of a whole tree that another holds and that the stage must pass.
    fn stage_lock_in_the_way(&self, txn: Txn) -> Option<(LockId, LockMode)> {
        let stage = self.transactions.get(&txn)?.stage?;
        let stage = self.database.staged.get(&stage)?;
        let shared = stage.trees.keys().map(|tree| (*tree, LockMode::Shared));
        let dropped = stage
            .dropped
            .iter()
            .map(|tree| (*tree, LockMode::Exclusive));
        shared
            .chain(dropped)
            .map(|(tree, mode)| (self.lock_id(tree, &[]), mode))
            .find(|(id, mode)| !self.locks.is_free_for(txn, *id, *mode))
    }

    /// The first lock that another holds, or waits for, and that the write set must pass.
    fn lock_in_the_way(&self, txn: Txn, body: &[u8]) -> Option<(LockId, LockMode)> {
        if self.locks.count() == 0 {
            return None;
        }
        let mut last = TreeId(0);
        for operation in Operations::new(body) {
            let (tree, key, whole_mode) = match operation.ok()? {
                Operation::Put { tree, key, .. } | Operation::Delete { tree, key, .. } => {
                    (tree, key, LockMode::Shared)
                }
                Operation::DropTree { tree } => (tree, &[][..], LockMode::Exclusive),
                Operation::CreateTree { .. } => continue,
            };
            if tree != last || whole_mode == LockMode::Exclusive {
                let whole = self.lock_id(tree, &[]);
                if !self.locks.is_free_for(txn, whole, whole_mode) {
                    return Some((whole, whole_mode));
                }
                last = tree;
            }
            if !key.is_empty() {
                let id = self.lock_id(tree, key);
                if !self.locks.is_free_for(txn, id, LockMode::Exclusive) {
                    return Some((id, LockMode::Exclusive));
                }
            }
        }
        None
    }

    /// Whether the transaction locked the row, or the whole tree, before it came to commit.
    fn owns(&self, txn: Txn, commit: &CommitRequest, tree: TreeId, key: &[u8]) -> bool {
        let owns = |id| self.locks.owns(txn, id) && !commit.waited.contains(&id);
        self.locks.count() > 0 && (owns(self.lock_id(tree, key)) || owns(self.lock_id(tree, &[])))
    }

    /// Compares the versions that a commit carries with the newest.
    fn compare(&self, txn: Txn, commit: &CommitRequest) -> Result<(), Refusal> {
        for (key, version) in &commit.relied_on {
            let newest = self.database.version(CATALOG_TREE, key)?.unwrap_or(0);
            if newest != version.0 {
                return Err(Refusal::Conflict(CATALOG_TREE, key.clone()));
            }
        }
        let mut created: Vec<TreeId> = Vec::new();
        for operation in Operations::new(&commit.body) {
            let (tree, key, version) = match operation {
                Ok(Operation::Put {
                    tree, key, version, ..
                })
                | Ok(Operation::Delete { tree, key, version }) => (tree, key, version),
                Ok(Operation::CreateTree { tree }) => {
                    created.push(tree);
                    continue;
                }
                Ok(Operation::DropTree { .. }) => continue,
                Err(_) => return Err(Refusal::Error(malformed())),
            };
            if created.contains(&tree) || self.is_staged_new(txn, tree) {
                continue;
            }
            // A key that is put again after it was put in the stage was compared there.
            let newest = match self.database.version(tree, key)? {
                Some(newest) => newest,
                None => return Err(Refusal::Conflict(tree, Vec::new())),
            };
            if version != UNCHECKED
                && newest != version.0
                && !self.owns(txn, commit, tree, key)
                && !self.is_staged(txn, tree, key)?
            {
                return Err(Refusal::Conflict(tree, key.into()));
            }
        }
        Ok(())
    }

    /// Whether the transaction's stage makes the tree.
    fn is_staged_new(&self, txn: Txn, tree: TreeId) -> bool {
        let stage = self.transactions.get(&txn).and_then(|t| t.stage);
        let stage = stage.and_then(|stage| self.database.staged.get(&stage));
        stage.is_some_and(|stage| stage.created.contains(&tree))
    }

    /// Whether the key was staged.
    fn is_staged(&self, txn: Txn, tree: TreeId, key: &[u8]) -> Result<bool, crate::ReadError> {
        let stage = self.transactions.get(&txn).and_then(|t| t.stage);
        let stage = stage.and_then(|stage| self.database.staged.get(&stage));
        let Some(private) = stage.and_then(|stage| stage.trees.get(&tree)) else {
            return Ok(false);
        };
        let store = &self.database.stores[crate::database::pool_of(tree)];
        Ok(crate::tree::version(store, private.root, key)? != 0)
    }

    fn finish_empty(&mut self, peer: u32, txn: Txn, request: RequestId) -> Result<(), Failure> {
        self.end(txn)?;
        let version = Version(self.published.sequence);
        let lsn = Lsn(self.published.lsn);
        self.replies.push_back((
            peer,
            StorageReply::Committed {
                request,
                version,
                lsn,
            },
        ));
        Ok(())
    }

    /// Records an applied commit.
    fn finish(
        &mut self,
        peer: u32,
        txn: Txn,
        commit: CommitRequest,
        sequence: u64,
        stage: u64,
    ) -> Result<(), Failure> {
        let CommitRequest {
            request,
            is_durable,
            body,
            ..
        } = commit;
        let unix_us = self.now.unix_us;
        self.push_record(Record::Commit {
            sequence,
            stage,
            unix_us,
            body: &body,
        })?;
        let lsn = Lsn(self.log.end() + self.log.open_size() as u64);
        let reply = StorageReply::Committed {
            request,
            version: Version(sequence),
            lsn,
        };
        self.open.answers.push((peer, reply));
        self.open.is_durable |= is_durable;
        if self.forget(txn).is_some() {
            self.open.releases.push(txn);
        }
        Ok(())
    }

    /// Ends a transaction that wrote nothing that stays.
    fn end(&mut self, txn: Txn) -> Result<(), Failure> {
        if let Some(stage) = self.forget(txn).and_then(|t| t.stage) {
            self.unstage(stage)?;
        }
        self.locks.release_all(txn);
        Ok(())
    }

    fn refuse(
        &mut self,
        peer: u32,
        txn: Txn,
        request: RequestId,
        refusal: Refusal,
    ) -> Result<(), Failure> {
        self.end(txn)?;
        match refusal {
            Refusal::Conflict(tree, key) => {
                self.answer_after_publication(peer, StorageReply::Conflict { request, tree, key });
            }
            Refusal::Error(error) => self.fail_request(peer, request, error),
        }
        Ok(())
    }

    /// Goes on with a commit that has a stage.
    pub(crate) fn step_merge(&mut self) -> Result<bool, Failure> {
        let Some(mut job) = self.merging.take() else {
            return Ok(false);
        };
        let progress = match job.sequence {
            None => {
                let MergeJob {
                    txn,
                    commit,
                    creates,
                    merge,
                    ..
                } = &mut job;
                let surroundings = MergeLocks {
                    running: self,
                    txn: *txn,
                    commit,
                    creates,
                };
                merge.compare(&self.database, MERGE_ROWS_PER_TURN, &surroundings)?
            }
            Some(_) => job.merge.apply(&mut self.database, MERGE_ROWS_PER_TURN)?,
        };
        match (progress, job.sequence) {
            (Progress::More, _) => self.merging = Some(job),
            (Progress::Conflict(tree, key), _) => {
                let refusal = Refusal::Conflict(tree, key);
                self.refuse(job.peer, job.txn, job.commit.request, refusal)?;
            }
            (Progress::Blocked(id), _) => {
                self.wait_to_commit(job.peer, job.txn, job.commit, id, LockMode::Exclusive)?;
            }
            (Progress::Done, None) => {
                let need = job.merge.pages_needed(&self.database);
                for (pool, need) in need.into_iter().enumerate() {
                    if let Err(error) = self.check_room(pool, need) {
                        let refusal = Refusal::Error(error);
                        self.refuse(job.peer, job.txn, job.commit.request, refusal)?;
                        return Ok(true);
                    }
                }
                self.database.sequence += 1;
                let sequence = self.database.sequence;
                job.merge
                    .begin_apply(&mut self.database, sequence, &creates(&job.commit.body))?;
                job.sequence = Some(sequence);
                self.merging = Some(job);
            }
            (Progress::Done, Some(sequence)) => {
                let stage = self
                    .transactions
                    .get_mut(&job.txn)
                    .and_then(|t| t.stage.take());
                self.database.apply(&job.commit.body, sequence)?;
                let stage = stage.unwrap_or(0);
                self.finish(job.peer, job.txn, job.commit, sequence, stage)?;
            }
        }
        Ok(true)
    }

    pub(crate) fn abort(&mut self, peer: u32, id: TxnId) -> Result<(), Failure> {
        let Some(txn) = self.names.get(&(peer, id)).copied() else {
            return Ok(());
        };
        if self.merging.as_ref().is_some_and(|job| job.txn == txn) {
            // It is being committed already.
            return Ok(());
        }
        self.end(txn)
    }

    pub(crate) fn withdraw(&mut self, peer: u32, request: RequestId) {
        let waiting = self.transactions.iter_mut().find(|(_, t)| {
            t.peer == peer
                && match &t.waiting {
                    Some(Waiting::Lock(lock)) => lock.request == request,
                    Some(Waiting::Commit(commit)) => commit.request == request,
                    None => false,
                }
        });
        let Some((&txn, transaction)) = waiting else {
            return;
        };
        match transaction.waiting.take() {
            Some(Waiting::Lock(lock)) => {
                self.locks.stop_waiting(txn);
                self.give_up_lock(peer, txn, &lock, canceled());
            }
            _ => {
                self.locks.stop_waiting(txn);
                self.fail_request(peer, request, canceled());
            }
        }
    }

    /// All requests that wait for a lock.
    pub(crate) fn take_waiting(&mut self) -> Vec<(u32, RequestId)> {
        let mut all = Vec::new();
        for transaction in self.transactions.values_mut() {
            match transaction.waiting.take() {
                Some(Waiting::Lock(lock)) => all.push((transaction.peer, lock.request)),
                Some(Waiting::Commit(commit)) => all.push((transaction.peer, commit.request)),
                None => {}
            }
        }
        if let Some(job) = self.merging.take() {
            all.push((job.peer, job.commit.request));
        }
        all
    }

    pub(crate) fn drop_transactions_of(&mut self, peer: u32) -> Result<(), Failure> {
        let merging = self.merging.as_ref().map(|job| job.txn);
        let all: Vec<Txn> = self
            .names
            .range((peer, TxnId(0))..=(peer, TxnId(u64::MAX)))
            .map(|(_, txn)| *txn)
            .filter(|txn| Some(*txn) != merging)
            .collect();
        for txn in all {
            self.end(txn)?;
        }
        Ok(())
    }
}

fn deadlock() -> Box<SqlError> {
    SqlError::new(state::DEADLOCK_DETECTED, "deadlock detected")
}
