//! `bytea` from and to text, in the hex and the escape form.

use super::errors::{Fault, invalid_parameter};
use alloc::format;
use alloc::vec::Vec;
use vireo_abi::message::error::{SqlError, SqlResult, state};

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cold]
fn invalid_escape() -> Fault {
    SqlError::new(
        state::INVALID_TEXT_REPRESENTATION,
        "invalid input syntax for type bytea",
    )
}

/// Appends two hex digits a byte.
pub(crate) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() * 2);
    for b in bytes {
        out.push(HEX[usize::from(b >> 4)]);
        out.push(HEX[usize::from(b & 15)]);
    }
}

/// Appends the bytes that hex digits stand for; blanks between pairs are skipped.
pub(crate) fn parse_hex(text: &str, out: &mut Vec<u8>) -> SqlResult<()> {
    let digit = |c: char| {
        c.to_digit(16)
            .map(|d| d as u8)
            .ok_or_else(|| invalid_parameter(format!("invalid hexadecimal digit: \"{c}\"")))
    };
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if matches!(c, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(c)?;
        let low = rest
            .next()
            .ok_or_else(|| invalid_parameter("invalid hexadecimal data: odd number of digits"))?;
        out.push(high << 4 | digit(low)?);
    }
    Ok(())
}

/// Appends the escape form.
pub(crate) fn write_escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &b in bytes {
        match b {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7e => out.push(b),
            _ => out.extend_from_slice(&[
                b'\\',
                b'0' + (b >> 6),
                b'0' + (b >> 3 & 7),
                b'0' + (b & 7),
            ]),
        }
    }
}

/// Appends the bytes that the escape form stands for.
pub(crate) fn parse_escape(text: &[u8], out: &mut Vec<u8>) -> SqlResult<()> {
    let mut at = 0;
    while at < text.len() {
        match (
            text[at],
            text.get(at + 1),
            text.get(at + 2),
            text.get(at + 3),
        ) {
            (b'\\', Some(b'\\'), ..) => {
                out.push(b'\\');
                at += 2;
            }
            (b'\\', Some(a @ b'0'..=b'3'), Some(b @ b'0'..=b'7'), Some(c @ b'0'..=b'7')) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                at += 4;
            }
            (b'\\', ..) => return Err(invalid_escape()),
            (b, ..) => {
                out.push(b);
                at += 1;
            }
        }
    }
    Ok(())
}

/// Appends a `bytea` from its input text.
pub(crate) fn parse(text: &str, out: &mut Vec<u8>) -> SqlResult<()> {
    match text.strip_prefix("\\x") {
        Some(digits) => parse_hex(digits, out),
        None => parse_escape(text.as_bytes(), out),
    }
}

/// Appends a `bytea`'s output text.
pub(crate) fn write(bytes: &[u8], is_hex: bool, out: &mut Vec<u8>) {
    if is_hex {
        out.extend_from_slice(b"\\x");
        write_hex(bytes, out);
    } else {
        write_escape(bytes, out);
    }
}
