//! The views of `pg_catalog` that need nothing but tables and their indexes.

use super::relation::Described;
use super::{Domain, Rows, Surroundings, ViewColumn, owned, text};
use crate::functions::quoted_identifier;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use vireo_abi::datum::Datum::{Bool, Null};
use vireo_abi::sql_type::TypeId;

const NAME: Domain = Domain::Plain(TypeId::Name);
const BOOL: Domain = Domain::Plain(TypeId::Bool);
const TEXT: Domain = Domain::Plain(TypeId::Text);

pub(super) const TABLES: &[ViewColumn] = &[
    ("schemaname", NAME),
    ("tablename", NAME),
    ("tableowner", NAME),
    ("tablespace", NAME),
    ("hasindexes", BOOL),
    ("hasrules", BOOL),
    ("hastriggers", BOOL),
    ("rowsecurity", BOOL),
];

pub(super) const INDEXES: &[ViewColumn] = &[
    ("schemaname", NAME),
    ("tablename", NAME),
    ("indexname", NAME),
    ("tablespace", NAME),
    ("indexdef", TEXT),
];

pub(super) fn tables(relation: &Described<'_>, of: Surroundings<'_>, into: &mut Rows) {
    let Some(table) = relation.table() else {
        return;
    };
    into.push(vec![
        text(&table.schema),
        text(&table.name),
        text(of.owner),
        Null,
        Bool(!table.indexes.is_empty()),
        Bool(false),
        Bool(false),
        Bool(false),
    ]);
}

pub(super) fn indexes(relation: &Described<'_>, into: &mut Rows) {
    let Some(table) = relation.table() else {
        return;
    };
    for index in &table.indexes {
        let columns: Vec<String> = index
            .columns
            .iter()
            .filter_map(|&column| table.columns.get(usize::from(column)))
            .map(|column| quoted_identifier(&column.name))
            .collect();
        let definition = format!(
            "CREATE UNIQUE INDEX {} ON {}.{} USING btree ({})",
            quoted_identifier(&index.name),
            quoted_identifier(&table.schema),
            quoted_identifier(&table.name),
            columns.join(", ")
        );
        into.push(vec![
            text(&table.schema),
            text(&table.name),
            text(&index.name),
            Null,
            owned(definition),
        ]);
    }
}
