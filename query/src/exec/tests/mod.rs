//! Tests of operators: plans made by hand, run over a [`MemoryTransaction`].

mod conditions;
mod groups;
mod hostile;
mod joins;
mod scans;
mod sorts;
mod speed;

use super::{ExecContext, build};
use crate::functions::resolve_operator;
use crate::plan::{Expr, IndexProbe, Node, ScanColumn, TableRef};
use crate::row::{key, tuple};
use crate::settings::EvalContext;
use crate::txn::Transaction;
use crate::txn::memory::{MemoryDatabase, MemoryTransaction};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use proptest::prelude::*;
use vireo_abi::chunk::{CHUNK_ROWS, Vector};
use vireo_abi::datum::Datum;
use vireo_abi::ids::{TreeId, Version};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{SqlType, TypeId};

type Row = Vec<Datum>;

const INT: SqlType = SqlType::plain(TypeId::Int4);
const TEXT: SqlType = SqlType::plain(TypeId::Text);
const BIGINT: SqlType = SqlType::plain(TypeId::Int8);
const BOOL: SqlType = SqlType::plain(TypeId::Bool);

/// A transaction, and what expressions and operators need of it.
struct Fixture {
    txn: Rc<MemoryTransaction>,
    cx: ExecContext,
}

fn fixture() -> Fixture {
    let txn = Rc::new(MemoryDatabase::new().begin());
    let eval = EvalContext {
        format: Rc::default(),
        transaction_us: 0,
        statement_us: 0,
        user: Rc::from("postgres"),
        database: Rc::from("postgres"),
        random: Cell::new(1),
    };
    let cx = ExecContext {
        txn: Rc::clone(&txn) as Rc<dyn Transaction>,
        eval,
        parameters: vec![],
    };
    Fixture { txn, cx }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return value;
        }
    }
}

/// All rows of a plan; its chunks keep the rules.
fn run(node: &Node, cx: &ExecContext) -> SqlResult<Vec<Row>> {
    let mut operator = build(node)?;
    let mut rows = Vec::new();
    while let Some(chunk) = block_on(operator.next(cx))? {
        assert!(
            chunk.rows() > 0 && chunk.rows() <= CHUNK_ROWS,
            "a chunk of {} rows",
            chunk.rows()
        );
        for row in 0..chunk.rows() {
            rows.push(chunk.columns().iter().map(|c| c.datum(row)).collect());
        }
    }
    Ok(rows)
}

/// Runs a plan that needs no table.
fn rows_of(node: &Node) -> Vec<Row> {
    run(node, &fixture().cx).unwrap()
}

fn int(value: i32) -> Datum {
    Datum::Int4(value)
}

fn text(value: &str) -> Datum {
    Datum::Bytes(value.as_bytes().to_vec())
}

fn maybe(value: Option<i32>) -> Datum {
    value.map_or(Datum::Null, Datum::Int4)
}

fn column(index: u16, sql_type: SqlType) -> Expr {
    Expr::Column { index, sql_type }
}

fn constant(value: Datum, sql_type: SqlType) -> Expr {
    Expr::Constant { value, sql_type }
}

fn number(value: i32) -> Expr {
    constant(int(value), INT)
}

fn bigint(value: i64) -> Expr {
    constant(Datum::Int8(value), BIGINT)
}

fn operator(symbol: &str, left: Expr, right: Expr) -> Expr {
    let (a, b) = (left.sql_type().id, right.sql_type().id);
    let resolved = resolve_operator(symbol, Some(a), b).unwrap();
    assert_eq!(resolved.arguments, [a, b]);
    let sql_type = resolved.returns;
    Expr::Call {
        function: resolved.id,
        arguments: vec![left, right],
        sql_type,
    }
}

fn values(types: &[SqlType], rows: &[Row]) -> Node {
    let row = |row: &Row| {
        row.iter()
            .zip(types)
            .map(|(v, t)| constant(v.clone(), *t))
            .collect()
    };
    Node::Values {
        types: types.to_vec(),
        rows: rows.iter().map(row).collect(),
    }
}

fn filter(input: Node, predicate: Expr) -> Node {
    Node::Filter {
        input: Box::new(input),
        predicate,
    }
}

fn limit(input: Node, limit: Option<Expr>, offset: Option<Expr>) -> Node {
    Node::Limit {
        input: Box::new(input),
        limit,
        offset,
    }
}

/// A table with these rows (row ids from 1) and an index on some columns, committed.
fn table(
    fixture: &Fixture,
    types: &[SqlType],
    rows: &[Row],
    indexed: &[u16],
) -> (TableRef, TreeId) {
    let txn = &*fixture.txn;
    let tree = block_on(txn.create_tree()).unwrap();
    let index = block_on(txn.create_tree()).unwrap();
    let key_types: Vec<SqlType> = indexed.iter().map(|c| types[*c as usize]).collect();
    for (id, row) in (1_u64..).zip(rows) {
        let columns: Vec<Vector> = row
            .iter()
            .zip(types)
            .map(|(v, t)| Vector::constant(v, t.kind(), 1))
            .collect();
        let mut bytes = Vec::new();
        tuple::encode_with(types, |c| &columns[c], 0, &mut bytes);
        txn.put(tree, &key::row_id(id), &bytes, Version(0)).unwrap();
        let keys: Vec<&Vector> = indexed.iter().map(|c| &columns[*c as usize]).collect();
        bytes.clear();
        if !keys.is_empty() {
            key::encode_index(
                "i",
                key_types.iter().copied().zip(keys.iter().copied()),
                0,
                id,
                &mut bytes,
            )
            .unwrap();
            txn.put(index, &bytes, &key::row_id(id), Version(0))
                .unwrap();
        }
    }
    txn.commit().unwrap();
    let table = TableRef {
        schema: String::from("public"),
        name: String::from("t"),
        oid: 16384,
        tree,
        version: Version(1),
        columns: types.to_vec(),
    };
    (table, index)
}

/// A probe of the index on `columns` for equal values.
fn probe(tree: TreeId, columns: &[u16], equal: Vec<Expr>) -> IndexProbe {
    IndexProbe {
        tree,
        name: String::from("i"),
        columns: columns.to_vec(),
        equal,
        lower: None,
        upper: None,
        is_backward: false,
    }
}

fn all_columns(table: &TableRef) -> Vec<ScanColumn> {
    (0..table.columns.len() as u16)
        .map(ScanColumn::Table)
        .collect()
}

/// Small numbers, often NULL.
fn small() -> impl Strategy<Value = Option<i32>> {
    prop_oneof![1 => Just(None), 3 => (0..5_i32).prop_map(Some)]
}
