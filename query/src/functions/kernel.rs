//! What kernels are made of: loops over typed columns with the null masks combined first.
//!
//! Invariants: 1. a strict kernel's result is NULL where any argument is; 2. the code for a row is
//! run for NULL rows only where it cannot fail; 3. a row costs no allocation of its own.

use crate::types::column::Column;
use crate::types::errors::Fault;
use alloc::vec::Vec;
use core::cmp::Ordering;
use vireo_abi::chunk::{BytesColumn, Values, Vector};
use vireo_abi::message::error::SqlResult;

/// Where any argument is NULL; none where no argument has NULLs.
pub(crate) fn combined_nulls(arguments: &[Vector]) -> Option<Vec<bool>> {
    let mut masks = arguments.iter().filter_map(|v| v.nulls.as_ref());
    let mut combined = masks.next()?.clone();
    for mask in masks {
        for (c, m) in combined.iter_mut().zip(mask) {
            *c |= *m;
        }
    }
    Some(combined)
}

/// A column from values and a mask.
#[inline]
pub(crate) fn vector<R: Column>(values: Vec<R>, nulls: Option<Vec<bool>>) -> Vector {
    Vector {
        values: R::wrap(values),
        nulls,
    }
}

/// One argument, cannot fail.
#[inline]
pub(crate) fn map1<A: Column, R: Column>(v: &[Vector], f: impl Fn(A) -> R) -> SqlResult<Vector> {
    let values = A::of(&v[0]).iter().map(|a| f(*a)).collect();
    Ok(vector(values, v[0].nulls.clone()))
}

/// Two arguments, cannot fail.
#[inline]
pub(crate) fn map2<A: Column, B: Column, R: Column>(
    v: &[Vector],
    f: impl Fn(A, B) -> R,
) -> SqlResult<Vector> {
    let values = A::of(&v[0])
        .iter()
        .zip(B::of(&v[1]))
        .map(|(a, b)| f(*a, *b))
        .collect();
    Ok(vector(values, combined_nulls(v)))
}

/// Two arguments, computed with a flag "failed": the loop has no branch, failures are looked for after it.
#[inline]
pub(crate) fn flagged2<A: Column, B: Column, R: Column>(
    v: &[Vector],
    f: impl Fn(A, B) -> (R, bool),
    fault: fn() -> Fault,
) -> SqlResult<Vector> {
    let (a, b) = (A::of(&v[0]), B::of(&v[1]));
    let mut has_failed = false;
    let values = a
        .iter()
        .zip(b)
        .map(|(a, b)| {
            let (result, failed) = f(*a, *b);
            has_failed |= failed;
            result
        })
        .collect();
    let nulls = combined_nulls(v);
    if has_failed {
        let is_real =
            |row: &usize| nulls.as_ref().is_none_or(|n| !n[*row]) && f(a[*row], b[*row]).1;
        if (0..a.len().min(b.len())).any(|row| is_real(&row)) {
            return Err(fault());
        }
    }
    Ok(vector(values, nulls))
}

/// Any arguments: `f` gives the value of each row that is not NULL.
#[inline]
pub(crate) fn each_row<R: Column>(
    v: &[Vector],
    rows: usize,
    mut f: impl FnMut(usize) -> SqlResult<R>,
) -> SqlResult<Vector> {
    let nulls = combined_nulls(v);
    let mut values = Vec::with_capacity(rows);
    match &nulls {
        None => {
            for row in 0..rows {
                values.push(f(row)?);
            }
        }
        Some(mask) => {
            for (row, is_null) in mask.iter().enumerate() {
                values.push(if *is_null { R::default() } else { f(row)? });
            }
        }
    }
    Ok(vector(values, nulls))
}

/// One argument, may fail.
#[inline]
pub(crate) fn try1<A: Column, R: Column>(
    v: &[Vector],
    f: impl Fn(A) -> SqlResult<R>,
) -> SqlResult<Vector> {
    let a = A::of(&v[0]);
    each_row(v, a.len(), |row| f(a[row]))
}

/// Two arguments, may fail.
#[inline]
pub(crate) fn try2<A: Column, B: Column, R: Column>(
    v: &[Vector],
    f: impl Fn(A, B) -> SqlResult<R>,
) -> SqlResult<Vector> {
    let (a, b) = (A::of(&v[0]), B::of(&v[1]));
    each_row(v, a.len(), |row| f(a[row], b[row]))
}

/// Any arguments, strings as result: `f` appends the string of each row that is not NULL.
#[inline]
pub(crate) fn each_string(
    v: &[Vector],
    rows: usize,
    mut f: impl FnMut(usize, &mut Vec<u8>) -> SqlResult<()>,
) -> SqlResult<Vector> {
    let nulls = combined_nulls(v);
    let mut out = BytesColumn::with_capacity(rows, rows * 16);
    for row in 0..rows {
        if nulls.as_ref().is_none_or(|n| !n[row]) {
            f(row, out.writer())?;
        }
        out.finish();
    }
    Ok(Vector {
        values: Values::Bytes(out),
        nulls,
    })
}

/// Any arguments, a result that may be NULL by itself: `f` gives none for it.
pub(crate) fn each_option<R: Column>(
    v: &[Vector],
    rows: usize,
    mut f: impl FnMut(usize) -> SqlResult<Option<R>>,
) -> SqlResult<Vector> {
    let mut own = alloc::vec![false; rows];
    let mut result = each_row(v, rows, |row| {
        let value = f(row)?;
        own[row] = value.is_none();
        Ok(value.unwrap_or_default())
    })?;
    if own.contains(&true) {
        match &mut result.nulls {
            Some(mask) => mask.iter_mut().zip(&own).for_each(|(m, o)| *m |= *o),
            None => result.nulls = Some(own),
        }
    }
    Ok(result)
}

/// Whether an ordering passes a comparison.
pub(crate) type Test = fn(Ordering) -> bool;

/// A comparison of two byte columns.
#[inline]
pub(crate) fn compare_strings(
    v: &[Vector],
    compare: impl Fn(&[u8], &[u8]) -> Ordering,
    test: Test,
) -> SqlResult<Vector> {
    let (a, b) = (
        crate::types::column::bytes(&v[0]),
        crate::types::column::bytes(&v[1]),
    );
    let values = a
        .iter()
        .zip(b.iter())
        .map(|(a, b)| test(compare(a, b)))
        .collect();
    Ok(vector::<bool>(values, combined_nulls(v)))
}
