//! Aggregates and GROUP BY.

use super::*;
use crate::plan::Expr;

#[test]
fn shapes() {
    check_plan(
        "select count(*) from t where a > 3",
        "Aggregate
           ->  Seq Scan on t
                 Filter: (a > 3)",
    );
    check_plan(
        "select b, sum(a) from t group by b having count(*) > 1 and b <> 'x' order by sum(a) desc limit 5",
        "Limit
           ->  Sort
                 Sort Key: sum DESC
                 ->  HashAggregate
                       Group Key: b
                       Filter: (count > 1)
                       ->  Seq Scan on t
                             Filter: (b <> 'x'::text)",
    );
    check_columns(
        "select count(*), sum(a), avg(a), max(b), min(a) from t",
        "count bigint, sum bigint, avg numeric, max text, min integer",
    );
}

#[test]
fn equal_aggregates_are_computed_once() {
    let Node::Project { input, exprs } = node("select sum(a) + 1, sum(a), count(*) from t") else {
        panic!()
    };
    assert_eq!(exprs.len(), 3);
    let Node::Aggregate {
        group, aggregates, ..
    } = *input
    else {
        panic!()
    };
    assert_eq!((group.len(), aggregates.len()), (0, 2));
    let Node::Aggregate { aggregates, .. } =
        node("select count(distinct a), count(a) filter (where c) from t")
    else {
        panic!()
    };
    assert!(aggregates[0].is_distinct && aggregates[0].filter.is_none());
    assert!(!aggregates[1].is_distinct && aggregates[1].filter.is_some());
}

#[test]
fn keys() {
    // By number, by name of a result column, by expression; a column of FROM before a result column's name.
    for sql in [
        "select a + 1 as z, count(*) from t group by 1",
        "select a + 1 as z, count(*) from t group by z",
        "select a + 1 as z, count(*) from t group by a + 1",
        "select (a + 1) * 2, count(*) from t group by a + 1",
    ] {
        let inner = match node(sql) {
            Node::Project { input, .. } => *input,
            node => node,
        };
        let Node::Aggregate { group, .. } = inner else {
            panic!("{sql}")
        };
        assert!(matches!(group.as_slice(), [Expr::Call { .. }]), "{sql}");
    }
    // The other columns of a table follow from its primary key.
    check_columns(
        "select name, n + 1 as m, count(*) from k group by id",
        "name character varying(20), m integer, count bigint",
    );
    check_error(
        "select name from k group by n",
        "42803",
        "column \"k.name\" must appear in the GROUP BY clause or be used in an aggregate function",
        Some("name from k group by n"),
    );
    check_error(
        "select a, count(*) from t",
        "42803",
        "column \"t.a\" must appear in the GROUP BY clause or be used in an aggregate function",
        Some("a, count(*) from t"),
    );
    check_error(
        "select count(*) from t order by a",
        "42803",
        "column \"t.a\" must appear in the GROUP BY clause or be used in an aggregate function",
        Some("a"),
    );
}

#[test]
fn wrong_places() {
    check_error(
        "select sum(sum(a)) from t",
        "42803",
        "aggregate function calls cannot be nested",
        Some("sum(a)) from t"),
    );
    check_error(
        "select a from t where sum(a) > 1",
        "42803",
        "aggregate functions are not allowed in WHERE",
        Some("sum(a) > 1"),
    );
    check_error(
        "select 1 from t join u on sum(x) > 1",
        "42803",
        "aggregate functions are not allowed in JOIN conditions",
        Some("sum(x) > 1"),
    );
    check_error(
        "update t set a = max(a)",
        "42803",
        "aggregate functions are not allowed in UPDATE",
        Some("max(a)"),
    );
    check_error(
        "select sum(a) from t group by 1",
        "42803",
        "aggregate functions are not allowed in GROUP BY",
        Some("sum(a) from t group by 1"),
    );
    check_error(
        "select sum(b) from t",
        "42883",
        "function sum(text) does not exist",
        Some("sum(b) from t"),
    );
    check_error(
        "select count() from t",
        "42809",
        "count(*) must be used to call a parameterless aggregate function",
        Some("count() from t"),
    );
    check_error(
        "select abs(distinct a) from t",
        "42809",
        "DISTINCT specified, but abs is not an aggregate function",
        Some("abs(distinct a) from t"),
    );
}

#[test]
fn subqueries_of_one_row() {
    check_plan(
        "select (select max(x) from u) + a from t",
        "Nested Loop Left Join
           ->  Seq Scan on t
           ->  Materialize
                 ->  Aggregate
                       ->  Seq Scan on u",
    );
    check_plan(
        "select count(*) - (select count(*) from u) from t",
        "Nested Loop Left Join
           ->  Aggregate
                 ->  Seq Scan on t
           ->  Materialize
                 ->  Aggregate
                       ->  Seq Scan on u",
    );
    check_plan(
        "select a from t where a = (select max(a) from u)",
        "Nested Loop Left Join
           Filter: (t.a = max)
           ->  Seq Scan on t
           ->  Materialize
                 ->  Aggregate
                       ->  Seq Scan on u",
    );
}
