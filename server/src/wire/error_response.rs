//! `ErrorResponse` and `NoticeResponse`: PostgreSQL's fields of an error.

use bytes::BytesMut;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use vireo_abi::message::error::{Severity, SqlError};

use super::backend::put;

/// The client's statement, and where in it lies the part that an error's position counts from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// All that the client sent.
    pub text: &'a str,
    /// Byte offset of the part.
    pub start: usize,
}

impl<'a> Source<'a> {
    /// The whole text.
    pub fn whole(text: &'a str) -> Source<'a> {
        Source { text, start: 0 }
    }

    /// PostgreSQL's position: the one-based number of the character at a byte offset of the part.
    pub fn position(&self, offset: u32) -> usize {
        let bytes = self.text.as_bytes();
        let end = (self.start + offset as usize).min(bytes.len());
        // A character is counted at its first byte.
        1 + bytes[..end]
            .iter()
            .filter(|&&byte| byte & 0xc0 != 0x80)
            .count()
    }
}

/// `ErrorResponse`, with a place in the client's text.
pub fn put_error(out: &mut BytesMut, error: &SqlError, position: Option<usize>) {
    put(out, &ErrorResponse::new(fields(error, position)));
}

/// `NoticeResponse`.
pub fn put_notice(out: &mut BytesMut, notice: &SqlError) {
    put(out, &NoticeResponse::new(fields(notice, None)));
}

fn fields(error: &SqlError, position: Option<usize>) -> Vec<(u8, String)> {
    let severity = match error.severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
        Severity::Warning => "WARNING",
        Severity::Notice => "NOTICE",
    };
    let mut fields = vec![
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', error.state().to_owned()),
        (b'M', clean(&error.message)),
    ];
    let position = position.map(|position| position.to_string());
    let optional = [
        (b'D', error.detail.as_deref()),
        (b'H', error.hint.as_deref()),
        (b'P', position.as_deref()),
        (b'W', error.context.as_deref()),
        // The only schema of tables.
        (b's', error.table.is_some().then_some("public")),
        (b't', error.table.as_deref()),
        (b'c', error.column.as_deref()),
        (b'n', error.constraint.as_deref()),
    ];
    fields.extend(
        optional
            .into_iter()
            .filter_map(|(code, value)| value.map(|value| (code, clean(value)))),
    );
    fields
}

/// A field ends with a NUL, so it holds none.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source {
            text: "sélect é; sélect x",
            start: 12,
        };
        assert_eq!(Source::whole("sélect x").position(0), 1);
        assert_eq!(Source::whole("sélect x").position(8), 8);
        assert_eq!(source.position(0), 11);
        assert_eq!(source.position(8), 18);
        assert_eq!(source.position(u32::MAX), 19);
    }

    #[test]
    fn golden_error() {
        let mut out = BytesMut::new();
        let error = SqlError::new(b"42P01", "relation \"t\" does not exist");
        put_error(
            &mut out,
            &error,
            Some(Source::whole("select * from t").position(14)),
        );
        let expected = b"SERROR\0VERROR\0C42P01\0Mrelation \"t\" does not exist\0P15\0\0";
        assert_eq!(out[0], b'E');
        assert_eq!(out[1..5], (4 + expected.len() as i32).to_be_bytes());
        assert_eq!(&out[5..], expected);
    }
}
