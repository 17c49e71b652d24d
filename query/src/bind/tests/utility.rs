//! Utility statements.

use super::*;
use crate::plan::{CopyFormat, SetScope, TransactionCommand};

fn body(sql: &str) -> Body {
    bound(sql)
        .unwrap_or_else(|e| panic!("{sql}: {e}"))
        .plan
        .body
}

#[test]
fn transactions() {
    let begun = |isolation: Option<&str>, read_only, is_start| {
        Body::Transaction(TransactionCommand::Begin {
            isolation: isolation.map(ToString::to_string),
            read_only,
            is_start,
        })
    };
    let begin = |isolation, read_only| begun(isolation, read_only, false);
    let set = |isolation: Option<&str>, read_only, warns| {
        Body::Transaction(TransactionCommand::Set {
            isolation: isolation.map(ToString::to_string),
            read_only,
            warns,
        })
    };
    for (sql, expected) in [
        ("begin", begin(None, None)),
        ("BEGIN WORK", begin(None, None)),
        ("start transaction", begun(None, None, true)),
        (
            "set transaction isolation level repeatable read, read only",
            set(Some("repeatable read"), Some(true), true),
        ),
        (
            "set local transaction_isolation = 'repeatable read'",
            set(Some("repeatable read"), None, false),
        ),
        (
            "set transaction_read_only to on",
            set(None, Some(true), false),
        ),
        (
            "begin transaction isolation level repeatable read, read only",
            begin(Some("repeatable read"), Some(true)),
        ),
        (
            "begin isolation level read committed read write",
            begin(Some("read committed"), Some(false)),
        ),
        ("commit", Body::Transaction(TransactionCommand::Commit)),
        ("end;", Body::Transaction(TransactionCommand::Commit)),
        (
            "commit and no chain",
            Body::Transaction(TransactionCommand::Commit),
        ),
        (
            "rollback work",
            Body::Transaction(TransactionCommand::Rollback),
        ),
        ("abort", Body::Transaction(TransactionCommand::Rollback)),
    ] {
        assert_eq!(body(sql), expected, "{sql}");
    }
}

#[test]
fn settings() {
    let set = |name: &str, value: Option<&str>, scope| Body::Set {
        name: name.to_string(),
        value: value.map(ToString::to_string),
        scope,
    };
    let (session, local) = (SetScope::Session, SetScope::Local);
    for (sql, expected) in [
        (
            "set timezone to 'UTC'",
            set("timezone", Some("UTC"), session),
        ),
        (
            "set local work_mem = 64",
            set("work_mem", Some("64"), local),
        ),
        (
            "set session extra_float_digits = -3",
            set("extra_float_digits", Some("-3"), session),
        ),
        (
            "SET TIME ZONE 'Europe/Berlin'",
            set("TimeZone", Some("Europe/Berlin"), session),
        ),
        ("set time zone local", set("TimeZone", None, session)),
        (
            "set search_path = public, \"My Schema\"",
            set("search_path", Some("public, \"My Schema\""), session),
        ),
        (
            "set datestyle = iso, dmy",
            set("datestyle", Some("iso, dmy"), session),
        ),
        (
            "set client_encoding = default",
            set("client_encoding", None, session),
        ),
        (
            "set names 'utf8'",
            set("client_encoding", Some("utf8"), session),
        ),
        (
            "set my.setting = on",
            set("my.setting", Some("on"), session),
        ),
        (
            "set session characteristics as transaction read only",
            set("default_transaction_read_only", Some("on"), session),
        ),
        ("reset timezone", set("timezone", None, session)),
        ("reset all", Body::ResetAll { is_discard: false }),
        ("discard all", Body::ResetAll { is_discard: true }),
        (
            "show transaction isolation level",
            Body::Show {
                name: "transaction_isolation".to_string(),
            },
        ),
        (
            "show time zone",
            Body::Show {
                name: "TimeZone".to_string(),
            },
        ),
        (
            "show datestyle",
            Body::Show {
                name: "DateStyle".to_string(),
            },
        ),
        ("checkpoint", Body::Checkpoint),
    ] {
        assert_eq!(body(sql), expected, "{sql}");
    }
}

#[test]
fn maintenance() {
    let tables = |body: Body| match body {
        Body::Vacuum { tables, analyze } => (tables.len(), true, analyze),
        Body::Analyze { tables } => (tables.len(), false, true),
        other => panic!("{other:?}"),
    };
    assert_eq!(tables(body("vacuum")), (0, true, false));
    assert_eq!(tables(body("vacuum analyze t")), (1, true, true));
    assert_eq!(
        tables(body("VACUUM (VERBOSE, ANALYZE off) t, u")),
        (2, true, false)
    );
    assert_eq!(
        tables(body("vacuum full freeze verbose analyze t (a, b), u")),
        (2, true, true)
    );
    assert_eq!(tables(body("analyze")), (0, false, true));
    assert_eq!(
        tables(body("analyze verbose pgbench_branches")),
        (1, false, true)
    );
    check_error(
        "vacuum nosuch",
        "42P01",
        "relation \"nosuch\" does not exist",
        None,
    );
}

#[test]
fn create_table() {
    let Body::CreateTable { schema, name, if_not_exists, columns, constraints } = body(
        "create table if not exists Public.Foo (\"Id\" bigint constraint pk primary key, b varchar(10) not null default 'x' || 'y' unique,
         c numeric(10, 2) null default 0, d timestamp with time zone default now(), e char, unique (b, c), constraint u unique (c)) with (fillfactor=90)",
    ) else {
        panic!()
    };
    assert_eq!(
        (schema.as_str(), name.as_str(), if_not_exists),
        ("public", "foo", true)
    );
    let shown: Vec<String> = columns
        .iter()
        .map(|c| {
            std::format!(
                "{} {} {} {:?}",
                c.name,
                super::super::coerce::type_name(c.sql_type),
                c.not_null,
                c.default
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "Id bigint true None",
            "b character varying(10) true Some(\"'x' || 'y'\")",
            "c numeric(10,2) false Some(\"0\")",
            "d timestamp with time zone false Some(\"now()\")",
            "e character(1) false None",
        ]
    );
    let made: Vec<(&str, &[u16], bool)> = constraints
        .iter()
        .map(|c| (c.name.as_str(), c.columns.as_slice(), c.is_primary))
        .collect();
    assert_eq!(
        made,
        [
            ("pk", &[0][..], true),
            ("foo_b_key", &[1], false),
            ("foo_b_c_key", &[1, 2], false),
            ("u", &[2], false)
        ]
    );
    // A taken name gets a number.
    let Body::CreateTable { constraints, .. } = body("create table pair (x int primary key)")
    else {
        panic!()
    };
    assert_eq!(constraints[0].name, "pair_pkey1");
    check_error(
        "create table x (a int, a int)",
        "42701",
        "column \"a\" specified more than once",
        None,
    );
    check_error(
        "create table x (a int primary key, primary key (a))",
        "42P16",
        "multiple primary keys for table \"x\" are not allowed",
        Some("primary key (a))"),
    );
    check_error(
        "create table x (a int, unique (b))",
        "42703",
        "column \"b\" named in key does not exist",
        Some("unique (b))"),
    );
    check_error(
        "create table x (a int default true)",
        "42804",
        "column \"a\" is of type integer but default expression is of type boolean",
        None,
    );
    check_error(
        "create table x (a int, b int default a)",
        "0A000",
        "cannot use column reference in DEFAULT expression",
        Some("a)"),
    );
    check_error(
        "create table s.x (a int)",
        "3F000",
        "schema \"s\" does not exist",
        Some("s.x (a int)"),
    );
    check_error(
        "create table x (a varchar(0))",
        "22023",
        "length for type varchar must be at least 1",
        Some("varchar(0))"),
    );
}

#[test]
fn other_ddl() {
    let Body::DropTable { tables, missing } = body("drop table if exists t, nosuch, u cascade")
    else {
        panic!()
    };
    assert_eq!(
        (tables.len(), missing),
        (2, std::vec!["nosuch".to_string()])
    );
    check_error(
        "drop table t, nosuch",
        "42P01",
        "table \"nosuch\" does not exist",
        None,
    );
    check_error(
        "drop table pair_pkey",
        "42809",
        "\"pair_pkey\" is not a table",
        None,
    );
    let Body::Truncate { tables } = body("truncate t, only u, t") else {
        panic!()
    };
    assert_eq!(tables.len(), 2);
    assert!(matches!(
        body("truncate table pgbench_history restrict"),
        Body::Truncate { .. }
    ));
    let Body::AddConstraint { constraint, .. } = body("alter table t add primary key (a)") else {
        panic!()
    };
    assert_eq!(
        (constraint.name.as_str(), constraint.columns.as_slice()),
        ("t_pkey", &[0][..])
    );
    let Body::AddConstraint { constraint, .. } =
        body("alter table only t add constraint x unique (b, a)")
    else {
        panic!()
    };
    assert_eq!(
        (
            constraint.name.as_str(),
            constraint.columns.as_slice(),
            constraint.is_primary
        ),
        ("x", &[1, 0][..], false)
    );
    check_error(
        "alter table pair add primary key (r)",
        "42P16",
        "multiple primary keys for table \"pair\" are not allowed",
        None,
    );
}

#[test]
fn copy() {
    let options = |sql: &str| match body(sql) {
        Body::CopyFrom { options, .. } | Body::CopyTo { options, .. } => options,
        other => panic!("{sql}: {other:?}"),
    };
    let plain = options("copy pgbench_accounts from stdin with (freeze on)");
    assert_eq!(
        (
            plain.format,
            plain.delimiter,
            plain.null.as_slice(),
            plain.header
        ),
        (CopyFormat::Text, b'\t', &b"\\N"[..], false)
    );
    let csv = options(
        "copy t to stdout (format csv, header, delimiter ';', null 'NULL', quote '''', force_quote (b))",
    );
    assert_eq!(
        (csv.format, csv.delimiter, csv.header, csv.quote, csv.escape),
        (CopyFormat::Csv, b';', true, b'\'', b'\'')
    );
    assert_eq!(csv.force_quote, [1]);
    let old = options("copy t from stdin with csv header delimiter as '|' null as ''");
    assert_eq!(
        (old.format, old.delimiter, old.header, old.null.len()),
        (CopyFormat::Csv, b'|', true, 0)
    );
    let Body::CopyFrom {
        columns, defaults, ..
    } = body("copy k (name, id) from stdin")
    else {
        panic!()
    };
    assert_eq!(columns, [1, 0]);
    assert_eq!(defaults.iter().map(|d| d.0).collect::<Vec<_>>(), [2, 3]);
    let Body::CopyTo { column_names, .. } = body("copy (select a as x, 1 from t) to stdout") else {
        panic!()
    };
    assert_eq!(column_names, ["x", "?column?"]);
    check_error(
        "copy t (zz) from stdin",
        "42703",
        "column \"zz\" of relation \"t\" does not exist",
        None,
    );
    check_error(
        "copy t from stdin with (delimiter 'ab')",
        "0A000",
        "COPY delimiter must be a single one-byte character",
        None,
    );
    check_error(
        "copy t from stdin with (nosuch)",
        "42601",
        "option \"nosuch\" not recognized",
        Some("nosuch)"),
    );
}

#[test]
fn defaults_are_kept_as_postgresql_shows_them() {
    let check = |column: &str, expected: Option<&str>| {
        let sql = std::format!("create table d (c {column})");
        let found = match bound(&sql).map(|b| b.plan.body) {
            Ok(Body::CreateTable { columns, .. }) => columns[0].default.clone(),
            other => panic!("{sql}: {other:?}"),
        };
        assert_eq!(found.as_deref(), expected, "{sql}");
    };
    check("int", None);
    check("int default null", None);
    check("int default 5", Some("5"));
    check("int default (5)", Some("5"));
    check("int default -5", Some("'-5'::integer"));
    check("bigint default 5+1", Some("(5 + 1)"));
    check("bigint default 2 * (3 - 1)", Some("(2 * (3 - 1))"));
    check("bigint default 5000000000", Some("'5000000000'::bigint"));
    check("int default '7'", Some("7"));
    check("numeric(10,2) default 1.50", Some("1.50"));
    check("numeric(10,2) default -1.5", Some("'-1.5'::numeric"));
    check("float8 default 1.5", Some("1.5"));
    check("float8 default '1.5'", Some("'1.5'::double precision"));
    check("boolean default TRUE", Some("true"));
    check("boolean default 'f'", Some("false"));
    check("text default 'it''s'", Some("'it''s'::text"));
    check(
        "varchar(10) default 'abc'",
        Some("'abc'::character varying"),
    );
    check("char(5) default 'ab'", Some("'ab'::bpchar"));
    check("text default 'a'::varchar", Some("'a'::character varying"));
    check("date default '2020-01-01'", Some("'2020-01-01'::date"));
    check(
        "timestamp default '2020-01-01 12:00:00'",
        Some("'2020-01-01 12:00:00'::timestamp without time zone"),
    );
    check(
        "uuid default 'A0EEBC999C0B4EF8BB6D6BB9BD380A11'",
        Some("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid"),
    );
    check("date default current_date", Some("CURRENT_DATE"));
    check("timestamptz default now()", Some("now()"));
    check("timestamptz default NOW()", Some("now()"));
    check("interval default '1 day'", Some("'1 day'::interval"));
    check("text default 'a\\b'", Some("'a\\b'::text"));
    // What has no form that is known to be PostgreSQL's stays as it is.
    check("text default upper('a')", Some("upper('a')"));
    check("date default '1 Jan 2020'", Some("'1 Jan 2020'"));
    check("timestamp default 'now'", Some("'now'"));
}
