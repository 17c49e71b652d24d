//! Order, equality and hashes of values, by type.
//!
//! Invariant: values that compare equal hash alike. That needs care where equal values differ in
//! their bytes: numerics of different scales, `char(n)` of different padding, -0.0 and 0.0, NaNs,
//! intervals of '1 day' and '24 hours'.

use super::column::{Column, bytes};
use super::numeric::compare_bytes;
use super::text::trim_blanks;
use core::cmp::Ordering;
use vireo_abi::chunk::{Values, Vector};
use vireo_abi::datum::Interval;
use vireo_abi::sql_type::TypeId;

/// Microseconds of a day.
const DAY_US: i128 = 86_400_000_000;

/// The span that an interval's order and equality look at: a month is 30 days, a day 24 hours.
pub(crate) fn interval_span(v: Interval) -> i128 {
    i128::from(v.micros) + (i128::from(v.days) + 30 * i128::from(v.months)) * DAY_US
}

/// Order of floats: NaN equals itself and is above everything.
#[inline]
pub(crate) fn compare_float(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Compares row `i` of `a` with row `j` of `b`, neither NULL, in btree order ("C" collation).
#[inline]
pub fn compare(ty: TypeId, a: &Vector, i: usize, b: &Vector, j: usize) -> Ordering {
    match (&a.values, &b.values) {
        (Values::Bool(a), Values::Bool(b)) => a[i].cmp(&b[j]),
        (Values::Int2(a), Values::Int2(b)) => a[i].cmp(&b[j]),
        (Values::Int4(a), Values::Int4(b)) => a[i].cmp(&b[j]),
        (Values::Int8(a), Values::Int8(b)) => a[i].cmp(&b[j]),
        (Values::Float4(a), Values::Float4(b)) => compare_float(f64::from(a[i]), f64::from(b[j])),
        (Values::Float8(a), Values::Float8(b)) => compare_float(a[i], b[j]),
        (Values::Interval(a), Values::Interval(b)) => interval_span(a[i]).cmp(&interval_span(b[j])),
        (Values::Uuid(a), Values::Uuid(b)) => a[i].cmp(&b[j]),
        (Values::Bytes(a), Values::Bytes(b)) => compare_bytes_of(ty, a.get(i), b.get(j)),
        (a, b) => panic!("comparing {:?} with {:?}", a.kind(), b.kind()),
    }
}

/// Compares two byte strings of a type.
#[inline]
pub(crate) fn compare_bytes_of(ty: TypeId, a: &[u8], b: &[u8]) -> Ordering {
    match ty {
        TypeId::Numeric => compare_bytes(a, b),
        TypeId::Bpchar => trim_blanks(a).cmp(trim_blanks(b)),
        _ => a.cmp(b),
    }
}

/// Whether row `i` of `a` equals row `j` of `b`, neither NULL.
#[inline]
pub fn equal(ty: TypeId, a: &Vector, i: usize, b: &Vector, j: usize) -> bool {
    match (&a.values, &b.values) {
        (Values::Int4(a), Values::Int4(b)) => a[i] == b[j],
        (Values::Int8(a), Values::Int8(b)) => a[i] == b[j],
        _ => compare(ty, a, i, b, j) == Ordering::Equal,
    }
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const NULL_HASH: u64 = 0x6a09_e667_f3bc_c909;

/// Folds one word into a hash: the two halves of a 128-bit product.
#[inline]
fn fold(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ 0x2545_f491_4f6c_dd1d) * u128::from(MULTIPLIER);
    (product as u64) ^ ((product >> 64) as u64)
}

fn fold_bytes(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        hash = fold(hash, u64::from_le_bytes(word));
    }
    let mut word = [0; 8];
    word[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    fold(fold(hash, u64::from_le_bytes(word)), bytes.len() as u64)
}

fn fold_float(hash: u64, value: f64) -> u64 {
    let canonical = if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    };
    fold(hash, canonical)
}

fn fold_wide(hash: u64, value: i128) -> u64 {
    fold(fold(hash, value as u64), (value >> 64) as u64)
}

/// Applies a fold to each row, NULLs alike.
fn each<T: Copy>(
    values: &[T],
    nulls: Option<&[bool]>,
    hashes: &mut [u64],
    f: impl Fn(u64, T) -> u64,
) {
    match nulls {
        None => {
            for (hash, value) in hashes.iter_mut().zip(values) {
                *hash = f(*hash, *value);
            }
        }
        Some(nulls) => {
            for ((hash, value), is_null) in hashes.iter_mut().zip(values).zip(nulls) {
                *hash = if *is_null {
                    fold(*hash, NULL_HASH)
                } else {
                    f(*hash, *value)
                };
            }
        }
    }
}

fn hash_bytes(ty: TypeId, v: &Vector, hashes: &mut [u64]) {
    let mut buffer = alloc::vec::Vec::new();
    for (row, (hash, raw)) in hashes.iter_mut().zip(bytes(v).iter()).enumerate() {
        *hash = match ty {
            _ if v.is_null(row) => fold(*hash, NULL_HASH),
            TypeId::Numeric => {
                buffer.clear();
                super::numeric::write_normalized(raw, &mut buffer);
                fold_bytes(*hash, &buffer)
            }
            TypeId::Bpchar => fold_bytes(*hash, trim_blanks(raw)),
            _ => fold_bytes(*hash, raw),
        };
    }
}

/// Combines each row's value into its hash. Equal values hash alike, NULLs too.
pub fn hash(ty: TypeId, v: &Vector, hashes: &mut [u64]) {
    let nulls = v.nulls.as_deref();
    match &v.values {
        Values::Bool(x) => each(x, nulls, hashes, |h, x| fold(h, u64::from(x))),
        Values::Int2(x) => each(x, nulls, hashes, |h, x| fold(h, x as u64)),
        Values::Int4(x) => each(x, nulls, hashes, |h, x| fold(h, x as u64)),
        Values::Int8(x) => each(x, nulls, hashes, |h, x| fold(h, x as u64)),
        Values::Float4(x) => each(x, nulls, hashes, |h, x| fold_float(h, f64::from(x))),
        Values::Float8(x) => each(x, nulls, hashes, fold_float),
        Values::Interval(_) => {
            each(Interval::of(v), nulls, hashes, |h, x| {
                fold_wide(h, interval_span(x))
            });
        }
        Values::Uuid(x) => each(x, nulls, hashes, |h, x| {
            fold_wide(h, i128::from_le_bytes(x))
        }),
        Values::Bytes(_) => hash_bytes(ty, v, hashes),
    }
}
