//! Keys of unique indexes, and what is said when they collide.

use crate::catalog::IndexDef;
use crate::exec::ExecContext;
use crate::row::key;
use crate::types::output;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::chunk::{Chunk, Vector};
use vireo_abi::ids::Version;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::storage::{LockKey, LockMode, LockWait};
use vireo_abi::sql_type::SqlType;

/// Writes the key of row `row` in `index` to `out` (cleared first). The key of a row with a NULL among the
/// columns ends in its row id and never collides; true if the key can collide.
///
/// # Errors
/// 54000 when the key is too long.
pub fn index_key(
    index: &IndexDef,
    types: &[SqlType],
    chunk: &Chunk,
    row: usize,
    row_id: u64,
    out: &mut Vec<u8>,
) -> SqlResult<bool> {
    out.clear();
    let columns = index
        .columns
        .iter()
        .map(|&c| (types[usize::from(c)], chunk.column(usize::from(c))));
    Ok(!key::encode_index(&index.name, columns, row, row_id, out)?)
}

/// Values as PostgreSQL shows them in details: "(1, null, abc)".
pub fn describe_values(
    types: &[SqlType],
    columns: &[&Vector],
    row: usize,
    cx: &ExecContext,
) -> String {
    let mut out = Vec::from(*b"(");
    for (i, (sql_type, vector)) in types.iter().zip(columns).enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        if vector.is_null(row) {
            out.extend_from_slice(b"null");
        } else {
            let start = out.len();
            output::write_text(*sql_type, vector, row, &cx.eval.format, &mut out);
            truncate(&mut out, start);
        }
    }
    out.push(b')');
    String::from_utf8_lossy(&out).into_owned()
}

/// Cuts a value to 64 bytes at a character's end, as PostgreSQL's details do.
fn truncate(out: &mut Vec<u8>, start: usize) {
    if out.len() - start > 64 {
        let mut end = start + 64;
        while out[end] & 0xC0 == 0x80 {
            end -= 1;
        }
        out.truncate(end);
        out.extend_from_slice(b"...");
    }
}

/// "(id, part)=(1, x)": the key of a row in an index.
pub fn describe_key(
    index: &IndexDef,
    names: &[String],
    types: &[SqlType],
    chunk: &Chunk,
    row: usize,
    cx: &ExecContext,
) -> String {
    let columns: Vec<usize> = index.columns.iter().map(|&c| usize::from(c)).collect();
    let named: Vec<&str> = columns.iter().map(|&c| names[c].as_str()).collect();
    let key_types: Vec<SqlType> = columns.iter().map(|&c| types[c]).collect();
    let vectors: Vec<&Vector> = columns.iter().map(|&c| chunk.column(c)).collect();
    format!(
        "({})={}",
        named.join(", "),
        describe_values(&key_types, &vectors, row, cx)
    )
}

/// PostgreSQL's error for a key that is there already.
fn duplicate(index: &IndexDef, table: &str, key: &str) -> Box<SqlError> {
    let mut error = SqlError::new(
        state::UNIQUE_VIOLATION,
        format!(
            "duplicate key value violates unique constraint \"{}\"",
            index.name
        ),
    )
    .with_detail(format!("Key {key} already exists."));
    error.table = Some(table.into());
    error.constraint = Some(index.name.clone());
    error
}

/// What the rows of one chunk put into one index.
pub struct NewKeys<'a> {
    /// The index.
    pub index: &'a IndexDef,
    /// The table's name.
    pub table: &'a str,
    /// Names of the table's columns.
    pub names: &'a [String],
    /// Types of the table's columns.
    pub types: &'a [SqlType],
}

impl NewKeys<'_> {
    /// Checks the keys of the rows of `chunk` that `rows` names, each with its row id, locks them where the transaction takes
    /// locks, and writes them.
    pub async fn put(
        &self,
        chunk: &Chunk,
        rows: impl Iterator<Item = (usize, u64)> + Clone,
        cx: &ExecContext,
    ) -> SqlResult<()> {
        let tree = self.index.tree;
        let mut key = Vec::new();
        if cx.txn.needs_locks() {
            let mut locks = Vec::new();
            let mut locked_rows = Vec::new();
            for (row, row_id) in rows.clone() {
                if index_key(self.index, self.types, chunk, row, row_id, &mut key)? {
                    self.refuse_present(&key, chunk, row, cx)?;
                    locks.push(LockKey {
                        tree,
                        key: key.clone(),
                        mode: LockMode::Exclusive,
                        version: Version(0),
                    });
                    locked_rows.push(row);
                }
            }
            if !locks.is_empty() {
                let outcome = cx.txn.lock(locks, LockWait::Wait).await?;
                if let Some(&first) = outcome.changed.first() {
                    // Another transaction put it there while this one waited, or after this
                    // one's snapshot.
                    let row = locked_rows.get(first as usize).copied().unwrap_or(0);
                    return Err(self.duplicate(chunk, row, cx));
                }
            }
        }
        for (row, row_id) in rows {
            if index_key(self.index, self.types, chunk, row, row_id, &mut key)? {
                self.refuse_present(&key, chunk, row, cx)?;
            }
            cx.txn.put(tree, &key, &row_id.to_be_bytes(), Version(0))?;
        }
        Ok(())
    }

    fn refuse_present(
        &self,
        key: &[u8],
        chunk: &Chunk,
        row: usize,
        cx: &ExecContext,
    ) -> SqlResult<()> {
        if cx.txn.get(self.index.tree, key, &mut |_| Ok(()))? {
            return Err(self.duplicate(chunk, row, cx));
        }
        Ok(())
    }

    fn duplicate(&self, chunk: &Chunk, row: usize, cx: &ExecContext) -> Box<SqlError> {
        let key = describe_key(self.index, self.names, self.types, chunk, row, cx);
        duplicate(self.index, self.table, &key)
    }
}
