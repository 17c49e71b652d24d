//! Dates.
use super::table::ScalarFunction;
/// This family's tables.
pub(super) const TABLES: &[&[ScalarFunction]] = &[];
