//! COPY's text and csv formats.
//!
//! Data from the client arrives in pieces that end anywhere; [`CopyReader`] keeps the unfinished line and
//! gives chunks. [`write_rows`] is the way out.
//!
//! A malformed line is an error with PostgreSQL's words and `COPY t, line n` as its context; lines
//! before it have been inserted and go with the statement's transaction.

mod csv;
mod read;
mod text;
mod write;

pub use read::{CopyReader, CopyTarget};
pub use write::{write_header, write_rows};
