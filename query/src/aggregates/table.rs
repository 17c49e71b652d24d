//! The table of aggregates.

use super::Accumulator;
use super::count::count;
use super::exact;
use super::extreme;
use super::float_state;
use super::float_sum::{float4_sums, float8_sums};
use super::fold::{And, Max, Min, Or, Xor, folded};
use super::group_state::groups;
use super::integer_sum::{narrow_averages, narrow_sums, wide_averages, wide_sums};
use super::interval_sum::{interval_averages, interval_sums};
use super::regression::{self, regression};
use super::string_agg::string_agg;
use alloc::boxed::Box;
use vireo_abi::datum;
use vireo_abi::sql_type::TypeId::{
    self, Bool, Bpchar, Bytea, Date, Float4, Float8, Int2, Int4, Int8, Interval, Numeric, Oid,
    Text, Time, Timestamp, Timestamptz, Unknown,
};

/// One aggregate with fixed argument types.
#[derive(Clone, Copy)]
pub struct Aggregate {
    /// PostgreSQL's name.
    pub name: &'static str,
    /// Argument types; none: it is called as `name(*)`. `Unknown` stands for any type.
    pub arguments: &'static [TypeId],
    /// Result type.
    pub returns: TypeId,
    /// Makes an accumulator.
    pub(super) make: fn() -> Box<dyn Accumulator>,
}

impl Aggregate {
    /// Whether it takes an argument of any type.
    pub(super) fn takes_any(&self) -> bool {
        self.arguments.contains(&Unknown)
    }
}

const fn of(
    name: &'static str,
    arguments: &'static [TypeId],
    returns: TypeId,
    make: fn() -> Box<dyn Accumulator>,
) -> Aggregate {
    Aggregate {
        name,
        arguments,
        returns,
        make,
    }
}

/// Every aggregate; a [`crate::plan::AggregateId`] is an index into it.
pub static AGGREGATES: &[Aggregate] = &[
    of("count", &[], Int8, count),
    of("count", &[Unknown], Int8, count),
    of("sum", &[Int2], Int8, || groups(narrow_sums::<i16>)),
    of("sum", &[Int4], Int8, || groups(narrow_sums::<i32>)),
    of("sum", &[Int8], Numeric, || groups(wide_sums)),
    of("sum", &[Numeric], Numeric, exact::sum),
    of("sum", &[Float4], Float4, || groups(float4_sums)),
    of("sum", &[Float8], Float8, || groups(float8_sums)),
    of("sum", &[Interval], Interval, || groups(interval_sums)),
    of("avg", &[Int2], Numeric, || groups(narrow_averages::<i16>)),
    of("avg", &[Int4], Numeric, || groups(narrow_averages::<i32>)),
    of("avg", &[Int8], Numeric, || groups(wide_averages)),
    of("avg", &[Numeric], Numeric, exact::average),
    of("avg", &[Float4], Float8, || {
        groups(float_state::averages::<f32>)
    }),
    of("avg", &[Float8], Float8, || {
        groups(float_state::averages::<f64>)
    }),
    of("avg", &[Interval], Interval, || groups(interval_averages)),
    of("min", &[Int2], Int2, || groups(folded::<i16, Min>)),
    of("min", &[Int4], Int4, || groups(folded::<i32, Min>)),
    of("min", &[Int8], Int8, || groups(folded::<i64, Min>)),
    of("min", &[Float4], Float4, || groups(folded::<f32, Min>)),
    of("min", &[Float8], Float8, || groups(folded::<f64, Min>)),
    of("min", &[Date], Date, || groups(folded::<i32, Min>)),
    of("min", &[Time], Time, || groups(folded::<i64, Min>)),
    of("min", &[Timestamp], Timestamp, || {
        groups(folded::<i64, Min>)
    }),
    of("min", &[Timestamptz], Timestamptz, || {
        groups(folded::<i64, Min>)
    }),
    of("min", &[Oid], Oid, || groups(folded::<i64, Min>)),
    of("min", &[Interval], Interval, || {
        groups(folded::<datum::Interval, Min>)
    }),
    of("min", &[Text], Text, extreme::min_text),
    of("min", &[Bpchar], Bpchar, extreme::min_bpchar),
    of("min", &[Numeric], Numeric, extreme::min_numeric),
    of("max", &[Int2], Int2, || groups(folded::<i16, Max>)),
    of("max", &[Int4], Int4, || groups(folded::<i32, Max>)),
    of("max", &[Int8], Int8, || groups(folded::<i64, Max>)),
    of("max", &[Float4], Float4, || groups(folded::<f32, Max>)),
    of("max", &[Float8], Float8, || groups(folded::<f64, Max>)),
    of("max", &[Date], Date, || groups(folded::<i32, Max>)),
    of("max", &[Time], Time, || groups(folded::<i64, Max>)),
    of("max", &[Timestamp], Timestamp, || {
        groups(folded::<i64, Max>)
    }),
    of("max", &[Timestamptz], Timestamptz, || {
        groups(folded::<i64, Max>)
    }),
    of("max", &[Oid], Oid, || groups(folded::<i64, Max>)),
    of("max", &[Interval], Interval, || {
        groups(folded::<datum::Interval, Max>)
    }),
    of("max", &[Text], Text, extreme::max_text),
    of("max", &[Bpchar], Bpchar, extreme::max_bpchar),
    of("max", &[Numeric], Numeric, extreme::max_numeric),
    of("bool_and", &[Bool], Bool, || groups(folded::<bool, And>)),
    of("every", &[Bool], Bool, || groups(folded::<bool, And>)),
    of("bool_or", &[Bool], Bool, || groups(folded::<bool, Or>)),
    of("bit_and", &[Int2], Int2, || groups(folded::<i16, And>)),
    of("bit_and", &[Int4], Int4, || groups(folded::<i32, And>)),
    of("bit_and", &[Int8], Int8, || groups(folded::<i64, And>)),
    of("bit_or", &[Int2], Int2, || groups(folded::<i16, Or>)),
    of("bit_or", &[Int4], Int4, || groups(folded::<i32, Or>)),
    of("bit_or", &[Int8], Int8, || groups(folded::<i64, Or>)),
    of("bit_xor", &[Int2], Int2, || groups(folded::<i16, Xor>)),
    of("bit_xor", &[Int4], Int4, || groups(folded::<i32, Xor>)),
    of("bit_xor", &[Int8], Int8, || groups(folded::<i64, Xor>)),
    of("string_agg", &[Text, Text], Text, string_agg),
    of("string_agg", &[Bytea, Bytea], Bytea, string_agg),
    of("var_pop", &[Int2], Numeric, || {
        exact::of_integers::<i16>(exact::var_pop)
    }),
    of("var_pop", &[Int4], Numeric, || {
        exact::of_integers::<i32>(exact::var_pop)
    }),
    of("var_pop", &[Int8], Numeric, || {
        exact::of_integers::<i64>(exact::var_pop)
    }),
    of("var_pop", &[Numeric], Numeric, || {
        exact::of_numerics(exact::var_pop)
    }),
    of("var_pop", &[Float4], Float8, || {
        groups(float_state::population_variances::<f32>)
    }),
    of("var_pop", &[Float8], Float8, || {
        groups(float_state::population_variances::<f64>)
    }),
    of("var_samp", &[Int2], Numeric, || {
        exact::of_integers::<i16>(exact::var_samp)
    }),
    of("var_samp", &[Int4], Numeric, || {
        exact::of_integers::<i32>(exact::var_samp)
    }),
    of("var_samp", &[Int8], Numeric, || {
        exact::of_integers::<i64>(exact::var_samp)
    }),
    of("var_samp", &[Numeric], Numeric, || {
        exact::of_numerics(exact::var_samp)
    }),
    of("var_samp", &[Float4], Float8, || {
        groups(float_state::sample_variances::<f32>)
    }),
    of("var_samp", &[Float8], Float8, || {
        groups(float_state::sample_variances::<f64>)
    }),
    of("variance", &[Int2], Numeric, || {
        exact::of_integers::<i16>(exact::var_samp)
    }),
    of("variance", &[Int4], Numeric, || {
        exact::of_integers::<i32>(exact::var_samp)
    }),
    of("variance", &[Int8], Numeric, || {
        exact::of_integers::<i64>(exact::var_samp)
    }),
    of("variance", &[Numeric], Numeric, || {
        exact::of_numerics(exact::var_samp)
    }),
    of("variance", &[Float4], Float8, || {
        groups(float_state::sample_variances::<f32>)
    }),
    of("variance", &[Float8], Float8, || {
        groups(float_state::sample_variances::<f64>)
    }),
    of("stddev_pop", &[Int2], Numeric, || {
        exact::of_integers::<i16>(exact::stddev_pop)
    }),
    of("stddev_pop", &[Int4], Numeric, || {
        exact::of_integers::<i32>(exact::stddev_pop)
    }),
    of("stddev_pop", &[Int8], Numeric, || {
        exact::of_integers::<i64>(exact::stddev_pop)
    }),
    of("stddev_pop", &[Numeric], Numeric, || {
        exact::of_numerics(exact::stddev_pop)
    }),
    of("stddev_pop", &[Float4], Float8, || {
        groups(float_state::population_deviations::<f32>)
    }),
    of("stddev_pop", &[Float8], Float8, || {
        groups(float_state::population_deviations::<f64>)
    }),
    of("stddev_samp", &[Int2], Numeric, || {
        exact::of_integers::<i16>(exact::stddev_samp)
    }),
    of("stddev_samp", &[Int4], Numeric, || {
        exact::of_integers::<i32>(exact::stddev_samp)
    }),
    of("stddev_samp", &[Int8], Numeric, || {
        exact::of_integers::<i64>(exact::stddev_samp)
    }),
    of("stddev_samp", &[Numeric], Numeric, || {
        exact::of_numerics(exact::stddev_samp)
    }),
    of("stddev_samp", &[Float4], Float8, || {
        groups(float_state::sample_deviations::<f32>)
    }),
    of("stddev_samp", &[Float8], Float8, || {
        groups(float_state::sample_deviations::<f64>)
    }),
    of("stddev", &[Int2], Numeric, || {
        exact::of_integers::<i16>(exact::stddev_samp)
    }),
    of("stddev", &[Int4], Numeric, || {
        exact::of_integers::<i32>(exact::stddev_samp)
    }),
    of("stddev", &[Int8], Numeric, || {
        exact::of_integers::<i64>(exact::stddev_samp)
    }),
    of("stddev", &[Numeric], Numeric, || {
        exact::of_numerics(exact::stddev_samp)
    }),
    of("stddev", &[Float4], Float8, || {
        groups(float_state::sample_deviations::<f32>)
    }),
    of("stddev", &[Float8], Float8, || {
        groups(float_state::sample_deviations::<f64>)
    }),
    of("regr_count", &[Float8, Float8], Int8, count),
    of("corr", &[Float8, Float8], Float8, || {
        regression(regression::CORR)
    }),
    of("covar_pop", &[Float8, Float8], Float8, || {
        regression(regression::COVAR_POP)
    }),
    of("covar_samp", &[Float8, Float8], Float8, || {
        regression(regression::COVAR_SAMP)
    }),
    of("regr_avgx", &[Float8, Float8], Float8, || {
        regression(regression::AVGX)
    }),
    of("regr_avgy", &[Float8, Float8], Float8, || {
        regression(regression::AVGY)
    }),
    of("regr_intercept", &[Float8, Float8], Float8, || {
        regression(regression::INTERCEPT)
    }),
    of("regr_r2", &[Float8, Float8], Float8, || {
        regression(regression::R2)
    }),
    of("regr_slope", &[Float8, Float8], Float8, || {
        regression(regression::SLOPE)
    }),
    of("regr_sxx", &[Float8, Float8], Float8, || {
        regression(regression::SXX)
    }),
    of("regr_sxy", &[Float8, Float8], Float8, || {
        regression(regression::SXY)
    }),
    of("regr_syy", &[Float8, Float8], Float8, || {
        regression(regression::SYY)
    }),
];
