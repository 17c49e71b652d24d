//! What a transaction has written and storage does not have yet.
//!
//! The writes are a log in the format of [`vireo_abi::write_set`], so that a commit sends it as it is, and an index over
//! it: for each tree an ordered map from key to the newest entry, each entry with the one before it on the same key. A
//! reader that must not see a statement's writes walks back to an older entry.
//!
//! Invariants:
//! 1. Entries are in the order of the log; `previous` is always a lower index.
//! 2. A version in the log is the one that the key had before the transaction's first write of it; later writes of
//!    the same key are [`UNCHECKED`].

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::ops::Bound;
use hashbrown::HashMap;
use vireo_abi::ids::{TreeId, Version};
use vireo_abi::write_set::{self, Operation, UNCHECKED};

const NONE: u32 = u32::MAX;
const INLINE: usize = 22;

/// A key, inline where it is short: row ids and keys of a column or two cost no allocation.
#[derive(Clone)]
enum Key {
    Short { length: u8, bytes: [u8; INLINE] },
    Long(Box<[u8]>),
}

impl Key {
    fn new(key: &[u8]) -> Key {
        if key.len() > INLINE {
            return Key::Long(key.into());
        }
        let mut bytes = [0; INLINE];
        bytes[..key.len()].copy_from_slice(key);
        Key::Short {
            length: key.len() as u8,
            bytes,
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Key::Short { length, bytes } => &bytes[..usize::from(*length)],
            Key::Long(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> core::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

/// One write: where it is in the log.
struct Entry {
    tree: TreeId,
    /// Where its operation begins.
    start: usize,
    key_start: usize,
    key_length: u16,
    /// The value follows the key; none for a removal.
    value_length: Option<u32>,
    previous: u32,
    statement: u32,
}

/// Where a statement began, to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    entries: usize,
    log: usize,
    created: usize,
    dropped: usize,
}

/// What a lookup finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Own<'o> {
    /// The transaction wrote this value.
    Value(&'o [u8]),
    /// The transaction removed the row.
    Removed,
}

/// The writes.
#[derive(Default)]
pub struct Overlay {
    log: Vec<u8>,
    entries: Vec<Entry>,
    trees: HashMap<TreeId, BTreeMap<Key, u32>>,
    created: Vec<TreeId>,
    dropped: Vec<TreeId>,
    statement: u32,
}

impl Overlay {
    /// The write set.
    pub fn log(&self) -> &[u8] {
        &self.log
    }

    /// The statement that writes now.
    pub fn statement(&self) -> u32 {
        self.statement
    }

    /// A new statement begins; what was written before becomes visible to it.
    pub fn begin_statement(&mut self) -> Mark {
        self.statement += 1;
        Mark {
            entries: self.entries.len(),
            log: self.log.len(),
            created: self.created.len(),
            dropped: self.dropped.len(),
        }
    }

    /// Forgets what was written since `mark`.
    pub fn roll_back_to(&mut self, mark: Mark) {
        while self.entries.len() > mark.entries {
            let entry = self.entries.pop().expect("longer than the mark");
            let key = &self.log[entry.key_start..entry.key_start + usize::from(entry.key_length)];
            let tree = self
                .trees
                .get_mut(&entry.tree)
                .expect("an entry's tree is indexed");
            if entry.previous == NONE {
                tree.remove(key);
            } else {
                *tree.get_mut(key).expect("an entry's key is indexed") = entry.previous;
            }
        }
        self.log.truncate(mark.log);
        self.created.truncate(mark.created);
        self.dropped.truncate(mark.dropped);
    }

    /// Gives the log up, to be kept by storage; created and dropped trees stay known.
    pub fn take_log(&mut self) -> Vec<u8> {
        self.entries.clear();
        self.trees.clear();
        core::mem::take(&mut self.log)
    }

    /// Inserts or replaces. `is_staged`: storage has an earlier write of the key.
    pub fn put(
        &mut self,
        tree: TreeId,
        key: &[u8],
        value: &[u8],
        version: Version,
        is_staged: bool,
    ) {
        let version = self.version_for(tree, key, version, is_staged);
        let start = self.log.len();
        write_set::encode(
            Operation::Put {
                tree,
                key,
                value,
                version,
            },
            &mut self.log,
        );
        let key_start = self.log.len() - value.len() - key.len();
        self.index(tree, key, start, key_start, Some(value.len() as u32));
    }

    /// Removes.
    pub fn delete(&mut self, tree: TreeId, key: &[u8], version: Version, is_staged: bool) {
        let version = self.version_for(tree, key, version, is_staged);
        let start = self.log.len();
        write_set::encode(Operation::Delete { tree, key, version }, &mut self.log);
        let key_start = self.log.len() - key.len();
        self.index(tree, key, start, key_start, None);
    }

    /// Makes a tree.
    pub fn create_tree(&mut self, tree: TreeId) {
        write_set::encode(Operation::CreateTree { tree }, &mut self.log);
        self.created.push(tree);
    }

    /// Drops a tree.
    pub fn drop_tree(&mut self, tree: TreeId) {
        write_set::encode(Operation::DropTree { tree }, &mut self.log);
        self.dropped.push(tree);
    }

    /// Whether the transaction made the tree.
    pub fn is_created(&self, tree: TreeId) -> bool {
        self.created.contains(&tree)
    }

    /// Whether the transaction dropped the tree.
    pub fn is_dropped(&self, tree: TreeId) -> bool {
        self.dropped.contains(&tree)
    }

    /// Whether there are writes in the tree.
    pub fn touches(&self, tree: TreeId) -> bool {
        self.trees.get(&tree).is_some_and(|keys| !keys.is_empty())
    }

    /// The transaction's own version of a row, as statements before `before` left it.
    pub fn get(&self, tree: TreeId, key: &[u8], before: u32) -> Option<Own<'_>> {
        let newest = *self.trees.get(&tree)?.get(key)?;
        self.visible(newest, before)
    }

    /// The first own row in a range that statements before `before` wrote, from the lower end up or the upper end down.
    pub fn first_in(
        &self,
        tree: TreeId,
        range: (Bound<&[u8]>, Bound<&[u8]>),
        is_backward: bool,
        before: u32,
    ) -> Option<(&[u8], Own<'_>)> {
        let mut keys = self.trees.get(&tree)?.range::<[u8], _>(range);
        loop {
            let (key, newest) = if is_backward {
                keys.next_back()
            } else {
                keys.next()
            }?;
            if let Some(own) = self.visible(*newest, before) {
                return Some((key.as_slice(), own));
            }
        }
    }

    fn visible(&self, newest: u32, before: u32) -> Option<Own<'_>> {
        let mut at = newest;
        while at != NONE {
            let entry = &self.entries[at as usize];
            if entry.statement < before {
                return Some(match entry.value_length {
                    None => Own::Removed,
                    Some(length) => {
                        let start = entry.key_start + usize::from(entry.key_length);
                        Own::Value(&self.log[start..start + length as usize])
                    }
                });
            }
            at = entry.previous;
        }
        None
    }

    fn version_for(&self, tree: TreeId, key: &[u8], version: Version, is_staged: bool) -> Version {
        let is_known = self
            .trees
            .get(&tree)
            .is_some_and(|keys| keys.contains_key(key));
        if is_known || is_staged {
            UNCHECKED
        } else {
            version
        }
    }

    fn index(
        &mut self,
        tree: TreeId,
        key: &[u8],
        start: usize,
        key_start: usize,
        value_length: Option<u32>,
    ) {
        let entry = u32::try_from(self.entries.len()).expect("a log of less than 2^32 operations");
        let previous = self
            .trees
            .entry(tree)
            .or_default()
            .insert(Key::new(key), entry)
            .unwrap_or(NONE);
        self.entries.push(Entry {
            tree,
            start,
            key_start,
            key_length: key.len() as u16,
            value_length,
            previous,
            statement: self.statement,
        });
        debug_assert!(self.entries.last().is_some_and(|e| e.start < e.key_start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: TreeId = TreeId(9);

    #[test]
    fn a_statement_sees_only_what_was_before() {
        let mut o = Overlay::default();
        o.begin_statement();
        o.put(TREE, b"a", b"1", Version(5), false);
        o.begin_statement();
        o.put(TREE, b"a", b"2", Version(5), false);
        o.delete(TREE, b"b", Version(6), false);
        assert_eq!(o.get(TREE, b"a", 2), Some(Own::Value(b"1")));
        assert_eq!(o.get(TREE, b"a", 3), Some(Own::Value(b"2")));
        assert_eq!(o.get(TREE, b"b", 2), None);
        assert_eq!(o.get(TREE, b"b", 3), Some(Own::Removed));
    }

    #[test]
    fn going_back_restores_what_was() {
        let mut o = Overlay::default();
        o.begin_statement();
        o.put(TREE, b"a", b"1", Version(5), false);
        let log = o.log().to_vec();
        let mark = o.begin_statement();
        o.put(TREE, b"a", b"2", Version(5), false);
        o.put(TREE, b"c", b"3", Version(0), false);
        o.create_tree(TreeId(10));
        o.roll_back_to(mark);
        assert_eq!(o.log(), log);
        assert_eq!(o.get(TREE, b"a", 9), Some(Own::Value(b"1")));
        assert_eq!(o.get(TREE, b"c", 9), None);
        assert!(!o.is_created(TreeId(10)));
    }

    #[test]
    fn only_the_first_write_of_a_key_is_checked() {
        let mut o = Overlay::default();
        o.begin_statement();
        o.delete(TREE, b"a", Version(5), false);
        o.put(TREE, b"a", b"2", Version(0), false);
        let versions: Vec<Version> = write_set::Operations::new(o.log())
            .map(|operation| match operation.expect("well formed") {
                Operation::Put { version, .. } | Operation::Delete { version, .. } => version,
                _ => Version(0),
            })
            .collect();
        assert_eq!(versions, [Version(5), UNCHECKED]);
    }

    #[test]
    fn ranges_skip_what_is_too_new() {
        let mut o = Overlay::default();
        o.begin_statement();
        o.put(TREE, b"b", b"1", Version(0), false);
        o.begin_statement();
        o.put(TREE, b"a", b"0", Version(0), false);
        o.put(TREE, &[7; 40], b"9", Version(0), false);
        let all = (Bound::Unbounded, Bound::Unbounded);
        assert_eq!(
            o.first_in(TREE, all, false, 2),
            Some((&b"b"[..], Own::Value(b"1")))
        );
        assert_eq!(
            o.first_in(TREE, all, false, 3),
            Some((&[7; 40][..], Own::Value(b"9")))
        );
        assert_eq!(
            o.first_in(TREE, all, true, 3),
            Some((&b"b"[..], Own::Value(b"1")))
        );
    }
}
