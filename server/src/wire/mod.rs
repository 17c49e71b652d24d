//! PostgreSQL's protocol 3.0 as bytes.
//!
//! Messages to the client are encoded by the `pgwire` crate. Messages from the client are taken
//! apart here: they are hostile until shown otherwise, and the crate's decoders panic on a body
//! that is shorter than it says, read past it, and mend invalid UTF-8 silently.

pub mod backend;
pub mod error_response;
pub mod frame;
pub mod frontend;
pub mod reader;
