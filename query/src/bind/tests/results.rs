//! Names, types and origins of result columns; parameter types.

use super::*;
use vireo_abi::message::parse::StatementKind;

#[test]
fn names_as_postgresql_gives_them() {
    check_columns(
        "select 1, 1 + 1 as two, 'x', null",
        "?column? integer, two integer, ?column? text, ?column? text",
    );
    check_columns(
        "select a, t.b, a::bigint, '1'::int, (a) from t",
        "a integer, b text, a bigint, int4 integer, a integer",
    );
    check_columns(
        "select coalesce(a, 1), nullif(a, 1), greatest(a, 2) from t",
        "coalesce integer, nullif integer, greatest integer",
    );
    check_columns(
        "select case when c then 1 end, case when c then 1 else a end from t",
        "case integer, a integer",
    );
    check_columns(
        "select abs(a), upper(b), true, -a from t",
        "abs integer, upper text, bool boolean, ?column? integer",
    );
    check_columns(
        "select \"Mixed\".a as \"A b\" from t \"Mixed\"",
        "A b integer",
    );
    check_columns("select A as Foo from T", "foo integer");
    check_columns(
        "values (1, 'x'), (2.5, null)",
        "column1 numeric, column2 text",
    );
    check_columns(
        "select * from t natural join u",
        "a integer, b text, c boolean, d numeric(10,2), x bigint, y character varying(10), z timestamp with time zone",
    );
    check_columns(
        "select u.*, 1 as one from t, u",
        "a integer, x bigint, y character varying(10), z timestamp with time zone, one integer",
    );
    check_columns("select a from t union all select x from u", "a bigint");
    check_columns(
        "select current_date, current_user, now()",
        "current_date date, current_user name, now timestamp with time zone",
    );
    check_columns(
        "with q(z) as (select a from t) select * from q",
        "z integer",
    );
    check_columns("select (values (1))", "column1 integer");
    check_columns("explain select 1", "QUERY PLAN text");
    check_columns("show timezone", "TimeZone text");
    check_columns("show all", "name text, setting text, description text");
    check_columns(
        "insert into k(id) values (1) returning *, n + 1 as m",
        "id bigint, name character varying(20), parent bigint, n integer, m integer",
    );
    check_columns("delete from t returning a", "a integer");
    let long = "a".repeat(80);
    check_columns(
        &std::format!("select 1 as {long}"),
        &std::format!("{} integer", "a".repeat(63)),
    );
}

#[test]
fn origins() {
    let info = bound("select aid, abalance + 1, a.filler from pgbench_accounts a")
        .unwrap()
        .info;
    let found: Vec<(u32, i16)> = info
        .columns
        .iter()
        .map(|c| (c.table_oid, c.attribute))
        .collect();
    let oid = found[0].0;
    assert_ne!(oid, 0);
    assert_eq!(found, [(oid, 1), (0, 0), (oid, 4)]);
    assert_eq!(info.catalog_version, 7);
    assert!(info.cacheable);
    assert!(!bound("select * from fresh").unwrap().info.cacheable);
}

#[test]
fn kinds() {
    use StatementKind as K;
    for (sql, kind) in [
        ("select 1", K::Query),
        ("explain delete from t", K::Query),
        ("show all", K::Query),
        ("insert into t values (1)", K::Modify),
        ("update t set a = 1 returning a", K::Modify),
        ("begin", K::Transaction),
        ("abort", K::Transaction),
        ("copy t from stdin", K::CopyIn),
        ("copy t to stdout", K::CopyOut),
        ("create table x (a int)", K::Utility),
        ("set x.y = 1", K::Utility),
        ("vacuum", K::Utility),
    ] {
        assert_eq!(bound(sql).unwrap().info.kind, kind, "{sql}");
    }
}

#[test]
fn parameter_types() {
    check_parameters(
        "select abalance from pgbench_accounts where aid = $1",
        "integer",
    );
    check_parameters(
        "update pgbench_accounts set abalance = abalance + $1 where aid = $2",
        "integer, integer",
    );
    check_parameters(
        "insert into t values ($1, $2, $3, $4)",
        "integer, text, boolean, numeric",
    );
    check_parameters("select $1", "text");
    check_parameters(
        "select $1 || 'x', $2 + 1, $3 and true",
        "text, integer, boolean",
    );
    check_parameters(
        "select * from t where b like $1 limit $2 offset $3",
        "text, bigint, bigint",
    );
    check_parameters("select $1::date, $2::varchar(3)", "date, character varying");
    check_parameters("select * from t where a in ($1, $2)", "integer, integer");
    check_parameters(
        "select * from u where x between $1 and $2",
        "bigint, bigint",
    );
    check_parameters("select coalesce($1, 2.5)", "numeric");
    check_parameters("select case when $1 then $2 else 1 end", "boolean, integer");
    let given = bound_in("select $1, $2 = 1", &[23, 0], &catalog::standard()).unwrap();
    let types: Vec<&str> = given
        .info
        .parameters
        .iter()
        .map(|t| t.id.sql_name())
        .collect();
    assert_eq!(types, ["integer", "integer"]);
    let error = bound("select $1, $1 + 1 from t").unwrap_err();
    assert_eq!(
        (error.state(), error.message.as_str()),
        ("42P08", "inconsistent types deduced for parameter $1")
    );
    assert_eq!(error.detail.as_deref(), Some("integer versus text"));
}

#[test]
fn many_statements() {
    let many = |sql: &str| bind(sql, true, &[], &catalog::standard(), "u", "d");
    assert_eq!(many(""), Ok(Parsed::Empty));
    assert_eq!(many(" ; -- nothing\n /* at all */ ;"), Ok(Parsed::Empty));
    assert!(matches!(many("select 1;"), Ok(Parsed::One(_))));
    let sql = "begin; select ';' ;\n commit";
    let Ok(Parsed::Many(places)) = many(sql) else {
        panic!()
    };
    let texts: Vec<&str> = places
        .iter()
        .map(|&(a, b)| &sql[a as usize..b as usize])
        .collect();
    assert_eq!(texts, ["begin", "select ';'", "commit"]);
    // The syntax of all is checked first; names are not.
    let error = many("select * from nosuch; selec").unwrap_err();
    assert_eq!((error.state(), error.position), ("42601", Some(22)));
    assert!(matches!(
        many("select * from nosuch; select 1"),
        Ok(Parsed::Many(_))
    ));
    let error = bound("select 1; select 2").unwrap_err();
    assert_eq!(
        error.message,
        "cannot insert multiple commands into a prepared statement"
    );
}

#[test]
fn default_expressions() {
    use crate::bind::bind_expr;
    use crate::plan::Expr;
    use vireo_abi::datum::Datum;
    use vireo_abi::sql_type::{SqlType, TypeId};
    let int = SqlType::plain(TypeId::Int4);
    assert_eq!(
        bind_expr("1 + 2", &[], int),
        Ok(Expr::Constant {
            value: Datum::Int4(3),
            sql_type: int
        })
    );
    let input = [("a".to_string(), int)];
    assert!(matches!(
        bind_expr("a + 1", &input, int),
        Ok(Expr::Call { .. })
    ));
    assert_eq!(bind_expr("true", &[], int).unwrap_err().state(), "42804");
    assert_eq!(bind_expr("1 +", &[], int).unwrap_err().state(), "42601");
}
