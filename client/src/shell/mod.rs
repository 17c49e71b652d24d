//! The SQL shell: statements from a terminal, a string or a file to a [`crate::Connection`], results to the screen.
//!
//! ```text
//!  lines ──Splitter──> statements ──Connection──> events ──Printer──> text
//!            └─ \commands ──> meta
//! ```

mod interactive;
mod meta;
mod print;
mod split;
mod table;

pub use interactive::{Interactive, interact};
pub use print::{Options, Shell};
pub use split::{Input, Splitter};
