//! CREATE, DROP, TRUNCATE and ALTER TABLE, ANALYZE: changes of the catalog, and of trees with it.
//!
//! A change of a table takes the exclusive lock of its tree first, so that it waits for the transactions
//! that write it, and then looks at the newest snapshot. It travels in the transaction's write set like any
//! other row: visible to others at commit, gone with a rollback.

mod add_constraint;
mod create_table;
mod tables;

pub use add_constraint::add_constraint;
pub use create_table::create_table;
pub use tables::{analyze, drop_tables, truncate};

use crate::catalog::{self, Relation, TableDef};
use crate::exec::ExecContext;
use crate::plan::TableRef;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::ids::{CATALOG_TREE, TreeId, Version};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::storage::{LockKey, LockMode, LockWait};

/// The catalog entry of a relation and the version that wrote it.
fn read_entry(
    schema: &str,
    name: &str,
    cx: &ExecContext,
) -> SqlResult<Option<(Relation, Version)>> {
    let key = catalog::relation_key(schema, name);
    let mut entry = None;
    cx.txn.get(CATALOG_TREE, &key, &mut |row| {
        entry = Some((catalog::decode(row.value)?, row.version));
        Ok(())
    })?;
    Ok(entry)
}

/// The table that a plan means, as the catalog has it now.
///
/// # Errors
/// 42P01 when it is gone or another one.
fn read_table(table: &TableRef, cx: &ExecContext) -> SqlResult<(TableDef, Version)> {
    match read_entry(&table.schema, &table.name, cx)? {
        Some((Relation::Table(def), version)) if def.oid == table.oid => Ok((def, version)),
        _ => Err(SqlError::new(
            state::UNDEFINED_TABLE,
            format!("relation \"{}\" does not exist", table.name),
        )),
    }
}

fn write_entry(
    schema: &str,
    name: &str,
    relation: &Relation,
    version: Version,
    cx: &ExecContext,
) -> SqlResult<()> {
    let key = catalog::relation_key(schema, name);
    cx.txn
        .put(CATALOG_TREE, &key, &catalog::encode(relation), version)
}

/// Waits until no other transaction uses the tree, then looks at the newest snapshot.
async fn lock_tree(tree: TreeId, cx: &ExecContext) -> SqlResult<()> {
    let key = LockKey {
        tree,
        key: Vec::new(),
        mode: LockMode::Exclusive,
        version: Version(0),
    };
    cx.txn.lock(vec![key], LockWait::Wait).await?;
    cx.txn.refresh();
    Ok(())
}
