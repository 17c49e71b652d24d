//! Aggregates against what PostgreSQL 15 answered (`tests/golden.tsv`, written by `tests/generate.py`), and what
//! no answer shows: groups, chunks, memory, malformed plans.

use super::*;
use crate::settings::{EvalContext, FormatSettings};
use crate::types::cast::cast;
use crate::types::output::write_text;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::{format, vec};
use core::cell::Cell;
use proptest::prelude::*;
use std::println;
use vireo_abi::chunk::Values;
use vireo_abi::datum::Datum;

fn context() -> EvalContext {
    EvalContext {
        format: Rc::default(),
        transaction_us: 0,
        statement_us: 0,
        user: Rc::from(""),
        database: Rc::from(""),
        random: Cell::new(1),
    }
}

fn sql_type(text: &str) -> SqlType {
    let (name, typmod) = match text.split_once('(') {
        Some((name, n)) => (name, n.trim_end_matches(')').parse::<i32>().unwrap() + 4),
        None => (text, -1),
    };
    let id = match name {
        "char" => TypeId::Bpchar,
        "varchar" => TypeId::Varchar,
        "time" => TypeId::Time,
        "timestamp" => TypeId::Timestamp,
        "timestamptz" => TypeId::Timestamptz,
        _ => *TypeId::ALL.iter().find(|t| t.sql_name() == name).unwrap(),
    };
    SqlType { id, typmod }
}

/// A result's text, or the error.
type Answer = Result<String, String>;

fn column_of(ty: SqlType, texts: &[&str], to: TypeId) -> Result<Vector, String> {
    let mut plain = Vector::with_capacity(Kind::Bytes, texts.len());
    for text in texts {
        match *text {
            "<null>" => plain.push_null(),
            text => plain.push(&Datum::Bytes(text.as_bytes().to_vec())),
        }
    }
    let fault = |e: alloc::boxed::Box<vireo_abi::message::error::SqlError>| {
        format!("{} {}", e.state(), e.message)
    };
    let typed = cast(&plain, TypeId::Unknown.into(), ty, true, &context()).map_err(fault)?;
    cast(&typed, ty, to.into(), false, &context()).map_err(fault)
}

/// How the rows reach the accumulator.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// All at once, in one group.
    OneGroup,
    /// One by one, in one group.
    RowByRow,
    /// All at once, each row to each of three groups; a fourth group stays empty.
    Interleaved,
    /// As `Interleaved`, the groups made one after the other, with rows of NULL between.
    WithNulls,
}

fn aggregated(
    resolved: &ResolvedAggregate,
    arguments: &[Vector],
    rows: usize,
    way: Way,
) -> Result<Vector, String> {
    let types: Vec<SqlType> = resolved.arguments.iter().map(|t| (*t).into()).collect();
    let mut accumulator = accumulator(resolved.id, &types);
    let mut update = |groups: usize, each: &[u32], arguments: &[Vector]| {
        accumulator.resize(groups);
        accumulator.update(each, arguments, each.len())
    };
    let all: Vec<u32> = (0..rows as u32).collect();
    let result = match way {
        Way::OneGroup => update(1, &vec![0; rows], arguments),
        Way::RowByRow => all.iter().try_for_each(|row| {
            let one: Vec<Vector> = arguments.iter().map(|a| a.take(&[*row])).collect();
            update(1, &[0], &one)
        }),
        Way::Interleaved => {
            let triple: Vec<u32> = all.iter().flat_map(|row| [*row; 3]).collect();
            let groups: Vec<u32> = all.iter().flat_map(|_| [0, 1, 2]).collect();
            let many: Vec<Vector> = arguments.iter().map(|a| a.take(&triple)).collect();
            update(4, &groups, &many)
        }
        Way::WithNulls => (0..3).try_for_each(|group| {
            let mut padded: Vec<Vector> = arguments.to_vec();
            padded.iter_mut().for_each(Vector::push_null);
            let groups = vec![group; rows + 1];
            update(group as usize + 1, &groups, &padded)
        }),
    };
    let shown = |e: alloc::boxed::Box<vireo_abi::message::error::SqlError>| {
        format!("{} {}", e.state(), e.message)
    };
    result.map_err(shown)?;
    accumulator.finish().map_err(shown)
}

fn shown(ty: SqlType, v: &Vector, row: usize) -> String {
    if v.is_null(row) {
        return "<null>".to_string();
    }
    let mut out = Vec::new();
    write_text(ty, v, row, &FormatSettings::default(), &mut out);
    String::from_utf8(out).unwrap()
}

fn answer(name: &str, types: &str, rows: &str, way: Way) -> (String, Answer) {
    let types: Vec<SqlType> = types.split(',').map(sql_type).collect();
    let ids: Vec<TypeId> = types.iter().map(|t| t.id).collect();
    let resolved = match resolve_aggregate(name, &ids, false) {
        Ok(resolved) => resolved,
        Err(Unresolved::Unknown) => return ("E".into(), Err("42883".into())),
        Err(Unresolved::Ambiguous) => return ("E".into(), Err("42725".into())),
    };
    let rows: Vec<Vec<&str>> = rows.split('|').map(|r| r.split('~').collect()).collect();
    let columns = types
        .iter()
        .zip(&resolved.arguments)
        .enumerate()
        .map(|(i, (from, to))| {
            let texts: Vec<&str> = rows.iter().map(|r| r[i]).collect();
            column_of(*from, &texts, *to)
        });
    let result = columns.collect::<Result<Vec<_>, _>>().and_then(|columns| {
        let result = aggregated(&resolved, &columns, rows.len(), way)?;
        assert_eq!(result.values.kind(), resolved.returns.kind());
        let answers: Vec<String> = (0..result.len())
            .map(|row| shown(resolved.returns, &result, row))
            .collect();
        let filled = answers.len().min(3);
        assert!(
            answers[..filled].iter().all(|a| *a == answers[0]),
            "groups differ: {answers:?}"
        );
        if let Some(empty) = answers.get(3) {
            assert_eq!(
                empty,
                if name.ends_with("count") {
                    "0"
                } else {
                    "<null>"
                }
            );
        }
        Ok(answers[0].clone())
    });
    (resolved.returns.id.sql_name().into(), result)
}

/// Whether two texts show the same value. Floats are compared by their bits: how they are shown is the types' matter.
fn is_same(ty: &str, got: &str, wanted: &str) -> bool {
    let same_float = || match (got.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(got), Ok(wanted)) => got.to_bits() == wanted.to_bits(),
        _ => false,
    };
    got == wanted || ty == "double precision" && same_float()
}

/// Whether the answer to a line of the golden file is PostgreSQL's, in a way.
fn check(line: &str, way: Way) -> bool {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, types, rows, ty, text] = fields[..] else {
        panic!("a line of {} fields", fields.len())
    };
    let (got_type, got) = answer(name, types, rows, way);
    let agrees = match &got {
        Ok(got) => got_type == ty && is_same(ty, got, text),
        Err(got) => ty == "E" && (got == text || got.len() == 5 && text.starts_with(got.as_str())),
    };
    if !agrees {
        println!("{line}\n    {way:?}: {got_type} {got:?}");
    }
    agrees
}

#[test]
fn answers_as_postgresql() {
    let lines = include_str!("tests/golden.tsv").lines();
    let ways = [
        Way::OneGroup,
        Way::RowByRow,
        Way::Interleaved,
        Way::WithNulls,
    ];
    let wrong = lines
        .clone()
        .filter(|line| !ways.iter().all(|way| check(line, *way)))
        .count();
    assert!(lines.count() > 1000);
    assert_eq!(wrong, 0);
}

#[test]
fn names() {
    for aggregate in AGGREGATES {
        assert!(is_aggregate(aggregate.name));
        let resolved = resolve_aggregate(
            aggregate.name,
            aggregate.arguments,
            aggregate.arguments.is_empty(),
        );
        assert_eq!(resolved.unwrap().returns, SqlType::plain(aggregate.returns));
    }
    assert!(!is_aggregate("lower"));
    assert_eq!(
        resolve_aggregate("count", &[], false),
        Err(Unresolved::Unknown)
    );
    assert_eq!(
        resolve_aggregate("sum", &[], true),
        Err(Unresolved::Unknown)
    );
    let any = resolve_aggregate("count", &[TypeId::Unknown], false).unwrap();
    assert_eq!(any.arguments, [TypeId::Text]);
}

#[test]
fn rows_are_counted() {
    let star = resolve_aggregate("count", &[], true).unwrap();
    let mut counts = accumulator(star.id, &[]);
    counts.resize(1);
    counts.update(&[0; 5], &[], 5).unwrap();
    counts.resize(3);
    counts.update(&[2, 2, 0], &[], 3).unwrap();
    assert_eq!(
        counts.finish().unwrap(),
        Vector::new(Values::Int8(vec![6, 0, 2]))
    );
}

fn check_malformed(
    mut accumulator: Box<dyn Accumulator>,
    groups: &[u32],
    arguments: &[Vector],
    rows: usize,
) {
    accumulator.resize(1);
    let error = accumulator.update(groups, arguments, rows).unwrap_err();
    assert_eq!(error.state(), "XX000");
}

#[test]
fn malformed_plans() {
    let int = || Vector::new(Values::Int4(vec![1]));
    let sum = resolve_aggregate("sum", &[TypeId::Int4], false).unwrap().id;
    let types = [SqlType::plain(TypeId::Int4)];
    check_malformed(
        accumulator(AggregateId(u16::MAX), &types),
        &[0],
        &[int()],
        1,
    );
    check_malformed(accumulator(sum, &[]), &[0], &[], 1);
    check_malformed(accumulator(sum, &[TypeId::Text.into()]), &[0], &[int()], 1);
    check_malformed(accumulator(sum, &types), &[0], &[], 1);
    check_malformed(
        accumulator(sum, &types),
        &[0],
        &[Vector::new(Values::Int8(vec![1]))],
        1,
    );
    check_malformed(accumulator(sum, &types), &[0, 0], &[int()], 2);
    assert!(accumulator(AggregateId(u16::MAX), &types).finish().is_err());
}

/// What an accumulator holds after rows `0..rows` of text, in `groups` groups.
fn memory_of(name: &str, types: &[TypeId], rows: usize, groups: usize) -> usize {
    let resolved = resolve_aggregate(name, types, false).unwrap();
    let sql_types: Vec<SqlType> = types.iter().map(|t| (*t).into()).collect();
    let mut accumulator = accumulator(resolved.id, &sql_types);
    accumulator.resize(groups);
    for row in 0..rows {
        // Longer and better each time, so that an extreme always moves.
        let value = format!("{row:08}{}", "x".repeat(row % 100));
        let column = Vector::constant(&Datum::Bytes(value.into_bytes()), Kind::Bytes, 1);
        let arguments = vec![column; types.len()];
        accumulator
            .update(&[(row % groups) as u32], &arguments, 1)
            .unwrap();
    }
    accumulator.memory()
}

#[test]
fn memory_is_bounded_by_what_is_kept() {
    let kept = memory_of("max", &[TypeId::Text], 100_000, 2);
    assert!(kept < 300_000, "{kept}");
    let text = [TypeId::Text, TypeId::Text];
    let strings = memory_of("string_agg", &text, 10_000, 3);
    assert!((1_000_000..4_000_000).contains(&strings), "{strings}");
}

#[test]
fn strings_have_a_limit() {
    let types = [TypeId::Text, TypeId::Text];
    let resolved = resolve_aggregate("string_agg", &types, false).unwrap();
    let mut joined = accumulator(resolved.id, &types.map(SqlType::plain));
    joined.resize(1);
    let part = Vector::constant(&Datum::Bytes(vec![b'x'; 64 << 20]), Kind::Bytes, 1);
    let empty = Vector::constant(&Datum::Bytes(vec![]), Kind::Bytes, 1);
    let arguments = [part, empty];
    let failed = (0..16)
        .find_map(|_| joined.update(&[0], &arguments, 1).err())
        .unwrap();
    assert_eq!(
        (failed.state(), failed.message.as_str()),
        ("54000", "out of memory")
    );
    assert_eq!(
        failed.detail.unwrap(),
        "Cannot enlarge string buffer containing 1006632960 bytes by 67108864 more bytes."
    );
}

proptest! {
    #[test]
    fn extremes_and_sums_agree_with_a_model(
        rows in prop::collection::vec((0..5u32, prop::option::of(any::<i64>()), "[ab]{0,12}"), 0..200),
        chunk in 1..50usize,
    ) {
        let texts = resolve_aggregate("max", &[TypeId::Text], false).unwrap();
        let sums = resolve_aggregate("sum", &[TypeId::Int8], false).unwrap();
        let mut max = accumulator(texts.id, &[TypeId::Text.into()]);
        let mut sum = accumulator(sums.id, &[TypeId::Int8.into()]);
        for rows in rows.chunks(chunk) {
            let groups: Vec<u32> = rows.iter().map(|r| r.0).collect();
            let mut numbers = Vector::with_capacity(Kind::Int8, rows.len());
            let mut strings = Vector::with_capacity(Kind::Bytes, rows.len());
            for (_, number, string) in rows {
                numbers.push(&number.map_or(Datum::Null, Datum::Int8));
                strings.push(&Datum::Bytes(string.clone().into_bytes()));
            }
            for (accumulator, column) in [(&mut max, strings), (&mut sum, numbers)] {
                accumulator.resize(5);
                accumulator.update(&groups, &[column], rows.len()).unwrap();
            }
        }
        max.resize(5);
        sum.resize(5);
        let (max, sum) = (max.finish().unwrap(), sum.finish().unwrap());
        for group in 0..5 {
            let of_group = || rows.iter().filter(|r| r.0 == group);
            let largest = of_group().map(|r| r.2.clone()).max();
            let numbers: Vec<i128> = of_group().filter_map(|r| r.1).map(i128::from).collect();
            let total = (!numbers.is_empty()).then(|| numbers.iter().sum::<i128>().to_string());
            let row = group as usize;
            prop_assert_eq!(shown(TypeId::Text.into(), &max, row), largest.unwrap_or("<null>".into()));
            prop_assert_eq!(shown(TypeId::Numeric.into(), &sum, row), total.unwrap_or("<null>".into()));
        }
    }
}
