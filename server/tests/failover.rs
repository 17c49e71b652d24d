//! Functions that die, statements that are cancelled, servers that stop.

mod support;

use std::io::{Read, Write};
use std::time::Duration;
use support::raw::{execute, query};
use support::{rows_of, start, trace};
use tokio_postgres::error::SqlState;
use vireo_server::Server;

#[tokio::test]
async fn a_session_survives_its_execute_function() {
    let server = start();
    let client = server.client().await;
    let prepared = client.prepare("select $1").await.unwrap();
    client
        .simple_query("set timezone Asia/Tokyo")
        .await
        .unwrap();
    let error = client.simple_query("crash").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code(), &SqlState::CRASH_SHUTDOWN);
    assert_eq!(
        error.message(),
        "the execute function serving this session was restarted"
    );
    let row = client.query_one(&prepared, &[&"again"]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "again");
    let lines = trace(&client).await;
    let expected = "open [(\"client_encoding\", \"UTF8\"), (\"timezone\", \"Asia/Tokyo\")]";
    assert_eq!(lines[0], expected, "its settings came with it");
}

#[test]
fn a_block_that_is_lost_in_flight() {
    let server = start();
    let mut client = server.raw();
    client.start();
    assert_eq!(client.ask(&query("begin")), "CZ T");
    assert_eq!(client.ask(&query("crash")), "EZ E");
    assert_eq!(
        client
            .ask_for_error(&query("select 1"))
            .field(b'C')
            .unwrap(),
        "25P02"
    );
    assert_eq!(
        client
            .ask_for_error(&query("rollback to a"))
            .field(b'C')
            .unwrap(),
        "25P02"
    );
    assert_eq!(client.ask(&query("commit")), "CZ I");
    assert_eq!(client.ask(&query("select 1")), "TDCZ I");
}

/// Kills the execute function by another session's hand, and waits until it is back.
fn crash_execute(server: &support::Scripted) {
    let mut other = server.raw();
    other.start();
    other.ask_for_error(&query("crash"));
    assert_eq!(other.ask(&query("select 1")), "TDCZ I");
}

#[test]
fn a_block_that_is_lost_while_idle() {
    let server = start();
    let mut client = server.raw();
    client.start();
    let mut lost = |statement: &str, status: char, after: &str| {
        assert_eq!(client.ask(&query("begin")), "CZ T");
        crash_execute(&server);
        client.send(&query(statement));
        let messages = client.until_ready();
        assert_eq!(messages.last().unwrap().body, [status as u8]);
        let code = messages[0].field(b'C');
        assert_eq!(client.ask(&query(after)), "CZ I", "{statement}");
        code
    };
    assert_eq!(lost("insert", 'E', "rollback").as_deref(), Some("57P02"));
    assert_eq!(
        lost("commit", 'I', "insert").as_deref(),
        Some("57P02"),
        "a commit must not seem to succeed"
    );
    assert_eq!(lost("rollback", 'I', "insert"), None);
    assert_eq!(lost("missing", 'E', "commit").as_deref(), Some("57P02"));
}

#[test]
fn a_block_that_is_lost_while_its_next_statement_is_planned() {
    let server = start();
    let mut client = server.raw();
    client.start();
    assert_eq!(client.ask(&query("begin")), "CZ T");
    client.send(&query("held insert"));
    crash_execute(&server);
    let mut other = server.raw();
    other.start();
    other.ask(&query("release"));
    let messages = client.until_ready();
    assert_eq!(
        messages[0].field(b'C').as_deref(),
        Some("57P02"),
        "it must not run on its own"
    );
    assert_eq!(messages.last().unwrap().body, [b'E']);
    assert_eq!(client.ask(&query("rollback")), "CZ I");
}

#[test]
fn a_pipeline_that_is_lost() {
    let server = start();
    let mut client = server.raw();
    client.start();
    client.send(&[&execute("insert", 0)[..], b"H\0\0\0\x04"].concat());
    for tag in ['1', '2', 'C'] {
        assert_eq!(client.receive().unwrap().tag, tag);
    }
    crash_execute(&server);
    let error = client.ask_for_error(b"S\0\0\0\x04");
    assert_eq!(error.field(b'C').unwrap(), "57P02");
    assert_eq!(client.ask(&query("select 1")), "TDCZ I");
}

#[tokio::test]
async fn a_statement_that_kills_parse_twice() {
    let server = start();
    let client = server.client().await;
    let error = client.simple_query("crash parse").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::CRASH_SHUTDOWN));
    let messages = client.simple_query("select on").await.unwrap();
    assert_eq!(rows_of(&messages), ["on"]);
}

#[tokio::test]
async fn a_request_is_cancelled_wherever_it_is() {
    let server = start();
    let client = server.client().await;
    client.simple_query("slow storage").await.unwrap();
    for statement in ["hang", "hang parse", "early"] {
        let token = client.cancel_token();
        let cancel = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            token.cancel_query(tokio_postgres::NoTls).await.unwrap();
        };
        let (result, ()) = tokio::join!(client.simple_query(statement), cancel);
        let error = result.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
        let message = error.as_db_error().unwrap().message();
        assert_eq!(message, "canceling statement due to user request");
    }
    client.simple_query("select 1").await.unwrap();
}

#[test]
fn a_database_that_cannot_be_opened_is_said_at_once() {
    let server = start();
    let mut client = server.raw();
    client.start();
    let error = client.ask_for_error(&query("early"));
    assert_eq!(error.field(b'C').unwrap(), "XX001");
    assert_eq!(error.field(b'M').unwrap(), "the database cannot be opened");
    assert_eq!(client.ask(&query("begin")), "CZ T");
    let message = [execute("early", 0), b"S\0\0\0\x04".to_vec()].concat();
    assert_eq!(client.ask(&message), "EZ E");
    assert_eq!(client.ask(&query("rollback")), "CZ I");
}

#[test]
fn a_cancellation_hits_no_later_statement() {
    let server = start();
    let mut client = server.raw();
    let key = client
        .start()
        .into_iter()
        .find(|message| message.tag == 'K')
        .unwrap()
        .body;
    for secret in [key[4..].to_vec(), vec![0; 4]] {
        for _ in 0..50 {
            let mut other = server.raw();
            let request = [
                &16_i32.to_be_bytes()[..],
                &80_877_102_i32.to_be_bytes(),
                &key[..4],
                &secret,
            ];
            other.send(&request.concat());
            assert!(
                other.receive().is_none(),
                "it is closed when it was acted on"
            );
            assert_eq!(client.ask(&query("select 1")), "TDCZ I");
        }
    }
}

#[tokio::test]
async fn a_statement_timeout() {
    let server = start();
    let client = server.client().await;
    client
        .simple_query("set statement_timeout 50ms")
        .await
        .unwrap();
    let error = client.simple_query("hang").await.unwrap_err();
    assert_eq!(
        error.as_db_error().unwrap().message(),
        "canceling statement due to statement timeout"
    );
}

#[test]
fn a_shutdown_says_why() {
    let server = start();
    let (mut idle, mut busy) = (server.raw(), server.raw());
    idle.start();
    busy.start();
    busy.send(&query("hang"));
    std::thread::sleep(Duration::from_millis(50));
    let address = server.server.addresses()[0];
    server.server.shutdown();
    for client in [&mut idle, &mut busy] {
        let last = client.receive().unwrap();
        assert_eq!(last.field(b'C').unwrap(), "57P01");
        assert!(client.receive().is_none());
    }
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn what_is_in_use_is_said() {
    let server = start();
    let error = Server::start(support::config(server.directory.path()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("in use by another server (process"),
        "{error}"
    );
    let other = tempfile::tempdir().unwrap();
    let mut config = support::config(other.path());
    config.tcp = server.server.addresses().to_vec();
    let error = Server::start(config).unwrap_err().to_string();
    assert!(
        error.contains("cannot listen at 127.0.0.1") && error.contains("in use"),
        "{error}"
    );
    std::fs::write(other.path().join("version"), "vireo 99\n").unwrap();
    let error = Server::start(support::config(other.path()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("has version \"vireo 99\", this program reads \"vireo 1\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_in_memory() {
    let server = start();
    let stream = server.server.connect_local().unwrap();
    let mut config = tokio_postgres::Config::new();
    config.user("postgres");
    let (client, connection) = config
        .connect_raw(stream, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    assert_eq!(
        rows_of(&client.simple_query("select rows 2").await.unwrap()),
        ["0", "1"]
    );
}

#[test]
fn a_unix_socket_and_the_admin_interface() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = support::config(directory.path());
    config.unix = Some((directory.path().to_owned(), 5432));
    let server = Server::start(config).unwrap();
    server.wait_ready(Duration::from_secs(10)).unwrap();
    assert!(directory.path().join(".s.PGSQL.5432").exists());
    let ask = |request: &str| {
        let socket = vireo_server::admin_socket(directory.path());
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        write!(
            stream,
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("GET /health").ends_with("{\"status\":\"ok\"}"));
    let answer = ask("GET /topology");
    for word in [
        "\"functions\":[",
        "\"name\":\"execute0\"",
        "\"thread\":",
        "\"exits\":",
        "\"gateway\":{",
    ] {
        assert!(answer.contains(word), "{word} in {answer}");
    }
    assert!(ask("GET /metrics").contains("vireo_function_restarts{name=\"parse0\""));
    assert!(ask("POST /function/nobody/kill").starts_with("HTTP/1.1 404"));
    assert!(ask("POST /function/execute0/kill").starts_with("HTTP/1.1 200"));
    drop(server);
    assert!(!directory.path().join(".s.PGSQL.5432").exists());
    assert!(!directory.path().join("admin.sock").exists());
}
