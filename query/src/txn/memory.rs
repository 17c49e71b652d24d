//! Transactions over `BTreeMap`s: the second implementation of [`Transaction`], for tests, models and simulations.
//!
//! ```text
//!  MemoryDatabase ──begin()──> MemoryTransaction { snapshot: Rc of each tree, overlay: own writes }
//!        ^                            │ commit(): versions compared, overlay applied
//!        └────────────────────────────┘
//! ```
//!
//! Invariants:
//! 1. A snapshot never changes: a commit copies a tree that a snapshot still holds.
//! 2. A scan merges the snapshot with the overlay as both were when it was opened; `get` sees every own write.
//! 3. Rows of the overlay have version 0 when read; what a commit compares is the version of the first write of a key.
//!
//! Failures: 40001 from [`MemoryTransaction::commit`] when a row changed under it, 53200 past the memory limit (bytes
//! reserved only add up until [`MemoryTransaction::refresh`]), 57014 from a checkpoint after
//! [`MemoryTransaction::cancel`], XX000 for a tree that does not exist. A lock that another transaction holds is
//! waited for by polling again: two transactions that wait for each other wait forever.

use super::{
    KeyRange, LocalFuture, LockOutcome, ReadLimit, RowSink, Transaction, TreeCursor, TreeRow,
};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::iter::Peekable;
use core::ops::Bound;
use core::task::Poll;
use vireo_abi::ids::{CATALOG_TREE, TreeId, Version};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::storage::{LockKey, LockMode, LockWait};
use vireo_abi::write_set::UNCHECKED;

#[derive(Clone, Debug)]
struct Row {
    version: Version,
    value: Vec<u8>,
}

/// A write of a transaction; no value: the row is removed.
#[derive(Clone, Debug)]
struct Write {
    version: Version,
    value: Option<Vec<u8>>,
}

type Tree = BTreeMap<Vec<u8>, Row>;
type Writes = BTreeMap<Vec<u8>, Write>;

#[derive(Debug, Default)]
struct Lock {
    holders: Vec<u64>,
    is_exclusive: bool,
}

#[derive(Debug, Default)]
struct State {
    trees: BTreeMap<TreeId, Rc<Tree>>,
    version: u64,
    next_numbers: BTreeMap<TreeId, u64>,
    locks: BTreeMap<(TreeId, Vec<u8>), Lock>,
    transactions: u64,
}

/// Committed trees. Clones are the same database.
#[derive(Clone, Debug)]
pub struct MemoryDatabase {
    state: Rc<RefCell<State>>,
}

impl Default for MemoryDatabase {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryDatabase {
    /// A database with an empty catalog tree.
    pub fn new() -> MemoryDatabase {
        let mut state = State::default();
        state.trees.insert(CATALOG_TREE, Rc::default());
        // Object ids and trees of users start where PostgreSQL's do.
        state.next_numbers.insert(TreeId(0), 16384);
        MemoryDatabase {
            state: Rc::new(RefCell::new(state)),
        }
    }

    /// A transaction that sees what is committed now.
    pub fn begin(&self) -> MemoryTransaction {
        let mut state = self.state.borrow_mut();
        state.transactions += 1;
        MemoryTransaction {
            database: self.clone(),
            number: state.transactions,
            snapshot: RefCell::new(state.trees.clone()),
            overlay: RefCell::default(),
            created: RefCell::default(),
            dropped: RefCell::default(),
            is_block: Cell::new(false),
            is_canceled: Cell::new(false),
            memory_used: Cell::new(0),
            memory_limit: Cell::new(usize::MAX),
            checkpoints: Cell::new(0),
            notices: RefCell::default(),
        }
    }

    /// The number of the last commit.
    pub fn version(&self) -> Version {
        Version(self.state.borrow().version)
    }
}

/// A transaction over a [`MemoryDatabase`]. Dropped without a commit, it leaves nothing but used-up numbers.
#[derive(Debug)]
pub struct MemoryTransaction {
    database: MemoryDatabase,
    number: u64,
    snapshot: RefCell<BTreeMap<TreeId, Rc<Tree>>>,
    overlay: RefCell<BTreeMap<TreeId, Rc<Writes>>>,
    created: RefCell<BTreeSet<TreeId>>,
    dropped: RefCell<BTreeSet<TreeId>>,
    is_block: Cell<bool>,
    is_canceled: Cell<bool>,
    memory_used: Cell<usize>,
    memory_limit: Cell<usize>,
    checkpoints: Cell<u64>,
    notices: RefCell<Vec<SqlError>>,
}

impl MemoryTransaction {
    /// Makes it a transaction block (`needs_locks`), or a statement of its own.
    pub fn set_block(&self, is_block: bool) {
        self.is_block.set(is_block);
    }

    /// The next checkpoint fails with 57014.
    pub fn cancel(&self) {
        self.is_canceled.set(true);
    }

    /// Bytes that may be reserved from here on, until the next [`MemoryTransaction::refresh`].
    pub fn set_memory_limit(&self, bytes: usize) {
        self.memory_used.set(0);
        self.memory_limit.set(bytes);
    }

    /// Bytes reserved since the last [`MemoryTransaction::refresh`].
    pub fn memory_used(&self) -> usize {
        self.memory_used.get()
    }

    /// Checkpoints passed so far.
    pub fn checkpoints(&self) -> u64 {
        self.checkpoints.get()
    }

    /// The notices since the last call.
    pub fn take_notices(&self) -> Vec<SqlError> {
        self.notices.take()
    }

    /// Before the next statement of a READ COMMITTED transaction: sees what is committed now, and its own writes.
    pub fn refresh(&self) {
        *self.snapshot.borrow_mut() = self.database.state.borrow().trees.clone();
        self.memory_used.set(0);
    }

    /// Makes the writes visible to transactions that begin later, and lets go of the locks.
    ///
    /// # Errors
    /// 40001 if a row that is written is not at the version that was read and its lock is not held; nothing is written then.
    pub fn commit(&self) -> SqlResult<Version> {
        let mut state = self.database.state.borrow_mut();
        let overlay = self.overlay.take();
        let dropped = self.dropped.take();
        let created = self.created.take();
        let outcome = self.check(&state, &overlay, &created, &dropped);
        release(&mut state, self.number);
        outcome?;
        state.version += 1;
        let version = Version(state.version);
        for tree in created.difference(&dropped) {
            state.trees.insert(*tree, Rc::default());
        }
        for (id, writes) in overlay {
            if dropped.contains(&id) {
                continue;
            }
            let tree = Rc::make_mut(state.trees.entry(id).or_default());
            for (key, write) in writes.iter() {
                match &write.value {
                    Some(value) => {
                        tree.insert(
                            key.clone(),
                            Row {
                                version,
                                value: value.clone(),
                            },
                        );
                    }
                    None => {
                        tree.remove(key);
                    }
                }
            }
        }
        for tree in &dropped {
            state.trees.remove(tree);
        }
        drop(state);
        self.refresh();
        Ok(version)
    }

    /// Forgets the writes and lets go of the locks.
    pub fn rollback(&self) {
        self.overlay.take();
        self.created.take();
        self.dropped.take();
        release(&mut self.database.state.borrow_mut(), self.number);
        self.refresh();
    }

    fn check(
        &self,
        state: &State,
        overlay: &BTreeMap<TreeId, Rc<Writes>>,
        created: &BTreeSet<TreeId>,
        dropped: &BTreeSet<TreeId>,
    ) -> SqlResult<()> {
        for (id, writes) in overlay {
            if created.contains(id) || dropped.contains(id) {
                continue;
            }
            let tree = state.trees.get(id).ok_or_else(|| no_tree(*id))?;
            for (key, write) in writes.iter() {
                let is_locked = state
                    .locks
                    .get(&(*id, key.clone()))
                    .is_some_and(|l| l.holders.contains(&self.number));
                let version = tree.get(key).map_or(Version(0), |r| r.version);
                if write.version != UNCHECKED && !is_locked && write.version != version {
                    return Err(SqlError::new(
                        state::SERIALIZATION_FAILURE,
                        "could not serialize access due to concurrent update",
                    ));
                }
            }
        }
        Ok(())
    }

    /// A tree of the snapshot and the own writes on it.
    fn view(&self, tree: TreeId) -> SqlResult<(Rc<Tree>, Rc<Writes>)> {
        if self.dropped.borrow().contains(&tree) {
            return Err(no_tree(tree));
        }
        let base = match self.snapshot.borrow().get(&tree) {
            Some(base) => Rc::clone(base),
            None if self.created.borrow().contains(&tree) => Rc::default(),
            None => return Err(no_tree(tree)),
        };
        let writes = self
            .overlay
            .borrow()
            .get(&tree)
            .cloned()
            .unwrap_or_default();
        Ok((base, writes))
    }

    fn write(
        &self,
        tree: TreeId,
        key: &[u8],
        value: Option<&[u8]>,
        version: Version,
    ) -> SqlResult<()> {
        self.view(tree)?;
        let mut overlay = self.overlay.borrow_mut();
        let writes = Rc::make_mut(overlay.entry(tree).or_default());
        let value = value.map(<[u8]>::to_vec);
        match writes.get_mut(key) {
            Some(write) => write.value = value,
            None => {
                writes.insert(key.to_vec(), Write { version, value });
            }
        }
        Ok(())
    }

    /// Takes all the locks, or none and says which key is in the way.
    fn try_lock(&self, keys: &[LockKey], wait: LockWait) -> Result<LockOutcome, usize> {
        let mut state = self.database.state.borrow_mut();
        let mut outcome = LockOutcome::default();
        for (index, key) in keys.iter().enumerate() {
            if !is_free(&state, key, self.number) {
                match wait {
                    LockWait::Skip => outcome.skipped.push(index as u32),
                    LockWait::Wait | LockWait::Fail => return Err(index),
                }
            }
        }
        for (index, key) in keys.iter().enumerate() {
            let index = index as u32;
            if outcome.skipped.contains(&index) {
                continue;
            }
            let lock = state.locks.entry((key.tree, key.key.clone())).or_default();
            lock.is_exclusive |= key.mode == LockMode::Exclusive;
            if !lock.holders.contains(&self.number) {
                lock.holders.push(self.number);
            }
            let row = state.trees.get(&key.tree).and_then(|t| t.get(&key.key));
            let version = row.map_or(Version(0), |r| r.version);
            if !key.key.is_empty() && version != key.version {
                outcome.changed.push(index);
            }
        }
        Ok(outcome)
    }
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        release(&mut self.database.state.borrow_mut(), self.number);
    }
}

fn release(state: &mut State, number: u64) {
    state.locks.retain(|_, lock| {
        lock.holders.retain(|h| *h != number);
        !lock.holders.is_empty()
    });
}

fn is_free(state: &State, key: &LockKey, number: u64) -> bool {
    let Some(lock) = state.locks.get(&(key.tree, key.key.clone())) else {
        return true;
    };
    let is_alone = lock.holders.iter().all(|h| *h == number);
    is_alone || (!lock.is_exclusive && key.mode == LockMode::Shared)
}

fn no_tree(tree: TreeId) -> Box<SqlError> {
    SqlError::new(state::INTERNAL_ERROR, format!("tree {tree} does not exist"))
}

impl Transaction for MemoryTransaction {
    fn get(&self, tree: TreeId, key: &[u8], sink: &mut RowSink<'_>) -> SqlResult<bool> {
        let (base, writes) = self.view(tree)?;
        let (version, value) = match (writes.get(key), base.get(key)) {
            (
                Some(Write {
                    value: Some(value), ..
                }),
                _,
            ) => (Version(0), value),
            (Some(_), _) | (None, None) => return Ok(false),
            (None, Some(row)) => (row.version, &row.value),
        };
        sink(TreeRow {
            key,
            version,
            value,
        })?;
        Ok(true)
    }

    fn scan(&self, tree: TreeId, range: KeyRange) -> SqlResult<Box<dyn TreeCursor>> {
        let (base, writes) = self.view(tree)?;
        Ok(Box::new(MemoryCursor {
            base,
            writes,
            range,
            is_done: false,
        }))
    }

    fn row_count(&self, tree: TreeId) -> SqlResult<u64> {
        Ok(self.view(tree)?.0.len() as u64)
    }

    fn put(&self, tree: TreeId, key: &[u8], value: &[u8], version: Version) -> SqlResult<()> {
        self.write(tree, key, Some(value), version)
    }

    fn delete(&self, tree: TreeId, key: &[u8], version: Version) -> SqlResult<()> {
        self.write(tree, key, None, version)
    }

    fn create_tree<'a>(&'a self) -> LocalFuture<'a, SqlResult<TreeId>> {
        Box::pin(async move {
            let number = self.reserve(TreeId(0), 1).await?;
            let tree = TreeId(u32::try_from(number).map_err(|_| {
                SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "no tree numbers are left")
            })?);
            self.created.borrow_mut().insert(tree);
            Ok(tree)
        })
    }

    fn drop_tree(&self, tree: TreeId) -> SqlResult<()> {
        self.view(tree)?;
        self.dropped.borrow_mut().insert(tree);
        Ok(())
    }

    fn lock<'a>(
        &'a self,
        keys: Vec<LockKey>,
        wait: LockWait,
    ) -> LocalFuture<'a, SqlResult<LockOutcome>> {
        Box::pin(core::future::poll_fn(move |cx| {
            match (self.try_lock(&keys, wait), wait) {
                (Ok(outcome), _) => Poll::Ready(Ok(outcome)),
                (Err(_), LockWait::Fail) => Poll::Ready(Err(SqlError::new(
                    state::LOCK_NOT_AVAILABLE,
                    "could not obtain lock on row",
                ))),
                (Err(_), _) if self.is_canceled.get() => Poll::Ready(Err(canceled())),
                (Err(_), _) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        }))
    }

    fn needs_locks(&self) -> bool {
        self.is_block.get()
    }

    fn reserve<'a>(&'a self, tree: TreeId, count: u32) -> LocalFuture<'a, SqlResult<u64>> {
        let mut state = self.database.state.borrow_mut();
        let next = state.next_numbers.entry(tree).or_insert(1);
        let first = *next;
        *next += u64::from(count);
        Box::pin(core::future::ready(Ok(first)))
    }

    fn checkpoint<'a>(&'a self) -> LocalFuture<'a, SqlResult<()>> {
        self.checkpoints.set(self.checkpoints.get() + 1);
        let result = if self.is_canceled.get() {
            Err(canceled())
        } else {
            Ok(())
        };
        Box::pin(core::future::ready(result))
    }

    fn reserve_memory(&self, bytes: usize) -> SqlResult<()> {
        let used = self.memory_used.get().saturating_add(bytes);
        if used > self.memory_limit.get() {
            return Err(SqlError::new(state::OUT_OF_MEMORY, "out of memory")
                .with_detail(format!("Failed on request of size {bytes}.")));
        }
        self.memory_used.set(used);
        Ok(())
    }

    fn notice(&self, notice: Box<SqlError>) {
        self.notices.borrow_mut().push(*notice);
    }
}

fn canceled() -> Box<SqlError> {
    SqlError::new(
        state::QUERY_CANCELED,
        "canceling statement due to user request",
    )
}

struct MemoryCursor {
    base: Rc<Tree>,
    writes: Rc<Writes>,
    /// What is left to read.
    range: KeyRange,
    is_done: bool,
}

impl TreeCursor for MemoryCursor {
    fn next(&mut self, limit: ReadLimit, sink: &mut RowSink<'_>) -> SqlResult<bool> {
        if self.is_done || is_empty(&self.range) {
            return Ok(false);
        }
        let bounds = (as_slice(&self.range.lower), as_slice(&self.range.upper));
        let base = self.base.range::<[u8], _>(bounds);
        let writes = self.writes.range::<[u8], _>(bounds);
        let last = if self.range.is_backward {
            merge(base.rev(), writes.rev(), true, limit, sink)?
        } else {
            merge(base, writes, false, limit, sink)?
        };
        match last.cloned() {
            None => self.is_done = true,
            Some(key) if self.range.is_backward => self.range.upper = Bound::Excluded(key),
            Some(key) => self.range.lower = Bound::Excluded(key),
        }
        Ok(!self.is_done)
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// `BTreeMap::range` panics on ranges that are upside down.
fn is_empty(range: &KeyRange) -> bool {
    match (&range.lower, &range.upper) {
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => {
            a >= b
        }
        _ => false,
    }
}

/// Hands rows to `sink` up to the limit; the last key visited if rows may be left.
fn merge<'t>(
    base: impl Iterator<Item = (&'t Vec<u8>, &'t Row)>,
    writes: impl Iterator<Item = (&'t Vec<u8>, &'t Write)>,
    is_backward: bool,
    limit: ReadLimit,
    sink: &mut RowSink<'_>,
) -> SqlResult<Option<&'t Vec<u8>>> {
    let (mut base, mut writes) = (base.peekable(), writes.peekable());
    let mut last = None;
    let (mut count, mut bytes) = (0, 0);
    while count < limit.rows && bytes < limit.bytes {
        let Some((key, row)) = next_of(&mut base, &mut writes, is_backward) else {
            return Ok(None);
        };
        last = Some(key);
        if let Some((version, value)) = row {
            sink(TreeRow {
                key,
                version,
                value,
            })?;
            count += 1;
            bytes += value.len();
        }
    }
    Ok(last)
}

type Merged<'t> = (&'t Vec<u8>, Option<(Version, &'t [u8])>);

/// The next key of both; an own write hides the row of the snapshot.
fn next_of<'t>(
    base: &mut Peekable<impl Iterator<Item = (&'t Vec<u8>, &'t Row)>>,
    writes: &mut Peekable<impl Iterator<Item = (&'t Vec<u8>, &'t Write)>>,
    is_backward: bool,
) -> Option<Merged<'t>> {
    let use_base = match (base.peek(), writes.peek()) {
        (None, None) => return None,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (Some((b, _)), Some((w, _))) => {
            if b == w {
                base.next();
                false
            } else {
                (b < w) != is_backward
            }
        }
    };
    if use_base {
        let (key, row) = base.next()?;
        Some((key, Some((row.version, &row.value))))
    } else {
        let (key, write) = writes.next()?;
        Some((key, write.value.as_deref().map(|v| (Version(0), v))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: TreeId = CATALOG_TREE;

    fn keys(txn: &MemoryTransaction, range: KeyRange, step: usize) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut cursor = txn.scan(TREE, range).unwrap();
        while cursor
            .next(ReadLimit::rows(step), &mut |row| {
                found.push(row.key.to_vec());
                Ok(())
            })
            .unwrap()
        {}
        found
    }

    fn filled() -> (MemoryDatabase, MemoryTransaction) {
        let database = MemoryDatabase::new();
        let txn = database.begin();
        for key in [b"a", b"c", b"e"] {
            txn.put(TREE, key, b"old", Version(0)).unwrap();
        }
        txn.commit().unwrap();
        (database, txn)
    }

    #[test]
    fn scans_merge_own_writes_both_ways() {
        let (_, txn) = filled();
        txn.put(TREE, b"b", b"new", Version(0)).unwrap();
        txn.put(TREE, b"c", b"new", Version(1)).unwrap();
        txn.delete(TREE, b"e", Version(1)).unwrap();
        for step in 1..5 {
            assert_eq!(keys(&txn, KeyRange::ALL, step), [b"a", b"b", b"c"]);
            let backward = KeyRange {
                is_backward: true,
                ..KeyRange::ALL
            };
            assert_eq!(keys(&txn, backward, step), [b"c", b"b", b"a"]);
            let part = KeyRange {
                lower: Bound::Excluded(b"a".to_vec()),
                upper: Bound::Included(b"b".to_vec()),
                is_backward: false,
            };
            assert_eq!(keys(&txn, part, step), [b"b"]);
        }
        let upside_down = KeyRange {
            lower: Bound::Excluded(b"b".to_vec()),
            upper: Bound::Excluded(b"b".to_vec()),
            is_backward: false,
        };
        assert!(keys(&txn, upside_down, 1).is_empty());
    }

    #[test]
    fn a_scan_does_not_see_later_writes() {
        let (_, txn) = filled();
        let mut cursor = txn.scan(TREE, KeyRange::ALL).unwrap();
        txn.put(TREE, b"b", b"new", Version(0)).unwrap();
        let mut count = 0;
        while cursor
            .next(ReadLimit::rows(1), &mut |_| {
                count += 1;
                Ok(())
            })
            .unwrap()
        {}
        assert_eq!(count, 3);
    }

    #[test]
    fn the_first_committer_wins() {
        let (database, _) = filled();
        let (one, two) = (database.begin(), database.begin());
        one.put(TREE, b"a", b"one", Version(1)).unwrap();
        two.put(TREE, b"a", b"two", Version(1)).unwrap();
        one.commit().unwrap();
        assert_eq!(two.commit().unwrap_err().state(), "40001");
    }

    #[test]
    fn locks_tell_what_changed() {
        let (database, _) = filled();
        let key = |version| LockKey {
            tree: TREE,
            key: b"a".to_vec(),
            mode: LockMode::Exclusive,
            version: Version(version),
        };
        let (one, two) = (database.begin(), database.begin());
        assert_eq!(
            one.try_lock(&[key(1)], LockWait::Fail),
            Ok(LockOutcome::default())
        );
        assert_eq!(two.try_lock(&[key(1)], LockWait::Fail), Err(0));
        assert_eq!(
            two.try_lock(&[key(1)], LockWait::Skip).unwrap().skipped,
            [0]
        );
        one.put(TREE, b"a", b"one", Version(1)).unwrap();
        one.commit().unwrap();
        assert_eq!(
            two.try_lock(&[key(1)], LockWait::Fail).unwrap().changed,
            [0]
        );
    }
}
