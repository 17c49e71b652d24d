//! Transactions and settings: BEGIN, SET, SHOW and the like, as parsed.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use sqlparser::tokenizer::Token;
use vireo_abi::message::error::{SqlError, SqlResult, state};

use super::command::{Command, Front};
use super::text::unsupported;
use crate::plan::{SetScope, TransactionCommand};
use crate::types::boolean;

/// What a transaction is asked to be.
#[derive(Default)]
struct Modes {
    isolation: Option<String>,
    read_only: Option<bool>,
}

impl Front<'_> {
    /// BEGIN, COMMIT, ROLLBACK and their other names.
    pub(super) fn transaction(&mut self, word: &str) -> SqlResult<Command> {
        self.next();
        let command = match word {
            "begin" | "start" => {
                if word == "start" {
                    self.expect("transaction")?;
                } else if !self.take("work") {
                    self.take("transaction");
                }
                let modes = self.modes()?;
                TransactionCommand::Begin {
                    isolation: modes.isolation,
                    read_only: modes.read_only,
                    is_start: word == "start",
                }
            }
            _ => {
                if self.is("prepared") {
                    return Err(self.unsupported("two-phase commit"));
                }
                if !self.take("work") {
                    self.take("transaction");
                }
                if self.is("to") {
                    return Err(self.unsupported("ROLLBACK TO SAVEPOINT"));
                }
                if self.take("and") {
                    if !self.take("no") {
                        return Err(self.unsupported("AND CHAIN"));
                    }
                    self.expect("chain")?;
                }
                if matches!(word, "commit" | "end") {
                    TransactionCommand::Commit
                } else {
                    TransactionCommand::Rollback
                }
            }
        };
        Ok(Command::Transaction(command))
    }

    fn modes(&mut self) -> SqlResult<Modes> {
        let mut modes = Modes::default();
        loop {
            let at = self.at();
            if self.take("isolation") {
                self.expect("level")?;
                modes.isolation = Some(self.isolation(at)?);
            } else if self.take("read") {
                if self.take("only") {
                    modes.read_only = Some(true);
                } else {
                    self.expect("write")?;
                    modes.read_only = Some(false);
                }
            } else if self.is("deferrable") || self.is("not") {
                if self.take("not") {
                    self.expect("deferrable")?;
                } else {
                    return Err(self.unsupported("DEFERRABLE"));
                }
            } else if self.is_done() {
                return Ok(modes);
            } else {
                return Err(self.unexpected());
            }
            self.take_token(&Token::Comma);
        }
    }

    fn isolation(&mut self, at: u32) -> SqlResult<String> {
        if self.take("serializable") {
            return Err(unsupported("isolation level SERIALIZABLE", Some(at)));
        }
        if self.take("repeatable") {
            self.expect("read")?;
            return Ok("repeatable read".to_string());
        }
        self.expect("read")?;
        if self.take("uncommitted") {
            return Ok("read uncommitted".to_string());
        }
        self.expect("committed")?;
        Ok("read committed".to_string())
    }

    /// SET.
    pub(super) fn set(&mut self) -> SqlResult<Command> {
        self.next();
        let mut scope = SetScope::Session;
        if self.is("session") && self.is_nth(1, "characteristics") {
            self.next();
            self.next();
            self.expect("as")?;
            self.expect("transaction")?;
            return self.set_default_modes();
        }
        if self.is("session") && self.is_nth(1, "authorization") {
            return Err(self.unsupported("SET SESSION AUTHORIZATION"));
        }
        if self.take("local") {
            scope = SetScope::Local;
        } else {
            self.take("session");
        }
        if self.is("transaction") && !self.is_nth(1, "to") {
            self.next();
            if self.is("snapshot") {
                return Err(self.unsupported("SET TRANSACTION SNAPSHOT"));
            }
            let modes = self.given_modes()?;
            return Ok(Command::Transaction(TransactionCommand::Set {
                isolation: modes.isolation,
                read_only: modes.read_only,
                warns: true,
            }));
        }
        if self.is("constraints") {
            return Err(self.unsupported("SET CONSTRAINTS"));
        }
        if self.is("role") && !self.is_nth(1, "to") {
            return Err(self.unsupported("SET ROLE"));
        }
        if self.is("time") && self.is_nth(1, "zone") {
            self.next();
            self.next();
            let value = self.time_zone()?;
            return Ok(Command::Set {
                name: "TimeZone".to_string(),
                value,
                scope,
            });
        }
        if self.is("names") && !self.is_nth(1, "to") {
            self.next();
            let value = match self.option_value()? {
                Some(value) if value != "default" => Some(value),
                _ => None,
            };
            return Ok(Command::Set {
                name: "client_encoding".to_string(),
                value,
                scope,
            });
        }
        let name = self.setting_name()?;
        if !self.take("to") && !self.take_token(&Token::Eq) {
            return Err(self.unexpected());
        }
        if self.is("default") {
            self.next();
            return Ok(Command::Set {
                name,
                value: None,
                scope,
            });
        }
        let value = self.value_list(&name)?;
        if name == "transaction_isolation" {
            return Ok(set_transaction(Some(value), None));
        }
        if name == "transaction_read_only" {
            let is_on = boolean::parse(&value).map_err(|_| {
                SqlError::new(
                    state::INVALID_PARAMETER_VALUE,
                    format!("parameter \"{name}\" requires a Boolean value"),
                )
            })?;
            return Ok(set_transaction(None, Some(is_on)));
        }
        Ok(Command::Set {
            name,
            value: Some(value),
            scope,
        })
    }

    /// Modes, at least one.
    fn given_modes(&mut self) -> SqlResult<Modes> {
        if self.is_done() {
            return Err(self.unexpected());
        }
        self.modes()
    }

    /// The modes of SET SESSION CHARACTERISTICS.
    fn set_default_modes(&mut self) -> SqlResult<Command> {
        let at = self.at();
        let modes = self.given_modes()?;
        let (name, value) = match (modes.isolation, modes.read_only) {
            (Some(isolation), None) => ("isolation", isolation),
            (None, Some(read_only)) => (
                "read_only",
                if read_only { "on" } else { "off" }.to_string(),
            ),
            (None, None) => ("read_only", "off".to_string()),
            _ => return Err(unsupported("several modes in one SET", Some(at))),
        };
        Ok(Command::Set {
            name: format!("default_transaction_{name}"),
            value: Some(value),
            scope: SetScope::Session,
        })
    }

    fn time_zone(&mut self) -> SqlResult<Option<String>> {
        if self.take("local") || self.take("default") {
            return Ok(None);
        }
        if self.is("interval") {
            return Err(self.unsupported("SET TIME ZONE with an interval"));
        }
        match self.peek() {
            Token::Word(word) if word.quote_style.is_none() => {
                let value = word.value.clone();
                self.next();
                Ok(Some(value))
            }
            _ => match self.option_value()? {
                Some(value) => Ok(Some(value)),
                None => Err(self.unexpected()),
            },
        }
    }

    /// A setting's name: words joined by points.
    fn setting_name(&mut self) -> SqlResult<String> {
        let mut name = self.identifier()?;
        while self.take_token(&Token::Period) {
            name.push('.');
            name.push_str(&self.identifier()?);
        }
        Ok(name)
    }

    /// Values separated by commas, as the setting will hold them.
    fn value_list(&mut self, name: &str) -> SqlResult<String> {
        let mut values: Vec<String> = Vec::new();
        loop {
            let is_list = name == "search_path";
            match self.option_value()? {
                Some(value) if is_list => values.push(quoted_if_needed(&value)),
                Some(value) => values.push(value),
                None => return Err(self.unexpected()),
            }
            if !self.take_token(&Token::Comma) {
                break;
            }
        }
        let takes_list = matches!(name, "search_path" | "datestyle");
        if values.len() > 1 && !takes_list {
            return Err(SqlError::new(
                state::INVALID_PARAMETER_VALUE,
                format!("SET {name} takes only one argument"),
            ));
        }
        Ok(values.join(", "))
    }

    /// RESET.
    pub(super) fn reset(&mut self) -> SqlResult<Command> {
        self.next();
        if self.take("all") {
            return Ok(Command::ResetAll { is_discard: false });
        }
        let name = self.shown_name()?;
        Ok(Command::Set {
            name,
            value: None,
            scope: SetScope::Session,
        })
    }

    /// SHOW.
    pub(super) fn show(&mut self) -> SqlResult<Command> {
        self.next();
        if self.take("all") {
            return Ok(Command::Show("all".to_string()));
        }
        Ok(Command::Show(self.shown_name()?))
    }

    fn shown_name(&mut self) -> SqlResult<String> {
        if self.is("time") && self.is_nth(1, "zone") {
            self.next();
            self.next();
            return Ok("TimeZone".to_string());
        }
        if self.is("transaction") && self.is_nth(1, "isolation") {
            self.next();
            self.next();
            self.expect("level")?;
            return Ok("transaction_isolation".to_string());
        }
        if self.is("session") && self.is_nth(1, "authorization") {
            self.next();
            self.next();
            return Ok("session_authorization".to_string());
        }
        self.setting_name()
    }

    /// DISCARD.
    pub(super) fn discard(&mut self) -> SqlResult<Command> {
        self.next();
        if self.take("all") {
            return Ok(Command::ResetAll { is_discard: true });
        }
        let is_other = ["plans", "sequences", "temp", "temporary"]
            .iter()
            .any(|w| self.is(w));
        if is_other {
            Err(self.unsupported("this form of DISCARD"))
        } else {
            Err(self.unexpected())
        }
    }
}

/// SET of a setting that is the transaction's.
fn set_transaction(isolation: Option<String>, read_only: Option<bool>) -> Command {
    Command::Transaction(TransactionCommand::Set {
        isolation,
        read_only,
        warns: false,
    })
}

/// A name in quotes, unless it reads the same without.
fn quoted_if_needed(name: &str) -> String {
    let is_plain = !name.is_empty()
        && name
            .bytes()
            .enumerate()
            .all(|(i, b)| b == b'_' || b.is_ascii_lowercase() || (i > 0 && b.is_ascii_digit()));
    if is_plain {
        name.to_string()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
