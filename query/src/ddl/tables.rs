//! DROP TABLE, TRUNCATE and ANALYZE.

use super::{lock_tree, read_entry, read_table, write_entry};
use crate::catalog::{self, Relation};
use crate::exec::ExecContext;
use crate::plan::TableRef;
use crate::txn::{KeyRange, ReadLimit};
use alloc::format;
use alloc::string::String;
use vireo_abi::ids::CATALOG_TREE;
use vireo_abi::message::error::{Severity, SqlError, SqlResult, state};

/// DROP TABLE: tables, their indexes, and a notice for each that IF EXISTS found missing.
pub async fn drop_tables(
    tables: &[TableRef],
    missing: &[String],
    cx: &ExecContext,
) -> SqlResult<()> {
    for name in missing {
        let mut notice = SqlError::new(
            state::SUCCESSFUL_COMPLETION,
            format!("table \"{name}\" does not exist, skipping"),
        );
        notice.severity = Severity::Notice;
        cx.txn.notice(notice);
    }
    for table in tables {
        lock_tree(table.tree, cx).await?;
        let (def, version) = read_table(table, cx)?;
        for index in &def.indexes {
            let entry = read_entry(&def.schema, &index.name, cx)?;
            let version = entry.map_or(vireo_abi::write_set::UNCHECKED, |(_, version)| version);
            let key = catalog::relation_key(&def.schema, &index.name);
            cx.txn.delete(CATALOG_TREE, &key, version)?;
            cx.txn.drop_tree(index.tree)?;
        }
        cx.txn.delete(
            CATALOG_TREE,
            &catalog::relation_key(&def.schema, &def.name),
            version,
        )?;
        cx.txn.drop_tree(def.tree)?;
    }
    Ok(())
}

/// TRUNCATE: fresh, empty trees in place of the old.
pub async fn truncate(tables: &[TableRef], cx: &ExecContext) -> SqlResult<()> {
    for table in tables {
        lock_tree(table.tree, cx).await?;
        let (mut def, version) = read_table(table, cx)?;
        cx.txn.drop_tree(def.tree)?;
        def.tree = cx.txn.create_tree().await?;
        for index in &mut def.indexes {
            cx.txn.drop_tree(index.tree)?;
            index.tree = cx.txn.create_tree().await?;
        }
        def.row_estimate = -1.0;
        let (schema, name) = (def.schema.clone(), def.name.clone());
        write_entry(&schema, &name, &Relation::Table(def), version, cx)?;
    }
    Ok(())
}

/// ANALYZE: writes down how many rows there are. `tables` empty: all of them.
pub async fn analyze(tables: &[TableRef], cx: &ExecContext) -> SqlResult<()> {
    if tables.is_empty() {
        for name in table_names(cx)? {
            if let Some((Relation::Table(def), version)) = read_entry(catalog::PUBLIC, &name, cx)? {
                write_estimate(def, version, cx)?;
            }
        }
    }
    for table in tables {
        let (def, version) = read_table(table, cx)?;
        write_estimate(def, version, cx)?;
    }
    Ok(())
}

fn write_estimate(
    mut def: catalog::TableDef,
    version: vireo_abi::ids::Version,
    cx: &ExecContext,
) -> SqlResult<()> {
    let rows = cx.txn.row_count(def.tree)? as f64;
    // The catalog's version is what cached plans hang on: change it only for a reason.
    if (rows - def.row_estimate).abs() <= def.row_estimate * 0.1 {
        return Ok(());
    }
    def.row_estimate = rows;
    let (schema, name) = (def.schema.clone(), def.name.clone());
    write_entry(&schema, &name, &Relation::Table(def), version, cx)
}

fn table_names(cx: &ExecContext) -> SqlResult<alloc::vec::Vec<String>> {
    let prefix = catalog::relation_key(catalog::PUBLIC, "");
    let mut cursor = cx.txn.scan(CATALOG_TREE, KeyRange::prefix(&prefix))?;
    let mut names = alloc::vec::Vec::new();
    while cursor.next(ReadLimit::rows(256), &mut |row| {
        if matches!(catalog::decode(row.value)?, Relation::Table(_)) {
            names.push(String::from_utf8_lossy(&row.key[prefix.len()..]).into_owned());
        }
        Ok(())
    })? {}
    Ok(names)
}
