//! Expressions: what is evaluated where, and three-valued logic.

use super::*;
use crate::exec::{eval, eval_filter};
use vireo_abi::chunk::Chunk;

fn ints(rows: &[Option<i32>]) -> Chunk {
    let mut column = Vector::with_capacity(INT.kind(), rows.len());
    rows.iter().for_each(|v| column.push(&maybe(*v)));
    Chunk::new(vec![column], rows.len())
}

fn check(expr: &Expr, rows: &[Option<i32>], expected: &[Datum]) {
    let result = eval(expr, &ints(rows), &fixture().cx).unwrap();
    let result: Vec<Datum> = (0..rows.len()).map(|row| result.datum(row)).collect();
    assert_eq!(result, expected, "{expr:?}");
}

fn x() -> Expr {
    column(0, INT)
}

/// 10 / x: an error where x is 0.
fn quotient() -> Expr {
    operator("/", number(10), x())
}

const ROWS: [Option<i32>; 4] = [Some(0), Some(2), None, Some(5)];

const T: Datum = Datum::Bool(true);
const F: Datum = Datum::Bool(false);
const N: Datum = Datum::Null;

#[test]
fn and_or_stop_where_they_are_decided() {
    let guarded = operator("<>", x(), number(0));
    let large = operator(">", quotient(), number(2));
    check(
        &Expr::And(vec![guarded, large.clone()]),
        &ROWS,
        &[F, T, N, F],
    );
    let zero = operator("=", x(), number(0));
    check(
        &Expr::Or(vec![zero.clone(), large.clone()]),
        &ROWS,
        &[T, T, N, F],
    );
    check(&Expr::Not(Box::new(zero.clone())), &ROWS, &[F, T, N, T]);
    let unguarded = Expr::And(vec![large, zero]);
    let error = eval(&unguarded, &ints(&ROWS), &fixture().cx).unwrap_err();
    assert_eq!(error.state(), "22012");
}

#[test]
fn three_valued_logic() {
    let all = [T, F, N];
    for a in &all {
        for b in &all {
            let both = || vec![constant(a.clone(), BOOL), constant(b.clone(), BOOL)];
            let and = if *a == F || *b == F {
                F
            } else if *a == T && *b == T {
                T
            } else {
                N
            };
            let or = if *a == T || *b == T {
                T
            } else if *a == F && *b == F {
                F
            } else {
                N
            };
            check(&Expr::And(both()), &[None], &[and]);
            check(&Expr::Or(both()), &[None, None], &[or.clone(), or]);
        }
    }
}

#[test]
fn case_evaluates_what_is_reached() {
    let zero = operator("=", x(), number(0));
    let two = operator("=", x(), number(2));
    let case = |branches: Vec<(Expr, Expr)>, otherwise: Option<Expr>| Expr::Case {
        branches,
        otherwise: otherwise.map(Box::new),
        sql_type: INT,
    };
    let full = case(
        vec![(zero.clone(), number(-1)), (two, number(-2))],
        Some(quotient()),
    );
    check(&full, &ROWS, &[int(-1), int(-2), N, int(2)]);
    check(
        &case(vec![(zero, number(-1))], None),
        &ROWS,
        &[int(-1), N, N, N],
    );
    let never = operator("=", number(1), number(2));
    let error_free = case(
        vec![(never, operator("/", number(1), number(0)))],
        Some(x()),
    );
    check(&error_free, &ROWS, &ROWS.map(maybe));
}

#[test]
fn coalesce_evaluates_what_is_reached() {
    let coalesce = |arguments| Expr::Coalesce {
        arguments,
        sql_type: INT,
    };
    let error = || operator("/", number(1), number(0));
    check(
        &coalesce(vec![x(), number(7), error()]),
        &ROWS,
        &[int(0), int(2), int(7), int(5)],
    );
    check(
        &coalesce(vec![number(7), error()]),
        &ROWS,
        &[int(7), int(7), int(7), int(7)],
    );
    let null = constant(N, INT);
    check(&coalesce(vec![null.clone(), x()]), &ROWS, &ROWS.map(maybe));
    check(&coalesce(vec![x(), null]), &ROWS, &ROWS.map(maybe));
}

#[test]
fn predicates_on_null() {
    let null_test = |is_negated| Expr::IsNull {
        operand: Box::new(x()),
        is_negated,
    };
    check(&null_test(false), &ROWS, &[F, F, T, F]);
    check(&null_test(true), &ROWS, &[T, T, F, T]);
    let operand = Box::new(operator(">", x(), number(1)));
    let is_bool = |value, is_negated| Expr::IsBool {
        operand: operand.clone(),
        value,
        is_negated,
    };
    check(&is_bool(true, false), &ROWS, &[F, T, F, T]);
    check(&is_bool(false, true), &ROWS, &[F, T, T, T]);
    let distinct = |right, is_negated| Expr::IsDistinct {
        left: Box::new(x()),
        right: Box::new(right),
        is_negated,
    };
    check(&distinct(number(2), false), &ROWS, &[T, F, T, T]);
    check(&distinct(constant(N, INT), true), &ROWS, &[F, F, T, F]);
}

#[test]
fn lists_and_extremes() {
    let list = |items: &[Option<i32>], is_negated| Expr::InList {
        operand: Box::new(x()),
        list: items.iter().map(|v| constant(maybe(*v), INT)).collect(),
        is_negated,
    };
    check(&list(&[Some(2), Some(0)], false), &ROWS, &[T, T, N, F]);
    check(&list(&[Some(2), Some(0)], true), &ROWS, &[F, F, N, T]);
    check(&list(&[Some(2), None], false), &ROWS, &[N, T, N, N]);
    let many: Vec<Option<i32>> = (2..40).map(Some).collect();
    check(&list(&many, false), &ROWS, &[F, T, N, T]);
    let with_null: Vec<Option<i32>> = many.into_iter().chain([None]).collect();
    check(&list(&with_null, true), &ROWS, &[N, F, N, F]);
    let guarded = Expr::InList {
        operand: Box::new(x()),
        list: vec![number(0), quotient()],
        is_negated: false,
    };
    check(&guarded, &ROWS, &[T, F, N, F]);
    let extreme = |is_greatest| Expr::Extreme {
        arguments: vec![x(), number(3), constant(N, INT)],
        is_greatest,
        sql_type: INT,
    };
    check(&extreme(true), &ROWS, &[int(3), int(3), int(3), int(5)]);
    check(&extreme(false), &ROWS, &[int(0), int(2), int(3), int(3)]);
}

#[test]
fn filters_tell_when_all_rows_pass() {
    let cx = fixture().cx;
    let filter = |value| eval_filter(&constant(value, BOOL), &ints(&ROWS), &cx).unwrap();
    assert_eq!(filter(T), None);
    assert_eq!(filter(F), Some(vec![]));
    assert_eq!(filter(N), Some(vec![]));
    let large = operator(">", x(), number(1));
    assert_eq!(
        eval_filter(&large, &ints(&ROWS), &cx).unwrap(),
        Some(vec![1, 3])
    );
}

#[test]
fn nothing_is_evaluated_without_rows() {
    let error = operator("/", number(1), number(0));
    let result = eval(&error, &ints(&[]), &fixture().cx).unwrap();
    assert!(result.is_empty());
}
