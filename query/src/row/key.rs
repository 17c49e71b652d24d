//! Keys as bytes that compare as their values do: for the keys of trees, and for sorting.
//!
//! ```text
//!  column = marker, value           markers: 0 NULL that sorts first, 1 a value, 2 NULL that sorts last
//!
//!  bool                  0 or 1
//!  int2, int4, int8      big-endian, the sign bit turned over     (date, time, timestamps, oid too)
//!  float4, float8        big-endian; a positive one's sign bit turned over, a negative one's every bit;
//!                        -0 as 0, every NaN as one, above infinity
//!  text, bytea, …        the bytes, with 00 as 00 FF, then 00 00
//!  char(n)               as text, without the blanks at the end
//!  interval              microseconds in all, a month of 30 days of 24 hours: 16 bytes as an int
//!  uuid                  its bytes
//!  numeric               see `numeric`
//! ```
//!
//! Invariants:
//! 1. For values of one type, the order of their encodings (`memcmp`) is `types::compare`'s, and equal values have
//!    equal encodings (`1.0` and `1.00`, `'a '` and `'a'` as `char`): a unique index compares bytes.
//! 2. No encoding is a prefix of another of the same types, so columns can follow each other.
//! 3. A key of an index is at most [`KEY_SIZE_MAX`] bytes: [`encode_index`] refuses longer ones with 54000.
//!
//! A NULL's key in an index is the encoding with the row id behind it ([`encode_index`]): rows with a NULL never collide.

mod numeric;

use crate::types::compare::interval_span;
use crate::types::text::trim_blanks;
use alloc::format;
use alloc::vec::Vec;
use vireo_abi::chunk::{Values, Vector};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};
use vireo_abi::write_set::KEY_SIZE_MAX;

/// Before a NULL that sorts before all values.
const NULL_FIRST: u8 = 0;
/// Before a value.
const VALUE: u8 = 1;
/// Before a NULL that sorts after all values; the order of indexes.
pub(crate) const NULL_LAST: u8 = 2;

/// The key of a row in its table's tree: the row id, big-endian. The value of an index entry is the same.
pub fn row_id(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

/// The row id in a key of a table's tree, or in an index entry.
pub fn parse_row_id(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// Appends row `row` of the columns, ascending, NULLs last.
///
/// # Panics
/// If a column is of another kind than its type's.
pub fn encode(types: &[SqlType], columns: &[&Vector], row: usize, out: &mut Vec<u8>) {
    for (sql_type, column) in types.iter().zip(columns) {
        encode_value(sql_type.id, column, row, out);
    }
}

/// Appends an index's key of row `row`: the columns, and the row id if one of them is NULL. True if one is: then the row
/// collides with no other.
///
/// # Errors
/// 54000 if the key is longer than [`KEY_SIZE_MAX`].
///
/// # Panics
/// If a column is of another kind than its type's.
pub fn encode_index<'v>(
    index_name: &str,
    columns: impl Iterator<Item = (SqlType, &'v Vector)>,
    row: usize,
    row_id_of_row: u64,
    out: &mut Vec<u8>,
) -> SqlResult<bool> {
    let start = out.len();
    let mut has_null = false;
    for (sql_type, column) in columns {
        has_null |= column.is_null(row);
        encode_value(sql_type.id, column, row, out);
    }
    if has_null {
        out.extend_from_slice(&row_id(row_id_of_row));
    }
    check_size(index_name, out.len() - start)?;
    Ok(has_null)
}

/// Refuses a key that no tree takes.
///
/// # Errors
/// 54000.
pub fn check_size(index_name: &str, size: usize) -> SqlResult<()> {
    if size <= KEY_SIZE_MAX {
        return Ok(());
    }
    Err(SqlError::new(
        state::PROGRAM_LIMIT_EXCEEDED,
        format!("index row size {size} exceeds maximum {KEY_SIZE_MAX} for index \"{index_name}\""),
    )
    .with_hint("Consider a function index of an MD5 hash of the value, or use full text indexing."))
}

/// Appends one value, ascending, NULL last.
pub(crate) fn encode_value(ty: TypeId, column: &Vector, row: usize, out: &mut Vec<u8>) {
    if column.is_null(row) {
        out.push(NULL_LAST);
    } else {
        out.push(VALUE);
        encode_payload(ty, column, row, out);
    }
}

/// Appends one value of a sort: descending by turning every bit over, NULLs where they are wanted.
pub(crate) fn encode_sort(
    ty: TypeId,
    column: &Vector,
    row: usize,
    is_descending: bool,
    nulls_first: bool,
    out: &mut Vec<u8>,
) {
    if column.is_null(row) {
        out.push(if nulls_first { NULL_FIRST } else { NULL_LAST });
        return;
    }
    out.push(VALUE);
    let start = out.len();
    encode_payload(ty, column, row, out);
    if is_descending {
        for byte in &mut out[start..] {
            *byte = !*byte;
        }
    }
}

/// The least byte string above all that begin with `prefix`; none if there is no such.
pub(crate) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

fn encode_payload(ty: TypeId, column: &Vector, row: usize, out: &mut Vec<u8>) {
    match &column.values {
        Values::Bool(v) => out.push(u8::from(v[row])),
        Values::Int2(v) => out.extend_from_slice(&(v[row] ^ i16::MIN).to_be_bytes()),
        Values::Int4(v) => out.extend_from_slice(&(v[row] ^ i32::MIN).to_be_bytes()),
        Values::Int8(v) => out.extend_from_slice(&(v[row] ^ i64::MIN).to_be_bytes()),
        Values::Float4(v) => out.extend_from_slice(&float4_bits(v[row]).to_be_bytes()),
        Values::Float8(v) => out.extend_from_slice(&float8_bits(v[row]).to_be_bytes()),
        Values::Interval(v) => {
            out.extend_from_slice(&(interval_span(v[row]) ^ i128::MIN).to_be_bytes());
        }
        Values::Uuid(v) => out.extend_from_slice(&v[row]),
        Values::Bytes(v) => match ty {
            TypeId::Numeric => numeric::encode(v.get(row), out),
            TypeId::Bpchar => escape(trim_blanks(v.get(row)), out),
            _ => escape(v.get(row), out),
        },
    }
}

fn float4_bits(x: f32) -> u32 {
    let bits = if x.is_nan() {
        0x7fc0_0000
    } else {
        (x + 0.0).to_bits()
    };
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

fn float8_bits(x: f64) -> u64 {
    let bits = if x.is_nan() {
        0x7ff8_0000_0000_0000
    } else {
        (x + 0.0).to_bits()
    };
    if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for (index, part) in bytes.split(|b| *b == 0).enumerate() {
        if index > 0 {
            out.extend_from_slice(&[0, 0xff]);
        }
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests;
