//! Runs statements and prints what comes of them.

use super::meta;
use super::split::{Input, Splitter};
use super::table::{Table, is_right_aligned};
use crate::{Connection, Error, Event, ServerError};
use std::io::{BufRead, Write};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite};

/// How results are printed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Say how long each statement took.
    pub timing: bool,
    /// A line a value.
    pub expanded: bool,
    /// No header, no count.
    pub tuples_only: bool,
    /// What stands for NULL.
    pub null: String,
    /// No command tags.
    pub quiet: bool,
    /// Stop at the first error.
    pub stop_on_error: bool,
}

/// A shell on a connection: statements in, text out.
pub struct Shell<S, O, E> {
    pub(super) connection: Connection<S>,
    pub(super) out: O,
    pub(super) errors: E,
    /// How results are printed.
    pub options: Options,
    pub(super) status: u8,
    pub(super) has_failed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin, O: Write, E: Write> Shell<S, O, E> {
    /// A shell that writes results to `out` and errors and notices to `errors`.
    pub fn new(connection: Connection<S>, out: O, errors: E, options: Options) -> Self {
        Shell {
            connection,
            out,
            errors,
            options,
            status: b'I',
            has_failed: false,
        }
    }

    /// Whether a statement or command has failed.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// The connection, given up.
    pub fn into_connection(self) -> Connection<S> {
        self.connection
    }

    /// Runs all statements of a text. COPY FROM STDIN reads its data from the lines that follow.
    ///
    /// # Errors
    /// When the connection is lost or the output cannot be written; not when a statement fails.
    pub async fn run(&mut self, input: &mut dyn BufRead) -> Result<(), Error> {
        let mut splitter = Splitter::default();
        let mut line = String::new();
        loop {
            line.clear();
            if input.read_line(&mut line)? == 0 {
                break;
            }
            for whole in splitter.line(line.trim_end_matches(['\n', '\r'])) {
                if !self.input(whole, input).await? {
                    return Ok(());
                }
            }
        }
        if let Some(rest) = splitter.finish() {
            self.input(Input::Statement(rest), input).await?;
        }
        Ok(())
    }

    /// Runs a statement or a command. False: the shell is to end.
    ///
    /// # Errors
    /// As [`Shell::run`].
    pub async fn input(&mut self, input: Input, data: &mut dyn BufRead) -> Result<bool, Error> {
        let goes_on = match input {
            Input::Statement(sql) => {
                self.statement(&sql, data).await?;
                true
            }
            Input::Command(command) => meta::run(self, &command).await?,
        };
        Ok(goes_on && !(self.has_failed && self.options.stop_on_error))
    }

    /// Runs SQL and prints its results.
    ///
    /// # Errors
    /// As [`Shell::run`].
    pub async fn statement(&mut self, sql: &str, data: &mut dyn BufRead) -> Result<(), Error> {
        let began = Instant::now();
        self.connection.query(sql).await?;
        let mut table: Option<Table> = None;
        loop {
            match self.connection.next().await? {
                Event::Columns(columns) => {
                    table = Some(Table {
                        right: columns
                            .iter()
                            .map(|c| is_right_aligned(c.type_oid))
                            .collect(),
                        names: columns.into_iter().map(|c| c.name).collect(),
                        rows: Vec::new(),
                    });
                }
                Event::Row(values) => {
                    if let Some(table) = &mut table {
                        let text = |v: bytes::Bytes| String::from_utf8_lossy(&v).into_owned();
                        table
                            .rows
                            .push(values.into_iter().map(|v| v.map(text)).collect());
                    }
                }
                Event::Complete(tag) => self.complete(&tag, table.take())?,
                Event::Empty => {}
                Event::Notice(notice) => self.report(&notice, sql)?,
                Event::Failed(error) => {
                    self.has_failed = true;
                    table = None;
                    self.report(&error, sql)?;
                }
                Event::CopyIn => self.copy_in(data).await?,
                Event::CopyOut => {}
                Event::CopyData(bytes) => self.out.write_all(&bytes)?,
                Event::Ready(status) => {
                    self.status = status;
                    break;
                }
            }
        }
        if self.options.timing {
            let ms = began.elapsed().as_secs_f64() * 1e3;
            writeln!(self.out, "Time: {ms:.3} ms")?;
        }
        self.out.flush()?;
        Ok(())
    }

    fn complete(&mut self, tag: &str, table: Option<Table>) -> Result<(), Error> {
        // As psql: a statement that returned rows shows them and no tag, unless it changed something.
        let is_query = ["SELECT", "SHOW", "EXPLAIN", "FETCH", "VALUES"]
            .iter()
            .any(|word| tag.starts_with(word));
        if let Some(table) = table {
            self.table(&table)?;
            if is_query {
                return Ok(());
            }
        }
        if !self.options.quiet && !tag.is_empty() {
            writeln!(self.out, "{tag}")?;
        }
        Ok(())
    }

    pub(super) fn table(&mut self, table: &Table) -> Result<(), Error> {
        let mut text = String::new();
        if self.options.expanded {
            table.expanded(&self.options.null, &mut text);
        } else {
            table.aligned(&self.options.null, self.options.tuples_only, &mut text);
        }
        self.out.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Sends the lines that follow, to `\.` or the end.
    async fn copy_in(&mut self, data: &mut dyn BufRead) -> Result<(), Error> {
        let mut piece = Vec::new();
        loop {
            let begin = piece.len();
            let count = data.read_until(b'\n', &mut piece)?;
            let line = &piece[begin..];
            let is_end = count == 0 || line == b"\\.\n" || line == b"\\.\r\n" || line == b"\\.";
            if is_end {
                piece.truncate(begin);
            }
            if piece.len() >= 64 << 10 || (is_end && !piece.is_empty()) {
                self.connection.copy_data(&piece).await?;
                piece.clear();
            }
            if is_end {
                return self.connection.copy_done().await;
            }
        }
    }

    /// Prints an error or notice as psql does, with the line and a caret where it has a position.
    pub(super) fn report(&mut self, error: &ServerError, sql: &str) -> Result<(), Error> {
        self.out.flush()?;
        let to = &mut self.errors;
        writeln!(to, "{}:  {}", error.severity, error.message)?;
        if let Some((number, line, column)) = error.position.and_then(|p| place(sql, p)) {
            let label = format!("LINE {number}: ");
            writeln!(to, "{label}{line}")?;
            writeln!(to, "{}^", " ".repeat(label.len() + column))?;
        }
        for (label, text) in [
            ("DETAIL", &error.detail),
            ("HINT", &error.hint),
            ("CONTEXT", &error.context),
        ] {
            if let Some(text) = text {
                writeln!(to, "{label}:  {text}")?;
            }
        }
        to.flush()?;
        Ok(())
    }
}

/// The line of a one-based character position: its number from 1, its text, and the width before the position.
fn place(sql: &str, position: usize) -> Option<(usize, &str, usize)> {
    let mut left = position.checked_sub(1)?;
    for (number, line) in sql.split('\n').enumerate() {
        let length = line.chars().count();
        if left <= length {
            use unicode_width::UnicodeWidthChar;
            let column = line
                .chars()
                .take(left)
                .map(|c| c.width().unwrap_or(0))
                .sum();
            return Some((number + 1, line.trim_end(), column));
        }
        left -= length + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_characters() {
        assert_eq!(place("select é x", 10), Some((1, "select é x", 9)));
        assert_eq!(place("a\nbc", 4), Some((2, "bc", 1)));
        assert_eq!(place("a", 9), None);
    }
}
