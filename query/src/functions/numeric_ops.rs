//! Operators and functions on `numeric`.

use super::kernel::{each_row, each_string};
use super::table::ScalarFunction;
use crate::types::column::{Column, bytes};
use crate::types::errors::int4_range;
use crate::types::numeric::{Numeric, add_into, divide_into, multiply_into, subtract_into};
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::{SqlError, SqlResult};
use vireo_abi::sql_type::TypeId::{Int4, Int8, Numeric as Num};

/// An operation on encodings.
type Binary = fn(&[u8], &[u8], &mut Vec<u8>) -> SqlResult<()>;

fn binary(v: &[Vector], rows: usize, operation: Binary) -> SqlResult<Vector> {
    let (a, b) = (bytes(&v[0]), bytes(&v[1]));
    each_string(v, rows, |row, out| operation(a.get(row), b.get(row), out))
}

fn of_one(
    v: &[Vector],
    rows: usize,
    f: impl Fn(Numeric) -> SqlResult<Numeric>,
) -> SqlResult<Vector> {
    let a = bytes(&v[0]);
    each_string(v, rows, |row, out| {
        f(Numeric::decode(a.get(row)))?.encode(out);
        Ok(())
    })
}

fn of_two(
    v: &[Vector],
    rows: usize,
    f: impl Fn(Numeric, Numeric) -> SqlResult<Numeric>,
) -> SqlResult<Vector> {
    let (a, b) = (bytes(&v[0]), bytes(&v[1]));
    each_string(v, rows, |row, out| {
        f(Numeric::decode(a.get(row)), Numeric::decode(b.get(row)))?.encode(out);
        Ok(())
    })
}

/// A value and a number of digits.
fn of_digits(v: &[Vector], rows: usize, f: impl Fn(Numeric, i32) -> Numeric) -> SqlResult<Vector> {
    let (a, digits) = (bytes(&v[0]), i32::of(&v[1]));
    each_string(v, rows, |row, out| {
        f(Numeric::decode(a.get(row)), digits[row]).encode(out);
        Ok(())
    })
}

fn round(value: Numeric, digits: i32) -> Numeric {
    match value {
        Numeric::Finite(d) => Numeric::Finite(d.round(digits.clamp(-2000, 2000))),
        other => other,
    }
}

fn truncate(value: Numeric, digits: i32) -> Numeric {
    match value {
        Numeric::Finite(d) => Numeric::Finite(d.truncate(digits.clamp(-2000, 2000))),
        other => other,
    }
}

fn whole(value: Numeric, is_up: bool) -> SqlResult<Numeric> {
    Ok(match value {
        Numeric::Finite(d) => Numeric::Finite(d.to_whole(is_up)),
        other => other,
    })
}

fn sign(value: &Numeric) -> Numeric {
    match value {
        Numeric::NaN => Numeric::NaN,
        other => Numeric::from(i64::from(other.signum())),
    }
}

const OPERATORS: &[ScalarFunction] = &[
    ScalarFunction::new("numeric_add", &[Num, Num], Num, |_, v, n| {
        binary(v, n, add_into)
    })
    .operator("+"),
    ScalarFunction::new("numeric_sub", &[Num, Num], Num, |_, v, n| {
        binary(v, n, subtract_into)
    })
    .operator("-"),
    ScalarFunction::new("numeric_mul", &[Num, Num], Num, |_, v, n| {
        binary(v, n, multiply_into)
    })
    .operator("*"),
    ScalarFunction::new("numeric_div", &[Num, Num], Num, |_, v, n| {
        binary(v, n, divide_into)
    })
    .operator("/"),
    ScalarFunction::new("numeric_mod", &[Num, Num], Num, |_, v, n| {
        of_two(v, n, |a, b| a.remainder(&b))
    })
    .operator("%"),
    ScalarFunction::new("numeric_power", &[Num, Num], Num, |_, v, n| {
        of_two(v, n, |a, b| a.power(&b))
    })
    .operator("^"),
    ScalarFunction::new("numeric_uminus", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| Ok(a.negate()))
    })
    .operator("-"),
    ScalarFunction::new("numeric_uplus", &[Num], Num, |_, v, _| Ok(v[0].clone())).operator("+"),
    ScalarFunction::new("numeric_abs", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| Ok(a.absolute()))
    })
    .operator("@"),
];

const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("abs", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| Ok(a.absolute()))
    }),
    ScalarFunction::new("mod", &[Num, Num], Num, |_, v, n| {
        of_two(v, n, |a, b| a.remainder(&b))
    }),
    ScalarFunction::new("div", &[Num, Num], Num, |_, v, n| {
        of_two(v, n, |a, b| a.divide_whole(&b))
    }),
    ScalarFunction::new("ceil", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| whole(a, true))
    }),
    ScalarFunction::new("ceiling", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| whole(a, true))
    }),
    ScalarFunction::new("floor", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| whole(a, false))
    }),
    ScalarFunction::new("round", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| Ok(round(a, 0)))
    }),
    ScalarFunction::new("round", &[Num, Int4], Num, |_, v, n| of_digits(v, n, round)),
    ScalarFunction::new("trunc", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| Ok(truncate(a, 0)))
    }),
    ScalarFunction::new("trunc", &[Num, Int4], Num, |_, v, n| {
        of_digits(v, n, truncate)
    }),
    ScalarFunction::new("sign", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| Ok(sign(&a)))
    }),
    ScalarFunction::new("sqrt", &[Num], Num, |_, v, n| of_one(v, n, |a| a.sqrt())),
    ScalarFunction::new("exp", &[Num], Num, |_, v, n| of_one(v, n, |a| a.exp())),
    ScalarFunction::new("ln", &[Num], Num, |_, v, n| of_one(v, n, |a| a.ln())),
    ScalarFunction::new("log", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| a.log(&Numeric::from(10i64)))
    }),
    ScalarFunction::new("log10", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| a.log(&Numeric::from(10i64)))
    }),
    ScalarFunction::new("log", &[Num, Num], Num, |_, v, n| {
        of_two(v, n, |base, a| a.log(&base))
    }),
    ScalarFunction::new("power", &[Num, Num], Num, |_, v, n| {
        of_two(v, n, |a, b| a.power(&b))
    }),
    ScalarFunction::new("pow", &[Num, Num], Num, |_, v, n| {
        of_two(v, n, |a, b| a.power(&b))
    }),
    ScalarFunction::new("gcd", &[Num, Num], Num, |_, v, n| {
        of_two(v, n, |a, b| Ok(a.gcd(&b)))
    }),
    ScalarFunction::new("lcm", &[Num, Num], Num, |_, v, n| {
        of_two(v, n, |a, b| a.lcm(&b))
    }),
    ScalarFunction::new("factorial", &[Int8], Num, |_, v, n| {
        let a = i64::of(&v[0]);
        each_string(v, n, |row, out| {
            Numeric::factorial(a[row])?.encode(out);
            Ok(())
        })
    }),
    ScalarFunction::new("scale", &[Num], Int4, |_, v, n| {
        digits_of(v, n, |a| match a {
            Numeric::Finite(d) => Some(i32::from(d.scale)),
            _ => None,
        })
    }),
    ScalarFunction::new("min_scale", &[Num], Int4, |_, v, n| {
        digits_of(v, n, |a| match a.normalized() {
            Numeric::Finite(d) => Some(i32::from(d.scale)),
            _ => None,
        })
    }),
    ScalarFunction::new("trim_scale", &[Num], Num, |_, v, n| {
        of_one(v, n, |a| Ok(a.normalized()))
    }),
    ScalarFunction::new("width_bucket", &[Num, Num, Num, Int4], Int4, |_, v, n| {
        width_bucket(v, n)
    }),
];

fn digits_of(v: &[Vector], rows: usize, f: impl Fn(Numeric) -> Option<i32>) -> SqlResult<Vector> {
    let a = bytes(&v[0]);
    super::kernel::each_option(v, rows, |row| Ok(f(Numeric::decode(a.get(row)))))
}

/// 2201G
fn bucket_error(message: &str) -> crate::types::errors::Fault {
    SqlError::new(b"2201G", message)
}

fn width_bucket(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    use core::cmp::Ordering::{Equal, Greater, Less};
    let (operands, lows, highs, counts) =
        (bytes(&v[0]), bytes(&v[1]), bytes(&v[2]), i32::of(&v[3]));
    each_row(v, rows, |row| {
        let count = counts[row];
        if count <= 0 {
            return Err(bucket_error("count must be greater than zero"));
        }
        let operand = Numeric::decode(operands.get(row));
        let (low, high) = (
            Numeric::decode(lows.get(row)),
            Numeric::decode(highs.get(row)),
        );
        let bounds = [&operand, &low, &high];
        if bounds.iter().any(|n| matches!(n, Numeric::NaN)) {
            return Err(bucket_error(
                "operand, lower bound, and upper bound cannot be NaN",
            ));
        }
        if [&low, &high]
            .iter()
            .any(|n| !matches!(n, Numeric::Finite(_)))
        {
            return Err(bucket_error("lower and upper bounds must be finite"));
        }
        let (below, above) = match low.compare(&high) {
            Equal => return Err(bucket_error("lower bound cannot equal upper bound")),
            Less => (
                operand.compare(&low) == Less,
                operand.compare(&high) != Less,
            ),
            Greater => (
                operand.compare(&low) == Greater,
                operand.compare(&high) != Greater,
            ),
        };
        if below {
            return Ok(0);
        }
        if above {
            return count.checked_add(1).ok_or_else(int4_range);
        }
        let part = operand
            .subtract(&low)?
            .absolute()
            .multiply(&Numeric::from(i64::from(count)))?;
        let bucket = part.divide_whole(&high.subtract(&low)?.absolute())?;
        let bucket = bucket.to_i128().and_then(|b| i32::try_from(b + 1).ok());
        bucket.ok_or_else(int4_range)
    })
}

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[OPERATORS, FUNCTIONS];
