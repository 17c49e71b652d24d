//! A transaction as a list of statements, and what became of it.
//!
//! The last statement decides: a COMMIT, a ROLLBACK on purpose, or the only one, which commits itself. If one fails in
//! a block, a ROLLBACK follows.

use crate::client::{Failure, Outcome, Row, Statement, Verdict, verdict};

/// What became of a transaction, as its client knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Acknowledged,
    Refused,
    Unknown,
}

/// A transaction under way.
#[derive(Debug)]
pub struct Block {
    statements: Vec<Statement>,
    at: usize,
    /// The rows of the statements that are done.
    pub results: Vec<Vec<Row>>,
    /// SQLSTATEs that this transaction may fail with beside those that any may.
    tolerates: &'static [&'static str],
    /// It failed and waits for its ROLLBACK.
    failed: Option<Fate>,
}

/// How a transaction goes on.
#[derive(Debug)]
pub enum Next {
    Run(Statement),
    Over(Fate),
}

impl Block {
    pub fn new(statements: Vec<Statement>, tolerates: &'static [&'static str]) -> Block {
        assert!(!statements.is_empty(), "a transaction of nothing");
        Block {
            statements,
            at: 0,
            results: Vec::new(),
            tolerates,
            failed: None,
        }
    }

    /// The first statement.
    pub fn first(&self) -> Statement {
        self.statements[0].clone()
    }

    /// After the outcome of a statement.
    pub fn next(&mut self, outcome: Outcome) -> Next {
        match (outcome, self.failed) {
            (Outcome::Failed(failure), Some(_)) if failure.is_in_block => rollback(),
            (_, Some(fate)) => Next::Over(fate),
            (Outcome::Done { tag, rows }, None) => self.done(&tag, rows),
            (Outcome::Failed(failure), None) => self.fail(&failure),
        }
    }

    /// The session was cut off.
    pub fn cut_off(&self) -> Fate {
        match self.failed {
            Some(fate) => fate,
            None if self.is_deciding() => Fate::Unknown,
            None => Fate::Refused,
        }
    }

    /// Whether the statement under way may commit.
    fn is_deciding(&self) -> bool {
        self.at + 1 == self.statements.len() && !self.is_rollback()
    }

    fn is_rollback(&self) -> bool {
        self.statements[self.at].text == "ROLLBACK"
    }

    fn done(&mut self, tag: &str, rows: Vec<Row>) -> Next {
        let text = &self.statements[self.at].text;
        if ["BEGIN", "COMMIT", "ROLLBACK"].contains(&text.as_str()) {
            assert_eq!(tag, text, "the tag of {text}");
        }
        self.results.push(rows);
        if self.at + 1 == self.statements.len() {
            return Next::Over(if self.is_rollback() {
                Fate::Refused
            } else {
                Fate::Acknowledged
            });
        }
        self.at += 1;
        Next::Run(self.statements[self.at].clone())
    }

    fn fail(&mut self, failure: &Failure) -> Next {
        let is_tolerated = self.tolerates.contains(&failure.sqlstate.as_str());
        let text = &self.statements[self.at].text;
        let fate =
            if is_tolerated || verdict(failure, text) == Verdict::Again || !self.is_deciding() {
                Fate::Refused
            } else {
                Fate::Unknown
            };
        if !failure.is_in_block {
            return Next::Over(fate);
        }
        self.failed = Some(fate);
        rollback()
    }
}

fn rollback() -> Next {
    Next::Run(Statement::new("ROLLBACK"))
}
