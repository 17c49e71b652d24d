//! What the hot path costs. Run with
//! `cargo test --release -p vireo-query exec::tests::speed -- --nocapture --test-threads 1`; no figure is asserted.

use super::*;
use crate::exec::build_analyzed;
use crate::plan::{JoinKind, SortKey};
use crate::row::wire;
use crate::types::output::TextFormat;
use std::println;
use std::time::Instant;

fn measure(what: &str, rounds: u32, mut step: impl FnMut()) {
    step();
    let start = Instant::now();
    for _ in 0..rounds {
        step();
    }
    println!("{what}: {:?}", start.elapsed() / rounds);
}

#[test]
fn a_point_select() {
    let mut fixture = fixture();
    let padded = "x".repeat(84);
    let data: Vec<Row> = (0..1000)
        .map(|i| vec![int(i), int(1), int(7), text(&padded)])
        .collect();
    let (table, index) = table(&fixture, &[INT, INT, INT, TEXT], &data, &[0]);
    fixture.cx.parameters = vec![int(500)];
    let scan = Node::IndexScan {
        table,
        probe: probe(
            index,
            &[0],
            vec![Expr::Parameter {
                index: 0,
                sql_type: INT,
            }],
        ),
        columns: vec![ScanColumn::Table(2)],
        filter: None,
    };
    let node = Node::Project {
        input: Box::new(scan),
        exprs: vec![column(0, INT)],
    };
    let mut out = Vec::new();
    let mut select = || {
        out.clear();
        let format = TextFormat::new(&fixture.cx.eval.format);
        let mut operator = build(&node).unwrap();
        while let Some(chunk) = block_on(operator.next(&fixture.cx)).unwrap() {
            wire::data_rows(&[INT], &[], &chunk, &format, &mut out);
        }
    };
    measure("point select, build to DataRow", 10_000, &mut select);
    assert_eq!(out, b"D\0\0\0\x0b\0\x01\0\0\0\x017");
    measure("  of that, build", 10_000, || drop(build(&node)));
    let key = key::row_id(501);
    let txn = &fixture.txn;
    measure("  of that, one get of a BTreeMap", 10_000, || {
        txn.get(vireo_abi::ids::TreeId(16384), &key, &mut |_| Ok(()))
            .unwrap();
    });
}

#[test]
fn a_hundred_thousand_rows() {
    let fixture = fixture();
    let data: Vec<Row> = (0..100_000)
        .map(|i| {
            vec![
                int(i),
                int(i % 100),
                int(i.wrapping_mul(7919)),
                text("some filler"),
            ]
        })
        .collect();
    let (table, _) = table(&fixture, &[INT, INT, INT, TEXT], &data, &[]);
    let scan = |filter| Node::SeqScan {
        columns: all_columns(&table),
        table: table.clone(),
        filter,
    };
    let time = |what: &str, node: Node| {
        measure(what, 5, || {
            let mut operator = build(&node).unwrap();
            while block_on(operator.next(&fixture.cx)).unwrap().is_some() {}
        });
    };
    time("scan", scan(None));
    time(
        "scan, 1 row in 100 passes",
        scan(Some(operator("=", column(1, INT), number(7)))),
    );
    time(
        "distinct, 100 values",
        Node::Distinct {
            input: Box::new(Node::Project {
                input: Box::new(scan(None)),
                exprs: vec![column(1, INT)],
            }),
        },
    );
    let keys = |expr| {
        vec![SortKey {
            expr,
            is_descending: false,
            nulls_first: false,
        }]
    };
    time(
        "sort",
        Node::Sort {
            input: Box::new(scan(None)),
            keys: keys(column(2, INT)),
            limit: None,
        },
    );
    time(
        "top 10",
        Node::Sort {
            input: Box::new(scan(None)),
            keys: keys(column(2, INT)),
            limit: Some(bigint(10)),
        },
    );
    time(
        "hash join with itself",
        Node::HashJoin {
            left: Box::new(scan(None)),
            right: Box::new(scan(None)),
            kind: JoinKind::Inner,
            left_keys: vec![column(0, INT)],
            right_keys: vec![column(0, INT)],
            residual: None,
        },
    );
}

#[test]
fn statistics_count_rows() {
    let rows: Vec<Row> = (0..5000).map(|i| vec![int(i)]).collect();
    let predicate = operator("<", column(0, INT), number(10));
    let node = filter(values(&[INT], &rows), predicate);
    let (mut operator, stats) = build_analyzed(&node, None).unwrap();
    let cx = fixture().cx;
    while block_on(operator.next(&cx)).unwrap().is_some() {}
    let rows: Vec<u64> = stats.iter().map(|s| s.rows.get()).collect();
    assert_eq!(rows, [10, 5000]);
}
