//! COPY, as parsed: both of PostgreSQL's forms of its options.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::ast::Query;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;
use vireo_abi::message::error::{SqlError, SqlResult, state};

use super::command::{Command, Front, Name, is_true};
use super::text::unsupported;
use crate::plan::CopyFormat;

/// What is copied.
#[derive(Debug)]
pub(super) enum Source {
    /// A table, perhaps some columns.
    Table(Name, Vec<(String, u32)>),
    /// A query's rows.
    Query(Box<Query>),
}

/// Options as given.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// FORMAT.
    pub(super) format: Option<CopyFormat>,
    /// DELIMITER.
    pub(super) delimiter: Option<String>,
    /// NULL.
    pub(super) null: Option<String>,
    /// HEADER.
    pub(super) header: bool,
    /// QUOTE.
    pub(super) quote: Option<String>,
    /// ESCAPE.
    pub(super) escape: Option<String>,
    /// FORCE_QUOTE *.
    pub(super) force_quote_all: bool,
    /// FORCE_QUOTE.
    pub(super) force_quote: Vec<(String, u32)>,
}

/// COPY.
#[derive(Debug)]
pub(super) struct Copy {
    /// What.
    pub(super) source: Source,
    /// FROM STDIN; else TO STDOUT.
    pub(super) is_from: bool,
    /// Options.
    pub(super) options: Given,
}

impl Front<'_> {
    /// COPY.
    pub(super) fn copy(&mut self) -> SqlResult<Command> {
        self.next();
        if self.is("binary") && matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_)) {
            return Err(self.unsupported("COPY BINARY"));
        }
        let source = if self.take_token(&Token::LParen) {
            let is_change = ["insert", "update", "delete"].iter().any(|w| self.is(w));
            if is_change {
                return Err(self.unsupported("COPY of a data-modifying statement"));
            }
            let query = self.parse(Parser::parse_query)?;
            self.expect_token(&Token::RParen)?;
            Source::Query(query)
        } else {
            let name = self.relation()?;
            let columns = if matches!(self.peek(), Token::LParen) {
                self.columns()?
            } else {
                Vec::new()
            };
            Source::Table(name, columns)
        };
        let is_from = self.is("from") && matches!(source, Source::Table(..));
        if !is_from && !self.is("to") {
            return Err(self.unexpected());
        }
        self.next();
        let (stream, other) = if is_from {
            ("stdin", "stdout")
        } else {
            ("stdout", "stdin")
        };
        if !self.take(stream) && !self.take(other) {
            let is_file = matches!(self.peek(), Token::SingleQuotedString(_)) || self.is("program");
            return Err(if is_file {
                self.unsupported("COPY with a file or program on the server")
            } else {
                self.unexpected()
            });
        }
        let mut options = Given::default();
        let has_with = self.take("with");
        if matches!(self.peek(), Token::LParen) {
            self.copy_options(&mut options)?;
        } else {
            let some = self.old_copy_options(&mut options)?;
            if has_with && !some {
                return Err(self.unexpected());
            }
        }
        if self.is("where") {
            return Err(self.unsupported("COPY … WHERE"));
        }
        Ok(Command::Copy(Box::new(Copy {
            source,
            is_from,
            options,
        })))
    }

    fn copy_options(&mut self, options: &mut Given) -> SqlResult<()> {
        self.expect_token(&Token::LParen)?;
        let mut seen: Vec<String> = Vec::new();
        loop {
            let at = self.at();
            let name = match self.next().token {
                Token::Word(word) => word.value.to_ascii_lowercase(),
                _ => return Err(self.text.syntax_error_at(at)),
            };
            if seen.contains(&name) {
                return Err(
                    SqlError::new(state::SYNTAX_ERROR, "conflicting or redundant options").at(at),
                );
            }
            self.copy_option(&name, at, options)?;
            seen.push(name);
            if !self.take_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)
    }

    fn copy_option(&mut self, name: &str, at: u32, options: &mut Given) -> SqlResult<()> {
        match name {
            "force_quote" => {
                if self.take_token(&Token::Mul) {
                    options.force_quote_all = true;
                } else {
                    options.force_quote = self.columns()?;
                }
                return Ok(());
            }
            "force_not_null" | "force_null" | "default" => {
                return Err(unsupported(&name.to_ascii_uppercase(), Some(at)));
            }
            _ => {}
        }
        let value = self.option_value()?;
        match name {
            "format" => options.format = Some(format_of(value.as_deref(), at)?),
            "freeze" => {}
            "header" => {
                if value.as_deref() == Some("match") {
                    return Err(unsupported("HEADER MATCH", Some(at)));
                }
                options.header = is_true(value.as_deref());
            }
            "delimiter" => options.delimiter = value,
            "null" => options.null = value,
            "quote" => options.quote = value,
            "escape" => options.escape = value,
            "encoding" => check_encoding(value.as_deref(), at)?,
            other => {
                return Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    format!("option \"{other}\" not recognized"),
                )
                .at(at));
            }
        }
        Ok(())
    }

    /// The form before version 9.0: words one after the other. True if there were any.
    fn old_copy_options(&mut self, options: &mut Given) -> SqlResult<bool> {
        let mut some = false;
        loop {
            let at = self.at();
            if self.take("binary") {
                return Err(unsupported("COPY BINARY", Some(at)));
            } else if self.take("csv") {
                options.format = Some(CopyFormat::Csv);
            } else if self.take("header") {
                options.header = true;
            } else if self.take("freeze") {
            } else if self.take("delimiter") || self.take("delimiters") {
                options.delimiter = self.old_value()?;
            } else if self.take("null") {
                options.null = self.old_value()?;
            } else if self.take("quote") {
                options.quote = self.old_value()?;
            } else if self.take("escape") {
                options.escape = self.old_value()?;
            } else if self.take("encoding") {
                let value = self.old_value()?;
                check_encoding(value.as_deref(), at)?;
            } else if self.is("force") && self.is_nth(1, "quote") {
                self.next();
                self.next();
                if self.take_token(&Token::Mul) {
                    options.force_quote_all = true;
                } else {
                    loop {
                        let at = self.at();
                        options.force_quote.push((self.identifier()?, at));
                        if !self.take_token(&Token::Comma) {
                            break;
                        }
                    }
                }
            } else if self.is("force") {
                return Err(self.unsupported("FORCE NULL"));
            } else {
                return Ok(some);
            }
            some = true;
        }
    }

    fn old_value(&mut self) -> SqlResult<Option<String>> {
        self.take("as");
        match self.peek() {
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => self.option_value(),
            _ => Err(self.unexpected()),
        }
    }
}

fn format_of(value: Option<&str>, at: u32) -> SqlResult<CopyFormat> {
    match value {
        Some("text") => Ok(CopyFormat::Text),
        Some("csv") => Ok(CopyFormat::Csv),
        Some("binary") => Err(unsupported("COPY format \"binary\"", Some(at))),
        other => Err(SqlError::new(
            state::INVALID_PARAMETER_VALUE,
            format!("COPY format \"{}\" not recognized", other.unwrap_or("")),
        )
        .at(at)),
    }
}

fn check_encoding(value: Option<&str>, at: u32) -> SqlResult<()> {
    let name = value
        .unwrap_or("")
        .to_ascii_lowercase()
        .replace(['-', '_'], "");
    match name.as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(unsupported("an encoding other than UTF8", Some(at))),
    }
}
