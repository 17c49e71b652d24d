//! ALTER TABLE … ADD PRIMARY KEY or UNIQUE: builds the index of a table that has rows.
//!
//! The keys of all rows are gathered in one byte area, sorted, checked for repeats among neighbours, and
//! written in order, which is what fills a tree densely.

use super::create_table::new_index;
use super::{lock_tree, read_table, write_entry};
use crate::catalog::{IndexDef, Relation, TableDef};
use crate::dml::{describe_key, index_key};
use crate::exec::{self, ExecContext};
use crate::plan::{NewConstraint, Node, ScanColumn, TableRef};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::chunk::{Chunk, Values};
use vireo_abi::ids::Version;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::SqlType;

/// One key: its place in the byte area and its row.
struct Entry {
    start: usize,
    length: u16,
    can_collide: bool,
    row_id: u64,
}

#[derive(Default)]
struct Keys {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Keys {
    fn key(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start..entry.start + usize::from(entry.length)]
    }
}

/// ALTER TABLE … ADD PRIMARY KEY or UNIQUE.
///
/// # Errors
/// 42P16 for a second primary key, 23502 for NULLs in one, 23505 for repeated keys.
pub async fn add_constraint(
    table: &TableRef,
    constraint: &NewConstraint,
    cx: &ExecContext,
) -> SqlResult<()> {
    lock_tree(table.tree, cx).await?;
    let (mut def, version) = read_table(table, cx)?;
    if constraint.is_primary && def.primary_key().is_some() {
        return Err(SqlError::new(
            state::INVALID_TABLE_DEFINITION,
            format!(
                "multiple primary keys for table \"{}\" are not allowed",
                def.name
            ),
        ));
    }
    if constraint
        .columns
        .iter()
        .any(|&c| usize::from(c) >= def.columns.len())
    {
        return Err(SqlError::new(
            state::INTERNAL_ERROR,
            "malformed plan: no such column",
        ));
    }
    let index = new_index(&def.schema, &def.name, constraint, cx).await?;
    build(&def, table, &index, cx).await?;
    if index.is_primary {
        for &column in &index.columns {
            def.columns[usize::from(column)].not_null = true;
        }
    }
    def.indexes.push(index);
    let (schema, name) = (def.schema.clone(), def.name.clone());
    write_entry(&schema, &name, &Relation::Table(def), version, cx)
}

/// Fills the index from the table's rows.
async fn build(
    def: &TableDef,
    table: &TableRef,
    index: &IndexDef,
    cx: &ExecContext,
) -> SqlResult<()> {
    let mut keys = gather(def, table, index, cx).await?;
    let Keys { bytes, entries } = &mut keys;
    let key = |e: &Entry| &bytes[e.start..e.start + usize::from(e.length)];
    entries.sort_unstable_by(|a, b| key(a).cmp(key(b)));
    let repeated = keys
        .entries
        .windows(2)
        .find(|pair| pair[0].can_collide && keys.key(&pair[0]) == keys.key(&pair[1]));
    if let Some(pair) = repeated {
        return Err(repeated_key(def, table, index, pair[0].row_id, cx).await?);
    }
    for (count, entry) in keys.entries.iter().enumerate() {
        cx.txn.put(
            index.tree,
            keys.key(entry),
            &entry.row_id.to_be_bytes(),
            Version(0),
        )?;
        if count % 2048 == 2047 {
            cx.txn.checkpoint().await?;
        }
    }
    Ok(())
}

/// The scan that building needs: the key's columns in their table positions (others are not read), then row ids.
fn scan_columns(def: &TableDef, index: &IndexDef) -> (Vec<ScanColumn>, IndexDef, Vec<SqlType>) {
    let mut columns: Vec<ScanColumn> = index
        .columns
        .iter()
        .map(|&c| ScanColumn::Table(c))
        .collect();
    columns.push(ScanColumn::RowId);
    let types = index
        .columns
        .iter()
        .map(|&c| def.columns[usize::from(c)].sql_type)
        .collect();
    // The same index over the scan's columns instead of the table's.
    let over_scan = IndexDef {
        columns: (0..index.columns.len() as u16).collect(),
        ..index.clone()
    };
    (columns, over_scan, types)
}

async fn gather(
    def: &TableDef,
    table: &TableRef,
    index: &IndexDef,
    cx: &ExecContext,
) -> SqlResult<Keys> {
    let (columns, over_scan, types) = scan_columns(def, index);
    let scan = Node::SeqScan {
        table: table.clone(),
        columns,
        filter: None,
    };
    let mut operator = exec::build(&scan)?;
    let mut keys = Keys::default();
    let mut key = Vec::new();
    while let Some(chunk) = operator.next(cx).await? {
        refuse_nulls(def, index, &chunk)?;
        cx.txn.reserve_memory(chunk.rows() * 64)?;
        for (row, &row_id) in row_ids(&chunk)?.iter().enumerate() {
            let row_id = row_id as u64;
            let can_collide = index_key(&over_scan, &types, &chunk, row, row_id, &mut key)?;
            keys.entries.push(Entry {
                start: keys.bytes.len(),
                length: key.len() as u16,
                can_collide,
                row_id,
            });
            keys.bytes.extend_from_slice(&key);
        }
        cx.txn.checkpoint().await?;
    }
    Ok(keys)
}

fn row_ids(chunk: &Chunk) -> SqlResult<&[i64]> {
    match chunk.columns().last().map(|v| &v.values) {
        Some(Values::Int8(ids)) => Ok(ids),
        _ => Err(SqlError::new(
            state::INTERNAL_ERROR,
            "a scan gave no row ids",
        )),
    }
}

fn refuse_nulls(def: &TableDef, index: &IndexDef, chunk: &Chunk) -> SqlResult<()> {
    if !index.is_primary {
        return Ok(());
    }
    for (position, &column) in index.columns.iter().enumerate() {
        let nulls = &chunk.column(position).nulls;
        if nulls.as_ref().is_some_and(|nulls| nulls.contains(&true)) {
            let mut error = SqlError::new(
                state::NOT_NULL_VIOLATION,
                format!(
                    "column \"{}\" of relation \"{}\" contains null values",
                    def.columns[usize::from(column)].name,
                    def.name
                ),
            );
            error.table = Some(def.name.clone());
            return Err(error);
        }
    }
    Ok(())
}

/// The error for a repeated key, with the key's values read from one of its rows.
async fn repeated_key(
    def: &TableDef,
    table: &TableRef,
    index: &IndexDef,
    row_id: u64,
    cx: &ExecContext,
) -> SqlResult<alloc::boxed::Box<SqlError>> {
    let (columns, over_scan, types) = scan_columns(def, index);
    let names: Vec<String> = index
        .columns
        .iter()
        .map(|&c| def.columns[usize::from(c)].name.clone())
        .collect();
    let mut operator = exec::build(&Node::SeqScan {
        table: table.clone(),
        columns,
        filter: None,
    })?;
    let mut error = SqlError::new(
        state::UNIQUE_VIOLATION,
        format!("could not create unique index \"{}\"", index.name),
    );
    while let Some(chunk) = operator.next(cx).await? {
        if let Some(row) = row_ids(&chunk)?.iter().position(|&id| id as u64 == row_id) {
            let key = describe_key(&over_scan, &names, &types, &chunk, row, cx);
            error = error.with_detail(format!("Key {key} is duplicated."));
            break;
        }
    }
    error.table = Some(def.name.clone());
    error.constraint = Some(index.name.clone());
    Ok(error)
}
