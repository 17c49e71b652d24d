//! Moving rows between vectors: appending, gathering with NULLs for rows that are missing, repeating.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use vireo_abi::chunk::{BytesColumn, Values, Vector};
use vireo_abi::sql_type::Kind;

/// In a list of row indexes: no row, a NULL in every column.
pub(crate) const NO_ROW: u32 = u32::MAX;

/// Runs a body for a pair of values of one kind.
macro_rules! each_pair {
    ($a:expr, $b:expr, $x:ident, $y:ident => $fixed:expr, $bytes:expr) => {
        match ($a, $b) {
            (Values::Bool($x), Values::Bool($y)) => $fixed,
            (Values::Int2($x), Values::Int2($y)) => $fixed,
            (Values::Int4($x), Values::Int4($y)) => $fixed,
            (Values::Int8($x), Values::Int8($y)) => $fixed,
            (Values::Float4($x), Values::Float4($y)) => $fixed,
            (Values::Float8($x), Values::Float8($y)) => $fixed,
            (Values::Interval($x), Values::Interval($y)) => $fixed,
            (Values::Uuid($x), Values::Uuid($y)) => $fixed,
            (Values::Bytes($x), Values::Bytes($y)) => $bytes,
            (a, b) => panic!("rows of {:?} for a column of {:?}", b.kind(), a.kind()),
        }
    };
}

/// Appends some rows of `from`, which is of the same kind.
pub(crate) fn append(into: &mut Vector, from: &Vector, rows: Range<usize>) {
    let before = into.len();
    match (&mut into.nulls, &from.nulls) {
        (None, None) => {}
        (Some(a), None) => a.resize(before + rows.len(), false),
        (a, Some(b)) => a
            .get_or_insert_with(|| vec![false; before])
            .extend_from_slice(&b[rows.clone()]),
    }
    each_pair!(&mut into.values, &from.values, a, b => a.extend_from_slice(&b[rows]), {
        for row in rows {
            a.push(b.get(row));
        }
    });
}

/// Some rows of a vector.
pub(crate) fn slice(from: &Vector, rows: Range<usize>) -> Vector {
    let mut out = Vector::with_capacity(from.values.kind(), 0);
    append(&mut out, from, rows);
    out
}

/// The rows at `indexes`; NULL for [`NO_ROW`].
pub(crate) fn take_or_null(from: &Vector, indexes: &[u32]) -> Vector {
    if !indexes.contains(&NO_ROW) {
        return from.take(indexes);
    }
    if from.is_empty() {
        return all_null(from.values.kind(), indexes.len());
    }
    let present: Vec<u32> = indexes
        .iter()
        .map(|i| if *i == NO_ROW { 0 } else { *i })
        .collect();
    let mut out = from.take(&present);
    let nulls = out.nulls.get_or_insert_with(|| vec![false; indexes.len()]);
    for (null, index) in nulls.iter_mut().zip(indexes) {
        *null |= *index == NO_ROW;
    }
    out
}

/// `rows` NULLs.
pub(crate) fn all_null(kind: Kind, rows: usize) -> Vector {
    let mut one = Vector::with_capacity(kind, 1);
    one.push_null();
    repeat(&one, rows)
}

/// The only row of `one`, `rows` times.
pub(crate) fn repeat(one: &Vector, rows: usize) -> Vector {
    let values = match &one.values {
        Values::Bool(v) => Values::Bool(vec![v[0]; rows]),
        Values::Int2(v) => Values::Int2(vec![v[0]; rows]),
        Values::Int4(v) => Values::Int4(vec![v[0]; rows]),
        Values::Int8(v) => Values::Int8(vec![v[0]; rows]),
        Values::Float4(v) => Values::Float4(vec![v[0]; rows]),
        Values::Float8(v) => Values::Float8(vec![v[0]; rows]),
        Values::Interval(v) => Values::Interval(vec![v[0]; rows]),
        Values::Uuid(v) => Values::Uuid(vec![v[0]; rows]),
        Values::Bytes(v) => {
            let value = v.get(0);
            let mut out = BytesColumn::with_capacity(rows, rows * value.len());
            for _ in 0..rows {
                out.push(value);
            }
            Values::Bytes(out)
        }
    };
    Vector {
        values,
        nulls: one.is_null(0).then(|| vec![true; rows]),
    }
}

/// About how many bytes a vector holds.
pub(crate) fn size(vector: &Vector) -> usize {
    let rows = vector.len();
    let values = match &vector.values {
        Values::Bool(_) => rows,
        Values::Int2(_) => rows * 2,
        Values::Int4(_) | Values::Float4(_) => rows * 4,
        Values::Int8(_) | Values::Float8(_) => rows * 8,
        Values::Interval(_) | Values::Uuid(_) => rows * 16,
        Values::Bytes(v) => rows * 4 + v.byte_len(),
    };
    values + vector.nulls.as_ref().map_or(0, Vec::len)
}
