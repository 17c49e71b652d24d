//! What the clients of the database do: statements out, outcomes in.
//!
//! A client is a state machine too. The gateway asks it what to do next, runs the statement, and comes back with
//! the outcome.

use crate::random::Random;

/// A statement with its parameters, in text.
#[derive(Clone, Debug)]
pub struct Statement {
    pub text: String,
    pub parameters: Vec<String>,
    pub copy: Option<CopyData>,
}

/// What a COPY FROM STDIN is given.
#[derive(Clone, Debug)]
pub struct CopyData {
    pub bytes: Vec<u8>,
    /// The client gives up after the last byte.
    pub fails: bool,
}

impl Statement {
    pub fn new(text: impl Into<String>) -> Statement {
        Statement {
            text: text.into(),
            parameters: Vec::new(),
            copy: None,
        }
    }

    pub fn with(text: &str, parameters: &[&dyn ToString]) -> Statement {
        Statement {
            text: text.to_string(),
            parameters: parameters.iter().map(|value| value.to_string()).collect(),
            copy: None,
        }
    }

    pub fn copy(text: &str, bytes: Vec<u8>, fails: bool) -> Statement {
        Statement {
            copy: Some(CopyData { bytes, fails }),
            ..Statement::new(text)
        }
    }
}

/// A row as it came: a text for each column, none for NULL.
pub type Row = Vec<Option<String>>;

/// How a statement ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    Done { tag: String, rows: Vec<Row> },
    Failed(Failure),
}

/// Why a statement failed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub sqlstate: String,
    pub message: String,
    /// Whether a transaction block waits for its end.
    pub is_in_block: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.sqlstate)
    }
}

/// What a client does next.
#[derive(Debug)]
pub enum Action {
    Run(Statement),
    /// Waits so many microseconds, and is asked again.
    Sleep(u64),
    /// Nothing more: its session ends.
    Finish,
}

/// A client.
pub trait Client {
    /// What to do next. `outcome` is that of the statement it ran last; none at first and after a sleep.
    fn next(&mut self, outcome: Option<Outcome>, random: &mut Random) -> Action;

    /// The power went, the session with it: what was on its way is not known.
    fn cut_off(&mut self) {}
}

/// What an error means for a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It was rolled back; the same may be tried again.
    Again,
    /// Whether the commit was done is not known, if it was a commit that failed.
    Unknown,
}

/// What this SQLSTATE means.
///
/// # Panics
/// If nothing that the simulation does can cause it.
pub fn verdict(failure: &Failure, statement: &str) -> Verdict {
    match failure.sqlstate.as_str() {
        // Serialization failure, deadlock, canceled, function restarting, full disk.
        "40001" | "40P01" | "57014" | "57P03" | "53100" => Verdict::Again,
        // A function died, or a disk failed, in the middle.
        "57P02" | "08007" | "58030" => Verdict::Unknown,
        _ => panic!("{statement} failed: {failure}"),
    }
}

/// Runs statements one after the other.
pub struct Script {
    statements: Vec<Statement>,
    at: usize,
}

impl Script {
    pub fn new(statements: Vec<Statement>) -> Script {
        Script { statements, at: 0 }
    }
}

impl Client for Script {
    fn next(&mut self, outcome: Option<Outcome>, _: &mut Random) -> Action {
        match outcome {
            Some(Outcome::Failed(failure)) if failure.sqlstate != "57P03" => {
                panic!("a statement of the setup failed: {failure}");
            }
            // Storage is making the database still.
            Some(Outcome::Failed(_)) => return Action::Sleep(1000),
            Some(Outcome::Done { .. }) => self.at += 1,
            None => {}
        }
        self.statements
            .get(self.at)
            .cloned()
            .map_or(Action::Finish, Action::Run)
    }
}
