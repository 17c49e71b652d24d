//! `lower`, `upper`, `initcap`: character by character, one for one, as the C library does.

use super::kernel::each_string;
use super::table::ScalarFunction;
use crate::types::column::text;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::TypeId::Text;

/// The one character that a mapping gives, or the character itself where it gives several.
fn single(c: char, mut mapped: impl ExactSizeIterator<Item = char>) -> char {
    if mapped.len() == 1 {
        mapped.next().unwrap_or(c)
    } else {
        c
    }
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Appends `value` in small letters.
pub(super) fn write_lower(value: &str, out: &mut Vec<u8>) {
    if value.is_ascii() {
        out.extend(value.bytes().map(|b| b.to_ascii_lowercase()));
    } else {
        value
            .chars()
            .for_each(|c| push(single(c, c.to_lowercase()), out));
    }
}

/// Appends `value` in capitals.
fn write_upper(value: &str, out: &mut Vec<u8>) {
    if value.is_ascii() {
        out.extend(value.bytes().map(|b| b.to_ascii_uppercase()));
    } else {
        value
            .chars()
            .for_each(|c| push(single(c, c.to_uppercase()), out));
    }
}

/// Appends `value` with a capital at the start of each word.
fn write_initcap(value: &str, out: &mut Vec<u8>) {
    let mut is_inside = false;
    for c in value.chars() {
        push(
            if is_inside {
                single(c, c.to_lowercase())
            } else {
                single(c, c.to_uppercase())
            },
            out,
        );
        is_inside = c.is_alphanumeric();
    }
}

fn mapped(v: &[Vector], rows: usize, f: fn(&str, &mut Vec<u8>)) -> SqlResult<Vector> {
    each_string(v, rows, |row, out| {
        f(text(&v[0], row), out);
        Ok(())
    })
}

const CASES: &[ScalarFunction] = &[
    ScalarFunction::new("lower", &[Text], Text, |_, v, n| mapped(v, n, write_lower)),
    ScalarFunction::new("upper", &[Text], Text, |_, v, n| mapped(v, n, write_upper)),
    ScalarFunction::new("initcap", &[Text], Text, |_, v, n| {
        mapped(v, n, write_initcap)
    }),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[CASES];
