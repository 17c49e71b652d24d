//! Texts that want too much: deep, long, random. Each ends in a plan or an error, on the stack of a function VM.

use super::*;
use std::format;
use std::thread;

/// Bytes of the parse function's stack (`vireo_abi::memory_map`).
const STACK: usize = 14 << 20;

fn on_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    thread::Builder::new()
        .stack_size(STACK)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap()
}

/// What binding a text ends in: "ok" or the SQLSTATE.
fn outcome(sql: String) -> String {
    on_small_stack(move || match bound(&sql) {
        Ok(_) => "ok".to_string(),
        Err(error) => {
            if error.state() == "54001" {
                assert_eq!(error.message, "stack depth limit exceeded");
            }
            error.state().to_string()
        }
    })
}

#[test]
fn nested_too_deep() {
    let n = 10_000;
    let texts = [
        format!("select {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("select {}", "(".repeat(n)),
        format!("select {} true", "not ".repeat(n)),
        format!("select {}1", "- ".repeat(n)),
        format!("select {}1", "~".repeat(2 * n)),
        format!("select {}1{}", "abs(".repeat(n), ")".repeat(n)),
        format!(
            "select {}1{}",
            "case when true then ".repeat(n),
            " end".repeat(n)
        ),
        format!("select {}1{}", "(select ".repeat(n), ")".repeat(n)),
        format!("select * from {}t{}", "(".repeat(n), ")".repeat(n)),
        format!(
            "select * from {}t{}",
            "(select * from ".repeat(n),
            ") q".repeat(n)
        ),
        format!("select 1 where 1 in {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("{}select 1{}", "(".repeat(n), ")".repeat(n)),
        format!("explain {}select 1", "explain ".repeat(n)),
        format!("with {}select 1", "a as (with ".repeat(n)),
        format!("select a {} from t", "is null ".repeat(n)),
        format!("select 1 {}", "[1]".repeat(n)),
        format!(
            "create table x (a int default {}1{})",
            "(".repeat(n),
            ")".repeat(n)
        ),
    ];
    for sql in texts {
        let head: String = sql.chars().take(60).collect();
        let outcome = outcome(sql);
        assert!(
            outcome == "54001" || outcome == "42601" || outcome == "0A000",
            "{head}: {outcome}"
        );
    }
    let deep = format!("select {}1{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(outcome(deep), "54001");
    assert_eq!(
        outcome(format!("select {} true", "not ".repeat(n))),
        "54001"
    );
}

#[test]
fn nested_as_deep_as_allowed() {
    let n = 100;
    for sql in [
        format!("select {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("select {} true", "not ".repeat(n)),
        format!("select {}a{} from t", "(1 + ".repeat(n), ")".repeat(n)),
        format!(
            "select {}a{} from t",
            "case when c then ".repeat(n),
            " end".repeat(n)
        ),
    ] {
        assert_eq!(outcome(sql.clone()), "ok", "{sql}");
    }
    let n = 50;
    let sql = format!(
        "select * from {}t{}",
        "(select * from ".repeat(n),
        ") q".repeat(n)
    );
    assert_eq!(outcome(sql), "ok");
}

#[test]
fn long_chains_are_flat() {
    let n = 10_000;
    let many = |item: &str, by: &str| std::vec![item; n].join(by);
    for sql in [
        format!("select * from t where {}", many("a = 1", " and ")),
        format!("select * from t where {}", many("a = 1", " or ")),
        format!("select {}", many("1.5", " + ")),
        format!(
            "select {}",
            many("1", " + ").replace("1 + 1 + 1", "1 + 1 - 1")
        ),
        format!("select * from t where a in ({})", many("1", ", ")),
        format!("select {}", many("1", ", ")),
        format!("insert into t(a) values {}", many("(1)", ", ")),
        format!("select case {} end from t", many("when a = 1 then 2", " ")),
        format!("select 1{}", "::int".repeat(n)),
    ] {
        let head: String = sql.chars().take(60).collect();
        let outcome = outcome(sql);
        // Casts are nested in the syntax tree whatever they do.
        assert!(
            outcome == "ok" || head.contains("::int") && outcome == "54001",
            "{head}: {outcome}"
        );
    }
    let sql = format!("select * from t where {}", many("a = 1", " and "));
    let Node::SeqScan {
        filter: Some(crate::plan::Expr::And(operands)),
        ..
    } = node(&sql)
    else {
        panic!("no flat AND")
    };
    assert_eq!(operands.len(), n);
}

#[test]
fn chains_that_must_nest() {
    let sum = |n: usize| format!("select {} from t", std::vec!["a"; n].join(" + "));
    assert_eq!(outcome(sum(1000)), "ok");
    assert_eq!(outcome(sum(10_000)), "54001");
    // As long as the check of the tokens lets pass: nothing recursive may walk these, nor drop them.
    for item in ["1 + ", "a + ", "1 - $1 * ", "true and ", "1::int < "] {
        for n in [15_000, 25_000, 39_000, 79_000] {
            let sql = format!("select {}1 from t", item.repeat(n));
            let outcome = outcome(sql);
            assert!(
                ["ok", "54001", "42601", "42804"].contains(&outcome.as_str()),
                "{item} {n} {outcome}"
            );
            let sql = format!("select {}", item.repeat(n));
            assert_ne!(self::outcome(sql), "ok");
        }
    }
    for n in [19_000, 39_000, 79_000] {
        assert_ne!(outcome(format!("select 1{}", "::int".repeat(n))), "ok");
    }
    for n in [900, 1900, 79_000] {
        let sql = format!(
            "with q as (select {}1 from t) select * from q",
            "1 + ".repeat(n)
        );
        let outcome = outcome(sql);
        assert!(["ok", "54001"].contains(&outcome.as_str()), "{n} {outcome}");
    }
    let union = |n: usize| std::vec!["select 1"; n].join(" union all ");
    assert_eq!(outcome(union(2000)), "ok");
    assert_eq!(outcome(union(100_000)), "54001");
    let cross = format!(
        "select 1 from {}",
        std::vec!["t"; 10_000].join(" cross join ")
    );
    assert_ne!(outcome(cross), "ok");
}

#[test]
fn chains_in_chains() {
    for n in [50, 150, 200] {
        for m in [100, 300, 1000, 10_000] {
            let tail = format!("{})", " - a".repeat(m));
            let sql = format!("select {}a{} from t", "(".repeat(n), tail.repeat(n));
            let outcome = outcome(sql);
            assert!(
                ["ok", "54001"].contains(&outcome.as_str()),
                "{n} {m} {outcome}"
            );
        }
    }
}

#[test]
fn with_queries_do_not_explode() {
    let mut sql = String::from("with q0 as (select a from t)");
    for i in 1..40 {
        sql.push_str(&format!(
            ", q{i} as (select x.a from q{} x, q{} y)",
            i - 1,
            i - 1
        ));
    }
    sql.push_str(" select * from q39");
    assert_eq!(outcome(sql), "54001");
}

/// A small generator: xorshift, the seed in the panic's message.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

const JUNK: &[char] = &[
    '(', ')', '\'', '"', '$', '.', ';', ',', ':', '-', '+', '*', '/', ' ', '\n', 'é', '0', 'a',
    'E', '\\', '\0', '[',
];

const TOKENS: &[&str] = &[
    "select",
    "from",
    "where",
    "t",
    "u",
    "k",
    "a",
    "b",
    "c",
    "d",
    "x",
    "t.a",
    "u.y",
    "k.id",
    "*",
    "(",
    ")",
    "(",
    ")",
    ",",
    "1",
    "2.5",
    "'x'",
    "'1'",
    "$1",
    "$2",
    "null",
    "true",
    "+",
    "-",
    "/",
    "=",
    "<",
    ">=",
    "<>",
    "||",
    "and",
    "or",
    "not",
    "is",
    "in",
    "between",
    "like",
    "case",
    "when",
    "then",
    "else",
    "end",
    "group by",
    "order by",
    "having",
    "limit",
    "offset",
    "distinct",
    "union",
    "all",
    "values",
    "join",
    "left join",
    "on",
    "using (a)",
    "as",
    "insert into t",
    "update t set",
    "delete from t",
    "returning",
    "create table n",
    "primary key",
    "default",
    "with q as",
    "::int",
    "::text",
    "cast(",
    "count(*)",
    "sum(a)",
    "max(b)",
    "coalesce(",
    "exists",
    ";",
    ".",
    "\"q\"",
    "interval",
    "date",
    "explain",
    "copy t",
    "to stdout",
    "begin",
    "vacuum",
    "set",
    "show",
    "=>",
    "[",
    "]",
    ":",
    "#",
    "?",
    "desc",
    "nulls first",
    "fetch first 1 row only",
    "natural",
    "cross",
    "filter (where c)",
    "over ()",
];

#[test]
fn token_soup_never_panics() {
    let seed = 0x5EED_CAFE_u64;
    on_small_stack(move || {
        let catalog = catalog::standard();
        let mut random = Random(seed);
        for round in 0..20_000 {
            let length = 1 + random.below(24);
            let mut sql = String::new();
            if random.below(2) == 0 {
                sql.push_str("select ");
            }
            for _ in 0..length {
                sql.push_str(TOKENS[random.below(TOKENS.len())]);
                if random.below(8) != 0 {
                    sql.push(' ');
                }
            }
            check_soup(&sql, &catalog, seed, round);
        }
    });
}

#[test]
fn mutated_statements_never_panic() {
    let seed = 0xFEED_5EED_u64;
    on_small_stack(move || {
        let catalog = catalog::standard();
        let mut random = Random(seed);
        let statements = [
            "select t.b, count(*) from t left join k on t.a = k.id where k.n > 3 group by t.b having count(*) > 1 order by 2 desc limit 5",
            "insert into t(a, b) values (1, 'x'), ($1, default) returning *",
            "update t set a = a + 1, (b, c) = ('x', true) from u where t.a = u.a returning t.a",
            "delete from pair using t where p = a and q between 1 and 2",
            "create table n (a int primary key, b varchar(10) not null default 'x', unique (a, b)) with (fillfactor = 90)",
            "copy t (a, b) from stdin with (format csv, header, delimiter ';')",
            "with q as (select a from t) select case a when 1 then 'é' else e'\\n' end from q where a in (select x from u)",
        ];
        for round in 0..20_000 {
            let mut sql: Vec<char> = statements[random.below(statements.len())].chars().collect();
            for _ in 0..1 + random.below(4) {
                let at = random.below(sql.len());
                match random.below(4) {
                    0 => drop(sql.remove(at)),
                    1 => sql.insert(at, JUNK[random.below(JUNK.len())]),
                    2 => {
                        let other = random.below(sql.len());
                        sql.swap(at, other);
                    }
                    _ => sql.truncate(at + 1),
                }
                if sql.is_empty() {
                    sql.push('x');
                }
            }
            let sql: String = sql.into_iter().collect();
            check_soup(&sql, &catalog, seed, round);
        }
    });
}

/// Whatever the text: no panic, a place inside of it, and a plan that survives its encoding.
fn check_soup(sql: &str, catalog: &Memory, seed: u64, round: usize) {
    let context = format!("seed {seed:#x} round {round}: {sql}");
    let parsed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        bind(
            sql,
            round.is_multiple_of(2),
            &[],
            catalog,
            "postgres",
            "postgres",
        )
    }));
    match parsed {
        Err(_) => panic!("{context}"),
        Ok(Ok(Parsed::One(bound))) => {
            let bytes = crate::plan::encode(&bound.plan);
            let decoded = crate::plan::decode(&bytes).unwrap_or_else(|e| panic!("{context}: {e}"));
            assert_eq!(
                format!("{decoded:?}"),
                format!("{:?}", bound.plan),
                "{context}"
            );
        }
        Ok(Ok(Parsed::Many(places))) => {
            for (from, to) in places {
                assert!(sql.get(from as usize..to as usize).is_some(), "{context}");
            }
        }
        Ok(Ok(Parsed::Empty)) => {}
        Ok(Err(error)) => {
            if let Some(position) = error.position {
                assert!(sql.is_char_boundary(position as usize), "{context}");
            }
            assert_ne!(error.state(), "XX000", "{context}: {error}");
        }
    }
}
