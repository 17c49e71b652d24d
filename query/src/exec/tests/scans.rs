//! Scans of tables and indexes.

use super::*;
use crate::catalog::view::SystemView;
use crate::catalog::{self, ColumnDef, Relation, TableDef};
use crate::plan::Bound;
use crate::txn::KeyRange;
use crate::txn::ReadLimit;
use alloc::format;
use vireo_abi::ids::CATALOG_TREE;

/// (a, b): 0, 0 … and a row with a NULL at the end.
fn rows(count: i32) -> Vec<Row> {
    let mut rows: Vec<Row> = (0..count).map(|i| vec![int(i / 10), int(i % 10)]).collect();
    rows.push(vec![Datum::Null, int(0)]);
    rows.push(vec![int(0), Datum::Null]);
    rows
}

#[test]
fn a_sequential_scan_filters_and_projects() {
    let fixture = fixture();
    let data: Vec<Row> = (0..5000)
        .map(|i| vec![int(i), text("some text"), int(i % 3)])
        .collect();
    let (table, _) = table(&fixture, &[INT, TEXT, INT], &data, &[]);
    let scan = |filter| Node::SeqScan {
        table: table.clone(),
        columns: vec![
            ScanColumn::Table(1),
            ScanColumn::RowId,
            ScanColumn::Table(2),
            ScanColumn::Version,
        ],
        filter,
    };
    let row = |i: i32| {
        vec![
            text("some text"),
            Datum::Int8(i64::from(i) + 1),
            int(i % 3),
            Datum::Int8(1),
        ]
    };
    let all: Vec<Row> = (0..5000).map(row).collect();
    assert_eq!(run(&scan(None), &fixture.cx).unwrap(), all);
    let some: Vec<Row> = (0..5000).filter(|i| i % 3 == 1).map(row).collect();
    let filter = operator("=", column(2, INT), number(1));
    assert_eq!(run(&scan(Some(filter)), &fixture.cx).unwrap(), some);
    let none = operator("=", column(2, INT), number(9));
    assert!(run(&scan(Some(none)), &fixture.cx).unwrap().is_empty());
}

#[test]
fn a_limit_reads_little() {
    let fixture = fixture();
    let data: Vec<Row> = (0..20_000).map(|i| vec![int(i)]).collect();
    let (table, _) = table(&fixture, &[INT], &data, &[]);
    let columns = all_columns(&table);
    let node = limit(
        Node::SeqScan {
            table,
            columns,
            filter: None,
        },
        Some(bigint(5)),
        None,
    );
    let before = fixture.txn.memory_used();
    assert_eq!(run(&node, &fixture.cx).unwrap(), data[..5]);
    assert!(fixture.txn.memory_used() - before < 8192);
}

#[test]
fn a_batch_of_large_rows_is_short() {
    let fixture = fixture();
    // Small rows first, so that the batch's size cannot be guessed from them.
    let mut data: Vec<Row> = (0..100).map(|i| vec![int(i), text("small")]).collect();
    let large = "x".repeat(3 << 20);
    data.extend((100..120).map(|i| vec![int(i), text(&large)]));
    data.push(vec![int(120), text("small")]);
    let (table, index) = table(&fixture, &[INT, TEXT], &data, &[0]);
    let columns = all_columns(&table);
    let seq_scan = Node::SeqScan {
        table: table.clone(),
        columns: columns.clone(),
        filter: None,
    };
    let index_scan = Node::IndexScan {
        table,
        columns,
        probe: probe(index, &[0], vec![]),
        filter: None,
    };
    for (node, bytes_max) in [(seq_scan, 7 << 20), (index_scan, (32 * 3 + 4) << 20)] {
        let mut operator = build(&node).unwrap();
        let mut rows = 0;
        while let Some(chunk) = block_on(operator.next(&fixture.cx)).unwrap() {
            let bytes: usize = (0..chunk.rows())
                .map(|row| match chunk.column(1).datum(row) {
                    Datum::Bytes(bytes) => bytes.len(),
                    _ => 0,
                })
                .sum();
            assert!(bytes <= bytes_max, "{bytes} bytes in a chunk");
            rows += chunk.rows();
        }
        assert_eq!(rows, 121);
    }
}

#[test]
fn a_scan_can_be_canceled() {
    let fixture = fixture();
    let data: Vec<Row> = (0..20_000).map(|i| vec![int(i)]).collect();
    let (table, _) = table(&fixture, &[INT], &data, &[]);
    let columns = all_columns(&table);
    fixture.txn.cancel();
    let scan = Node::SeqScan {
        table,
        columns,
        filter: None,
    };
    assert_eq!(run(&scan, &fixture.cx).unwrap_err().state(), "57014");
}

fn bound(value: i32, is_inclusive: bool) -> Option<Bound> {
    Some(Bound {
        value: number(value),
        is_inclusive,
    })
}

#[test]
fn ranges_of_an_index() {
    let fixture = fixture();
    let (table, index) = table(&fixture, &[INT, INT], &rows(100), &[0, 1]);
    let scan = |equal: Vec<Expr>, lower, upper, is_backward| {
        let probe = IndexProbe {
            lower,
            upper,
            is_backward,
            ..probe(index, &[0, 1], equal)
        };
        let columns = all_columns(&table);
        let node = Node::IndexScan {
            table: table.clone(),
            probe,
            columns,
            filter: None,
        };
        run(&node, &fixture.cx).unwrap()
    };
    let pair = |a, b| vec![int(a), int(b)];
    // Both columns: a lookup.
    assert_eq!(
        scan(vec![number(3), number(4)], None, None, false),
        [pair(3, 4)]
    );
    assert!(scan(vec![number(3), number(40)], None, None, false).is_empty());
    assert!(
        scan(
            vec![number(3), constant(Datum::Null, INT)],
            None,
            None,
            false
        )
        .is_empty()
    );
    // The first column, with NULLs of the second; those come last.
    let mut first: Vec<Row> = (0..10).map(|b| pair(0, b)).collect();
    first.push(vec![int(0), Datum::Null]);
    assert_eq!(scan(vec![number(0)], None, None, false), first);
    first.reverse();
    assert_eq!(scan(vec![number(0)], None, None, true), first);
    // A range of the second leaves NULLs out.
    let range = |lower, upper| scan(vec![number(0)], lower, upper, false).len();
    assert_eq!(range(bound(3, true), None), 7);
    assert_eq!(range(bound(3, false), None), 6);
    assert_eq!(range(None, bound(3, true)), 4);
    assert_eq!(range(None, bound(3, false)), 3);
    assert_eq!(range(bound(3, false), bound(8, false)), 4);
    assert_eq!(range(bound(8, false), bound(3, false)), 0);
    // A range of the first.
    assert_eq!(
        scan(vec![], bound(2, false), bound(4, true), false).len(),
        20
    );
    assert_eq!(scan(vec![], bound(9, true), None, false).len(), 10);
    assert_eq!(scan(vec![], None, None, true).len(), 102);
    assert_eq!(scan(vec![], None, None, true)[0], [Datum::Null, int(0)]);
}

#[test]
fn parameters_probe_an_index() {
    let mut fixture = fixture();
    let data: Vec<Row> = (0..100).map(|i| vec![int(i), text("row")]).collect();
    let (table, index) = table(&fixture, &[INT, TEXT], &data, &[0]);
    let parameter = Expr::Parameter {
        index: 0,
        sql_type: INT,
    };
    let columns = all_columns(&table);
    let probe = probe(index, &[0], vec![parameter]);
    let node = Node::IndexScan {
        table,
        probe,
        columns,
        filter: None,
    };
    fixture.cx.parameters = vec![int(42)];
    assert_eq!(run(&node, &fixture.cx).unwrap(), [data[42].clone()]);
    fixture.cx.parameters = vec![Datum::Null];
    assert!(run(&node, &fixture.cx).unwrap().is_empty());
    fixture.cx.parameters = vec![text("42")];
    assert_eq!(run(&node, &fixture.cx).unwrap_err().state(), "XX000");
    fixture.cx.parameters = vec![];
    assert_eq!(run(&node, &fixture.cx).unwrap_err().state(), "XX000");
}

#[test]
fn damage_is_said() {
    let fixture = fixture();
    let (table, index) = table(&fixture, &[INT, INT], &rows(3), &[0, 1]);
    let columns = all_columns(&table);
    let scan = Node::SeqScan {
        table: table.clone(),
        columns: columns.clone(),
        filter: None,
    };
    let probe = probe(index, &[0, 1], vec![number(0), number(1)]);
    let lookup = Node::IndexScan {
        table: table.clone(),
        probe,
        columns,
        filter: None,
    };
    let txn = &*fixture.txn;
    txn.put(table.tree, &key::row_id(2), b"\x10\x02", Version(1))
        .unwrap();
    assert_eq!(run(&scan, &fixture.cx).unwrap_err().state(), "XX001");
    assert_eq!(run(&lookup, &fixture.cx).unwrap_err().state(), "XX001");
    txn.delete(table.tree, &key::row_id(2), Version(1)).unwrap();
    assert_eq!(run(&lookup, &fixture.cx).unwrap_err().state(), "XX001");
    let mut cursor = txn.scan(index, KeyRange::ALL).unwrap();
    let mut keys = Vec::new();
    while cursor
        .next(ReadLimit::rows(9), &mut |row| {
            keys.push(row.key.to_vec());
            Ok(())
        })
        .unwrap()
    {}
    for key in keys {
        txn.put(index, &key, b"short", Version(1)).unwrap();
    }
    assert_eq!(run(&lookup, &fixture.cx).unwrap_err().state(), "XX001");
}

#[test]
fn a_system_view_follows_the_catalog() {
    let fixture = fixture();
    let create = |name: String, columns: u32| {
        let column = |i: u32| ColumnDef {
            name: format!("c{i}"),
            sql_type: INT,
            not_null: false,
            default: None,
        };
        let def = TableDef {
            oid: 16384,
            schema: catalog::PUBLIC.into(),
            name,
            columns: (0..columns).map(column).collect(),
            tree: TreeId(16384),
            indexes: vec![],
            row_estimate: -1.0,
        };
        let key = catalog::relation_key(&def.schema, &def.name);
        let value = catalog::encode(&Relation::Table(def));
        let txn = &fixture.txn;
        txn.put(CATALOG_TREE, &key, &value, Version(0)).unwrap();
    };
    let view = |view, columns: &[u16]| Node::SystemView {
        view,
        columns: columns.to_vec(),
    };
    let tables = view(SystemView::PgTables, &[1, 4]);
    assert_eq!(run(&tables, &fixture.cx).unwrap(), Vec::<Row>::new());
    create("first".into(), 2);
    let row = |name: &str| vec![text(name), Datum::Bool(false)];
    assert_eq!(run(&tables, &fixture.cx).unwrap(), [row("first")]);
    // More rows than a chunk holds, and than one entry gives.
    (0..4).for_each(|i| create(format!("t{i}"), 1000));
    let columns = run(&view(SystemView::Columns, &[2, 4]), &fixture.cx).unwrap();
    let of_t3 = columns.iter().filter(|row| row[0] == text("t3"));
    let positions: Vec<Datum> = of_t3.map(|row| row[1].clone()).collect();
    assert_eq!(positions, (1..=1000).map(int).collect::<Vec<_>>());
    // A plan is not trusted.
    let past = view(SystemView::PgTables, &[8]);
    assert_eq!(run(&past, &fixture.cx).unwrap_err().state(), "XX000");
}
