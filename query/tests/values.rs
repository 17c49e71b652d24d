//! Types, casts, functions and operators against what PostgreSQL 15 answered
//! (`golden/values.tsv`, written by `golden/generate.py`).

use std::cell::Cell;
use std::rc::Rc;
use vireo_abi::chunk::Vector;
use vireo_abi::datum::Datum;
use vireo_abi::message::error::SqlError;
use vireo_abi::sql_type::{SqlType, TypeId};
use vireo_query::functions::{Resolved, Unresolved, call, resolve, resolve_operator};
use vireo_query::settings::{DateOrder, DateStyle, EvalContext, FormatSettings, IntervalStyle};
use vireo_query::types::cast::cast;
use vireo_query::types::input::{parse_binary, parse_text};
use vireo_query::types::output::{write_binary, write_text};

/// A result as the file shows it: type and text, or an error.
type Answer = Result<(String, String), String>;

fn fault(error: impl AsRef<SqlError>) -> String {
    let error = error.as_ref();
    format!("{} {}", error.state(), error.message)
}

fn context() -> EvalContext {
    EvalContext {
        format: Rc::default(),
        transaction_us: 757_382_400_000_000,
        statement_us: 757_382_400_000_000,
        user: "postgres".into(),
        database: "postgres".into(),
        random: Cell::new(1),
    }
}

fn set(cx: &mut EvalContext, name: &str, value: &str) {
    let format = Rc::make_mut(&mut cx.format);
    match name {
        "TimeZone" => format.time_zone = value.into(),
        "extra_float_digits" => format.extra_float_digits = value.parse().unwrap(),
        "bytea_output" => format.bytea_hex = value == "hex",
        "IntervalStyle" => {
            format.interval_style = match value {
                "postgres" => IntervalStyle::Postgres,
                "postgres_verbose" => IntervalStyle::PostgresVerbose,
                "sql_standard" => IntervalStyle::SqlStandard,
                _ => IntervalStyle::Iso8601,
            }
        }
        "DateStyle" => {
            let (style, order) = value.split_once(", ").unwrap();
            format.date_style = match style {
                "ISO" => DateStyle::Iso,
                "SQL" => DateStyle::Sql,
                "Postgres" => DateStyle::Postgres,
                _ => DateStyle::German,
            };
            format.date_order = match order {
                "MDY" => DateOrder::Mdy,
                "DMY" => DateOrder::Dmy,
                _ => DateOrder::Ymd,
            };
        }
        other => panic!("no setting {other}"),
    }
}

/// A type as SQL writes it.
fn sql_type(text: &str) -> SqlType {
    let (name, modifier) = text
        .split_once('(')
        .map_or((text, None), |(n, m)| (n, Some(m.trim_end_matches(')'))));
    if let Some(fields) = text.strip_prefix("interval ") {
        let bits = match fields {
            "year" => 1 << 2,
            "month" => 1 << 1,
            "day" => 1 << 3,
            "hour" => 1 << 10,
            "day to hour" => 1 << 3 | 1 << 10,
            _ => 1 << 11 | 1 << 12,
        };
        return SqlType {
            id: TypeId::Interval,
            typmod: bits << 16 | 0xffff,
        };
    }
    let id = match name {
        "timestamp" => TypeId::Timestamp,
        "timestamptz" => TypeId::Timestamptz,
        "time" => TypeId::Time,
        "varchar" => TypeId::Varchar,
        "char" => TypeId::Bpchar,
        _ => *TypeId::ALL
            .iter()
            .find(|t| t.sql_name() == name)
            .unwrap_or_else(|| panic!("no type {name}")),
    };
    let typmod = match (id, modifier) {
        (TypeId::Bpchar, None) => 5,
        (_, None) => -1,
        (TypeId::Varchar | TypeId::Bpchar, Some(n)) => n.parse::<i32>().unwrap() + 4,
        (TypeId::Numeric, Some(m)) => {
            let (p, s) = m.split_once(',').unwrap_or((m, "0"));
            (p.parse::<i32>().unwrap() << 16 | (s.parse::<i32>().unwrap() & 0x7ff)) + 4
        }
        (TypeId::Interval, Some(n)) => 0x7fff << 16 | n.parse::<i32>().unwrap(),
        (_, Some(n)) => n.parse().unwrap(),
    };
    SqlType { id, typmod }
}

/// What SQL makes of `'text'::type`.
fn typed(ty: SqlType, text: &str, cx: &EvalContext) -> Result<Vector, String> {
    if text == "<null>" {
        return Ok(Vector::constant(&Datum::Null, ty.kind(), 1));
    }
    let plain = Vector::constant(
        &Datum::Bytes(text.as_bytes().to_vec()),
        TypeId::Unknown.kind(),
        1,
    );
    cast(&plain, TypeId::Unknown.into(), ty, true, cx).map_err(fault)
}

/// An argument, `type=text`.
fn argument(text: &str, cx: &EvalContext) -> Result<(SqlType, Vector), String> {
    let (ty, text) = text.split_once('=').unwrap();
    let ty = sql_type(ty);
    Ok((ty, typed(ty, text, cx)?))
}

fn shown(ty: SqlType, v: &Vector, cx: &EvalContext) -> (String, String) {
    let mut out = Vec::new();
    if v.is_null(0) {
        out.extend_from_slice(b"<null>");
    } else {
        write_text(ty, v, 0, &cx.format, &mut out);
        check_round_trips(ty, v, &out, cx);
    }
    (ty.id.sql_name().into(), String::from_utf8(out).unwrap())
}

/// The binary form reads back as the same value, and so does the text.
fn check_round_trips(ty: SqlType, v: &Vector, text: &[u8], cx: &EvalContext) {
    let mut binary = Vec::new();
    write_binary(ty, v, 0, &mut binary);
    let back = parse_binary(ty.id.into(), &binary).expect("the binary form reads back");
    let mut again = Vec::new();
    write_text(
        ty,
        &Vector::constant(&back, ty.kind(), 1),
        0,
        &cx.format,
        &mut again,
    );
    assert_eq!(
        String::from_utf8_lossy(text),
        String::from_utf8_lossy(&again),
        "binary form of {ty:?}"
    );
    if *cx.format
        == (FormatSettings {
            time_zone: cx.format.time_zone.clone(),
            ..FormatSettings::default()
        })
        && ty.id != TypeId::Timestamptz
    {
        let back = parse_text(ty.id.into(), std::str::from_utf8(text).unwrap(), cx)
            .expect("the text reads back");
        let same = back == v.datum(0)
            || matches!(back, Datum::Float4(f) if f.is_nan())
            || matches!(back, Datum::Float8(f) if f.is_nan());
        assert!(
            same,
            "text form of {ty:?}: {}",
            String::from_utf8_lossy(text)
        );
    }
}

fn run(
    resolved: Result<Resolved, Unresolved>,
    arguments: &[(SqlType, Vector)],
    cx: &EvalContext,
) -> Answer {
    let resolved = resolved.map_err(|e| match e {
        Unresolved::Unknown => "42883".to_string(),
        Unresolved::Ambiguous => "42725".to_string(),
    })?;
    let vectors: Result<Vec<Vector>, String> = arguments
        .iter()
        .zip(&resolved.arguments)
        .map(|((from, v), to)| cast(v, *from, SqlType::plain(*to), false, cx).map_err(fault))
        .collect();
    let result = call(resolved.id, cx, &vectors?, 1).map_err(fault)?;
    Ok(shown(resolved.returns, &result, cx))
}

fn answer(kind: &str, name: &str, texts: &[&str], cx: &EvalContext) -> Answer {
    match kind {
        "i" => {
            let ty = sql_type(name);
            let v = typed(ty, texts[0].split_once('=').unwrap().1, cx)?;
            Ok(shown(ty, &v, cx))
        }
        "c" => {
            let (from, v) = argument(texts[0], cx)?;
            let to = sql_type(name);
            let result = cast(&v, from, to, true, cx).map_err(fault)?;
            Ok(shown(to, &result, cx))
        }
        _ => {
            let arguments: Result<Vec<_>, String> = texts.iter().map(|t| argument(t, cx)).collect();
            let arguments = arguments?;
            let types: Vec<TypeId> = arguments.iter().map(|(t, _)| t.id).collect();
            let resolved = match (kind, types.as_slice()) {
                ("o", [right]) => resolve_operator(name, None, *right),
                ("o", [left, right]) => resolve_operator(name, Some(*left), *right),
                _ => resolve(name, &types),
            };
            run(resolved, &arguments, cx)
        }
    }
}

/// Functions whose last digit is the C library's: a few units off is right (glibc rounds cube roots worse than we).
const INEXACT: &[&str] = &[
    "||/", "^", "cbrt", "exp", "ln", "log", "power", "sin", "cos", "tan", "cot", "asin", "acos",
    "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
];

/// Whether two doubles are that close.
fn is_close(name: &str, a: &str, b: &str) -> bool {
    let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) else {
        return false;
    };
    INEXACT.contains(&name) && a.signum() == b.signum() && a.to_bits().abs_diff(b.to_bits()) <= 4
}

/// Whether an answer is PostgreSQL's. The binder words the errors of calls that mean nothing.
fn agrees(name: &str, got: &Answer, ty: &str, text: &str) -> bool {
    match got {
        Ok((t, x)) if ty == "double precision" && is_close(name, x, text) => t == ty,
        Ok((t, x)) => t == ty && x == text,
        Err(e) if ty == "E" => {
            e == text || matches!(e.as_str(), "42883" | "42725") && text.starts_with(e.as_str())
        }
        Err(_) => false,
    }
}

#[test]
fn answers_as_postgresql() {
    let cases = include_str!("golden/values.tsv");
    let mut cx = context();
    let (mut count, mut wrong) = (0, 0);
    for line in cases.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (kind, name) = (fields[0], fields[1]);
        if kind == "s" {
            set(&mut cx, name, fields[2].split_once('=').unwrap().1);
            continue;
        }
        let end = fields.iter().rposition(|f| *f == "=").unwrap();
        let got = answer(kind, name, &fields[2..end], &cx);
        count += 1;
        if !agrees(name, &got, fields[end + 1], fields[end + 2]) {
            wrong += 1;
            println!("{line}\n    got {got:?}");
        }
    }
    assert!(count > 1000);
    assert_eq!(wrong, 0, "of {count} answers");
}

/// A text with a few of its bytes changed, doubled or dropped.
fn mutated(text: &str, random: &mut impl FnMut(usize) -> usize) -> String {
    const ALPHABET: &[u8] = b"0123456789.:-+/ eETPYMDHSzZinfa()ago,";
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random(3) {
        let at = random(bytes.len() + 1);
        let byte = ALPHABET[random(ALPHABET.len())];
        match random(3) {
            0 => bytes.insert(at, byte),
            1 if at < bytes.len() => bytes[at] = byte,
            _ if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.extend_from_slice(&bytes.clone()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn hostile_texts_are_errors() {
    let cases = include_str!("golden/values.tsv");
    let cx = context();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut good = 0;
    for line in cases.lines().filter(|l| l.starts_with("i\t")) {
        let text = line
            .split('\t')
            .nth(2)
            .and_then(|t| t.split_once('='))
            .unwrap()
            .1;
        for ty in TypeId::ALL.iter().filter(|t| **t != TypeId::Void) {
            let text = mutated(text, &mut random);
            if let Ok(value) = parse_text(SqlType::plain(*ty), &text, &cx) {
                good += 1;
                shown(
                    SqlType::plain(*ty),
                    &Vector::constant(&value, ty.kind(), 1),
                    &cx,
                );
            }
        }
    }
    assert!(good > 1000);
}
