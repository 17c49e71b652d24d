//! CREATE TABLE.

use super::{read_entry, write_entry};
use crate::catalog::{ColumnDef, IndexDef, Relation, TableDef};
use crate::exec::ExecContext;
use crate::plan::{NewColumn, NewConstraint};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use vireo_abi::ids::{TreeId, Version};
use vireo_abi::message::error::{Severity, SqlError, SqlResult, state};

/// CREATE TABLE.
///
/// # Errors
/// 42P07 when the name of the table or of one of its indexes is taken.
pub async fn create_table(
    schema: &str,
    name: &str,
    if_not_exists: bool,
    columns: &[NewColumn],
    constraints: &[NewConstraint],
    cx: &ExecContext,
) -> SqlResult<()> {
    if read_entry(schema, name, cx)?.is_some() {
        if !if_not_exists {
            return Err(taken(name));
        }
        let mut notice = SqlError::new(
            state::DUPLICATE_TABLE,
            format!("relation \"{name}\" already exists, skipping"),
        );
        notice.severity = Severity::Notice;
        cx.txn.notice(notice);
        return Ok(());
    }
    let oid = object_id(cx).await?;
    let tree = cx.txn.create_tree().await?;
    let mut indexes = Vec::with_capacity(constraints.len());
    for constraint in constraints {
        indexes.push(new_index(schema, name, constraint, cx).await?);
    }
    let refuses_null = |position: usize| {
        constraints
            .iter()
            .any(|c| c.is_primary && c.columns.contains(&(position as u16)))
    };
    let table = TableDef {
        oid,
        schema: schema.to_string(),
        name: name.to_string(),
        columns: columns
            .iter()
            .enumerate()
            .map(|(position, column)| ColumnDef {
                name: column.name.clone(),
                sql_type: column.sql_type,
                not_null: column.not_null || refuses_null(position),
                default: column.default.clone(),
            })
            .collect(),
        tree,
        indexes,
        row_estimate: -1.0,
    };
    write_entry(schema, name, &Relation::Table(table), Version(0), cx)
}

/// The error for a name that is taken.
fn taken(name: &str) -> alloc::boxed::Box<SqlError> {
    SqlError::new(
        state::DUPLICATE_TABLE,
        format!("relation \"{name}\" already exists"),
    )
}

/// A new object id.
async fn object_id(cx: &ExecContext) -> SqlResult<u32> {
    let id = cx.txn.reserve(TreeId(0), 1).await?;
    u32::try_from(id)
        .map_err(|_| SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "out of object identifiers"))
}

/// Makes the empty index of a constraint, and its entry in the catalog.
pub(super) async fn new_index(
    schema: &str,
    table: &str,
    constraint: &NewConstraint,
    cx: &ExecContext,
) -> SqlResult<IndexDef> {
    let name: &String = &constraint.name;
    if read_entry(schema, name, cx)?.is_some() {
        return Err(taken(name));
    }
    let oid = object_id(cx).await?;
    let tree = cx.txn.create_tree().await?;
    let entry = Relation::Index {
        table: table.to_string(),
    };
    write_entry(schema, name, &entry, Version(0), cx)?;
    Ok(IndexDef {
        oid,
        name: name.clone(),
        tree,
        columns: constraint.columns.clone(),
        is_primary: constraint.is_primary,
    })
}
