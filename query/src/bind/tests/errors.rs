//! Errors: PostgreSQL's words, SQLSTATEs and places.

use super::*;

#[test]
fn syntax() {
    let check = |sql, message, place| check_error(sql, "42601", message, place);
    check("select 1 from", "syntax error at end of input", Some(""));
    check(
        "select 1 from ;",
        "syntax error at or near \";\"",
        Some(";"),
    );
    check("select 1 1", "syntax error at or near \"1\"", Some("1"));
    check(
        "selec 1",
        "syntax error at or near \"selec\"",
        Some("selec 1"),
    );
    check("select (1", "syntax error at end of input", Some(""));
    check("select )", "syntax error at or near \")\"", Some(")"));
    check(
        "select 1 < 2 < 3",
        "syntax error at or near \"<\"",
        Some("< 3"),
    );
    check(
        "select 'a' 'b'",
        "syntax error at or near \"'b'\"",
        Some("'b'"),
    );
    check(
        "select 'é', , 1",
        "syntax error at or near \",\"",
        Some(", 1"),
    );
    check(
        "select 'abc",
        "unterminated quoted string at or near \"'abc\"",
        Some("'abc"),
    );
    check(
        "select \"abc",
        "unterminated quoted identifier at or near \"\"abc\"",
        Some("\"abc"),
    );
    check(
        "select 123abc",
        "trailing junk after numeric literal at or near \"123a\"",
        Some("123abc"),
    );
    check(
        "select * from t join u",
        "syntax error at end of input",
        Some(""),
    );
    check(
        "select * from t join u where a = 1",
        "syntax error at or near \"where\"",
        Some("where a = 1"),
    );
    check(
        "insert t values (1)",
        "syntax error at or near \"t\"",
        Some("t values (1)"),
    );
    check("delete t", "syntax error at or near \"t\"", Some("t"));
    check(
        "create table x (a int,)",
        "syntax error at or near \")\"",
        Some(")"),
    );
    check(
        "create table x (a)",
        "syntax error at or near \")\"",
        Some(")"),
    );
    check("vacuum t,", "syntax error at end of input", Some(""));
    check("begin isolation", "syntax error at end of input", Some(""));
    check(
        "select from where",
        "syntax error at or near \"where\"",
        Some("where"),
    );
    check(
        "select * from t where",
        "syntax error at end of input",
        Some(""),
    );
    check("update t set", "syntax error at end of input", Some(""));
}

#[test]
fn names() {
    check_error(
        "select x from t",
        "42703",
        "column \"x\" does not exist",
        Some("x from t"),
    );
    check_error(
        "select t.zz from t",
        "42703",
        "column t.zz does not exist",
        Some("t.zz from t"),
    );
    check_error(
        "select a from t, u",
        "42702",
        "column reference \"a\" is ambiguous",
        Some("a from t, u"),
    );
    check_error(
        "select * from nosuch",
        "42P01",
        "relation \"nosuch\" does not exist",
        Some("nosuch"),
    );
    check_error(
        "select * from x.t",
        "42P01",
        "relation \"x.t\" does not exist",
        Some("x.t"),
    );
    check_error(
        "select z.a from t",
        "42P01",
        "missing FROM-clause entry for table \"z\"",
        Some("z.a from t"),
    );
    check_error(
        "select t.a from t q",
        "42P01",
        "invalid reference to FROM-clause entry for table \"t\"",
        Some("t.a from t q"),
    );
    check_error(
        "select * from t, t",
        "42712",
        "table name \"t\" specified more than once",
        Some("t"),
    );
    check_error(
        "select * from pgbench_accounts_pkey",
        "42809",
        "cannot open relation \"pgbench_accounts_pkey\"",
        Some("pgbench_accounts_pkey"),
    );
    check_error(
        "select * from (select 1)",
        "42601",
        "subquery in FROM must have an alias",
        Some("(select 1)"),
    );
    check_error(
        "select * from t q(a, b, c, d, e)",
        "42P10",
        "table \"q\" has 4 columns available but 5 columns specified",
        Some("q(a, b, c, d, e)"),
    );
    check_error(
        "select *",
        "42601",
        "SELECT * with no tables specified is not valid",
        Some("*"),
    );
    let hint = |sql: &str| bound(sql).err().and_then(|e| e.hint);
    assert_eq!(
        hint("select abalanc from pgbench_accounts").as_deref(),
        Some("Perhaps you meant to reference the column \"pgbench_accounts.abalance\".")
    );
    assert_eq!(
        hint("select t.a from t q").as_deref(),
        Some("Perhaps you meant to reference the table alias \"q\".")
    );
    assert_eq!(hint("select zzzz from t"), None);
}

#[test]
fn types() {
    check_error(
        "select 1 + true",
        "42883",
        "operator does not exist: integer + boolean",
        Some("+ true"),
    );
    check_error(
        "select - true",
        "42883",
        "operator does not exist: - boolean",
        Some("- true"),
    );
    check_error(
        "select foo(1, 'x')",
        "42883",
        "function foo(integer, unknown) does not exist",
        Some("foo(1, 'x')"),
    );
    check_error(
        "select * from t where a",
        "42804",
        "argument of WHERE must be type boolean, not type integer",
        Some("a"),
    );
    check_error(
        "select not a from t",
        "42804",
        "argument of NOT must be type boolean, not type integer",
        Some("a from t"),
    );
    check_error(
        "select a and c from t",
        "42804",
        "argument of AND must be type boolean, not type integer",
        Some("a and c from t"),
    );
    check_error(
        "select a + 'x' from t",
        "22P02",
        "invalid input syntax for type integer: \"x\"",
        Some("'x' from t"),
    );
    check_error(
        "select case when c then 1 else true end from t",
        "42804",
        "CASE types boolean and integer cannot be matched",
        Some("1 else true end from t"),
    );
    check_error(
        "select coalesce(1, true)",
        "42804",
        "COALESCE types integer and boolean cannot be matched",
        Some("true)"),
    );
    check_error(
        "select 1 union select true",
        "42804",
        "UNION types integer and boolean cannot be matched",
        Some("true"),
    );
    check_error(
        "select 1 union select 1, 2",
        "42601",
        "each UNION query must have the same number of columns",
        Some("1, 2"),
    );
    check_error(
        "select true::date",
        "42846",
        "cannot cast type boolean to date",
        Some("true::date"),
    );
    check_error(
        "select 1::nosuch",
        "42704",
        "type \"nosuch\" does not exist",
        Some("1::nosuch"),
    );
    check_error(
        "insert into t(a) values (true)",
        "42804",
        "column \"a\" is of type integer but expression is of type boolean",
        Some("true)"),
    );
    check_error(
        "update t set a = true",
        "42804",
        "column \"a\" is of type integer but expression is of type boolean",
        Some("true"),
    );
    check_error(
        "select a from t limit true",
        "42804",
        "argument of LIMIT must be type bigint, not type boolean",
        Some("true"),
    );
    check_error(
        "select a from t order by 3",
        "42P10",
        "ORDER BY position 3 is not in select list",
        Some("3"),
    );
    check_error(
        "select distinct a from t order by b",
        "42P10",
        "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
        Some("b"),
    );
}

#[test]
fn grouping() {
    check_error(
        "select b, a + 1 from t group by b",
        "42803",
        "column \"t.a\" must appear in the GROUP BY clause or be used in an aggregate function",
        Some("a + 1 from t group by b"),
    );
    check_error(
        "select q.a from t q group by b",
        "42803",
        "column \"q.a\" must appear in the GROUP BY clause or be used in an aggregate function",
        Some("q.a from t q group by b"),
    );
    check_error(
        "select a from t group by 1 having c",
        "42803",
        "column \"t.c\" must appear in the GROUP BY clause or be used in an aggregate function",
        Some("c"),
    );
    check_error(
        "select a from t group by 2",
        "42P10",
        "GROUP BY position 2 is not in select list",
        Some("2"),
    );
}

#[test]
fn changes() {
    check_error(
        "insert into t(zz) values (1)",
        "42703",
        "column \"zz\" of relation \"t\" does not exist",
        Some("zz) values (1)"),
    );
    check_error(
        "insert into t(a, a) values (1, 2)",
        "42701",
        "column \"a\" specified more than once",
        Some("a) values (1, 2)"),
    );
    check_error(
        "insert into t(a) values (1, 2)",
        "42601",
        "INSERT has more expressions than target columns",
        Some("2)"),
    );
    check_error(
        "insert into t(a, b) values (1)",
        "42601",
        "INSERT has more target columns than expressions",
        Some("b) values (1)"),
    );
    check_error(
        "insert into t values (1), (1, 'x')",
        "42601",
        "VALUES lists must all be the same length",
        Some("1, 'x')"),
    );
    check_error(
        "update t set zz = 1",
        "42703",
        "column \"zz\" of relation \"t\" does not exist",
        Some("zz = 1"),
    );
    check_error(
        "update t set a = 1, a = 2",
        "42601",
        "multiple assignments to same column \"a\"",
        Some("a = 2"),
    );
    check_error(
        "update t set a = x",
        "42703",
        "column \"x\" does not exist",
        Some("x"),
    );
}

#[test]
fn parameters() {
    check_error(
        "select $1 is null",
        "42P18",
        "could not determine data type of parameter $1",
        None,
    );
    check_error(
        "select $2::int",
        "42P18",
        "could not determine data type of parameter $1",
        None,
    );
    check_error("select $0", "42P02", "there is no parameter $0", Some("$0"));
}

#[test]
fn not_supported() {
    let check = |sql: &str, what: &str, place| {
        check_error(
            sql,
            "0A000",
            &std::format!("{what} is not supported"),
            place,
        );
    };
    check(
        "select row_number() over () from t",
        "a window function",
        Some("row_number() over () from t"),
    );
    check("select array[1]", "an array", Some("1]"));
    check(
        "select * from t where a = any(array[1])",
        "ANY or ALL",
        Some("a = any(array[1])"),
    );
    check(
        "select (select a from t)",
        "a subquery that may return several rows",
        Some("select a from t)"),
    );
    check(
        "select * from t where exists (select 1 from u where u.a = t.a)",
        "a correlated subquery",
        Some("t.a)"),
    );
    check("select 1 intersect select 2", "INTERSECT", Some("select 2"));
    check(
        "with recursive q as (select 1) select * from q",
        "WITH RECURSIVE",
        Some("with recursive q as (select 1) select * from q"),
    );
    check(
        "select * from generate_series(1, 3)",
        "a function in FROM",
        Some("generate_series(1, 3)"),
    );
    check(
        "create table x (a int check (a > 0))",
        "CHECK",
        Some("check (a > 0))"),
    );
    check(
        "create table x (a int references t)",
        "REFERENCES",
        Some("references t)"),
    );
    check(
        "create temp table x (a int)",
        "this form of CREATE",
        Some("temp table x (a int)"),
    );
    check(
        "create index on t (a)",
        "this form of CREATE",
        Some("index on t (a)"),
    );
    check("create table x (a serial)", "type serial", Some("serial)"));
    check("create table x (a int[])", "an array type", Some("int[])"));
    check(
        "alter table t add column x int",
        "this action of ALTER TABLE",
        Some("add column x int"),
    );
    check("savepoint s", "SAVEPOINT", Some("savepoint s"));
    check(
        "begin isolation level serializable",
        "isolation level SERIALIZABLE",
        Some("isolation level serializable"),
    );
    check(
        "copy t from '/etc/passwd'",
        "COPY with a file or program on the server",
        Some("'/etc/passwd'"),
    );
    check(
        "copy t to stdout with (format binary)",
        "COPY format \"binary\"",
        Some("format binary)"),
    );
    check(
        "prepare p as select 1",
        "PREPARE",
        Some("prepare p as select 1"),
    );
}
