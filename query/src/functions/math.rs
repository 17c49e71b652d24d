//! Mathematical functions on floats and integers.

use super::float_ops::{no_overflow, quotient};
use super::kernel::{each_row, map1, map2, try1, try2};
use super::table::ScalarFunction;
use crate::types::column::Column;
use crate::types::errors::{Fault, float_overflow, float_underflow, int4_range, int8_range, range};
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::TypeId::{Float8, Int4, Int8};

#[cold]
fn input_range() -> Fault {
    range("input is out of range")
}

#[cold]
fn power_error(message: &str) -> Fault {
    SqlError::new(state::INVALID_ARGUMENT_FOR_POWER_FUNCTION, message)
}

#[cold]
fn logarithm_error(message: &str) -> Fault {
    SqlError::new(state::INVALID_ARGUMENT_FOR_LOGARITHM, message)
}

/// `dsqrt`
pub(super) fn sqrt(a: f64) -> SqlResult<f64> {
    if a < 0.0 {
        return Err(power_error("cannot take square root of a negative number"));
    }
    Ok(libm::sqrt(a))
}

/// `dpow`, whose special cases are POSIX's.
pub(super) fn power(a: f64, b: f64) -> SqlResult<f64> {
    if a.is_nan() {
        return Ok(if b == 0.0 { 1.0 } else { f64::NAN });
    }
    if b.is_nan() {
        return Ok(if a == 1.0 { 1.0 } else { f64::NAN });
    }
    if a == 0.0 && b < 0.0 {
        return Err(power_error("zero raised to a negative power is undefined"));
    }
    if a < 0.0 && b.is_finite() && libm::floor(b) != b {
        return Err(power_error(
            "a negative number raised to a non-integer power yields a complex result",
        ));
    }
    let result = libm::pow(a, b);
    if result.is_infinite() && a.is_finite() && b.is_finite() {
        return Err(float_overflow());
    }
    if result == 0.0 && a != 0.0 && a.is_finite() && b.is_finite() {
        return Err(float_underflow());
    }
    Ok(result)
}

fn exp(a: f64) -> SqlResult<f64> {
    let result = libm::exp(a);
    if result.is_infinite() && a.is_finite() {
        return Err(float_overflow());
    }
    if result == 0.0 && a.is_finite() {
        return Err(float_underflow());
    }
    Ok(result)
}

fn logarithm(a: f64, f: fn(f64) -> f64) -> SqlResult<f64> {
    if a == 0.0 {
        return Err(logarithm_error("cannot take logarithm of zero"));
    }
    if a < 0.0 {
        return Err(logarithm_error(
            "cannot take logarithm of a negative number",
        ));
    }
    Ok(f(a))
}

/// `dsign`
fn sign(a: f64) -> f64 {
    if a > 0.0 {
        1.0
    } else if a < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// A function whose argument must be finite.
fn of_finite(a: f64, f: fn(f64) -> f64) -> SqlResult<f64> {
    if a.is_infinite() {
        return Err(input_range());
    }
    Ok(f(a))
}

/// A function whose argument must be in -1 to 1.
fn of_unit(a: f64, f: fn(f64) -> f64) -> SqlResult<f64> {
    if !a.is_nan() && !(-1.0..=1.0).contains(&a) {
        return Err(input_range());
    }
    Ok(f(a))
}

fn cotangent(a: f64) -> f64 {
    1.0 / libm::tan(a)
}

macro_rules! float1 {
    ($name:literal, |$a:ident| $body:expr) => {
        ScalarFunction::new($name, &[Float8], Float8, |_, v, _| try1(v, |$a: f64| $body))
    };
}

const FLOATS: &[ScalarFunction] = &[
    ScalarFunction::new("ceil", &[Float8], Float8, |_, v, _| map1(v, libm::ceil)),
    ScalarFunction::new("ceiling", &[Float8], Float8, |_, v, _| map1(v, libm::ceil)),
    ScalarFunction::new("floor", &[Float8], Float8, |_, v, _| map1(v, libm::floor)),
    ScalarFunction::new("round", &[Float8], Float8, |_, v, _| map1(v, libm::rint)),
    ScalarFunction::new("trunc", &[Float8], Float8, |_, v, _| map1(v, libm::trunc)),
    ScalarFunction::new("sign", &[Float8], Float8, |_, v, _| map1(v, sign)),
    ScalarFunction::new("cbrt", &[Float8], Float8, |_, v, _| map1(v, libm::cbrt)),
    float1!("sqrt", |a| sqrt(a)),
    float1!("exp", |a| exp(a)),
    float1!("ln", |a| logarithm(a, libm::log)),
    float1!("log", |a| logarithm(a, libm::log10)),
    float1!("log10", |a| logarithm(a, libm::log10)),
    ScalarFunction::new("power", &[Float8, Float8], Float8, |_, v, _| try2(v, power)),
    ScalarFunction::new("pow", &[Float8, Float8], Float8, |_, v, _| try2(v, power)),
    ScalarFunction::new("pi", &[], Float8, |_, _, rows| {
        Ok(constant(core::f64::consts::PI, rows))
    }),
    float1!("degrees", |a| quotient(
        a / RADIANS_PER_DEGREE,
        a,
        RADIANS_PER_DEGREE
    )),
    ScalarFunction::new("radians", &[Float8], Float8, |_, v, _| {
        map1(v, |a: f64| a * RADIANS_PER_DEGREE)
    }),
    ScalarFunction::new("random", &[], Float8, |cx, _, rows| {
        let values =
            (0..rows).map(|_| (super::system::next_random(cx) >> 11) as f64 / (1u64 << 53) as f64);
        Ok(super::kernel::vector(values.collect::<Vec<f64>>(), None))
    })
    .volatile(),
    ScalarFunction::new(
        "width_bucket",
        &[Float8, Float8, Float8, Int4],
        Int4,
        |_, v, n| width_bucket(v, n),
    ),
];

/// π / 180
const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;

const TRIGONOMETRY: &[ScalarFunction] = &[
    float1!("sin", |a| of_finite(a, libm::sin)),
    float1!("cos", |a| of_finite(a, libm::cos)),
    float1!("tan", |a| of_finite(a, libm::tan)),
    float1!("cot", |a| of_finite(a, cotangent)),
    float1!("asin", |a| of_unit(a, libm::asin)),
    float1!("acos", |a| of_unit(a, libm::acos)),
    float1!("atan", |a| Ok(libm::atan(a))),
    ScalarFunction::new("atan2", &[Float8, Float8], Float8, |_, v, _| {
        map2(v, libm::atan2)
    }),
    ScalarFunction::new("sinh", &[Float8], Float8, |_, v, _| map1(v, libm::sinh)),
    ScalarFunction::new("cosh", &[Float8], Float8, |_, v, _| map1(v, libm::cosh)),
    ScalarFunction::new("tanh", &[Float8], Float8, |_, v, _| map1(v, libm::tanh)),
    ScalarFunction::new("asinh", &[Float8], Float8, |_, v, _| map1(v, libm::asinh)),
    float1!("acosh", |a| if a < 1.0 {
        Err(input_range())
    } else {
        Ok(libm::acosh(a))
    }),
    float1!("atanh", |a| match a {
        1.0 => Ok(f64::INFINITY),
        -1.0 => Ok(f64::NEG_INFINITY),
        _ => of_unit(a, libm::atanh),
    }),
];

macro_rules! integer_divisors {
    ($table:ident, $id:ident: $t:ty, $range:ident) => {
        const $table: &[ScalarFunction] = &[
            ScalarFunction::new("gcd", &[$id, $id], $id, |_, v, _| {
                try2(v, |a: $t, b: $t| {
                    <$t>::try_from(gcd(
                        i64::from(a).unsigned_abs(),
                        i64::from(b).unsigned_abs(),
                    ))
                    .map_err(|_| $range())
                })
            }),
            ScalarFunction::new("lcm", &[$id, $id], $id, |_, v, _| {
                try2(v, |a: $t, b: $t| {
                    let (x, y) = (i64::from(a).unsigned_abs(), i64::from(b).unsigned_abs());
                    if x == 0 || y == 0 {
                        return Ok(0);
                    }
                    let multiple = (x / gcd(x, y)).checked_mul(y);
                    multiple
                        .and_then(|m| <$t>::try_from(m).ok())
                        .ok_or_else($range)
                })
            }),
        ];
    };
}

integer_divisors!(DIVISORS4, Int4: i32, int4_range);
integer_divisors!(DIVISORS8, Int8: i64, int8_range);

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn constant<T: Column>(value: T, rows: usize) -> Vector {
    super::kernel::vector(alloc::vec![value; rows], None)
}

fn bucket_error(message: &str) -> Fault {
    SqlError::new(b"2201G", message)
}

/// `width_bucket_float8`
fn width_bucket(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    let (operands, lows, highs, counts) = (
        f64::of(&v[0]),
        f64::of(&v[1]),
        f64::of(&v[2]),
        i32::of(&v[3]),
    );
    each_row(v, rows, |row| {
        let (operand, low, high, count) = (operands[row], lows[row], highs[row], counts[row]);
        if count <= 0 {
            return Err(bucket_error("count must be greater than zero"));
        }
        if operand.is_nan() || low.is_nan() || high.is_nan() {
            return Err(bucket_error(
                "operand, lower bound, and upper bound cannot be NaN",
            ));
        }
        if low.is_infinite() || high.is_infinite() {
            return Err(bucket_error("lower and upper bounds must be finite"));
        }
        if low == high {
            return Err(bucket_error("lower bound cannot equal upper bound"));
        }
        let (below, above) = if low < high {
            (operand < low, operand >= high)
        } else {
            (operand > low, operand <= high)
        };
        if below {
            return Ok(0);
        }
        if above {
            return count.checked_add(1).ok_or_else(int4_range);
        }
        let part = no_overflow((operand - low) / (high - low) * f64::from(count), 0.0, 0.0)?;
        Ok((part as i32).min(count - 1) + 1)
    })
}

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[FLOATS, TRIGONOMETRY, DIVISORS4, DIVISORS8];
