//! The catalog: what tables there are. Entries live in the catalog tree
//! ([`vireo_abi::ids::CATALOG_TREE`]): key [`relation_key`], value a [`Relation`] in rkyv.
//!
//! A table and its indexes share one namespace, as in PostgreSQL, so each index has an entry of its
//! own that points at its table; the index's definition is in the table's entry.
//!
//! Parse reads the catalog through [`CatalogReader`]; execute writes entries as part of the
//! transaction's write set, so DDL is as transactional as anything else.

#![allow(missing_docs)] // rkyv's generated resolvers of enum variants have no documentation

pub mod view;

use alloc::string::String;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize, Serialize};
use vireo_abi::ids::{TreeId, Version};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::SqlType;

/// The only schema of user tables.
pub const PUBLIC: &str = "public";
/// The only role, which owns everything.
pub const OWNER: &str = "postgres";
/// What the keys of all relations begin with.
pub const RELATIONS: &[u8] = b"r";

/// A column of a table.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub struct ColumnDef {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// The DEFAULT expression's SQL text.
    pub default: Option<String>,
}

/// A unique index: key columns to row id.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub struct IndexDef {
    /// Object id.
    pub oid: u32,
    /// Its name, which is also the constraint's.
    pub name: String,
    /// The tree: `row::key` of the columns → row id.
    pub tree: TreeId,
    /// The columns, as positions in the table, in key order.
    pub columns: Vec<u16>,
    /// Whether it is the PRIMARY KEY (else a UNIQUE constraint, where rows with a NULL never collide).
    pub is_primary: bool,
}

/// A table.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub struct TableDef {
    /// Object id.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Columns in order.
    pub columns: Vec<ColumnDef>,
    /// The tree of rows: row id (8 bytes, big-endian) → `row` encoding.
    pub tree: TreeId,
    /// Indexes.
    pub indexes: Vec<IndexDef>,
    /// Rows when last ANALYZEd or filled; negative: never.
    pub row_estimate: f64,
}

impl TableDef {
    /// The PRIMARY KEY's index.
    pub fn primary_key(&self) -> Option<&IndexDef> {
        self.indexes.iter().find(|i| i.is_primary)
    }

    /// Position of the column with this name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
}

/// What a name stands for.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub enum Relation {
    /// A table.
    Table(TableDef),
    /// An index of the table with this name in the same schema.
    Index {
        /// The table.
        table: String,
    },
}

/// The catalog tree's key of a relation: `r`, schema, 0, name.
pub fn relation_key(schema: &str, name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(schema.len() + name.len() + 2);
    key.extend_from_slice(RELATIONS);
    key.extend_from_slice(schema.as_bytes());
    key.push(0);
    key.extend_from_slice(name.as_bytes());
    key
}

/// What binding reads of the catalog. The session's uncommitted changes are already merged in.
pub trait CatalogReader {
    /// The sequence number of the catalog's last change, in this view.
    fn version(&self) -> u64;
    /// The entry under `key` and the version that wrote it (0: the session's own, uncommitted).
    fn get(&self, key: &[u8]) -> SqlResult<Option<(Vec<u8>, Version)>>;
    /// Calls `each` for every key with this prefix, in order, until it says false.
    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> SqlResult<()>;
}

/// Encodes an entry.
///
/// # Panics
/// Never: a relation holds nothing that cannot be archived.
pub fn encode(relation: &Relation) -> Vec<u8> {
    rkyv::to_bytes::<rkyv::rancor::Error>(relation)
        .expect("a relation holds nothing that cannot be archived")
        .into_vec()
}

/// Decodes an entry, validated.
///
/// # Errors
/// XX001 when the bytes are no entry.
pub fn decode(bytes: &[u8]) -> SqlResult<Relation> {
    use vireo_abi::message::error::{SqlError, state};
    rkyv::from_bytes::<Relation, rkyv::rancor::Error>(bytes)
        .map_err(|_| SqlError::new(state::DATA_CORRUPTED, "malformed catalog entry"))
}
