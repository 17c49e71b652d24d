//! A data directory that cannot be opened: the reason, at once, and exit status 1.

use crate::support::{Place, block_on, vireo};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// What a refusal may take, with the boot of the functions.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Offsets of the two superblocks of the data volume.
const SUPERBLOCKS: [u64; 2] = [0, 4096];

fn flip(file: &Path, offset: u64) {
    let file = OpenOptions::new().read(true).write(true).open(file);
    let file = file.expect("a volume");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("read");
    file.write_all_at(&[byte[0] ^ 0x40], offset)
        .expect("written");
}

/// A data directory in which a table has one row.
fn made() -> Place {
    let place = Place::new();
    let server = place.serve();
    block_on(async {
        let client = server.client().await;
        let text = "CREATE TABLE t (a int); INSERT INTO t VALUES (7)";
        client.batch_execute(text).await.expect("made");
    });
    server.stop();
    place
}

fn check_refused(place: &Place, expected: &str) {
    let (said, took) = place.refused("127.0.0.1:0");
    assert!(said.contains(expected), "{said}");
    assert!(took < AT_ONCE, "{took:?}");
    let mut shell = vireo();
    shell
        .args(["sql", "-c", "SELECT 1", "--data"])
        .arg(place.data());
    let output = shell.output().expect("vireo is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(expected), "{said}");
}

fn check_open(place: &Place) {
    let server = place.serve();
    block_on(async {
        let row = server
            .client()
            .await
            .query_one("SELECT a FROM t", &[])
            .await;
        assert_eq!(row.expect("one row").get::<_, i32>(0), 7);
    });
    server.stop();
}

#[test]
fn one_damaged_superblock_is_survived_and_two_are_not() {
    let place = made();
    let volume = place.data().join("data.vol");
    for offset in SUPERBLOCKS {
        flip(&volume, offset + 100);
        check_open(&place);
    }
    for offset in SUPERBLOCKS {
        flip(&volume, offset + 100);
    }
    let reason = "the database cannot be opened: the superblock of the data volume is damaged";
    check_refused(&place, reason);
}

#[test]
fn a_damaged_log_header() {
    let place = made();
    flip(&place.data().join("wal.vol"), 20);
    let reason = "the database cannot be opened: the superblock of the log volume is damaged";
    check_refused(&place, reason);
    flip(&place.data().join("wal.vol"), 20);
    check_open(&place);
}

#[test]
fn volumes_of_two_databases() {
    let (place, other) = (made(), made());
    let log = place.data().join("wal.vol");
    std::fs::remove_file(&log).expect("removed");
    check_refused(
        &place,
        "the log volume is empty, but the other belongs to a database",
    );
    std::fs::copy(other.data().join("wal.vol"), &log).expect("copied");
    let reason = "the log volume belongs to another database than the data volume";
    check_refused(&place, reason);
}

#[test]
fn a_directory_and_a_volume_of_another_version() {
    let place = made();
    let version = place.data().join("version");
    std::fs::write(&version, "vireo 7\n").expect("written");
    check_refused(
        &place,
        "has version \"vireo 7\", this program reads \"vireo 1\"",
    );
    std::fs::write(&version, "vireo 1\n").expect("written");
    // A log header of version 9, which is what a later program would write: the checksum fits.
    let log = place.data().join("wal.vol");
    let file = OpenOptions::new().read(true).write(true).open(log);
    let file = file.expect("a volume");
    let mut block = vec![0; 4096];
    file.read_exact_at(&mut block, 0).expect("read");
    block[4] = 9;
    let checksum = crc32c(&block[4..]);
    block[..4].copy_from_slice(&checksum.to_le_bytes());
    file.write_all_at(&block, 0).expect("written");
    let reason = "the log volume has format version 9, this program reads version 1";
    check_refused(&place, reason);
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    let fold = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), step);
    !bytes.iter().fold(!0, fold)
}

#[test]
fn a_second_server_and_a_taken_port() {
    let place = Place::new();
    let server = place.serve();
    let (said, took) = place.refused("127.0.0.1:0");
    assert!(
        said.contains("is in use by another server (process "),
        "{said}"
    );
    assert!(took < AT_ONCE, "{took:?}");
    let (said, took) = Place::new().refused(&server.address.to_string());
    let expected = format!(
        "cannot listen at {}: Address already in use",
        server.address
    );
    assert!(said.contains(&expected), "{said}");
    assert!(took < AT_ONCE, "{took:?}");
    block_on(async {
        let row = server.client().await.query_one("SELECT 1", &[]).await;
        row.expect("the first server serves on");
    });
    server.stop();
}
