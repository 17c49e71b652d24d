//! What values are: how they are read, shown, cast, compared.
pub mod cast;
pub mod compare;
pub mod input;
pub mod output;
