//! Casts among numbers and booleans.

use super::cast::map_strings;
use super::column::{Column, bytes};
use super::errors::{
    Fault, float_overflow, float_underflow, int2_range, int4_range, int8_range, range,
};
use super::numeric::{Numeric, Rounding};
use alloc::vec::Vec;
use vireo_abi::chunk::{Values, Vector};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

fn convert<A: Column, R: Column>(v: &Vector, f: impl Fn(A) -> R) -> Vector {
    Vector {
        values: R::wrap(A::of(v).iter().map(|a| f(*a)).collect()),
        nulls: v.nulls.clone(),
    }
}

fn convert_rows<R: Column>(
    v: &Vector,
    mut f: impl FnMut(usize) -> SqlResult<R>,
) -> SqlResult<Vector> {
    let mut values = Vec::with_capacity(v.len());
    for row in 0..v.len() {
        values.push(if v.is_null(row) {
            R::default()
        } else {
            f(row)?
        });
    }
    Ok(Vector {
        values: R::wrap(values),
        nulls: v.nulls.clone(),
    })
}

fn try_convert<A: Column, R: Column>(
    v: &Vector,
    f: impl Fn(A) -> Option<R>,
    fault: fn() -> Fault,
) -> SqlResult<Vector> {
    let values = A::of(v);
    convert_rows(v, |row| f(values[row]).ok_or_else(fault))
}

#[cold]
fn oid_range() -> Fault {
    range("OID out of range")
}

/// An integer column as `i64`s.
fn wide(v: &Vector) -> Option<Vec<i64>> {
    Some(match &v.values {
        Values::Int2(x) => x.iter().map(|x| i64::from(*x)).collect(),
        Values::Int4(x) => x.iter().map(|x| i64::from(*x)).collect(),
        Values::Int8(x) => x.clone(),
        _ => return None,
    })
}

/// A float rounded half to even, if it is within the integer's range.
fn float_to_int<R: TryFrom<i64>>(value: f64) -> Option<R> {
    let rounded = libm::rint(value);
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded);
    if fits {
        R::try_from(rounded as i64).ok()
    } else {
        None
    }
}

#[cold]
fn not_an_integer(what: &str, type_name: &str) -> Fault {
    SqlError::new(
        state::FEATURE_NOT_SUPPORTED,
        alloc::format!("cannot convert {what} to {type_name}"),
    )
}

fn numeric_to_int<R: Column + TryFrom<i128>>(
    v: &Vector,
    type_name: &str,
    fault: fn() -> Fault,
) -> SqlResult<Vector> {
    let encoded = bytes(v);
    convert_rows(v, |row| match Numeric::decode(encoded.get(row)) {
        Numeric::NaN => Err(not_an_integer("NaN", type_name)),
        Numeric::Infinity | Numeric::NegInfinity => Err(not_an_integer("infinity", type_name)),
        value => value
            .to_i128()
            .and_then(|n| R::try_from(n).ok())
            .ok_or_else(fault),
    })
}

fn to_numeric(
    v: &Vector,
    typmod: i32,
    value: impl Fn(usize) -> SqlResult<Numeric>,
) -> SqlResult<Vector> {
    map_strings(v, |row, out| {
        value(row)?.with_typmod(typmod)?.encode(out);
        Ok(())
    })
}

/// A double as a real, refused where it overflows or vanishes.
fn narrow(value: f64) -> SqlResult<f32> {
    let result = value as f32;
    if result.is_infinite() && !value.is_infinite() {
        return Err(float_overflow());
    }
    if result == 0.0 && value != 0.0 {
        return Err(float_underflow());
    }
    Ok(result)
}

fn from_float(
    v: &Vector,
    to: SqlType,
    at: impl Fn(usize) -> f64,
    rounding: Rounding,
) -> SqlResult<Option<Vector>> {
    Ok(Some(match to.id {
        TypeId::Int2 => convert_rows(v, |r| float_to_int::<i16>(at(r)).ok_or_else(int2_range))?,
        TypeId::Int4 => convert_rows(v, |r| float_to_int::<i32>(at(r)).ok_or_else(int4_range))?,
        TypeId::Int8 => convert_rows(v, |r| float_to_int::<i64>(at(r)).ok_or_else(int8_range))?,
        TypeId::Float4 => convert_rows(v, |r| narrow(at(r)))?,
        TypeId::Float8 => convert_rows(v, |r| Ok(at(r)))?,
        TypeId::Numeric => to_numeric(v, to.typmod, |r| Numeric::from_float(at(r), rounding))?,
        _ => return Ok(None),
    }))
}

fn from_numeric(v: &Vector, to: SqlType) -> SqlResult<Option<Vector>> {
    let encoded = bytes(v);
    let value = |row: usize| Numeric::decode(encoded.get(row));
    Ok(Some(match to.id {
        TypeId::Int2 => numeric_to_int::<i16>(v, "smallint", int2_range)?,
        TypeId::Int4 => numeric_to_int::<i32>(v, "integer", int4_range)?,
        TypeId::Int8 => numeric_to_int::<i64>(v, "bigint", int8_range)?,
        TypeId::Float8 => convert_rows(v, |row| value(row).to_float8())?,
        TypeId::Float4 => convert_rows(v, |row| match value(row) {
            n @ Numeric::Finite(_) => super::float::parse_float4(&n.to_text()),
            n => n.to_float8().map(|f| f as f32),
        })?,
        TypeId::Numeric => to_numeric(v, to.typmod, |row| Ok(value(row)))?,
        _ => return Ok(None),
    }))
}

fn from_integer(v: &Vector, from: SqlType, to: SqlType) -> SqlResult<Option<Vector>> {
    let Some(values) = wide(v) else {
        return Ok(None);
    };
    let column = |values: Vec<i64>| Vector {
        values: Values::Int8(values),
        nulls: v.nulls.clone(),
    };
    Ok(Some(match to.id {
        TypeId::Oid if from.id == TypeId::Int8 => try_convert(
            &column(values),
            |a: i64| u32::try_from(a).ok().map(i64::from),
            oid_range,
        )?,
        TypeId::Oid => convert(&column(values), |a: i64| i64::from(a as u32)),
        // An oid above 2^31 becomes a negative integer, as its bits say.
        TypeId::Int4 if from.id == TypeId::Oid => {
            convert(&column(values), |a: i64| a as u32 as i32)
        }
        TypeId::Int2 => try_convert(&column(values), |a: i64| i16::try_from(a).ok(), int2_range)?,
        TypeId::Int4 => try_convert(&column(values), |a: i64| i32::try_from(a).ok(), int4_range)?,
        TypeId::Int8 => column(values),
        TypeId::Float4 => convert(&column(values), |a: i64| a as f32),
        TypeId::Float8 => convert(&column(values), |a: i64| a as f64),
        TypeId::Numeric => to_numeric(v, to.typmod, |row| Ok(Numeric::from(values[row])))?,
        TypeId::Bool => convert(&column(values), |a: i64| a != 0),
        _ => return Ok(None),
    }))
}

/// Casts a number or boolean; none when it is another cast.
pub(super) fn cast(v: &Vector, from: SqlType, to: SqlType) -> SqlResult<Option<Vector>> {
    match from.id {
        TypeId::Int2 | TypeId::Int4 | TypeId::Int8 | TypeId::Oid => from_integer(v, from, to),
        TypeId::Float4 => {
            let values = f32::of(v);
            from_float(v, to, |row| f64::from(values[row]), Rounding::Float4)
        }
        TypeId::Float8 => {
            let values = f64::of(v);
            from_float(v, to, |row| values[row], Rounding::Float8)
        }
        TypeId::Numeric => from_numeric(v, to),
        TypeId::Bool if to.id == TypeId::Int4 => Ok(Some(convert(v, |a: bool| i32::from(a)))),
        _ => Ok(None),
    }
}
