//! UPDATE.

use super::insert::InsertTarget;
use super::unique::{NewKeys, index_key};
use super::{
    Input, Outcome, TargetRows, check_not_null, lock_rows, materialize, may_repeat, returning,
    without_repeats,
};
use crate::catalog::IndexDef;
use crate::exec::{self, ExecContext};
use crate::plan::Expr;
use crate::row::{key, tuple};
use alloc::vec::Vec;
use vireo_abi::chunk::Chunk;
use vireo_abi::ids::Version;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::write_set::UNCHECKED;

/// UPDATE. `input` gives the old rows as documented at [`crate::plan::Body::Update`].
pub async fn update(
    target: InsertTarget<'_>,
    mut input: Input<'_>,
    assignments: &[(u16, Expr)],
    exprs: &[Expr],
    cx: &ExecContext,
) -> SqlResult<Outcome> {
    target.validate()?;
    let columns = target.table.columns.len();
    if assignments
        .iter()
        .any(|(column, _)| usize::from(*column) >= columns)
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
    if lock_rows(target.table.tree, &chunks, columns, cx).await? {
        return Ok(Outcome::Changed);
    }
    let touched: Vec<&IndexDef> = target
        .indexes
        .iter()
        .filter(|index| {
            assignments
                .iter()
                .any(|(column, _)| index.columns.contains(column))
        })
        .collect();
    let mut rows = 0;
    let mut returned = Vec::new();
    let mut updated = Vec::with_capacity(chunks.len());
    for old in &chunks {
        let new = new_rows(target, old, assignments, cx)?;
        write_rows(target, old, &new, &touched, cx)?;
        rows += new.rows() as u64;
        returned.extend(returning(exprs, &new, cx)?);
        cx.txn.checkpoint().await?;
        if !touched.is_empty() {
            updated.push(new);
        }
    }
    // All old keys are gone before the first new one is checked: keys may move along.
    for (old, new) in chunks.iter().zip(&updated) {
        put_new_keys(target, old, new, &touched, cx).await?;
    }
    Ok(Outcome::Done { rows, returned })
}

/// The rows after the update: the table's columns, the assigned ones replaced.
fn new_rows(
    target: InsertTarget<'_>,
    old: &Chunk,
    assignments: &[(u16, Expr)],
    cx: &ExecContext,
) -> SqlResult<Chunk> {
    let types = &target.table.columns;
    let mut columns: Vec<_> = old.columns()[..types.len()].to_vec();
    for (column, expr) in assignments {
        let vector = exec::eval(expr, old, cx)?;
        let column = usize::from(*column);
        if vector.values.kind() != types[column].kind() {
            return Err(SqlError::new(
                state::INTERNAL_ERROR,
                "malformed plan: value of another type",
            ));
        }
        columns[column] = vector;
    }
    let new = Chunk::new(columns, old.rows());
    let table = &target.table.name;
    check_not_null(table, target.column_names, types, target.not_null, &new, cx)?;
    Ok(new)
}

/// Writes the new rows and removes the index keys that changed.
fn write_rows(
    target: InsertTarget<'_>,
    old: &Chunk,
    new: &Chunk,
    touched: &[&IndexDef],
    cx: &ExecContext,
) -> SqlResult<()> {
    let types = &target.table.columns;
    let rows = TargetRows::of(old, types.len())?;
    let (mut value, mut old_key, mut new_key) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..new.rows() {
        let id = rows.ids[row] as u64;
        value.clear();
        tuple::encode(types, new, row, &mut value);
        let version = Version(rows.versions[row] as u64);
        cx.txn
            .put(target.table.tree, &key::row_id(id), &value, version)?;
        for index in touched {
            index_key(index, types, old, row, id, &mut old_key)?;
            index_key(index, types, new, row, id, &mut new_key)?;
            if old_key != new_key {
                // The row's own version guards the entry.
                cx.txn.delete(index.tree, &old_key, UNCHECKED)?;
            }
        }
    }
    Ok(())
}

/// Puts the index keys that changed.
async fn put_new_keys(
    target: InsertTarget<'_>,
    old: &Chunk,
    new: &Chunk,
    touched: &[&IndexDef],
    cx: &ExecContext,
) -> SqlResult<()> {
    let types = &target.table.columns;
    let ids = TargetRows::of(old, types.len())?.ids;
    let (mut old_key, mut new_key) = (Vec::new(), Vec::new());
    for index in touched {
        let mut moved = Vec::new();
        for (row, id) in ids.iter().enumerate() {
            let id = *id as u64;
            index_key(index, types, old, row, id, &mut old_key)?;
            index_key(index, types, new, row, id, &mut new_key)?;
            if old_key != new_key {
                moved.push((row, id));
            }
        }
        let keys = NewKeys {
            index,
            table: &target.table.name,
            names: target.column_names,
            types,
        };
        keys.put(new, moved.iter().copied(), cx).await?;
    }
    Ok(())
}
