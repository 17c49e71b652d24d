//! Binding and planning: SQL text to a physical plan.
//!
//! ```text
//!  text ──tokens──> Command ──names, types──> Rel (logical, ids) ──push──> Node (physical, positions)
//!  [text]           [command, session,        [query, from, change,      [rel]      [physical, join,
//!                    table, copy]              expr, coerce, aggregate]              access, cost]
//! ```
//!
//! sqlparser reads queries, expressions and types; utility statements are read by hand over the same
//! tokens. What PostgreSQL reads otherwise than sqlparser is mended in `dialect` and `text`.
//!
//! Invariants:
//! 1. A plan's expressions are typed: every argument has exactly the type that its function takes.
//! 2. Nothing of a session gets into a plan but through parameters: no setting, no clock, no user. So a
//!    plan may be kept and used by others, as long as the catalog stays as it was.
//! 3. Stack use is bounded whatever the text (see `text`).
//!
//! Fails with PostgreSQL's errors, their positions being byte offsets into the text. What is not supported is
//! 0A000 where it stands, never another meaning.

mod access;
mod aggregate;
mod binder;
mod change;
mod coerce;
mod command;
mod copy;
mod cost;
mod datatype;
mod default_text;
mod dialect;
mod estimate;
mod explain;
mod expr;
mod fold;
mod from;
mod join;
mod names;
mod operator;
mod order;
mod parameters;
mod physical;
mod query;
mod rel;
mod scope;
mod session;
mod statement;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod union;

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::{Token, TokenWithSpan};
use vireo_abi::ids::Version;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::parse::StatementInfo;
use vireo_abi::sql_type::SqlType;

use crate::catalog::CatalogReader;
use crate::plan::{Expr, Plan};
use crate::types::cast::CastContext;
use binder::Binder;
use coerce::Typed;
use command::{Command, Front};
use dialect::Postgres;
use expr::{Clause, Env};
use parameters::Parameters;
use scope::{ColumnMeta, Origin, Scope, ScopeColumn, ScopeRelation};
use text::{DEPTH_MAX, Text, unsupported};

pub use estimate::memory_estimate;

/// A statement's plan and what the gateway needs to know of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Bound {
    /// The plan.
    pub plan: Plan,
    /// About it.
    pub info: StatementInfo,
}

/// What a text holds.
#[derive(Clone, PartialEq, Debug)]
#[allow(clippy::large_enum_variant)] // there is one for a request, and most are the large one
pub enum Parsed {
    /// No statement.
    Empty,
    /// Several, whose syntax is sound: where each begins and ends, in bytes.
    Many(Vec<(u32, u32)>),
    /// One.
    One(Bound),
}

/// Binds a text.
///
/// `many`: several statements are welcome and answered by [`Parsed::Many`]; else they are an error.
/// `parameter_oids`: the types of parameters that the client gave, 0 for those to be found.
///
/// # Errors
/// PostgreSQL's, with a byte offset as the position.
pub fn bind(
    sql: &str,
    many: bool,
    parameter_oids: &[u32],
    catalog: &dyn CatalogReader,
    user: &str,
    database: &str,
) -> SqlResult<Parsed> {
    // Nothing of the session goes into a plan (invariant 2).
    let _ = (user, database);
    let (text, mut tokens) = Text::new(sql)?;
    text.check_depth(&tokens)?;
    let ranges = text.statements(&tokens);
    let (first, end) = match ranges.as_slice() {
        [] => return Ok(Parsed::Empty),
        [one] => *one,
        several if many => {
            check_syntax(&text, &tokens, several)?;
            return Ok(Parsed::Many(
                several.iter().map(|&(a, b)| text.range(a, b)).collect(),
            ));
        }
        _ => {
            return Err(SqlError::new(
                state::SYNTAX_ERROR,
                "cannot insert multiple commands into a prepared statement",
            ));
        }
    };
    tokens.truncate(end);
    if first > 0 {
        tokens.drain(..first);
    }
    let dialect = Postgres::default();
    let command = read(&text, &dialect, tokens, first, end)?;
    let parameters = Parameters::new(parameter_oids)?;
    let mut binder = Binder::new(&text, catalog, parameters);
    let statement = binder.statement(&command)?;
    let takes_parameters = matches!(
        command,
        Command::Query(_)
            | Command::Insert(_)
            | Command::Update(_)
            | Command::Delete(_)
            | Command::Explain { .. }
    );
    if !takes_parameters && !binder.parameters.is_empty() && parameter_oids.is_empty() {
        return Err(SqlError::new(
            state::UNDEFINED_PARAMETER,
            "there is no parameter $1",
        ));
    }
    let parameters = binder.parameters.finish()?;
    let catalog_version = catalog.version();
    let info = StatementInfo {
        kind: statement.kind,
        parameters: parameters.clone(),
        columns: statement.columns,
        catalog_version,
        // EXPLAIN tells how long planning took.
        cacheable: !binder.is_uncommitted && !matches!(command, Command::Explain { .. }),
    };
    let results = info.columns.iter().map(|c| c.sql_type).collect();
    let plan = Plan {
        body: statement.body,
        parameters,
        results,
        catalog_version,
    };
    Ok(Parsed::One(Bound { plan, info }))
}

fn check_syntax(
    text: &Text<'_>,
    tokens: &[TokenWithSpan],
    ranges: &[(usize, usize)],
) -> SqlResult<()> {
    let dialect = Postgres::default();
    for &(first, end) in ranges {
        if let Err(error) = read(text, &dialect, tokens[first..end].to_vec(), first, end) {
            // Only what makes the whole text unreadable; the rest is told when its turn comes.
            let is_fatal = error.sqlstate == *state::SYNTAX_ERROR
                || error.sqlstate == *state::STATEMENT_TOO_COMPLEX;
            if is_fatal {
                return Err(error);
            }
        }
    }
    Ok(())
}

fn read<'p>(
    text: &'p Text<'p>,
    dialect: &'p Postgres,
    tokens: Vec<TokenWithSpan>,
    first: usize,
    end: usize,
) -> SqlResult<Command> {
    let parser = parser(dialect, tokens);
    Front {
        parser,
        text,
        first,
        end,
    }
    .statement()
}

fn parser(dialect: &Postgres, tokens: Vec<TokenWithSpan>) -> Parser<'_> {
    let options = ParserOptions::new()
        .with_trailing_commas(false)
        .with_unescape(true);
    Parser::new(dialect)
        .with_options(options)
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens_with_locations(tokens)
}

/// No catalog: for expressions.
struct NoCatalog;

impl CatalogReader for NoCatalog {
    fn version(&self) -> u64 {
        0
    }

    fn get(&self, _key: &[u8]) -> SqlResult<Option<(Vec<u8>, Version)>> {
        Ok(None)
    }

    fn scan(&self, _prefix: &[u8], _each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> SqlResult<()> {
        Ok(())
    }
}

/// Binds an expression, such as a column's DEFAULT, over columns that are known by name and position, as a
/// value for a column of type `target`.
///
/// # Errors
/// PostgreSQL's.
pub fn bind_expr(sql: &str, input: &[(String, SqlType)], target: SqlType) -> SqlResult<Expr> {
    let (text, tokens) = Text::new(sql)?;
    text.check_depth(&tokens)?;
    let end = tokens.len();
    let dialect = Postgres::default();
    let mut front = Front {
        parser: parser(&dialect, tokens),
        text: &text,
        first: 0,
        end,
    };
    let expr = front.parse(Parser::parse_expr)?;
    if !matches!(front.peek(), Token::EOF) {
        return Err(front.unexpected());
    }
    let mut binder = Binder::new(&text, &NoCatalog, Parameters::default());
    let mut columns = Vec::with_capacity(input.len());
    for (name, sql_type) in input {
        let id = binder.add_column(ColumnMeta {
            sql_type: *sql_type,
            relation: String::new(),
            name: name.clone(),
            not_null: false,
        })?;
        columns.push(ScopeColumn {
            name: name.clone(),
            expr: binder.column(id),
            origin: Origin::default(),
        });
    }
    let relation = ScopeRelation {
        name: String::new(),
        hidden_name: None,
        columns,
    };
    let mut env = Env::new(Rc::new(Scope::of(relation)), Clause::Default);
    let typed = binder.expr(&expr, &mut env)?;
    let found = typed.id();
    match binder.try_coerce(typed, target, CastContext::Assignment)? {
        Ok(expr) => Ok(expr),
        Err(_) => Err(SqlError::new(
            state::DATATYPE_MISMATCH,
            alloc::format!(
                "expression is of type {} but {} is wanted",
                found.sql_name(),
                target.id.sql_name()
            ),
        )),
    }
}

impl Binder<'_> {
    /// An expression of DEFAULT: without columns.
    ///
    /// # Errors
    /// PostgreSQL's.
    fn default_expr(&mut self, expr: &sqlparser::ast::Expr) -> SqlResult<Typed> {
        let mut env = Env::new(Rc::new(Scope::default()), Clause::Default);
        let typed = self.expr(expr, &mut env);
        match typed {
            Err(error) if error.sqlstate == *state::UNDEFINED_COLUMN => {
                let at = error.position;
                let error = SqlError::new(
                    state::FEATURE_NOT_SUPPORTED,
                    "cannot use column reference in DEFAULT expression",
                );
                Err(text::place(error, at))
            }
            Ok(typed) if matches!(typed.expr, Expr::Parameter { .. }) => {
                Err(unsupported("a parameter in DEFAULT", typed.at))
            }
            other => other,
        }
    }
}
