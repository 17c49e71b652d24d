//! Staged writes: the private trees of transactions that grew too big for execute's memory.
//!
//! A private tree holds what a transaction wrote to one tree: a row for each key put, a tombstone for each key
//! deleted. It lives in the pool of the tree it belongs to, so that execute reads it in place. Each `Stage` ends
//! an epoch, so what was handed out before does not change.
//!
//! An entry's version is the one that the *first* write of its key carried, for that is what the commit compares:
//! the number of the stage itself (a sequence of its own, in no other row) stands for "there was none", the
//! next one for "not compared". So a private tree of nothing but new rows can be put in the
//! place of an empty tree as it is ([`Database::graft`]): its rows' versions are unique already. Otherwise
//! [`Merge`] carries the rows over, in bounded steps.
//!
//! A stage survives checkpoints: the superblock names a list of all private trees:
//!
//! ```text
//! for each stage: u64 stage, u32 number of created, of dropped, of private trees, u32 zero,
//!   u32 each created tree, u32 each dropped tree,
//!   for each private tree: u32 tree, u32 1 if plain, u64 root page, u64 rows, u64 pages
//! ```

use crate::database::{Database, pool_of};
use crate::error::ReadError;
use crate::lock::LockId;
use crate::node::Value;
use crate::space::SpaceError;
use crate::tree::{self, Before, Drop, NewValue};
use crate::{Cursor, Entry, PoolView};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use vireo_abi::ids::{PageId, TreeId};
use vireo_abi::write_set::{Operation, Operations, UNCHECKED};

/// A private tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PrivateTree {
    pub(crate) root: PageId,
    pub(crate) row_count: u64,
    /// Pages that it takes, large values included.
    pub(crate) page_count: u64,
    /// Nothing but rows that are new.
    pub(crate) is_plain: bool,
}

/// What one transaction staged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stage {
    pub(crate) created: Vec<TreeId>,
    pub(crate) dropped: Vec<TreeId>,
    pub(crate) trees: BTreeMap<TreeId, PrivateTree>,
}

impl Database {
    /// Begins a stage: its number.
    pub(crate) fn begin_stage(&mut self) -> u64 {
        let stage = self.sequence + 1;
        self.open_stage(stage);
        stage
    }

    /// Begins the stage with that number, if it has not begun.
    pub(crate) fn open_stage(&mut self, stage: u64) {
        self.sequence = self.sequence.max(stage + 1);
        self.staged.entry(stage).or_default();
    }

    /// Adds a part, a sound write set, to a stage.
    pub(crate) fn stage(&mut self, stage: u64, body: &[u8]) -> Result<(), SpaceError> {
        let Some(mut writes) = self.staged.remove(&stage) else {
            return Ok(());
        };
        let result = self.stage_into(&mut writes, stage, body);
        self.staged.insert(stage, writes);
        result
    }

    fn stage_into(&mut self, to: &mut Stage, stage: u64, body: &[u8]) -> Result<(), SpaceError> {
        for operation in Operations::new(body) {
            let (tree, key, version, value) = match operation {
                Ok(Operation::Put {
                    tree,
                    key,
                    value,
                    version,
                }) => (tree, key, version, NewValue::Bytes(value)),
                Ok(Operation::Delete { tree, key, version }) => {
                    (tree, key, version, NewValue::Tombstone)
                }
                Ok(Operation::CreateTree { tree }) => {
                    to.created.push(tree);
                    continue;
                }
                Ok(Operation::DropTree { tree }) => {
                    if let Some(private) = to.trees.remove(&tree) {
                        self.drop_pages(pool_of(tree), Drop::new(private.root));
                    }
                    to.created.retain(|created| *created != tree);
                    to.dropped.push(tree);
                    continue;
                }
                Err(_) => break,
            };
            let store = &mut self.stores[pool_of(tree)];
            let private = match to.trees.entry(tree) {
                alloc::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                alloc::collections::btree_map::Entry::Vacant(entry) => {
                    let root = tree::create(store)?;
                    entry.insert(PrivateTree {
                        root,
                        row_count: 0,
                        page_count: 1,
                        is_plain: true,
                    })
                }
            };
            let first = match tree::version(store, private.root, key)? {
                0 if version.0 == 0 => stage,
                0 if version == UNCHECKED => stage + 1,
                0 => version.0,
                before => before,
            };
            let is_tombstone = matches!(value, NewValue::Tombstone);
            private.is_plain &= !is_tombstone && (first == stage || first == stage + 1);
            let before = store.live_count();
            if tree::put(store, &mut private.root, key, first, value)? == Before::Absent {
                private.row_count += 1;
            }
            private.page_count = private.page_count + store.live_count() - before;
        }
        Ok(())
    }

    /// Gives a stage up.
    pub(crate) fn unstage(&mut self, stage: u64) {
        for (tree, private) in self.staged.remove(&stage).unwrap_or_default().trees {
            self.drop_pages(pool_of(tree), Drop::new(private.root));
        }
    }
}

/// Carries a stage over into the trees, in bounded steps: first its versions are compared, then it is applied.
/// Between the first step and the last, nothing else may be applied.
#[derive(Debug)]
pub(crate) struct Merge {
    stage: u64,
    sequence: u64,
    trees: Vec<(TreeId, PrivateTree)>,
    /// Those of `trees` that take the place of the target as they are.
    grafts: Vec<TreeId>,
    /// The tree of `trees` that is at work, and the last key done.
    at: usize,
    last: Option<Vec<u8>>,
}

/// How far a step came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    More,
    Done,
    /// A version is not the newest.
    Conflict(TreeId, Vec<u8>),
    /// Another holds, or waits for, the lock of a row; after it is granted, comparing begins anew.
    Blocked(LockId),
}

/// How a row's lock stands to the transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RowLock {
    /// It took the lock before: the row is as it was read.
    Owned,
    Free,
    Taken(LockId),
}

/// What comparing has to know of locks and of the commit.
pub(crate) trait Surroundings {
    /// The row's lock.
    fn row_lock(&self, tree: TreeId, key: &[u8]) -> RowLock;
    /// Whether nobody else has anything locked in the tree.
    fn is_alone_in(&self, tree: TreeId) -> bool;
    /// Whether the commit makes the tree.
    fn creates(&self, tree: TreeId) -> bool;
}

impl Merge {
    /// Begins with comparing. `creates` are trees that the commit's own write set makes.
    pub(crate) fn new(database: &Database, stage: u64) -> Merge {
        let trees = database
            .staged
            .get(&stage)
            .map(|s| s.trees.clone())
            .unwrap_or_default();
        Merge {
            stage,
            sequence: 0,
            trees: trees.into_iter().collect(),
            grafts: Vec::new(),
            at: 0,
            last: None,
        }
    }

    /// The most new pages of each pool that applying can need, after comparing: copies of the target's pages that
    /// change, and room for the rows twice, as splitting may leave pages half full.
    pub(crate) fn pages_needed(&self, database: &Database) -> [u64; 2] {
        let mut need = [0; 2];
        for (tree, private) in &self.trees {
            let pool = pool_of(*tree);
            need[pool] += if self.grafts.contains(tree) {
                1
            } else {
                let live = database.stores[pool].live_count();
                let copies = private.row_count.saturating_mul(5);
                copies.min(live.saturating_sub(private.page_count)) + 2 * private.page_count + 8
            };
        }
        need
    }

    fn next_run(
        &self,
        view: &PoolView<'static>,
        budget: usize,
    ) -> Result<Vec<Entry<'static>>, ReadError> {
        let mut cursor = Cursor::new(view, self.trees[self.at].1.root);
        let mut is_on_row = match &self.last {
            None => cursor.seek_first()?,
            Some(key) => {
                let found = cursor.seek(key)?;
                match cursor.entry()? {
                    Some(entry) if found && entry.key == &key[..] => cursor.next()?,
                    _ => found,
                }
            }
        };
        let mut run = Vec::new();
        while is_on_row && run.len() < budget {
            run.extend(cursor.entry()?);
            is_on_row = cursor.next()?;
        }
        Ok(run)
    }

    fn advance(&mut self, run: &[Entry<'_>]) {
        match run.last() {
            Some(entry) => self.last = Some(entry.key.into()),
            None => {
                self.at += 1;
                self.last = None;
            }
        }
    }

    /// Compares at most `budget` versions with the newest.
    pub(crate) fn compare(
        &mut self,
        database: &Database,
        budget: usize,
        surroundings: &impl Surroundings,
    ) -> Result<Progress, ReadError> {
        let Some(&(tree, private)) = self.trees.get(self.at) else {
            (self.at, self.last) = (0, None);
            return Ok(Progress::Done);
        };
        let row_count = match database.tree(tree) {
            _ if surroundings.creates(tree) => 0,
            Some(state) => state.row_count,
            None => return Ok(Progress::Conflict(tree, Vec::new())),
        };
        let is_first = self.last.is_none();
        if row_count == 0 && private.is_plain && is_first && surroundings.is_alone_in(tree) {
            self.grafts.push(tree);
            self.advance(&[]);
            return Ok(Progress::More);
        }
        let run = self.next_run(&database.view(pool_of(tree)), budget)?;
        for entry in &run {
            match surroundings.row_lock(tree, entry.key) {
                RowLock::Owned => continue,
                RowLock::Free => {}
                RowLock::Taken(id) => return Ok(Progress::Blocked(id)),
            }
            let expected = match entry.version.0 {
                version if version == self.stage => 0,
                version if version == self.stage + 1 => continue,
                version => version,
            };
            let newest = database.version(tree, entry.key)?.unwrap_or(0);
            if newest != expected {
                return Ok(Progress::Conflict(tree, entry.key.into()));
            }
        }
        self.advance(&run);
        Ok(Progress::More)
    }

    /// Begins to apply a stage that was compared before it was recorded, and by the same rules, as no one else is there.
    pub(crate) fn begin_replay(
        &mut self,
        database: &mut Database,
        sequence: u64,
        created: &[TreeId],
    ) -> Result<(), SpaceError> {
        self.begin_apply(database, sequence, created)?;
        for (tree, private) in &self.trees {
            let is_empty = database
                .tree(*tree)
                .is_some_and(|state| state.row_count == 0);
            if is_empty && private.is_plain {
                self.grafts.push(*tree);
            }
        }
        Ok(())
    }

    /// Begins to apply, after comparing.
    pub(crate) fn begin_apply(
        &mut self,
        database: &mut Database,
        sequence: u64,
        created: &[TreeId],
    ) -> Result<(), SpaceError> {
        (self.sequence, self.at, self.last) = (sequence, 0, None);
        let stage = database
            .staged
            .get(&self.stage)
            .cloned()
            .unwrap_or_default();
        for tree in &stage.dropped {
            database.drop_tree(*tree)?;
        }
        for tree in stage.created.iter().chain(created) {
            if stage.trees.contains_key(tree) || stage.created.contains(tree) {
                database.create_tree(*tree, sequence)?;
            }
        }
        Ok(())
    }

    /// Applies at most `budget` rows. After the last the stage is gone.
    pub(crate) fn apply(
        &mut self,
        database: &mut Database,
        budget: usize,
    ) -> Result<Progress, SpaceError> {
        let Some(&(tree, private)) = self.trees.get(self.at) else {
            database.staged.remove(&self.stage);
            return Ok(Progress::Done);
        };
        if self.grafts.contains(&tree) {
            database.graft(tree, private.root, private.row_count, self.sequence);
            self.advance(&[]);
            return Ok(Progress::More);
        }
        let run = self.next_run(&database.view(pool_of(tree)), budget)?;
        for entry in &run {
            match entry.value {
                Value::Inline(bytes) => {
                    database.put(tree, entry.key, self.sequence, NewValue::Bytes(bytes))?;
                }
                Value::Overflow(value) => {
                    database.put(tree, entry.key, self.sequence, NewValue::Stored(value))?;
                }
                Value::Tombstone => database.delete(tree, entry.key, self.sequence)?,
            }
        }
        if run.is_empty() {
            database.drop_pages(pool_of(tree), Drop::keeping_values(private.root));
        }
        self.advance(&run);
        Ok(Progress::More)
    }
}

/// The list that a checkpoint keeps.
pub(crate) fn encode_stages(stages: &BTreeMap<u64, Stage>) -> Vec<u8> {
    let mut out = Vec::new();
    let number = |out: &mut Vec<u8>, n: u32| out.extend_from_slice(&n.to_le_bytes());
    for (stage, writes) in stages {
        out.extend_from_slice(&stage.to_le_bytes());
        number(&mut out, writes.created.len() as u32);
        number(&mut out, writes.dropped.len() as u32);
        number(&mut out, writes.trees.len() as u32);
        number(&mut out, 0);
        for tree in writes.created.iter().chain(&writes.dropped) {
            number(&mut out, tree.0);
        }
        for (tree, private) in &writes.trees {
            number(&mut out, tree.0);
            number(&mut out, u32::from(private.is_plain));
            out.extend_from_slice(&private.root.0.to_le_bytes());
            out.extend_from_slice(&private.row_count.to_le_bytes());
            out.extend_from_slice(&private.page_count.to_le_bytes());
        }
    }
    out
}

/// Reads the list; `None` if it is malformed.
pub(crate) fn decode_stages(mut bytes: &[u8]) -> Option<BTreeMap<u64, Stage>> {
    fn number(bytes: &mut &[u8]) -> Option<u32> {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        *bytes = rest;
        Some(u32::from_le_bytes(*head))
    }
    fn long(bytes: &mut &[u8]) -> Option<u64> {
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        *bytes = rest;
        Some(u64::from_le_bytes(*head))
    }
    let mut stages = BTreeMap::new();
    while !bytes.is_empty() {
        let stage = long(&mut bytes)?;
        let counts = [
            number(&mut bytes)?,
            number(&mut bytes)?,
            number(&mut bytes)?,
        ];
        number(&mut bytes)?;
        let mut writes = Stage::default();
        for _ in 0..counts[0] {
            writes.created.push(TreeId(number(&mut bytes)?));
        }
        for _ in 0..counts[1] {
            writes.dropped.push(TreeId(number(&mut bytes)?));
        }
        for _ in 0..counts[2] {
            let tree = TreeId(number(&mut bytes)?);
            let is_plain = number(&mut bytes)? == 1;
            let root = PageId(long(&mut bytes)?);
            let (row_count, page_count) = (long(&mut bytes)?, long(&mut bytes)?);
            writes.trees.insert(
                tree,
                PrivateTree {
                    root,
                    row_count,
                    page_count,
                    is_plain,
                },
            );
        }
        stages.insert(stage, writes);
    }
    Some(stages)
}
