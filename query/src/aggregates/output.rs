//! Results: columns from what each group gives, NULL where it gives none.

use crate::types::column::Column;
use crate::types::errors::Fault;
use alloc::format;
use alloc::vec::Vec;
use vireo_abi::chunk::{BytesColumn, Values, Vector};
use vireo_abi::message::error::{SqlError, SqlResult, state};

/// Most bytes that a string can have.
const STRING_BYTES_MAX: usize = 0x3fff_ffff;

/// A column of fixed-size values.
pub(super) fn column<S, R: Column>(states: &[S], f: impl Fn(&S) -> Option<R>) -> Vector {
    let mut nulls = None;
    let mut values = Vec::with_capacity(states.len());
    for (group, value) in states.iter().map(f).enumerate() {
        if value.is_none() {
            nulls.get_or_insert_with(|| alloc::vec![false; states.len()])[group] = true;
        }
        values.push(value.unwrap_or_default());
    }
    Vector {
        values: R::wrap(values),
        nulls,
    }
}

/// A column of fixed-size values whose computation may fail.
pub(super) fn try_column<S, R: Column>(
    states: &[S],
    f: impl Fn(&S) -> SqlResult<Option<R>>,
) -> SqlResult<Vector> {
    let results: Vec<Option<R>> = states.iter().map(f).collect::<SqlResult<_>>()?;
    Ok(column(&results, |r| *r))
}

/// A column of byte strings: `f` appends a group's and says whether there is one.
pub(super) fn strings(
    groups: usize,
    mut f: impl FnMut(usize, &mut Vec<u8>) -> SqlResult<bool>,
) -> SqlResult<Vector> {
    let mut nulls = None;
    let mut out = BytesColumn::with_capacity(groups, 0);
    for group in 0..groups {
        let before = out.byte_len();
        if !f(group, out.writer())? {
            nulls.get_or_insert_with(|| alloc::vec![false; groups])[group] = true;
        }
        if u32::try_from(out.byte_len()).is_err() {
            return Err(too_large(before, out.byte_len() - before));
        }
        out.finish();
    }
    Ok(Vector {
        values: Values::Bytes(out),
        nulls,
    })
}

/// The length of a string of `length` bytes after `added` more.
///
/// # Errors
/// 54000.
#[inline]
pub(super) fn grown(length: u32, added: usize) -> SqlResult<u32> {
    match (length as usize).checked_add(added) {
        Some(sum) if sum <= STRING_BYTES_MAX => Ok(sum as u32),
        _ => Err(too_large(length as usize, added)),
    }
}

#[cold]
pub(super) fn too_large(length: usize, added: usize) -> Fault {
    SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "out of memory").with_detail(format!(
        "Cannot enlarge string buffer containing {length} bytes by {added} more bytes."
    ))
}
