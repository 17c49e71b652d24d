//! What values are: how they are read, shown, cast, compared.
pub(crate) mod bytea;
pub mod cast;
mod cast_table;
pub(crate) mod column;
pub mod compare;
pub(crate) mod errors;
pub(crate) mod float;
pub mod input;
pub(crate) mod integer;
pub mod numeric;
pub mod output;
pub(crate) mod text;
pub(crate) mod uuid;
