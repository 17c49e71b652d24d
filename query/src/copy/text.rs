//! One line of the text format.
//!
//! Fields are separated by the delimiter. A backslash escapes: `\b \f \n \r \t \v`, `\NNN` octal, `\xHH`
//! hexadecimal, anything else stands for itself. A field that reads as the null string before unescaping is NULL.

use alloc::vec::Vec;

/// One field of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// First byte in the unescaped bytes.
    pub start: usize,
    /// Past the last byte.
    pub end: usize,
    /// NULL.
    pub is_null: bool,
}

/// Splits `line` at `delimiter`, unescapes into `bytes` and lists the fields; both are cleared first.
pub fn split(
    line: &[u8],
    delimiter: u8,
    null: &[u8],
    bytes: &mut Vec<u8>,
    fields: &mut Vec<Field>,
) {
    bytes.clear();
    fields.clear();
    let mut at = 0;
    loop {
        let raw_start = at;
        let start = bytes.len();
        while at < line.len() && line[at] != delimiter {
            if line[at] == b'\\' && at + 1 < line.len() {
                at = unescape(line, at + 1, bytes);
            } else {
                bytes.push(line[at]);
                at += 1;
            }
        }
        let is_null = &line[raw_start..at] == null;
        fields.push(Field {
            start,
            end: bytes.len(),
            is_null,
        });
        if at == line.len() {
            return;
        }
        at += 1;
    }
}

/// Writes what the escape at `line[at]` (past the backslash) stands for; gives the place past it.
fn unescape(line: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let digits = |from: usize, most: usize, radix: u32| {
        let mut value = 0u32;
        let mut end = from;
        while end < line.len() && end < from + most {
            let Some(digit) = char::from(line[end]).to_digit(radix) else {
                break;
            };
            value = value * radix + digit;
            end += 1;
        }
        (value as u8, end)
    };
    match line[at] {
        b'b' => out.push(0x08),
        b'f' => out.push(0x0C),
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'v' => out.push(0x0B),
        b'0'..=b'7' => {
            let (value, end) = digits(at, 3, 8);
            out.push(value);
            return end;
        }
        b'x' => {
            let (value, end) = digits(at + 1, 2, 16);
            if end > at + 1 {
                out.push(value);
                return end;
            }
            out.push(b'x');
        }
        other => out.push(other),
    }
    at + 1
}

/// Appends `value` escaped.
pub fn escape(value: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    for &byte in value {
        let letter = match byte {
            0x08 => b'b',
            0x0C => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0B => b'v',
            b'\\' => b'\\',
            _ if byte == delimiter => byte,
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &[u8], expected: &[Option<&[u8]>]) {
        let (mut bytes, mut fields) = (Vec::new(), Vec::new());
        split(line, b'\t', b"\\N", &mut bytes, &mut fields);
        let got: Vec<Option<&[u8]>> = fields
            .iter()
            .map(|f| (!f.is_null).then(|| &bytes[f.start..f.end]))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn fields_and_escapes() {
        check(b"1\tabc\t\\N", &[Some(b"1"), Some(b"abc"), None]);
        check(b"", &[Some(b"")]);
        check(b"a\\tb\\\\c\\x41\\101\\q", &[Some(b"a\tb\\cAAq")]);
        check(b"\\\\N\t", &[Some(b"\\N"), Some(b"")]);
        check(b"\\xg\\", &[Some(b"xg\\")]);
    }
}
