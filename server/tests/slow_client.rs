//! A client that does not read. A test of its own, because it measures the memory of the process.

mod support;

use std::time::{Duration, Instant};
use support::raw::{RawClient, query};
use support::start_with;

#[test]
fn a_client_that_does_not_read_holds_only_itself() {
    let server = start_with(|config| config.session_buffer_bytes = 1 << 18);
    let mut slow = server.raw();
    slow.start();
    slow.send(&query("select wide 300000 1000"));
    std::thread::sleep(Duration::from_millis(300));
    let before = resident_bytes();
    let mut quick = server.raw();
    quick.start();
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(quick.ask(&query("select 1")), "TDCZ I");
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    std::thread::sleep(Duration::from_millis(300));
    let grown = resident_bytes().saturating_sub(before);
    assert!(
        grown < 64 << 20,
        "the gateway holds {grown} bytes more for a client that does not read"
    );
    let rows = count_rows(&mut slow);
    assert_eq!(rows, 300_000);
}

fn count_rows(client: &mut RawClient) -> usize {
    client
        .until_ready()
        .iter()
        .filter(|message| message.tag == 'D')
        .count()
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
