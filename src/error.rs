//! What can go wrong with an embedded database.

use std::io;
use vireo_client::ServerError;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database cannot be opened, or a function is not what was asked for.
    #[error(transparent)]
    Server(#[from] vireo_server::Error),
    /// A function does not start; the database cannot be used.
    #[error("function {name} does not start: {reason}")]
    FunctionDown {
        /// Role and number.
        name: String,
        /// Why it ended the last time.
        reason: String,
    },
    /// A directory for a temporary database cannot be made or removed.
    #[error("temporary directory: {source}")]
    Temporary {
        /// Why.
        source: io::Error,
    },
    /// A statement failed; the session goes on.
    #[error("{0}")]
    Statement(Box<ServerError>),
    /// `query` was given no statement that returns rows.
    #[error("the statement returned no rows to read")]
    NoRows,
    /// The data for a COPY cannot be read.
    #[error("data for COPY: {source}")]
    CopyData {
        /// Why.
        source: io::Error,
    },
    /// The session is lost.
    #[error(transparent)]
    Client(Box<vireo_client::Error>),
}

impl From<vireo_client::Error> for Error {
    fn from(error: vireo_client::Error) -> Error {
        Error::Client(Box::new(error))
    }
}

impl Error {
    /// The SQLSTATE of a statement that failed.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Error::Statement(error) => Some(&error.code),
            _ => None,
        }
    }

    /// Whether the same may succeed when tried again: a conflict with another transaction, or a function
    /// that was being replaced.
    pub fn is_transient(&self) -> bool {
        self.sqlstate().is_some_and(|state| {
            matches!(state, "40001" | "40P01" | "57P02" | "57P03") || state.starts_with("08")
        })
    }
}
