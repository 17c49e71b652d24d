//! Hostile input: an error as PostgreSQL gives it, and the server serves on.

use crate::raw::{Message, RawClient, message, query};
use crate::support::{Place, Serve};

/// A large statement: 100 MB.
const LARGE: usize = 100 << 20;

fn started() -> (Place, Serve) {
    let place = Place::new();
    let server = place.serve();
    (place, server)
}

fn state(error: &Message) -> String {
    error.field(b'C').expect("an SQLSTATE")
}

/// The SQLSTATE and message of the error that the statement ends with.
fn error_of(client: &mut RawClient, bytes: &[u8]) -> String {
    let error = client.ask_for_error(bytes);
    format!(
        "{} {}",
        state(&error),
        error.field(b'M').expect("a message")
    )
}

/// The session serves on.
fn check_alive(client: &mut RawClient) {
    assert_eq!(client.ask(&query("SELECT 1")), "TDCZ I");
}

#[test]
fn malformed_packets_end_their_session_only() {
    let (_place, server) = started();
    let mut other = server.raw();
    for (bytes, expected) in [
        (&b"\x01\0\0\0\x04"[..], "invalid frontend message type 1"),
        (b"Q\0\0\0\x03", "invalid message length"),
        (b"Q\xff\xff\xff\xff", "invalid message length"),
    ] {
        let last = server.raw().last_words(bytes);
        assert_eq!(state(&last), "08P01");
        assert_eq!(last.field(b'M').as_deref(), Some(expected));
        check_alive(&mut other);
    }
    let mut client = server.raw();
    let got = error_of(&mut client, &message(b'Q', b"no end"));
    assert_eq!(got, "08P01 invalid string in message");
    check_alive(&mut client);
}

#[test]
fn a_statement_of_100_mb() {
    let (place, server) = started();
    let mut client = server.raw();
    assert_eq!(client.ask(&query("CREATE TABLE t (a text)")), "CZ I");
    let garbage = query(&"x".repeat(LARGE));
    let insert = query(&format!("INSERT INTO t VALUES ('{}')", "y".repeat(LARGE)));
    let too_large = query(&";".repeat(300 << 20));
    let mut resident = Vec::new();
    for _ in 0..3 {
        let got = error_of(&mut client, &garbage);
        assert!(got.starts_with("42601 syntax error at or near \"xxx"));
        assert_eq!(error_of(&mut client, &too_large), "53200 out of memory");
        check_alive(&mut client);
        resident.push(server.resident_kb());
    }
    assert!(resident[2] < resident[1] + (20 << 10), "{resident:?}");
    assert_eq!(client.ask(&insert), "CZ I");
    client.send(&query("SELECT length(a) FROM t"));
    let messages = client.until_ready();
    assert!(messages[1].body.ends_with(LARGE.to_string().as_bytes()));
    assert!(!place.log().contains("function down"), "{}", place.log());
}

#[test]
fn deep_nesting_is_too_complex() {
    let (place, server) = started();
    let mut client = server.raw();
    let deep = |open: &str, inner: &str, close: &str| {
        let depth = 10_000;
        format!(
            "SELECT {}{inner}{}",
            open.repeat(depth),
            close.repeat(depth)
        )
    };
    for text in [
        deep("(", "1", ")"),
        deep("1+(", "1", ")"),
        deep("NOT ", "true", ""),
        deep("- ", "1", ""),
        deep("(SELECT ", "1", ")"),
        deep("abs(", "1", ")"),
        deep("CASE WHEN true THEN ", "1", " END"),
        deep("1 + ", "1", ""),
        format!("SELECT 1 FROM {}t", "(SELECT 1 FROM ".repeat(10_000)),
        format!("SELECT 1{}", " UNION SELECT 1".repeat(10_000)),
        format!("SELECT 1{}", "::int".repeat(10_000)),
        format!("SELECT * FROM t{}", " CROSS JOIN t".repeat(10_000)),
    ] {
        let start = &text[..text.len().min(30)];
        client.send(&query(&text));
        let messages = client.until_ready();
        if let Some(error) = messages.iter().find(|message| message.tag == 'E') {
            // Long chains are too large rather than too deep.
            let state = state(error);
            let is_chain = text.contains("UNION") || text.contains("CROSS JOIN");
            let is_fine = state == "54001" || (is_chain && ["42P01", "53200"].contains(&&*state));
            assert!(is_fine, "{start}: {error:?}");
        }
        check_alive(&mut client);
    }
    let got = error_of(&mut client, &query(&deep("(", "1", ")")));
    assert!(got.starts_with("54001 stack depth limit exceeded"), "{got}");
    assert!(!place.log().contains("function down"), "{}", place.log());
}

#[test]
fn bytes_that_are_no_utf8() {
    let (_place, server) = started();
    let mut client = server.raw();
    assert_eq!(client.ask(&query("CREATE TABLE t (a text)")), "CZ I");
    let sync = message(b'S', b"");
    let expected = "22021 invalid byte sequence for encoding \"UTF8\": 0xff";
    let got = error_of(&mut client, &message(b'Q', b"SELECT '\xff'\0"));
    assert_eq!(got, expected);
    let parse = message(b'P', b"\0SELECT '\xff'\0\0\0");
    assert_eq!(
        error_of(&mut client, &[parse, sync.clone()].concat()),
        expected
    );
    let parse = message(b'P', b"\0SELECT $1::text\0\0\0");
    let bind = message(b'B', b"\0\0\0\0\0\x01\0\0\0\x02a\xff\0\0");
    let run = message(b'E', b"\0\0\0\0\0");
    let got = error_of(&mut client, &[parse, bind, run, sync].concat());
    assert_eq!(got, expected);
    let got = copy(&mut client, "COPY t FROM STDIN", b"good\nb\xffd\n");
    assert_eq!(got, expected);
    check_alive(&mut client);
}

#[test]
fn parameters_of_a_wrong_length() {
    let (_place, server) = started();
    let mut client = server.raw();
    for (bytes, expected) in [
        (&b"\0\0\x01"[..], "08P01 insufficient data left in message"),
        (b"", "08P01 insufficient data left in message"),
        (
            b"\0\0\0\0\x01",
            "22P03 incorrect binary data format in bind parameter 1",
        ),
    ] {
        let parse = message(b'P', b"\0SELECT $1::int4\0\0\0");
        let length = (bytes.len() as i32).to_be_bytes();
        let bind = [&b"\0\0\0\x01\0\x01\0\x01"[..], &length, bytes, b"\0\0"].concat();
        let run = message(b'E', b"\0\0\0\0\0");
        let all = [parse, message(b'B', &bind), run, message(b'S', b"")].concat();
        assert_eq!(error_of(&mut client, &all), expected);
        check_alive(&mut client);
    }
}

/// What COPY FROM STDIN with this data fails with.
fn copy(client: &mut RawClient, statement: &str, data: &[u8]) -> String {
    client.send(&query(statement));
    assert_eq!(client.receive().expect("an answer").tag, 'G');
    let all = [message(b'd', data), message(b'c', b"")].concat();
    error_of(client, &all)
}

#[test]
fn copy_lines_that_do_not_fit() {
    let (_place, server) = started();
    let mut client = server.raw();
    let table = "CREATE TABLE t (a int, b text, c int)";
    assert_eq!(client.ask(&query(table)), "CZ I");
    for (data, expected) in [
        (
            &b"1\tx\t1\n2\ty\n"[..],
            "22P04 missing data for column \"c\"",
        ),
        (b"1\n", "22P04 missing data for column \"b\""),
        (
            b"1\tx\t1\t1\n",
            "22P04 extra data after last expected column",
        ),
        (
            b"x\tx\t1\n",
            "22P02 invalid input syntax for type integer: \"x\"",
        ),
    ] {
        assert_eq!(copy(&mut client, "COPY t FROM STDIN", data), expected);
        check_alive(&mut client);
    }
    client.send(&query("SELECT count(*) FROM t"));
    let messages = client.until_ready();
    assert!(
        messages[1].body.ends_with(b"\0\0\0\x010"),
        "nothing is there"
    );
}
