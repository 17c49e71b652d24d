//! DELETE.

use super::unique::index_key;
use super::{
    Input, Outcome, TargetRows, lock_rows, materialize, may_repeat, returning, without_repeats,
};
use crate::catalog::IndexDef;
use crate::exec::ExecContext;
use crate::plan::{Expr, TableRef};
use crate::row::key;
use alloc::vec::Vec;
use vireo_abi::ids::Version;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::write_set::UNCHECKED;

/// DELETE. `input` gives the old rows as documented at [`crate::plan::Body::Update`].
pub async fn delete(
    table: &TableRef,
    indexes: &[IndexDef],
    mut input: Input<'_>,
    exprs: &[Expr],
    cx: &ExecContext,
) -> SqlResult<Outcome> {
    let columns = table.columns.len();
    if indexes
        .iter()
        .flat_map(|i| &i.columns)
        .any(|&c| usize::from(c) >= columns)
    {
        return Err(SqlError::new(
            state::INTERNAL_ERROR,
            "malformed plan: no such column",
        ));
    }
    let mut chunks = materialize(&mut input, cx).await?;
    if may_repeat(input.node) {
        chunks = without_repeats(chunks, columns)?;
    }
    if lock_rows(table.tree, &chunks, columns, cx).await? {
        return Ok(Outcome::Changed);
    }
    let mut count = 0;
    let mut returned = Vec::new();
    let mut index_entry = Vec::new();
    for chunk in &chunks {
        let rows = TargetRows::of(chunk, columns)?;
        for row in 0..chunk.rows() {
            let id = rows.ids[row] as u64;
            let version = Version(rows.versions[row] as u64);
            cx.txn.delete(table.tree, &key::row_id(id), version)?;
            for index in indexes {
                index_key(index, &table.columns, chunk, row, id, &mut index_entry)?;
                // The row's own version guards the entry.
                cx.txn.delete(index.tree, &index_entry, UNCHECKED)?;
            }
        }
        count += chunk.rows() as u64;
        returned.extend(returning(exprs, chunk, cx)?);
        cx.txn.checkpoint().await?;
    }
    Ok(Outcome::Done {
        rows: count,
        returned,
    })
}
