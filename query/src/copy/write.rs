//! COPY TO: chunks to `CopyData` messages, one a row as PostgreSQL sends them.

use super::read::dialect;
use super::{csv, text};
use crate::plan::{CopyFormat, CopyOptions};
use crate::types::output::TextFormat;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::chunk::Chunk;
use vireo_abi::sql_type::SqlType;

/// Begins a `CopyData` message: its tag and room for its length.
fn begin(out: &mut Vec<u8>) -> usize {
    out.push(b'd');
    out.extend_from_slice(&[0; 4]);
    out.len() - 4
}

/// Ends the message whose length is at `at`.
fn end(out: &mut Vec<u8>, at: usize) {
    out.push(b'\n');
    let length = (out.len() - at) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// The header line, if the options ask for one.
pub fn write_header(names: &[String], options: &CopyOptions, out: &mut Vec<u8>) {
    if !options.header {
        return;
    }
    let at = begin(out);
    for (column, name) in names.iter().enumerate() {
        if column > 0 {
            out.push(options.delimiter);
        }
        field(name.as_bytes(), options, false, names.len() == 1, out);
    }
    end(out, at);
}

fn field(value: &[u8], options: &CopyOptions, force: bool, is_only: bool, out: &mut Vec<u8>) {
    match options.format {
        CopyFormat::Text => text::escape(value, options.delimiter, out),
        CopyFormat::Csv => csv::write(value, dialect(options), force, is_only, out),
    }
}

/// The rows of `chunk`, appended to `out` as `CopyData` messages.
pub fn write_rows(
    types: &[SqlType],
    chunk: &Chunk,
    options: &CopyOptions,
    format: &TextFormat,
    out: &mut Vec<u8>,
) {
    let mut value = Vec::new();
    for row in 0..chunk.rows() {
        let at = begin(out);
        for (column, (sql_type, vector)) in types.iter().zip(chunk.columns()).enumerate() {
            if column > 0 {
                out.push(options.delimiter);
            }
            if vector.is_null(row) {
                out.extend_from_slice(&options.null);
                continue;
            }
            value.clear();
            format.write(*sql_type, vector, row, &mut value);
            let force = options.force_quote.contains(&(column as u16));
            field(&value, options, force, types.len() == 1, out);
        }
        end(out, at);
    }
}
