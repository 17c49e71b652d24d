//! `md5`, `encode`, `decode`, quoting, bytes of a `bytea`.

use super::kernel::each_string;
use super::table::ScalarFunction;
use crate::types::bytea::{parse_escape, parse_hex, write_escape, write_hex};
use crate::types::column::{bytes, text};
use crate::types::errors::{Fault, invalid_parameter};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use md5::{Digest, Md5};
use vireo_abi::chunk::Vector;
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::TypeId::{Bytea, Text};

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// PostgreSQL breaks base64 after this many characters (RFC 2045).
const BASE64_LINE: usize = 76;

fn md5(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    let strings = bytes(&v[0]);
    each_string(v, rows, |row, out| {
        write_hex(&Md5::digest(strings.get(row)), out);
        Ok(())
    })
}

fn write_base64(input: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    for chunk in input.chunks(3) {
        let word = chunk
            .iter()
            .enumerate()
            .fold(0u32, |w, (i, b)| w | u32::from(*b) << (16 - 8 * i));
        for i in 0..4 {
            let digit = BASE64[(word >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { digit } else { b'=' });
        }
        column += 4;
        if column >= BASE64_LINE {
            out.push(b'\n');
            column = 0;
        }
    }
}

fn parse_base64(input: &str, out: &mut Vec<u8>) -> SqlResult<()> {
    let end_error = || {
        invalid_parameter("invalid base64 end sequence")
            .with_hint("Input data is missing padding, is truncated, or is otherwise corrupted.")
    };
    let (mut word, mut count, mut padding) = (0u32, 0, 0);
    for c in input.chars() {
        if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        }
        let digit = if c == '=' {
            if padding == 0 && count < 2 {
                return Err(invalid_parameter(
                    "unexpected \"=\" while decoding base64 sequence",
                ));
            }
            padding += 1;
            0
        } else {
            let digit = u8::try_from(c)
                .ok()
                .and_then(|b| BASE64.iter().position(|d| *d == b));
            let digit = digit.filter(|_| padding == 0);
            digit.ok_or_else(|| {
                invalid_parameter(format!(
                    "invalid symbol \"{c}\" found while decoding base64 sequence"
                ))
            })? as u32
        };
        word = word << 6 | digit;
        count += 1;
        if count == 4 {
            out.extend_from_slice(&word.to_be_bytes()[1..4 - padding.min(2)]);
            (word, count) = (0, 0);
        }
    }
    if count != 0 { Err(end_error()) } else { Ok(()) }
}

#[cold]
fn unknown_encoding(name: &str) -> Fault {
    invalid_parameter(format!("unrecognized encoding: \"{name}\""))
}

fn encode(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    let data = bytes(&v[0]);
    each_string(v, rows, |row, out| {
        match text(&v[1], row) {
            name if name.eq_ignore_ascii_case("hex") => write_hex(data.get(row), out),
            name if name.eq_ignore_ascii_case("base64") => write_base64(data.get(row), out),
            name if name.eq_ignore_ascii_case("escape") => write_encoded_escape(data.get(row), out),
            name => return Err(unknown_encoding(name)),
        }
        Ok(())
    })
}

/// `encode(…, 'escape')` escapes less than `bytea`'s output does: zero bytes, high bytes, backslashes.
fn write_encoded_escape(data: &[u8], out: &mut Vec<u8>) {
    for b in data {
        match b {
            0 | 0x80.. | b'\\' => write_escape(&[*b], out),
            _ => out.push(*b),
        }
    }
}

fn decode(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    each_string(v, rows, |row, out| {
        let data = text(&v[0], row);
        match text(&v[1], row) {
            name if name.eq_ignore_ascii_case("hex") => parse_hex(data, out),
            name if name.eq_ignore_ascii_case("base64") => parse_base64(data, out),
            name if name.eq_ignore_ascii_case("escape") => parse_escape(data.as_bytes(), out),
            name => Err(unknown_encoding(name)),
        }
    })
}

/// `quote_literal`: in single quotes, with the E form where a backslash occurs.
fn quote_literal(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    let strings = bytes(&v[0]);
    each_string(v, rows, |row, out| {
        write_literal(strings.get(row), out);
        Ok(())
    })
}

/// Appends a string literal.
pub(super) fn write_literal(string: &[u8], out: &mut Vec<u8>) {
    if string.contains(&b'\\') {
        out.push(b'E');
    }
    out.push(b'\'');
    for b in string {
        if matches!(b, b'\'' | b'\\') {
            out.push(*b);
        }
        out.push(*b);
    }
    out.push(b'\'');
}

/// Appends an identifier, in double quotes where it needs them (keywords included).
pub(super) fn write_identifier(name: &[u8], out: &mut Vec<u8>) {
    let is_plain = matches!(name.first(), Some(b'a'..=b'z' | b'_'))
        && name
            .iter()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        && !super::keywords::is_reserved(name);
    if is_plain {
        return out.extend_from_slice(name);
    }
    out.push(b'"');
    for b in name {
        if *b == b'"' {
            out.push(b'"');
        }
        out.push(*b);
    }
    out.push(b'"');
}

/// A name as SQL must have it: in quotes where it needs them.
pub(crate) fn quoted_identifier(name: &str) -> String {
    let mut out = Vec::with_capacity(name.len());
    write_identifier(name.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn quote_ident(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    let strings = bytes(&v[0]);
    each_string(v, rows, |row, out| {
        write_identifier(strings.get(row), out);
        Ok(())
    })
}

/// `quote_nullable`: as `quote_literal`, and NULL for NULL.
fn quote_nullable(v: &[Vector], rows: usize) -> SqlResult<Vector> {
    let strings = bytes(&v[0]);
    each_string(&[], rows, |row, out| {
        if v[0].is_null(row) {
            out.extend_from_slice(b"NULL");
        } else {
            write_literal(strings.get(row), out);
        }
        Ok(())
    })
}

const ENCODINGS: &[ScalarFunction] = &[
    ScalarFunction::new("md5", &[Text], Text, |_, v, n| md5(v, n)),
    ScalarFunction::new("md5", &[Bytea], Text, |_, v, n| md5(v, n)),
    ScalarFunction::new("encode", &[Bytea, Text], Text, |_, v, n| encode(v, n)),
    ScalarFunction::new("decode", &[Text, Text], Bytea, |_, v, n| decode(v, n)),
    ScalarFunction::new("quote_literal", &[Text], Text, |_, v, n| {
        quote_literal(v, n)
    }),
    ScalarFunction::new("quote_ident", &[Text], Text, |_, v, n| quote_ident(v, n)),
    ScalarFunction::new("quote_nullable", &[Text], Text, |_, v, n| {
        quote_nullable(v, n)
    }),
];

/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[ENCODINGS];
