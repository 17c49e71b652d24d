//! Functions on whole strings: lengths, padding, trimming, replacing, repeating.

use super::kernel::{each_row, each_string};
use super::table::ScalarFunction;
use crate::types::column::{Column, bytes, text};
use crate::types::errors::{Fault, invalid_parameter};
use crate::types::text::{char_count, char_offset, trim_blanks};
use alloc::format;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::TypeId::{Bool, Bpchar, Bytea, Int4, Int8, Text};

/// Longest string that PostgreSQL builds.
const LENGTH_MAX: usize = 0x3fff_ffff;

#[cold]
pub(super) fn too_large() -> Fault {
    SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
}

fn measure(v: &[Vector], rows: usize, f: fn(&[u8]) -> usize) -> SqlResult<Vector> {
    let strings = bytes(&v[0]);
    each_row(v, rows, |row| Ok(f(strings.get(row)) as i32))
}

fn blank_count(s: &[u8]) -> usize {
    char_count(trim_blanks(s))
}

fn bit_length(s: &[u8]) -> usize {
    s.len() * 8
}

const LENGTHS: &[ScalarFunction] = &[
    ScalarFunction::new("length", &[Text], Int4, |_, v, n| measure(v, n, char_count)),
    ScalarFunction::new("length", &[Bpchar], Int4, |_, v, n| {
        measure(v, n, blank_count)
    }),
    ScalarFunction::new("length", &[Bytea], Int4, |_, v, n| {
        measure(v, n, <[u8]>::len)
    }),
    ScalarFunction::new("char_length", &[Text], Int4, |_, v, n| {
        measure(v, n, char_count)
    }),
    ScalarFunction::new("char_length", &[Bpchar], Int4, |_, v, n| {
        measure(v, n, blank_count)
    }),
    ScalarFunction::new("character_length", &[Text], Int4, |_, v, n| {
        measure(v, n, char_count)
    }),
    ScalarFunction::new("character_length", &[Bpchar], Int4, |_, v, n| {
        measure(v, n, blank_count)
    }),
    ScalarFunction::new("octet_length", &[Text], Int4, |_, v, n| {
        measure(v, n, <[u8]>::len)
    }),
    ScalarFunction::new("octet_length", &[Bpchar], Int4, |_, v, n| {
        measure(v, n, <[u8]>::len)
    }),
    ScalarFunction::new("octet_length", &[Bytea], Int4, |_, v, n| {
        measure(v, n, <[u8]>::len)
    }),
    ScalarFunction::new("bit_length", &[Text], Int4, |_, v, n| {
        measure(v, n, bit_length)
    }),
    ScalarFunction::new("bit_length", &[Bytea], Int4, |_, v, n| {
        measure(v, n, bit_length)
    }),
];

/// `lpad` and `rpad`: cut to a length, or filled up to it.
fn pad(v: &[Vector], rows: usize, is_left: bool) -> SqlResult<Vector> {
    let (strings, lengths) = (bytes(&v[0]), i32::of(&v[1]));
    each_string(v, rows, |row, out| {
        let string = strings.get(row);
        let fill = v.get(2).map_or(" ", |f| text(f, row));
        let wanted = lengths[row].max(0) as usize;
        if wanted > LENGTH_MAX / 4 {
            return Err(too_large());
        }
        let count = char_count(string);
        if count >= wanted || fill.is_empty() {
            out.extend_from_slice(&string[..char_offset(string, wanted)]);
            return Ok(());
        }
        if !is_left {
            out.extend_from_slice(string);
        }
        for c in fill.chars().cycle().take(wanted - count) {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        if is_left {
            out.extend_from_slice(string);
        }
        Ok(())
    })
}

/// The trimming functions: characters of a set (blanks when there is none) off either end.
fn trim(v: &[Vector], rows: usize, at_start: bool, at_end: bool) -> SqlResult<Vector> {
    each_string(v, rows, |row, out| {
        let set = v.get(1).map_or(" ", |s| text(s, row));
        let mut rest = text(&v[0], row);
        if at_start {
            rest = rest.trim_start_matches(|c| set.contains(c));
        }
        if at_end {
            rest = rest.trim_end_matches(|c| set.contains(c));
        }
        out.extend_from_slice(rest.as_bytes());
        Ok(())
    })
}

fn trim_bytes(v: &[Vector], rows: usize, at_start: bool, at_end: bool) -> SqlResult<Vector> {
    let (strings, sets) = (bytes(&v[0]), bytes(&v[1]));
    each_string(v, rows, |row, out| {
        let (mut rest, set) = (strings.get(row), sets.get(row));
        while at_start && rest.first().is_some_and(|b| set.contains(b)) {
            rest = &rest[1..];
        }
        while at_end && rest.last().is_some_and(|b| set.contains(b)) {
            rest = &rest[..rest.len() - 1];
        }
        out.extend_from_slice(rest);
        Ok(())
    })
}

const PADDING: &[ScalarFunction] = &[
    ScalarFunction::new("lpad", &[Text, Int4], Text, |_, v, n| pad(v, n, true)),
    ScalarFunction::new("lpad", &[Text, Int4, Text], Text, |_, v, n| pad(v, n, true)),
    ScalarFunction::new("rpad", &[Text, Int4], Text, |_, v, n| pad(v, n, false)),
    ScalarFunction::new("rpad", &[Text, Int4, Text], Text, |_, v, n| {
        pad(v, n, false)
    }),
    ScalarFunction::new("btrim", &[Text], Text, |_, v, n| trim(v, n, true, true)),
    ScalarFunction::new("btrim", &[Text, Text], Text, |_, v, n| {
        trim(v, n, true, true)
    }),
    ScalarFunction::new("btrim", &[Bytea, Bytea], Bytea, |_, v, n| {
        trim_bytes(v, n, true, true)
    }),
    ScalarFunction::new("ltrim", &[Text], Text, |_, v, n| trim(v, n, true, false)),
    ScalarFunction::new("ltrim", &[Text, Text], Text, |_, v, n| {
        trim(v, n, true, false)
    }),
    ScalarFunction::new("ltrim", &[Bytea, Bytea], Bytea, |_, v, n| {
        trim_bytes(v, n, true, false)
    }),
    ScalarFunction::new("rtrim", &[Text], Text, |_, v, n| trim(v, n, false, true)),
    ScalarFunction::new("rtrim", &[Text, Text], Text, |_, v, n| {
        trim(v, n, false, true)
    }),
    ScalarFunction::new("rtrim", &[Bytea, Bytea], Bytea, |_, v, n| {
        trim_bytes(v, n, false, true)
    }),
];

fn replace(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    each_string(v, rows, |row, out| {
        let (string, from, to) = (text(&v[0], row), text(&v[1], row), text(&v[2], row));
        if from.is_empty() {
            out.extend_from_slice(string.as_bytes());
            return Ok(());
        }
        let mut pieces = string.split(from);
        out.extend_from_slice(pieces.next().unwrap_or("").as_bytes());
        for piece in pieces {
            out.extend_from_slice(to.as_bytes());
            out.extend_from_slice(piece.as_bytes());
        }
        Ok(())
    })
}

fn translate(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    each_string(v, rows, |row, out| {
        let (string, from, to) = (text(&v[0], row), text(&v[1], row), text(&v[2], row));
        for c in string.chars() {
            let mapped = match from.chars().position(|f| f == c) {
                Some(at) => to.chars().nth(at),
                None => Some(c),
            };
            if let Some(c) = mapped {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        Ok(())
    })
}

fn repeat(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    let (strings, counts) = (bytes(&v[0]), i32::of(&v[1]));
    each_string(v, rows, |row, out| {
        let (string, count) = (strings.get(row), counts[row].max(0) as usize);
        if string
            .len()
            .checked_mul(count)
            .is_none_or(|total| total > LENGTH_MAX)
        {
            return Err(too_large());
        }
        (0..count).for_each(|_| out.extend_from_slice(string));
        Ok(())
    })
}

fn reverse(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    each_string(v, rows, |row, out| {
        for c in text(&v[0], row).chars().rev() {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Ok(())
    })
}

fn chr(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    let codes = i32::of(&v[0]);
    each_string(v, rows, |row, out| {
        let code = codes[row];
        if code < 0 {
            return Err(invalid_parameter("character number must be positive"));
        }
        if code == 0 {
            return Err(SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                "null character not permitted",
            ));
        }
        let c = char::from_u32(code as u32).ok_or_else(|| {
            let message = if code > 0x10_ffff {
                format!("requested character too large for encoding: {code}")
            } else {
                format!("requested character not valid for encoding: {code}")
            };
            SqlError::new(state::PROGRAM_LIMIT_EXCEEDED, message)
        })?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    })
}

/// Hexadecimal digits of an integer, two's complement where negative.
fn write_hex(value: u64, out: &mut Vec<u8>) {
    let digits = (64 - value.leading_zeros()).div_ceil(4).max(1);
    for i in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(value >> (4 * i) & 15) as usize]);
    }
}

const BUILDING: &[ScalarFunction] = &[
    ScalarFunction::new("replace", &[Text, Text, Text], Text, |_, v, n| {
        replace(v, n)
    }),
    ScalarFunction::new("translate", &[Text, Text, Text], Text, |_, v, n| {
        translate(v, n)
    }),
    ScalarFunction::new("repeat", &[Text, Int4], Text, |_, v, n| repeat(v, n)),
    ScalarFunction::new("reverse", &[Text], Text, |_, v, n| reverse(v, n)),
    ScalarFunction::new("ascii", &[Text], Int4, |_, v, n| {
        each_row(v, n, |row| {
            Ok(text(&v[0], row).chars().next().map_or(0, |c| c as i32))
        })
    }),
    ScalarFunction::new("chr", &[Int4], Text, |_, v, n| chr(v, n)),
    ScalarFunction::new("to_hex", &[Int4], Text, |_, v, n| {
        let values = i32::of(&v[0]);
        each_string(v, n, |row, out| {
            write_hex(u64::from(values[row] as u32), out);
            Ok(())
        })
    }),
    ScalarFunction::new("to_hex", &[Int8], Text, |_, v, n| {
        let values = i64::of(&v[0]);
        each_string(v, n, |row, out| {
            write_hex(values[row] as u64, out);
            Ok(())
        })
    }),
    ScalarFunction::new("starts_with", &[Text, Text], Bool, |_, v, n| {
        let (strings, prefixes) = (bytes(&v[0]), bytes(&v[1]));
        each_row(v, n, |row| {
            Ok(strings.get(row).starts_with(prefixes.get(row)))
        })
    })
    .operator("^@"),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[LENGTHS, PADDING, BUILDING];
