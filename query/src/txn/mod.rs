//! What execution needs of a transaction: ordered trees of bytes that it reads in one snapshot, merged with its
//! own writes, locks, and a place for its writes.
//!
//! Two implementations: the execute function's over the storage engine's reader, and [`memory`]'s over `BTreeMap`s.

pub mod memory;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::future::Future;
use core::ops::Bound;
use core::pin::Pin;
use vireo_abi::ids::{TreeId, Version};
use vireo_abi::message::error::{SqlError, SqlResult};
use vireo_abi::message::storage::{LockKey, LockWait};

/// A future of the execute function's single thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A row of a tree.
#[derive(Clone, Copy, Debug)]
pub struct TreeRow<'a> {
    /// Key.
    pub key: &'a [u8],
    /// The commit that wrote it; 0 for the transaction's own uncommitted rows.
    pub version: Version,
    /// Value.
    pub value: &'a [u8],
}

/// Where a scan begins and ends.
#[derive(Clone, Debug)]
pub struct KeyRange {
    /// Lower end.
    pub lower: Bound<Vec<u8>>,
    /// Upper end.
    pub upper: Bound<Vec<u8>>,
    /// From the upper end down.
    pub is_backward: bool,
}

impl KeyRange {
    /// Every key, ascending.
    pub const ALL: KeyRange = KeyRange {
        lower: Bound::Unbounded,
        upper: Bound::Unbounded,
        is_backward: false,
    };

    /// Every key that begins with `prefix`, ascending.
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        // The first key after them: the prefix without its last bytes 0xFF, and the byte before those one more.
        let mut upper = prefix.to_vec();
        while upper.pop_if(|last| *last == u8::MAX).is_some() {}
        let upper = match upper.last_mut() {
            Some(last) => {
                *last += 1;
                Bound::Excluded(upper)
            }
            None => Bound::Unbounded,
        };
        KeyRange {
            lower: Bound::Included(prefix.to_vec()),
            upper,
            is_backward: false,
        }
    }
}

/// Takes the rows of a scan; the row's bytes are valid during the call.
pub type RowSink<'s> = dyn FnMut(TreeRow<'_>) -> SqlResult<()> + 's;

/// How much to read at once: until either is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadLimit {
    /// Rows.
    pub rows: usize,
    /// Bytes of values.
    pub bytes: usize,
}

impl ReadLimit {
    /// So many rows, however large.
    pub const fn rows(rows: usize) -> ReadLimit {
        ReadLimit {
            rows,
            bytes: usize::MAX,
        }
    }
}

/// A scan in progress.
pub trait TreeCursor {
    /// Hands rows to `sink` up to the limit. False when there are no more.
    fn next(&mut self, limit: ReadLimit, sink: &mut RowSink<'_>) -> SqlResult<bool>;
}

/// What locking found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LockOutcome {
    /// Indexes of keys that are not at the version given any more: the statement must run again on a newer snapshot.
    pub changed: Vec<u32>,
    /// Indexes of keys that were skipped.
    pub skipped: Vec<u32>,
}

/// A running transaction. Methods take `&self`: many operators of one statement share it.
pub trait Transaction {
    /// The row under `key`, given to `sink` if there is one.
    fn get(&self, tree: TreeId, key: &[u8], sink: &mut RowSink<'_>) -> SqlResult<bool>;

    /// A scan. It sees the writes made before it was opened and not those made after it (a statement does not see its own).
    fn scan(&self, tree: TreeId, range: KeyRange) -> SqlResult<Box<dyn TreeCursor>>;

    /// Rows in the tree in this snapshot, without the transaction's own writes.
    fn row_count(&self, tree: TreeId) -> SqlResult<u64>;

    /// Inserts or replaces. `version` is the one that was read, 0 for a new row. The rows that a
    /// statement writes become visible to the transaction's later statements.
    fn put(&self, tree: TreeId, key: &[u8], value: &[u8], version: Version) -> SqlResult<()>;

    /// Removes.
    fn delete(&self, tree: TreeId, key: &[u8], version: Version) -> SqlResult<()>;

    /// Makes an empty tree and gives its number.
    fn create_tree<'a>(&'a self) -> LocalFuture<'a, SqlResult<TreeId>>;

    /// Drops a tree.
    fn drop_tree(&self, tree: TreeId) -> SqlResult<()>;

    /// Locks rows or, with the empty key, whole trees.
    fn lock<'a>(
        &'a self,
        keys: Vec<LockKey>,
        wait: LockWait,
    ) -> LocalFuture<'a, SqlResult<LockOutcome>>;

    /// Reads on from the newest snapshot, unless the isolation level holds the transaction to its first. An implementation
    /// without other transactions has nothing to do.
    fn refresh(&self) {}

    /// Whether rows must be locked as they are written (a transaction block). Else the commit at the end of
    /// the statement checks the versions, and a conflict runs it again.
    fn needs_locks(&self) -> bool;

    /// `count` numbers never given before: row ids of `tree`, or object ids for tree 0.
    fn reserve<'a>(&'a self, tree: TreeId, count: u32) -> LocalFuture<'a, SqlResult<u64>>;

    /// A point where other sessions get their turn, memory is checked and cancellation takes effect: between chunks.
    /// Hands large write sets over to storage as well.
    fn checkpoint<'a>(&'a self) -> LocalFuture<'a, SqlResult<()>>;

    /// Before `bytes` are allocated: 53200 when the memory is not there.
    fn reserve_memory(&self, bytes: usize) -> SqlResult<()>;

    /// Sends a notice or warning.
    fn notice(&self, notice: Box<SqlError>);
}
