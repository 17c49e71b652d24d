//! Casts between types.

pub use super::cast_table::find;
use super::cast_table::is_string;
use super::errors::Fault;
use super::input::Reader;
use super::output::TextFormat;
use super::text::{trim_blanks, write_limited};
use super::{cast_date, cast_number};
use crate::settings::EvalContext;
use alloc::format;
use vireo_abi::chunk::{BytesColumn, Values, Vector};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

/// Where a cast may happen by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CastContext {
    /// Anywhere.
    Implicit,
    /// When assigning to a column.
    Assignment,
    /// Only when written.
    Explicit,
}

#[cold]
fn no_such_cast(from: SqlType, to: SqlType) -> Fault {
    SqlError::new(
        state::CANNOT_COERCE,
        format!(
            "cannot cast type {} to {}",
            from.id.sql_name(),
            to.id.sql_name()
        ),
    )
}

/// Casts a column, typmod included.
///
/// # Errors
/// PostgreSQL's: 22003, 22001, 22P02, …; 42846 when there is no such cast.
pub fn cast(
    v: &Vector,
    from: SqlType,
    to: SqlType,
    is_explicit: bool,
    cx: &EvalContext,
) -> SqlResult<Vector> {
    if from.id == to.id && (to.typmod < 0 || to.typmod == from.typmod) {
        return Ok(v.clone());
    }
    if find(from.id, to.id).is_none() {
        return Err(no_such_cast(from, to));
    }
    if v.values.kind() != from.kind() {
        return Err(super::errors::malformed(
            "a cast of another type than its operand's",
        ));
    }
    if is_string(to.id) {
        return to_string(v, from, to, is_explicit, cx);
    }
    if is_string(from.id) {
        return from_string(v, to, cx);
    }
    match cast_number::cast(v, from, to).transpose() {
        Some(result) => result,
        None => cast_date::cast(v, from, to, cx)?.ok_or_else(|| no_such_cast(from, to)),
    }
}

/// Each row that is not NULL through `f`, strings as result.
pub(super) fn map_strings(
    v: &Vector,
    mut f: impl FnMut(usize, &mut alloc::vec::Vec<u8>) -> SqlResult<()>,
) -> SqlResult<Vector> {
    let mut out = BytesColumn::with_capacity(v.len(), v.len() * 8);
    for row in 0..v.len() {
        if !v.is_null(row) {
            f(row, out.writer())?;
        }
        out.finish();
    }
    Ok(Vector {
        values: Values::Bytes(out),
        nulls: v.nulls.clone(),
    })
}

/// Whether the bytes are the same in both string types whatever the value.
fn is_relabelled(from: SqlType, to: SqlType) -> bool {
    let is_plain = |ty: SqlType| {
        matches!(ty.id, TypeId::Text | TypeId::Unknown | TypeId::Name)
            || (ty.id == TypeId::Varchar && ty.typmod < 0)
    };
    matches!(
        from.id,
        TypeId::Text | TypeId::Varchar | TypeId::Unknown | TypeId::Name
    ) && to.id != TypeId::Name
        && (is_plain(to) || (to.id == TypeId::Bpchar && to.typmod < 0))
}

fn to_string(
    v: &Vector,
    from: SqlType,
    to: SqlType,
    is_explicit: bool,
    cx: &EvalContext,
) -> SqlResult<Vector> {
    if is_relabelled(from, to) {
        return Ok(v.clone());
    }
    if is_string(from.id) {
        let strings = super::column::bytes(v);
        let is_trimmed = from.id == TypeId::Bpchar && to.id != TypeId::Bpchar;
        return map_strings(v, |row, out| {
            let string = strings.get(row);
            let string = if is_trimmed {
                trim_blanks(string)
            } else {
                string
            };
            write_limited(to, string, is_explicit, out)
        });
    }
    let format = TextFormat::new(&cx.format);
    let is_limited = to.typmod >= 4 || to.id == TypeId::Name;
    let mut text = alloc::vec::Vec::new();
    map_strings(v, |row, out| {
        let target = if is_limited { &mut text } else { &mut *out };
        if is_limited {
            target.clear();
        }
        match &v.values {
            Values::Bool(b) if to.id != TypeId::Name => {
                target.extend_from_slice(if b[row] { b"true" } else { b"false" })
            }
            _ => format.write(from, v, row, target),
        }
        if is_limited {
            write_limited(to, &text, is_explicit, out)
        } else {
            Ok(())
        }
    })
}

fn from_string(v: &Vector, to: SqlType, cx: &EvalContext) -> SqlResult<Vector> {
    let strings = super::column::bytes(v);
    let mut out = Vector::with_capacity(to.kind(), v.len());
    let mut reader = Reader::new(cx);
    for row in 0..v.len() {
        if v.is_null(row) {
            out.push_null();
        } else {
            reader.push(to, strings.get(row), &mut out)?;
        }
    }
    Ok(out)
}
