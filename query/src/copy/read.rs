//! COPY FROM: bytes to chunks.

use super::csv::{self, Dialect};
use super::text::{self, Field};
use crate::plan::{CopyFormat, CopyOptions};
use crate::settings::EvalContext;
use crate::types::input;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::chunk::{CHUNK_ROWS, Vector};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::SqlType;

/// Bytes of the longest line. PostgreSQL's own limit.
const LINE_SIZE_MAX: usize = 1 << 30;
/// Bytes of values after which a chunk is given although it has fewer rows than it could.
const CHUNK_BYTES: usize = 8 << 20;

/// What the data is for.
#[derive(Clone, Copy, Debug)]
pub struct CopyTarget<'p> {
    /// The table's name.
    pub table: &'p str,
    /// Names of the columns that the data has, in its order.
    pub names: &'p [String],
    /// Their types.
    pub types: &'p [SqlType],
    /// The format.
    pub options: &'p CopyOptions,
}

/// Reads COPY data that comes in pieces.
pub struct CopyReader<'p> {
    target: CopyTarget<'p>,
    /// Bytes that are not a whole line yet.
    pending: Vec<u8>,
    /// How much of `pending` has been searched for its line end, and whether that is within quotes.
    searched: usize,
    is_quoted: bool,
    line: u64,
    saw_end: bool,
    columns: Vec<Vector>,
    chunk_bytes: usize,
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

impl<'p> CopyReader<'p> {
    /// A reader at the beginning of the data.
    pub fn new(target: CopyTarget<'p>) -> CopyReader<'p> {
        CopyReader {
            target,
            pending: Vec::new(),
            searched: 0,
            is_quoted: false,
            line: 0,
            saw_end: false,
            columns: Self::empty_columns(target.types),
            chunk_bytes: 0,
            bytes: Vec::new(),
            fields: Vec::new(),
        }
    }

    fn empty_columns(types: &[SqlType]) -> Vec<Vector> {
        types
            .iter()
            .map(|t| Vector::with_capacity(t.kind(), CHUNK_ROWS))
            .collect()
    }

    /// Adds a piece of data. Call [`CopyReader::next`] until it gives nothing, before the next piece.
    ///
    /// # Errors
    /// 54000 when a line is longer than a line may be.
    pub fn push(&mut self, data: &[u8]) -> SqlResult<()> {
        if self.pending.len() + data.len() > LINE_SIZE_MAX {
            return Err(SqlError::new(
                state::PROGRAM_LIMIT_EXCEEDED,
                "COPY line is too long",
            ));
        }
        self.pending.extend_from_slice(data);
        Ok(())
    }

    /// A full chunk (its columns and how many rows), if the data so far makes one.
    ///
    /// # Errors
    /// The first malformed line's.
    pub fn next(&mut self, cx: &EvalContext) -> SqlResult<Option<(Vec<Vector>, usize)>> {
        let mut at = 0;
        let result = loop {
            if self.rows() >= CHUNK_ROWS || self.chunk_bytes >= CHUNK_BYTES {
                break Ok(Some(self.take()));
            }
            let Some(end) = self.find_line_end(at) else {
                break Ok(None);
            };
            let line = core::mem::take(&mut self.pending);
            let outcome = self.line(&line[at..end], cx);
            self.pending = line;
            at = end + 1;
            self.searched = at;
            if let Err(error) = outcome {
                break Err(error);
            }
        };
        self.pending.drain(..at);
        self.searched -= at;
        result
    }

    /// The rest, at the end of the data.
    ///
    /// # Errors
    /// The first malformed line's.
    pub fn finish(&mut self, cx: &EvalContext) -> SqlResult<Option<(Vec<Vector>, usize)>> {
        if !self.pending.is_empty() {
            let line = core::mem::take(&mut self.pending);
            self.searched = 0;
            self.line(&line, cx)?;
        }
        Ok((self.rows() > 0).then(|| self.take()))
    }

    fn rows(&self) -> usize {
        self.columns.first().map_or(0, Vector::len)
    }

    fn take(&mut self) -> (Vec<Vector>, usize) {
        self.chunk_bytes = 0;
        let rows = self.rows();
        let empty = Self::empty_columns(self.target.types);
        (core::mem::replace(&mut self.columns, empty), rows)
    }

    /// The end of the line that begins at `from`: the place of its newline, outside quotes.
    fn find_line_end(&mut self, from: usize) -> Option<usize> {
        let options = self.target.options;
        let mut searched = self.searched.max(from);
        loop {
            let found = self.pending[searched..].iter().position(|&b| b == b'\n');
            let end = found.map(|found| searched + found);
            if options.format == CopyFormat::Csv {
                let piece = &self.pending[searched..end.unwrap_or(self.pending.len())];
                // A piece that is not whole is looked at again from its start next time.
                if let Some(end) = end {
                    self.is_quoted = csv::ends_quoted(piece, dialect(options), self.is_quoted);
                    if self.is_quoted {
                        searched = end + 1;
                        self.searched = searched;
                        continue;
                    }
                }
            }
            match end {
                Some(end) => return Some(end),
                None => {
                    if options.format == CopyFormat::Text {
                        searched = self.pending.len();
                    }
                    self.searched = searched;
                    return None;
                }
            }
        }
    }

    /// One line without its newline.
    fn line(&mut self, line: &[u8], cx: &EvalContext) -> SqlResult<()> {
        self.line += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let options = self.target.options;
        if self.saw_end || (self.line == 1 && options.header) {
            return Ok(());
        }
        if line == b"\\." {
            self.saw_end = true;
            return Ok(());
        }
        let (mut bytes, mut fields) = (
            core::mem::take(&mut self.bytes),
            core::mem::take(&mut self.fields),
        );
        let result = self.row(line, &mut bytes, &mut fields, cx);
        (self.bytes, self.fields) = (bytes, fields);
        result
    }

    fn row(
        &mut self,
        line: &[u8],
        bytes: &mut Vec<u8>,
        fields: &mut Vec<Field>,
        cx: &EvalContext,
    ) -> SqlResult<()> {
        let options = self.target.options;
        match options.format {
            CopyFormat::Text => {
                text::split(line, options.delimiter, &options.null, bytes, fields);
            }
            CopyFormat::Csv => {
                if !csv::split(line, dialect(options), bytes, fields) {
                    return Err(self.bad("unterminated CSV quoted field", line));
                }
            }
        }
        let columns = self.target.names.len();
        if columns == 0 && line.is_empty() {
            return Ok(());
        }
        if fields.len() < columns {
            let name = &self.target.names[fields.len()];
            return Err(self.bad(&format!("missing data for column \"{name}\""), line));
        }
        if fields.len() > columns {
            return Err(self.bad("extra data after last expected column", line));
        }
        for (column, field) in fields.iter().enumerate() {
            let vector = &mut self.columns[column];
            if field.is_null {
                vector.push_null();
                continue;
            }
            let value = &bytes[field.start..field.end];
            input::push_text(self.target.types[column], value, cx, vector)
                .map_err(|error| self.in_column(error, column, value))?;
        }
        self.chunk_bytes += bytes.len();
        Ok(())
    }

    fn bad(&self, message: &str, line: &[u8]) -> Box<SqlError> {
        SqlError::new(state::BAD_COPY_FILE_FORMAT, message).with_context(format!(
            "COPY {}, line {}: \"{}\"",
            self.target.table,
            self.line,
            shown(line)
        ))
    }

    fn in_column(&self, error: Box<SqlError>, column: usize, value: &[u8]) -> Box<SqlError> {
        error.with_context(format!(
            "COPY {}, line {}, column {}: \"{}\"",
            self.target.table,
            self.line,
            self.target.names[column],
            shown(value)
        ))
    }
}

/// A line or value as contexts show it: at most 100 bytes.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > 100) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}

/// The csv dialect that options describe.
pub fn dialect(options: &CopyOptions) -> Dialect<'_> {
    Dialect {
        delimiter: options.delimiter,
        quote: options.quote,
        escape: options.escape,
        null: &options.null,
    }
}
