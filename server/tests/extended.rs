//! The extended protocol.

mod support;

use support::raw::{execute, message, query};
use support::{start, trace};
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;

const SYNC: &[u8] = b"S\0\0\0\x04";

/// Held by tests that change the scripted catalog's version, which all servers of this process share, and by those that a
/// change would disturb.
static CATALOG: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_prepared_statement_visits_parse_once() {
    let _catalog = CATALOG.lock().await;
    let server = start();
    let client = server.client().await;
    let statement = client.prepare("select $1").await.unwrap();
    let before = server.counter("parse_requests");
    for text in ["a", "é", ""] {
        let row = client.query_one(&statement, &[&text]).await.unwrap();
        assert_eq!(
            row.get::<_, String>(0),
            if text.is_empty() { "0" } else { text }
        );
    }
    let other = server.client().await;
    other.prepare("select $1").await.unwrap();
    assert_eq!(server.counter("parse_requests"), before);
    let lines = trace(&client).await;
    assert_eq!(
        lines[1], "run select $1 sync=true in_block=false",
        "the Sync travels with it"
    );
    assert_eq!(lines.len(), 5);
}

#[tokio::test]
async fn a_portal_is_suspended_and_resumed() {
    let server = start();
    let mut client = server.client().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("select rows 5", &[]).await.unwrap();
    assert_eq!(transaction.query_portal(&portal, 2).await.unwrap().len(), 2);
    assert_eq!(transaction.query_portal(&portal, 2).await.unwrap().len(), 2);
    assert_eq!(transaction.query_portal(&portal, 2).await.unwrap().len(), 1);
    let second = transaction.bind("select rows 5", &[]).await.unwrap();
    assert_eq!(transaction.query_portal(&second, 2).await.unwrap().len(), 2);
    drop(second);
    transaction.commit().await.unwrap();
    assert!(trace(&client).await.contains(&"close portal".to_owned()));
}

#[test]
fn tags_count_the_rows_of_each_execute() {
    let server = start();
    let mut client = server.raw();
    client.start();
    let rest = message(b'E', b"\0\0\0\0\0");
    client.send(&[&execute("select rows 5", 3), &rest[..], SYNC].concat());
    let messages = client.until_ready();
    let tags: String = messages.iter().map(|message| message.tag).collect();
    assert_eq!(tags, "12DDDsDDCZ");
    assert_eq!(messages[8].body, b"SELECT 2\0");
}

#[test]
fn a_pipeline_is_one_transaction() {
    let server = start();
    let mut client = server.raw();
    client.start();
    let answer = client.ask(&[&execute("insert", 0), &execute("select a", 0)[..], SYNC].concat());
    assert_eq!(answer, "12C12DCZ I");
    assert_eq!(
        lines(&mut client)[1..3],
        [
            "run insert sync=false in_block=false",
            "run select a sync=true in_block=false"
        ]
    );
    let answer = client.ask(
        &[
            &execute("insert", 0),
            &execute("fail", 0)[..],
            &execute("insert", 0),
            SYNC,
        ]
        .concat(),
    );
    assert_eq!(answer, "12C12EZ I", "what follows the error is skipped");
    let answer = client.ask(&[&execute("insert", 0), &execute("missing", 0)[..], SYNC].concat());
    assert_eq!(answer, "12CEZ I");
    assert!(lines(&mut client).contains(&"sync failed=true".to_owned()));
    client.send(&[&execute("insert", 0)[..], b"H\0\0\0\x04"].concat());
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(client.ask(SYNC), "12CZ I");
    let seen = lines(&mut client);
    assert!(seen.contains(&"sync failed=false".to_owned()), "{seen:?}");
}

fn lines(client: &mut support::raw::RawClient) -> Vec<String> {
    client.send(&query("select trace"));
    let rows = client
        .until_ready()
        .into_iter()
        .filter(|message| message.tag == 'D');
    rows.map(|row| String::from_utf8(row.body[6..].to_vec()).unwrap())
        .collect()
}

#[test]
fn describe_before_and_after_bind() {
    let server = start();
    let mut client = server.raw();
    client.start();
    let parse = message(b'P', b"s\0select $1\0\0\0");
    let bind = message(b'B', b"p\0s\0\0\0\0\x01\0\0\0\x01x\0\x01\0\x01");
    let describe = |target: &[u8]| message(b'D', target);
    client.send(
        &[
            &parse[..],
            &describe(b"Ss\0"),
            &bind,
            &describe(b"Pp\0"),
            SYNC,
        ]
        .concat(),
    );
    let messages = client.until_ready();
    let tags: String = messages.iter().map(|message| message.tag).collect();
    assert_eq!(tags, "1tT2TZ");
    assert_eq!(
        messages[1].body,
        [&[0, 1][..], &25_i32.to_be_bytes()].concat()
    );
    let column = |format: u8| {
        [
            &b"\0\x01c\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0"[..],
            &[format],
        ]
        .concat()
    };
    assert_eq!(messages[2].body, column(0));
    assert_eq!(messages[4].body, column(1));
    let answer = client.ask(
        &[
            &message(b'P', b"i\0insert\0\0\0")[..],
            &describe(b"Si\0"),
            SYNC,
        ]
        .concat(),
    );
    assert_eq!(answer, "1tnZ I");
}

#[test]
fn wrong_names_and_counts() {
    let server = start();
    let mut client = server.raw();
    client.start();
    let mut check = |bytes: &[u8], state: &str, text: &str| {
        let error = client.ask_for_error(&[bytes, SYNC].concat());
        assert_eq!(
            (
                error.field(b'C').unwrap().as_str(),
                error.field(b'M').unwrap().as_str()
            ),
            (state, text)
        );
    };
    check(
        &message(b'B', b"\0nope\0\0\0\0\0\0\0"),
        "26000",
        "prepared statement \"nope\" does not exist",
    );
    check(
        &message(b'E', b"nope\0\0\0\0\0"),
        "34000",
        "portal \"nope\" does not exist",
    );
    check(
        &message(b'D', b"Sx\0"),
        "26000",
        "prepared statement \"x\" does not exist",
    );
    check(
        &message(b'D', b"Zx\0"),
        "08P01",
        "invalid DESCRIBE message subtype 90",
    );
    check(
        &message(b'P', b"\0select 1; select 2 syntax!\0\0\0"),
        "42601",
        "syntax error at or near \"syntax!\"",
    );
    let twice = [
        message(b'P', b"a\0insert\0\0\0"),
        message(b'P', b"a\0insert\0\0\0"),
    ]
    .concat();
    check(&twice, "42P05", "prepared statement \"a\" already exists");
    check(
        &message(b'B', b"\0a\0\0\0\0\x01\0\0\0\0\0\0"),
        "08P01",
        "bind message supplies 1 parameters, but prepared statement \"a\" requires 0",
    );
    check(
        &message(b'B', b"\0a\0\0\0\0\0\0\x02\0\0\0\0"),
        "08P01",
        "bind message has 2 result formats but query has 0 columns",
    );
    check(
        &message(b'B', b"\0a\0\0\x01\0\x02\0\0\0\0"),
        "22023",
        "unsupported format code: 2",
    );
}

#[tokio::test]
async fn a_result_type_must_not_change() {
    let _catalog = CATALOG.lock().await;
    let server = start();
    let client = server.client().await;
    let statement = client.prepare("select changing").await.unwrap();
    client.simple_query("bump 1").await.unwrap();
    let error = client.query(&statement, &[]).await.unwrap_err();
    assert_eq!(
        error.code(),
        Some(&SqlState::FEATURE_NOT_SUPPORTED),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_stale_prepared_statement_is_planned_again() {
    let _catalog = CATALOG.lock().await;
    let server = start();
    let client = server.client().await;
    let statement = client.prepare("select $1").await.unwrap();
    client.query_one(&statement, &[&"a"]).await.unwrap();
    client.simple_query("bump 2").await.unwrap();
    let row = client.query_one(&statement, &[&"b"]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "b");
}

#[test]
fn statements_in_a_failed_block() {
    let server = start();
    let mut client = server.raw();
    client.start();
    assert_eq!(client.ask(&query("begin")), "CZ T");
    assert_eq!(
        client.ask(&[&execute("fail", 0)[..], SYNC].concat()),
        "12EZ E"
    );
    let error = client.ask_for_error(&[&execute("select 1", 0)[..], SYNC].concat());
    assert_eq!(error.field(b'C').unwrap(), "25P02");
    assert_eq!(
        client.ask(&[&execute("rollback", 0)[..], SYNC].concat()),
        "12CZ I"
    );
}
