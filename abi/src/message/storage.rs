//! Execute → storage: locks and write sets.
//!
//! Reads need no message. A transaction that writes more than one statement takes its row locks as it
//! goes: from storage (`Lock`), or, where an execute instance is the only one, from a table of its own that storage
//! leases to it (`LeaseLocks`), without a message. Versions are compared at the commit in either case. All its writes travel in the body of `Commit` as a [`crate::write_set`]. A transaction
//! that has grown too big for execute's memory hands parts over before (`Stage`), which storage keeps in
//! private trees that execute reads in place.
//!
//! A *version* is the commit sequence number that last wrote a row. Storage compares the version
//! that execute read with the one in the newest tree: equal means nobody changed the row.

#![allow(missing_docs)] // rkyv's generated resolvers of enum variants have no documentation

use super::error::SqlError;
use crate::ids::{Lsn, PageId, RequestId, TreeId, TxnId, Version};
use alloc::boxed::Box;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize, Serialize};

/// How strong a lock is.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum LockMode {
    /// Any number of holders: uses of a table.
    Shared,
    /// One holder: changed rows, changed tables.
    Exclusive,
}

/// What to do when the lock is taken.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum LockWait {
    /// Wait, in the order of arrival.
    Wait,
    /// Fail with 55P03.
    Fail,
    /// Leave that key out and say so.
    Skip,
}

/// A key to be locked.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct LockKey {
    /// The tree.
    pub tree: TreeId,
    /// The key. The empty key stands for the whole tree (a table lock).
    pub key: Vec<u8>,
    /// How strong.
    pub mode: LockMode,
    /// The version that execute read; 0 for absent. Not compared for the empty key.
    pub version: Version,
}

/// A request to storage.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum StorageRequest {
    /// Take locks for a transaction (which begins with its first request). All of them or none.
    Lock {
        /// The transaction.
        txn: TxnId,
        /// Echoed.
        request: RequestId,
        /// What to lock.
        keys: Vec<LockKey>,
        /// What to do where one is taken.
        wait: LockWait,
    },
    /// Keep a part of a transaction's writes (the body) in private trees.
    Stage {
        /// The transaction.
        txn: TxnId,
        /// Echoed.
        request: RequestId,
    },
    /// Commit: the body is the write set (what `Stage` took comes before it). Operations that carry a
    /// version are checked against the newest tree unless the transaction holds their lock; if a key is locked by another, the
    /// commit waits its turn first. The locks are let go.
    Commit {
        /// The transaction.
        txn: TxnId,
        /// Echoed.
        request: RequestId,
        /// Tables whose definition the transaction relied on: keys of the catalog tree, and the versions read.
        relied_on: Vec<(Vec<u8>, Version)>,
        /// Whether to answer only when the WAL is on disk (`synchronous_commit`).
        durable: bool,
    },
    /// Roll back and let go of the locks. Not answered.
    Abort {
        /// The transaction.
        txn: TxnId,
    },
    /// Withdraw a `Lock` or `Commit` that waits; it fails with 57014 if it still waited. Not answered itself.
    Withdraw {
        /// The request.
        request: RequestId,
    },
    /// A range of numbers never given before: row ids of a tree, or for tree 0 object ids.
    Reserve {
        /// Echoed.
        request: RequestId,
        /// The tree, or 0.
        tree: TreeId,
        /// How many.
        count: u32,
    },
    /// Write a checkpoint now.
    Checkpoint {
        /// Echoed.
        request: RequestId,
    },
    /// Lease all locks to the instance that asks, as long as storage lives.
    LeaseLocks {
        /// Echoed.
        request: RequestId,
    },
}

/// A reply of storage.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum StorageReply {
    /// The locks are held.
    Locked {
        /// Of the request.
        request: RequestId,
        /// Indexes of keys whose version is not the one given: someone changed or removed them.
        /// (The locks are held all the same.) The newest published snapshot shows their rows.
        changed: Vec<u32>,
        /// Indexes of keys left out under [`LockWait::Skip`].
        skipped: Vec<u32>,
    },
    /// The part is kept.
    Staged {
        /// Of the request.
        request: RequestId,
        /// The private trees of the transaction now: tree and root page.
        roots: Vec<(TreeId, PageId)>,
    },
    /// Committed, published, and durable if that was asked.
    Committed {
        /// Of the request.
        request: RequestId,
        /// The commit's sequence number: a snapshot at or past it shows the transaction's rows.
        version: Version,
        /// The end of its WAL record.
        lsn: Lsn,
    },
    /// Nothing was written: a version that the write set or `relied_on` carries is not the newest. The
    /// transaction is over, its locks are gone.
    Conflict {
        /// Of the request.
        request: RequestId,
        /// The tree of the first such key.
        tree: TreeId,
        /// The key.
        key: Vec<u8>,
    },
    /// The numbers `first .. first + count`.
    Reserved {
        /// Of the request.
        request: RequestId,
        /// The first.
        first: u64,
    },
    /// The checkpoint is on disk.
    Checkpointed {
        /// Of the request.
        request: RequestId,
        /// Everything below is in it.
        lsn: Lsn,
    },
    /// The answer to `LeaseLocks`.
    LocksLeased {
        /// Of the request.
        request: RequestId,
        /// Whether the instance keeps the locks itself: it is the only one. It then sends no `Lock`.
        is_granted: bool,
    },
    /// The request failed; the transaction, if it was one's, must be aborted.
    Failed {
        /// Of the request.
        request: RequestId,
        /// Why.
        error: Box<SqlError>,
    },
}

impl StorageRequest {
    /// The number under which it is answered; none where it is not.
    pub fn id(&self) -> Option<RequestId> {
        match self {
            StorageRequest::Lock { request, .. }
            | StorageRequest::Stage { request, .. }
            | StorageRequest::Commit { request, .. }
            | StorageRequest::Reserve { request, .. }
            | StorageRequest::Checkpoint { request }
            | StorageRequest::LeaseLocks { request } => Some(*request),
            StorageRequest::Abort { .. } | StorageRequest::Withdraw { .. } => None,
        }
    }
}

impl StorageReply {
    /// The number of the request that it answers.
    pub fn id(&self) -> RequestId {
        match self {
            StorageReply::Locked { request, .. }
            | StorageReply::Staged { request, .. }
            | StorageReply::Committed { request, .. }
            | StorageReply::Conflict { request, .. }
            | StorageReply::Reserved { request, .. }
            | StorageReply::Checkpointed { request, .. }
            | StorageReply::LocksLeased { request, .. }
            | StorageReply::Failed { request, .. } => *request,
        }
    }
}
