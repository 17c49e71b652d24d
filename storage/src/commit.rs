//! Commits: what must not be in the way, what must be the newest, and the merge of a stage.
//!
//! A commit is checked and applied in one turn (a staged one in several, alone): so all that it compares is
//! the newest, whether published or not. If it finds a newer version, the answer waits until that is published, so that
//! running the statement again sees it.

use crate::engine::{Failure, Running};
use crate::lock::{LockId, Txn, deadlock};
use crate::recovery::creates;
use crate::stage::{Merge, Progress, RowLock, Surroundings};
use crate::transaction::{Waiting, malformed};
use crate::wal::Record;
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::ids::{CATALOG_TREE, Lsn, RequestId, TreeId, TxnId, Version};
use vireo_abi::message::error::{SqlError, state};
use vireo_abi::message::storage::{LockMode, StorageReply};
use vireo_abi::write_set::{Operation, Operations, UNCHECKED};

/// Rows compared or applied in one turn of a merge.
const MERGE_ROWS_PER_TURN: usize = 2048;

/// A commit, as it was asked for.
#[derive(Debug)]
pub(crate) struct CommitRequest {
    pub(crate) request: RequestId,
    pub(crate) relied_on: Vec<(Vec<u8>, Version)>,
    pub(crate) is_durable: bool,
    pub(crate) body: Vec<u8>,
    /// Locks that the commit itself waited for: what they guard was not compared when they were taken.
    pub(crate) waited: Vec<LockId>,
}

/// A commit with a stage, in several turns.
#[derive(Debug)]
pub(crate) struct MergeJob {
    pub(crate) peer: u32,
    pub(crate) txn: Txn,
    pub(crate) commit: CommitRequest,
    pub(crate) creates: Vec<TreeId>,
    pub(crate) merge: Merge,
    /// The commit's number once it is being applied.
    pub(crate) sequence: Option<u64>,
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

impl Running {
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

    pub(crate) fn continue_commit(
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
    pub(crate) fn end(&mut self, txn: Txn) -> Result<(), Failure> {
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
}
