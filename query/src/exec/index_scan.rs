//! Rows of a table found by an index, in its order.
//!
//! An index entry's value is the row id. When all columns of the unique index are given, both lookups are `get`s, with
//! neither cursor nor checkpoint; else a cursor reads the range, and the rows are fetched a batch at a time.
//!
//! Failure: an entry without its row is XX001.

use super::fetch::Fetch;
use super::probe::{Probe, Target};
use super::{ExecContext, Operator};
use crate::txn::{LocalFuture, ReadLimit, Transaction, TreeCursor};
use alloc::boxed::Box;
use alloc::vec::Vec;
use vireo_abi::chunk::Chunk;
use vireo_abi::ids::TreeId;
use vireo_abi::message::error::{SqlError, SqlResult, state};

pub(super) struct IndexScan {
    probe: Probe,
    fetch: Fetch,
    state: State,
}

enum State {
    New,
    Scanning(Box<dyn TreeCursor>),
    Done,
}

impl IndexScan {
    pub(super) fn new(probe: Probe, fetch: Fetch) -> IndexScan {
        IndexScan {
            probe,
            fetch,
            state: State::New,
        }
    }

    async fn step(&mut self, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
        if let State::New = self.state {
            self.open(cx)?;
            if let State::Done = self.state {
                return self.fetch.finish(cx);
            }
        }
        while let State::Scanning(cursor) = &mut self.state {
            let mut has_more = true;
            while has_more && let Some(room) = self.fetch.room() {
                has_more = read_rows(&mut **cursor, room.rows, &mut self.fetch, &*cx.txn)?;
            }
            if !has_more {
                self.state = State::Done;
            }
            cx.txn.checkpoint().await?;
            if let Some(chunk) = self.fetch.finish(cx)? {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    fn open(&mut self, cx: &ExecContext) -> SqlResult<()> {
        let values = self.probe.values(&Chunk::new(Vec::new(), 1), cx)?;
        let mut buffer = Vec::new();
        self.state = match self.probe.target(&values, 0, &mut buffer) {
            Target::Nothing => State::Done,
            Target::Range(range) => State::Scanning(cx.txn.scan(self.probe.tree, range)?),
            Target::Point => {
                fetch_point(self.probe.tree, &buffer, &mut self.fetch, &*cx.txn)?;
                State::Done
            }
        };
        Ok(())
    }
}

/// Fetches the row under a key of a unique index, if there is one.
pub(super) fn fetch_point(
    index: TreeId,
    key: &[u8],
    fetch: &mut Fetch,
    txn: &dyn Transaction,
) -> SqlResult<()> {
    let mut row_id = None;
    txn.get(index, key, &mut |entry| {
        row_id = Some(row_id_of(entry.value)?);
        Ok(())
    })?;
    match row_id {
        Some(row_id) => fetch_row(row_id, fetch, txn),
        None => Ok(()),
    }
}

/// Entries of an index that are read before their rows, whose sizes nobody knows.
const ENTRIES_MAX: usize = 32;

/// Reads some more entries of an index, at most `max`, and fetches their rows. False when there are no more.
pub(super) fn read_rows(
    cursor: &mut dyn TreeCursor,
    max: usize,
    fetch: &mut Fetch,
    txn: &dyn Transaction,
) -> SqlResult<bool> {
    let max = max.min(ENTRIES_MAX);
    let mut row_ids = Vec::with_capacity(max);
    let more = cursor.next(ReadLimit::rows(max), &mut |entry| {
        row_ids.push(row_id_of(entry.value)?);
        Ok(())
    })?;
    for row_id in row_ids {
        fetch_row(row_id, fetch, txn)?;
    }
    Ok(more)
}

fn fetch_row(row_id: [u8; 8], fetch: &mut Fetch, txn: &dyn Transaction) -> SqlResult<()> {
    if fetch.get(&row_id, txn)? {
        return Ok(());
    }
    Err(SqlError::new(
        state::DATA_CORRUPTED,
        "an index entry points at a row that does not exist",
    ))
}

fn row_id_of(value: &[u8]) -> SqlResult<[u8; 8]> {
    value
        .try_into()
        .map_err(|_| SqlError::new(state::DATA_CORRUPTED, "malformed index entry"))
}

impl Operator for IndexScan {
    fn next<'a>(&'a mut self, cx: &'a ExecContext) -> LocalFuture<'a, SqlResult<Option<Chunk>>> {
        Box::pin(self.step(cx))
    }
}
