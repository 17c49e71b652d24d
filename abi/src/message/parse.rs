//! Gateway → parse: SQL text in, physical plan out.

#![allow(missing_docs)] // rkyv's generated resolvers of enum variants have no documentation

use super::error::SqlError;
use crate::ids::RequestId;
use crate::sql_type::SqlType;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize, Serialize};

/// An uncommitted change to the catalog: a key of the catalog tree and its new value, or none
/// where the transaction removed it. Execute hands these to the gateway, which attaches them
/// to what the same session asks of parse.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct CatalogChange {
    /// Key in the catalog tree.
    pub key: Vec<u8>,
    /// Its new value, or none for removed.
    pub value: Option<Vec<u8>>,
}

/// A request to parse. The body is the SQL text, UTF-8.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct ParseRequest {
    /// Echoed in the reply.
    pub request: RequestId,
    /// Whether several statements separated by semicolons are welcome (the simple protocol). If the text has
    /// more than one, the reply is [`ParseReply::Many`] and each comes again on its own; the
    /// syntax of all of them has been checked then.
    pub many: bool,
    /// The parameter types that the client gave, as OIDs; 0 or missing: to be inferred.
    pub parameter_oids: Vec<u32>,
    /// The session's uncommitted catalog changes, sorted by key.
    pub catalog_changes: Vec<CatalogChange>,
    /// The session's user.
    pub user: String,
    /// The session's database.
    pub database: String,
}

/// A reply of parse.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub enum ParseReply {
    /// One statement. The body is its plan (`query::plan`, opaque to the gateway).
    Planned {
        /// Of the request.
        request: RequestId,
        /// What the gateway needs to know of it.
        statement: StatementInfo,
    },
    /// The text holds no statement: empty, or only comments.
    Empty {
        /// Of the request.
        request: RequestId,
    },
    /// The text holds several statements, whose syntax is sound.
    Many {
        /// Of the request.
        request: RequestId,
        /// Where each begins and ends, in bytes.
        statements: Vec<(u32, u32)>,
    },
    /// The text is wrong.
    Failed {
        /// Of the request.
        request: RequestId,
        /// Why; its position is a byte offset into the body.
        error: Box<SqlError>,
    },
}

/// What kind of statement it is, as far as the gateway treats kinds apart.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum StatementKind {
    /// SELECT, VALUES, SHOW, EXPLAIN: sends rows and changes nothing.
    Query,
    /// INSERT, UPDATE, DELETE, with or without RETURNING.
    Modify,
    /// BEGIN, COMMIT, ROLLBACK: allowed in a failed transaction.
    Transaction,
    /// COPY FROM STDIN.
    CopyIn,
    /// COPY TO STDOUT.
    CopyOut,
    /// DDL, SET, VACUUM, ANALYZE and the like.
    Utility,
}

/// A result column, as `RowDescription` will say it.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// The table it is a plain column of, or 0.
    pub table_oid: u32,
    /// The column's number in that table from 1, or 0.
    pub attribute: i16,
}

/// What the gateway knows of a planned statement.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct StatementInfo {
    /// Its kind.
    pub kind: StatementKind,
    /// The types of its parameters `$1`, `$2`, ….
    pub parameters: Vec<SqlType>,
    /// Its result columns; empty where it sends no rows.
    pub columns: Vec<ColumnInfo>,
    /// The catalog it was planned against; execute refuses the plan under another.
    pub catalog_version: u64,
    /// False where the plan depends on uncommitted catalog changes or holds values that must not
    /// be seen again: it is run once and forgotten.
    pub cacheable: bool,
}
