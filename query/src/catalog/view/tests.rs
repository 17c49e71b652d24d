//! Rows against what PostgreSQL 15 answers for the same relations.

use super::{Rows, Surroundings, SystemView, relation};
use crate::catalog::{ColumnDef, IndexDef, TableDef};
use std::string::{String, ToString};
use std::vec::Vec;
use vireo_abi::datum::Datum;
use vireo_abi::ids::TreeId;
use vireo_abi::sql_type::{SqlType, TypeId};

const OF: Surroundings<'_> = Surroundings {
    database: "postgres",
    owner: "postgres",
};

fn table() -> TableDef {
    let column = |name: &str, sql_type: SqlType, not_null, default: Option<&str>| ColumnDef {
        name: name.to_string(),
        sql_type,
        not_null,
        default: default.map(ToString::to_string),
    };
    let index = |oid, name: &str, columns: &[u16], is_primary| IndexDef {
        oid,
        name: name.to_string(),
        tree: TreeId(oid),
        columns: columns.to_vec(),
        is_primary,
    };
    TableDef {
        oid: 16400,
        schema: "public".to_string(),
        name: "Odd".to_string(),
        columns: std::vec![
            column("id", TypeId::Int4.into(), true, None),
            column("select", TypeId::Text.into(), false, Some("'x'::text")),
            column(
                "n",
                SqlType {
                    id: TypeId::Numeric,
                    typmod: ((12 << 16) | 3) + 4
                },
                false,
                None
            ),
        ],
        tree: TreeId(16400),
        indexes: std::vec![
            index(16401, "Odd_pkey", &[0], true),
            index(16402, "both", &[2, 1], false),
        ],
        row_estimate: -1.0,
    }
}

fn shown(rows: &Rows) -> Vec<String> {
    let value = |datum: &Datum| match datum {
        Datum::Null => "-".to_string(),
        Datum::Bool(value) => value.to_string(),
        Datum::Int4(value) => value.to_string(),
        Datum::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => panic!("{other:?}"),
    };
    let line = |row: &Vec<Datum>| row.iter().map(value).collect::<Vec<_>>().join("|");
    rows.iter().map(line).collect()
}

fn check(view: SystemView, expected: &[&str]) {
    let mut rows = Rows::new();
    view.rows(&table(), OF, &mut rows);
    assert_eq!(shown(&rows), expected, "{view:?}");
}

#[test]
fn a_table_is_described_as_postgresql_does() {
    check(
        SystemView::Tables,
        &["postgres|public|Odd|BASE TABLE|-|-|-|-|-|YES|NO|-"],
    );
    check(
        SystemView::TableConstraints,
        &[
            "postgres|public|Odd_pkey|postgres|public|Odd|PRIMARY KEY|NO|NO|YES|-",
            "postgres|public|both|postgres|public|Odd|UNIQUE|NO|NO|YES|YES",
            "postgres|public|2200_16400_1_not_null|postgres|public|Odd|CHECK|NO|NO|YES|-",
        ],
    );
    check(
        SystemView::KeyColumnUsage,
        &[
            "postgres|public|Odd_pkey|postgres|public|Odd|id|1|-",
            "postgres|public|both|postgres|public|Odd|n|1|-",
            "postgres|public|both|postgres|public|Odd|select|2|-",
        ],
    );
    check(
        SystemView::PgTables,
        &["public|Odd|postgres|-|true|false|false|false"],
    );
    check(
        SystemView::PgIndexes,
        &[
            "public|Odd|Odd_pkey|-|CREATE UNIQUE INDEX \"Odd_pkey\" ON public.\"Odd\" USING btree (id)",
            "public|Odd|both|-|CREATE UNIQUE INDEX \"both\" ON public.\"Odd\" USING btree (n, \"select\")",
        ],
    );
    check(SystemView::Schemata, &[]);
}

#[test]
fn rows_have_the_columns_of_their_view() {
    for view in SystemView::ALL {
        let mut rows = Rows::new();
        view.own_rows(OF, &mut rows);
        view.rows(&table(), OF, &mut rows);
        let types: Vec<SqlType> = view.columns().map(|(_, sql_type)| sql_type).collect();
        for row in &rows {
            assert_eq!(row.len(), types.len(), "{view:?}");
            for (value, sql_type) in row.iter().zip(&types) {
                let kind = value.kind();
                assert!(
                    kind.is_none_or(|kind| kind == sql_type.kind()),
                    "{view:?}: {value:?}"
                );
            }
        }
        assert_eq!(
            SystemView::find(Some(view.schema()), view.name()),
            Some(*view)
        );
        assert_eq!(view.column_type(types.len() as u16), None);
    }
}

#[test]
fn names_without_a_schema_are_of_pg_catalog() {
    assert_eq!(
        SystemView::find(None, "pg_tables"),
        Some(SystemView::PgTables)
    );
    assert_eq!(SystemView::find(None, "tables"), None);
    assert_eq!(SystemView::find(Some("public"), "pg_tables"), None);
}

#[test]
fn typmods_are_read_as_postgresql_reads_them() {
    let of = |id, typmod| SqlType { id, typmod };
    assert_eq!(relation::char_length_max(of(TypeId::Varchar, 14)), Some(10));
    assert_eq!(relation::char_octets_max(of(TypeId::Varchar, 14)), Some(40));
    assert_eq!(
        relation::char_octets_max(of(TypeId::Text, -1)),
        Some(1_073_741_824)
    );
    assert_eq!(relation::numeric_precision(of(TypeId::Numeric, -1)), None);
    assert_eq!(relation::numeric_radix(of(TypeId::Numeric, -1)), Some(10));
    assert_eq!(
        relation::datetime_precision(of(TypeId::Timestamptz, 2)),
        Some(2)
    );
    assert_eq!(
        relation::datetime_precision(of(TypeId::Interval, -1)),
        Some(6)
    );
}
