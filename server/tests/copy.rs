//! COPY, both ways.

mod support;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use support::raw::{execute, message, query};
use support::start;

const SYNC: &[u8] = b"S\0\0\0\x04";

#[tokio::test]
async fn copy_in_arrives_whole() {
    let server = start();
    let client = server.client().await;
    let sink = client.copy_in::<_, Bytes>("copyin").await.unwrap();
    futures_util::pin_mut!(sink);
    for _ in 0..2000 {
        sink.send(Bytes::from(vec![b'x'; 10_000])).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 20_000_000);
    client.simple_query("select 1").await.unwrap();
}

#[tokio::test]
async fn copy_out_arrives_whole() {
    let server = start();
    let client = server.client().await;
    let stream = client.copy_out("copyout 100000").await.unwrap();
    let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(chunks.len(), 100_000);
    client.simple_query("select 1").await.unwrap();
}

#[test]
fn the_simple_protocol() {
    let server = start();
    let mut client = server.raw();
    client.start();
    assert_eq!(client.ask(&query("copyout 2")), "HddcCZ I");
    client.send(&query("copyin"));
    assert_eq!(client.receive().unwrap().body, b"\0\0\x02\0\0\0\0");
    let data = message(b'd', b"1\t2\n");
    assert_eq!(
        client.ask(&[&data[..], &data, &message(b'c', b"")].concat()),
        "CZ I"
    );
    client.send(&query("copyin"));
    let failed = client.ask_for_error(&[&data[..], &message(b'f', b"no more\0")].concat());
    assert_eq!(failed.field(b'C').unwrap(), "57014");
    assert_eq!(
        failed.field(b'M').unwrap(),
        "COPY from stdin failed: no more"
    );
}

#[test]
fn data_after_an_error_is_skipped() {
    let server = start();
    let mut client = server.raw();
    client.start();
    let (bad, good) = (message(b'd', b"bad line\n"), message(b'd', b"1\t2\n"));
    let error = client.ask_for_error(&[&query("copyin")[..], &bad].concat());
    assert_eq!(error.field(b'C').unwrap(), "22P04");
    assert_eq!(
        client.ask(&[&good[..], &message(b'c', b""), &query("select 1")].concat()),
        "TDCZ I"
    );
    let answer = client.ask(
        &[
            &execute("copyin", 0)[..],
            &bad,
            &good,
            &message(b'c', b""),
            SYNC,
        ]
        .concat(),
    );
    assert_eq!(answer, "12GEZ I");
}

#[test]
fn what_is_no_copy_message_ends_the_session() {
    let server = start();
    let mut client = server.raw();
    client.start();
    let last = client.last_words(&[&query("copyin")[..], &query("select 1")].concat());
    assert_eq!(last.field(b'C').unwrap(), "08P01");
    assert_eq!(
        last.field(b'M').unwrap(),
        "unexpected message type 0x51 during COPY from stdin"
    );
}
