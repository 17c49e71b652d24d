//! Reading the body of a client's message, with PostgreSQL's words for what is wrong with it.

use vireo_abi::message::error::{SqlError, SqlResult, state};

/// What is left of a message's body.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads a body from its beginning.
    pub fn new(body: &'a [u8]) -> Reader<'a> {
        Reader { rest: body }
    }

    /// The next bytes.
    pub fn bytes(&mut self, count: usize) -> SqlResult<&'a [u8]> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(violation("insufficient data left in message")),
        }
    }

    /// One byte.
    pub fn u8(&mut self) -> SqlResult<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// An unsigned 16-bit number: counts.
    pub fn u16(&mut self) -> SqlResult<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A signed 32-bit number.
    pub fn i32(&mut self) -> SqlResult<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// An unsigned 32-bit number: oids.
    pub fn u32(&mut self) -> SqlResult<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// A string that ends with a NUL, in UTF-8.
    pub fn string(&mut self) -> SqlResult<&'a str> {
        let Some(end) = self.rest.iter().position(|&byte| byte == 0) else {
            return Err(violation("invalid string in message"));
        };
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        utf8(text)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The end of the message.
    pub fn end(self) -> SqlResult<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(violation("invalid message format"))
        }
    }

    fn array<const N: usize>(&mut self) -> SqlResult<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(violation("insufficient data left in message")),
        }
    }
}

/// Text of the client, which PostgreSQL would take.
///
/// # Errors
/// 22021, with the bytes that are not a character.
pub fn utf8(bytes: &[u8]) -> SqlResult<&str> {
    std::str::from_utf8(bytes).map_err(|error| invalid_bytes(&bytes[error.valid_up_to()..]))
}

/// Text in a parameter: UTF-8 without NUL.
///
/// # Errors
/// 22021, with the bytes that are not a character.
pub fn text(bytes: &[u8]) -> SqlResult<()> {
    utf8(bytes)?;
    match bytes.iter().position(|&byte| byte == 0) {
        Some(at) => Err(invalid_bytes(&bytes[at..=at])),
        None => Ok(()),
    }
}

/// PostgreSQL shows as many bytes as the first one announces.
fn invalid_bytes(rest: &[u8]) -> Box<SqlError> {
    let announced = match rest.first() {
        Some(0xf0..=0xf7) => 4,
        Some(0xe0..=0xef) => 3,
        Some(0xc0..=0xdf) => 2,
        _ => 1,
    };
    let shown: Vec<String> = rest
        .iter()
        .take(announced)
        .map(|byte| format!("0x{byte:02x}"))
        .collect();
    SqlError::new(
        state::CHARACTER_NOT_IN_REPERTOIRE,
        format!(
            "invalid byte sequence for encoding \"UTF8\": {}",
            shown.join(" ")
        ),
    )
}

fn violation(message: &str) -> Box<SqlError> {
    SqlError::new(state::PROTOCOL_VIOLATION, message)
}
