//! `||`, `concat`, `concat_ws`.

use super::kernel::{combined_nulls, each_string};
use super::table::ScalarFunction;
use crate::settings::EvalContext;
use crate::types::cast::cast;
use crate::types::column::bytes;
use crate::types::errors::malformed;
use alloc::vec::Vec;
use vireo_abi::chunk::{BytesColumn, Values, Vector};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;
use vireo_abi::sql_type::TypeId::{
    self, Bool, Bytea, Date, Float4, Float8, Int2, Int4, Int8, Interval, Numeric, Oid, Text, Time,
    Timestamp, Timestamptz, Uuid,
};

fn join(a: &Vector, b: &Vector) -> SqlResult<Vector> {
    let (left, right) = (bytes(a), bytes(b));
    let mut out = BytesColumn::with_capacity(left.len(), left.byte_len() + right.byte_len());
    for (l, r) in left.iter().zip(right.iter()) {
        out.writer().extend_from_slice(l);
        out.push(r);
    }
    let nulls = match (&a.nulls, &b.nulls) {
        (None, other) | (other, None) => other.clone(),
        (Some(x), Some(y)) => Some(x.iter().zip(y).map(|(x, y)| *x || *y).collect()),
    };
    Ok(Vector {
        values: Values::Bytes(out),
        nulls,
    })
}

/// A value's text, as `::text` gives it.
fn shown(cx: &EvalContext, v: &Vector, ty: TypeId) -> SqlResult<Vector> {
    cast(v, SqlType::plain(ty), SqlType::plain(Text), true, cx)
}

/// `text || any` and `any || text` for each type that is no string.
macro_rules! any_text {
    ($($id:ident),*) => {
        const ANY: &[ScalarFunction] = &[
            $(
                ScalarFunction::new("textanycat", &[Text, $id], Text, |cx, v, _| join(&v[0], &shown(cx, &v[1], $id)?))
                    .operator("||")
                    .stable(),
                ScalarFunction::new("anytextcat", &[$id, Text], Text, |cx, v, _| join(&shown(cx, &v[0], $id)?, &v[1]))
                    .operator("||")
                    .stable(),
            )*
        ];
    };
}

any_text!(
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Bytea,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Interval,
    Uuid,
    Oid
);

const SAME: &[ScalarFunction] = &[
    ScalarFunction::new("textcat", &[Text, Text], Text, |_, v, _| join(&v[0], &v[1]))
        .operator("||"),
    ScalarFunction::new("byteacat", &[Bytea, Bytea], Bytea, |_, v, _| {
        join(&v[0], &v[1])
    })
    .operator("||"),
];

const VARIADIC: &[ScalarFunction] = &[
    ScalarFunction::new("concat", &[Text], Text, |_, v, rows| concat(v, rows))
        .variadic()
        .stable(),
    ScalarFunction::new("concat_ws", &[Text, Text], Text, |_, v, rows| {
        concat_ws(v, rows)
    })
    .variadic()
    .stable(),
];

/// Appends one argument of a variadic function.
pub(super) fn append(v: &Vector, row: usize, out: &mut Vec<u8>) -> SqlResult<()> {
    match &v.values {
        Values::Bytes(b) => out.extend_from_slice(b.get(row)),
        Values::Bool(b) => out.push(if b[row] { b't' } else { b'f' }),
        _ => return Err(malformed("a variadic argument that is no text")),
    }
    Ok(())
}

fn concat(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    each_string(&[], rows, |row, out| {
        v.iter()
            .filter(|a| !a.is_null(row))
            .try_for_each(|a| append(a, row, out))
    })
}

fn concat_ws(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    let (separator, rest) = (&v[0], &v[1..]);
    debug_assert!(combined_nulls(&v[..1]).is_none_or(|n| n.len() == rows));
    each_string(&v[..1], rows, |row, out| {
        let mut is_first = true;
        for a in rest.iter().filter(|a| !a.is_null(row)) {
            if !is_first {
                out.extend_from_slice(bytes(separator).get(row));
            }
            is_first = false;
            append(a, row, out)?;
        }
        Ok(())
    })
}

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[SAME, ANY, VARIADIC];
