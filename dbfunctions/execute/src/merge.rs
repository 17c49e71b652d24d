//! A scan of a tree as a transaction sees it: the snapshot, under what the transaction handed to storage, under
//! what it holds itself.
//!
//! Invariant: the three sources are each in key order, and of rows with the same key the topmost counts; a removed row hides
//! those below.

use crate::overlay::{Overlay, Own};
use crate::snapshot::Held;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::cmp::Ordering;
use core::ops::Bound;
use vireo_abi::ids::{TreeId, Version};
use vireo_abi::message::error::SqlResult;
use vireo_query::txn::{KeyRange, ReadLimit, RowSink, TreeCursor, TreeRow};
use vireo_storage::{Cursor, Entry, PoolView, ReadError, Value};

/// Calls `with` with an entry's value, wherever it is; none for a removed row.
pub fn with_value<R>(
    view: &PoolView<'static>,
    entry: &Entry<'static>,
    scratch: &mut Vec<u8>,
    with: impl FnOnce(Option<&[u8]>) -> R,
) -> Result<R, ReadError> {
    Ok(match entry.value {
        Value::Inline(bytes) => with(Some(bytes)),
        Value::Tombstone => with(None),
        Value::Overflow(overflow) => {
            scratch.clear();
            view.read_overflow(overflow, scratch)?;
            with(Some(scratch))
        }
    })
}

/// A position in one tree of the pools, bounded by a range.
struct Source {
    view: PoolView<'static>,
    cursor: Cursor<'static>,
    is_started: bool,
}

impl Source {
    fn new(view: PoolView<'static>, cursor: Cursor<'static>) -> Source {
        Source {
            view,
            cursor,
            is_started: false,
        }
    }

    /// The row to be given next, within the range.
    fn peek(&mut self, range: &KeyRange) -> Result<Option<Entry<'static>>, ReadError> {
        if !self.is_started {
            self.start(range)?;
            self.is_started = true;
        }
        let Some(entry) = self.cursor.entry()? else {
            return Ok(None);
        };
        Ok(is_within(entry.key, range).then_some(entry))
    }

    fn advance(&mut self, is_backward: bool) -> Result<(), ReadError> {
        if is_backward {
            self.cursor.previous()?
        } else {
            self.cursor.next()?
        };
        Ok(())
    }

    fn start(&mut self, range: &KeyRange) -> Result<(), ReadError> {
        let cursor = &mut self.cursor;
        if range.is_backward {
            match &range.upper {
                Bound::Unbounded => cursor.seek_last()?,
                Bound::Excluded(key) => cursor.seek_before(key)?,
                Bound::Included(key) => {
                    let is_there =
                        cursor.seek(key)? && cursor.entry()?.is_some_and(|e| e.key == &key[..]);
                    is_there || cursor.seek_before(key)?
                }
            };
        } else {
            match &range.lower {
                Bound::Unbounded => cursor.seek_first()?,
                Bound::Included(key) => cursor.seek(key)?,
                Bound::Excluded(key) => {
                    let is_there =
                        cursor.seek(key)? && cursor.entry()?.is_some_and(|e| e.key == &key[..]);
                    is_there && cursor.next()?
                }
            };
        }
        Ok(())
    }
}

/// Whether the far end of the range has not been passed.
fn is_within(key: &[u8], range: &KeyRange) -> bool {
    if range.is_backward {
        match &range.lower {
            Bound::Unbounded => true,
            Bound::Included(lower) => key >= &lower[..],
            Bound::Excluded(lower) => key > &lower[..],
        }
    } else {
        match &range.upper {
            Bound::Unbounded => true,
            Bound::Included(upper) => key <= &upper[..],
            Bound::Excluded(upper) => key < &upper[..],
        }
    }
}

/// The merged scan.
pub struct Merge {
    range: KeyRange,
    tree: TreeId,
    base: Option<Source>,
    staged: Option<Source>,
    overlay: Rc<RefCell<Overlay>>,
    /// Only writes of statements before this one are seen.
    before: u32,
    /// The last own key that was given or passed.
    own_at: Option<Vec<u8>>,
    scratch: Vec<u8>,
    is_done: bool,
    /// Keeps the pages.
    held: Rc<Held>,
}

/// What a scan is over.
pub struct MergeParts {
    /// The snapshot.
    pub held: Rc<Held>,
    /// The tree.
    pub tree: TreeId,
    /// The committed tree, if there is one.
    pub base: Option<(PoolView<'static>, Cursor<'static>)>,
    /// The transaction's private tree at storage, if there is one.
    pub staged: Option<(PoolView<'static>, Cursor<'static>)>,
    /// The transaction's own writes.
    pub overlay: Rc<RefCell<Overlay>>,
}

impl Merge {
    /// A scan of `range`, before its first row.
    pub fn new(parts: MergeParts, range: KeyRange) -> Merge {
        let before = parts.overlay.borrow().statement();
        Merge {
            range,
            tree: parts.tree,
            base: parts.base.map(|(view, cursor)| Source::new(view, cursor)),
            staged: parts.staged.map(|(view, cursor)| Source::new(view, cursor)),
            overlay: parts.overlay,
            before,
            own_at: None,
            scratch: Vec::new(),
            is_done: false,
            held: parts.held,
        }
    }

    /// Only the committed tree has rows: no merging.
    fn next_of_base(&mut self, limit: ReadLimit, sink: &mut RowSink<'_>) -> SqlResult<bool> {
        let Some(base) = &mut self.base else {
            return Ok(false);
        };
        let (mut rows, mut bytes) = (0, 0);
        while rows < limit.rows && bytes < limit.bytes {
            let Some(entry) = base.peek(&self.range)? else {
                return Ok(false);
            };
            with_value(&base.view, &entry, &mut self.scratch, |value| match value {
                Some(value) => {
                    bytes += value.len();
                    sink(TreeRow {
                        key: entry.key,
                        version: entry.version,
                        value,
                    })
                }
                None => Ok(()),
            })??;
            rows += 1;
            base.advance(self.range.is_backward)?;
        }
        Ok(true)
    }

    fn order(&self, a: &[u8], b: &[u8]) -> Ordering {
        if self.range.is_backward {
            b.cmp(a)
        } else {
            a.cmp(b)
        }
    }

    /// Gives one row of the merge, or none at the end.
    fn step(&mut self, sink: &mut RowSink<'_>) -> SqlResult<bool> {
        let overlay = self.overlay.clone();
        let overlay = overlay.borrow();
        let base = match &mut self.base {
            Some(source) => source.peek(&self.range)?,
            None => None,
        };
        let staged = match &mut self.staged {
            Some(source) => source.peek(&self.range)?,
            None => None,
        };
        let own = self.peek_own(&overlay);
        let Some(key) = self.smallest(&[
            own.map(|(key, _)| key),
            staged.as_ref().map(|e| e.key),
            base.as_ref().map(|e| e.key),
        ]) else {
            return Ok(false);
        };
        let key = key.to_vec();
        let is_next = |other: Option<&[u8]>| other == Some(&key[..]);
        let own = own.filter(|(k, _)| is_next(Some(k)));
        let staged = staged.filter(|e| is_next(Some(e.key)));
        let base = base.filter(|e| is_next(Some(e.key)));
        if let Some((_, own)) = own {
            if let Own::Value(value) = own {
                sink(TreeRow {
                    key: &key,
                    version: Version(0),
                    value,
                })?;
            }
        } else if let (Some(entry), Some(source)) = (&staged, &self.staged) {
            with_value(
                &source.view,
                entry,
                &mut self.scratch,
                |value| match value {
                    Some(value) => sink(TreeRow {
                        key: &key,
                        version: Version(0),
                        value,
                    }),
                    None => Ok(()),
                },
            )??;
        } else if let (Some(entry), Some(source)) = (&base, &self.base) {
            with_value(
                &source.view,
                entry,
                &mut self.scratch,
                |value| match value {
                    Some(value) => sink(TreeRow {
                        key: &key,
                        version: entry.version,
                        value,
                    }),
                    None => Ok(()),
                },
            )??;
        }
        if let (Some(_), Some(source)) = (staged, &mut self.staged) {
            source.advance(self.range.is_backward)?;
        }
        if let (Some(_), Some(source)) = (base, &mut self.base) {
            source.advance(self.range.is_backward)?;
        }
        self.own_at = Some(key);
        Ok(true)
    }

    fn smallest<'k>(&self, keys: &[Option<&'k [u8]>]) -> Option<&'k [u8]> {
        keys.iter()
            .flatten()
            .copied()
            .min_by(|a, b| self.order(a, b))
    }

    fn peek_own<'o>(&self, overlay: &'o Overlay) -> Option<(&'o [u8], Own<'o>)> {
        let as_slices = |b: &'_ Bound<Vec<u8>>| -> Bound<Vec<u8>> { b.clone() };
        let (mut lower, mut upper) = (as_slices(&self.range.lower), as_slices(&self.range.upper));
        if let Some(at) = &self.own_at {
            if self.range.is_backward {
                upper = Bound::Excluded(at.clone());
            } else {
                lower = Bound::Excluded(at.clone());
            }
        }
        if is_empty(&lower, &upper) {
            return None;
        }
        let range = (bound(&lower), bound(&upper));
        overlay.first_in(self.tree, range, self.range.is_backward, self.before)
    }
}

fn bound(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(&key[..]),
        Bound::Excluded(key) => Bound::Excluded(&key[..]),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// Whether no key can be in the range (a `BTreeMap` panics for some of these).
fn is_empty(lower: &Bound<Vec<u8>>, upper: &Bound<Vec<u8>>) -> bool {
    match (lower, upper) {
        (Bound::Included(l), Bound::Included(u)) => l > u,
        (Bound::Included(l) | Bound::Excluded(l), Bound::Included(u) | Bound::Excluded(u)) => {
            l >= u
        }
        _ => false,
    }
}

impl TreeCursor for Merge {
    fn next(&mut self, limit: ReadLimit, sink: &mut RowSink<'_>) -> SqlResult<bool> {
        if self.is_done || is_empty(&self.range.lower, &self.range.upper) {
            return Ok(false);
        }
        self.held.check()?;
        let is_plain = self.staged.is_none() && !self.overlay.borrow().touches(self.tree);
        if is_plain {
            let more = self.next_of_base(limit, sink)?;
            self.is_done = !more;
            return Ok(more);
        }
        let (mut rows, mut bytes) = (0, 0);
        while rows < limit.rows && bytes < limit.bytes {
            let mut counted = |row: TreeRow<'_>| {
                bytes += row.value.len();
                sink(row)
            };
            if !self.step(&mut counted)? {
                self.is_done = true;
                return Ok(false);
            }
            rows += 1;
        }
        Ok(true)
    }
}
