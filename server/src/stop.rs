//! Why the handling of a message stops.

use crate::wire::error_response::Source;
use vireo_abi::message::error::{Severity, SqlError};

/// An error for the client, with its place in what the client sent.
#[derive(Debug)]
pub struct Failure {
    /// The error.
    pub error: Box<SqlError>,
    /// The one-based number of a character in the client's text.
    pub position: Option<usize>,
}

impl Failure {
    /// An error whose position counts from the start of a part of the client's text.
    pub fn within(error: Box<SqlError>, source: Source<'_>) -> Failure {
        let position = error.position.map(|offset| source.position(offset));
        Failure { error, position }
    }
}

/// Why a session ends.
#[derive(Debug)]
pub enum End {
    /// The client went, or said goodbye.
    Closed,
    /// With these last words to the client.
    Fatal(Box<SqlError>),
}

/// Why the handling of a message stops.
#[derive(Debug)]
pub enum Stop {
    /// The statement failed; the session goes on.
    Failed(Failure),
    /// The session ends.
    End(End),
}

impl Stop {
    /// The same, with the place of an error that has none yet.
    pub fn within(self, source: Source<'_>) -> Stop {
        match self {
            Stop::Failed(Failure {
                error,
                position: None,
            }) => Stop::Failed(Failure::within(error, source)),
            other => other,
        }
    }
}

impl From<Box<SqlError>> for Stop {
    fn from(error: Box<SqlError>) -> Stop {
        match error.severity {
            Severity::Fatal => Stop::End(End::Fatal(error)),
            _ => Stop::Failed(Failure {
                error,
                position: None,
            }),
        }
    }
}

impl From<End> for Stop {
    fn from(end: End) -> Stop {
        Stop::End(end)
    }
}
