//! Transactions: locks, stages, and how they end. Commits are in `crate::commit`.
//!
//! A transaction exists here from its first lock or stage; a commit out of the blue needs no entry unless it
//! has to wait. What waits is kept with its transaction and begun again when the lock is granted.

use crate::commit::CommitRequest;
use crate::engine::{Failure, Running, canceled};
use crate::lock::{self, Attempt, LockId, Txn, lock_id};
use crate::space::SpaceError;
use crate::tree::pages_needed;
use crate::wal::Record;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::ids::{CATALOG_TREE, RequestId, TreeId, TxnId};
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::storage::{LockKey, LockWait, StorageReply};
use vireo_abi::write_set::{Operation, Operations, UNCHECKED};

/// Pages that are kept for the master tree, descriptors and the like.
const PAGES_RESERVED: u64 = 32;

/// A transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) peer: u32,
    pub(crate) id: TxnId,
    pub(crate) stage: Option<u64>,
    pub(crate) waiting: Option<Waiting>,
}

/// A request that waits for a lock.
#[derive(Debug)]
pub(crate) enum Waiting {
    Lock(LockRequest),
    Commit(CommitRequest),
}

#[derive(Debug)]
pub(crate) struct LockRequest {
    request: RequestId,
    keys: Vec<LockKey>,
    wait: LockWait,
    /// The key to go on with.
    next: usize,
    skipped: Vec<u32>,
    /// What this request took.
    taken: Vec<LockId>,
}

pub(crate) fn malformed() -> Box<SqlError> {
    SqlError::new(state::PROTOCOL_VIOLATION, "malformed write set")
}

fn out_of_space(error: SpaceError) -> Box<SqlError> {
    let failure = Failure::from(error);
    SqlError::new(failure.sqlstate, failure.message)
}

impl Running {
    pub(crate) fn lock_id(&self, tree: TreeId, key: &[u8]) -> LockId {
        lock_id(self.config.seed, tree, key)
    }

    /// The transaction, begun if it is new.
    pub(crate) fn begin(&mut self, peer: u32, id: TxnId) -> Txn {
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
    pub(crate) fn forget(&mut self, txn: Txn) -> Option<Transaction> {
        let transaction = self.transactions.remove(&txn)?;
        self.names.remove(&(transaction.peer, transaction.id));
        Some(transaction)
    }

    pub(crate) fn is_waiting(&self, txn: Txn) -> bool {
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
            self.give_up_lock(peer, txn, &lock, lock::too_many());
            return Ok(());
        }
        while let Some(key) = lock.keys.get(lock.next) {
            let steps = lock::steps(self.config.seed, key.tree, &key.key, key.mode);
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
                    self.give_up_lock(peer, txn, &lock, lock::not_available());
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
                        self.give_up_lock(peer, txn, &lock, lock::deadlock());
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
    pub(crate) fn check_body(&mut self, body: &[u8]) -> Result<(), Box<SqlError>> {
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
    pub(crate) fn check_room(&mut self, pool: usize, need: u64) -> Result<(), Box<SqlError>> {
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
