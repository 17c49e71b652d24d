//! INSERT, and the rows of COPY.

use super::unique::NewKeys;
use super::{Input, Outcome, check_not_null, materialize, returning};
use crate::catalog::IndexDef;
use crate::exec::ExecContext;
use crate::plan::{Expr, Node, TableRef};
use crate::row::{key, tuple};
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::chunk::Chunk;
use vireo_abi::ids::Version;
use vireo_abi::message::error::{SqlError, SqlResult, state};

/// The table that rows go into.
#[derive(Clone, Copy, Debug)]
pub struct InsertTarget<'p> {
    /// The table.
    pub table: &'p TableRef,
    /// Names of its columns.
    pub column_names: &'p [String],
    /// Positions of columns that refuse NULL.
    pub not_null: &'p [u16],
    /// Its indexes.
    pub indexes: &'p [IndexDef],
}

impl InsertTarget<'_> {
    /// Refuses a target whose parts do not fit each other: a plan is not trusted.
    pub(super) fn validate(&self) -> SqlResult<()> {
        let columns = self.table.columns.len();
        let positions = self
            .indexes
            .iter()
            .flat_map(|i| &i.columns)
            .chain(self.not_null);
        let fits = self.column_names.len() == columns
            && positions.into_iter().all(|&p| usize::from(p) < columns);
        if fits {
            Ok(())
        } else {
            Err(SqlError::new(
                state::INTERNAL_ERROR,
                "malformed plan: table and columns differ",
            ))
        }
    }
}

/// Inserts chunks of rows, one after the other.
pub struct Inserter<'p> {
    target: InsertTarget<'p>,
    tuple: Vec<u8>,
    rows: u64,
}

impl<'p> Inserter<'p> {
    /// An inserter into `target`.
    ///
    /// # Errors
    /// XX000 when the target's parts do not fit each other.
    pub fn new(target: InsertTarget<'p>) -> SqlResult<Inserter<'p>> {
        target.validate()?;
        Ok(Inserter {
            target,
            tuple: Vec::new(),
            rows: 0,
        })
    }

    /// Rows inserted so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Inserts the rows of `chunk`, whose columns are the table's.
    ///
    /// # Errors
    /// 23502, 23505 and what the transaction says.
    pub async fn insert(&mut self, chunk: &Chunk, cx: &ExecContext) -> SqlResult<()> {
        let InsertTarget {
            table,
            column_names,
            not_null,
            indexes,
        } = self.target;
        let types = &table.columns;
        let fits = chunk.columns().len() == types.len()
            && chunk
                .columns()
                .iter()
                .zip(types)
                .all(|(v, t)| v.values.kind() == t.kind());
        if !fits {
            return Err(SqlError::new(
                state::INTERNAL_ERROR,
                "malformed plan: rows of other types",
            ));
        }
        if chunk.rows() == 0 {
            return Ok(());
        }
        check_not_null(&table.name, column_names, types, not_null, chunk, cx)?;
        let first = cx.txn.reserve(table.tree, chunk.rows() as u32).await?;
        for row in 0..chunk.rows() {
            self.tuple.clear();
            tuple::encode(types, chunk, row, &mut self.tuple);
            let id = key::row_id(first + row as u64);
            cx.txn.put(table.tree, &id, &self.tuple, Version(0))?;
        }
        for index in indexes {
            let keys = NewKeys {
                index,
                table: &table.name,
                names: column_names,
                types,
            };
            let rows = (0..chunk.rows()).map(|row| (row, first + row as u64));
            keys.put(chunk, rows, cx).await?;
        }
        self.rows += chunk.rows() as u64;
        cx.txn.checkpoint().await
    }
}

/// INSERT.
pub async fn insert(
    target: InsertTarget<'_>,
    mut input: Input<'_>,
    exprs: &[Expr],
    cx: &ExecContext,
) -> SqlResult<Outcome> {
    let mut inserter = Inserter::new(target)?;
    let mut returned = Vec::new();
    if reads(input.node, target.table) {
        for chunk in materialize(&mut input, cx).await? {
            inserter.insert(&chunk, cx).await?;
            returned.extend(returning(exprs, &chunk, cx)?);
        }
    } else {
        while let Some(chunk) = input.operator.next(cx).await? {
            inserter.insert(&chunk, cx).await?;
            returned.extend(returning(exprs, &chunk, cx)?);
        }
    }
    Ok(Outcome::Done {
        rows: inserter.rows(),
        returned,
    })
}

/// Whether a plan reads the table.
fn reads(node: &Node, table: &TableRef) -> bool {
    node.table().is_some_and(|t| t.tree == table.tree) || node.inputs().any(|n| reads(n, table))
}
