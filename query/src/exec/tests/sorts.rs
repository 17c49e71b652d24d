//! Sorting against a stable sort of plain rows; limits.

use super::*;
use crate::plan::SortKey;
use crate::types::compare::compare;
use alloc::string::ToString;
use core::cmp::Ordering;

const TYPES: [SqlType; 3] = [INT, TEXT, INT];

/// By the second column, then the first.
fn keys(flags: [bool; 4]) -> Vec<SortKey> {
    let key = |index, sql_type, is_descending, nulls_first| SortKey {
        expr: column(index, sql_type),
        is_descending,
        nulls_first,
    };
    vec![
        key(1, TEXT, flags[0], flags[1]),
        key(0, INT, flags[2], flags[3]),
    ]
}

fn order(a: &Row, b: &Row, keys: &[SortKey]) -> Ordering {
    keys.iter()
        .zip([1, 0])
        .fold(Ordering::Equal, |so_far, (key, c)| {
            so_far.then_with(|| match (a[c].is_null(), b[c].is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) if key.nulls_first => Ordering::Less,
                (true, false) => Ordering::Greater,
                (false, true) if key.nulls_first => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => {
                    let vector = |v: &Datum| Vector::constant(v, TYPES[c].kind(), 1);
                    let order = compare(TYPES[c].id, &vector(&a[c]), 0, &vector(&b[c]), 0);
                    if key.is_descending {
                        order.reverse()
                    } else {
                        order
                    }
                }
            })
        })
}

fn check(rows: &[Row], flags: [bool; 4], limit: Option<i64>) {
    let keys = keys(flags);
    let mut expected = rows.to_vec();
    expected.sort_by(|a, b| order(a, b, &keys));
    expected.truncate(limit.map_or(usize::MAX, |l| l as usize));
    let input = Box::new(values(&TYPES, rows));
    let sort = Node::Sort {
        input,
        keys,
        limit: limit.map(bigint),
    };
    assert_eq!(rows_of(&sort), expected, "{flags:?} {limit:?}");
}

/// The third column tells equal rows apart.
fn numbered(rows: Vec<(Option<i32>, Option<&'static str>)>) -> Vec<Row> {
    let row = |((a, b), i): ((Option<i32>, Option<&str>), i32)| {
        vec![maybe(a), b.map_or(Datum::Null, text), int(i)]
    };
    rows.into_iter().zip(0..).map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn sorts_are_stable(
        rows in prop::collection::vec(
            (small(), prop::sample::select(vec![None, Some(""), Some("a"), Some("abcdefghij"), Some("abcdefghik")])),
            0..200,
        ),
        flags: [bool; 4],
        limit in prop::option::of(0..60_i64),
    ) {
        check(&numbered(rows), flags, limit);
    }
}

#[test]
fn a_limit_drops_rows_early() {
    let rows: Vec<Row> = (0..9000)
        .map(|i| vec![int(i * 7919 % 1000), text("x"), int(i)])
        .collect();
    for limit in [1, 10, 2048, 5000] {
        check(&rows, [false, false, limit % 2 == 0, false], Some(limit));
    }
}

#[test]
fn runs_are_merged() {
    let count = 150_000;
    let key = |i: i64| i * 7919 % 40_009;
    let rows: Vec<Row> = (0..count)
        .map(|i| vec![Datum::Int8(key(i)), Datum::Int8(i)])
        .collect();
    let sort = Node::Sort {
        input: Box::new(values(&[BIGINT, BIGINT], &rows)),
        keys: vec![SortKey {
            expr: column(0, BIGINT),
            is_descending: true,
            nulls_first: true,
        }],
        limit: None,
    };
    let mut expected: Vec<(i64, i64)> = (0..count).map(|i| (key(i), i)).collect();
    expected.sort_by_key(|(key, _)| core::cmp::Reverse(*key));
    let expected: Vec<Row> = expected
        .iter()
        .map(|(k, i)| vec![Datum::Int8(*k), Datum::Int8(*i)])
        .collect();
    assert_eq!(rows_of(&sort), expected);
}

#[test]
fn limit_and_offset() {
    let rows: Vec<Row> = (0..5000).map(|i| vec![int(i)]).collect();
    let part = |l: Option<i64>, o: Option<i64>| {
        rows_of(&limit(values(&[INT], &rows), l.map(bigint), o.map(bigint)))
    };
    assert_eq!(part(Some(10), Some(4995)), rows[4995..]);
    assert_eq!(part(Some(3000), Some(100)), rows[100..3100]);
    assert_eq!(part(Some(0), None), rows[..0]);
    assert_eq!(part(None, Some(2048)), rows[2048..]);
    assert_eq!(part(None, Some(6000)), rows[..0]);
    assert_eq!(part(Some(i64::MAX), Some(i64::MAX)), rows[..0]);
    let null = limit(
        values(&[INT], &rows),
        Some(constant(Datum::Null, BIGINT)),
        None,
    );
    assert_eq!(rows_of(&null), rows);
    let state = |l, o| {
        let node = limit(values(&[INT], &rows), l, o);
        run(&node, &fixture().cx).unwrap_err().state().to_string()
    };
    assert_eq!(state(Some(bigint(-1)), None), "2201W");
    assert_eq!(state(None, Some(bigint(-1))), "2201X");
}

#[test]
fn memory_is_accounted() {
    let fixture = fixture();
    fixture.txn.set_memory_limit(100_000);
    let rows: Vec<Row> = (0..9000).map(|i| vec![int(i)]).collect();
    let keys = vec![SortKey {
        expr: column(0, INT),
        is_descending: false,
        nulls_first: false,
    }];
    let input = Box::new(values(&[INT], &rows));
    let sort = Node::Sort {
        input: input.clone(),
        keys,
        limit: None,
    };
    assert_eq!(run(&sort, &fixture.cx).unwrap_err().state(), "53200");
    fixture.txn.set_memory_limit(100_000);
    assert_eq!(
        run(&Node::Distinct { input }, &fixture.cx)
            .unwrap_err()
            .state(),
        "53200"
    );
}
