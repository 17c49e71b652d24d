//! Snapshots that are held: while one lives, storage keeps the pages that it shows.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use vireo_abi::ids::{CATALOG_TREE, TreeId};
use vireo_abi::message::error::SqlResult;
use vireo_runtime::Region;
use vireo_storage::announce::Announcer;
use vireo_storage::{AnnouncePage, PoolView, ReadError, Snapshot, Tree};

/// The pools and this instance's announcements.
pub struct Pools {
    catalog_region: Region,
    data_region: Region,
    views: RefCell<Option<Views>>,
    announcer: RefCell<Announcer<'static>>,
    /// Counts storage functions: what an earlier one had published is gone.
    generation: core::cell::Cell<u64>,
    /// The snapshot of this turn; see [`Pools::newest`].
    of_turn: RefCell<Option<Rc<Held>>>,
}

/// The pools of one storage function's life.
#[derive(Clone, Copy)]
pub struct Views {
    /// The catalog pool.
    pub catalog: PoolView<'static>,
    /// The data pool.
    pub data: PoolView<'static>,
}

/// A snapshot that is held until this is dropped.
pub struct Held {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The pools that it is in.
    pub views: Views,
    pools: Rc<Pools>,
    generation: u64,
    /// Trees looked up already.
    trees: RefCell<Vec<(TreeId, Option<Tree>)>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.pools.generation.get() == self.generation {
            self.pools.announcer.borrow_mut().release(&self.snapshot);
        }
    }
}

impl Pools {
    /// The pools of this instance; nothing is attached yet.
    #[allow(unsafe_code)] // attaching to the memory that the boot page names
    pub fn new(catalog: Region, data: Region, announce: Region) -> Pools {
        // SAFETY: the boot page gives this instance the announce page, page-aligned and mapped
        // for the function's whole life, to write alone (abi::memory_map).
        let page = unsafe { AnnouncePage::new(announce.start) };
        Pools {
            catalog_region: catalog,
            data_region: data,
            views: RefCell::new(None),
            announcer: RefCell::new(Announcer::new(page)),
            generation: core::cell::Cell::new(0),
            of_turn: RefCell::new(None),
        }
    }

    /// Storage died: nothing in the pools may be read any more.
    pub fn detach(&self) {
        self.generation.set(self.generation.get() + 1);
        self.of_turn.replace(None);
        self.views.replace(None);
        self.announcer.borrow_mut().release_all();
    }

    /// Forgets the turn's snapshot: messages that come in now may tell of newer commits.
    pub fn end_turn(&self) {
        self.of_turn.replace(None);
    }

    /// The newest snapshot. All that ask in one turn, after its messages were received, share one: nothing that they can know of
    /// is newer.
    ///
    /// # Errors
    /// 57P03 while storage has published nothing.
    pub fn newest(self: &Rc<Self>) -> SqlResult<Rc<Held>> {
        if let Some(held) = &*self.of_turn.borrow() {
            return Ok(held.clone());
        }
        let views = self.views()?;
        let snapshot = self.announcer.borrow_mut().acquire(&views.data)?;
        let held = Rc::new(Held {
            snapshot,
            views,
            pools: self.clone(),
            generation: self.generation.get(),
            trees: RefCell::new(Vec::new()),
        });
        self.of_turn.replace(Some(held.clone()));
        Ok(held)
    }

    #[allow(unsafe_code)] // attaching to the memory that the boot page names
    fn views(&self) -> Result<Views, ReadError> {
        if let Some(views) = *self.views.borrow() {
            return Ok(views);
        }
        let attach = |region: Region| {
            // SAFETY: the boot page gives this instance the pool, mapped for the function's whole life and
            // written by storage alone; references end with their snapshot or with `detach` (invariant 1 of the crate).
            unsafe { PoolView::attach(region.start, region.size) }
        };
        let views = Views {
            catalog: attach(self.catalog_region)?,
            data: attach(self.data_region)?,
        };
        self.views.replace(Some(views));
        Ok(views)
    }
}

impl Held {
    /// Whether its pages are still there.
    ///
    /// # Errors
    /// 57P02 when storage died since.
    pub fn check(&self) -> SqlResult<()> {
        if self.pools.generation.get() == self.generation {
            Ok(())
        } else {
            Err(crate::shared::storage_died())
        }
    }

    /// The tree with that number and the pool that it is in.
    ///
    /// # Errors
    /// 57P02 when storage died since, XX001 for damaged pages.
    pub fn tree(&self, tree: TreeId) -> SqlResult<Option<(Tree, PoolView<'static>)>> {
        self.check()?;
        if tree == CATALOG_TREE {
            return Ok(Some((self.snapshot.catalog, self.views.catalog)));
        }
        if let Some((_, found)) = self.trees.borrow().iter().find(|(id, _)| *id == tree) {
            return Ok(found.map(|found| (found, self.views.data)));
        }
        let found = self.snapshot.tree(&self.views.data, tree)?;
        self.trees.borrow_mut().push((tree, found));
        Ok(found.map(|found| (found, self.views.data)))
    }
}
