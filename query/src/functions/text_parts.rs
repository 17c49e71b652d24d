//! Parts of strings: substrings, positions, fields, overlays.

use super::kernel::{each_row, each_string};
use super::table::ScalarFunction;
use crate::types::column::{Column, bytes, text};
use crate::types::errors::{Fault, int4_range, invalid_parameter};
use crate::types::text::{char_count, char_offset};
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::TypeId::{Bytea, Int4, Text};

#[cold]
fn negative_length() -> Fault {
    SqlError::new(
        state::SUBSTRING_ERROR,
        "negative substring length not allowed",
    )
}

/// The half-open range of elements that `substring(… from start for length)` takes, from 0.
fn window(start: i32, length: Option<i32>) -> SqlResult<(usize, usize)> {
    let first = i64::from(start).max(1);
    let end = match length {
        None => i64::from(i32::MAX),
        Some(length) if length < 0 => {
            return Err(negative_length());
        }
        Some(length) => i64::from(start) + i64::from(length),
    };
    let end = end.max(first);
    Ok(((first - 1) as usize, (end - 1) as usize))
}

fn substring(v: &[Vector], rows: usize, is_text: bool) -> SqlResult<Vector> {
    let (strings, starts) = (bytes(&v[0]), i32::of(&v[1]));
    each_string(v, rows, |row, out| {
        let string = strings.get(row);
        let (first, end) = window(starts[row], v.get(2).map(|l| i32::of(l)[row]))?;
        let part = if is_text {
            let from = char_offset(string, first);
            &string[from..from + char_offset(&string[from..], end - first)]
        } else {
            &string[first.min(string.len())..end.min(string.len())]
        };
        out.extend_from_slice(part);
        Ok(())
    })
}

/// The position of `part` in `whole`, from 1; 0 when it is not there.
fn position(whole: &[u8], part: &[u8], is_text: bool) -> i32 {
    if part.is_empty() {
        return 1;
    }
    match whole.windows(part.len()).position(|w| w == part) {
        Some(at) if is_text => char_count(&whole[..at]) as i32 + 1,
        Some(at) => at as i32 + 1,
        None => 0,
    }
}

fn positions(v: &[Vector], rows: usize, is_text: bool) -> SqlResult<Vector> {
    let (wholes, parts) = (bytes(&v[0]), bytes(&v[1]));
    each_row(v, rows, |row| {
        Ok(position(wholes.get(row), parts.get(row), is_text))
    })
}

/// `left` and `right`: negative counts leave that many out.
fn side(v: &[Vector], rows: usize, is_left: bool) -> SqlResult<Vector> {
    let (strings, counts) = (bytes(&v[0]), i32::of(&v[1]));
    each_string(v, rows, |row, out| {
        let (string, count) = (strings.get(row), i64::from(counts[row]));
        let length = char_count(string) as i64;
        let kept = if count >= 0 {
            count.min(length)
        } else {
            (length + count).max(0)
        };
        let part = if is_left {
            &string[..char_offset(string, kept as usize)]
        } else {
            &string[char_offset(string, (length - kept) as usize)..]
        };
        out.extend_from_slice(part);
        Ok(())
    })
}

fn split_part(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    let fields = i32::of(&v[2]);
    each_string(v, rows, |row, out| {
        let (string, separator, field) = (text(&v[0], row), text(&v[1], row), fields[row]);
        if field == 0 {
            return Err(invalid_parameter("field position must not be zero"));
        }
        let index = field.unsigned_abs() as usize - 1;
        let part = if string.is_empty() {
            None
        } else if separator.is_empty() {
            (index == 0).then_some(string)
        } else if field > 0 {
            string.split(separator).nth(index)
        } else {
            // Fields are split from the left also when counted from the right.
            let count = string.split(separator).count();
            count
                .checked_sub(index + 1)
                .and_then(|i| string.split(separator).nth(i))
        };
        out.extend_from_slice(part.unwrap_or("").as_bytes());
        Ok(())
    })
}

fn overlay(v: &[Vector], rows: usize, is_text: bool) -> SqlResult<Vector> {
    let (strings, news, starts) = (bytes(&v[0]), bytes(&v[1]), i32::of(&v[2]));
    each_string(v, rows, |row, out| {
        let (string, new, start) = (strings.get(row), news.get(row), starts[row]);
        let size = |s: &[u8]| if is_text { char_count(s) } else { s.len() };
        let length = v.get(3).map_or(size(new) as i32, |l| i32::of(l)[row]);
        if start <= 0 {
            return Err(negative_length());
        }
        let after = start.checked_add(length).ok_or_else(int4_range)?;
        let offset = |index: i32| {
            let index = index.max(0) as usize;
            if is_text {
                char_offset(string, index)
            } else {
                index.min(string.len())
            }
        };
        out.extend_from_slice(&string[..offset(start - 1)]);
        out.extend_from_slice(new);
        out.extend_from_slice(&string[offset(after.saturating_sub(1))..]);
        Ok(())
    })
}

const PARTS: &[ScalarFunction] = &[
    ScalarFunction::new("substr", &[Text, Int4], Text, |_, v, n| {
        substring(v, n, true)
    }),
    ScalarFunction::new("substr", &[Text, Int4, Int4], Text, |_, v, n| {
        substring(v, n, true)
    }),
    ScalarFunction::new("substring", &[Text, Int4], Text, |_, v, n| {
        substring(v, n, true)
    }),
    ScalarFunction::new("substring", &[Text, Int4, Int4], Text, |_, v, n| {
        substring(v, n, true)
    }),
    ScalarFunction::new("substr", &[Bytea, Int4], Bytea, |_, v, n| {
        substring(v, n, false)
    }),
    ScalarFunction::new("substr", &[Bytea, Int4, Int4], Bytea, |_, v, n| {
        substring(v, n, false)
    }),
    ScalarFunction::new("substring", &[Bytea, Int4], Bytea, |_, v, n| {
        substring(v, n, false)
    }),
    ScalarFunction::new("substring", &[Bytea, Int4, Int4], Bytea, |_, v, n| {
        substring(v, n, false)
    }),
    ScalarFunction::new("position", &[Text, Text], Int4, |_, v, n| {
        positions(v, n, true)
    }),
    ScalarFunction::new("position", &[Bytea, Bytea], Int4, |_, v, n| {
        positions(v, n, false)
    }),
    ScalarFunction::new("strpos", &[Text, Text], Int4, |_, v, n| {
        positions(v, n, true)
    }),
    ScalarFunction::new("left", &[Text, Int4], Text, |_, v, n| side(v, n, true)),
    ScalarFunction::new("right", &[Text, Int4], Text, |_, v, n| side(v, n, false)),
    ScalarFunction::new("split_part", &[Text, Text, Int4], Text, |_, v, n| {
        split_part(v, n)
    }),
    ScalarFunction::new("overlay", &[Text, Text, Int4], Text, |_, v, n| {
        overlay(v, n, true)
    }),
    ScalarFunction::new("overlay", &[Text, Text, Int4, Int4], Text, |_, v, n| {
        overlay(v, n, true)
    }),
    ScalarFunction::new("overlay", &[Bytea, Bytea, Int4], Bytea, |_, v, n| {
        overlay(v, n, false)
    }),
    ScalarFunction::new("overlay", &[Bytea, Bytea, Int4, Int4], Bytea, |_, v, n| {
        overlay(v, n, false)
    }),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[PARTS];
