//! Statements as parsed: sqlparser's trees for queries and changes of rows, our own for the rest.
//!
//! Many of PostgreSQL's utility statements are beyond sqlparser, or read by it as another dialect would.
//! [`Front`] reads these by hand over the same tokens and leaves expressions, types and queries to sqlparser.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::ast;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan};
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::sql_type::SqlType;

use super::copy::Copy;
use super::text::{Text, too_deep, unsupported};
use crate::plan::{SetScope, TransactionCommand};

/// A relation's name and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Name {
    /// Schema, if given.
    pub(super) schema: Option<String>,
    /// Name.
    pub(super) name: String,
    /// Where.
    pub(super) at: Option<u32>,
}

/// A column of CREATE TABLE.
#[derive(Debug)]
pub(super) struct Column {
    /// Name.
    pub(super) name: String,
    /// Type.
    pub(super) sql_type: SqlType,
    /// NOT NULL.
    pub(super) not_null: bool,
    /// DEFAULT: its text, as bytes of the statement, and its tree.
    pub(super) default: Option<((u32, u32), ast::Expr)>,
}

/// PRIMARY KEY or UNIQUE.
#[derive(Debug)]
pub(super) struct Constraint {
    /// Its name, if given.
    pub(super) name: Option<String>,
    /// The columns, and where each stands.
    pub(super) columns: Vec<(String, u32)>,
    /// PRIMARY KEY.
    pub(super) is_primary: bool,
    /// Where.
    pub(super) at: u32,
}

/// A statement.
#[derive(Debug)]
pub(super) enum Command {
    /// SELECT, VALUES, WITH.
    Query(Box<ast::Query>),
    /// INSERT.
    Insert(Box<ast::Insert>),
    /// UPDATE.
    Update(Box<ast::Update>),
    /// DELETE.
    Delete(Box<ast::Delete>),
    /// CREATE TABLE.
    CreateTable {
        /// Name.
        name: Name,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// Columns.
        columns: Vec<Column>,
        /// Constraints, of columns too.
        constraints: Vec<Constraint>,
    },
    /// DROP TABLE.
    DropTable {
        /// Which.
        names: Vec<Name>,
        /// IF EXISTS.
        if_exists: bool,
    },
    /// TRUNCATE.
    Truncate(Vec<Name>),
    /// ALTER TABLE … ADD.
    AddConstraint {
        /// To.
        table: Name,
        /// What.
        constraint: Constraint,
    },
    /// BEGIN and the like.
    Transaction(TransactionCommand),
    /// SET, RESET.
    Set {
        /// Name.
        name: String,
        /// Value; none: DEFAULT.
        value: Option<String>,
        /// For how long.
        scope: SetScope,
    },
    /// SHOW.
    Show(String),
    /// RESET ALL, DISCARD ALL.
    ResetAll {
        /// DISCARD.
        is_discard: bool,
    },
    /// COPY.
    Copy(Box<Copy>),
    /// VACUUM, ANALYZE.
    Maintain {
        /// Which; none: all.
        tables: Vec<Name>,
        /// VACUUM.
        vacuum: bool,
        /// ANALYZE.
        analyze: bool,
    },
    /// CHECKPOINT.
    Checkpoint,
    /// EXPLAIN.
    Explain {
        /// How.
        options: ExplainOptions,
        /// Of what.
        command: Box<Command>,
    },
}

/// EXPLAIN's options; TIMING and SUMMARY follow ANALYZE unless given.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExplainOptions {
    pub(super) analyze: bool,
    pub(super) costs: bool,
    pub(super) timing: Option<bool>,
    pub(super) summary: Option<bool>,
}

/// Reads one statement from tokens.
pub(super) struct Front<'p> {
    /// sqlparser over the statement's tokens.
    pub(super) parser: Parser<'p>,
    /// The text.
    pub(super) text: &'p Text<'p>,
    /// Which token of the text is the statement's first.
    pub(super) first: usize,
    /// Past the statement's last token.
    pub(super) end: usize,
}

impl<'p> Front<'p> {
    /// Where the next token begins.
    pub(super) fn at(&self) -> u32 {
        self.text
            .start_of((self.first + self.parser.index()).min(self.end))
    }

    /// The next token.
    pub(super) fn peek(&self) -> &Token {
        &self.parser.peek_token_ref().token
    }

    /// The next token, consumed.
    pub(super) fn next(&mut self) -> TokenWithSpan {
        self.parser.next_token()
    }

    /// Whether the next token is this word.
    pub(super) fn is(&self, word: &str) -> bool {
        is_word(self.peek(), word)
    }

    /// Whether the token after the next `n` is this word.
    pub(super) fn is_nth(&self, n: usize, word: &str) -> bool {
        is_word(&self.parser.peek_nth_token_ref(n).token, word)
    }

    /// Consumes this word if it is next.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is = self.is(word);
        if is {
            self.parser.advance_token();
        }
        is
    }

    /// Consumes this token if it is next.
    pub(super) fn take_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    /// Consumes this word.
    ///
    /// # Errors
    /// 42601 when it is not next.
    pub(super) fn expect(&mut self, word: &str) -> SqlResult<()> {
        if self.take(word) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Consumes this token.
    ///
    /// # Errors
    /// 42601 when it is not next.
    pub(super) fn expect_token(&mut self, token: &Token) -> SqlResult<()> {
        if self.take_token(token) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// The error for the next token.
    pub(super) fn unexpected(&self) -> Box<vireo_abi::message::error::SqlError> {
        self.text.syntax_error_at(self.at())
    }

    /// The error for what is not supported, at the next token.
    pub(super) fn unsupported(&self, what: &str) -> Box<vireo_abi::message::error::SqlError> {
        unsupported(what, Some(self.at()))
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.peek(), Token::EOF)
    }

    /// Lets sqlparser read something.
    ///
    /// # Errors
    /// Its own, in PostgreSQL's words.
    pub(super) fn parse<T>(
        &mut self,
        read: impl FnOnce(&mut Parser<'p>) -> Result<T, ParserError>,
    ) -> SqlResult<T> {
        read(&mut self.parser).map_err(|error| {
            let next = self.first + self.parser.index();
            self.text.parser_error(&error, next, self.end)
        })
    }

    /// A name that is one identifier.
    ///
    /// # Errors
    /// 42601.
    pub(super) fn identifier(&mut self) -> SqlResult<String> {
        if !matches!(self.peek(), Token::Word(_)) {
            return Err(self.unexpected());
        }
        let ident = self.parse(Parser::parse_identifier)?;
        self.text.name(&ident)
    }

    /// A relation's name.
    ///
    /// # Errors
    /// 42601.
    pub(super) fn relation(&mut self) -> SqlResult<Name> {
        if !matches!(self.peek(), Token::Word(_)) {
            return Err(self.unexpected());
        }
        let name = self.parse(|p| p.parse_object_name(false))?;
        let (schema, name, at) = self.text.relation(&name)?;
        Ok(Name { schema, name, at })
    }

    /// A list of relations, each perhaps with ONLY or `*`.
    pub(super) fn relations(&mut self) -> SqlResult<Vec<Name>> {
        let mut names = Vec::new();
        loop {
            self.take("only");
            names.push(self.relation()?);
            self.take_token(&Token::Mul);
            if !self.take_token(&Token::Comma) {
                return Ok(names);
            }
        }
    }

    /// A parenthesized list of columns, and where each stands.
    ///
    /// # Errors
    /// 42601.
    pub(super) fn columns(&mut self) -> SqlResult<Vec<(String, u32)>> {
        self.expect_token(&Token::LParen)?;
        let mut columns = Vec::new();
        loop {
            let at = self.at();
            columns.push((self.identifier()?, at));
            if !self.take_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)?;
        Ok(columns)
    }

    /// A whole statement.
    ///
    /// # Errors
    /// 42601, 0A000, 54001.
    pub(super) fn statement(&mut self) -> SqlResult<Command> {
        let command = self.command(0)?;
        if self.is_done() {
            Ok(command)
        } else {
            Err(self.unexpected())
        }
    }

    pub(super) fn command(&mut self, level: usize) -> SqlResult<Command> {
        if level > 1 {
            return Err(too_deep());
        }
        let start = self.at();
        let word = match self.peek() {
            Token::LParen => return self.parse(Parser::parse_query).map(Command::Query),
            Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_lowercase(),
            _ => return Err(self.unexpected()),
        };
        match word.as_str() {
            "select" | "values" | "with" | "table" => {
                self.parse(Parser::parse_query).map(Command::Query)
            }
            "insert" | "update" | "delete" => self.change(&word),
            "create" => self.create(),
            "drop" => self.drop(),
            "truncate" => self.truncate(),
            "alter" => self.alter(),
            "begin" | "start" | "commit" | "end" | "rollback" | "abort" => self.transaction(&word),
            "copy" => self.copy(),
            "vacuum" | "analyze" | "analyse" => self.maintain(),
            "set" => self.set(),
            "reset" => self.reset(),
            "show" => self.show(),
            "discard" => self.discard(),
            "checkpoint" => {
                self.next();
                Ok(Command::Checkpoint)
            }
            "explain" => self.explain(level),
            other if is_known_statement(other) => {
                Err(unsupported(&other.to_ascii_uppercase(), Some(start)))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn change(&mut self, word: &str) -> SqlResult<Command> {
        let first = self.next();
        let statement = match word {
            "insert" => {
                if !self.is("into") {
                    return Err(self.unexpected());
                }
                self.parse(|p| p.parse_insert(first))?
            }
            "update" => self.parse(|p| p.parse_update(first))?,
            _ => {
                if !self.is("from") {
                    return Err(self.unexpected());
                }
                self.parse(|p| p.parse_delete(first))?
            }
        };
        match statement {
            ast::Statement::Insert(insert) => Ok(Command::Insert(Box::new(insert))),
            ast::Statement::Update(update) => Ok(Command::Update(Box::new(update))),
            ast::Statement::Delete(delete) => Ok(Command::Delete(Box::new(delete))),
            _ => Err(unsupported(
                "this statement",
                Some(self.text.start_of(self.first)),
            )),
        }
    }

    fn explain(&mut self, level: usize) -> SqlResult<Command> {
        self.next();
        let mut options = ExplainOptions {
            analyze: false,
            costs: true,
            timing: None,
            summary: None,
        };
        if matches!(self.peek(), Token::LParen) && !self.is_query_in_parentheses() {
            self.options("EXPLAIN", |option, value, at| {
                match option {
                    "analyze" | "analyse" => options.analyze = is_true(value),
                    "costs" => options.costs = is_true(value),
                    "timing" => options.timing = Some(is_true(value)),
                    "summary" => options.summary = Some(is_true(value)),
                    "verbose" | "buffers" | "settings" | "wal" => {}
                    "format" if value == Some("text") => {}
                    "format" => return Err(unsupported("this format of EXPLAIN", Some(at))),
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
            if options.timing == Some(true) && !options.analyze {
                return Err(SqlError::new(
                    state::INVALID_PARAMETER_VALUE,
                    "EXPLAIN option TIMING requires ANALYZE",
                ));
            }
        } else {
            options.analyze = self.take("analyze") || self.take("analyse");
            self.take("verbose");
        }
        let at = self.at();
        let command = self.command(level + 1)?;
        let is_plannable = matches!(
            command,
            Command::Query(_) | Command::Insert(_) | Command::Update(_) | Command::Delete(_)
        );
        if !is_plannable {
            return Err(self.text.syntax_error_at(at));
        }
        Ok(Command::Explain {
            options,
            command: Box::new(command),
        })
    }

    fn is_query_in_parentheses(&self) -> bool {
        let mut n = 0;
        while matches!(self.parser.peek_nth_token_ref(n).token, Token::LParen) {
            n += 1;
        }
        ["select", "values", "with", "table"]
            .iter()
            .any(|w| self.is_nth(n, w))
    }

    /// `(option value, …)` of the statement `what`, from its parenthesis on. `take` is given each option in lower case, its
    /// value and where it stands, and says whether it knows it.
    ///
    /// # Errors
    /// 42601, and what `take` says.
    fn options(
        &mut self,
        what: &str,
        mut take: impl FnMut(&str, Option<&str>, u32) -> SqlResult<bool>,
    ) -> SqlResult<()> {
        self.expect_token(&Token::LParen)?;
        loop {
            let at = self.at();
            let option = match self.next().token {
                Token::Word(word) => word.value.to_ascii_lowercase(),
                _ => return Err(self.text.syntax_error_at(at)),
            };
            let value = self.option_value()?;
            if !take(&option, value.as_deref(), at)? {
                return Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    format!("unrecognized {what} option \"{option}\""),
                )
                .at(at));
            }
            if !self.take_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)
    }

    /// An option's value: a word, number or string; none where the option stands alone.
    ///
    /// # Errors
    /// 42601.
    pub(super) fn option_value(&mut self) -> SqlResult<Option<String>> {
        let value = match self.peek() {
            Token::Word(word) => {
                if word.quote_style.is_some() {
                    word.value.clone()
                } else {
                    word.value.to_ascii_lowercase()
                }
            }
            Token::SingleQuotedString(s) | Token::EscapedStringLiteral(s) => s.clone(),
            Token::Number(n, _) => n.clone(),
            Token::Minus | Token::Plus => {
                let sign = if matches!(self.peek(), Token::Minus) {
                    "-"
                } else {
                    ""
                };
                self.next();
                match self.peek() {
                    Token::Number(n, _) => format!("{sign}{n}"),
                    _ => return Err(self.unexpected()),
                }
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(value))
    }

    fn maintain(&mut self) -> SqlResult<Command> {
        let vacuum = self.take("vacuum");
        let mut analyze = !vacuum;
        if !vacuum {
            self.next();
        }
        if matches!(self.peek(), Token::LParen) {
            let what = if vacuum { "VACUUM" } else { "ANALYZE" };
            self.options(what, |option, value, _| {
                match option {
                    "analyze" | "analyse" if vacuum => analyze = is_true(value),
                    "verbose" | "skip_locked" | "buffer_usage_limit" => {}
                    "full"
                    | "freeze"
                    | "disable_page_skipping"
                    | "index_cleanup"
                    | "truncate"
                    | "parallel"
                    | "process_toast"
                        if vacuum => {}
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        } else {
            if vacuum {
                self.take("full");
                self.take("freeze");
            }
            self.take("verbose");
            if vacuum && (self.take("analyze") || self.take("analyse")) {
                analyze = true;
            }
        }
        let mut tables = Vec::new();
        while !self.is_done() {
            tables.push(self.relation()?);
            if matches!(self.peek(), Token::LParen) {
                // The columns to analyze: all of them are.
                self.columns()?;
            }
            if !self.take_token(&Token::Comma) {
                break;
            }
            if self.is_done() {
                return Err(self.unexpected());
            }
        }
        Ok(Command::Maintain {
            tables,
            vacuum,
            analyze,
        })
    }
}

/// Whether a token is this word, without quotes.
pub(super) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// An option's truth: alone it is on.
pub(super) fn is_true(value: Option<&str>) -> bool {
    !matches!(value, Some("off" | "false" | "0" | "no"))
}

/// Statements of PostgreSQL that are not supported.
fn is_known_statement(word: &str) -> bool {
    matches!(
        word,
        "call"
            | "close"
            | "cluster"
            | "comment"
            | "deallocate"
            | "declare"
            | "do"
            | "execute"
            | "fetch"
            | "grant"
            | "import"
            | "listen"
            | "load"
            | "lock"
            | "merge"
            | "move"
            | "notify"
            | "prepare"
            | "reassign"
            | "refresh"
            | "reindex"
            | "release"
            | "revoke"
            | "savepoint"
            | "security"
            | "unlisten"
    )
}
