//! Operators of a query, as data. A node's output columns are stated with each.

use super::expr::{AggregateCall, Expr, SortKey};
use crate::catalog::view::SystemView;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use rkyv::{Archive, Deserialize, Serialize};
use vireo_abi::ids::{TreeId, Version};
use vireo_abi::sql_type::SqlType;

/// A table that a plan reads or writes, as it was when planned.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub struct TableRef {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Object id.
    pub oid: u32,
    /// The tree of rows.
    pub tree: TreeId,
    /// The version of the catalog entry; 0: the session's own, uncommitted.
    pub version: Version,
    /// The types of all its columns, in order.
    pub columns: Vec<SqlType>,
}

/// A column that a scan produces.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum ScanColumn {
    /// A column of the table, by position.
    Table(u16),
    /// The row id, a bigint.
    RowId,
    /// The version that wrote the row, a bigint.
    Version,
}

/// How rows of two inputs are joined. Output: the left's columns, then the right's.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[rkyv(derive(Debug))]
pub enum JoinKind {
    /// Matching pairs.
    Inner,
    /// And the left's rows without a match, with NULLs.
    Left,
    /// And the right's.
    Right,
    /// And both's.
    Full,
    /// The left's rows that have a match; the left's columns only.
    Semi,
    /// The left's rows that have none; the left's columns only.
    Anti,
}

/// One end of a range of an index's keys: a prefix of the index's columns.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub struct Bound {
    /// The value of the column after the equal ones; no reference to columns.
    pub value: Expr,
    /// Whether the bound itself belongs to the range.
    pub is_inclusive: bool,
}

/// Which keys of an index to read: equality on the first columns, then perhaps a range on the next.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(derive(Debug))]
pub struct IndexProbe {
    /// The index's tree.
    pub tree: TreeId,
    /// The index's name, for EXPLAIN.
    pub name: String,
    /// The index's columns, as positions in the table.
    pub columns: Vec<u16>,
    /// Values of the first columns, of the columns' types; no reference to columns (constants and parameters). A NULL
    /// matches nothing.
    pub equal: Vec<Expr>,
    /// Lower bound of the next column.
    pub lower: Option<Bound>,
    /// Upper bound of the next column.
    pub upper: Option<Bound>,
    /// Read from the largest key down.
    pub is_backward: bool,
}

/// An operator and its inputs.
#[derive(Archive, Serialize, Deserialize, Clone, PartialEq, Debug)]
#[rkyv(serialize_bounds(__S: rkyv::ser::Writer + rkyv::ser::Allocator, __S::Error: rkyv::rancor::Source))]
#[rkyv(deserialize_bounds(__D::Error: rkyv::rancor::Source))]
#[rkyv(bytecheck(bounds(__C: rkyv::validation::ArchiveContext, __C::Error: rkyv::rancor::Source)))]
#[rkyv(derive(Debug))]
pub enum Node {
    /// Rows of expressions without columns. Zero columns and one row: SELECT without FROM.
    Values {
        /// Column types.
        types: Vec<SqlType>,
        /// Rows.
        rows: Vec<Vec<Expr>>,
    },
    /// The rows of a system view. Output: `columns`.
    SystemView {
        /// Which.
        view: SystemView,
        /// Positions of the columns to produce.
        columns: Vec<u16>,
    },
    /// All rows of a table, in row-id order. Output: `columns`.
    SeqScan {
        /// The table.
        table: TableRef,
        /// What to produce.
        columns: Vec<ScanColumn>,
        /// Over the output columns; rows where it is not true are left out.
        filter: Option<Expr>,
    },
    /// Rows of a table found by an index, in its order. Output: `columns`.
    IndexScan {
        /// The table.
        table: TableRef,
        /// Which keys.
        probe: IndexProbe,
        /// What to produce.
        columns: Vec<ScanColumn>,
        /// Over the output columns.
        filter: Option<Expr>,
    },
    /// Rows where the predicate is true. Output: the input's.
    Filter {
        /// From.
        #[rkyv(omit_bounds)]
        input: Box<Node>,
        /// Which.
        predicate: Expr,
    },
    /// Output: `exprs` over the input.
    Project {
        /// From.
        #[rkyv(omit_bounds)]
        input: Box<Node>,
        /// What.
        exprs: Vec<Expr>,
    },
    /// A hash join on equal keys (NULL equals nothing). The right side is the one that is built.
    HashJoin {
        /// Left, the probing side.
        #[rkyv(omit_bounds)]
        left: Box<Node>,
        /// Right, the built side.
        #[rkyv(omit_bounds)]
        right: Box<Node>,
        /// Kind.
        kind: JoinKind,
        /// Keys over the left; each of the type of its counterpart.
        left_keys: Vec<Expr>,
        /// Keys over the right.
        right_keys: Vec<Expr>,
        /// What else must hold, over left then right columns.
        residual: Option<Expr>,
    },
    /// Every pair, the right side materialized.
    NestedLoopJoin {
        /// Left, the outer side.
        #[rkyv(omit_bounds)]
        left: Box<Node>,
        /// Right, the inner side.
        #[rkyv(omit_bounds)]
        right: Box<Node>,
        /// Kind.
        kind: JoinKind,
        /// What must hold, over left then right columns.
        condition: Option<Expr>,
    },
    /// For each left row the right table's rows by an index whose probe values are over the left's columns.
    /// Output: left columns, then `columns`.
    IndexJoin {
        /// Left, the outer side.
        #[rkyv(omit_bounds)]
        left: Box<Node>,
        /// The right table.
        table: TableRef,
        /// Which keys; its expressions are over the left's columns here.
        probe: IndexProbe,
        /// What to produce of the right table.
        columns: Vec<ScanColumn>,
        /// Inner or Left.
        kind: JoinKind,
        /// What else must hold, over left columns then `columns`.
        residual: Option<Expr>,
    },
    /// Hash aggregation. Output: group keys, then aggregates. Without keys: exactly one row.
    Aggregate {
        /// From.
        #[rkyv(omit_bounds)]
        input: Box<Node>,
        /// Group keys.
        group: Vec<Expr>,
        /// Aggregates.
        aggregates: Vec<AggregateCall>,
    },
    /// Distinct rows (NULLs are alike). Output: the input's.
    Distinct {
        /// From.
        #[rkyv(omit_bounds)]
        input: Box<Node>,
    },
    /// Sorted rows; stable. With `limit` only the first so many are kept (top-N).
    Sort {
        /// From.
        #[rkyv(omit_bounds)]
        input: Box<Node>,
        /// By what.
        keys: Vec<SortKey>,
        /// LIMIT plus OFFSET above it, a bigint without columns.
        limit: Option<Expr>,
    },
    /// LIMIT and OFFSET, bigints without columns; NULL is none.
    Limit {
        /// From.
        #[rkyv(omit_bounds)]
        input: Box<Node>,
        /// LIMIT.
        limit: Option<Expr>,
        /// OFFSET.
        offset: Option<Expr>,
    },
    /// The rows of all inputs in turn (UNION ALL); all have the same types.
    Append {
        /// From.
        #[rkyv(omit_bounds)]
        inputs: Vec<Node>,
    },
}

impl Node {
    /// The nodes that this one reads, left before right.
    pub fn inputs(&self) -> impl Iterator<Item = &Node> {
        let (first, second, more): (Option<&Node>, Option<&Node>, &[Node]) = match self {
            Node::Values { .. }
            | Node::SystemView { .. }
            | Node::SeqScan { .. }
            | Node::IndexScan { .. } => (None, None, &[]),
            Node::Filter { input, .. }
            | Node::Project { input, .. }
            | Node::Aggregate { input, .. }
            | Node::Distinct { input }
            | Node::Sort { input, .. }
            | Node::Limit { input, .. }
            | Node::IndexJoin { left: input, .. } => (Some(input), None, &[]),
            Node::HashJoin { left, right, .. } | Node::NestedLoopJoin { left, right, .. } => {
                (Some(left), Some(right), &[])
            }
            Node::Append { inputs } => (None, None, inputs),
        };
        first.into_iter().chain(second).chain(more)
    }

    /// The table that this node itself reads.
    pub fn table(&self) -> Option<&TableRef> {
        match self {
            Node::SeqScan { table, .. }
            | Node::IndexScan { table, .. }
            | Node::IndexJoin { table, .. } => Some(table),
            _ => None,
        }
    }
}
