//! Operators on floats: arithmetic in all pairs of widths, signs, powers and roots.

use super::kernel::{map1, try1, try2};
use super::table::ScalarFunction;
use crate::types::errors::{division_by_zero, float_overflow, float_underflow};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::TypeId::{Float4, Float8};

/// A float of either width, for the checks that PostgreSQL makes after each operation.
pub(crate) trait Float: crate::types::column::Column {
    /// As a double.
    fn wide(self) -> f64;
}

impl Float for f32 {
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Float for f64 {
    fn wide(self) -> f64 {
        self
    }
}

/// Refuses an infinity that came of finite operands.
#[inline]
pub(crate) fn no_overflow<T: Float>(result: T, a: f64, b: f64) -> SqlResult<T> {
    if result.wide().is_infinite() && a.is_finite() && b.is_finite() {
        return Err(float_overflow());
    }
    Ok(result)
}

/// A product, checked.
#[inline]
pub(crate) fn product<T: Float>(result: T, a: f64, b: f64) -> SqlResult<T> {
    if result.wide().is_infinite() && !a.is_infinite() && !b.is_infinite() {
        return Err(float_overflow());
    }
    if result.wide() == 0.0 && a != 0.0 && b != 0.0 {
        return Err(float_underflow());
    }
    Ok(result)
}

/// A quotient, checked.
#[inline]
pub(crate) fn quotient<T: Float>(result: T, a: f64, b: f64) -> SqlResult<T> {
    if b == 0.0 && !a.is_nan() {
        return Err(division_by_zero());
    }
    if result.wide().is_infinite() && !a.is_infinite() {
        return Err(float_overflow());
    }
    if result.wide() == 0.0 && a != 0.0 && !b.is_infinite() {
        return Err(float_underflow());
    }
    Ok(result)
}

macro_rules! arithmetic {
    ($table:ident, $prefix:literal, $a_id:ident: $a:ty, $b_id:ident: $b:ty, $r_id:ident: $r:ty) => {
        const $table: &[ScalarFunction] = &[
            ScalarFunction::new(concat!($prefix, "pl"), &[$a_id, $b_id], $r_id, |_, v, _| {
                try2(v, |a: $a, b: $b| {
                    no_overflow(<$r>::from(a) + <$r>::from(b), a.wide(), b.wide())
                })
            })
            .operator("+"),
            ScalarFunction::new(concat!($prefix, "mi"), &[$a_id, $b_id], $r_id, |_, v, _| {
                try2(v, |a: $a, b: $b| {
                    no_overflow(<$r>::from(a) - <$r>::from(b), a.wide(), b.wide())
                })
            })
            .operator("-"),
            ScalarFunction::new(
                concat!($prefix, "mul"),
                &[$a_id, $b_id],
                $r_id,
                |_, v, _| {
                    try2(v, |a: $a, b: $b| {
                        product(<$r>::from(a) * <$r>::from(b), a.wide(), b.wide())
                    })
                },
            )
            .operator("*"),
            ScalarFunction::new(
                concat!($prefix, "div"),
                &[$a_id, $b_id],
                $r_id,
                |_, v, _| {
                    try2(v, |a: $a, b: $b| {
                        quotient(<$r>::from(a) / <$r>::from(b), a.wide(), b.wide())
                    })
                },
            )
            .operator("/"),
        ];
    };
}

arithmetic!(FLOAT4, "float4", Float4: f32, Float4: f32, Float4: f32);
arithmetic!(FLOAT48, "float48", Float4: f32, Float8: f64, Float8: f64);
arithmetic!(FLOAT84, "float84", Float8: f64, Float4: f32, Float8: f64);
arithmetic!(FLOAT8, "float8", Float8: f64, Float8: f64, Float8: f64);

macro_rules! single {
    ($table:ident, $prefix:literal, $id:ident: $t:ty, $abs:path) => {
        const $table: &[ScalarFunction] = &[
            ScalarFunction::new(concat!($prefix, "um"), &[$id], $id, |_, v, _| {
                map1(v, |a: $t| -a)
            })
            .operator("-"),
            ScalarFunction::new(concat!($prefix, "up"), &[$id], $id, |_, v, _| {
                Ok(v[0].clone())
            })
            .operator("+"),
            ScalarFunction::new(concat!($prefix, "abs"), &[$id], $id, |_, v, _| {
                map1(v, $abs)
            })
            .operator("@"),
            ScalarFunction::new("abs", &[$id], $id, |_, v, _| map1(v, $abs)),
        ];
    };
}

single!(SINGLE4, "float4", Float4: f32, libm::fabsf);
single!(SINGLE8, "float8", Float8: f64, libm::fabs);

const ROOTS: &[ScalarFunction] = &[
    ScalarFunction::new("dsqrt", &[Float8], Float8, |_, v, _| {
        try1(v, super::math::sqrt)
    })
    .operator("|/"),
    ScalarFunction::new("dcbrt", &[Float8], Float8, |_, v, _| map1(v, libm::cbrt)).operator("||/"),
    ScalarFunction::new("dpow", &[Float8, Float8], Float8, |_, v, _| {
        try2(v, super::math::power)
    })
    .operator("^"),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] =
    &[FLOAT8, FLOAT4, FLOAT48, FLOAT84, SINGLE8, SINGLE4, ROOTS];
