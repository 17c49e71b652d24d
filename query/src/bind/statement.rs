//! Commands to plans: what each statement does, and what is told of it.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use vireo_abi::message::error::{SqlError, SqlResult, state};
use vireo_abi::message::parse::{ColumnInfo, StatementKind};
use vireo_abi::sql_type::{SqlType, TypeId};

use super::binder::Binder;
use super::change::Change;
use super::command::{Column, Command, Constraint, Name};
use super::copy::{Copy, Given, Source};
use super::default_text;
use super::explain::Explained;
use super::names::{constraint_name, no_relation};
use super::query::OutputColumn;
use super::rel::Rel;
use super::table::joined;
use super::text::{place, unsupported};
use crate::catalog::{PUBLIC, Relation, TableDef};
use crate::plan::{
    Body, CopyFormat, CopyOptions, Explain, Expr, NewColumn, NewConstraint, TableRef,
    TransactionCommand,
};

/// Columns that a table may have.
const COLUMNS_MAX: usize = 1600;
/// Columns that a key may have.
const KEY_COLUMNS_MAX: usize = 32;

/// A statement, bound.
pub(super) struct Statement {
    /// What to do.
    pub(super) body: Body,
    /// Its kind.
    pub(super) kind: StatementKind,
    /// Its result columns.
    pub(super) columns: Vec<ColumnInfo>,
}

fn utility(body: Body) -> Statement {
    Statement {
        body,
        kind: StatementKind::Utility,
        columns: Vec::new(),
    }
}

fn text_column(name: &str) -> ColumnInfo {
    ColumnInfo {
        name: name.to_owned(),
        sql_type: SqlType::plain(TypeId::Text),
        table_oid: 0,
        attribute: 0,
    }
}

fn column_infos(columns: &[OutputColumn]) -> Vec<ColumnInfo> {
    columns
        .iter()
        .map(|column| ColumnInfo {
            name: column.name.clone(),
            sql_type: column.typed.expr.sql_type(),
            table_oid: column.origin.table_oid,
            attribute: column.origin.attribute,
        })
        .collect()
}

impl Binder<'_> {
    /// Binds a command.
    ///
    /// # Errors
    /// PostgreSQL's, 0A000.
    pub(super) fn statement(&mut self, command: &Command) -> SqlResult<Statement> {
        match command {
            Command::Query(_) | Command::Insert(_) | Command::Update(_) | Command::Delete(_) => {
                self.planned(command, false).map(|(statement, _)| statement)
            }
            Command::Explain { options, command } => {
                let (inner, explained) = self.planned(command, true)?;
                let explain = Explain {
                    lines: explained.map_or_else(Vec::new, |e| e.lines(options.costs)),
                    analyze: options.analyze,
                    timing: options.timing.unwrap_or(options.analyze),
                    summary: options.summary.unwrap_or(options.analyze),
                    planning_ns: None,
                };
                let body = Body::Explain {
                    explain,
                    body: Box::new(inner.body),
                };
                let columns = alloc::vec![text_column("QUERY PLAN")];
                Ok(Statement {
                    body,
                    kind: StatementKind::Query,
                    columns,
                })
            }
            Command::CreateTable {
                name,
                if_not_exists,
                columns,
                constraints,
            } => self
                .create_table(name, *if_not_exists, columns, constraints)
                .map(utility),
            Command::DropTable { names, if_exists } => {
                self.drop_table(names, *if_exists).map(utility)
            }
            Command::Truncate(names) => {
                let tables = self.table_references(names)?;
                Ok(utility(Body::Truncate { tables }))
            }
            Command::AddConstraint { table, constraint } => {
                self.add_constraint(table, constraint).map(utility)
            }
            Command::Transaction(command) => Ok(Statement {
                body: Body::Transaction(command.clone()),
                kind: match command {
                    TransactionCommand::Set { .. } => StatementKind::Utility,
                    _ => StatementKind::Transaction,
                },
                columns: Vec::new(),
            }),
            Command::Set { name, value, scope } => Ok(utility(Body::Set {
                name: name.clone(),
                value: value.clone(),
                scope: *scope,
            })),
            Command::Show(name) => Ok(show(name)),
            Command::ResetAll { is_discard } => Ok(utility(Body::ResetAll {
                is_discard: *is_discard,
            })),
            Command::Copy(copy) => self.bind_copy(copy),
            Command::Maintain {
                tables,
                vacuum,
                analyze,
            } => {
                let tables = self.table_references(tables)?;
                Ok(utility(if *vacuum {
                    Body::Vacuum {
                        tables,
                        analyze: *analyze,
                    }
                } else {
                    Body::Analyze { tables }
                }))
            }
            Command::Checkpoint => Ok(utility(Body::Checkpoint)),
        }
    }

    fn planned(
        &mut self,
        command: &Command,
        explains: bool,
    ) -> SqlResult<(Statement, Option<Box<Explained>>)> {
        let change = match command {
            Command::Query(query) => {
                let output = self.query(query)?;
                let (exprs, columns) = self.settle_columns(output.columns)?;
                let (node, explained) = self.lay_out(output.rel, &exprs, explains)?;
                let columns = column_infos(&columns);
                let statement = Statement {
                    body: Body::Query(node),
                    kind: StatementKind::Query,
                    columns,
                };
                return Ok((statement, explained));
            }
            Command::Insert(insert) => self.insert(insert, explains)?,
            Command::Update(update) => self.update(update, explains)?,
            Command::Delete(delete) => self.delete(delete, explains)?,
            _ => return Err(unsupported("EXPLAIN of this statement", None)),
        };
        let Change {
            body,
            columns,
            explained,
        } = change;
        let columns = column_infos(&columns);
        let statement = Statement {
            body,
            kind: StatementKind::Modify,
            columns,
        };
        Ok((statement, explained))
    }

    fn table_references(&mut self, names: &[Name]) -> SqlResult<Vec<TableRef>> {
        let mut tables: Vec<TableRef> = Vec::with_capacity(names.len());
        for name in names {
            let table = self.open_table(name.schema.as_deref(), &name.name, None)?;
            if !tables.iter().any(|t| t.oid == table.def.oid) {
                tables.push(table.reference());
            }
        }
        Ok(tables)
    }

    fn drop_table(&mut self, names: &[Name], if_exists: bool) -> SqlResult<Body> {
        let mut tables: Vec<TableRef> = Vec::new();
        let mut missing = Vec::new();
        for name in names {
            match self.find_relation(name.schema.as_deref(), &name.name)? {
                Some((Relation::Table(def), version)) => {
                    let table = super::binder::Table { def, version };
                    if !tables.iter().any(|t| t.oid == table.def.oid) {
                        tables.push(table.reference());
                    }
                }
                Some((Relation::Index { .. }, _)) => {
                    return Err(SqlError::new(
                        state::WRONG_OBJECT_TYPE,
                        format!("\"{}\" is not a table", name.name),
                    )
                    .with_hint("Use DROP INDEX to remove an index."));
                }
                None if if_exists => missing.push(name.name.clone()),
                None => {
                    let shown = match &name.schema {
                        Some(schema) => format!("{schema}.{}", name.name),
                        None => name.name.clone(),
                    };
                    return Err(SqlError::new(
                        state::UNDEFINED_TABLE,
                        format!("table \"{shown}\" does not exist"),
                    ));
                }
            }
        }
        Ok(Body::DropTable { tables, missing })
    }

    fn create_table(
        &mut self,
        name: &Name,
        if_not_exists: bool,
        columns: &[Column],
        constraints: &[Constraint],
    ) -> SqlResult<Body> {
        if let Some(schema) = name.schema.as_deref().filter(|s| *s != PUBLIC) {
            let error = SqlError::new(
                state::INVALID_SCHEMA_NAME,
                format!("schema \"{schema}\" does not exist"),
            );
            return Err(place(error, name.at));
        }
        if columns.len() > COLUMNS_MAX {
            return Err(SqlError::new(
                state::TOO_MANY_COLUMNS,
                format!("tables can have at most {COLUMNS_MAX} columns"),
            ));
        }
        let mut new: Vec<NewColumn> = Vec::with_capacity(columns.len());
        for column in columns {
            if new.iter().any(|c| c.name == column.name) {
                return Err(SqlError::new(
                    state::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", column.name),
                ));
            }
            new.push(self.new_column(column)?);
        }
        let mut made: Vec<NewConstraint> = Vec::with_capacity(constraints.len());
        let primary_first = constraints
            .iter()
            .filter(|c| c.is_primary)
            .chain(constraints.iter().filter(|c| !c.is_primary));
        for constraint in primary_first {
            if constraint.is_primary && made.iter().any(|c| c.is_primary) {
                return Err(two_primary_keys(&name.name).at(constraint.at));
            }
            let find = |column: &str| new.iter().position(|c| c.name == column);
            let made_one = self.constraint(&name.name, constraint, &find, &made)?;
            if made_one.is_primary {
                for &column in &made_one.columns {
                    new[usize::from(column)].not_null = true;
                }
            }
            made.push(made_one);
        }
        Ok(Body::CreateTable {
            schema: PUBLIC.to_owned(),
            name: name.name.clone(),
            if_not_exists,
            columns: new,
            constraints: made,
        })
    }

    fn new_column(&mut self, column: &Column) -> SqlResult<NewColumn> {
        let default = match &column.default {
            None => None,
            Some(((from, to), expr)) => {
                let typed = self.default_expr(expr)?;
                let target = column.sql_type;
                let context = crate::types::cast::CastContext::Assignment;
                if let Err(typed) = self.try_coerce(typed, target, context)? {
                    return Err(SqlError::new(
                        state::DATATYPE_MISMATCH,
                        format!(
                            "column \"{}\" is of type {} but default expression is of type {}",
                            column.name,
                            target.id.sql_name(),
                            typed.id().sql_name()
                        ),
                    )
                    .with_hint("You will need to rewrite or cast the expression."));
                }
                let written = &self.text.sql[*from as usize..*to as usize];
                default_text::stored(expr, written, target)
            }
        };
        Ok(NewColumn {
            name: column.name.clone(),
            sql_type: column.sql_type,
            not_null: column.not_null,
            default,
        })
    }

    fn constraint(
        &mut self,
        table: &str,
        constraint: &Constraint,
        find: &dyn Fn(&str) -> Option<usize>,
        made: &[NewConstraint],
    ) -> SqlResult<NewConstraint> {
        let mut columns: Vec<u16> = Vec::with_capacity(constraint.columns.len());
        for (name, _) in &constraint.columns {
            let position = find(name).ok_or_else(|| {
                SqlError::new(
                    state::UNDEFINED_COLUMN,
                    format!("column \"{name}\" named in key does not exist"),
                )
                .at(constraint.at)
            })? as u16;
            if columns.contains(&position) {
                let what = if constraint.is_primary {
                    "primary key"
                } else {
                    "unique"
                };
                return Err(SqlError::new(
                    state::DUPLICATE_COLUMN,
                    format!("column \"{name}\" appears twice in {what} constraint"),
                )
                .at(constraint.at));
            }
            columns.push(position);
        }
        if columns.len() > KEY_COLUMNS_MAX {
            return Err(SqlError::new(
                state::TOO_MANY_COLUMNS,
                format!("cannot use more than {KEY_COLUMNS_MAX} columns in an index"),
            ));
        }
        let name = match &constraint.name {
            Some(name) => name.clone(),
            None => self.choose_name(table, constraint, made)?,
        };
        Ok(NewConstraint {
            name,
            columns,
            is_primary: constraint.is_primary,
        })
    }

    /// PostgreSQL's name for a constraint without one, with a number when that is taken.
    fn choose_name(
        &mut self,
        table: &str,
        constraint: &Constraint,
        made: &[NewConstraint],
    ) -> SqlResult<String> {
        let (columns, label) = if constraint.is_primary {
            (String::new(), "pkey")
        } else {
            (joined(&constraint.columns), "key")
        };
        let mut number = 0_u32;
        loop {
            let label = if number == 0 {
                label.to_owned()
            } else {
                format!("{label}{number}")
            };
            let name = constraint_name(table, &columns, &label);
            let is_taken =
                made.iter().any(|c| c.name == name) || self.find_relation(None, &name)?.is_some();
            if !is_taken {
                return Ok(name);
            }
            number += 1;
        }
    }

    fn add_constraint(&mut self, name: &Name, constraint: &Constraint) -> SqlResult<Body> {
        let table = match self.find_relation(name.schema.as_deref(), &name.name)? {
            Some((Relation::Table(def), version)) => super::binder::Table { def, version },
            Some(_) => {
                return Err(SqlError::new(
                    state::WRONG_OBJECT_TYPE,
                    format!("\"{}\" is not a table", name.name),
                ));
            }
            None => return Err(no_relation(name.schema.as_deref(), &name.name, None)),
        };
        if constraint.is_primary && table.def.primary_key().is_some() {
            return Err(two_primary_keys(&name.name));
        }
        let find = |column: &str| table.def.column(column);
        let constraint = self.constraint(&name.name, constraint, &find, &[])?;
        Ok(Body::AddConstraint {
            table: table.reference(),
            constraint,
        })
    }

    fn bind_copy(&mut self, copy: &Copy) -> SqlResult<Statement> {
        let options = copy_options(&copy.options)?;
        let (name, listed) = match &copy.source {
            Source::Table(name, listed) => (name, listed),
            Source::Query(query) => {
                let output = self.query(query)?;
                let (exprs, columns) = self.settle_columns(output.columns)?;
                let names: Vec<String> = columns.into_iter().map(|c| c.name).collect();
                return self.copy_to(output.rel, &exprs, names, options, &copy.options);
            }
        };
        let table = self.open_table(name.schema.as_deref(), &name.name, None)?;
        let positions = copied_columns(&table.def, listed)?;
        if copy.is_from {
            if copy.options.force_quote_all || !copy.options.force_quote.is_empty() {
                return Err(SqlError::new(
                    state::FEATURE_NOT_SUPPORTED,
                    "COPY force quote only available using COPY TO",
                ));
            }
            let mut defaults = Vec::new();
            for position in 0..table.def.columns.len() {
                if !positions.contains(&(position as u16)) {
                    defaults.push((position as u16, self.default_of(&table.def, position)?));
                }
            }
            let def = &table.def;
            let body = Body::CopyFrom {
                table: table.reference(),
                column_names: def.columns.iter().map(|c| c.name.clone()).collect(),
                not_null: (0..def.columns.len())
                    .filter(|&i| def.columns[i].not_null)
                    .map(|i| i as u16)
                    .collect(),
                indexes: def.indexes.clone(),
                columns: positions,
                defaults,
                options,
            };
            return Ok(Statement {
                body,
                kind: StatementKind::CopyIn,
                columns: Vec::new(),
            });
        }
        let names = positions
            .iter()
            .map(|&p| table.def.columns[usize::from(p)].name.clone())
            .collect();
        let (rel, _) = self.scan(table, None)?;
        let exprs: Vec<Expr> = match &rel {
            Rel::Scan(scan) => positions
                .iter()
                .map(|&p| self.column(scan.columns[usize::from(p)]))
                .collect(),
            _ => Vec::new(),
        };
        self.copy_to(rel, &exprs, names, options, &copy.options)
    }

    fn copy_to(
        &mut self,
        rel: Rel,
        exprs: &[Expr],
        column_names: Vec<String>,
        mut options: CopyOptions,
        given: &Given,
    ) -> SqlResult<Statement> {
        if given.force_quote_all {
            options.force_quote = (0..column_names.len() as u16).collect();
        }
        for (name, at) in &given.force_quote {
            let position = column_names.iter().position(|c| c == name).ok_or_else(|| {
                SqlError::new(
                    state::UNDEFINED_COLUMN,
                    format!("column \"{name}\" does not exist"),
                )
                .at(*at)
            })?;
            options.force_quote.push(position as u16);
        }
        let (input, _) = self.lay_out(rel, exprs, false)?;
        // The columns are told so that the gateway knows how many COPY will send.
        let columns = column_names
            .iter()
            .zip(exprs)
            .map(|(name, expr)| ColumnInfo {
                name: name.clone(),
                sql_type: expr.sql_type(),
                table_oid: 0,
                attribute: 0,
            })
            .collect();
        let body = Body::CopyTo {
            input,
            column_names,
            options,
        };
        Ok(Statement {
            body,
            kind: StatementKind::CopyOut,
            columns,
        })
    }
}

fn two_primary_keys(table: &str) -> Box<SqlError> {
    SqlError::new(
        state::INVALID_TABLE_DEFINITION,
        format!("multiple primary keys for table \"{table}\" are not allowed"),
    )
}

fn copied_columns(def: &TableDef, listed: &[(String, u32)]) -> SqlResult<Vec<u16>> {
    if listed.is_empty() {
        return Ok((0..def.columns.len() as u16).collect());
    }
    let mut positions: Vec<u16> = Vec::with_capacity(listed.len());
    for (name, _) in listed {
        let position = def.column(name).ok_or_else(|| {
            SqlError::new(
                state::UNDEFINED_COLUMN,
                format!(
                    "column \"{name}\" of relation \"{}\" does not exist",
                    def.name
                ),
            )
        })? as u16;
        if positions.contains(&position) {
            return Err(SqlError::new(
                state::DUPLICATE_COLUMN,
                format!("column \"{name}\" specified more than once"),
            ));
        }
        positions.push(position);
    }
    Ok(positions)
}

fn one_byte(value: &str, what: &str) -> SqlResult<u8> {
    match value.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(SqlError::new(
            state::FEATURE_NOT_SUPPORTED,
            format!("COPY {what} must be a single one-byte character"),
        )),
    }
}

fn copy_options(given: &Given) -> SqlResult<CopyOptions> {
    let format = given.format.unwrap_or(CopyFormat::Text);
    let is_csv = format == CopyFormat::Csv;
    let refuse = |text: &str| Err(SqlError::new(state::FEATURE_NOT_SUPPORTED, text));
    let invalid = |text: &str| Err(SqlError::new(state::INVALID_PARAMETER_VALUE, text));
    if !is_csv {
        if given.quote.is_some() {
            return refuse("COPY quote available only in CSV mode");
        }
        if given.escape.is_some() {
            return refuse("COPY escape available only in CSV mode");
        }
        if given.force_quote_all || !given.force_quote.is_empty() {
            return refuse("COPY force quote available only in CSV mode");
        }
    }
    let delimiter = match &given.delimiter {
        Some(value) => one_byte(value, "delimiter")?,
        None if is_csv => b',',
        None => b'\t',
    };
    let quote = given
        .quote
        .as_deref()
        .map_or(Ok(b'"'), |v| one_byte(v, "quote"))?;
    let escape = given
        .escape
        .as_deref()
        .map_or(Ok(quote), |v| one_byte(v, "escape"))?;
    let default_null = if is_csv { "" } else { "\\N" };
    let null = given.null.as_deref().unwrap_or(default_null);
    if matches!(delimiter, b'\r' | b'\n') {
        return invalid("COPY delimiter cannot be newline or carriage return");
    }
    if null.bytes().any(|b| matches!(b, b'\r' | b'\n')) {
        return invalid("COPY null representation cannot use newline or carriage return");
    }
    let is_reserved = delimiter.is_ascii_lowercase()
        || delimiter.is_ascii_digit()
        || matches!(delimiter, b'\\' | b'.');
    if !is_csv && is_reserved {
        return invalid(&format!(
            "COPY delimiter cannot be \"{}\"",
            char::from(delimiter)
        ));
    }
    if is_csv && delimiter == quote {
        return invalid("COPY delimiter and quote must be different");
    }
    if null.as_bytes().contains(&delimiter) {
        return refuse("COPY delimiter must not appear in the NULL specification");
    }
    if is_csv && null.as_bytes().contains(&quote) {
        return refuse("CSV quote character must not appear in the NULL specification");
    }
    Ok(CopyOptions {
        format,
        delimiter,
        null: null.as_bytes().to_vec(),
        header: given.header,
        quote,
        escape,
        force_quote: Vec::new(),
    })
}

/// Settings whose names PostgreSQL does not spell in lower case.
const CAPITALIZED: &[&str] = &["DateStyle", "IntervalStyle", "TimeZone"];

/// SHOW. Whether there is such a setting is known where the session's settings are.
fn show(name: &str) -> Statement {
    let spelled = CAPITALIZED.iter().find(|n| n.eq_ignore_ascii_case(name));
    let name = spelled.map_or_else(|| name.to_ascii_lowercase(), |n| String::from(*n));
    let columns = if name == "all" {
        ["name", "setting", "description"].map(text_column).to_vec()
    } else {
        alloc::vec![text_column(&name)]
    };
    Statement {
        body: Body::Show { name },
        kind: StatementKind::Query,
        columns,
    }
}
