//! Whole statements.

use super::expr::Expr;
use super::node::{Node, TableRef};
use crate::catalog::IndexDef;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize, Serialize};
use vireo_abi::sql_type::SqlType;

/// A statement, ready to run.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub struct Plan {
    /// What to do.
    pub body: Body,
    /// The types of its parameters.
    pub parameters: Vec<SqlType>,
    /// The types of its result columns.
    pub results: Vec<SqlType>,
    /// The catalog it was planned against.
    pub catalog_version: u64,
}

/// BEGIN, COMMIT and the like.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum TransactionCommand {
    /// BEGIN or START TRANSACTION with the isolation level ("read committed", …), if given, and READ ONLY.
    Begin {
        /// Lower case.
        isolation: Option<String>,
        /// READ ONLY or READ WRITE, if given.
        read_only: Option<bool>,
        /// START TRANSACTION, which the command tag tells from BEGIN.
        is_start: bool,
    },
    /// SET TRANSACTION, or SET of `transaction_isolation` or `transaction_read_only`.
    Set {
        /// Lower case.
        isolation: Option<String>,
        /// READ ONLY or READ WRITE, if given.
        read_only: Option<bool>,
        /// SET TRANSACTION, which warns outside a transaction block.
        warns: bool,
    },
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
}

/// How long a SET lasts.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum SetScope {
    /// The session (undone if the transaction rolls back).
    Session,
    /// SET LOCAL: the transaction.
    Local,
}

/// A column of a new table.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub struct NewColumn {
    /// Name.
    pub name: String,
    /// Type.
    pub sql_type: SqlType,
    /// NOT NULL (also implied by PRIMARY KEY).
    pub not_null: bool,
    /// DEFAULT, as SQL text that has been bound once to check it.
    pub default: Option<String>,
}

/// A PRIMARY KEY or UNIQUE constraint of a new table.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct NewConstraint {
    /// Its name, given or made as PostgreSQL makes it.
    pub name: String,
    /// Positions of the columns.
    pub columns: Vec<u16>,
    /// PRIMARY KEY; else UNIQUE.
    pub is_primary: bool,
}

/// The format of COPY.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum CopyFormat {
    /// Tab-separated with backslash escapes.
    Text,
    /// Comma-separated with quotes.
    Csv,
}

/// Options of COPY, defaults filled in.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct CopyOptions {
    /// FORMAT.
    pub format: CopyFormat,
    /// DELIMITER.
    pub delimiter: u8,
    /// NULL.
    pub null: Vec<u8>,
    /// HEADER.
    pub header: bool,
    /// QUOTE (csv).
    pub quote: u8,
    /// ESCAPE (csv).
    pub escape: u8,
    /// FORCE_QUOTE (csv, TO): positions among the copied columns.
    pub force_quote: Vec<u16>,
}

/// EXPLAIN's options.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct Explain {
    /// The plan as text, made by the planner.
    pub lines: Vec<ExplainLine>,
    /// ANALYZE: run it and add what was measured.
    pub analyze: bool,
    /// TIMING: each operator's time as well.
    pub timing: bool,
    /// SUMMARY: the whole statement's times.
    pub summary: bool,
    /// How long planning took, if somebody measured it.
    pub planning_ns: Option<u64>,
}

/// A line of a plan's text.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub struct ExplainLine {
    /// The text.
    pub text: String,
    /// What ANALYZE adds to it.
    pub measured: Measured,
}

/// Whose measurements belong to a line.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum Measured {
    /// Nobody's.
    Nothing,
    /// The whole statement's, which modifies rows.
    Statement,
    /// An operator's: the position of its statistics among `exec::Stats`.
    Operator(u32),
}

/// What a statement does.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
#[rkyv(derive(Debug))]
pub enum Body {
    /// SELECT, VALUES: send the node's rows.
    Query(Node),
    /// INSERT: the input's columns are all of the table's, in order, of their types.
    Insert {
        /// Into.
        table: TableRef,
        /// Names of the table's columns, for messages.
        column_names: Vec<String>,
        /// Positions of columns that refuse NULL.
        not_null: Vec<u16>,
        /// The table's indexes.
        indexes: Vec<IndexDef>,
        /// The rows.
        input: Node,
        /// RETURNING, over the table's columns.
        returning: Vec<Expr>,
    },
    /// UPDATE: the input's first columns are all of the table's (the old row), then row id and version, then
    /// whatever else the expressions need.
    Update {
        /// What.
        table: TableRef,
        /// Names of the table's columns.
        column_names: Vec<String>,
        /// Positions of columns that refuse NULL.
        not_null: Vec<u16>,
        /// The table's indexes.
        indexes: Vec<IndexDef>,
        /// The rows.
        input: Node,
        /// Column position and its new value over the input, of the column's type.
        assignments: Vec<(u16, Expr)>,
        /// RETURNING, over the table's columns after the update.
        returning: Vec<Expr>,
    },
    /// DELETE: the input is as for UPDATE.
    Delete {
        /// From.
        table: TableRef,
        /// The table's indexes.
        indexes: Vec<IndexDef>,
        /// The rows.
        input: Node,
        /// RETURNING, over the table's columns.
        returning: Vec<Expr>,
    },
    /// COPY … FROM STDIN.
    CopyFrom {
        /// Into.
        table: TableRef,
        /// Names of the table's columns.
        column_names: Vec<String>,
        /// Positions of columns that refuse NULL.
        not_null: Vec<u16>,
        /// The table's indexes.
        indexes: Vec<IndexDef>,
        /// The columns that the data has, as positions in the table.
        columns: Vec<u16>,
        /// Values of all the table's columns that are not in the data: position and DEFAULT without columns.
        defaults: Vec<(u16, Expr)>,
        /// Options.
        options: CopyOptions,
    },
    /// COPY … TO STDOUT of a table's columns or a query's.
    CopyTo {
        /// What.
        input: Node,
        /// Header names.
        column_names: Vec<String>,
        /// Options.
        options: CopyOptions,
    },
    /// CREATE TABLE.
    CreateTable {
        /// Schema.
        schema: String,
        /// Name.
        name: String,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// Columns.
        columns: Vec<NewColumn>,
        /// Constraints.
        constraints: Vec<NewConstraint>,
    },
    /// DROP TABLE of those that exist.
    DropTable {
        /// Tables.
        tables: Vec<TableRef>,
        /// Names of those that do not (IF EXISTS), for the notices.
        missing: Vec<String>,
    },
    /// TRUNCATE.
    Truncate {
        /// Tables.
        tables: Vec<TableRef>,
    },
    /// ALTER TABLE … ADD PRIMARY KEY or UNIQUE.
    AddConstraint {
        /// To.
        table: TableRef,
        /// What.
        constraint: NewConstraint,
    },
    /// Transaction control.
    Transaction(TransactionCommand),
    /// SET name = value; no value: DEFAULT.
    Set {
        /// As PostgreSQL spells it.
        name: String,
        /// New value.
        value: Option<String>,
        /// For how long.
        scope: SetScope,
    },
    /// SHOW: one row, or for ALL one each.
    Show {
        /// As PostgreSQL spells it, or `all`.
        name: String,
    },
    /// RESET ALL, DISCARD ALL: back to the session's defaults.
    ResetAll {
        /// DISCARD ALL; else RESET ALL.
        is_discard: bool,
    },
    /// VACUUM of some tables or all, perhaps with ANALYZE.
    Vacuum {
        /// Which; none: all.
        tables: Vec<TableRef>,
        /// ANALYZE too.
        analyze: bool,
    },
    /// ANALYZE of some tables or all.
    Analyze {
        /// Which; none: all.
        tables: Vec<TableRef>,
    },
    /// CHECKPOINT.
    Checkpoint,
    /// EXPLAIN.
    Explain {
        /// Options and text.
        explain: Explain,
        /// The statement, for ANALYZE.
        #[rkyv(omit_bounds)]
        body: Box<Body>,
    },
}
