//! Grouping, DISTINCT and aggregates.

use super::*;
use crate::aggregates::resolve_aggregate;
use crate::plan::AggregateCall;
use alloc::collections::BTreeSet;
use alloc::format;

const TYPES: [SqlType; 2] = [INT, INT];

fn call(name: &str, arguments: Vec<Expr>) -> AggregateCall {
    let types: Vec<TypeId> = arguments.iter().map(|a| a.sql_type().id).collect();
    let resolved = resolve_aggregate(name, &types, arguments.is_empty()).unwrap();
    AggregateCall {
        aggregate: resolved.id,
        arguments,
        is_distinct: false,
        filter: None,
        sql_type: resolved.returns,
    }
}

/// count(*), count(v), count(distinct v), count(v) filter (v > 1), by key or over all.
fn plan(rows: &[Row], has_key: bool) -> Node {
    let v = || column(1, INT);
    let large = operator(">", v(), number(1));
    Node::Aggregate {
        input: Box::new(values(&TYPES, rows)),
        group: if has_key {
            vec![column(0, INT)]
        } else {
            vec![]
        },
        aggregates: vec![
            call("count", vec![]),
            call("count", vec![v()]),
            AggregateCall {
                is_distinct: true,
                ..call("count", vec![v()])
            },
            AggregateCall {
                filter: Some(large),
                ..call("count", vec![v()])
            },
        ],
    }
}

fn counts(rows: &[&Row]) -> Row {
    let present: Vec<i32> = rows
        .iter()
        .filter_map(|r| match r[1] {
            Datum::Int4(v) => Some(v),
            _ => None,
        })
        .collect();
    let distinct: BTreeSet<i32> = present.iter().copied().collect();
    let large = present.iter().filter(|v| **v > 1).count();
    [rows.len(), present.len(), distinct.len(), large]
        .map(|n| Datum::Int8(n as i64))
        .into()
}

fn check(rows: &[Row]) {
    let all: Vec<&Row> = rows.iter().collect();
    assert_eq!(rows_of(&plan(rows, false)), [counts(&all)]);
    let mut keys: Vec<&Datum> = Vec::new();
    for row in rows {
        if !keys.contains(&&row[0]) {
            keys.push(&row[0]);
        }
    }
    let expected: Vec<Row> = keys
        .iter()
        .map(|key| {
            let group: Vec<&Row> = rows.iter().filter(|r| r[0] == **key).collect();
            [&[(*key).clone()][..], &counts(&group)].concat()
        })
        .collect();
    assert_eq!(rows_of(&plan(rows, true)), expected);
}

fn check_distinct(rows: &[Row]) {
    let mut seen = BTreeSet::new();
    let expected: Vec<Row> = rows
        .iter()
        .filter(|r| seen.insert(format!("{r:?}")))
        .cloned()
        .collect();
    let distinct = Node::Distinct {
        input: Box::new(values(&TYPES, rows)),
    };
    assert_eq!(rows_of(&distinct), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn groups_agree_with_a_model(
        rows in prop::collection::vec((small(), small()).prop_map(|(a, b)| vec![maybe(a), maybe(b)]), 0..60),
    ) {
        check_distinct(&rows);
        check(&rows);
    }
}

#[test]
fn many_groups() {
    let rows: Vec<Row> = (0..20_000)
        .map(|i| vec![int(i % 7000), int(i % 3)])
        .collect();
    check_distinct(&rows);
    let rows: Vec<Row> = (0..6000).map(|i| vec![int(i % 2500), int(i % 3)]).collect();
    check(&rows);
}

#[test]
fn rows_without_columns_are_alike() {
    let node = Node::Values {
        types: vec![],
        rows: vec![vec![]; 3],
    };
    assert_eq!(rows_of(&node).len(), 3);
    assert_eq!(
        rows_of(&Node::Distinct {
            input: Box::new(node)
        }),
        [Row::new()]
    );
}

#[test]
fn inputs_are_appended() {
    let one = values(&TYPES, &[vec![int(1), int(2)]]);
    let none = values(&TYPES, &[]);
    let node = Node::Append {
        inputs: vec![one.clone(), none, one],
    };
    assert_eq!(rows_of(&node), [[int(1), int(2)], [int(1), int(2)]]);
}
