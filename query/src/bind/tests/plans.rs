//! Plans, as EXPLAIN shows them and as data.

use super::*;
use crate::plan::{ExplainLine, Expr, JoinKind, Measured, ScanColumn};

#[test]
fn index_access() {
    check_plan(
        "select abalance from pgbench_accounts where aid = 5",
        "Index Scan using pgbench_accounts_pkey on pgbench_accounts
           Index Cond: (aid = 5)",
    );
    let node = node("select abalance from pgbench_accounts where $1 = aid");
    let Node::IndexScan {
        probe,
        columns,
        filter: None,
        ..
    } = node
    else {
        panic!()
    };
    assert_eq!(columns, [ScanColumn::Table(2)]);
    assert!(matches!(
        probe.equal.as_slice(),
        [Expr::Parameter { index: 0, .. }]
    ));
    check_plan(
        "select * from pair where p = 1 and q > 5 and q <= $1 and r = 'x'",
        "Index Scan using pair_pkey on pair
           Index Cond: ((p = 1) AND (q > 5) AND (q <= $1))
           Filter: (r = 'x'::text)",
    );
    check_plan(
        "select * from pair where q = 1",
        "Seq Scan on pair
           Filter: (q = 1)",
    );
    check_plan(
        "select id from k where name = $1 and n = 1",
        "Index Scan using k_name_key on k
           Index Cond: ((name)::text = $1)
           Filter: (n = 1)",
    );
}

#[test]
fn keys_of_other_integer_types() {
    let probe = |sql: &str| match node(sql) {
        Node::IndexScan { probe, .. } => probe,
        other => panic!("{sql}: {other:?}"),
    };
    let one = |sql: &str| probe(sql).equal[0].clone();
    let int4 = |e: Expr| match e {
        Expr::Constant { value, .. } => value,
        other => panic!("{other:?}"),
    };
    use vireo_abi::datum::Datum;
    assert_eq!(
        int4(one("select * from pair where p = 5::bigint")),
        Datum::Int4(5)
    );
    assert_eq!(
        int4(one("select * from pair where p = 5000000000")),
        Datum::Null
    );
    assert_eq!(int4(one("select * from k where id = 5")), Datum::Int8(5));
    assert!(matches!(
        one("select * from pair where p = $1::bigint"),
        Expr::Case { .. }
    ));
    // A range with a bound that does not fit is not a range of the index.
    assert!(matches!(
        node("select * from pair where p > 5000000000"),
        Node::SeqScan { .. }
    ));
}

#[test]
fn lists_of_keys() {
    check_plan(
        "select abalance from pgbench_accounts where aid in (3, 1, 3) and bid = 2",
        "Index Scan using pgbench_accounts_pkey on pgbench_accounts
           Index Cond: (aid = ANY ({3,1,3}))
           Filter: (bid = 2)",
    );
    let Node::Project { input, .. } =
        node("select abalance from pgbench_accounts where aid in (3, 1, 3)")
    else {
        panic!()
    };
    let Node::IndexJoin { left, .. } = *input else {
        panic!()
    };
    assert!(matches!(*left, Node::Values { rows, .. } if rows.len() == 2));
    assert!(matches!(
        node("select * from pgbench_accounts where aid not in (1, 2)"),
        Node::SeqScan { .. }
    ));
}

#[test]
fn joins() {
    check_plan(
        "select * from t, u where t.a = u.a and t.b = 'x'",
        "Hash Join
           Hash Cond: (t.a = u.a)
           ->  Seq Scan on u
           ->  Hash
                 ->  Seq Scan on t
                       Filter: (t.b = 'x'::text)",
    );
    check_plan(
        "select * from pgbench_accounts a join pgbench_branches b on a.bid = b.bid where aid = 7",
        "Nested Loop
           ->  Index Scan using pgbench_accounts_pkey on pgbench_accounts a
                 Index Cond: (a.aid = 7)
           ->  Index Scan using pgbench_branches_pkey on pgbench_branches b
                 Index Cond: (a.bid = b.bid)",
    );
    check_plan(
        "select t.a from t left join u on t.a = u.a and u.x > 3 where u.x is null",
        "Hash Left Join
           Hash Cond: (t.a = u.a)
           Filter: (u.x IS NULL)
           ->  Seq Scan on t
           ->  Hash
                 ->  Seq Scan on u
                       Filter: (u.x > 3)",
    );
    check_plan(
        "select t.a from t right join u on t.a > u.a",
        "Nested Loop Left Join
           Join Filter: (t.a > u.a)
           ->  Seq Scan on u
           ->  Materialize
                 ->  Seq Scan on t",
    );
    // A condition on the preserved side of a left join stays at the join.
    let node = node("select t.c, t.a, u.a from t left join u on t.a = u.a and t.c");
    let Node::Project { input, .. } = node else {
        panic!("{node:?}")
    };
    assert!(matches!(
        *input,
        Node::HashJoin {
            kind: JoinKind::Left,
            residual: Some(_),
            ..
        }
    ));
}

#[test]
fn three_way_join_starts_small() {
    check_plan(
        "select 1 from k, t, pgbench_branches b where k.parent = t.a and t.a = b.bbalance",
        "Hash Join
           Hash Cond: (k.parent = t.a)
           ->  Seq Scan on k
           ->  Hash
                 ->  Hash Join
                       Hash Cond: (t.a = b.bbalance)
                       ->  Seq Scan on t
                       ->  Hash
                             ->  Seq Scan on pgbench_branches b",
    );
}

#[test]
fn subqueries() {
    check_plan(
        "select * from t where a in (select a from u) and not exists (select 1 from u)",
        "Nested Loop Anti Join
           ->  Hash Semi Join
                 Hash Cond: (t.a = u.a)
                 ->  Seq Scan on t
                 ->  Hash
                       ->  Seq Scan on u
           ->  Materialize
                 ->  Seq Scan on u",
    );
    // A NULL in the list, or on the left, leaves no row: the join must not be a hash join on equality.
    check_plan(
        "select * from t where a not in (select a from u)",
        "Nested Loop Anti Join
           Join Filter: ((t.a = u.a) IS NOT FALSE)
           ->  Seq Scan on t
           ->  Materialize
                 ->  Seq Scan on u",
    );
    check_plan(
        "select q.z from (select a + 1 as z, b from t) q where q.z > 3 and b = 'x'",
        "Seq Scan on t
           Filter: (((t.a + 1) > 3) AND (t.b = 'x'::text))",
    );
}

#[test]
fn order_and_limit() {
    check_plan(
        "select a from t order by b desc, a nulls first limit 3",
        "Limit
           ->  Sort
                 Sort Key: b DESC, a NULLS FIRST
                 ->  Seq Scan on t",
    );
    let Node::Project { input, .. } = node("select a from t order by b limit 3 offset 2") else {
        panic!()
    };
    let Node::Limit { input, .. } = *input else {
        panic!()
    };
    use vireo_abi::datum::Datum;
    let Node::Sort {
        limit: Some(Expr::Constant {
            value: Datum::Int8(5),
            ..
        }),
        ..
    } = *input
    else {
        panic!()
    };
    check_plan(
        "select distinct a from t order by a",
        "Sort
           Sort Key: a
           ->  HashAggregate
                 Group Key: a
                 ->  Seq Scan on t",
    );
}

#[test]
fn scans_read_what_is_needed() {
    let columns = |sql: &str| match node(sql) {
        Node::SeqScan { columns, .. } => columns,
        Node::Project { input, .. } => match *input {
            Node::SeqScan { columns, .. } => columns,
            other => panic!("{sql}: {other:?}"),
        },
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(columns("select d from t"), [ScanColumn::Table(3)]);
    assert_eq!(columns("select 1 from t"), []);
    assert_eq!(
        columns("select d from t where b = 'x'"),
        [ScanColumn::Table(1), ScanColumn::Table(3)]
    );
    assert_eq!(
        columns("select d, a from t"),
        [ScanColumn::Table(0), ScanColumn::Table(3)]
    );
}

#[test]
fn changes_get_whole_rows() {
    let Body::Update {
        input, assignments, ..
    } = bound("update pgbench_accounts set abalance = abalance + $1 where aid = $2")
        .unwrap()
        .plan
        .body
    else {
        panic!()
    };
    let Node::IndexScan { columns, .. } = input else {
        panic!("{input:?}")
    };
    assert_eq!(
        columns,
        [
            ScanColumn::Table(0),
            ScanColumn::Table(1),
            ScanColumn::Table(2),
            ScanColumn::Table(3),
            ScanColumn::RowId,
            ScanColumn::Version
        ]
    );
    assert_eq!(assignments[0].0, 2);
    let Body::Update {
        input: Node::Project { exprs, .. },
        assignments,
        ..
    } = bound("update t set a = u.x from u where t.a = u.a")
        .unwrap()
        .plan
        .body
    else {
        panic!()
    };
    // Four columns, row id, version, then what the assignment needs of the other table.
    assert_eq!(exprs.len(), 7);
    let (0, Expr::Cast { operand, .. }) = &assignments[0] else {
        panic!("{assignments:?}")
    };
    assert!(matches!(**operand, Expr::Column { index: 6, .. }));
    let Body::Insert {
        input: Node::Values { types, rows },
        ..
    } = bound("insert into k(name, id) values ('x', 1), (null, default)")
        .unwrap()
        .plan
        .body
    else {
        panic!()
    };
    assert_eq!((types.len(), rows.len()), (4, 2));
    use vireo_abi::datum::Datum;
    assert!(matches!(
        rows[0][3],
        Expr::Constant {
            value: Datum::Int4(3),
            ..
        }
    ));
}

#[test]
fn constants_are_folded() {
    let one = |sql: &str| match node(sql) {
        Node::Values { rows, .. } => rows[0][0].clone(),
        other => panic!("{sql}: {other:?}"),
    };
    use vireo_abi::datum::Datum;
    let value = |sql: &str| match one(sql) {
        Expr::Constant { value, .. } => value,
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(value("select 2 + 3 * 4"), Datum::Int4(14));
    assert_eq!(value("select -2 ^ 2"), Datum::Float8(4.0));
    assert_eq!(value("select ~1 + 2"), Datum::Int4(-4));
    assert_eq!(value("select -2147483648"), Datum::Int4(i32::MIN));
    assert_eq!(
        value("select 'a' || 'b'\n 'c'"),
        Datum::Bytes(b"abc".to_vec())
    );
    assert_eq!(
        value("select case when false then 1/0 else 2 end"),
        Datum::Int4(2)
    );
    assert_eq!(value("select true and null and false"), Datum::Bool(false));
    assert_eq!(value("select '12'::int"), Datum::Int4(12));
    // Left for the statement's run: an error that may not be reached, the clock, and what settings decide.
    assert!(matches!(one("select 1/0"), Expr::Call { .. }));
    assert!(matches!(one("select now()"), Expr::Call { .. }));
    assert!(matches!(one("select 'now'::timestamp"), Expr::Cast { .. }));
    assert!(matches!(one("select '1/2/2020'::date"), Expr::Cast { .. }));
    assert!(matches!(
        one("select '2020-01-01'::timestamptz"),
        Expr::Cast { .. }
    ));
    assert!(matches!(
        one("select '2020-01-01'::date"),
        Expr::Constant { .. }
    ));
}

#[test]
fn explain_has_costs() {
    let Body::Explain { explain, .. } = bound("explain (analyze) select * from t")
        .unwrap()
        .plan
        .body
    else {
        panic!()
    };
    assert!(explain.analyze);
    assert_eq!(
        texts(&explain.lines),
        ["Seq Scan on t  (cost=0.00..22.00 rows=1000 width=69)"]
    );
    // A table that was never analyzed is taken for ten pages.
    let Body::Explain { explain, .. } = bound("explain select * from fresh").unwrap().plan.body
    else {
        panic!()
    };
    assert_eq!(
        texts(&explain.lines),
        ["Seq Scan on fresh  (cost=0.00..35.60 rows=2560 width=4)"]
    );
}

#[test]
fn explain_knows_its_operators() {
    let check = |sql: &str, expected: &[(&str, Measured)]| {
        let text = std::format!("explain (analyze, costs off) {sql}");
        let explain = match bound(&text).map(|b| b.plan.body) {
            Ok(Body::Explain { explain, .. }) => explain,
            other => panic!("{sql}: {other:?}"),
        };
        let is_title = |line: &&ExplainLine| line.measured != Measured::Nothing;
        let found: Vec<(&str, Measured)> = explain
            .lines
            .iter()
            .filter(is_title)
            .map(|line| {
                (
                    line.text.trim_start().trim_start_matches("->  "),
                    line.measured,
                )
            })
            .collect();
        assert_eq!(found, expected, "{sql}");
    };
    let of = Measured::Operator;
    check("select a from t", &[("Seq Scan on t", of(0))]);
    // A projection's operator stands for the scan below it.
    check(
        "select a + 1 from t order by 1 limit 3",
        &[("Limit", of(0)), ("Sort", of(1)), ("Seq Scan on t", of(2))],
    );
    check(
        "select * from t join u on t.a = u.a",
        &[
            ("Hash Join", of(0)),
            ("Seq Scan on t", of(1)),
            ("Hash", of(2)),
            ("Seq Scan on u", of(2)),
        ],
    );
    check(
        "select * from u join k on k.id = u.x where u.a = 1",
        &[
            ("Nested Loop", of(0)),
            ("Seq Scan on u", of(1)),
            ("Index Scan using k_pkey on k", of(2)),
        ],
    );
    check(
        "delete from t where a = 1",
        &[
            ("Delete on t", Measured::Statement),
            ("Seq Scan on t", of(0)),
        ],
    );
}

#[test]
fn system_views_are_read_and_not_written() {
    check_plan(
        "select table_name from information_schema.tables x where table_schema = 'public'",
        "System View Scan on tables x
           Filter: (table_schema = 'public'::name)",
    );
    check_columns(
        "select table_name, is_typed from information_schema.tables",
        "table_name name, is_typed character varying(3)",
    );
    // Names without a schema are looked for in pg_catalog first, and WITH hides them.
    check_columns("select hasindexes from pg_tables", "hasindexes boolean");
    check_columns(
        "with pg_tables as (select 1 as a) select a from pg_tables",
        "a integer",
    );
    let missing = "relation \"information_schema.nothing\" does not exist";
    check_error(
        "select * from information_schema.nothing",
        "42P01",
        missing,
        Some("information_schema.nothing"),
    );
    for sql in [
        "delete from information_schema.tables",
        "insert into information_schema.tables values (1)",
    ] {
        check_error(sql, "42809", "\"tables\" is not a table", Some(&sql[12..]));
    }
}
