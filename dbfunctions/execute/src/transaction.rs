//! A transaction: a snapshot to read, an overlay of own writes, and storage for locks and the commit.
//!
//! ```text
//!   active ──commit──> Committed
//!     │  └──commit──> Conflict: run the statement again (a transaction of one statement), or 40001
//!     └──abort / drop──> storage lets go of locks and staged parts
//! ```

use crate::locks::Taken;
use crate::merge::{Merge, MergeParts, with_value};
use crate::overlay::{Mark, Overlay, Own};
use crate::session_state::{Awaited, SessionState};
use crate::shared::{Shared, unexpected_reply};
use crate::snapshot::Held;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use vireo_abi::ids::{CATALOG_TREE, PageId, TreeId, TxnId, Version};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::parse::CatalogChange;
use vireo_abi::message::storage::{LockKey, LockMode, LockWait, StorageReply, StorageRequest};
use vireo_abi::write_set::{Operation, Operations, UNCHECKED};
use vireo_query::catalog;
use vireo_query::plan::TableRef;
use vireo_query::txn::{
    KeyRange, LocalFuture, LockOutcome, RowSink, Transaction, TreeCursor, TreeRow,
};
use vireo_runtime::task::yield_now;
use vireo_storage::Tree;

/// Bytes of writes that are handed to storage before the commit.
const STAGE_BYTES: usize = 8 << 20;
/// Writes of a transaction of one statement that are locked for its commit; of more, versions alone decide.
const COMMIT_LOCKS_MAX: usize = 4096;

/// The isolation levels there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// Each statement reads the newest snapshot.
    ReadCommitted,
    /// Every statement reads the first one's snapshot.
    RepeatableRead,
}

/// How a commit ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Commit {
    /// Committed.
    Done,
    /// Something it relied on has changed: nothing was written.
    Conflict,
}

/// A transaction.
pub struct Txn {
    shared: Rc<Shared>,
    session: Rc<SessionState>,
    id: TxnId,
    isolation: Isolation,
    is_read_only: Cell<bool>,
    takes_locks: bool,
    held: RefCell<Rc<Held>>,
    overlay: Rc<RefCell<Overlay>>,
    staged: RefCell<Vec<(TreeId, PageId)>>,
    may_stage: Cell<bool>,
    /// Whether storage holds something for it.
    is_known: Cell<bool>,
    is_over: Cell<bool>,
    locked_tables: RefCell<Vec<TreeId>>,
    used_tables: RefCell<Vec<TreeId>>,
    relied_on: RefCell<Vec<(Vec<u8>, Version)>>,
    catalog_changes: RefCell<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    /// When it began, in microseconds since 2000-01-01.
    pub began_us: i64,
}

impl Txn {
    /// A transaction that begins now. `takes_locks`: it may write in several statements, so rows are locked as they are
    /// written; else the commit checks them.
    ///
    /// # Errors
    /// 57P03 while storage is not ready.
    pub fn begin(
        shared: &Rc<Shared>,
        session: &Rc<SessionState>,
        isolation: Isolation,
        is_read_only: bool,
        takes_locks: bool,
    ) -> SqlResult<Txn> {
        Ok(Txn {
            shared: shared.clone(),
            session: session.clone(),
            id: shared.next_txn(),
            isolation,
            is_read_only: Cell::new(is_read_only),
            takes_locks,
            held: RefCell::new(shared.pools.newest()?),
            overlay: Rc::new(RefCell::new(Overlay::default())),
            staged: RefCell::new(Vec::new()),
            may_stage: Cell::new(false),
            is_known: Cell::new(false),
            is_over: Cell::new(false),
            locked_tables: RefCell::new(Vec::new()),
            used_tables: RefCell::new(Vec::new()),
            relied_on: RefCell::new(Vec::new()),
            catalog_changes: RefCell::new(BTreeMap::new()),
            began_us: shared.now_us(),
        })
    }

    /// Begins a statement: under READ COMMITTED it reads the newest snapshot. `may_stage`: its writes may go to storage
    /// before it ends, because it reads nothing of what it writes.
    ///
    /// # Errors
    /// 57P02 when storage died since the transaction began.
    pub fn begin_statement(&self, may_stage: bool) -> SqlResult<Mark> {
        self.held.borrow().check()?;
        self.refresh_snapshot()?;
        self.may_stage.set(may_stage);
        Ok(self.overlay.borrow_mut().begin_statement())
    }

    /// Takes the newest snapshot, if the isolation level lets it.
    pub fn refresh_snapshot(&self) -> SqlResult<()> {
        if self.isolation == Isolation::ReadCommitted {
            self.held.replace(self.shared.pools.newest()?);
        }
        Ok(())
    }

    /// Undoes what the statement that began at `mark` has written here.
    pub fn undo_statement(&self, mark: Mark) {
        self.overlay.borrow_mut().roll_back_to(mark);
    }

    /// Whether writes are refused.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only.get()
    }

    /// SET TRANSACTION READ ONLY or READ WRITE.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.is_read_only.set(is_read_only);
    }

    /// The catalog's version in the snapshot.
    pub fn catalog_version(&self) -> u64 {
        self.held.borrow().snapshot.catalog_version.0
    }

    /// Whether the table is still as it was when the plan was made; the statement relies on it from here on.
    pub fn rely_on(&self, table: &TableRef, writes: bool) -> SqlResult<bool> {
        let key = catalog::relation_key(&table.schema, &table.name);
        let mut found = None;
        self.get(CATALOG_TREE, &key, &mut |row| {
            let oid = match catalog::decode(row.value)? {
                catalog::Relation::Table(def) => def.oid,
                catalog::Relation::Index { .. } => 0,
            };
            found = Some((row.version, oid));
            Ok(())
        })?;
        let is_same = found == Some((table.version, table.oid));
        if is_same && writes {
            self.note_write(table);
        }
        Ok(is_same)
    }

    /// Remembers that a table is written, without looking it up: the catalog is the one that the plan was made against.
    pub fn note_write(&self, table: &TableRef) {
        let mut used = self.used_tables.borrow_mut();
        if !used.contains(&table.tree) {
            used.push(table.tree);
            if table.version != Version(0) {
                let key = catalog::relation_key(&table.schema, &table.name);
                self.relied_on.borrow_mut().push((key, table.version));
            }
        }
    }

    /// The uncommitted changes of the catalog.
    pub fn catalog_changes(&self) -> Vec<CatalogChange> {
        let changes = self.catalog_changes.borrow();
        changes
            .iter()
            .map(|(key, value)| CatalogChange {
                key: key.clone(),
                value: value.clone(),
            })
            .collect()
    }

    /// Commits. `is_durable`: answer when it is on disk.
    ///
    /// # Errors
    /// What storage says; 08007 when it died before it answered.
    pub async fn commit(&self, is_durable: bool) -> SqlResult<Commit> {
        let log = self.overlay.borrow_mut().take_log();
        if log.is_empty() && self.staged.borrow().is_empty() {
            self.abort();
            return Ok(Commit::Done);
        }
        self.held.borrow().check()?;
        if !self.takes_locks && self.shared.has_lease().await? {
            self.lock_for_commit(&log).await?;
        }
        let relied_on = core::mem::take(&mut *self.relied_on.borrow_mut());
        let txn = self.id;
        let asked = self.shared.ask_storage(
            |request| StorageRequest::Commit {
                txn,
                request,
                relied_on,
                durable: is_durable,
            },
            log,
        )?;
        self.is_over.set(true);
        self.session.awaited.set(Some(Awaited::AtStorage(asked.id)));
        let reply = asked.reply().await;
        self.session.awaited.set(None);
        match reply {
            Ok(StorageReply::Committed { .. }) => Ok(Commit::Done),
            Ok(StorageReply::Conflict { .. }) => Ok(Commit::Conflict),
            Ok(other) => Err(unexpected_reply(&other)),
            Err(error) if &error.sqlstate == state::CRASH_SHUTDOWN => Err(SqlError::new(
                b"08007",
                "the storage function was restarted before it confirmed the commit: \
                 whether the transaction was committed is not known",
            )),
            Err(error) => {
                // A request that failed does not end its transaction at storage: the locks are there still.
                self.shared.tell_storage(&StorageRequest::Abort { txn });
                Err(self.session.cancel_reason(error))
            }
        }
    }

    /// Rolls back.
    pub fn abort(&self) {
        if self.is_over.replace(true) {
            return;
        }
        self.shared.locks.release(self.id);
        if self.is_known.get() {
            self.shared
                .tell_storage(&StorageRequest::Abort { txn: self.id });
        }
    }

    /// Takes the locks of what a transaction of one statement has written, for the time of its commit: who holds one goes
    /// first. Whether something has changed meanwhile is the commit's question.
    async fn lock_for_commit(&self, log: &[u8]) -> SqlResult<()> {
        let malformed = |_| SqlError::new(state::INTERNAL_ERROR, "malformed write set");
        if Operations::new(log).nth(COMMIT_LOCKS_MAX).is_some() {
            return Ok(());
        }
        for operation in Operations::new(log) {
            let (tree, key, mode) = match operation.map_err(malformed)? {
                Operation::Put { tree, key, .. } | Operation::Delete { tree, key, .. } => {
                    (tree, key, LockMode::Exclusive)
                }
                Operation::DropTree { tree } => (tree, &[][..], LockMode::Exclusive),
                Operation::CreateTree { .. } => continue,
            };
            self.take_leased(tree, key, mode, LockWait::Wait).await?;
        }
        Ok(())
    }

    async fn take_leased(
        &self,
        tree: TreeId,
        key: &[u8],
        mode: LockMode,
        wait: LockWait,
    ) -> SqlResult<Taken> {
        self.session.awaited.set(Some(Awaited::Lock(self.id)));
        let taken = self.shared.locks.take(self.id, tree, key, mode, wait).await;
        self.session.awaited.set(None);
        taken.map_err(|error| self.session.cancel_reason(error))
    }

    /// Hands what is written so far to storage.
    async fn stage(&self) -> SqlResult<()> {
        let log = self.overlay.borrow_mut().take_log();
        if log.is_empty() {
            return Ok(());
        }
        self.is_known.set(true);
        let txn = self.id;
        let asked = self
            .shared
            .ask_storage(|request| StorageRequest::Stage { txn, request }, log)?;
        match asked.reply().await? {
            StorageReply::Staged { roots, .. } => {
                self.staged.replace(roots);
                Ok(())
            }
            other => Err(unexpected_reply(&other)),
        }
    }

    /// At the end of a statement of a block: what is large goes to storage.
    pub async fn end_statement(&self) -> SqlResult<()> {
        if self.overlay.borrow().log().len() > STAGE_BYTES {
            self.stage().await?;
        }
        Ok(())
    }

    fn staged_tree(&self, tree: TreeId) -> SqlResult<Option<Tree>> {
        let staged = self.staged.borrow();
        let root = staged
            .iter()
            .find(|(id, _)| *id == tree)
            .map(|(_, root)| Tree::at(*root));
        if root.is_some() {
            self.held.borrow().check()?;
        }
        Ok(root)
    }

    fn is_staged(&self, tree: TreeId, key: &[u8]) -> SqlResult<bool> {
        let Some(staged) = self.staged_tree(tree)? else {
            return Ok(false);
        };
        let view = self.staged_view(tree);
        Ok(staged.get(&view, key)?.is_some())
    }

    fn staged_view(&self, tree: TreeId) -> vireo_storage::PoolView<'static> {
        let views = self.held.borrow().views;
        if tree == CATALOG_TREE {
            views.catalog
        } else {
            views.data
        }
    }

    /// The committed tree; none if the transaction made or dropped it.
    fn base(&self, tree: TreeId) -> SqlResult<Option<(Tree, vireo_storage::PoolView<'static>)>> {
        let overlay = self.overlay.borrow();
        if overlay.is_created(tree) {
            return Ok(None);
        }
        let found = if overlay.is_dropped(tree) {
            None
        } else {
            self.held.borrow().tree(tree)?
        };
        match found {
            Some(found) => Ok(Some(found)),
            None => Err(SqlError::new(
                state::UNDEFINED_TABLE,
                format!("could not open relation with tree {tree}"),
            )),
        }
    }

    fn check_writable(&self) -> SqlResult<()> {
        if self.is_read_only.get() {
            return Err(SqlError::new(
                state::READ_ONLY_SQL_TRANSACTION,
                "cannot execute this statement in a read-only transaction",
            ));
        }
        Ok(())
    }

    fn note_catalog(&self, tree: TreeId, key: &[u8], value: Option<&[u8]>) {
        if tree == CATALOG_TREE {
            let mut changes = self.catalog_changes.borrow_mut();
            changes.insert(key.to_vec(), value.map(<[u8]>::to_vec));
        }
    }

    /// Shared locks of the tables that the transaction writes and has not locked yet, behind the keys asked for.
    fn add_table_locks(&self, keys: &mut Vec<LockKey>) {
        let mut locked = self.locked_tables.borrow_mut();
        for key in keys.iter().filter(|key| key.key.is_empty()) {
            locked.push(key.tree);
        }
        for tree in self.used_tables.borrow().iter() {
            if !locked.contains(tree) {
                locked.push(*tree);
                keys.push(LockKey {
                    tree: *tree,
                    key: Vec::new(),
                    mode: LockMode::Shared,
                    version: Version(0),
                });
            }
        }
    }

    async fn take_locks(&self, mut keys: Vec<LockKey>, wait: LockWait) -> SqlResult<LockOutcome> {
        self.held.borrow().check()?;
        let asked_for = keys.len() as u32;
        // What the transaction has written itself is locked already, and has no version that could be compared.
        let own: Vec<u32> = {
            let overlay = self.overlay.borrow();
            let is_own = |key: &LockKey| overlay.get(key.tree, &key.key, u32::MAX).is_some();
            (0..asked_for)
                .filter(|&index| is_own(&keys[index as usize]))
                .collect()
        };
        self.add_table_locks(&mut keys);
        let mut outcome = if self.shared.has_lease().await? {
            self.take_leased_locks(&keys, wait).await?
        } else {
            self.ask_for_locks(keys, wait).await?
        };
        outcome
            .changed
            .retain(|index| *index < asked_for && !own.contains(index));
        outcome.skipped.retain(|&index| index < asked_for);
        if !outcome.changed.is_empty() && self.isolation == Isolation::RepeatableRead {
            return Err(SqlError::new(
                state::SERIALIZATION_FAILURE,
                "could not serialize access due to concurrent update",
            ));
        }
        Ok(outcome)
    }

    /// Takes locks that are leased, and compares what they guard with the newest snapshot.
    async fn take_leased_locks(&self, keys: &[LockKey], wait: LockWait) -> SqlResult<LockOutcome> {
        let mut skipped = Vec::new();
        let mut has_waited = false;
        for (index, key) in keys.iter().enumerate() {
            match self.take_leased(key.tree, &key.key, key.mode, wait).await? {
                Taken::Free => {}
                Taken::Waited => has_waited = true,
                Taken::Skipped => skipped.push(index as u32),
            }
        }
        let newest = self.shared.pools.newest()?;
        let mut changed = Vec::new();
        // What was read in the newest snapshot has not changed.
        if has_waited || newest.snapshot.sequence != self.held.borrow().snapshot.sequence {
            for (index, key) in keys.iter().enumerate() {
                let index = index as u32;
                if key.key.is_empty() || key.version == UNCHECKED || skipped.contains(&index) {
                    continue;
                }
                let version = match newest.tree(key.tree)? {
                    Some((tree, view)) => tree.get(&view, &key.key)?.map(|entry| entry.version),
                    None => None,
                };
                if version.unwrap_or(Version(0)) != key.version {
                    changed.push(index);
                }
            }
        }
        Ok(LockOutcome { changed, skipped })
    }

    async fn ask_for_locks(&self, keys: Vec<LockKey>, wait: LockWait) -> SqlResult<LockOutcome> {
        self.is_known.set(true);
        let txn = self.id;
        let asked = self.shared.ask_storage(
            |request| StorageRequest::Lock {
                txn,
                request,
                keys,
                wait,
            },
            Vec::new(),
        )?;
        self.session.awaited.set(Some(Awaited::AtStorage(asked.id)));
        let reply = asked.reply().await;
        self.session.awaited.set(None);
        match reply.map_err(|error| self.session.cancel_reason(error))? {
            StorageReply::Locked {
                changed, skipped, ..
            } => Ok(LockOutcome { changed, skipped }),
            other => Err(unexpected_reply(&other)),
        }
    }

    async fn take_numbers(&self, tree: TreeId, count: u32) -> SqlResult<u64> {
        if let Some(first) = self.shared.numbers.take(tree, count) {
            return Ok(first);
        }
        // Small demands are taken from a range of this instance, so that a row at a time costs no message each.
        let asked_for = if tree.0 == 0 { count } else { count.max(64) };
        let asked = self.shared.ask_storage(
            |request| StorageRequest::Reserve {
                request,
                tree,
                count: asked_for,
            },
            Vec::new(),
        )?;
        match asked.reply().await? {
            StorageReply::Reserved { first, .. } => {
                self.shared
                    .numbers
                    .keep(tree, first + u64::from(count), asked_for - count);
                Ok(first)
            }
            other => Err(unexpected_reply(&other)),
        }
    }

    async fn new_tree(&self) -> SqlResult<TreeId> {
        self.check_writable()?;
        let id = self.take_numbers(TreeId(0), 1).await?;
        let tree = TreeId(u32::try_from(id).map_err(|_| {
            SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "out of object identifiers")
        })?);
        self.overlay.borrow_mut().create_tree(tree);
        Ok(tree)
    }

    async fn pass_on(&self) -> SqlResult<()> {
        if self.may_stage.get() && self.overlay.borrow().log().len() > STAGE_BYTES {
            self.stage().await?;
        }
        self.reserve_memory(1 << 20)?;
        yield_now().await;
        self.session.check_canceled()?;
        self.held.borrow().check()
    }
}

impl Drop for Txn {
    fn drop(&mut self) {
        self.abort();
    }
}

impl Transaction for Txn {
    fn get(&self, tree: TreeId, key: &[u8], sink: &mut RowSink<'_>) -> SqlResult<bool> {
        {
            let overlay = self.overlay.borrow();
            match overlay.get(tree, key, u32::MAX) {
                Some(Own::Removed) => return Ok(false),
                Some(Own::Value(value)) => {
                    sink(TreeRow {
                        key,
                        version: Version(0),
                        value,
                    })?;
                    return Ok(true);
                }
                None => {}
            }
        }
        let mut scratch = Vec::new();
        if let Some(staged) = self.staged_tree(tree)? {
            let view = self.staged_view(tree);
            if let Some(entry) = staged.get(&view, key)? {
                return with_value(&view, &entry, &mut scratch, |value| match value {
                    Some(value) => {
                        sink(TreeRow {
                            key,
                            version: Version(0),
                            value,
                        })?;
                        Ok(true)
                    }
                    None => Ok(false),
                })?;
            }
        }
        let Some((base, view)) = self.base(tree)? else {
            return Ok(false);
        };
        let Some(entry) = base.get(&view, key)? else {
            return Ok(false);
        };
        with_value(&view, &entry, &mut scratch, |value| match value {
            Some(value) => {
                sink(TreeRow {
                    key,
                    version: entry.version,
                    value,
                })?;
                Ok(true)
            }
            None => Ok(false),
        })?
    }

    fn scan(&self, tree: TreeId, range: KeyRange) -> SqlResult<Box<dyn TreeCursor>> {
        let base = self
            .base(tree)?
            .map(|(base, view)| (view, base.cursor(&view)));
        let staged = self.staged_tree(tree)?.map(|staged| {
            let view = self.staged_view(tree);
            (view, staged.cursor(&view))
        });
        let parts = MergeParts {
            held: self.held.borrow().clone(),
            tree,
            base,
            staged,
            overlay: self.overlay.clone(),
        };
        Ok(Box::new(Merge::new(parts, range)))
    }

    fn row_count(&self, tree: TreeId) -> SqlResult<u64> {
        Ok(self.base(tree)?.map_or(0, |(base, _)| base.row_count))
    }

    fn put(&self, tree: TreeId, key: &[u8], value: &[u8], version: Version) -> SqlResult<()> {
        self.check_writable()?;
        self.reserve_memory(value.len() + key.len() + 128)?;
        self.note_catalog(tree, key, Some(value));
        let is_staged = self.is_staged(tree, key)?;
        self.overlay
            .borrow_mut()
            .put(tree, key, value, version, is_staged);
        Ok(())
    }

    fn delete(&self, tree: TreeId, key: &[u8], version: Version) -> SqlResult<()> {
        self.check_writable()?;
        self.reserve_memory(key.len() + 128)?;
        self.note_catalog(tree, key, None);
        let is_staged = self.is_staged(tree, key)?;
        self.overlay
            .borrow_mut()
            .delete(tree, key, version, is_staged);
        Ok(())
    }

    fn create_tree<'a>(&'a self) -> LocalFuture<'a, SqlResult<TreeId>> {
        Box::pin(self.new_tree())
    }

    fn drop_tree(&self, tree: TreeId) -> SqlResult<()> {
        self.check_writable()?;
        self.overlay.borrow_mut().drop_tree(tree);
        Ok(())
    }

    fn lock<'a>(
        &'a self,
        keys: Vec<LockKey>,
        wait: LockWait,
    ) -> LocalFuture<'a, SqlResult<LockOutcome>> {
        Box::pin(self.take_locks(keys, wait))
    }

    fn refresh(&self) {
        // The statement that asks has read nothing yet that a newer snapshot could contradict. A pool that is not
        // ready shows at the next read.
        drop(self.refresh_snapshot());
    }

    fn needs_locks(&self) -> bool {
        self.takes_locks
    }

    fn reserve<'a>(&'a self, tree: TreeId, count: u32) -> LocalFuture<'a, SqlResult<u64>> {
        Box::pin(self.take_numbers(tree, count))
    }

    fn checkpoint<'a>(&'a self) -> LocalFuture<'a, SqlResult<()>> {
        Box::pin(self.pass_on())
    }

    fn reserve_memory(&self, bytes: usize) -> SqlResult<()> {
        if vireo_runtime::memory::has_room(bytes) {
            return Ok(());
        }
        Err(
            SqlError::new(state::OUT_OF_MEMORY, "out of memory").with_detail(format!(
                "Failed on request of size {bytes} in the execute function."
            )),
        )
    }

    fn notice(&self, notice: Box<SqlError>) {
        self.session.notices.borrow_mut().push(*notice);
    }
}
