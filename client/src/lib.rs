//! What a person or a program uses to talk to a Vireo server.
//!
//! - [`Connection`]: the PostgreSQL protocol's client side over any byte stream, statement by statement.
//! - [`shell`]: the SQL shell.
//! - [`admin`]: the admin interface of a running server.
#![forbid(unsafe_code)]

pub mod admin;
mod connection;
mod error;
pub mod shell;
mod url;

pub use connection::{Column, Connection, Event};
pub use error::{Error, ServerError};
pub use url::Url;
