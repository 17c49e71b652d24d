//! The text of a request as tokens with byte positions, and sqlparser's errors in PostgreSQL's words.
//!
//! sqlparser counts lines and characters; PostgreSQL's errors, and ours, count bytes. [`Text`] keeps where
//! every token begins and ends in bytes, in order, so that any span of a syntax tree is found again by a
//! binary search.
//!
//! Before the parser sees the tokens, [`Text::new`] refuses or repairs what sqlparser reads otherwise than
//! PostgreSQL: junk after a number, tokens that PostgreSQL does not have, string literals that continue on
//! the next line, operators that are another dialect's.
//!
//! Invariants:
//! 1. No statement that passes [`Text::check_depth`] makes the parser, the binder, or the destructor of a
//!    syntax tree use more than a bounded stack: nesting is limited to [`DEPTH_MAX`], chains of operators,
//!    which become left-deep trees, to [`CHAIN_MAX`].

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::ast::{Expr, Query, SetExpr, Spanned};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, TokenizerError};
use vireo_abi::message::error::{SqlError, SqlResult, state};

use super::dialect::Postgres;

/// Levels of nesting that a statement may have.
pub(super) const DEPTH_MAX: usize = 256;
/// Operators in one chain without parentheses or commas.
const CHAIN_MAX: usize = 20_000;
/// Tokens that room is made for before any is seen.
const TOKENS_EXPECTED_MAX: usize = 1024;

/// Where a token is.
#[derive(Clone, Copy)]
struct Place {
    location: Location,
    start: u32,
    end: u32,
}

/// A text and its tokens.
pub(super) struct Text<'t> {
    /// The text of the request.
    pub(super) sql: &'t str,
    places: Vec<Place>,
}

/// PostgreSQL's error for a statement that is nested too deep.
pub(super) fn too_deep() -> alloc::boxed::Box<SqlError> {
    SqlError::new(state::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").with_hint(
        "Write the statement with fewer levels of nesting, or split it into several statements.",
    )
}

/// What the statement asks for and we do not have.
pub(super) fn unsupported(what: &str, at: Option<u32>) -> alloc::boxed::Box<SqlError> {
    let error = SqlError::new(
        state::FEATURE_NOT_SUPPORTED,
        format!("{what} is not supported"),
    );
    place(error, at)
}

/// The error at a position, if it is known.
pub(super) fn place(
    error: alloc::boxed::Box<SqlError>,
    at: Option<u32>,
) -> alloc::boxed::Box<SqlError> {
    match at {
        Some(at) => error.at(at),
        None => error,
    }
}

/// Follows locations through a text, in rising order.
struct Cursor<'t> {
    sql: &'t str,
    byte: usize,
    line: u64,
    column: u64,
}

impl Cursor<'_> {
    fn advance_to(&mut self, location: Location) -> u32 {
        let bytes = self.sql.as_bytes();
        while self.byte < bytes.len()
            && (self.line < location.line
                || (self.line == location.line && self.column < location.column))
        {
            let byte = bytes[self.byte];
            let width = match byte {
                0..=0xBF => 1,
                0xC0..=0xDF => 2,
                0xE0..=0xEF => 3,
                _ => 4,
            };
            self.byte += width;
            if byte == b'\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.byte.min(bytes.len()) as u32
    }
}

impl<'t> Text<'t> {
    /// Splits a text into tokens, without white space and comments.
    ///
    /// # Errors
    /// 42601 for what is no token.
    pub(super) fn new(sql: &'t str) -> SqlResult<(Text<'t>, Vec<TokenWithSpan>)> {
        let dialect = Postgres::default();
        // A long text may be one literal: only so many tokens are expected.
        let mut raw = Vec::with_capacity((sql.len() / 4 + 8).min(TOKENS_EXPECTED_MAX));
        let outcome = Tokenizer::new(&dialect, sql).tokenize_with_location_into_buf(&mut raw);
        if let Err(error) = outcome {
            return Err(lexical_error(sql, &error));
        }
        let mut text = Text {
            sql,
            places: Vec::with_capacity(raw.len()),
        };
        let mut tokens: Vec<TokenWithSpan> = Vec::with_capacity(raw.len());
        let mut cursor = Cursor {
            sql,
            byte: 0,
            line: 1,
            column: 1,
        };
        for mut token in raw {
            if matches!(token.token, Token::Whitespace(_) | Token::EOF) {
                continue;
            }
            let start = cursor.advance_to(token.span.start);
            let end = cursor.advance_to(token.span.end);
            text.repair(&mut token, start, end, tokens.last_mut())?;
            if let Token::EOF = token.token {
                if let Some(last) = text.places.last_mut() {
                    last.end = end;
                }
                continue;
            }
            text.places.push(Place {
                location: token.span.start,
                start,
                end,
            });
            tokens.push(token);
        }
        Ok((text, tokens))
    }

    /// Mends a token that PostgreSQL reads otherwise. A token that became part of the one before is set to EOF.
    fn repair(
        &self,
        token: &mut TokenWithSpan,
        start: u32,
        end: u32,
        before: Option<&mut TokenWithSpan>,
    ) -> SqlResult<()> {
        let source = &self.sql[start as usize..end as usize];
        match &mut token.token {
            Token::DoubleEq => token.token = Token::CustomBinaryOperator("==".to_owned()),
            Token::Spaceship => token.token = Token::CustomBinaryOperator("<=>".to_owned()),
            Token::DuckIntDiv => token.token = Token::CustomBinaryOperator("//".to_owned()),
            Token::Number(digits, _) if source.len() != digits.len() || digits.contains('_') => {
                return Err(junk_after_number(source, start));
            }
            Token::HexStringLiteral(_) if source.starts_with('0') => {
                return Err(junk_after_number(&source[..2], start));
            }
            Token::Word(word) => {
                let place = self.places.last();
                if let (Some(Token::Number(..)), Some(place)) = (before.map(|t| &t.token), place)
                    && place.end == start
                    && word.quote_style.is_none()
                {
                    let first = source.chars().next().map_or(0, char::len_utf8);
                    let junk = &self.sql[place.start as usize..start as usize + first];
                    return Err(junk_after_number(junk, place.start));
                }
                if word.quote_style.is_some() && word.value.is_empty() {
                    return Err(SqlError::new(
                        state::SYNTAX_ERROR,
                        format!("zero-length delimited identifier at or near \"{source}\""),
                    )
                    .at(start));
                }
            }
            Token::SingleQuotedString(more) => {
                let Some(before) = before else { return Ok(()) };
                let Some(place) = self.places.last() else {
                    return Ok(());
                };
                let is_continuation = matches!(
                    before.token,
                    Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)
                );
                if !is_continuation {
                    return Ok(());
                }
                if !self.sql[place.end as usize..start as usize].contains('\n') {
                    return Err(self.syntax_error(start, end));
                }
                if let Token::SingleQuotedString(text) = &mut before.token {
                    text.push_str(more);
                    token.token = Token::EOF;
                } else {
                    return Err(unsupported("a continued escape string", Some(start)));
                }
            }
            Token::Char(_)
            | Token::Backslash
            | Token::LBrace
            | Token::RBrace
            | Token::Assignment
            | Token::DoubleQuotedString(_) => return Err(self.syntax_error(start, end)),
            _ => {}
        }
        Ok(())
    }

    /// The statements between the semicolons, as ranges of tokens; empty ones left out.
    pub(super) fn statements(&self, tokens: &[TokenWithSpan]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut first = 0;
        for (index, token) in tokens.iter().enumerate() {
            if token.token == Token::SemiColon {
                if first < index {
                    found.push((first, index));
                }
                first = index + 1;
            }
        }
        if first < tokens.len() {
            found.push((first, tokens.len()));
        }
        found
    }

    /// Refuses what would need too much stack (invariant 1).
    pub(super) fn check_depth(&self, tokens: &[TokenWithSpan]) -> SqlResult<()> {
        // A query in WITH is copied, which takes more stack than to drop it.
        let has_with = tokens
            .iter()
            .any(|t| super::command::is_word(&t.token, "with"));
        let levels_max = if has_with {
            CHAIN_MAX / 20
        } else {
            CHAIN_MAX * 4
        };
        // For each open parenthesis: the levels of the chain that is read, and the most of those before it.
        let mut open: Vec<(usize, usize)> = alloc::vec![(0, 0)];
        for token in tokens {
            let Some((levels, most)) = open.last_mut() else {
                break;
            };
            match &token.token {
                Token::LParen | Token::LBracket => open.push((0, 0)),
                Token::RParen | Token::RBracket => {
                    // What stands in parentheses may be the bottom of the chain around them.
                    let inner = (*levels).max(*most) + 1;
                    if open.len() > 1 {
                        open.pop();
                    }
                    if let Some((levels, _)) = open.last_mut() {
                        *levels += inner;
                    }
                }
                Token::Comma | Token::SemiColon => {
                    *most = (*levels).max(*most);
                    *levels = 0;
                }
                Token::Word(word) if word.quote_style.is_none() => {
                    let is_break = ["when", "then", "else"]
                        .iter()
                        .any(|w| word.value.eq_ignore_ascii_case(w));
                    if is_break {
                        *most = (*levels).max(*most);
                        *levels = 0;
                    } else {
                        *levels += 1;
                    }
                }
                Token::Number(..) | Token::SingleQuotedString(_) | Token::Placeholder(_) => {}
                _ => *levels += 1,
            }
            let is_long = open.last().is_some_and(|(levels, _)| *levels > levels_max);
            if open.len() > DEPTH_MAX * 4 || is_long {
                return Err(too_deep());
            }
        }
        Ok(())
    }

    /// Bytes of the text that the tokens `first..end` cover.
    pub(super) fn range(&self, first: usize, end: usize) -> (u32, u32) {
        (self.places[first].start, self.places[end - 1].end)
    }

    /// Where token `index` begins; past the last one: where the text ends.
    pub(super) fn start_of(&self, index: usize) -> u32 {
        self.places
            .get(index)
            .map_or(self.sql.len() as u32, |p| p.start)
    }

    fn index_of(&self, location: Location) -> Option<usize> {
        if location.line == 0 {
            return None;
        }
        self.places
            .binary_search_by(|p| p.location.cmp(&location))
            .ok()
    }

    /// Where a location of sqlparser's is, in bytes.
    pub(super) fn offset(&self, location: Location) -> Option<u32> {
        self.index_of(location)
            .map(|index| self.places[index].start)
    }

    /// Where a piece of a syntax tree begins.
    pub(super) fn at(&self, piece: &impl Spanned) -> Option<u32> {
        self.at_span(piece.span())
    }

    /// Where a span begins.
    pub(super) fn at_span(&self, span: Span) -> Option<u32> {
        self.offset(span.start)
    }

    /// Where an expression begins. Not recursive along chains of operators, unlike sqlparser's spans.
    pub(super) fn at_expr(&self, expr: &Expr) -> Option<u32> {
        let mut first = expr;
        loop {
            first = match first {
                Expr::BinaryOp { left: inner, .. }
                | Expr::AnyOp { left: inner, .. }
                | Expr::AllOp { left: inner, .. }
                | Expr::IsDistinctFrom(inner, _)
                | Expr::IsNotDistinctFrom(inner, _)
                | Expr::IsNull(inner)
                | Expr::IsNotNull(inner)
                | Expr::IsTrue(inner)
                | Expr::IsNotTrue(inner)
                | Expr::IsFalse(inner)
                | Expr::IsNotFalse(inner)
                | Expr::IsUnknown(inner)
                | Expr::IsNotUnknown(inner)
                | Expr::Nested(inner)
                | Expr::UnaryOp { expr: inner, .. }
                | Expr::Cast { expr: inner, .. }
                | Expr::Collate { expr: inner, .. }
                | Expr::InList { expr: inner, .. }
                | Expr::InSubquery { expr: inner, .. }
                | Expr::Between { expr: inner, .. }
                | Expr::Like { expr: inner, .. }
                | Expr::ILike { expr: inner, .. }
                | Expr::SimilarTo { expr: inner, .. }
                | Expr::AtTimeZone {
                    timestamp: inner, ..
                }
                | Expr::CompoundFieldAccess { root: inner, .. } => inner,
                Expr::Function(function) => return self.at(&function.name),
                Expr::Case { case_token, .. } => return self.at_span(case_token.0.span),
                Expr::Subquery(query) => return self.at_query(query),
                Expr::Exists { subquery, .. } => return self.at_query(subquery),
                leaf => return self.at(leaf),
            };
        }
    }

    /// Where a query begins.
    pub(super) fn at_query(&self, query: &Query) -> Option<u32> {
        match &query.with {
            Some(with) => self.at_span(with.with_token.0.span),
            None => self.at_set_expr(&query.body),
        }
    }

    /// Where a query's body begins.
    pub(super) fn at_set_expr(&self, body: &SetExpr) -> Option<u32> {
        let mut first = body;
        loop {
            first = match first {
                SetExpr::SetOperation { left, .. } => left,
                SetExpr::Query(query) => &query.body,
                SetExpr::Select(select) => return self.at_span(select.select_token.0.span),
                SetExpr::Values(values) => {
                    let row = values.rows.first()?;
                    return self.at_span(row.opening_token.0.span);
                }
                other => return self.at(other),
            };
        }
    }

    /// Where the operator before a right operand is: the nearest such token before it.
    pub(super) fn operator_before(&self, right: &Expr, symbol: &str) -> Option<u32> {
        self.word_before(self.at_expr(right), &[symbol])
    }

    /// Where the token before a piece is, if it is the word given (case ignored).
    pub(super) fn word_before(&self, start: Option<u32>, words: &[&str]) -> Option<u32> {
        let start = start?;
        let mut index = self.places.binary_search_by(|p| p.start.cmp(&start)).ok()?;
        for _ in 0..64 {
            index = index.checked_sub(1)?;
            let place = self.places[index];
            let token = &self.sql[place.start as usize..place.end as usize];
            if words.iter().any(|w| token.eq_ignore_ascii_case(w)) {
                return Some(place.start);
            }
        }
        None
    }

    fn syntax_error(&self, start: u32, end: u32) -> alloc::boxed::Box<SqlError> {
        let token = &self.sql[start as usize..end as usize];
        SqlError::new(
            state::SYNTAX_ERROR,
            format!("syntax error at or near \"{token}\""),
        )
        .at(start)
    }

    /// `syntax error at or near` the token that begins at `at`, or at the end of the input.
    pub(super) fn syntax_error_at(&self, at: u32) -> alloc::boxed::Box<SqlError> {
        match self.places.binary_search_by(|p| p.start.cmp(&at)) {
            Ok(index) => self.syntax_error(self.places[index].start, self.places[index].end),
            Err(_) => SqlError::new(state::SYNTAX_ERROR, "syntax error at end of input")
                .at(self.sql.len() as u32),
        }
    }

    /// `syntax error at or near` the token after a piece.
    pub(super) fn syntax_error_after(&self, piece: &impl Spanned) -> alloc::boxed::Box<SqlError> {
        let end = piece.span().end;
        let mut next = self.places.partition_point(|p| p.location < end);
        // The span of a subquery ends inside of its parentheses.
        while next < self.places.len()
            && self.sql.as_bytes()[self.places[next].start as usize] == b')'
        {
            next += 1;
        }
        self.syntax_error_at(self.start_of(next))
    }

    /// The error of a parser that stopped before token `next`, of the statement that ends before token `end`.
    pub(super) fn parser_error(
        &self,
        error: &ParserError,
        next: usize,
        end: usize,
    ) -> alloc::boxed::Box<SqlError> {
        let message = match error {
            ParserError::RecursionLimitExceeded => return too_deep(),
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        };
        if let Some(location) = location_of(message)
            && let Some(index) = self.index_of(location)
        {
            return self.syntax_error(self.places[index].start, self.places[index].end);
        }
        if message.contains("found: EOF") {
            return self.syntax_error_at(self.start_of(end));
        }
        self.syntax_error_at(self.start_of(next.min(end)))
    }
}

/// The location at the end of an error of sqlparser's.
fn location_of(message: &str) -> Option<Location> {
    let (_, tail) = message.rsplit_once(" at Line: ")?;
    let (line, column) = tail.split_once(", Column: ")?;
    Some(Location {
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    })
}

fn junk_after_number(junk: &str, start: u32) -> alloc::boxed::Box<SqlError> {
    SqlError::new(
        state::SYNTAX_ERROR,
        format!("trailing junk after numeric literal at or near \"{junk}\""),
    )
    .at(start)
}

fn lexical_error(sql: &str, error: &TokenizerError) -> alloc::boxed::Box<SqlError> {
    let mut cursor = Cursor {
        sql,
        byte: 0,
        line: 1,
        column: 1,
    };
    let found = cursor.advance_to(error.location) as usize;
    let message = error.message.as_str();
    let (what, start) =
        if message.contains("dollar-quoted") || message.contains("Unterminated dollar") {
            (
                "unterminated dollar-quoted string",
                sql[..found].rfind('$').unwrap_or(found),
            )
        } else if message.contains("string literal") {
            ("unterminated quoted string", found)
        } else if message.contains("multi-line comment") {
            (
                "unterminated /* comment",
                sql[..found].find("/*").unwrap_or(found),
            )
        } else if message.contains("close delimiter") {
            ("unterminated quoted identifier", found)
        } else {
            ("syntax error", found)
        };
    let near: String = sql[start..].to_owned();
    let text = if near.is_empty() {
        format!("{what} at end of input")
    } else {
        format!("{what} at or near \"{near}\"")
    };
    SqlError::new(state::SYNTAX_ERROR, text).at(start as u32)
}
