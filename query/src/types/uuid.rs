//! `uuid` from and to text.

use super::errors::invalid_input;
use alloc::vec::Vec;
use vireo_abi::message::error::SqlResult;

/// A `uuid`: 32 hex digits, hyphens after any group of four, perhaps in braces.
pub(crate) fn parse(text: &str) -> SqlResult<[u8; 16]> {
    parse_bytes(text.as_bytes()).ok_or_else(|| invalid_input("uuid", text))
}

fn parse_bytes(text: &[u8]) -> Option<[u8; 16]> {
    let mut rest = match text {
        [b'{', inner @ .., b'}'] => inner,
        [b'{', ..] => return None,
        all => all,
    };
    let mut uuid = [0; 16];
    for (i, byte) in uuid.iter_mut().enumerate() {
        let [high, low, tail @ ..] = rest else {
            return None;
        };
        let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        *byte = digit(*high)? << 4 | digit(*low)?;
        rest = tail;
        if i % 2 == 1
            && i < 15
            && let [b'-', tail @ ..] = rest
        {
            rest = tail;
        }
    }
    rest.is_empty().then_some(uuid)
}

/// Appends the usual form, 8-4-4-4-12.
pub(crate) fn write(uuid: &[u8; 16], out: &mut Vec<u8>) {
    for (i, range) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
        if i > 0 {
            out.push(b'-');
        }
        super::bytea::write_hex(&uuid[range], out);
    }
}
