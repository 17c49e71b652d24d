//! `text`, `varchar(n)`, `char(n)`, `name`: lengths and padding.
//!
//! Lengths count characters. A value that is too long is an error, unless what is cut off is
//! blanks or the cast was explicit.

use super::errors::Fault;
use alloc::format;
use alloc::vec::Vec;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::{SqlType, TypeId};

/// Longest `name` in bytes.
const NAME_BYTES_MAX: usize = 63;

/// Characters of a UTF-8 string.
pub(crate) fn char_count(text: &[u8]) -> usize {
    text.iter().filter(|b| (**b as i8) >= -0x40).count()
}

/// The byte offset of character `index`, or the length if there are fewer.
pub(crate) fn char_offset(text: &[u8], index: usize) -> usize {
    if text.len() <= index {
        return text.len();
    }
    let mut seen = 0;
    for (at, b) in text.iter().enumerate() {
        if (*b as i8) >= -0x40 {
            if seen == index {
                return at;
            }
            seen += 1;
        }
    }
    text.len()
}

/// A `char(n)`'s bytes without trailing blanks, which do not count.
pub(crate) fn trim_blanks(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|b| *b != b' ').map_or(0, |at| at + 1);
    &text[..end]
}

#[cold]
fn too_long(ty: SqlType) -> Fault {
    SqlError::new(
        state::STRING_DATA_RIGHT_TRUNCATION,
        format!(
            "value too long for type {}({})",
            ty.id.sql_name(),
            ty.typmod - 4
        ),
    )
}

/// Appends `text` as a value of a string type, its typmod enforced.
pub(crate) fn write_limited(
    ty: SqlType,
    text: &[u8],
    is_explicit: bool,
    out: &mut Vec<u8>,
) -> SqlResult<()> {
    match ty.id {
        TypeId::Name => {
            let mut end = text.len().min(NAME_BYTES_MAX);
            while end < text.len() && end > 0 && (text[end] as i8) < -0x40 {
                end -= 1;
            }
            out.extend_from_slice(&text[..end]);
        }
        TypeId::Varchar | TypeId::Bpchar if ty.typmod >= 4 => {
            let limit = (ty.typmod - 4) as usize;
            let end = char_offset(text, limit);
            if end < text.len() && !is_explicit && text[end..].iter().any(|b| *b != b' ') {
                return Err(too_long(ty));
            }
            out.extend_from_slice(&text[..end]);
            if ty.id == TypeId::Bpchar {
                let count = char_count(&text[..end]);
                out.resize(out.len() + limit - count, b' ');
            }
        }
        _ => out.extend_from_slice(text),
    }
    Ok(())
}
