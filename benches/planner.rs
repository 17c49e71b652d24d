//! Text to plan for pgbench's statements: what a statement costs that is not in the plan cache.

use criterion::Criterion;
use std::collections::BTreeMap;
use std::hint::black_box;
use vireo_abi::ids::{TreeId, Version};
use vireo_abi::message::error::SqlResult;
use vireo_abi::sql_type::{SqlType, TypeId};
use vireo_query::bind::{Parsed, bind};
use vireo_query::catalog::{
    CatalogReader, ColumnDef, IndexDef, PUBLIC, Relation, TableDef, encode, relation_key,
};

/// pgbench's statements, as its prepared mode sends them.
const STATEMENTS: [(&str, &str); 5] = [
    (
        "select",
        "SELECT abalance FROM pgbench_accounts WHERE aid = $1;",
    ),
    (
        "update",
        "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2;",
    ),
    (
        "insert",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) \
         VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP);",
    ),
    ("begin", "BEGIN;"),
    (
        "join and group",
        "SELECT b.bid, count(*), sum(a.abalance) FROM pgbench_accounts a \
         JOIN pgbench_branches b ON b.bid = a.bid WHERE a.abalance > 0 GROUP BY b.bid ORDER BY 2",
    ),
];

/// Entries by key.
#[derive(Default)]
struct Catalog(BTreeMap<Vec<u8>, Vec<u8>>);

impl CatalogReader for Catalog {
    fn version(&self) -> u64 {
        1
    }

    fn get(&self, key: &[u8]) -> SqlResult<Option<(Vec<u8>, Version)>> {
        Ok(self.0.get(key).map(|entry| (entry.clone(), Version(1))))
    }

    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> SqlResult<()> {
        for (key, entry) in self.0.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) || !each(key, entry) {
                break;
            }
        }
        Ok(())
    }
}

impl Catalog {
    /// Adds a table whose first column is its primary key, if it has one.
    fn add(&mut self, oid: u32, name: &str, columns: &[(&str, TypeId)], has_key: bool, rows: f64) {
        let column = |(name, id): &(&str, TypeId)| ColumnDef {
            name: (*name).to_owned(),
            sql_type: SqlType::plain(*id),
            not_null: false,
            default: None,
        };
        let index = IndexDef {
            oid: oid + 1,
            name: format!("{name}_pkey"),
            tree: TreeId(oid + 1),
            columns: vec![0],
            is_primary: true,
        };
        let table = Relation::Table(TableDef {
            oid,
            schema: PUBLIC.to_owned(),
            name: name.to_owned(),
            columns: columns.iter().map(column).collect(),
            tree: TreeId(oid),
            indexes: if has_key { vec![index] } else { Vec::new() },
            row_estimate: rows,
        });
        self.0.insert(relation_key(PUBLIC, name), encode(&table));
    }
}

fn catalog() -> Catalog {
    use TypeId::{Int4, Text, Timestamp};
    let mut catalog = Catalog::default();
    let accounts = [
        ("aid", Int4),
        ("bid", Int4),
        ("abalance", Int4),
        ("filler", Text),
    ];
    catalog.add(16_400, "pgbench_accounts", &accounts, true, 1e6);
    let branches = [("bid", Int4), ("bbalance", Int4), ("filler", Text)];
    catalog.add(16_410, "pgbench_branches", &branches, true, 10.0);
    let history = [
        ("tid", Int4),
        ("bid", Int4),
        ("aid", Int4),
        ("delta", Int4),
        ("mtime", Timestamp),
    ];
    catalog.add(16_420, "pgbench_history", &history, false, 1e5);
    catalog
}

fn planner(criterion: &mut Criterion) {
    let catalog = catalog();
    let mut group = criterion.benchmark_group("planner");
    for (name, sql) in STATEMENTS {
        let plan = || bind(black_box(sql), false, &[], &catalog, "postgres", "postgres");
        assert!(matches!(plan(), Ok(Parsed::One(_))), "{sql}: {:?}", plan());
        group.bench_function(name, |bencher| bencher.iter(plan));
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    planner(&mut criterion);
    criterion.final_summary();
}
