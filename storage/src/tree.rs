//! Changing a tree: insert, remove, and giving its pages back.
//!
//! A change walks from the root to the leaf and makes each page of the path new (`crate::space`), so that after
//! the first change of an epoch the next ones on the same path copy nothing. The root's number is the caller's
//! to keep.
//!
//! Splitting is by bytes, but an entry that comes after all others of its page gets a page of its own: trees
//! that grow at their right edge have full pages. A page that falls below a quarter is merged with a
//! neighbour if both fit in one; an empty page goes.
//!
//! A change that fails with [`SpaceError`] may have been made in part: the caller asked for room
//! before ([`pages_needed`]), so that is the end of the engine.

use crate::error::ReadError;
use crate::node::{Node, Value};
use crate::node_mut::{self, NewEntry, ROOM};
use crate::overflow::{DATA_OFFSET, DATA_SIZE, Overflow};
use crate::page::{
    self, ENTRY_BYTES_MAX, ENTRY_SIZE, HEADER_SIZE, INLINE_VALUE_MAX, Kind, LEVELS_MAX, OVERFLOW,
    TOMBSTONE,
};
use crate::space::{SpaceError, Store};
use alloc::vec::Vec;
use vireo_abi::ids::PageId;

/// A value to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NewValue<'a> {
    Bytes(&'a [u8]),
    /// A value whose pages are in the store already.
    Stored(Overflow),
    Tombstone,
}

/// What was there before a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Before {
    Absent,
    Present,
}

/// Whether a value of that length stays in its leaf.
fn is_inline(key_length: usize, value_length: usize) -> bool {
    value_length <= INLINE_VALUE_MAX
        && ENTRY_SIZE + 8 + key_length + value_length <= ENTRY_BYTES_MAX
}

/// The most new pages that a change with that row can need, its path included.
pub(crate) fn pages_needed(key_length: usize, value_length: usize) -> u64 {
    let path = 2 * 5;
    path + if is_inline(key_length, value_length) {
        0
    } else {
        value_length.div_ceil(DATA_SIZE) as u64
    }
}

/// A new tree without rows.
pub(crate) fn create(store: &mut Store) -> Result<PageId, SpaceError> {
    store.allocate(Kind::Leaf, 0)
}

/// The pages from the root to a leaf, all new, with the index of the entry followed in each.
struct Path {
    steps: [(PageId, usize); LEVELS_MAX + 1],
    length: usize,
}

impl Path {
    fn push(&mut self, page: PageId, index: usize) -> Result<(), ReadError> {
        if self.length == LEVELS_MAX {
            return Err(ReadError::Corrupt {
                page,
                what: "its tree is too deep",
            });
        }
        self.steps[self.length] = (page, index);
        self.length += 1;
        Ok(())
    }

    fn pop(&mut self) -> Option<(PageId, usize)> {
        self.length = self.length.checked_sub(1)?;
        Some(self.steps[self.length])
    }
}

/// Walks to the leaf for `key` and makes the path new. The leaf's index is where the key is (`Ok`) or belongs (`Err`).
fn make_path(
    store: &mut Store,
    root: &mut PageId,
    key: &[u8],
) -> Result<(Path, PageId, Result<usize, usize>), SpaceError> {
    let mut path = Path {
        steps: [(PageId(0), 0); LEVELS_MAX + 1],
        length: 0,
    };
    *root = store.make_new(*root)?;
    let mut page = *root;
    loop {
        let node = Node::new(store.page(page)?)?;
        let level = node.level();
        if level == 0 {
            let place = node.search(key)?;
            return Ok((path, page, place));
        }
        let index = node.child_index(key)?;
        let child = node.child(index)?;
        let new = store.make_new(child)?;
        if new != child {
            node_mut::set_word(store.page_mut(page), index, new.0)?;
        }
        if page::level(store.page(new)?) + 1 != level {
            let what = "it is on the wrong level of its tree";
            return Err(ReadError::Corrupt { page: child, what }.into());
        }
        path.push(page, index)?;
        page = new;
    }
}

/// Inserts or replaces a row.
pub(crate) fn put(
    store: &mut Store,
    root: &mut PageId,
    key: &[u8],
    version: u64,
    value: NewValue<'_>,
) -> Result<Before, SpaceError> {
    let reference;
    let (bytes, flags) = match value {
        NewValue::Bytes(bytes) if is_inline(key.len(), bytes.len()) => (bytes, 0),
        NewValue::Bytes(bytes) => {
            reference = write_overflow(store, bytes)?.encode();
            (&reference[..], OVERFLOW)
        }
        NewValue::Stored(overflow) => {
            reference = overflow.encode();
            (&reference[..], OVERFLOW)
        }
        NewValue::Tombstone => (&[][..], TOMBSTONE),
    };
    let entry = NewEntry {
        key,
        word: version,
        value: bytes,
        flags,
    };
    let (path, leaf, place) = make_path(store, root, key)?;
    match place {
        Ok(index) => {
            let old = Node::new(store.page(leaf)?)?.entry(index)?.value;
            if let Value::Overflow(old) = old
                && !matches!(value, NewValue::Stored(new) if new == old)
            {
                free_overflow(store, old)?;
            }
            if !node_mut::replace(store.page_mut(leaf), index, &entry)? {
                node_mut::remove(store.page_mut(leaf), index)?;
                insert_at(store, root, path, leaf, index, &entry)?;
            }
            Ok(Before::Present)
        }
        Err(index) => {
            insert_at(store, root, path, leaf, index, &entry)?;
            Ok(Before::Absent)
        }
    }
}

/// Inserts an entry into a page at the end of `path`, splitting upwards as far as needed.
fn insert_at(
    store: &mut Store,
    root: &mut PageId,
    path: Path,
    page: PageId,
    index: usize,
    entry: &NewEntry<'_>,
) -> Result<(), SpaceError> {
    if node_mut::insert(store.page_mut(page), index, entry)? {
        return Ok(());
    }
    let mut separator = Vec::new();
    let right = split(store, page, index, entry, &mut separator)?;
    insert_separator(store, root, path, page, right, separator)
}

/// Tells the levels above that `right`, from `separator` on, was split off `left`.
fn insert_separator(
    store: &mut Store,
    root: &mut PageId,
    mut path: Path,
    left: PageId,
    right: PageId,
    separator: Vec<u8>,
) -> Result<(), SpaceError> {
    let (mut left, mut right, mut key) = (left, right, separator);
    loop {
        let (parent, at) = match path.pop() {
            Some(step) => step,
            None => {
                let level = page::level(store.page(left)?) + 1;
                if usize::from(level) >= LEVELS_MAX {
                    return Err(ReadError::Corrupt {
                        page: left,
                        what: "its tree is too deep",
                    }
                    .into());
                }
                let new_root = store.allocate(Kind::Inner, level)?;
                let first = NewEntry {
                    key: &[],
                    word: left.0,
                    value: &[],
                    flags: 0,
                };
                node_mut::copy_new(store.page_mut(new_root), &first);
                *root = new_root;
                (new_root, 0)
            }
        };
        let entry = NewEntry {
            key: &key,
            word: right.0,
            value: &[],
            flags: 0,
        };
        if node_mut::insert(store.page_mut(parent), at + 1, &entry)? {
            return Ok(());
        }
        let mut next = Vec::new();
        let new = split(store, parent, at + 1, &entry, &mut next)?;
        (left, right, key) = (parent, new, next);
    }
}

/// Splits `page` while putting `entry` at `index`. Gives the new right page and the key that separates them.
fn split(
    store: &mut Store,
    page: PageId,
    index: usize,
    entry: &NewEntry<'_>,
    separator: &mut Vec<u8>,
) -> Result<PageId, SpaceError> {
    let old = *store.page(page)?;
    let node = Node::new(&old)?;
    let level = node.level();
    let kind = if level == 0 { Kind::Leaf } else { Kind::Inner };
    let cut = node_mut::split_point(&node, index, entry.size_max())?;
    let right = store.allocate(kind, level)?;
    // Entries counted with the new one: `..cut` stay, `cut..` go.
    let is_left = index < cut;
    let old_cut = if is_left { cut - 1 } else { cut };
    let first_right = if index == cut {
        entry.key
    } else {
        node.key(old_cut)?
    };
    if level > 0 {
        separator.extend_from_slice(first_right);
    } else {
        let last_left = if index + 1 == cut {
            entry.key
        } else {
            node.key(old_cut - 1)?
        };
        let common = last_left
            .iter()
            .zip(first_right)
            .take_while(|(a, b)| a == b)
            .count();
        separator.extend_from_slice(&first_right[..(common + 1).min(first_right.len())]);
    }
    let born = store.epoch();
    let left_page = store.page_mut(page);
    node_mut::init(left_page, kind, level, page, born);
    node_mut::copy_range(left_page, &node, 0..if is_left { index } else { old_cut })?;
    if is_left {
        node_mut::copy_new(left_page, entry);
        node_mut::copy_range(left_page, &node, index..old_cut)?;
    }
    node_mut::tidy(left_page)?;
    let right_page = store.page_mut(right);
    if is_left {
        node_mut::copy_range(right_page, &node, old_cut..node.count())?;
    } else {
        node_mut::copy_range(right_page, &node, old_cut..index)?;
        node_mut::copy_new(right_page, entry);
        node_mut::copy_range(right_page, &node, index..node.count())?;
    }
    node_mut::tidy(right_page)?;
    Ok(right)
}

/// Removes a row.
pub(crate) fn delete(
    store: &mut Store,
    root: &mut PageId,
    key: &[u8],
) -> Result<Before, SpaceError> {
    if find(store, *root, key)?.is_none() {
        return Ok(Before::Absent);
    }
    let (mut path, mut page, place) = make_path(store, root, key)?;
    let Ok(index) = place else {
        return Ok(Before::Absent);
    };
    if let Value::Overflow(old) = Node::new(store.page(page)?)?.entry(index)?.value {
        free_overflow(store, old)?;
    }
    node_mut::remove(store.page_mut(page), index)?;
    // Upwards: an empty page goes, a small one joins a neighbour.
    while let Some((parent, at)) = path.pop() {
        let bytes = store.page(page)?;
        if page::count(bytes) == 0 {
            store.retire(page);
            remove_child(store, parent, at)?;
        } else if node_mut::used(bytes) < ROOM / 4 {
            merge_with_neighbour(store, parent, at)?;
        } else {
            return Ok(Before::Present);
        }
        page = parent;
    }
    shrink_root(store, root)?;
    Ok(Before::Present)
}

/// Removes the entry of a child; the first entry keeps the empty key.
fn remove_child(store: &mut Store, parent: PageId, at: usize) -> Result<(), SpaceError> {
    let bytes = store.page_mut(parent);
    if at == 0 && page::count(bytes) > 1 {
        let second = Node::new(bytes)?.word(1)?;
        node_mut::set_word(bytes, 0, second)?;
        node_mut::remove(bytes, 1)?;
    } else {
        node_mut::remove(bytes, at)?;
    }
    Ok(())
}

/// Joins the child at `at` with the one after or before it, if both fit in three quarters of a page.
fn merge_with_neighbour(store: &mut Store, parent: PageId, at: usize) -> Result<(), SpaceError> {
    let node = Node::new(store.page(parent)?)?;
    let count = node.count();
    for left_at in [at, at.wrapping_sub(1)] {
        if left_at.wrapping_add(1) >= count || left_at >= count {
            continue;
        }
        let node = Node::new(store.page(parent)?)?;
        let (left, right) = (node.child(left_at)?, node.child(left_at + 1)?);
        let separator = Vec::from(node.key(left_at + 1)?);
        let (left_old, right_old) = (*store.page(left)?, *store.page(right)?);
        let (left_node, right_node) = (Node::new(&left_old)?, Node::new(&right_old)?);
        let mut size = separator.len();
        for node in [&left_node, &right_node] {
            for index in 0..node.count() {
                size += node_mut::entry_of(node, index)?.size_max();
            }
        }
        if size > ROOM * 3 / 4 {
            continue;
        }
        let joined = store.make_new(left)?;
        let born = store.epoch();
        let bytes = store.page_mut(joined);
        let kind = if left_node.level() == 0 {
            Kind::Leaf
        } else {
            Kind::Inner
        };
        node_mut::init(bytes, kind, left_node.level(), joined, born);
        node_mut::copy_range(bytes, &left_node, 0..left_node.count())?;
        if left_node.level() > 0 {
            let first = NewEntry {
                key: &separator,
                ..node_mut::entry_of(&right_node, 0)?
            };
            node_mut::copy_new(bytes, &first);
            node_mut::copy_range(bytes, &right_node, 1..right_node.count())?;
        } else {
            node_mut::copy_range(bytes, &right_node, 0..right_node.count())?;
        }
        node_mut::tidy(bytes)?;
        store.retire(right);
        let bytes = store.page_mut(parent);
        node_mut::set_word(bytes, left_at, joined.0)?;
        node_mut::remove(bytes, left_at + 1)?;
        return Ok(());
    }
    Ok(())
}

/// An inner root without children becomes an empty leaf, one with a single child that child.
fn shrink_root(store: &mut Store, root: &mut PageId) -> Result<(), SpaceError> {
    loop {
        let bytes = store.page(*root)?;
        if page::level(bytes) == 0 {
            return Ok(());
        }
        match page::count(bytes) {
            0 => {
                store.retire(*root);
                *root = create(store)?;
                return Ok(());
            }
            1 => {
                let child = Node::new(bytes)?.child(0)?;
                store.retire(*root);
                *root = child;
            }
            _ => return Ok(()),
        }
    }
}

/// The leaf that may hold `key`, and the key's index in it if it does.
pub(crate) fn find<'s>(
    store: &'s Store,
    root: PageId,
    key: &[u8],
) -> Result<Option<(Node<'s>, usize)>, ReadError> {
    let mut node = Node::new(store.page(root)?)?;
    while node.level() > 0 {
        let page = node.child(node.child_index(key)?)?;
        let child = Node::new(store.page(page)?)?;
        if child.level() + 1 != node.level() {
            return Err(ReadError::Corrupt {
                page,
                what: "it is on the wrong level of its tree",
            });
        }
        node = child;
    }
    Ok(node.search(key)?.ok().map(|index| (node, index)))
}

/// The version of a row; 0 if there is none.
pub(crate) fn version(store: &Store, root: PageId, key: &[u8]) -> Result<u64, ReadError> {
    match find(store, root, key)? {
        Some((node, index)) => node.word(index),
        None => Ok(0),
    }
}

/// Writes a large value, last page first, so that each knows the next.
pub(crate) fn write_overflow(store: &mut Store, bytes: &[u8]) -> Result<Overflow, SpaceError> {
    let mut next = 0;
    for chunk in bytes.chunks(DATA_SIZE).rev() {
        let page = store.allocate(Kind::Overflow, 0)?;
        let target = store.page_mut(page);
        target[24..26].copy_from_slice(&(chunk.len() as u16).to_le_bytes());
        target[HEADER_SIZE..DATA_OFFSET].copy_from_slice(&u64::to_le_bytes(next));
        target[DATA_OFFSET..DATA_OFFSET + chunk.len()].copy_from_slice(chunk);
        next = page.0;
    }
    Ok(Overflow {
        length: bytes.len() as u32,
        first: PageId(next),
    })
}

/// The page after an overflow page; 0 after the last.
pub(crate) fn next_overflow(store: &Store, page: PageId) -> Result<PageId, ReadError> {
    Ok(PageId(
        page::u64_at(store.page(page)?, HEADER_SIZE).unwrap_or(0),
    ))
}

/// Gives the pages of a large value back.
pub(crate) fn free_overflow(store: &mut Store, value: Overflow) -> Result<(), SpaceError> {
    let mut page = value.first;
    for _ in 0..(value.length as usize).div_ceil(DATA_SIZE) {
        let bytes = store.page(page)?;
        if page::kind(bytes) != Kind::Overflow as u8 {
            return Err(ReadError::Corrupt {
                page,
                what: "it is no part of a large value",
            }
            .into());
        }
        let next = page::u64_at(bytes, HEADER_SIZE).unwrap_or(0);
        store.retire(page);
        page = PageId(next);
    }
    Ok(())
}

/// A tree, or what is left of it, that is being given back in bounded steps.
#[derive(Debug)]
pub(crate) struct Drop {
    /// Pages still to be visited, each of them not yet retired.
    stack: Vec<PageId>,
    /// Whether the large values stay: they belong to another tree now.
    keeps_values: bool,
}

impl Drop {
    pub(crate) fn new(root: PageId) -> Drop {
        Drop {
            stack: alloc::vec![root],
            keeps_values: false,
        }
    }

    /// The tree's pages, but not its large values.
    pub(crate) fn keeping_values(root: PageId) -> Drop {
        Drop {
            stack: alloc::vec![root],
            keeps_values: true,
        }
    }

    /// Visits at most `budget` pages. True if there are more.
    pub(crate) fn step(&mut self, store: &mut Store, budget: usize) -> Result<bool, SpaceError> {
        for _ in 0..budget {
            let Some(page) = self.stack.pop() else {
                return Ok(false);
            };
            let node = Node::new(store.page(page)?)?;
            let mut values = Vec::new();
            for index in 0..node.count() {
                if node.level() > 0 {
                    self.stack.push(node.child(index)?);
                } else if let Value::Overflow(value) = node.entry(index)?.value
                    && !self.keeps_values
                {
                    values.push(value);
                }
            }
            for value in values {
                free_overflow(store, value)?;
            }
            store.retire(page);
        }
        Ok(!self.stack.is_empty())
    }
}

#[cfg(test)]
pub(crate) mod tests;
