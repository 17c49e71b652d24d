use super::*;
use crate::types::compare::compare;
use crate::types::numeric::{Decimal, Numeric};
use core::cmp::Ordering;
use proptest::prelude::*;
use vireo_abi::datum::Datum;
use vireo_abi::datum::Interval;
use vireo_abi::sql_type::Kind;

fn encoded(ty: TypeId, value: &Datum) -> Vec<u8> {
    let column = Vector::constant(value, ty.kind(), 1);
    let mut out = Vec::new();
    encode(&[ty.into()], &[&column], 0, &mut out);
    out
}

/// The bytes' order is the values', ascending and descending.
fn check(ty: TypeId, a: &Datum, b: &Datum) {
    let (va, vb) = (
        Vector::constant(a, ty.kind(), 1),
        Vector::constant(b, ty.kind(), 1),
    );
    let expected = match (a.is_null(), b.is_null()) {
        (false, false) => compare(ty, &va, 0, &vb, 0),
        (a, b) => a.cmp(&b),
    };
    assert_eq!(
        encoded(ty, a).cmp(&encoded(ty, b)),
        expected,
        "{ty:?} {a:?} {b:?}"
    );
    let descending = |v: &Vector| {
        let mut out = Vec::new();
        encode_sort(ty, v, 0, true, true, &mut out);
        out
    };
    assert_eq!(
        descending(&va).cmp(&descending(&vb)),
        expected.reverse(),
        "{ty:?} {a:?} {b:?}"
    );
    if expected != Ordering::Equal {
        assert!(
            !encoded(ty, a).starts_with(&encoded(ty, b)),
            "a prefix: {ty:?} {a:?} {b:?}"
        );
    }
}

fn decimal(coefficient: i128, scale: u16) -> Datum {
    let value = Decimal {
        coefficient: coefficient.into(),
        scale,
    };
    Datum::Bytes(Numeric::Finite(value).to_bytes())
}

fn numeric() -> impl Strategy<Value = Datum> {
    prop_oneof![
        (-50_i128..50, 0_u16..3).prop_map(|(c, s)| decimal(c, s)),
        (any::<i64>(), 0_u16..20).prop_map(|(c, s)| decimal(c.into(), s)),
        (any::<i128>(), 0_u16..40).prop_map(|(c, s)| decimal(c, s)),
        (any::<i128>(), 0_usize..60).prop_map(|(c, zeros)| {
            let ten = Decimal::from_integer(10).coefficient;
            let coefficient = ten.pow(zeros) * Decimal::from_integer(c).coefficient;
            Datum::Bytes(
                Numeric::Finite(Decimal {
                    coefficient,
                    scale: 5,
                })
                .to_bytes(),
            )
        }),
        Just(Datum::Bytes(Numeric::NaN.to_bytes())),
        Just(Datum::Bytes(Numeric::Infinity.to_bytes())),
        Just(Datum::Bytes(Numeric::NegInfinity.to_bytes())),
    ]
}

fn float8() -> impl Strategy<Value = f64> {
    let special = [
        0.0,
        -0.0,
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    prop_oneof![
        any::<f64>(),
        prop::sample::select(special.to_vec()),
        -2.0..2.0
    ]
}

fn interval() -> impl Strategy<Value = Interval> {
    prop_oneof![
        (any::<i32>(), any::<i32>(), any::<i64>()),
        (
            -2..3_i32,
            -60..60_i32,
            (-48..48_i64).prop_map(|h| h * 3_600_000_000)
        ),
    ]
    .prop_map(|(months, days, micros)| Interval {
        months,
        days,
        micros,
    })
}

fn value(ty: TypeId) -> BoxedStrategy<Datum> {
    let short = prop::collection::vec(prop::sample::select(b"\0\x01 a\xff".to_vec()), 0..5);
    match (ty, ty.kind()) {
        (TypeId::Numeric, _) => numeric().boxed(),
        (_, Kind::Bool) => any::<bool>().prop_map(Datum::Bool).boxed(),
        (_, Kind::Int2) => any::<i16>().prop_map(Datum::Int2).boxed(),
        (_, Kind::Int4) => any::<i32>().prop_map(Datum::Int4).boxed(),
        (_, Kind::Int8) => any::<i64>().prop_map(Datum::Int8).boxed(),
        (_, Kind::Float4) => float8().prop_map(|x| Datum::Float4(x as f32)).boxed(),
        (_, Kind::Float8) => float8().prop_map(Datum::Float8).boxed(),
        (_, Kind::Interval) => interval().prop_map(Datum::Interval).boxed(),
        (_, Kind::Uuid) => any::<[u8; 16]>().prop_map(Datum::Uuid).boxed(),
        (_, Kind::Bytes) => short.prop_map(Datum::Bytes).boxed(),
    }
}

fn pair() -> impl Strategy<Value = (TypeId, Datum, Datum)> {
    prop::sample::select(TypeId::ALL.to_vec()).prop_flat_map(|ty| {
        let one = || prop_oneof![9 => value(ty), 1 => Just(Datum::Null)];
        (Just(ty), one(), one())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]
    #[test]
    fn keys_order_as_values((ty, a, b) in pair()) {
        check(ty, &a, &b);
        check(ty, &a, &a);
    }
}

#[test]
fn golden_bytes() {
    assert_eq!(
        encoded(TypeId::Int4, &Datum::Int4(-1)),
        b"\x01\x7f\xff\xff\xff"
    );
    assert_eq!(
        encoded(TypeId::Int8, &Datum::Int8(258)),
        b"\x01\x80\0\0\0\0\0\x01\x02"
    );
    assert_eq!(
        encoded(TypeId::Text, &Datum::Bytes(b"a\0b".to_vec())),
        b"\x01a\0\xffb\0\0"
    );
    assert_eq!(
        encoded(TypeId::Bpchar, &Datum::Bytes(b"a  ".to_vec())),
        b"\x01a\0\0"
    );
    assert_eq!(
        encoded(TypeId::Float8, &Datum::Float8(1.0)),
        b"\x01\xbf\xf0\0\0\0\0\0\0"
    );
    assert_eq!(
        encoded(TypeId::Numeric, &decimal(-1050, 2)),
        b"\x01\x02\x7f\xff\xff\xfd\xf4\xcc\xff"
    );
    assert_eq!(encoded(TypeId::Numeric, &decimal(0, 9)), b"\x01\x03");
    assert_eq!(encoded(TypeId::Text, &Datum::Null), b"\x02");
    assert_eq!(row_id(258), *b"\0\0\0\0\0\0\x01\x02");
}

#[test]
fn long_keys_are_refused() {
    let column = Vector::constant(&Datum::Bytes([b'x'; 1100].to_vec()), Kind::Bytes, 1);
    let types = [TypeId::Text.into()];
    let error = encode_index(
        "t_pkey",
        [(types[0], &column)].into_iter(),
        0,
        1,
        &mut Vec::new(),
    )
    .unwrap_err();
    assert_eq!(error.state(), "54000");
    assert_eq!(
        error.message,
        "index row size 1103 exceeds maximum 1024 for index \"t_pkey\""
    );
}

#[test]
fn rows_with_null_do_not_collide() {
    let column = Vector::constant(&Datum::Null, Kind::Int4, 1);
    let key = |row| {
        let mut out = Vec::new();
        assert!(
            encode_index(
                "i",
                [(TypeId::Int4.into(), &column)].into_iter(),
                0,
                row,
                &mut out
            )
            .unwrap()
        );
        out
    };
    assert_ne!(key(1), key(2));
}

#[test]
fn successors_follow_all_that_begin_so() {
    assert_eq!(successor(b"a\xff\xff"), Some(b"b".to_vec()));
    assert_eq!(successor(b"\xff"), None);
    assert_eq!(successor(b""), None);
}
