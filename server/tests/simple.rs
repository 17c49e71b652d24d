//! The simple protocol, with a stranger's client.

mod support;

use support::{rows_of, start, trace};
use tokio::sync::Mutex;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

/// Held by tests that change the scripted catalog's version, which all servers of this process share, and by those that a
/// change would disturb.
static CATALOG: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_query_and_its_rows() {
    let server = start();
    let client = server.client().await;
    let messages = client.simple_query("select rows 3").await.unwrap();
    assert_eq!(rows_of(&messages), ["0", "1", "2"]);
    assert!(matches!(
        messages.last(),
        Some(SimpleQueryMessage::CommandComplete(3))
    ));
}

#[tokio::test]
async fn several_statements_share_a_transaction() {
    let server = start();
    let client = server.client().await;
    client
        .simple_query("insert 1; select x ;insert 2;")
        .await
        .unwrap();
    let expected = [
        "open [(\"client_encoding\", \"UTF8\")]",
        "run insert 1 sync=false in_block=true",
        "run select x sync=false in_block=true",
        "run insert 2 sync=true in_block=true",
        "run select trace sync=true in_block=false",
    ];
    assert_eq!(trace(&client).await, expected);
}

#[tokio::test]
async fn the_first_error_ends_the_text() {
    let server = start();
    let client = server.client().await;
    let error = client
        .simple_query("insert 1; fail é; insert 2")
        .await
        .unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code(), &SqlState::DIVISION_BY_ZERO);
    let position = Some(&tokio_postgres::error::ErrorPosition::Original(15));
    assert_eq!(error.position(), position, "counted in the whole text");
    assert_eq!(
        trace(&client).await[2..4],
        ["run fail é sync=false in_block=true", "sync failed=true"]
    );
    client
        .simple_query("insert 1; é syntax!")
        .await
        .unwrap_err();
    assert_eq!(
        trace(&client).await[..2],
        ["run insert 1 sync=false in_block=true", "sync failed=true"]
    );
}

#[tokio::test]
async fn an_empty_text() {
    let mut client = start_raw();
    assert_eq!(client.1.ask(&support::raw::query("")), "IZ I");
    assert_eq!(client.1.ask(&support::raw::query(" ; ")), "IZ I");
}

fn start_raw() -> (support::Scripted, support::raw::RawClient) {
    let server = start();
    let mut client = server.raw();
    client.start();
    (server, client)
}

#[tokio::test]
async fn a_statement_that_parse_refuses_fails_the_block() {
    let server = start();
    let client = server.client().await;
    client.simple_query("begin").await.unwrap();
    assert_eq!(code(client.simple_query("missing").await), "42P01");
    assert_eq!(code(client.simple_query("missing").await), "25P02");
    assert_eq!(code(client.simple_query("select 1").await), "25P02");
    assert_eq!(code(client.simple_query("syntax!").await), "42601");
    client.simple_query("commit").await.unwrap();
    client.simple_query("select 1").await.unwrap();
}

fn code<T: std::fmt::Debug>(result: Result<T, tokio_postgres::Error>) -> String {
    result.unwrap_err().code().unwrap().code().to_owned()
}

#[tokio::test]
async fn a_large_result_flows_in_windows() {
    let server = start();
    let client = server.client().await;
    let messages = client.simple_query("select wide 30000 1000").await.unwrap();
    let rows = rows_of(&messages);
    assert_eq!(rows.len(), 30_000);
    assert!(rows.iter().all(|row| row.len() == 1000));
    assert!(
        trace(&client)
            .await
            .iter()
            .filter(|line| *line == "resume sync=true")
            .count()
            > 10
    );
}

#[tokio::test]
async fn notices_and_settings() {
    let mut client = start_raw();
    assert_eq!(client.1.ask(&support::raw::query("notice")), "NCZ I");
    client
        .1
        .send(&support::raw::query("set timezone Europe/Vienna"));
    let messages = client.1.until_ready();
    assert_eq!(messages[0].tag, 'S');
    assert_eq!(messages[0].body, b"TimeZone\0Europe/Vienna\0");
    assert_eq!(
        client
            .1
            .ask(&support::raw::query("set timezone Europe/Vienna")),
        "CZ I",
        "it did not change"
    );
    assert_eq!(
        client.1.ask(&support::raw::query("set work_mem 5")),
        "CZ I",
        "it is not reported"
    );
}

#[tokio::test]
async fn literals_do_not_fill_the_cache() {
    let server = start();
    let client = server.client().await;
    for number in 0..1000 {
        client
            .simple_query(&format!("select {number}"))
            .await
            .unwrap();
    }
    let hits = server.counter("plan_cache_hits");
    assert_eq!(hits, 0);
    for _ in 0..4 {
        client.simple_query("select again").await.unwrap();
    }
    assert_eq!(
        server.counter("plan_cache_hits"),
        2,
        "cached on second sight"
    );
    let mut raw = server.raw();
    raw.start();
    raw.send(&support::raw::query("plans"));
    let messages = raw.until_ready();
    assert!(messages[0].body.starts_with(b"PLANS "), "{messages:?}");
    let count: usize = std::str::from_utf8(&messages[0].body[6..messages[0].body.len() - 1])
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        count < 10,
        "plans that nobody holds are dropped at execute: {count}"
    );
}

#[tokio::test]
async fn a_stale_plan_is_made_again() {
    let _catalog = CATALOG.lock().await;
    let server = start();
    let client = server.client().await;
    for _ in 0..3 {
        client.simple_query("select cached").await.unwrap();
    }
    client.simple_query("bump 2").await.unwrap();
    let messages = client.simple_query("select cached").await.unwrap();
    assert_eq!(rows_of(&messages), ["cached"]);
    assert!(
        trace(&client)
            .await
            .contains(&"stale select cached".to_owned())
    );
}

#[tokio::test]
async fn uncommitted_ddl_bypasses_the_cache() {
    let _catalog = CATALOG.lock().await;
    let server = start();
    let client = server.client().await;
    for _ in 0..3 {
        client.simple_query("select cached").await.unwrap();
    }
    client.simple_query("ddl").await.unwrap();
    let before = server.counter("parse_requests");
    client.simple_query("select cached").await.unwrap();
    assert_eq!(server.counter("parse_requests"), before + 1);
}
