//! Every kind of join against nested loops over plain rows.

use super::*;
use crate::plan::JoinKind;

const KINDS: [JoinKind; 6] = [
    JoinKind::Inner,
    JoinKind::Left,
    JoinKind::Right,
    JoinKind::Full,
    JoinKind::Semi,
    JoinKind::Anti,
];

const TYPES: [SqlType; 2] = [INT, INT];

/// Keys equal and, if asked, the left's value below the right's.
fn matches(l: &Row, r: &Row, has_residual: bool) -> bool {
    let below = |a: &Datum, b: &Datum| match (a, b) {
        (Datum::Int4(a), Datum::Int4(b)) => a < b,
        _ => false,
    };
    !l[0].is_null() && l[0] == r[0] && (!has_residual || below(&l[1], &r[1]))
}

fn model(left: &[Row], right: &[Row], kind: JoinKind, has_residual: bool) -> Vec<Row> {
    let nulls = vec![Datum::Null; 2];
    let mut out = Vec::new();
    let mut right_matched = vec![false; right.len()];
    for l in left {
        let found: Vec<usize> = (0..right.len())
            .filter(|r| matches(l, &right[*r], has_residual))
            .collect();
        found.iter().for_each(|r| right_matched[*r] = true);
        match kind {
            JoinKind::Semi if !found.is_empty() => out.push(l.clone()),
            JoinKind::Anti if found.is_empty() => out.push(l.clone()),
            JoinKind::Semi | JoinKind::Anti => {}
            _ => out.extend(found.iter().map(|r| [&l[..], &right[*r]].concat())),
        }
        if found.is_empty() && matches!(kind, JoinKind::Left | JoinKind::Full) {
            out.push([&l[..], &nulls].concat());
        }
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        let lone = right
            .iter()
            .zip(right_matched)
            .filter(|(_, matched)| !matched);
        out.extend(lone.map(|(r, _)| [&nulls[..], r].concat()));
    }
    out
}

fn residual() -> Expr {
    operator("<", column(1, INT), column(3, INT))
}

/// Hash join (with the key as a column and as an expression) and nested loops, all kinds, in order.
fn check(left: &[Row], right: &[Row]) {
    for kind in KINDS {
        for has_residual in [false, true] {
            let expected = model(left, right, kind, has_residual);
            let (l, r) = (
                Box::new(values(&TYPES, left)),
                Box::new(values(&TYPES, right)),
            );
            let residual = has_residual.then(residual);
            let computed = |c| operator("+", c, number(0));
            for right_key in [column(0, INT), computed(column(0, INT))] {
                let join = Node::HashJoin {
                    left: l.clone(),
                    right: r.clone(),
                    kind,
                    left_keys: vec![column(0, INT)],
                    right_keys: vec![right_key],
                    residual: residual.clone(),
                };
                assert_eq!(rows_of(&join), expected, "hash {kind:?} {has_residual}");
            }
            let equal = operator("=", column(0, INT), column(2, INT));
            let condition = Expr::And([equal].into_iter().chain(residual).collect());
            let join = Node::NestedLoopJoin {
                left: l,
                right: r,
                kind,
                condition: Some(condition),
            };
            assert_eq!(rows_of(&join), expected, "nested {kind:?} {has_residual}");
        }
    }
}

fn sorted(mut rows: Vec<Row>) -> Vec<String> {
    let mut texts: Vec<String> = rows.drain(..).map(|r| alloc::format!("{r:?}")).collect();
    texts.sort();
    texts
}

/// The index is on (key, value, position): a range, and unique.
fn check_index_join(left: &[Row], right: &[Row]) {
    let fixture = fixture();
    let types = [INT, INT, INT];
    let stored: Vec<Row> = right
        .iter()
        .zip(0..)
        .map(|(r, i)| vec![r[0].clone(), r[1].clone(), int(i)])
        .collect();
    let (table, index) = table(&fixture, &types, &stored, &[0, 1, 2]);
    for kind in [
        JoinKind::Inner,
        JoinKind::Left,
        JoinKind::Semi,
        JoinKind::Anti,
    ] {
        for has_residual in [false, true] {
            let join = Node::IndexJoin {
                left: Box::new(values(&TYPES, left)),
                table: table.clone(),
                probe: probe(index, &[0, 1, 2], vec![column(0, INT)]),
                columns: vec![ScanColumn::Table(0), ScanColumn::Table(1)],
                kind,
                residual: has_residual.then(residual),
            };
            let rows = run(&join, &fixture.cx).unwrap();
            let expected = model(left, right, kind, has_residual);
            assert_eq!(sorted(rows), sorted(expected), "{kind:?} {has_residual}");
        }
    }
}

fn side(rows: core::ops::Range<usize>) -> impl Strategy<Value = Vec<Row>> {
    let row = (small(), small()).prop_map(|(a, b)| vec![maybe(a), maybe(b)]);
    prop::collection::vec(row, rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn joins_agree_with_nested_loops(left in side(0..30), right in side(0..30)) {
        check(&left, &right);
        check_index_join(&left, &right);
    }
}

#[test]
fn joins_of_many_chunks() {
    let rows = |count: i32, modulus: i32| -> Vec<Row> {
        let key = |i: i32| {
            if i % 7 == 0 {
                Datum::Null
            } else {
                int(i % modulus)
            }
        };
        (0..count).map(|i| vec![key(i), int(i % 11)]).collect()
    };
    check(&rows(2500, 700), &rows(300, 900));
    check(&rows(40, 4), &rows(2500, 5));
    check_index_join(&rows(40, 4), &rows(2500, 5));
    check_index_join(&rows(2500, 700), &rows(300, 900));
}

#[test]
fn a_join_without_a_condition_is_every_pair() {
    let side = |count| -> Vec<Row> { (0..count).map(|i| vec![int(i)]).collect() };
    let join = Node::NestedLoopJoin {
        left: Box::new(values(&[INT], &side(70))),
        right: Box::new(values(&[INT], &side(80))),
        kind: JoinKind::Inner,
        condition: None,
    };
    let rows = rows_of(&join);
    assert_eq!(rows.len(), 5600);
    assert_eq!(rows[81], [int(1), int(1)]);
}

#[test]
fn unique_probes_are_lookups() {
    let fixture = fixture();
    let rows: Vec<Row> = (0..100).map(|i| vec![int(i), text("x")]).collect();
    let (table, index) = table(&fixture, &[INT, TEXT], &rows, &[0]);
    let left: Vec<Row> = [maybe(Some(7)), Datum::Null, int(200), int(99)]
        .map(|v| vec![v])
        .into();
    let join = Node::IndexJoin {
        left: Box::new(values(&[INT], &left)),
        columns: all_columns(&table),
        table,
        probe: probe(index, &[0], vec![column(0, INT)]),
        kind: JoinKind::Left,
        residual: None,
    };
    let lone = |v| vec![v, Datum::Null, Datum::Null];
    let expected = [
        vec![int(7), int(7), text("x")],
        lone(Datum::Null),
        lone(int(200)),
        vec![int(99), int(99), text("x")],
    ];
    assert_eq!(run(&join, &fixture.cx).unwrap(), expected);
}
