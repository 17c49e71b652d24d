//! What can go wrong on the client's side.

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorFields;
use std::io;

/// An error or notice that the server sent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServerError {
    /// `ERROR`, `FATAL`, `NOTICE`, ….
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// The primary message.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// CONTEXT.
    pub context: Option<String>,
    /// One-based position in the statement, in characters.
    pub position: Option<usize>,
}

impl ServerError {
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> io::Result<ServerError> {
        let mut error = ServerError::default();
        while let Some(field) = fields.next()? {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'S' => error.severity = value,
                b'C' => error.code = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                b'W' => error.context = Some(value),
                b'P' => error.position = value.parse().ok(),
                _ => {}
            }
        }
        Ok(error)
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({})", self.severity, self.message, self.code)
    }
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream failed or ended.
    #[error("connection to the server was lost: {0}")]
    Io(#[from] io::Error),
    /// The server refused the connection.
    #[error("{0}")]
    Refused(Box<ServerError>),
    /// The server sent what the protocol does not allow here.
    #[error("unexpected message from the server: {what}")]
    Protocol {
        /// What.
        what: String,
    },
    /// The server wants an authentication that this client does not have.
    #[error("the server asks for an authentication method that is not supported")]
    Authentication,
    /// The admin socket answered with an error.
    #[error("{message}")]
    Admin {
        /// What it said.
        message: String,
    },
    /// Not a connection URL.
    #[error("invalid connection URL \"{url}\": {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
}
