//! Splits the text of a date, time or interval into fields (`ParseDateTime`).

use super::fields::FieldError;
use super::tokens::date_token;
use crate::types::integer::is_space;

/// Most fields of a text.
const FIELDS_MAX: usize = 25;
/// Longest text that is looked at.
const TEXT_MAX: usize = 128;

/// What a field looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FieldKind {
    /// Digits, perhaps with a point.
    Number,
    /// Letters.
    Word,
    /// Digits or letters with `-`, `/` or `.` between.
    Date,
    /// Digits with `:` between.
    Time,
    /// A sign and digits.
    Zone,
    /// A sign and letters.
    Special,
}

/// One field: where in [`Lexed::text`] it stands.
#[derive(Clone, Copy, Debug)]
struct Span {
    kind: FieldKind,
    start: usize,
    end: usize,
}

/// A field's kind and text, in small letters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) kind: FieldKind,
    pub(crate) text: &'a str,
}

/// The fields of a text, on the stack.
pub(crate) struct Lexed {
    text: [u8; TEXT_MAX + FIELDS_MAX],
    length: usize,
    spans: [Span; FIELDS_MAX],
    count: usize,
}

impl Lexed {
    /// Number of fields.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Field `index`.
    pub(crate) fn field(&self, index: usize) -> Field<'_> {
        let span = self.spans[index];
        let text = core::str::from_utf8(&self.text[span.start..span.end]).unwrap_or("");
        Field {
            kind: span.kind,
            text,
        }
    }

    /// The kind of field `index`, if there is one.
    pub(crate) fn kind(&self, index: usize) -> Option<FieldKind> {
        (index < self.count).then(|| self.spans[index].kind)
    }

    fn push(&mut self, byte: u8) -> Result<(), FieldError> {
        *self
            .text
            .get_mut(self.length)
            .ok_or(FieldError::BadFormat)? = byte.to_ascii_lowercase();
        self.length += 1;
        Ok(())
    }
}

/// A reading position.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn is_digit(&self) -> bool {
        self.peek().is_some_and(|b| b.is_ascii_digit())
    }

    /// Copies bytes while they are wanted.
    fn copy_while(
        &mut self,
        out: &mut Lexed,
        is_wanted: impl Fn(u8) -> bool,
    ) -> Result<(), FieldError> {
        while let Some(b) = self.peek().filter(|b| is_wanted(*b)) {
            out.push(b)?;
            self.at += 1;
        }
        Ok(())
    }

    fn copy_one(&mut self, out: &mut Lexed) -> Result<(), FieldError> {
        if let Some(b) = self.peek() {
            out.push(b)?;
            self.at += 1;
        }
        Ok(())
    }
}

/// Splits a text into fields.
pub(crate) fn lex(text: &str) -> Result<Lexed, FieldError> {
    if text.len() > TEXT_MAX {
        return Err(FieldError::BadFormat);
    }
    let empty = Span {
        kind: FieldKind::Number,
        start: 0,
        end: 0,
    };
    let mut out = Lexed {
        text: [0; TEXT_MAX + FIELDS_MAX],
        length: 0,
        spans: [empty; FIELDS_MAX],
        count: 0,
    };
    let mut cursor = Cursor {
        bytes: text.as_bytes(),
        at: 0,
    };
    while let Some(b) = cursor.peek() {
        if is_space(b) {
            cursor.at += 1;
            continue;
        }
        let start = out.length;
        let kind = match b {
            b'0'..=b'9' => lex_digits(&mut cursor, &mut out)?,
            b'.' => {
                cursor.copy_one(&mut out)?;
                cursor.copy_while(&mut out, |b| b.is_ascii_digit())?;
                FieldKind::Number
            }
            _ if b.is_ascii_alphabetic() => lex_letters(&mut cursor, &mut out, start)?,
            b'+' | b'-' => lex_signed(&mut cursor, &mut out)?,
            _ if b.is_ascii_punctuation() => {
                cursor.at += 1;
                continue;
            }
            _ => return Err(FieldError::BadFormat),
        };
        *out.spans.get_mut(out.count).ok_or(FieldError::BadFormat)? = Span {
            kind,
            start,
            end: out.length,
        };
        out.count += 1;
    }
    Ok(out)
}

fn lex_digits(cursor: &mut Cursor<'_>, out: &mut Lexed) -> Result<FieldKind, FieldError> {
    cursor.copy_while(out, |b| b.is_ascii_digit())?;
    match cursor.peek() {
        Some(b':') => {
            cursor.copy_while(out, |b| b.is_ascii_digit() || matches!(b, b':' | b'.'))?;
            Ok(FieldKind::Time)
        }
        Some(delimiter @ (b'-' | b'/' | b'.')) => {
            cursor.copy_one(out)?;
            if !cursor.is_digit() {
                cursor.copy_while(out, |b| b.is_ascii_alphanumeric() || b == delimiter)?;
                return Ok(FieldKind::Date);
            }
            cursor.copy_while(out, |b| b.is_ascii_digit())?;
            if cursor.peek() == Some(delimiter) {
                cursor.copy_while(out, |b| b.is_ascii_digit() || b == delimiter)?;
                return Ok(FieldKind::Date);
            }
            Ok(if delimiter == b'.' {
                FieldKind::Number
            } else {
                FieldKind::Date
            })
        }
        _ => Ok(FieldKind::Number),
    }
}

fn lex_letters(
    cursor: &mut Cursor<'_>,
    out: &mut Lexed,
    start: usize,
) -> Result<FieldKind, FieldError> {
    cursor.copy_while(out, |b| b.is_ascii_alphabetic())?;
    let is_date = match cursor.peek() {
        Some(b'-' | b'/' | b'.') => true,
        Some(b'+' | b'0'..=b'9') => {
            let word = core::str::from_utf8(&out.text[start..out.length]).unwrap_or("");
            date_token(word).is_none()
        }
        _ => false,
    };
    if !is_date {
        return Ok(FieldKind::Word);
    }
    cursor.copy_while(out, |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'/' | b'_' | b'.' | b':')
    })?;
    Ok(FieldKind::Date)
}

fn lex_signed(cursor: &mut Cursor<'_>, out: &mut Lexed) -> Result<FieldKind, FieldError> {
    cursor.copy_one(out)?;
    while cursor.peek().is_some_and(is_space) {
        cursor.at += 1;
    }
    match cursor.peek() {
        Some(b'0'..=b'9') => {
            cursor.copy_while(out, |b| {
                b.is_ascii_digit() || matches!(b, b':' | b'.' | b'-')
            })?;
            Ok(FieldKind::Zone)
        }
        Some(b) if b.is_ascii_alphabetic() => {
            cursor.copy_while(out, |b| b.is_ascii_alphabetic())?;
            Ok(FieldKind::Special)
        }
        _ => Err(FieldError::BadFormat),
    }
}
