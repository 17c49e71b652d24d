//! The errors that values cause, in PostgreSQL's words.

use alloc::boxed::Box;
use alloc::format;
use vireo_abi::message::error::{SqlError, state};

/// What the fallible functions of this crate fail with.
pub(crate) type Fault = Box<SqlError>;

/// `invalid input syntax for type …`.
#[cold]
pub(crate) fn invalid_input(type_name: &str, text: &str) -> Fault {
    SqlError::new(
        state::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {type_name}: \"{text}\""),
    )
}

/// `value "…" is out of range for type …`.
#[cold]
pub(crate) fn value_out_of_range(type_name: &str, text: &str) -> Fault {
    SqlError::new(
        state::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("value \"{text}\" is out of range for type {type_name}"),
    )
}

/// 22003 with any message.
#[cold]
pub(crate) fn range(message: &str) -> Fault {
    SqlError::new(state::NUMERIC_VALUE_OUT_OF_RANGE, message)
}

/// `smallint out of range`.
#[cold]
pub(crate) fn int2_range() -> Fault {
    range("smallint out of range")
}

/// `integer out of range`.
#[cold]
pub(crate) fn int4_range() -> Fault {
    range("integer out of range")
}

/// `bigint out of range`.
#[cold]
pub(crate) fn int8_range() -> Fault {
    range("bigint out of range")
}

/// `value out of range: overflow`.
#[cold]
pub(crate) fn float_overflow() -> Fault {
    range("value out of range: overflow")
}

/// `value out of range: underflow`.
#[cold]
pub(crate) fn float_underflow() -> Fault {
    range("value out of range: underflow")
}

/// `division by zero`.
#[cold]
pub(crate) fn division_by_zero() -> Fault {
    SqlError::new(state::DIVISION_BY_ZERO, "division by zero")
}

/// `value overflows numeric format`.
#[cold]
pub(crate) fn numeric_overflow() -> Fault {
    range("value overflows numeric format")
}

/// 22023 with any message.
#[cold]
pub(crate) fn invalid_parameter(message: impl Into<alloc::string::String>) -> Fault {
    SqlError::new(state::INVALID_PARAMETER_VALUE, message)
}

/// `interval out of range`.
#[cold]
pub(crate) fn interval_range() -> Fault {
    SqlError::new(state::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

/// `timestamp out of range`.
#[cold]
pub(crate) fn timestamp_range() -> Fault {
    SqlError::new(state::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

/// A plan that asks for what does not exist.
#[cold]
pub(crate) fn malformed(what: &str) -> Fault {
    SqlError::new(state::INTERNAL_ERROR, format!("malformed plan: {what}"))
}

/// `invalid byte sequence for encoding "UTF8"`.
#[cold]
pub(crate) fn not_utf8(bytes: &[u8]) -> Fault {
    let (at, len) = match core::str::from_utf8(bytes) {
        Ok(_) => (0, 1),
        Err(e) => (
            e.valid_up_to(),
            e.error_len().unwrap_or(bytes.len() - e.valid_up_to()),
        ),
    };
    let mut message = alloc::string::String::from("invalid byte sequence for encoding \"UTF8\":");
    for b in bytes.iter().skip(at).take(len.clamp(1, 4)) {
        message.push_str(&format!(" 0x{b:02x}"));
    }
    SqlError::new(state::CHARACTER_NOT_IN_REPERTOIRE, message)
}
