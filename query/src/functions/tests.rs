use super::*;
use vireo_abi::chunk::Values;
use vireo_abi::sql_type::TypeId::{
    self, Bpchar, Date, Float8, Int2, Int4, Int8, Interval, Numeric, Text, Timestamp, Timestamptz,
    Unknown, Varchar,
};

fn check_operator(
    symbol: &str,
    left: TypeId,
    right: TypeId,
    expected: Result<(&str, TypeId), Unresolved>,
) {
    let resolved = resolve_operator(symbol, Some(left), right);
    let got = resolved.map(|r| (FUNCTIONS[usize::from(r.id.0)].name, r.returns.id));
    assert_eq!(got, expected, "{left:?} {symbol} {right:?}");
}

#[test]
fn operators_resolve_as_in_postgresql() {
    check_operator("+", Int4, Numeric, Ok(("numeric_add", Numeric)));
    check_operator("+", Int4, Unknown, Ok(("int4pl", Int4)));
    check_operator("+", Unknown, Unknown, Err(Unresolved::Ambiguous));
    check_operator("+", Numeric, Float8, Ok(("float8pl", Float8)));
    check_operator("+", Int2, Int8, Ok(("int28pl", Int8)));
    check_operator("<", Unknown, Date, Ok(("date_lt", TypeId::Bool)));
    check_operator("||", Text, Int4, Ok(("textanycat", Text)));
    check_operator("||", Unknown, Unknown, Ok(("textcat", Text)));
    check_operator("||", Varchar, Unknown, Ok(("textcat", Text)));
    check_operator("+", Date, Int4, Ok(("date_pli", Date)));
    check_operator("+", Date, Interval, Ok(("date_pl_interval", Timestamp)));
    check_operator("-", Timestamptz, Unknown, Ok(("timestamptz_mi", Interval)));
    check_operator("=", Bpchar, Text, Ok(("texteq", TypeId::Bool)));
    check_operator("!=", Int4, Int4, Ok(("int4ne", TypeId::Bool)));
    check_operator("=", Text, Int4, Err(Unresolved::Unknown));
}

#[test]
fn variadic_functions_take_anything() {
    let resolved = resolve("concat", &[Int4, TypeId::Bool, Bpchar, Unknown]).unwrap();
    assert_eq!(resolved.arguments, [Text, TypeId::Bool, Bpchar, Text]);
    assert_eq!(resolve("concat", &[]), Err(Unresolved::Unknown));
}

fn context() -> EvalContext {
    EvalContext {
        format: alloc::rc::Rc::default(),
        transaction_us: 0,
        statement_us: 0,
        user: "u".into(),
        database: "d".into(),
        random: core::cell::Cell::new(0),
    }
}

fn check_add(a: Vector, b: Vector, expected: Result<Vector, &str>) {
    let id = resolve_operator("+", Some(Int4), Int4).unwrap().id;
    let got = call(id, &context(), &[a, b], 2);
    assert_eq!(
        got.map_err(|e| e.message),
        expected.map_err(alloc::string::String::from)
    );
}

#[test]
fn what_lies_under_a_null_causes_no_error() {
    let ints = |values: [i32; 2], nulls: Option<[bool; 2]>| Vector {
        values: Values::Int4(values.to_vec()),
        nulls: nulls.map(|n| n.to_vec()),
    };
    let large = [i32::MAX, 1];
    check_add(
        ints(large, None),
        ints([1, 2], None),
        Err("integer out of range"),
    );
    check_add(
        ints(large, Some([true, false])),
        ints([1, 2], None),
        Ok(ints([i32::MIN, 3], Some([true, false]))),
    );
}

#[test]
fn a_malformed_call_is_an_error() {
    let id = resolve_operator("+", Some(Int4), Int4).unwrap().id;
    let text = Vector::constant(&vireo_abi::datum::Datum::Null, Text.kind(), 1);
    assert!(call(id, &context(), &[text.clone(), text], 1).is_err());
    assert!(call(id, &context(), &[], 0).is_err());
    assert!(call(crate::plan::FunctionId(u16::MAX), &context(), &[], 0).is_err());
}

#[test]
fn every_overload_is_there_once() {
    for (i, f) in FUNCTIONS.iter().enumerate() {
        let is_same = |g: &&ScalarFunction| g.name == f.name && g.arguments == f.arguments;
        assert_eq!(
            FUNCTIONS[i + 1..].iter().find(is_same).map(|g| g.name),
            None
        );
        let is_operator = |g: &&ScalarFunction| {
            !g.operator.is_empty() && g.operator == f.operator && g.arguments == f.arguments
        };
        assert_eq!(
            FUNCTIONS[i + 1..].iter().find(is_operator).map(|g| g.name),
            None
        );
    }
}
