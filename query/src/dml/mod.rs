//! INSERT, UPDATE and DELETE over a transaction's trees.
//!
//! A statement runs in two phases so that it never meets its own writes: what to change is read in full (UPDATE,
//! DELETE, and INSERT from the table itself), rows are locked where the transaction asks for it, and only
//! then written. Locking may find that a row is not what was read any more; then nothing has been written and the
//! caller runs the statement again on a newer snapshot ([`Outcome::Changed`]).
//!
//! Invariants:
//! 1. A row is written together with its entries in every index of its table.
//! 2. An index entry whose key holds a NULL ends in the row id, so that it collides with nothing.

mod delete;
mod insert;
mod unique;
mod update;

pub use delete::delete;
pub use insert::{InsertTarget, Inserter, insert};
pub use unique::{describe_key, index_key};
pub use update::update;

use crate::exec::{self, ExecContext, Operator};
use crate::plan::{Expr, Node};
use crate::txn::LockOutcome;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::chunk::{Chunk, Values, Vector};
use vireo_abi::ids::{TreeId, Version};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::storage::{LockKey, LockMode, LockWait};
use vireo_abi::sql_type::SqlType;

/// The rows that a statement works on.
pub struct Input<'p> {
    /// Their plan.
    pub node: &'p Node,
    /// The plan's operators, not asked yet.
    pub operator: Box<dyn Operator>,
}

impl<'p> Input<'p> {
    /// The rows of a plan.
    ///
    /// # Errors
    /// As [`exec::build`].
    pub fn new(node: &'p Node) -> SqlResult<Input<'p>> {
        let operator = exec::build(node)?;
        Ok(Input { node, operator })
    }
}

/// How a statement ended.
#[derive(Debug)]
pub enum Outcome {
    /// It changed so many rows and returns these.
    Done {
        /// Rows inserted, updated or deleted.
        rows: u64,
        /// RETURNING's rows.
        returned: Vec<Chunk>,
    },
    /// A row that it read has changed since: run it again on a newer snapshot.
    Changed,
}

/// RETURNING's columns for the rows of `chunk`.
fn returning(exprs: &[Expr], chunk: &Chunk, cx: &ExecContext) -> SqlResult<Option<Chunk>> {
    if exprs.is_empty() {
        return Ok(None);
    }
    let columns = exprs
        .iter()
        .map(|e| exec::eval(e, chunk, cx))
        .collect::<SqlResult<Vec<_>>>()?;
    Ok(Some(Chunk::new(columns, chunk.rows())))
}

/// The input's rows, all of them.
async fn materialize(input: &mut Input<'_>, cx: &ExecContext) -> SqlResult<Vec<Chunk>> {
    let mut chunks = Vec::new();
    while let Some(chunk) = input.operator.next(cx).await? {
        cx.txn.reserve_memory(chunk.rows() * 64)?;
        chunks.push(chunk);
        cx.txn.checkpoint().await?;
    }
    Ok(chunks)
}

/// Refuses NULLs in columns that refuse them, as PostgreSQL does.
fn check_not_null(
    table: &str,
    names: &[String],
    types: &[SqlType],
    not_null: &[u16],
    chunk: &Chunk,
    cx: &ExecContext,
) -> SqlResult<()> {
    for &column in not_null {
        let vector = chunk.column(usize::from(column));
        let Some(nulls) = &vector.nulls else { continue };
        if let Some(row) = nulls.iter().position(|&is_null| is_null) {
            let name = &names[usize::from(column)];
            let mut error = SqlError::new(
                state::NOT_NULL_VIOLATION,
                format!(
                    "null value in column \"{name}\" of relation \"{table}\" violates not-null constraint"
                ),
            )
            .with_detail(format!("Failing row contains {}.", describe_row(types, chunk, row, cx)));
            error.table = Some(table.into());
            error.column = Some(name.clone());
            return Err(error);
        }
    }
    Ok(())
}

/// A row as PostgreSQL shows it in details: "(1, null, abc)".
fn describe_row(types: &[SqlType], chunk: &Chunk, row: usize, cx: &ExecContext) -> String {
    let columns: Vec<&Vector> = chunk.columns().iter().take(types.len()).collect();
    unique::describe_values(types, &columns, row, cx)
}

/// The values of a bigint column of the input that the planner put there.
fn bigints(vector: &Vector) -> SqlResult<&[i64]> {
    match &vector.values {
        Values::Int8(values) => Ok(values),
        _ => Err(SqlError::new(
            state::INTERNAL_ERROR,
            "malformed plan: a row id is not a bigint",
        )),
    }
}

/// The rows to change in one chunk of input: row id and version of each, a row that came before left out.
struct TargetRows<'c> {
    ids: &'c [i64],
    versions: &'c [i64],
}

impl<'c> TargetRows<'c> {
    fn of(chunk: &'c Chunk, table_columns: usize) -> SqlResult<TargetRows<'c>> {
        if chunk.columns().len() < table_columns + 2 {
            return Err(SqlError::new(
                state::INTERNAL_ERROR,
                "malformed plan: no row id",
            ));
        }
        Ok(TargetRows {
            ids: bigints(chunk.column(table_columns))?,
            versions: bigints(chunk.column(table_columns + 1))?,
        })
    }
}

/// Leaves out rows that came before: a join may find the same row more than once.
fn without_repeats(chunks: Vec<Chunk>, table_columns: usize) -> SqlResult<Vec<Chunk>> {
    let mut seen = hashbrown::HashSet::new();
    let mut kept = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let ids = TargetRows::of(&chunk, table_columns)?.ids;
        let rows: Vec<u32> = (0..chunk.rows() as u32)
            .filter(|&row| seen.insert(ids[row as usize]))
            .collect();
        kept.push(if rows.len() == chunk.rows() {
            chunk
        } else {
            chunk.take(&rows)
        });
    }
    Ok(kept)
}

/// Locks the rows of `chunks` if the transaction takes locks. True if one of them has changed.
async fn lock_rows(
    tree: TreeId,
    chunks: &[Chunk],
    table_columns: usize,
    cx: &ExecContext,
) -> SqlResult<bool> {
    if !cx.txn.needs_locks() {
        return Ok(false);
    }
    for chunk in chunks {
        let target = TargetRows::of(chunk, table_columns)?;
        let keys: Vec<LockKey> = target
            .ids
            .iter()
            .zip(target.versions)
            // A row of version 0 is the transaction's own: nobody else can see it.
            .filter(|(_, version)| **version != 0)
            .map(|(id, version)| LockKey {
                tree,
                key: crate::row::key::row_id(*id as u64).to_vec(),
                mode: LockMode::Exclusive,
                version: Version(*version as u64),
            })
            .collect();
        if keys.is_empty() {
            continue;
        }
        let LockOutcome { changed, .. } = cx.txn.lock(keys, LockWait::Wait).await?;
        if !changed.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a plan may give the same row twice.
fn may_repeat(node: &Node) -> bool {
    let combines_rows = matches!(
        node,
        Node::HashJoin { .. }
            | Node::NestedLoopJoin { .. }
            | Node::IndexJoin { .. }
            | Node::Aggregate { .. }
            | Node::Append { .. }
    );
    combines_rows || node.inputs().any(may_repeat)
}
