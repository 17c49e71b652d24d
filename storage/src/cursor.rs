//! An ordered walk over a tree, forward and backward.
//!
//! A cursor remembers the path from the root, because copy-on-write pages have no links to their
//! siblings. It allocates nothing. An operation that fails leaves it where it was, so that it can be
//! repeated after a miss.
//!
//! Two ways to use it: row by row (`seek…`, [`Cursor::entry`], [`Cursor::next`], [`Cursor::previous`]), and for
//! scans leaf by leaf: [`Cursor::leaf`] and [`Cursor::index`], then [`Cursor::next_leaf`].

use crate::error::ReadError;
use crate::frame::PoolView;
use crate::node::{Entry, Node};
use crate::page::LEVELS_MAX;
use crate::snapshot::child;
use vireo_abi::ids::PageId;

/// A leaf, in place: a run of rows in key order.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'p> {
    node: Node<'p>,
}

impl<'p> Leaf<'p> {
    /// Rows in the leaf. 0 only in a tree without rows.
    #[inline]
    #[allow(clippy::len_without_is_empty)] // only an empty tree has an empty leaf
    pub fn len(&self) -> usize {
        self.node.count()
    }

    /// The row at `index`.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`].
    ///
    /// # Panics
    /// If `index` is not below `len()`.
    #[inline]
    pub fn entry(&self, index: usize) -> Result<Entry<'p>, ReadError> {
        assert!(
            index < self.node.count(),
            "a leaf of {} rows has none {index}",
            self.len()
        );
        self.node.entry(index)
    }

    /// Where `key` is, or would be: the index of the first row at or above it.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`].
    #[inline]
    pub fn lower_bound(&self, key: &[u8]) -> Result<usize, ReadError> {
        Ok(match self.node.search(key)? {
            Ok(index) | Err(index) => index,
        })
    }
}

/// One level of the path.
#[derive(Clone, Copy, Debug)]
struct Step<'p> {
    node: Node<'p>,
    index: usize,
}

/// The path from the root down to a leaf.
type Path<'p> = [Option<Step<'p>>; LEVELS_MAX];

/// A position in a tree: on a row, or before the first, or after the last.
#[derive(Clone, Debug)]
pub struct Cursor<'p> {
    view: PoolView<'p>,
    root: PageId,
    /// `path[level]`; `path[0]` is the leaf.
    path: Path<'p>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    BeforeFirst,
    OnRow,
    AfterLast,
}

/// Which entry to follow on the way down.
#[derive(Clone, Copy)]
enum Target<'k> {
    First,
    Last,
    Key(&'k [u8]),
}

impl<'p> Cursor<'p> {
    /// A cursor before the first row of the tree with that root.
    pub fn new(view: &PoolView<'p>, root: PageId) -> Cursor<'p> {
        Cursor {
            view: *view,
            root,
            path: [None; LEVELS_MAX],
            state: State::BeforeFirst,
        }
    }

    /// Goes to the first row. False if there is none.
    ///
    /// # Errors
    /// [`ReadError::Miss`], [`ReadError::Corrupt`]; so for all that move.
    pub fn seek_first(&mut self) -> Result<bool, ReadError> {
        let leaf = self.descend_from_root(Target::First)?;
        Ok(self.settle(leaf.count() > 0, State::AfterLast))
    }

    /// Goes to the last row. False if there is none.
    ///
    /// # Errors
    /// As [`Cursor::seek_first`].
    pub fn seek_last(&mut self) -> Result<bool, ReadError> {
        let leaf = self.descend_from_root(Target::Last)?;
        Ok(self.settle(leaf.count() > 0, State::BeforeFirst))
    }

    /// Goes to the first row whose key is at or above `key`. False if there is none.
    ///
    /// # Errors
    /// As [`Cursor::seek_first`].
    pub fn seek(&mut self, key: &[u8]) -> Result<bool, ReadError> {
        let before = (self.path, self.state);
        let leaf = self.descend_from_root(Target::Key(key))?;
        self.state = State::OnRow;
        if self.index() < leaf.count() {
            return Ok(true);
        }
        self.next_leaf()
            .inspect_err(|_| (self.path, self.state) = before)
    }

    /// Goes to the last row whose key is below `key`. False if there is none.
    ///
    /// # Errors
    /// As [`Cursor::seek_first`].
    pub fn seek_before(&mut self, key: &[u8]) -> Result<bool, ReadError> {
        let before = (self.path, self.state);
        self.descend_from_root(Target::Key(key))?;
        self.state = State::OnRow;
        self.previous()
            .inspect_err(|_| (self.path, self.state) = before)
    }

    /// The row that the cursor is on.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`].
    #[inline]
    pub fn entry(&self) -> Result<Option<Entry<'p>>, ReadError> {
        match (&self.path[0], self.state) {
            (Some(step), State::OnRow) => step.node.entry(step.index).map(Some),
            _ => Ok(None),
        }
    }

    /// Goes to the next row; from before the first, to the first. False after the last.
    ///
    /// # Errors
    /// As [`Cursor::seek_first`].
    #[inline]
    #[allow(clippy::should_implement_trait)] // fallible and lending: no Iterator
    pub fn next(&mut self) -> Result<bool, ReadError> {
        match (&mut self.path[0], self.state) {
            (Some(step), State::OnRow) if step.index + 1 < step.node.count() => {
                step.index += 1;
                Ok(true)
            }
            (_, State::BeforeFirst) => self.seek_first(),
            _ => self.next_leaf(),
        }
    }

    /// Goes to the row before; from after the last, to the last. False before the first.
    ///
    /// # Errors
    /// As [`Cursor::seek_first`].
    #[inline]
    pub fn previous(&mut self) -> Result<bool, ReadError> {
        match (&mut self.path[0], self.state) {
            (Some(step), State::OnRow) if step.index > 0 => {
                step.index -= 1;
                Ok(true)
            }
            (_, State::AfterLast) => self.seek_last(),
            _ => self.previous_leaf(),
        }
    }

    /// The leaf that the cursor is in.
    #[inline]
    pub fn leaf(&self) -> Option<Leaf<'p>> {
        match (&self.path[0], self.state) {
            (Some(step), State::OnRow) => Some(Leaf { node: step.node }),
            _ => None,
        }
    }

    /// The index of the cursor's row in its leaf.
    #[inline]
    pub fn index(&self) -> usize {
        self.path[0].map_or(0, |step| step.index)
    }

    /// Goes to the first row of the next leaf; from before the first, to the first row. False after the last.
    ///
    /// # Errors
    /// As [`Cursor::seek_first`].
    pub fn next_leaf(&mut self) -> Result<bool, ReadError> {
        match self.state {
            State::BeforeFirst => return self.seek_first(),
            State::AfterLast => return Ok(false),
            State::OnRow => {}
        }
        for level in 1..LEVELS_MAX {
            let Some(step) = self.path[level] else { break };
            if step.index + 1 < step.node.count() {
                self.descend(level, step.node, step.index + 1, Target::First)?;
                return Ok(true);
            }
        }
        self.state = State::AfterLast;
        Ok(false)
    }

    /// Goes to the last row of the leaf before; from after the last, to the last row. False before the first.
    ///
    /// # Errors
    /// As [`Cursor::seek_first`].
    pub fn previous_leaf(&mut self) -> Result<bool, ReadError> {
        match self.state {
            State::AfterLast => return self.seek_last(),
            State::BeforeFirst => return Ok(false),
            State::OnRow => {}
        }
        for level in 1..LEVELS_MAX {
            let Some(step) = self.path[level] else { break };
            if step.index > 0 {
                self.descend(level, step.node, step.index - 1, Target::Last)?;
                return Ok(true);
            }
        }
        self.state = State::BeforeFirst;
        Ok(false)
    }

    fn settle(&mut self, is_on_row: bool, otherwise: State) -> bool {
        self.state = if is_on_row { State::OnRow } else { otherwise };
        is_on_row
    }

    fn descend_from_root(&mut self, target: Target<'_>) -> Result<Node<'p>, ReadError> {
        let node = Node::new(self.view.page(self.root)?)?;
        let level = usize::from(node.level());
        if level >= LEVELS_MAX {
            return Err(ReadError::Corrupt {
                page: self.root,
                what: "its tree is too deep",
            });
        }
        let index = entry_for(&node, target)?;
        let leaf = self.descend(level, node, index, target)?;
        self.path[level + 1..].fill(None);
        Ok(leaf)
    }

    /// Puts `node` with `index` on `level` of the path and walks down from there. Sets nothing on an error.
    fn descend(
        &mut self,
        level: usize,
        node: Node<'p>,
        index: usize,
        target: Target<'_>,
    ) -> Result<Node<'p>, ReadError> {
        let mut path: Path<'p> = [None; LEVELS_MAX];
        let (mut node, mut index) = (node, index);
        path[level] = Some(Step { node, index });
        for below in (0..level).rev() {
            node = child(&self.view, &node, index)?;
            if below == 0 && level > 0 && node.count() == 0 {
                return Err(ReadError::Corrupt {
                    page: node.page_id(),
                    what: "an empty leaf",
                });
            }
            index = entry_for(&node, target)?;
            path[below] = Some(Step { node, index });
        }
        self.path[..=level].copy_from_slice(&path[..=level]);
        Ok(node)
    }
}

/// The entry of `node` to follow or, in a leaf, to stand on; for a key in a leaf it may be past the last.
fn entry_for(node: &Node<'_>, target: Target<'_>) -> Result<usize, ReadError> {
    Ok(match target {
        Target::First => 0,
        Target::Last => node.count().saturating_sub(1),
        Target::Key(key) if node.level() > 0 => node.child_index(key)?,
        Target::Key(key) => match node.search(key)? {
            Ok(index) | Err(index) => index,
        },
    })
}
