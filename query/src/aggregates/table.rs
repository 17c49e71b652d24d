//! The table of aggregates.

use super::Accumulator;
use super::bits::{AND, Combined, OR, XOR};
use super::count::Count;
use super::dense::{Dense, DenseBytes};
use super::extremes::{BytesExtreme, Extreme};
use super::numeric_sums::{Deviation, IntDeviation, Sum};
use super::string_agg::StringAgg;
use super::sums::{Float4Sum, Float8Sum, IntSum, IntervalSum, WideSum};
use super::variance::{AVERAGE, FloatMoments, STDDEV_POP, STDDEV_SAMP, VARIANCE_POP, VARIANCE_SAMP};
use alloc::boxed::Box;
use vireo_abi::datum::Interval as IntervalValue;
use vireo_abi::sql_type::TypeId::{
    self, Bool, Bpchar, Bytea, Date, Float4, Float8, Int2, Int4, Int8, Interval, Numeric, Oid, Text, Time,
    Timestamp, Timestamptz,
};

/// One aggregate with fixed argument types.
#[derive(Clone, Copy)]
pub struct Aggregate {
    /// PostgreSQL's name.
    pub name: &'static str,
    /// Argument types.
    pub arguments: &'static [TypeId],
    /// Whether it is written with `*`.
    pub is_star: bool,
    /// Whether it takes one argument of any type.
    pub takes_any: bool,
    /// Result type.
    pub returns: TypeId,
    /// Makes an accumulator.
    pub(super) make: fn() -> Box<dyn Accumulator>,
}

fn boxed<A: Accumulator + Default + 'static>() -> Box<dyn Accumulator> {
    Box::new(A::default())
}

const fn of(
    name: &'static str,
    arguments: &'static [TypeId],
    returns: TypeId,
    make: fn() -> Box<dyn Accumulator>,
) -> Aggregate {
    Aggregate { name, arguments, is_star: false, takes_any: false, returns, make }
}

/// `min` and `max` of a fixed-width type.
macro_rules! extremes {
    ($($id:ident: $t:ty),*) => {
        &[$(
            of("min", &[$id], $id, boxed::<Dense<Extreme<$t, false>>>),
            of("max", &[$id], $id, boxed::<Dense<Extreme<$t, true>>>),
        )*]
    };
}

/// `min` and `max` of a type held as bytes.
macro_rules! bytes_extremes {
    ($($id:ident),*) => {
        &[$(
            of("min", &[$id], $id, boxed::<DenseBytes<BytesExtreme<{ $id as u8 }, false>>>),
            of("max", &[$id], $id, boxed::<DenseBytes<BytesExtreme<{ $id as u8 }, true>>>),
        )*]
    };
}

/// Variances and deviations of an integer type.
macro_rules! int_deviations {
    ($($id:ident: $t:ty),*) => {
        &[$(
            of("var_pop", &[$id], Numeric, boxed::<Dense<IntDeviation<$t, false, false>>>),
            of("var_samp", &[$id], Numeric, boxed::<Dense<IntDeviation<$t, true, false>>>),
            of("variance", &[$id], Numeric, boxed::<Dense<IntDeviation<$t, true, false>>>),
            of("stddev_pop", &[$id], Numeric, boxed::<Dense<IntDeviation<$t, false, true>>>),
            of("stddev_samp", &[$id], Numeric, boxed::<Dense<IntDeviation<$t, true, true>>>),
            of("stddev", &[$id], Numeric, boxed::<Dense<IntDeviation<$t, true, true>>>),
        )*]
    };
}

/// Averages, variances and deviations of a float type.
macro_rules! float_moments {
    ($($id:ident: $t:ty),*) => {
        &[$(
            of("avg", &[$id], Float8, boxed::<Dense<FloatMoments<$t, AVERAGE>>>),
            of("var_pop", &[$id], Float8, boxed::<Dense<FloatMoments<$t, VARIANCE_POP>>>),
            of("var_samp", &[$id], Float8, boxed::<Dense<FloatMoments<$t, VARIANCE_SAMP>>>),
            of("variance", &[$id], Float8, boxed::<Dense<FloatMoments<$t, VARIANCE_SAMP>>>),
            of("stddev_pop", &[$id], Float8, boxed::<Dense<FloatMoments<$t, STDDEV_POP>>>),
            of("stddev_samp", &[$id], Float8, boxed::<Dense<FloatMoments<$t, STDDEV_SAMP>>>),
            of("stddev", &[$id], Float8, boxed::<Dense<FloatMoments<$t, STDDEV_SAMP>>>),
        )*]
    };
}

/// The bit aggregates of an integer type.
macro_rules! bit_aggregates {
    ($($id:ident: $t:ty),*) => {
        &[$(
            of("bit_and", &[$id], $id, boxed::<Dense<Combined<$t, AND>>>),
            of("bit_or", &[$id], $id, boxed::<Dense<Combined<$t, OR>>>),
            of("bit_xor", &[$id], $id, boxed::<Dense<Combined<$t, XOR>>>),
        )*]
    };
}

const COUNTS: &[Aggregate] = &[
    Aggregate { is_star: true, ..of("count", &[], Int8, boxed::<Count>) },
    Aggregate { takes_any: true, ..of("count", &[], Int8, boxed::<Count>) },
];

const SUMS: &[Aggregate] = &[
    of("sum", &[Int2], Int8, boxed::<Dense<IntSum<i16>>>),
    of("sum", &[Int4], Int8, boxed::<Dense<IntSum<i32>>>),
    of("sum", &[Int8], Numeric, boxed::<Dense<WideSum<i64, false>>>),
    of("sum", &[Numeric], Numeric, boxed::<DenseBytes<Sum<false>>>),
    of("sum", &[Float4], Float4, boxed::<Dense<Float4Sum>>),
    of("sum", &[Float8], Float8, boxed::<Dense<Float8Sum>>),
    of("sum", &[Interval], Interval, boxed::<Dense<IntervalSum<false>>>),
    of("avg", &[Int2], Numeric, boxed::<Dense<WideSum<i16, true>>>),
    of("avg", &[Int4], Numeric, boxed::<Dense<WideSum<i32, true>>>),
    of("avg", &[Int8], Numeric, boxed::<Dense<WideSum<i64, true>>>),
    of("avg", &[Numeric], Numeric, boxed::<DenseBytes<Sum<true>>>),
    of("avg", &[Interval], Interval, boxed::<Dense<IntervalSum<true>>>),
];

const NUMERIC_DEVIATIONS: &[Aggregate] = &[
    of("var_pop", &[Numeric], Numeric, boxed::<DenseBytes<Deviation<false, false>>>),
    of("var_samp", &[Numeric], Numeric, boxed::<DenseBytes<Deviation<true, false>>>),
    of("variance", &[Numeric], Numeric, boxed::<DenseBytes<Deviation<true, false>>>),
    of("stddev_pop", &[Numeric], Numeric, boxed::<DenseBytes<Deviation<false, true>>>),
    of("stddev_samp", &[Numeric], Numeric, boxed::<DenseBytes<Deviation<true, true>>>),
    of("stddev", &[Numeric], Numeric, boxed::<DenseBytes<Deviation<true, true>>>),
];

const OTHERS: &[Aggregate] = &[
    of("bool_and", &[Bool], Bool, boxed::<Dense<Combined<bool, AND>>>),
    of("every", &[Bool], Bool, boxed::<Dense<Combined<bool, AND>>>),
    of("bool_or", &[Bool], Bool, boxed::<Dense<Combined<bool, OR>>>),
    of("string_agg", &[Text, Text], Text, boxed::<StringAgg>),
    of("string_agg", &[Bytea, Bytea], Bytea, boxed::<StringAgg>),
];

const FAMILIES: &[&[Aggregate]] = &[
    COUNTS,
    SUMS,
    float_moments!(Float4: f32, Float8: f64),
    int_deviations!(Int2: i16, Int4: i32, Int8: i64),
    NUMERIC_DEVIATIONS,
    extremes!(
        Int2: i16, Int4: i32, Int8: i64, Float4: f32, Float8: f64, Date: i32, Time: i64, Timestamp: i64,
        Timestamptz: i64, Interval: IntervalValue, Oid: i64
    ),
    bytes_extremes!(Numeric, Text, Bpchar),
    bit_aggregates!(Int2: i16, Int4: i32, Int8: i64),
    OTHERS,
];

const COUNT: usize = {
    let (mut count, mut family) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
};

static ALL: [Aggregate; COUNT] = {
    let mut all = [COUNTS[0]; COUNT];
    let (mut at, mut family) = (0, 0);
    while family < FAMILIES.len() {
        let mut i = 0;
        while i < FAMILIES[family].len() {
            all[at] = FAMILIES[family][i];
            at += 1;
            i += 1;
        }
        family += 1;
    }
    all
};

/// Every aggregate; a [`crate::plan::AggregateId`] is an index into it.
pub static AGGREGATES: &[Aggregate] = &ALL;
