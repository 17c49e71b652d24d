//! One record of the csv format, with PostgreSQL's rules: an unquoted field that reads as the null string is
//! NULL; a quote inside quotes is written twice or after the escape; quotes may begin anywhere in a field.

use super::text::Field;
use alloc::vec::Vec;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub struct Dialect<'a> {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields.
    pub quote: u8,
    /// Before a quote within quotes.
    pub escape: u8,
    /// NULL, unquoted.
    pub null: &'a [u8],
}

/// Whether a line that begins outside (`quoted` false) or inside quotes ends inside them.
pub fn ends_quoted(line: &[u8], dialect: Dialect<'_>, mut quoted: bool) -> bool {
    let mut at = 0;
    while at < line.len() {
        let byte = line[at];
        if quoted && byte == dialect.escape && dialect.escape != dialect.quote {
            if matches!(line.get(at + 1), Some(&next) if next == dialect.quote || next == dialect.escape)
            {
                at += 1;
            }
        } else if byte == dialect.quote {
            quoted = !quoted;
        }
        at += 1;
    }
    quoted
}

/// Splits a record (without its line end) into fields; false when it ends inside quotes.
pub fn split(
    record: &[u8],
    dialect: Dialect<'_>,
    bytes: &mut Vec<u8>,
    fields: &mut Vec<Field>,
) -> bool {
    bytes.clear();
    fields.clear();
    let mut at = 0;
    loop {
        let start = bytes.len();
        let mut saw_quote = false;
        let mut quoted = false;
        while at < record.len() {
            let byte = record[at];
            if quoted {
                let next = record.get(at + 1).copied();
                let is_escaped = byte == dialect.escape
                    && (next == Some(dialect.quote) || next == Some(dialect.escape));
                if is_escaped {
                    bytes.extend(next);
                    at += 1;
                } else if byte == dialect.quote {
                    quoted = false;
                } else {
                    bytes.push(byte);
                }
            } else if byte == dialect.delimiter {
                break;
            } else if byte == dialect.quote {
                quoted = true;
                saw_quote = true;
            } else {
                bytes.push(byte);
            }
            at += 1;
        }
        if quoted {
            return false;
        }
        let is_null = !saw_quote && &bytes[start..] == dialect.null;
        fields.push(Field {
            start,
            end: bytes.len(),
            is_null,
        });
        if at == record.len() {
            return true;
        }
        at += 1;
    }
}

/// Appends `value`, quoted where it must be or where `force` says so. `is_only` : the record has one column.
pub fn write(value: &[u8], dialect: Dialect<'_>, force: bool, is_only: bool, out: &mut Vec<u8>) {
    let special =
        |b: &u8| *b == dialect.delimiter || *b == dialect.quote || matches!(*b, b'\n' | b'\r');
    let must =
        force || value == dialect.null || value.iter().any(special) || (is_only && value == b"\\.");
    if !must {
        return out.extend_from_slice(value);
    }
    out.push(dialect.quote);
    for &byte in value {
        if byte == dialect.quote || byte == dialect.escape {
            out.push(dialect.escape);
        }
        out.push(byte);
    }
    out.push(dialect.quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Dialect<'static> = Dialect {
        delimiter: b',',
        quote: b'"',
        escape: b'"',
        null: b"",
    };

    fn check(record: &[u8], expected: &[Option<&[u8]>]) {
        let (mut bytes, mut fields) = (Vec::new(), Vec::new());
        assert!(split(record, PLAIN, &mut bytes, &mut fields));
        let got: Vec<Option<&[u8]>> = fields
            .iter()
            .map(|f| (!f.is_null).then(|| &bytes[f.start..f.end]))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn quoted_empty_is_not_null() {
        check(b"1,,\"\"", &[Some(b"1"), None, Some(b"")]);
        check(b"\"a,\"\"b\"\"\n\",c", &[Some(b"a,\"b\"\n"), Some(b"c")]);
        check(b"x\"y\"z", &[Some(b"xyz")]);
    }

    #[test]
    fn lines_within_quotes_go_on() {
        assert!(ends_quoted(b"a,\"b", PLAIN, false));
        assert!(!ends_quoted(b"c\"", PLAIN, true));
        assert!(!ends_quoted(b"a,\"b\"\"c\"", PLAIN, false));
    }

    #[test]
    fn written_fields_read_back() {
        for value in [&b"plain"[..], b"", b"a\"b", b"x,y", b"l\nm", b" lead"] {
            let mut out = Vec::new();
            write(value, PLAIN, false, false, &mut out);
            check(&out, &[Some(value)]);
        }
    }
}
