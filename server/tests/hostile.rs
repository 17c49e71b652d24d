//! Clients that break the protocol, or ask for too much.

mod support;

use std::time::Duration;
use support::raw::{message, query, startup};
use support::{start, start_with};

fn check(server: &support::Scripted, bytes: &[u8], state: &str, text: &str) {
    let mut client = server.raw();
    client.start();
    let last = client.last_words(bytes);
    let got = (
        last.field(b'S').unwrap(),
        last.field(b'C').unwrap(),
        last.field(b'M').unwrap(),
    );
    assert_eq!(got, ("FATAL".to_owned(), state.to_owned(), text.to_owned()));
}

#[test]
fn lost_frames_end_the_session() {
    let server = start();
    check(
        &server,
        b"\x01\0\0\0\x04",
        "08P01",
        "invalid frontend message type 1",
    );
    check(&server, b"Q\0\0\0\x03", "08P01", "invalid message length");
    check(
        &server,
        b"Q\xff\xff\xff\xff",
        "08P01",
        "invalid message length",
    );
    check(&server, b"S\0\x10\0\0", "08P01", "invalid message length");
    check(
        &server,
        &message(b'p', b"x\0"),
        "08P01",
        "invalid frontend message type 112",
    );
    server.raw().start();
}

#[test]
fn bad_contents_are_errors() {
    let server = start();
    let mut client = server.raw();
    client.start();
    let sync = b"S\0\0\0\x04";
    let mut check = |bytes: &[u8], state: &str, text: &str| {
        let error = client.ask_for_error(bytes);
        assert_eq!(
            (
                error.field(b'C').unwrap().as_str(),
                error.field(b'M').unwrap().as_str()
            ),
            (state, text)
        );
    };
    check(
        &message(b'Q', b"no end"),
        "08P01",
        "invalid string in message",
    );
    check(&message(b'Q', b"a\0b\0"), "08P01", "invalid message format");
    check(
        &message(b'Q', b"select \xff\0"),
        "22021",
        "invalid byte sequence for encoding \"UTF8\": 0xff",
    );
    check(
        &message(b'Q', b"select '\xff'\0"),
        "22021",
        "invalid byte sequence for encoding \"UTF8\": 0xff",
    );
    check(
        &message(b'Q', b"select \xe2\x28\xa1\0"),
        "22021",
        "invalid byte sequence for encoding \"UTF8\": 0xe2 0x28 0xa1",
    );
    let mut extended =
        |body: &[u8], state: &str, text: &str| check(&[body, sync].concat(), state, text);
    extended(
        &message(b'P', b"\0select 1\0"),
        "08P01",
        "insufficient data left in message",
    );
    extended(
        &message(b'P', b"\0select 1\0\xff\xff"),
        "08P01",
        "insufficient data left in message",
    );
    extended(
        &message(b'B', b"\0\0\0\0\0\x01\0\0\0\x09x"),
        "08P01",
        "insufficient data left in message",
    );
    extended(
        &message(b'B', b"\0\0\0\0\0\x01\x80\0\0\0"),
        "08P01",
        "invalid message format",
    );
    extended(
        &message(b'E', b"\0\0"),
        "08P01",
        "insufficient data left in message",
    );
    extended(
        &message(b'D', b""),
        "08P01",
        "insufficient data left in message",
    );
    let bind = message(b'B', b"\0n\0\0\0\0\x01\0\0\0\x02a\0\0\0");
    let parse = message(b'P', b"n\0select $1\0\0\0");
    extended(
        &[parse, bind].concat(),
        "22021",
        "invalid byte sequence for encoding \"UTF8\": 0x00",
    );
    check(
        &message(b'F', b""),
        "0A000",
        "the function call protocol is not supported",
    );
}

#[test]
fn startup_packets() {
    let server = start();
    let refused = |bytes: &[u8]| {
        let last = server.raw().last_words(bytes);
        format!(
            "{} {}",
            last.field(b'C').unwrap(),
            last.field(b'M').unwrap()
        )
    };
    assert_eq!(
        refused(b"\0\0\0\x03"),
        "08P01 invalid length of startup packet"
    );
    assert_eq!(
        refused(b"\xff\0\0\0"),
        "08P01 invalid length of startup packet"
    );
    assert_eq!(
        refused(b"\0\0\0\x08\0\x02\0\0"),
        "0A000 unsupported frontend protocol 2.0: server supports 3.0 to 3.0"
    );
    assert_eq!(
        refused(&startup(&[("user", "eve")])),
        "28000 role \"eve\" does not exist"
    );
    assert_eq!(
        refused(&startup(&[("database", "postgres")])),
        "28000 no PostgreSQL user name specified in startup packet"
    );
    assert_eq!(
        refused(&startup(&[("user", "postgres"), ("database", "other")])),
        "3D000 database \"other\" does not exist"
    );
    assert_eq!(
        refused(&startup(&[
            ("user", "postgres"),
            ("client_encoding", "LATIN1")
        ])),
        "22023 invalid value for parameter \"client_encoding\": \"LATIN1\""
    );
    assert_eq!(
        refused(&startup(&[("user", "postgres"), ("no_such", "1")])),
        "42704 unrecognized configuration parameter \"no_such\""
    );
    assert_eq!(
        refused(&startup(&[
            ("user", "postgres"),
            ("options", "-c datestyle=x")
        ])),
        "22023 invalid value for parameter \"DateStyle\": \"x\""
    );
    assert_eq!(
        refused(b"\0\0\0\x0b\0\x03\0\0usr"),
        "08P01 invalid string in message"
    );
}

#[test]
fn encryption_is_declined_and_versions_are_negotiated() {
    let server = start();
    let mut client = server.raw();
    client.send(&[8_i32.to_be_bytes(), 80_877_103_i32.to_be_bytes()].concat());
    let mut answer = [0];
    std::io::Read::read_exact(&mut client.stream, &mut answer).unwrap();
    assert_eq!(&answer, b"N");
    let mut packet = startup(&[
        ("user", "postgres"),
        ("application_name", "x"),
        ("_pq_.a", "1"),
    ]);
    packet[7] = 2;
    client.send(&packet);
    let messages = client.until_ready();
    assert_eq!(messages[0].tag, 'v');
    assert_eq!(messages[0].body, b"\0\x03\0\0\0\0\0\x01_pq_.a\0");
    let reported: Vec<&[u8]> = messages
        .iter()
        .filter(|m| m.tag == 'S')
        .map(|m| &m.body[..])
        .collect();
    assert!(reported.contains(&&b"application_name\0x\0"[..]));
    assert!(reported.contains(&&b"server_version\x0015.0 (Vireo 0.1)\0"[..]));
}

#[test]
fn too_many_clients() {
    let server = start_with(|config| config.connections_max = 2);
    let (mut first, mut second) = (server.raw(), server.raw());
    first.start();
    second.start();
    let last = server.raw().last_words(&startup(&[("user", "postgres")]));
    assert_eq!(last.field(b'C').unwrap(), "53300");
    first.send(b"X\0\0\0\x04");
    assert!(first.receive().is_none());
    server.raw().start();
}

#[test]
fn a_silent_client_is_dropped() {
    let server = start_with(|config| config.startup_timeout = Duration::from_millis(50));
    assert!(server.raw().receive().is_none());
}

#[test]
fn a_huge_statement() {
    let server = start();
    let mut client = server.raw();
    client.start();
    let text = format!("select 1 --{}", "x".repeat(100 << 20));
    assert_eq!(client.ask(&query(&text)), "TDCZ I");
    let server = start_with(|config| config.message_bytes_max = 1 << 20);
    check(
        &server,
        &query(&text)[..100],
        "08P01",
        "invalid message length",
    );
}
