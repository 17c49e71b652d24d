//! The newest state of the database in memory: all trees, with everything applied that was accepted.
//!
//! What is applied here is not yet published: [`Database::seal`] ends an epoch and gives the [`State`] that a
//! publication, and a checkpoint, can use. Recovery applies the log's records through the same functions, so
//! that a replay arrives where the first run did.
//!
//! Invariants:
//! 1. A tree's record in the master tree is the newest after each seal; between, trees marked dirty are ahead of it.
//! 2. Sequences only grow: each commit and each staged transaction takes new ones.
//! 3. Descriptors are made by `seal` only, and replaced ones are retired there.

use crate::error::ReadError;
use crate::frame::PoolMemory;
use crate::node::Value;
use crate::page::{HEADER_SIZE, Kind};
use crate::snapshot::TreeRecord;
use crate::space::{SpaceError, Store};
use crate::stage::Stage;
use crate::tree::{self, Before, Drop, NewValue};
use crate::wal::Record;
use crate::{Cursor, PoolView};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use hashbrown::HashMap;
use vireo_abi::ids::{CATALOG_TREE, PageId, TreeId};
use vireo_abi::write_set::{Operation, Operations};

/// The first object id that is handed out.
pub(crate) const FIRST_OBJECT: u64 = 16384;
/// Numbers that one log record reserves ahead.
const RESERVE_AHEAD: u64 = 4096;
const RESERVE_OBJECTS_AHEAD: u64 = 64;

/// Pages that a seal needs: a descriptor, and a path of the master tree.
const SEAL_PAGES: u64 = 12;

/// The two pools' places in [`Database::stores`].
pub(crate) const CATALOG: usize = 0;
/// See [`CATALOG`].
pub(crate) const DATA: usize = 1;

/// The pool that holds a tree's pages.
pub(crate) fn pool_of(tree: TreeId) -> usize {
    if tree == CATALOG_TREE { CATALOG } else { DATA }
}

/// Numbers that are handed out.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    /// The next one; `None` before the tree's largest key was looked at.
    next: Option<u64>,
    /// Below are those that a log record, or the master tree, knows to be handed out.
    logged: u64,
}

/// A tree in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TreeState {
    pub(crate) root: PageId,
    pub(crate) row_count: u64,
    numbers: Numbers,
    is_dirty: bool,
}

/// A sealed state: roots and where the log continues.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) sequence: u64,
    /// The end of the last frame that it has.
    pub(crate) lsn: u64,
    pub(crate) frame_checksum: u32,
    /// The last epoch that it has pages of.
    pub(crate) epoch: u64,
    pub(crate) catalog_version: u64,
    pub(crate) catalog_root: PageId,
    pub(crate) catalog_rows: u64,
    pub(crate) master_root: PageId,
    pub(crate) next_object: u64,
    pub(crate) staged: BTreeMap<u64, Stage>,
    /// New descriptors to publish.
    pub(crate) descriptors: [Option<PageId>; 2],
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) stores: [Store; 2],
    trees: HashMap<TreeId, TreeState>,
    master_root: PageId,
    dirty: Vec<TreeId>,
    /// The last sequence given.
    pub(crate) sequence: u64,
    catalog_version: u64,
    objects: Numbers,
    /// Numbers of trees that no commit has created yet.
    unborn: HashMap<TreeId, Numbers>,
    /// Trees that are dropped, and the sequence that shows it: who reads an older one may still ask for numbers, and
    /// must not be given those of rows that it sees.
    dropped: VecDeque<(u64, TreeId, Numbers)>,
    pub(crate) staged: BTreeMap<u64, Stage>,
    drops: VecDeque<(usize, Drop)>,
    descriptors: [Option<PageId>; 2],
}

impl Database {
    /// A database over two laid-out pools; without trees, which [`Database::create`] or recovery make.
    pub(crate) fn new(catalog: PoolMemory, data: PoolMemory, volume_pages: u64) -> Database {
        let catalog_end = data.first_page();
        Database {
            stores: [
                Store::new(catalog, catalog_end),
                Store::new(data, volume_pages),
            ],
            trees: HashMap::new(),
            master_root: PageId(0),
            dirty: Vec::new(),
            sequence: 1,
            catalog_version: 1,
            objects: Numbers {
                next: Some(FIRST_OBJECT),
                logged: FIRST_OBJECT,
            },
            unborn: HashMap::new(),
            dropped: VecDeque::new(),
            staged: BTreeMap::new(),
            drops: VecDeque::new(),
            descriptors: [None, None],
        }
    }

    /// Makes the trees of a new database.
    pub(crate) fn create(&mut self) -> Result<(), SpaceError> {
        let root = tree::create(&mut self.stores[CATALOG])?;
        self.master_root = tree::create(&mut self.stores[DATA])?;
        self.add_catalog(root, 0);
        Ok(())
    }

    fn add_catalog(&mut self, root: PageId, row_count: u64) {
        let numbers = Numbers::default();
        self.trees.insert(
            CATALOG_TREE,
            TreeState {
                root,
                row_count,
                numbers,
                is_dirty: false,
            },
        );
    }

    /// Takes over a state of which the master tree is loaded. Gives the roots of the trees to be loaded.
    pub(crate) fn restore_trees(&mut self, state: &State) -> Result<Vec<PageId>, ReadError> {
        self.sequence = state.sequence;
        self.catalog_version = state.catalog_version;
        self.master_root = state.master_root;
        self.objects = Numbers {
            next: Some(state.next_object),
            logged: state.next_object,
        };
        self.staged = state.staged.clone();
        self.add_catalog(state.catalog_root, state.catalog_rows);
        let mut roots: Vec<PageId> = self
            .staged
            .values()
            .flat_map(|stage| stage.trees.values().map(|private| private.root))
            .collect();
        let mut cursor = Cursor::new(&self.view(DATA), self.master_root);
        while cursor.next()? {
            let Some(entry) = cursor.entry()? else { break };
            let page = self.master_root;
            let corrupt = ReadError::Corrupt {
                page,
                what: "a tree's record is malformed",
            };
            let (Some(key), Value::Inline(bytes)) = (entry.key.first_chunk(), entry.value) else {
                return Err(corrupt);
            };
            let record = TreeRecord::decode(bytes).ok_or(corrupt)?;
            let numbers = Numbers {
                next: None,
                logged: record.next_row_id,
            };
            let tree = TreeState {
                root: record.root,
                row_count: record.row_count,
                numbers,
                is_dirty: false,
            };
            roots.push(record.root);
            self.trees.insert(TreeId(u32::from_be_bytes(*key)), tree);
        }
        Ok(roots)
    }

    /// All pages of the restored state are loaded; `epoch` is its last.
    pub(crate) fn finish_loading(&mut self, epoch: u64) {
        for store in &mut self.stores {
            store.finish_loading(epoch);
        }
        self.begin_epoch();
    }

    /// Ends an epoch without a state.
    pub(crate) fn begin_epoch(&mut self) {
        let epoch = self.stores[DATA].epoch() + 1;
        for store in &mut self.stores {
            store.begin_epoch(epoch, self.sequence + 1);
        }
    }

    /// The readers' view of a pool.
    pub(crate) fn view(&self, pool: usize) -> PoolView<'static> {
        self.stores[pool].memory().view()
    }

    /// The tree, if it exists.
    pub(crate) fn tree(&self, tree: TreeId) -> Option<&TreeState> {
        self.trees.get(&tree)
    }

    /// The version of a row, 0 if there is none; `None` if the tree does not exist.
    pub(crate) fn version(&self, tree: TreeId, key: &[u8]) -> Result<Option<u64>, ReadError> {
        match self.trees.get(&tree) {
            None => Ok(None),
            Some(state) => tree::version(&self.stores[pool_of(tree)], state.root, key).map(Some),
        }
    }

    fn touch(&mut self, tree: TreeId, sequence: u64) {
        if tree == CATALOG_TREE {
            self.catalog_version = sequence;
        }
        if let Some(state) = self.trees.get_mut(&tree)
            && !state.is_dirty
        {
            state.is_dirty = true;
            self.dirty.push(tree);
        }
    }

    /// Inserts or replaces a row of an existing tree.
    pub(crate) fn put(
        &mut self,
        tree: TreeId,
        key: &[u8],
        sequence: u64,
        value: NewValue<'_>,
    ) -> Result<(), SpaceError> {
        let Some(state) = self.trees.get_mut(&tree) else {
            return Ok(());
        };
        let store = &mut self.stores[pool_of(tree)];
        if tree::put(store, &mut state.root, key, sequence, value)? == Before::Absent {
            state.row_count += 1;
            if let (Some(next), Ok(key)) = (&mut state.numbers.next, key.try_into()) {
                *next = (*next).max(u64::from_be_bytes(key).saturating_add(1));
            }
        }
        self.touch(tree, sequence);
        Ok(())
    }

    /// Removes a row, if it is there.
    pub(crate) fn delete(
        &mut self,
        tree: TreeId,
        key: &[u8],
        sequence: u64,
    ) -> Result<(), SpaceError> {
        let Some(state) = self.trees.get_mut(&tree) else {
            return Ok(());
        };
        let store = &mut self.stores[pool_of(tree)];
        if tree::delete(store, &mut state.root, key)? == Before::Present {
            state.row_count = state.row_count.saturating_sub(1);
            self.touch(tree, sequence);
        }
        Ok(())
    }

    /// Makes an empty tree; nothing if it exists.
    pub(crate) fn create_tree(&mut self, tree: TreeId, sequence: u64) -> Result<(), SpaceError> {
        if self.trees.contains_key(&tree) {
            return Ok(());
        }
        let root = tree::create(&mut self.stores[pool_of(tree)])?;
        let numbers = self.unborn.remove(&tree).unwrap_or_default();
        self.trees.insert(
            tree,
            TreeState {
                root,
                row_count: 0,
                numbers,
                is_dirty: false,
            },
        );
        self.touch(tree, sequence);
        let after = u64::from(tree.0) + 1;
        self.objects.next = self.objects.next.map(|next| next.max(after));
        Ok(())
    }

    /// Removes a tree; its pages go in the background ([`Database::step_drops`]).
    pub(crate) fn drop_tree(&mut self, tree: TreeId) -> Result<(), SpaceError> {
        if tree == CATALOG_TREE {
            return Ok(());
        }
        let next = self.next_number(tree)?;
        if let Some(state) = self.trees.remove(&tree) {
            let numbers = Numbers {
                next: Some(next),
                ..state.numbers
            };
            self.dropped.push_back((self.sequence, tree, numbers));
            let key = tree.0.to_be_bytes();
            self.dirty.retain(|dirty| *dirty != tree);
            tree::delete(&mut self.stores[DATA], &mut self.master_root, &key)?;
            self.drop_pages(DATA, Drop::new(state.root));
        }
        Ok(())
    }

    /// Puts a private tree in the place of an empty one.
    pub(crate) fn graft(&mut self, tree: TreeId, root: PageId, rows: u64, sequence: u64) {
        let Some(state) = self.trees.get_mut(&tree) else {
            return;
        };
        assert!(state.row_count == 0, "only an empty tree is replaced");
        self.stores[pool_of(tree)].retire(state.root);
        (state.root, state.row_count) = (root, rows);
        // What was handed out stays so; the largest key is looked at again.
        state.numbers.logged = state.numbers.logged.max(state.numbers.next.unwrap_or(0));
        state.numbers.next = None;
        self.touch(tree, sequence);
    }

    pub(crate) fn drop_pages(&mut self, pool: usize, drop: Drop) {
        self.drops.push_back((pool, drop));
    }

    /// Gives back at most `budget` pages of dropped trees. True if there are more.
    pub(crate) fn step_drops(&mut self, budget: usize) -> Result<bool, SpaceError> {
        if let Some((pool, drop)) = self.drops.front_mut()
            && !drop.step(&mut self.stores[*pool], budget)?
        {
            self.drops.pop_front();
        }
        Ok(!self.drops.is_empty())
    }

    /// Applies a write set that was checked.
    pub(crate) fn apply(&mut self, body: &[u8], sequence: u64) -> Result<(), SpaceError> {
        for operation in Operations::new(body) {
            match operation {
                Ok(Operation::Put {
                    tree, key, value, ..
                }) => {
                    self.put(tree, key, sequence, NewValue::Bytes(value))?;
                }
                Ok(Operation::Delete { tree, key, .. }) => self.delete(tree, key, sequence)?,
                Ok(Operation::CreateTree { tree }) => self.create_tree(tree, sequence)?,
                Ok(Operation::DropTree { tree }) => self.drop_tree(tree)?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Hands out `count` numbers. Gives the first, and the record that the log must have before a commit uses them.
    pub(crate) fn reserve(
        &mut self,
        tree: TreeId,
        count: u32,
    ) -> Result<(u64, Option<Record<'static>>), ReadError> {
        if let Some((_, _, numbers)) = self.dropped.iter_mut().find(|(_, id, _)| *id == tree) {
            // Whoever asks cannot commit; nothing has to survive.
            let first = numbers.next.unwrap_or(1);
            numbers.next = Some(first.saturating_add(u64::from(count)));
            return Ok((first, None));
        }
        let first = self.next_number(tree)?;
        let ahead = if tree.0 == 0 {
            RESERVE_OBJECTS_AHEAD
        } else {
            RESERVE_AHEAD
        };
        let numbers = self.numbers_mut(tree);
        let next = first.saturating_add(u64::from(count));
        numbers.next = Some(next);
        if next <= numbers.logged {
            return Ok((first, None));
        }
        numbers.logged = next.saturating_add(ahead);
        let next = numbers.logged;
        self.touch_record(tree);
        Ok((
            first,
            Some(Record::Reserve {
                tree: u64::from(tree.0),
                next,
            }),
        ))
    }

    /// The number that is handed out next.
    fn next_number(&self, tree: TreeId) -> Result<u64, ReadError> {
        let (root, numbers) = match self.trees.get(&tree) {
            _ if tree.0 == 0 => (None, self.objects),
            Some(state) => (Some(state.root), state.numbers),
            None => (None, self.unborn.get(&tree).copied().unwrap_or_default()),
        };
        if let Some(next) = numbers.next {
            return Ok(next);
        }
        let mut largest = 1;
        if let Some(root) = root {
            let mut cursor = Cursor::new(&self.view(pool_of(tree)), root);
            cursor.seek_last()?;
            let key = cursor.entry()?.and_then(|entry| entry.key.try_into().ok());
            largest = key.map_or(1, |key| u64::from_be_bytes(key).saturating_add(1));
        }
        Ok(largest.max(numbers.logged))
    }

    fn numbers_mut(&mut self, tree: TreeId) -> &mut Numbers {
        if tree.0 == 0 {
            return &mut self.objects;
        }
        match self.trees.get_mut(&tree) {
            Some(state) => &mut state.numbers,
            None => self.unborn.entry(tree).or_default(),
        }
    }

    /// The master tree must learn of numbers handed out; that is no change of the catalog.
    fn touch_record(&mut self, tree: TreeId) {
        if tree != CATALOG_TREE {
            self.touch(tree, 0);
        }
    }

    /// A log record said that numbers below `next` were handed out.
    pub(crate) fn note_reserved(&mut self, tree: u64, next: u64) {
        let Ok(tree) = u32::try_from(tree) else {
            return;
        };
        let numbers = self.numbers_mut(TreeId(tree));
        numbers.logged = numbers.logged.max(next);
        numbers.next = numbers.next.map(|n| n.max(next));
        self.touch_record(TreeId(tree));
    }

    /// Whether [`Database::seal`] has the few pages that it needs. Who applies something keeps room for them.
    pub(crate) fn check_seal_room(&self) -> Result<(), SpaceError> {
        self.stores
            .iter()
            .try_for_each(|store| store.check_room(SEAL_PAGES))
    }

    /// Ends an epoch: nothing made so far changes any more, and what is made from now on is not in the state.
    /// `lsn` and `frame_checksum` are those of the frame that ends with it.
    pub(crate) fn seal(&mut self, lsn: u64, frame_checksum: u32) -> Result<State, SpaceError> {
        let mut catalog = None;
        for tree in core::mem::take(&mut self.dirty) {
            let Some(state) = self.trees.get_mut(&tree) else {
                continue;
            };
            state.is_dirty = false;
            if tree == CATALOG_TREE {
                catalog = Some(tree);
                continue;
            }
            let next_row_id = state.numbers.logged;
            let record = TreeRecord {
                root: state.root,
                row_count: state.row_count,
                next_row_id,
            };
            let (store, key) = (&mut self.stores[DATA], tree.0.to_be_bytes());
            let value = record.encode();
            let value = NewValue::Bytes(&value);
            tree::put(store, &mut self.master_root, &key, self.sequence, value)?;
        }
        let epoch = self.stores[DATA].epoch();
        let catalog_tree = self.trees.get(&CATALOG_TREE).copied();
        let catalog_tree = catalog_tree.expect("the catalog is never dropped");
        let mut state = State {
            sequence: self.sequence,
            lsn,
            frame_checksum,
            epoch,
            catalog_version: self.catalog_version,
            catalog_root: catalog_tree.root,
            catalog_rows: catalog_tree.row_count,
            master_root: self.master_root,
            next_object: self.objects.logged,
            staged: self.staged.clone(),
            descriptors: [None, None],
        };
        for pool in [CATALOG, DATA] {
            if pool == DATA || catalog.is_some() || self.descriptors[CATALOG].is_none() {
                state.descriptors[pool] = Some(self.describe(pool, &state)?);
            }
        }
        self.begin_epoch();
        Ok(state)
    }

    /// Makes a descriptor in place of the pool's last.
    fn describe(&mut self, pool: usize, state: &State) -> Result<PageId, SpaceError> {
        let store = &mut self.stores[pool];
        let page = store.allocate(Kind::Descriptor, 0)?;
        let bytes = store.page_mut(page);
        let master = if pool == DATA { state.master_root.0 } else { 0 };
        let words = [
            state.sequence,
            state.lsn,
            state.catalog_version,
            state.catalog_root.0,
            master,
            state.catalog_rows,
        ];
        for (i, word) in words.into_iter().enumerate() {
            let at = HEADER_SIZE + i * 8;
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        if let Some(old) = self.descriptors[pool].replace(page) {
            self.stores[pool].retire(old);
        }
        Ok(page)
    }

    /// Makes a sealed state the one that readers find. The catalog comes first: no snapshot of the data pool names a
    /// catalog that is not there.
    pub(crate) fn publish(&self, state: &State) {
        for pool in [CATALOG, DATA] {
            self.stores[pool]
                .memory()
                .publish(state.descriptors[pool], state.sequence);
        }
    }

    /// Pages that wait for readers or a checkpoint.
    pub(crate) fn retired_count(&self) -> usize {
        self.stores.iter().map(Store::retired_count).sum()
    }

    /// Frees what no reader at or above `oldest` and no checkpoint needs.
    pub(crate) fn reclaim(&mut self, oldest: u64, durable: u64, budget: usize) -> bool {
        while self.dropped.front().is_some_and(|(at, _, _)| *at <= oldest) {
            self.dropped.pop_front();
        }
        let mut more = false;
        for store in &mut self.stores {
            more |= store.reclaim(oldest, durable, budget);
        }
        more
    }
}
