//! CREATE, DROP, TRUNCATE and ALTER TABLE, as parsed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;
use vireo_abi::message::error::{SqlError, SqlResult, state};

use super::command::{Column, Command, Constraint, Front};
use super::datatype;

/// sqlparser's precedence of LIKE, BETWEEN and IN: what stands in DEFAULT binds tighter.
const DEFAULT_PRECEDENCE: u8 = 60;

impl Front<'_> {
    /// CREATE TABLE; other forms of CREATE are not supported.
    pub(super) fn create(&mut self) -> SqlResult<Command> {
        self.next();
        if !self.is("table") {
            let words = [
                "temp",
                "temporary",
                "unlogged",
                "global",
                "local",
                "unique",
                "index",
                "view",
                "or",
                "schema",
                "sequence",
                "type",
                "function",
                "database",
                "role",
                "user",
                "extension",
                "trigger",
                "materialized",
                "domain",
                "procedure",
                "aggregate",
                "operator",
                "rule",
                "policy",
                "publication",
                "subscription",
                "server",
                "foreign",
                "statistics",
                "tablespace",
                "collation",
                "cast",
                "language",
                "event",
                "access",
                "group",
                "conversion",
                "text",
                "transform",
                "recursive",
            ];
            let is_known = words.iter().any(|w| self.is(w));
            return Err(if is_known {
                self.unsupported("this form of CREATE")
            } else {
                self.unexpected()
            });
        }
        self.next();
        let mut if_not_exists = false;
        if self.take("if") {
            self.expect("not")?;
            self.expect("exists")?;
            if_not_exists = true;
        }
        let name = self.relation()?;
        for (word, what) in [
            ("as", "CREATE TABLE AS"),
            ("partition", "PARTITION OF"),
            ("of", "CREATE TABLE OF"),
        ] {
            if self.is(word) {
                return Err(self.unsupported(what));
            }
        }
        let mut columns = Vec::new();
        let mut constraints = Vec::new();
        self.expect_token(&Token::LParen)?;
        if !self.take_token(&Token::RParen) {
            loop {
                self.table_element(&mut columns, &mut constraints)?;
                if !self.take_token(&Token::Comma) {
                    break;
                }
            }
            self.expect_token(&Token::RParen)?;
        }
        self.table_options()?;
        Ok(Command::CreateTable {
            name,
            if_not_exists,
            columns,
            constraints,
        })
    }

    fn table_options(&mut self) -> SqlResult<()> {
        loop {
            if self.take("with") {
                self.storage_parameters()?;
            } else if self.is("without") && self.is_nth(1, "oids") {
                self.next();
                self.next();
            } else if self.is("inherits")
                || self.is("partition")
                || self.is("on")
                || self.is("tablespace")
                || self.is("using")
                || self.is("as")
            {
                return Err(self.unsupported("this clause of CREATE TABLE"));
            } else {
                return Ok(());
            }
        }
    }

    /// `(fillfactor = 100, …)`: known ones are accepted and mean nothing.
    fn storage_parameters(&mut self) -> SqlResult<()> {
        self.expect_token(&Token::LParen)?;
        loop {
            let at = self.at();
            let name = self.identifier()?;
            if self.take_token(&Token::Eq) && self.option_value()?.is_none() {
                return Err(self.unexpected());
            }
            let is_known = name == "fillfactor" || name.starts_with("autovacuum_");
            if !is_known {
                return Err(SqlError::new(
                    state::INVALID_PARAMETER_VALUE,
                    format!("unrecognized parameter \"{name}\""),
                )
                .at(at));
            }
            if !self.take_token(&Token::Comma) {
                break;
            }
        }
        self.expect_token(&Token::RParen)
    }

    fn table_element(
        &mut self,
        columns: &mut Vec<Column>,
        constraints: &mut Vec<Constraint>,
    ) -> SqlResult<()> {
        let is_constraint = self.is("constraint")
            || (self.is("primary") && self.is_nth(1, "key"))
            || (self.is("unique"))
            || self.is("check")
            || self.is("foreign")
            || (self.is("exclude") && !self.is_type_next())
            || self.is("like");
        if is_constraint {
            constraints.push(self.table_constraint()?);
            return Ok(());
        }
        let name = self.identifier()?;
        if !matches!(self.peek(), Token::Word(_)) {
            return Err(self.unexpected());
        }
        let type_at = self.at();
        let data_type = self.parse(Parser::parse_data_type)?;
        let sql_type = datatype::lookup(&data_type).map_err(|error| error.at(type_at))?;
        let mut column = Column {
            name,
            sql_type,
            not_null: false,
            default: None,
        };
        self.column_constraints(&mut column, constraints)?;
        columns.push(column);
        Ok(())
    }

    fn is_type_next(&self) -> bool {
        matches!(self.parser.peek_nth_token_ref(1).token, Token::Word(_))
    }

    fn column_constraints(
        &mut self,
        column: &mut Column,
        constraints: &mut Vec<Constraint>,
    ) -> SqlResult<()> {
        let mut is_null = false;
        loop {
            let name = if self.take("constraint") {
                Some(self.identifier()?)
            } else {
                None
            };
            let at = self.at();
            if self.take("not") {
                if self.is("deferrable") {
                    self.next();
                    continue;
                }
                self.expect("null")?;
                column.not_null = true;
            } else if self.take("null") {
                is_null = true;
            } else if self.take("default") {
                let from = self.first + self.parser.index();
                let expr = self.parse(|p| p.parse_subexpr(DEFAULT_PRECEDENCE))?;
                let to = self.first + self.parser.index();
                column.default = Some((self.text.range(from, to), expr));
            } else if self.is("primary") || self.is("unique") {
                let is_primary = self.take("primary");
                if is_primary {
                    self.expect("key")?;
                } else {
                    self.next();
                }
                self.index_parameters()?;
                let columns = alloc::vec![(column.name.clone(), at)];
                constraints.push(Constraint {
                    name,
                    columns,
                    is_primary,
                    at,
                });
            } else if let Some(word) = [
                "check",
                "references",
                "generated",
                "collate",
                "storage",
                "compression",
                "deferrable",
                "initially",
            ]
            .iter()
            .find(|w| self.is(w))
            {
                return Err(self.unsupported(&word.to_ascii_uppercase()));
            } else if name.is_some() {
                return Err(self.unexpected());
            } else {
                break;
            }
            if is_null && column.not_null {
                return Err(SqlError::new(
                    state::SYNTAX_ERROR,
                    format!(
                        "conflicting NULL/NOT NULL declarations for column \"{}\"",
                        column.name
                    ),
                )
                .at(at));
            }
        }
        Ok(())
    }

    /// What may follow PRIMARY KEY and UNIQUE.
    fn index_parameters(&mut self) -> SqlResult<()> {
        if self.take("with") {
            self.storage_parameters()?;
        }
        if self.is("nulls") || self.is("include") || self.is("using") || self.is("deferrable") {
            return Err(self.unsupported("this clause of a constraint"));
        }
        Ok(())
    }

    fn table_constraint(&mut self) -> SqlResult<Constraint> {
        let name = if self.take("constraint") {
            Some(self.identifier()?)
        } else {
            None
        };
        let at = self.at();
        let is_primary = self.take("primary");
        if is_primary {
            self.expect("key")?;
        } else if !self.take("unique") {
            let what = ["check", "foreign", "exclude", "like"]
                .iter()
                .find(|w| self.is(w));
            return Err(match what {
                Some(word) => self.unsupported(&word.to_ascii_uppercase()),
                None => self.unexpected(),
            });
        }
        if self.is("using") || self.is("nulls") {
            return Err(self.unsupported("this clause of a constraint"));
        }
        let columns = self.columns()?;
        self.index_parameters()?;
        Ok(Constraint {
            name,
            columns,
            is_primary,
            at,
        })
    }

    /// DROP TABLE; other forms of DROP are not supported.
    pub(super) fn drop(&mut self) -> SqlResult<Command> {
        self.next();
        if !self.is("table") {
            return Err(match self.peek() {
                Token::Word(_) => self.unsupported("this form of DROP"),
                _ => self.unexpected(),
            });
        }
        self.next();
        let if_exists = self.take("if");
        if if_exists {
            self.expect("exists")?;
        }
        let mut names = Vec::new();
        loop {
            names.push(self.relation()?);
            if !self.take_token(&Token::Comma) {
                break;
            }
        }
        if !self.take("cascade") {
            self.take("restrict");
        }
        Ok(Command::DropTable { names, if_exists })
    }

    /// TRUNCATE.
    pub(super) fn truncate(&mut self) -> SqlResult<Command> {
        self.next();
        self.take("table");
        let names = self.relations()?;
        if self.is("restart") {
            return Err(self.unsupported("RESTART IDENTITY"));
        }
        if self.take("continue") {
            self.expect("identity")?;
        }
        if !self.take("cascade") {
            self.take("restrict");
        }
        Ok(Command::Truncate(names))
    }

    /// ALTER TABLE … ADD PRIMARY KEY or UNIQUE; nothing else.
    pub(super) fn alter(&mut self) -> SqlResult<Command> {
        self.next();
        if !self.is("table") {
            return Err(match self.peek() {
                Token::Word(_) => self.unsupported("this form of ALTER"),
                _ => self.unexpected(),
            });
        }
        self.next();
        if self.is("if") {
            return Err(self.unsupported("ALTER TABLE IF EXISTS"));
        }
        self.take("only");
        let table = self.relation()?;
        let is_add = self.is("add")
            && ["constraint", "primary", "unique"]
                .iter()
                .any(|w| self.is_nth(1, w));
        if !is_add {
            return Err(match self.peek() {
                Token::Word(_) => self.unsupported("this action of ALTER TABLE"),
                _ => self.unexpected(),
            });
        }
        self.next();
        let constraint = self.table_constraint()?;
        if matches!(self.peek(), Token::Comma) {
            return Err(self.unsupported("several actions of ALTER TABLE"));
        }
        Ok(Command::AddConstraint { table, constraint })
    }
}

/// The columns of a constraint for its name: joined by underscores.
pub(super) fn joined(columns: &[(String, u32)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    names.join("_")
}
