//! Text and libpq's binary form to values.

use crate::settings::EvalContext;
use vireo_abi::chunk::Vector;
use vireo_abi::datum::Datum;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::SqlType;

/// A value from text, by PostgreSQL's input function of the type, typmod included.
///
/// # Errors
/// PostgreSQL's, for example 22P02, 22003, 22007, 22008, 22001.
pub fn parse_text(ty: SqlType, text: &str, cx: &EvalContext) -> SqlResult<Datum> {
    let _ = (ty, text, cx);
    Err(SqlError::new(state::FEATURE_NOT_SUPPORTED, "not yet"))
}

/// A value from libpq's binary format.
///
/// # Errors
/// 22P03 and the like.
pub fn parse_binary(ty: SqlType, bytes: &[u8]) -> SqlResult<Datum> {
    let _ = (ty, bytes);
    Err(SqlError::new(state::FEATURE_NOT_SUPPORTED, "not yet"))
}

/// Appends a value from text to a column of the type's kind, without an allocation of its own.
///
/// # Errors
/// As [`parse_text`]; 22021 when the text is not UTF-8.
pub fn push_text(ty: SqlType, text: &[u8], cx: &EvalContext, into: &mut Vector) -> SqlResult<()> {
    let _ = (ty, text, cx, into);
    Err(SqlError::new(state::FEATURE_NOT_SUPPORTED, "not yet"))
}
