//! A catalog in memory, filled by binding CREATE TABLE.

use std::collections::BTreeMap;
use std::vec::Vec;

use crate::bind::{Parsed, bind};
use crate::catalog::{
    CatalogReader, ColumnDef, IndexDef, Relation, TableDef, encode, relation_key,
};
use crate::plan::Body;
use vireo_abi::ids::{TreeId, Version};
use vireo_abi::message::error::SqlResult;

/// Entries by key.
#[derive(Default)]
pub(crate) struct Memory {
    entries: BTreeMap<Vec<u8>, (Vec<u8>, Version)>,
    oid: u32,
}

impl CatalogReader for Memory {
    fn version(&self) -> u64 {
        7
    }

    fn get(&self, key: &[u8]) -> SqlResult<Option<(Vec<u8>, Version)>> {
        Ok(self.entries.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> SqlResult<()> {
        for (key, (value, _)) in self.entries.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) || !each(key, value) {
                break;
            }
        }
        Ok(())
    }
}

impl Memory {
    fn next(&mut self) -> u32 {
        self.oid += 1;
        16384 + self.oid
    }

    /// Adds a table by its statement.
    pub(crate) fn create(&mut self, sql: &str, rows: f64, version: u64) {
        let parsed = bind(sql, false, &[], self, "postgres", "postgres");
        let Ok(Parsed::One(bound)) = parsed else {
            panic!("{sql}: {parsed:?}")
        };
        let Body::CreateTable {
            schema,
            name,
            columns,
            constraints,
            ..
        } = bound.plan.body
        else {
            panic!("{sql}")
        };
        let oid = self.next();
        let mut indexes = Vec::new();
        for constraint in constraints {
            let oid = self.next();
            let entry = encode(&Relation::Index {
                table: name.clone(),
            });
            self.entries.insert(
                relation_key(&schema, &constraint.name),
                (entry, Version(version)),
            );
            indexes.push(IndexDef {
                oid,
                name: constraint.name,
                tree: TreeId(oid),
                columns: constraint.columns,
                is_primary: constraint.is_primary,
            });
        }
        let columns = columns
            .into_iter()
            .map(|c| ColumnDef {
                name: c.name,
                sql_type: c.sql_type,
                not_null: c.not_null,
                default: c.default,
            })
            .collect();
        let key = relation_key(&schema, &name);
        let def = TableDef {
            oid,
            schema,
            name,
            columns,
            tree: TreeId(oid),
            indexes,
            row_estimate: rows,
        };
        self.entries
            .insert(key, (encode(&Relation::Table(def)), Version(version)));
    }
}

/// The tables that most tests use: pgbench's and some more.
pub(crate) fn standard() -> Memory {
    let mut catalog = Memory::default();
    let tables = [
        (
            "create table pgbench_accounts(aid int not null primary key, bid int, abalance int, filler char(84)) with (fillfactor=100)",
            1_000_000.0,
        ),
        (
            "create table pgbench_branches(bid int not null primary key, bbalance int, filler char(88)) with (fillfactor=100)",
            10.0,
        ),
        (
            "create table pgbench_tellers(tid int not null primary key, bid int, tbalance int, filler char(84)) with (fillfactor=100)",
            100.0,
        ),
        (
            "create table pgbench_history(tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))",
            0.0,
        ),
        (
            "create table t(a int, b text, c boolean, d numeric(10,2))",
            1000.0,
        ),
        (
            "create table u(a int, x bigint, y varchar(10), z timestamptz)",
            500.0,
        ),
        (
            "create table k(id bigint primary key, name varchar(20) unique, parent bigint, n int not null default 1 + 2)",
            10_000.0,
        ),
        (
            "create table pair(p int, q int, r text, primary key (p, q))",
            10_000.0,
        ),
    ];
    for (sql, rows) in tables {
        catalog.create(sql, rows, 5);
    }
    catalog.create("create table fresh(a int)", -1.0, 0);
    catalog
}
