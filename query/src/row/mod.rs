//! How rows and keys are encoded: [`mod@tuple`] for the rows of tables, [`key`] for the keys of trees and of sorts, [`wire`]
//! for the rows that clients get.

pub mod key;
pub mod tuple;
pub mod wire;
