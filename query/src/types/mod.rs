//! What values are: how they are read, shown, cast, compared.
pub(crate) mod boolean;
pub(crate) mod bytea;
pub mod cast;
pub(crate) mod cast_date;
mod cast_number;
mod cast_table;
pub(crate) mod column;
pub mod compare;
pub mod datetime;
pub(crate) mod errors;
pub(crate) mod float;
pub mod input;
pub(crate) mod integer;
pub(crate) mod interval;
pub mod numeric;
pub mod output;
pub(crate) mod text;
pub(crate) mod uuid;
