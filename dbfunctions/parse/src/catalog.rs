//! The catalog as a session sees it: a snapshot of the pool, and the session's own uncommitted changes over it.

use alloc::vec::Vec;
use core::cmp::Ordering;
use vireo_abi::ids::Version;
use vireo_abi::message::error::SqlResult;
use vireo_abi::message::parse::CatalogChange;
use vireo_query::catalog::CatalogReader;
use vireo_storage::{Cursor, Entry, PoolView, ReadError, Snapshot, Value};

/// A snapshot of the catalog with changes merged in.
pub(crate) struct SessionCatalog<'c> {
    view: PoolView<'c>,
    snapshot: &'c Snapshot,
    /// By key, each once.
    changes: &'c [CatalogChange],
}

impl<'c> SessionCatalog<'c> {
    /// The catalog of `snapshot` with `changes`, which are sorted by key.
    pub(crate) fn new(
        view: PoolView<'c>,
        snapshot: &'c Snapshot,
        changes: &'c [CatalogChange],
    ) -> SessionCatalog<'c> {
        SessionCatalog {
            view,
            snapshot,
            changes,
        }
    }

    fn value(&self, entry: &Entry<'_>) -> Result<Vec<u8>, ReadError> {
        match entry.value {
            Value::Inline(bytes) => Ok(bytes.to_vec()),
            Value::Overflow(overflow) => {
                let mut bytes = Vec::new();
                self.view.read_overflow(overflow, &mut bytes)?;
                Ok(bytes)
            }
            Value::Tombstone => Ok(Vec::new()),
        }
    }

    fn committed(
        &self,
        prefix: &[u8],
        cursor: &Cursor<'c>,
    ) -> Result<Option<Entry<'c>>, ReadError> {
        Ok(cursor
            .entry()?
            .filter(|entry| entry.key.starts_with(prefix)))
    }
}

impl CatalogReader for SessionCatalog<'_> {
    fn version(&self) -> u64 {
        self.snapshot.catalog_version.0
    }

    fn get(&self, key: &[u8]) -> SqlResult<Option<(Vec<u8>, Version)>> {
        if let Ok(index) = self.changes.binary_search_by(|c| c.key.as_slice().cmp(key)) {
            let value = self.changes[index].value.clone();
            return Ok(value.map(|value| (value, Version(0))));
        }
        match self.snapshot.catalog.get(&self.view, key)? {
            Some(entry) => Ok(Some((self.value(&entry)?, entry.version))),
            None => Ok(None),
        }
    }

    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> SqlResult<()> {
        let mut cursor = self.snapshot.catalog.cursor(&self.view);
        cursor.seek(prefix)?;
        let first = self.changes.partition_point(|c| c.key.as_slice() < prefix);
        let mut own = self.changes[first..]
            .iter()
            .take_while(|c| c.key.starts_with(prefix))
            .peekable();
        loop {
            let stored = self.committed(prefix, &cursor)?;
            let order = match (&stored, own.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(entry), Some(change)) => entry.key.cmp(change.key.as_slice()),
            };
            let goes_on = match (order, stored) {
                (Ordering::Less, Some(entry)) => each(entry.key, &self.value(&entry)?),
                _ => match own.next() {
                    Some(CatalogChange {
                        key,
                        value: Some(value),
                    }) => each(key, value),
                    _ => true,
                },
            };
            if !goes_on {
                return Ok(());
            }
            // An own change hides the stored entry of the same key.
            if order != Ordering::Greater {
                cursor.next()?;
            }
        }
    }
}
