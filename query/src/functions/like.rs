//! LIKE and ILIKE: `%` any run, `_` any character, `\` the next character itself.

use super::kernel::{each_row, each_string};
use super::table::ScalarFunction;
use crate::types::column::{bytes, text};
use crate::types::errors::Fault;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::TypeId::{Bool, Bpchar, Bytea, Name, Text};

#[cold]
fn dangling_escape() -> Fault {
    SqlError::new(
        state::INVALID_ESCAPE_SEQUENCE,
        "LIKE pattern must not end with escape character",
    )
}

/// Bytes of the character that starts with `first`.
fn char_length(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

/// Whether `value` matches `pattern`. Backtracks only to the last `%`: what stood before it has
/// matched as early as it can. `is_text` counts `_` in characters, else in bytes.
fn matches(value: &[u8], pattern: &[u8], is_text: bool) -> SqlResult<bool> {
    let step = |at: usize| if is_text { char_length(value[at]) } else { 1 };
    let (mut at, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match pattern.get(p) {
            Some(b'%') => {
                p += 1;
                retry = Some((at, p));
                continue;
            }
            Some(b'_') if at < value.len() => {
                at += step(at);
                p += 1;
                continue;
            }
            Some(b'\\') if at < value.len() => {
                let literal = *pattern.get(p + 1).ok_or_else(dangling_escape)?;
                if value.get(at) == Some(&literal) {
                    at += 1;
                    p += 2;
                    continue;
                }
            }
            Some(literal) if !matches!(literal, b'_' | b'\\') && value.get(at) == Some(literal) => {
                at += 1;
                p += 1;
                continue;
            }
            None if at >= value.len() => return Ok(true),
            _ => {}
        }
        match retry {
            Some((from, after)) if from < value.len() => {
                at = from + step(from);
                p = after;
                retry = Some((at, p));
            }
            _ => return Ok(false),
        }
    }
}

/// What a pattern without `_`, `\` and inner `%` asks for: found without the matcher.
enum Shape<'a> {
    Exact(&'a [u8]),
    Prefix(&'a [u8]),
    Suffix(&'a [u8]),
    General,
}

fn shape(pattern: &[u8]) -> Shape<'_> {
    let is_plain = |p: &[u8]| !p.iter().any(|b| matches!(b, b'%' | b'_' | b'\\'));
    match pattern {
        p if is_plain(p) => Shape::Exact(p),
        [prefix @ .., b'%'] if is_plain(prefix) => Shape::Prefix(prefix),
        [b'%', suffix @ ..] if is_plain(suffix) => Shape::Suffix(suffix),
        _ => Shape::General,
    }
}

fn like(v: &[Vector], rows: usize, is_text: bool, is_negated: bool) -> SqlResult<Vector> {
    let (values, patterns) = (bytes(&v[0]), bytes(&v[1]));
    each_row(v, rows, |row| {
        let value = values.get(row);
        let is_match = match shape(patterns.get(row)) {
            Shape::Exact(p) => value == p,
            Shape::Prefix(p) => value.starts_with(p),
            Shape::Suffix(p) => value.ends_with(p),
            Shape::General => matches(value, patterns.get(row), is_text)?,
        };
        Ok(is_match != is_negated)
    })
}

fn ilike(v: &[Vector], rows: usize, is_negated: bool) -> SqlResult<Vector> {
    let (mut value, mut pattern) = (Vec::new(), Vec::new());
    each_row(v, rows, |row| {
        value.clear();
        pattern.clear();
        super::text_case::write_lower(text(&v[0], row), &mut value);
        super::text_case::write_lower(text(&v[1], row), &mut pattern);
        Ok(matches(&value, &pattern, true)? != is_negated)
    })
}

/// `like_escape(pattern, escape)`: the pattern with `\` as its escape character.
fn like_escape(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    each_string(v, rows, |row, out| {
        let escape = text(&v[1], row);
        let mut characters = escape.chars();
        let (first, rest) = (characters.next(), characters.next());
        if rest.is_some() {
            return Err(
                SqlError::new(state::INVALID_ESCAPE_SEQUENCE, "invalid escape string")
                    .with_hint("Escape string must be empty or one character."),
            );
        }
        let pattern = text(&v[0], row);
        if first == Some('\\') {
            out.extend_from_slice(pattern.as_bytes());
            return Ok(());
        }
        let mut is_escaped = false;
        let mut buffer = [0; 4];
        for c in pattern.chars() {
            if Some(c) == first && !is_escaped {
                out.push(b'\\');
                is_escaped = true;
                continue;
            }
            if c == '\\' && !is_escaped {
                out.push(b'\\');
            }
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            is_escaped = false;
        }
        Ok(())
    })
}

macro_rules! like_family {
    ($table:ident, $prefix:literal, $id:ident, $pattern:ident, $is_text:literal) => {
        const $table: &[ScalarFunction] = &[
            ScalarFunction::new(
                concat!($prefix, "like"),
                &[$id, $pattern],
                Bool,
                |_, v, n| like(v, n, $is_text, false),
            )
            .operator("~~"),
            ScalarFunction::new(
                concat!($prefix, "nlike"),
                &[$id, $pattern],
                Bool,
                |_, v, n| like(v, n, $is_text, true),
            )
            .operator("!~~"),
        ];
    };
}

macro_rules! ilike_family {
    ($table:ident, $prefix:literal, $id:ident) => {
        const $table: &[ScalarFunction] = &[
            ScalarFunction::new(concat!($prefix, "iclike"), &[$id, Text], Bool, |_, v, n| {
                ilike(v, n, false)
            })
            .operator("~~*"),
            ScalarFunction::new(
                concat!($prefix, "icnlike"),
                &[$id, Text],
                Bool,
                |_, v, n| ilike(v, n, true),
            )
            .operator("!~~*"),
        ];
    };
}

like_family!(TEXT, "text", Text, Text, true);
like_family!(BPCHAR, "bpchar", Bpchar, Text, true);
like_family!(NAME, "name", Name, Text, true);
like_family!(BYTEA, "bytea", Bytea, Bytea, false);
ilike_family!(TEXT_I, "text", Text);
ilike_family!(BPCHAR_I, "bpchar", Bpchar);
ilike_family!(NAME_I, "name", Name);

const OTHERS: &[ScalarFunction] = &[
    ScalarFunction::new("like_escape", &[Text, Text], Text, |_, v, n| {
        like_escape(v, n)
    }),
    ScalarFunction::new("like", &[Text, Text], Bool, |_, v, n| {
        like(v, n, true, false)
    }),
    ScalarFunction::new("notlike", &[Text, Text], Bool, |_, v, n| {
        like(v, n, true, true)
    }),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] =
    &[TEXT, BPCHAR, NAME, BYTEA, TEXT_I, BPCHAR_I, NAME_I, OTHERS];
