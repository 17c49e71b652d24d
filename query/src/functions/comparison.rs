//! Comparison operators within one type and across integer and float widths.

use super::kernel::{compare_strings, map2};
use super::table::ScalarFunction;
use crate::types::compare::{compare_float, interval_span};
use crate::types::numeric::compare_bytes;
use crate::types::text::trim_blanks;
use core::cmp::Ordering;
use vireo_abi::datum::Interval as IntervalValue;
use vireo_abi::sql_type::TypeId::{
    Bool, Bpchar, Bytea, Date, Float4, Float8, Int2, Int4, Int8, Interval, Name, Numeric, Oid,
    Text, Time, Timestamp, Timestamptz, Uuid,
};

/// The six comparisons of a pair of types. `$both` runs a test on orderings over two vectors.
macro_rules! six {
    ($table:ident, $eq:literal, $lt:literal, $a:ident, $b:ident, |$v:ident, $test:ident| $both:expr) => {
        const $table: &[ScalarFunction] = &[
            six!(@one concat!($eq, "eq"), "=", $a, $b, |$v, $test| $both, |o: Ordering| o == Ordering::Equal),
            six!(@one concat!($eq, "ne"), "<>", $a, $b, |$v, $test| $both, |o: Ordering| o != Ordering::Equal),
            six!(@one concat!($lt, "lt"), "<", $a, $b, |$v, $test| $both, |o: Ordering| o == Ordering::Less),
            six!(@one concat!($lt, "le"), "<=", $a, $b, |$v, $test| $both, |o: Ordering| o != Ordering::Greater),
            six!(@one concat!($lt, "gt"), ">", $a, $b, |$v, $test| $both, |o: Ordering| o == Ordering::Greater),
            six!(@one concat!($lt, "ge"), ">=", $a, $b, |$v, $test| $both, |o: Ordering| o != Ordering::Less),
        ];
    };
    (@one $name:expr, $symbol:literal, $a:ident, $b:ident, |$v:ident, $test:ident| $both:expr, $how:expr) => {
        ScalarFunction::new($name, &[$a, $b], Bool, |_, $v, _| {
            let $test = $how;
            $both
        })
        .operator($symbol)
    };
}

six!(BOOL, "bool", "bool", Bool, Bool, |v, test| map2(
    v,
    |a: bool, b: bool| test(a.cmp(&b))
));
six!(INT2, "int2", "int2", Int2, Int2, |v, test| map2(
    v,
    |a: i16, b: i16| test(a.cmp(&b))
));
six!(INT24, "int24", "int24", Int2, Int4, |v, test| map2(
    v,
    |a: i16, b: i32| test(i32::from(a).cmp(&b))
));
six!(INT28, "int28", "int28", Int2, Int8, |v, test| map2(
    v,
    |a: i16, b: i64| test(i64::from(a).cmp(&b))
));
six!(INT42, "int42", "int42", Int4, Int2, |v, test| map2(
    v,
    |a: i32, b: i16| test(a.cmp(&i32::from(b)))
));
six!(INT4, "int4", "int4", Int4, Int4, |v, test| map2(
    v,
    |a: i32, b: i32| test(a.cmp(&b))
));
six!(INT48, "int48", "int48", Int4, Int8, |v, test| map2(
    v,
    |a: i32, b: i64| test(i64::from(a).cmp(&b))
));
six!(INT82, "int82", "int82", Int8, Int2, |v, test| map2(
    v,
    |a: i64, b: i16| test(a.cmp(&i64::from(b)))
));
six!(INT84, "int84", "int84", Int8, Int4, |v, test| map2(
    v,
    |a: i64, b: i32| test(a.cmp(&i64::from(b)))
));
six!(INT8, "int8", "int8", Int8, Int8, |v, test| map2(
    v,
    |a: i64, b: i64| test(a.cmp(&b))
));
six!(FLOAT4, "float4", "float4", Float4, Float4, |v, test| map2(
    v,
    |a: f32, b: f32| test(compare_float(a.into(), b.into()))
));
six!(FLOAT48, "float48", "float48", Float4, Float8, |v, test| {
    map2(v, |a: f32, b: f64| test(compare_float(a.into(), b)))
});
six!(FLOAT84, "float84", "float84", Float8, Float4, |v, test| {
    map2(v, |a: f64, b: f32| test(compare_float(a, b.into())))
});
six!(FLOAT8, "float8", "float8", Float8, Float8, |v, test| map2(
    v,
    |a: f64, b: f64| test(compare_float(a, b))
));
six!(
    NUMERIC,
    "numeric_",
    "numeric_",
    Numeric,
    Numeric,
    |v, test| compare_strings(v, compare_bytes, test)
);
six!(
    TEXT,
    "text",
    "text_",
    Text,
    Text,
    |v, test| compare_strings(v, <[u8]>::cmp, test)
);
six!(BPCHAR, "bpchar", "bpchar", Bpchar, Bpchar, |v, test| {
    compare_strings(v, |a, b| trim_blanks(a).cmp(trim_blanks(b)), test)
});
six!(NAME, "name", "name", Name, Name, |v, test| compare_strings(
    v,
    <[u8]>::cmp,
    test
));
six!(BYTEA, "bytea", "bytea", Bytea, Bytea, |v, test| {
    compare_strings(v, <[u8]>::cmp, test)
});
six!(DATE, "date_", "date_", Date, Date, |v, test| map2(
    v,
    |a: i32, b: i32| test(a.cmp(&b))
));
six!(TIME, "time_", "time_", Time, Time, |v, test| map2(
    v,
    |a: i64, b: i64| test(a.cmp(&b))
));
six!(
    TIMESTAMP,
    "timestamp_",
    "timestamp_",
    Timestamp,
    Timestamp,
    |v, test| map2(v, |a: i64, b: i64| test(a.cmp(&b)))
);
six!(
    TIMESTAMPTZ,
    "timestamptz_",
    "timestamptz_",
    Timestamptz,
    Timestamptz,
    |v, test| map2(v, |a: i64, b: i64| test(a.cmp(&b)))
);
six!(
    INTERVAL,
    "interval_",
    "interval_",
    Interval,
    Interval,
    |v, test| map2(v, |a: IntervalValue, b: IntervalValue| test(
        interval_span(a).cmp(&interval_span(b))
    ))
);
six!(UUID, "uuid_", "uuid_", Uuid, Uuid, |v, test| map2(
    v,
    |a: [u8; 16], b: [u8; 16]| test(a.cmp(&b))
));
six!(OID, "oid", "oid", Oid, Oid, |v, test| map2(
    v,
    |a: i64, b: i64| test(a.cmp(&b))
));

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[
    INT4,
    INT8,
    INT2,
    INT24,
    INT28,
    INT42,
    INT48,
    INT82,
    INT84,
    TEXT,
    NUMERIC,
    FLOAT8,
    FLOAT4,
    FLOAT48,
    FLOAT84,
    BOOL,
    BPCHAR,
    NAME,
    BYTEA,
    DATE,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    INTERVAL,
    UUID,
    OID,
];
