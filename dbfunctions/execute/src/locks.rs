//! Row locks that this instance keeps itself, while storage leases them to it.
//!
//! Locks are storage's. But where there is one execute instance only, all that could wait for one another are here, and
//! storage leases it the locks: taking one is a step in memory then, not a message and a wait for its answer. Storage still
//! compares the versions of each commit, so that a lock missed here could end in a refused commit, not in a lost write.
//!
//! Invariants:
//! 1. A lock is let go when the end of its transaction is known: at a rollback at once, at a commit with storage's answer, even
//!    if the session has gone meanwhile. Who gets it next sees that commit in the newest snapshot.
//! 2. The lease ends with storage's life: then all locks are forgotten, and waits for them fail. Transactions of that time
//!    take no further lock (`Held::check`).
//! 3. No borrow of a cell is held across an await.

use crate::shared::storage_died;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::cell::{Cell, RefCell};
use vireo_abi::ids::{TreeId, TxnId};
use vireo_abi::message::error::{SqlError, SqlResult};
use vireo_abi::message::storage::{LockMode, LockWait};
use vireo_runtime::task::{Oneshot, OneshotSender};
use vireo_storage::lock::{self, Attempt, LOCKS_MAX, LockId, Locks};

/// How taking a lock ended, if not with an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// It is held, and was free.
    Free,
    /// It is held, after a wait: what it guards may have changed meanwhile.
    Waited,
    /// Another holds it, and the caller does not wait.
    Skipped,
}

/// The locks, while they are leased.
#[derive(Default)]
pub struct LeasedLocks {
    seed: u64,
    is_leased: Cell<Option<bool>>,
    table: RefCell<Locks>,
    /// Ordered: when the lease ends they are told in this order, which must not be chance.
    waiters: RefCell<BTreeMap<TxnId, OneshotSender<SqlResult<()>>>>,
}

impl LeasedLocks {
    /// No locks, and no lease yet. `seed` is of the hash of keys.
    pub fn new(seed: u64) -> LeasedLocks {
        LeasedLocks {
            seed,
            ..LeasedLocks::default()
        }
    }

    /// Whether the locks are leased to this instance; none before storage was asked.
    pub fn is_leased(&self) -> Option<bool> {
        self.is_leased.get()
    }

    /// What storage answered.
    pub fn set_leased(&self, is_leased: bool) {
        self.is_leased.set(Some(is_leased));
    }

    /// Takes the lock of a row, or of the whole tree for the empty key, for a transaction that waits for no other.
    ///
    /// # Errors
    /// 40P01 for a wait that would never end, 55P03 under [`LockWait::Fail`], 53200 for too many locks, 57014 when the wait was
    /// cancelled, 57P02 when storage died. The transaction must be rolled back then.
    pub async fn take(
        &self,
        txn: TxnId,
        tree: TreeId,
        key: &[u8],
        mode: LockMode,
        wait: LockWait,
    ) -> SqlResult<Taken> {
        if self.table.borrow().count() >= LOCKS_MAX {
            return Err(lock::too_many());
        }
        let mut taken = Taken::Free;
        for (id, mode) in lock::steps(self.seed, tree, key, mode) {
            match self.take_one(txn, id, mode, wait).await? {
                Taken::Free => {}
                Taken::Waited => taken = Taken::Waited,
                Taken::Skipped => return Ok(Taken::Skipped),
            }
        }
        Ok(taken)
    }

    async fn take_one(
        &self,
        txn: TxnId,
        id: LockId,
        mode: LockMode,
        wait: LockWait,
    ) -> SqlResult<Taken> {
        match (self.table.borrow_mut().attempt(txn.0, id, mode), wait) {
            (Attempt::Held { .. }, _) => return Ok(Taken::Free),
            (Attempt::Taken, LockWait::Skip) => return Ok(Taken::Skipped),
            (Attempt::Taken, LockWait::Fail) => return Err(lock::not_available()),
            (Attempt::Taken, LockWait::Wait) => {}
        }
        let may_wait = self.table.borrow_mut().wait(txn.0, id, mode);
        // A wait that is given up may have been in others' way.
        self.tell_granted();
        if !may_wait {
            return Err(lock::deadlock());
        }
        let (sender, granted) = Oneshot::new();
        self.waiters.borrow_mut().insert(txn, sender);
        match granted.await {
            Ok(result) => result.map(|()| Taken::Waited),
            Err(_) => Err(storage_died()),
        }
    }

    /// Lets go of all that the transaction holds or waits for.
    pub fn release(&self, txn: TxnId) {
        self.waiters.borrow_mut().remove(&txn);
        self.table.borrow_mut().release_all(txn.0);
        self.tell_granted();
    }

    /// Ends the transaction's wait with an error, if it waits.
    pub fn cancel(&self, txn: TxnId, error: Box<SqlError>) {
        let waiter = self.waiters.borrow_mut().remove(&txn);
        if let Some(waiter) = waiter {
            self.table.borrow_mut().stop_waiting(txn.0);
            self.tell_granted();
            // Its session may be gone.
            drop(waiter.send(Err(error)));
        }
    }

    /// Storage died: the lease is over.
    pub fn forget(&self) {
        self.is_leased.set(None);
        self.table.replace(Locks::default());
        for (_, waiter) in core::mem::take(&mut *self.waiters.borrow_mut()) {
            // Its session may be gone.
            drop(waiter.send(Err(storage_died())));
        }
    }

    fn tell_granted(&self) {
        while let Some(txn) = {
            let mut table = self.table.borrow_mut();
            table.next_granted()
        } {
            let waiter = self.waiters.borrow_mut().remove(&TxnId(txn));
            if let Some(waiter) = waiter {
                // Its session may be gone; then its transaction's end lets go of the lock.
                drop(waiter.send(Ok(())));
            }
        }
    }
}

#[cfg(test)]
mod tests;
