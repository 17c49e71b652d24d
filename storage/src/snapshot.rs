//! Snapshots and the trees in them.
//!
//! A snapshot's descriptor is an unchanging page that a publication makes:
//!
//! ```text
//!  32  u64  sequence: the last commit it shows
//!  40  u64  lsn: the end of that commit's WAL record
//!  48  u64  catalog version: the last commit it shows that changed the catalog tree
//!  56  u64  root of the catalog tree (a page of the catalog pool)
//!  64  u64  root of the master tree (a page of the data pool); 0 in the catalog pool's descriptor
//!  72  u64  rows of the catalog tree
//! ```
//!
//! The descriptor of the data pool names both roots, so that a reader of both pools gets a
//! consistent pair from one load.
//!
//! The master tree maps a tree's number (u32, big-endian) to its record:
//!
//! ```text
//!   0  u64  root page
//!   8  u64  rows
//!  16  u64  next row id: above all that were handed out
//!  24  u64  zero
//! ```

use crate::cursor::Cursor;
use crate::error::ReadError;
use crate::frame::PoolView;
use crate::node::{Entry, Node, Value};
use crate::page::{self, Kind};
use vireo_abi::ids::{CATALOG_TREE, Lsn, PageId, TreeId, Version};

/// A state of the whole database, at one commit. A plain value: what keeps its pages is the
/// announcer that it was acquired at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The last commit that it shows.
    pub sequence: Version,
    /// The end of that commit's WAL record.
    pub lsn: Lsn,
    /// The last commit that it shows that changed the catalog.
    pub catalog_version: Version,
    /// The catalog tree, in the catalog pool.
    pub catalog: Tree,
    /// The root of the master tree, in the data pool; 0 when acquired from the catalog pool.
    pub(crate) master_root: PageId,
    /// What the announcer holds for it; 0 for one that was not acquired.
    pub(crate) announced: u64,
}

/// A tree: its root in a snapshot. Its pages are in the catalog pool for
/// [`CATALOG_TREE`], else in the data pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tree {
    /// The root page.
    pub root: PageId,
    /// Rows.
    pub row_count: u64,
}

impl Snapshot {
    /// Reads a descriptor.
    pub(crate) fn read(view: &PoolView<'_>, page: PageId) -> Result<Snapshot, ReadError> {
        let bytes = view.page(page)?;
        if page::kind(bytes) != Kind::Descriptor as u8 {
            return Err(ReadError::Corrupt {
                page,
                what: "it is no snapshot descriptor",
            });
        }
        let word = |offset| page::u64_at(bytes, offset).unwrap_or(0);
        Ok(Snapshot {
            sequence: Version(word(32)),
            lsn: Lsn(word(40)),
            catalog_version: Version(word(48)),
            catalog: Tree {
                root: PageId(word(56)),
                row_count: word(72),
            },
            master_root: PageId(word(64)),
            announced: 0,
        })
    }

    /// The tree with that number, from the data pool; `None` if it does not exist in this snapshot.
    /// The catalog tree is [`Snapshot::catalog`].
    ///
    /// # Errors
    /// As [`Tree::get`].
    pub fn tree(&self, data: &PoolView<'_>, tree: TreeId) -> Result<Option<Tree>, ReadError> {
        if tree == CATALOG_TREE {
            return Ok(Some(self.catalog));
        }
        let master = Tree {
            root: self.master_root,
            row_count: 0,
        };
        let Some(entry) = master.get(data, &tree.0.to_be_bytes())? else {
            return Ok(None);
        };
        let corrupt = ReadError::Corrupt {
            page: self.master_root,
            what: "a tree's record is malformed",
        };
        let Value::Inline(record) = entry.value else {
            return Err(corrupt);
        };
        TreeRecord::decode(record)
            .map(|r| Some(r.tree()))
            .ok_or(corrupt)
    }
}

impl Tree {
    /// A tree by its root alone: a private tree of a transaction.
    pub fn at(root: PageId) -> Tree {
        Tree { root, row_count: 0 }
    }

    /// The row with that key.
    ///
    /// # Errors
    /// [`ReadError::Miss`], [`ReadError::Corrupt`].
    #[inline]
    pub fn get<'p>(&self, view: &PoolView<'p>, key: &[u8]) -> Result<Option<Entry<'p>>, ReadError> {
        let mut node = Node::new(view.page(self.root)?)?;
        loop {
            let level = node.level();
            if level == 0 {
                return match node.search(key)? {
                    Ok(index) => node.entry(index).map(Some),
                    Err(_) => Ok(None),
                };
            }
            node = child(view, &node, node.child_index(key)?)?;
        }
    }

    /// A cursor over the tree, before its first row.
    pub fn cursor<'p>(&self, view: &PoolView<'p>) -> Cursor<'p> {
        Cursor::new(view, self.root)
    }
}

/// The child at `index` of an inner page, which must be one level down: a walk always ends.
#[inline]
pub(crate) fn child<'p>(
    view: &PoolView<'p>,
    node: &Node<'p>,
    index: usize,
) -> Result<Node<'p>, ReadError> {
    let page = node.child(index)?;
    let child = Node::new(view.page(page)?)?;
    if child.level() + 1 != node.level() {
        return Err(ReadError::Corrupt {
            page,
            what: "it is on the wrong level of its tree",
        });
    }
    Ok(child)
}

/// What the master tree holds of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TreeRecord {
    pub(crate) root: PageId,
    pub(crate) row_count: u64,
    pub(crate) next_row_id: u64,
}

impl TreeRecord {
    pub(crate) const SIZE: usize = 32;

    pub(crate) fn decode(bytes: &[u8]) -> Option<TreeRecord> {
        let bytes: &[u8; Self::SIZE] = bytes.try_into().ok()?;
        let word = |i: usize| Some(u64::from_le_bytes(*bytes.get(i * 8..)?.first_chunk()?));
        Some(TreeRecord {
            root: PageId(word(0)?),
            row_count: word(1)?,
            next_row_id: word(2)?,
        })
    }

    pub(crate) fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..8].copy_from_slice(&self.root.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.row_count.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.next_row_id.to_le_bytes());
        bytes
    }

    pub(crate) fn tree(&self) -> Tree {
        Tree {
            root: self.root,
            row_count: self.row_count,
        }
    }
}
