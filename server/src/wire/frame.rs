//! Cutting a client's bytes into messages.
//!
//! ```text
//!  startup:  length i32 | body            (no type byte)
//!  later:    type u8 | length i32 | body  (the length counts itself, not the type)
//! ```
//!
//! Fails with 08P01 where the frame is lost (an unknown type, an impossible length): nothing that
//! follows can be understood, so the session ends.

use bytes::{Buf, Bytes, BytesMut};
use vireo_abi::message::error::{Severity, SqlError, SqlResult, state};

/// The longest startup packet, as in PostgreSQL.
const STARTUP_BYTES_MAX: usize = 10_000;
/// The longest message of the kinds that carry no data, as in PostgreSQL.
const SMALL_BYTES_MAX: usize = 10_000;
/// Type byte and length.
const HEADER_BYTES: usize = 5;

/// A whole message of a client.
#[derive(Debug)]
pub struct Frame {
    /// Its type byte.
    pub tag: u8,
    /// What follows the length.
    pub body: Bytes,
}

/// Takes the next whole message off the input. None: it has not all arrived.
///
/// # Errors
/// 08P01, FATAL: not a message.
pub fn take(input: &mut BytesMut, bytes_max: usize) -> SqlResult<Option<Frame>> {
    let Some(length) = peek(input, bytes_max)? else {
        return Ok(None);
    };
    if input.len() < 1 + length {
        return Ok(None);
    }
    let tag = input[0];
    input.advance(HEADER_BYTES);
    Ok(Some(Frame {
        tag,
        body: input.split_to(length - 4).freeze(),
    }))
}

/// Takes the body of a startup packet off the input. None: it has not all arrived.
///
/// # Errors
/// 08P01, FATAL: not a startup packet.
pub fn take_startup(input: &mut BytesMut) -> SqlResult<Option<Bytes>> {
    let Some(prefix) = input.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = i32::from_be_bytes(*prefix);
    let length = match usize::try_from(length) {
        Ok(length) if (8..=STARTUP_BYTES_MAX).contains(&length) => length,
        _ => return Err(fatal("invalid length of startup packet")),
    };
    if input.len() < length {
        return Ok(None);
    }
    input.advance(4);
    Ok(Some(input.split_to(length - 4).freeze()))
}

/// Whether a Sync has arrived with nothing before it but messages that run nothing.
pub fn sync_follows(input: &[u8]) -> bool {
    let mut rest = input;
    loop {
        match rest.first() {
            Some(b'S') => return rest.len() >= HEADER_BYTES,
            Some(b'C' | b'H') => {}
            _ => return false,
        }
        let Some(length) = rest.get(1..5).and_then(|b| b.first_chunk::<4>()) else {
            return false;
        };
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            return false;
        };
        match rest.get(1 + length..) {
            Some(after) if length >= 4 => rest = after,
            _ => return false,
        }
    }
}

/// The type and length of the message that begins the input, checked.
fn peek(input: &BytesMut, bytes_max: usize) -> SqlResult<Option<usize>> {
    let Some(&tag) = input.first() else {
        return Ok(None);
    };
    let limit = match tag {
        b'Q' | b'P' | b'B' | b'd' | b'F' => bytes_max,
        b'D' | b'E' | b'C' | b'H' | b'S' | b'X' | b'c' | b'f' | b'p' => SMALL_BYTES_MAX,
        _ => return Err(fatal(format!("invalid frontend message type {tag}"))),
    };
    let Some(prefix) = input.get(1..5).and_then(|b| b.first_chunk::<4>()) else {
        return Ok(None);
    };
    match usize::try_from(i32::from_be_bytes(*prefix)) {
        Ok(length) if (4..=limit).contains(&length) => Ok(Some(length)),
        _ => Err(fatal("invalid message length")),
    }
}

fn fatal(message: impl Into<String>) -> Box<SqlError> {
    let mut error = SqlError::new(state::PROTOCOL_VIOLATION, message);
    error.severity = Severity::Fatal;
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: Result<Option<(u8, &[u8])>, &str>) {
        let mut buffer = BytesMut::from(input);
        let got = take(&mut buffer, 1 << 20);
        match (got, expected) {
            (Ok(None), Ok(None)) => {}
            (Ok(Some(frame)), Ok(Some((tag, body)))) => {
                assert_eq!((frame.tag, &frame.body[..]), (tag, body))
            }
            (Err(error), Err(message)) => assert_eq!(error.message, message),
            (got, expected) => panic!("{got:?} is not {expected:?}"),
        }
    }

    #[test]
    fn frames() {
        check(b"", Ok(None));
        check(b"Q\0\0\0", Ok(None));
        check(b"Q\0\0\0\x06a", Ok(None));
        check(b"Q\0\0\0\x06a\0X", Ok(Some((b'Q', b"a\0"))));
        check(b"Q\0\0\0\x03", Err("invalid message length"));
        check(b"Q\xff\xff\xff\xff", Err("invalid message length"));
        check(b"Q\x00\x20\x00\x00", Err("invalid message length"));
        check(b"S\x00\x00\xff\x00", Err("invalid message length"));
        check(b"\x00\0\0\0\x04", Err("invalid frontend message type 0"));
    }

    #[test]
    fn a_sync_is_seen_past_what_runs_nothing() {
        assert!(sync_follows(b"S\0\0\0\x04"));
        assert!(sync_follows(b"C\0\0\0\x06P\0S\0\0\0\x04"));
        assert!(!sync_follows(b"B\0\0\0\x04S\0\0\0\x04"));
        assert!(!sync_follows(b"C\0\0\0\x06P"));
        assert!(!sync_follows(b"C\xff\xff\xff\xffP\0S\0\0\0\x04"));
        assert!(!sync_follows(b"C\0\0\0\0S\0\0\0\x04"));
        assert!(!sync_follows(b"S\0\0"));
        assert!(!sync_follows(b""));
    }
}
