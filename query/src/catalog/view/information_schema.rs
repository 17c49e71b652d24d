//! The views of `information_schema`: PostgreSQL 15's columns, and rows as its views make them.

use super::relation::{
    Described, char_length_max, char_octets_max, datetime_precision, has_own_collation,
    numeric_precision, numeric_radix, numeric_scale,
};
use super::{
    Domain, INFORMATION_SCHEMA, PG_CATALOG, Rows, Surroundings, ViewColumn, nullable, number,
    owned, text, yes_or_no,
};
use crate::catalog::{IndexDef, PUBLIC};
use alloc::format;
use alloc::vec;
use vireo_abi::datum::Datum::Null;

const ID: Domain = Domain::SqlIdentifier;
const DATA: Domain = Domain::CharacterData;
const NUMBER: Domain = Domain::CardinalNumber;
const YES: Domain = Domain::YesOrNo;

/// PostgreSQL's oid of the schema `public`, in names of NOT NULL constraints.
const PUBLIC_OID: u32 = 2200;

pub(super) const SCHEMATA: &[ViewColumn] = &[
    ("catalog_name", ID),
    ("schema_name", ID),
    ("schema_owner", ID),
    ("default_character_set_catalog", ID),
    ("default_character_set_schema", ID),
    ("default_character_set_name", ID),
    ("sql_path", DATA),
];

pub(super) const TABLES: &[ViewColumn] = &[
    ("table_catalog", ID),
    ("table_schema", ID),
    ("table_name", ID),
    ("table_type", DATA),
    ("self_referencing_column_name", ID),
    ("reference_generation", DATA),
    ("user_defined_type_catalog", ID),
    ("user_defined_type_schema", ID),
    ("user_defined_type_name", ID),
    ("is_insertable_into", YES),
    ("is_typed", YES),
    ("commit_action", DATA),
];

pub(super) const COLUMNS: &[ViewColumn] = &[
    ("table_catalog", ID),
    ("table_schema", ID),
    ("table_name", ID),
    ("column_name", ID),
    ("ordinal_position", NUMBER),
    ("column_default", DATA),
    ("is_nullable", YES),
    ("data_type", DATA),
    ("character_maximum_length", NUMBER),
    ("character_octet_length", NUMBER),
    ("numeric_precision", NUMBER),
    ("numeric_precision_radix", NUMBER),
    ("numeric_scale", NUMBER),
    ("datetime_precision", NUMBER),
    ("interval_type", DATA),
    ("interval_precision", NUMBER),
    ("character_set_catalog", ID),
    ("character_set_schema", ID),
    ("character_set_name", ID),
    ("collation_catalog", ID),
    ("collation_schema", ID),
    ("collation_name", ID),
    ("domain_catalog", ID),
    ("domain_schema", ID),
    ("domain_name", ID),
    ("udt_catalog", ID),
    ("udt_schema", ID),
    ("udt_name", ID),
    ("scope_catalog", ID),
    ("scope_schema", ID),
    ("scope_name", ID),
    ("maximum_cardinality", NUMBER),
    ("dtd_identifier", ID),
    ("is_self_referencing", YES),
    ("is_identity", YES),
    ("identity_generation", DATA),
    ("identity_start", DATA),
    ("identity_increment", DATA),
    ("identity_maximum", DATA),
    ("identity_minimum", DATA),
    ("identity_cycle", YES),
    ("is_generated", DATA),
    ("generation_expression", DATA),
    ("is_updatable", YES),
];

pub(super) const TABLE_CONSTRAINTS: &[ViewColumn] = &[
    ("constraint_catalog", ID),
    ("constraint_schema", ID),
    ("constraint_name", ID),
    ("table_catalog", ID),
    ("table_schema", ID),
    ("table_name", ID),
    ("constraint_type", DATA),
    ("is_deferrable", YES),
    ("initially_deferred", YES),
    ("enforced", YES),
    ("nulls_distinct", YES),
];

pub(super) const KEY_COLUMN_USAGE: &[ViewColumn] = &[
    ("constraint_catalog", ID),
    ("constraint_schema", ID),
    ("constraint_name", ID),
    ("table_catalog", ID),
    ("table_schema", ID),
    ("table_name", ID),
    ("column_name", ID),
    ("ordinal_position", NUMBER),
    ("position_in_unique_constraint", NUMBER),
];

pub(super) fn schemata(of: Surroundings<'_>, into: &mut Rows) {
    let schemas = [
        (INFORMATION_SCHEMA, of.owner),
        (PG_CATALOG, of.owner),
        // PostgreSQL 15 gives it to whoever owns the database.
        (PUBLIC, "pg_database_owner"),
    ];
    into.extend(schemas.map(|(name, owner)| {
        vec![
            text(of.database),
            text(name),
            text(owner),
            Null,
            Null,
            Null,
            Null,
        ]
    }));
}

pub(super) fn tables(relation: &Described<'_>, of: Surroundings<'_>, into: &mut Rows) {
    let is_table = relation.is_table();
    into.push(vec![
        text(of.database),
        text(relation.schema()),
        text(relation.name()),
        text(if is_table { "BASE TABLE" } else { "VIEW" }),
        Null,
        Null,
        Null,
        Null,
        Null,
        yes_or_no(is_table),
        yes_or_no(false),
        Null,
    ]);
}

pub(super) fn columns(relation: &Described<'_>, of: Surroundings<'_>, into: &mut Rows) {
    let mut position = 0;
    relation.each_column(&mut |column| {
        position += 1;
        let sql_type = column.sql_type;
        let of_collation = |value: &str| match has_own_collation(sql_type, column.domain) {
            true => text(value),
            false => Null,
        };
        let of_domain = |value: &str| nullable(column.domain, |_| text(value));
        into.push(vec![
            text(of.database),
            text(relation.schema()),
            text(relation.name()),
            text(column.name),
            number(position),
            nullable(column.default, text),
            yes_or_no(!column.not_null),
            text(sql_type.id.sql_name()),
            nullable(char_length_max(sql_type), number),
            nullable(char_octets_max(sql_type), number),
            nullable(numeric_precision(sql_type), number),
            nullable(numeric_radix(sql_type), number),
            nullable(numeric_scale(sql_type), number),
            nullable(datetime_precision(sql_type), number),
            Null,
            Null,
            Null,
            Null,
            Null,
            of_collation(of.database),
            of_collation(PG_CATALOG),
            of_collation("C"),
            of_domain(of.database),
            of_domain(INFORMATION_SCHEMA),
            nullable(column.domain, text),
            text(of.database),
            text(PG_CATALOG),
            text(sql_type.id.typname()),
            Null,
            Null,
            Null,
            Null,
            owned(format!("{position}")),
            yes_or_no(false),
            yes_or_no(false),
            Null,
            Null,
            Null,
            Null,
            Null,
            yes_or_no(false),
            text("NEVER"),
            Null,
            yes_or_no(relation.is_table()),
        ]);
    });
}

pub(super) fn table_constraints(relation: &Described<'_>, of: Surroundings<'_>, into: &mut Rows) {
    let Some(table) = relation.table() else {
        return;
    };
    let mut constraint = |name, kind, nulls_distinct| {
        into.push(vec![
            text(of.database),
            text(&table.schema),
            name,
            text(of.database),
            text(&table.schema),
            text(&table.name),
            text(kind),
            yes_or_no(false),
            yes_or_no(false),
            yes_or_no(true),
            nulls_distinct,
        ]);
    };
    for index in &table.indexes {
        match index.is_primary {
            true => constraint(text(&index.name), "PRIMARY KEY", Null),
            false => constraint(text(&index.name), "UNIQUE", yes_or_no(true)),
        }
    }
    for (position, column) in table.columns.iter().enumerate() {
        if column.not_null {
            let name = format!("{PUBLIC_OID}_{}_{}_not_null", table.oid, position + 1);
            constraint(owned(name), "CHECK", Null);
        }
    }
}

pub(super) fn key_column_usage(relation: &Described<'_>, of: Surroundings<'_>, into: &mut Rows) {
    let Some(table) = relation.table() else {
        return;
    };
    let mut column = |index: &IndexDef, position: usize, name: &str| {
        into.push(vec![
            text(of.database),
            text(&table.schema),
            text(&index.name),
            text(of.database),
            text(&table.schema),
            text(&table.name),
            text(name),
            number(position as i32 + 1),
            Null,
        ]);
    };
    for index in &table.indexes {
        for (position, &of_table) in index.columns.iter().enumerate() {
            if let Some(def) = table.columns.get(usize::from(of_table)) {
                column(index, position, &def.name);
            }
        }
    }
}
