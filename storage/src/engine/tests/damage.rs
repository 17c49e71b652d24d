//! Bits that flip and reads that fail: both are said, with the place, and what is damaged is never returned as data.

use super::crash::{Step, run, script, verify};
use super::*;

/// A database at rest: its script's commits are in pages and in the log.
fn at_rest(memory: TestMemory, seed: u64) -> (Machine, Vec<Step>) {
    let script = script(seed, 30);
    let mut m = Machine::with_log(memory, seed, 1 << 20);
    m.config.checkpoint_bytes = 60 << 10;
    m.restart();
    assert!(m.open());
    run(&mut m, &script, 0);
    assert!(m.run_until(|m| m.engine.is_idle()));
    m.wal.reopen();
    m.data.reopen();
    (m, script)
}

/// Starts a new engine on the disks: why it does not open, if it does not.
fn reopen(m: &mut Machine) -> Option<String> {
    m.restart();
    if m.open() {
        return None;
    }
    match &m.engine.phase {
        Phase::Failed(failure) => Some(failure.message.clone()),
        _ => panic!("it neither opens nor fails"),
    }
}

/// Flips a bit of each page of the data volume that was ever written. A page that is needed is named, one that is not
/// changes nothing.
#[test]
fn a_flipped_bit_of_a_page_is_named() {
    let (mut m, script) = at_rest(TestMemory::new(3000), 201);
    let mut random = Random(202);
    let (mut named, mut unused) = (0, 0);
    for page in 2..m.data.sectors_used / 8 {
        let at = page * 4096 + random.below(4096);
        m.data.damage(at);
        match reopen(&mut m) {
            Some(message) => {
                let expected = format!("page {page} is damaged: its checksum is wrong");
                assert!(message.contains(&expected), "byte {at}: {message}");
                named += 1;
            }
            None => {
                assert_eq!(verify(&m, &script), Some(script.len() - 1), "byte {at}");
                unused += 1;
            }
        }
        m.data.damage(at);
        m.wal.reopen();
        m.data.reopen();
    }
    assert!(
        named > 10 && unused > 10,
        "{named} pages were needed, {unused} not"
    );
    assert_eq!(reopen(&mut m), None);
    assert_eq!(verify(&m, &script), Some(script.len() - 1));
}

/// Flips a bit of each superblock: the other one leads to the same rows.
#[test]
fn a_flipped_bit_of_one_superblock_is_survived() {
    let (mut m, script) = at_rest(TestMemory::new(3000), 203);
    for block in 0..2 {
        for byte in (0..4096).step_by(61) {
            let at = block * 4096 + byte;
            m.data.damage(at);
            assert_eq!(reopen(&mut m), None, "byte {at}");
            assert_eq!(verify(&m, &script), Some(script.len() - 1), "byte {at}");
            m.data.damage(at);
            m.wal.reopen();
            m.data.reopen();
        }
    }
}

/// A read that fails while the database opens is said; when the disk is well again, all is there.
#[test]
fn a_failed_read_is_named() {
    let (mut m, script) = at_rest(TestMemory::new(3000), 205);
    for on_wal in [true, false] {
        let mut failed = 0;
        loop {
            let disk = if on_wal { &mut m.wal } else { &mut m.data };
            let at = disk.reads() + failed + 1;
            disk.fault_at(at, Fault::ReadError);
            let Some(message) = reopen(&mut m) else {
                break;
            };
            let volume = if on_wal { "log" } else { "data" };
            assert!(
                message.contains(&format!("could not read the {volume} volume")),
                "{message}"
            );
            failed += 1;
            m.wal.reopen();
            m.data.reopen();
        }
        assert!(failed > 1, "only {failed} reads");
        assert_eq!(verify(&m, &script), Some(script.len() - 1));
        m.wal.reopen();
        m.data.reopen();
    }
}

/// Flips a bit of each block of the log that was ever written. A frame that a later one knows durable is named; of the last
/// nobody can say whether it was torn by a power cut, and the database opens without it.
#[test]
fn a_flipped_bit_of_the_log_is_named() {
    const COMMITS: u64 = 20;
    let memory = TestMemory::new(3000);
    let filled = || {
        let mut m = Machine::with_log(memory, 207, 1 << 20);
        m.restart();
        assert!(m.open());
        m.commit(1, create(20));
        for commit in 0..COMMITS {
            // Now and then a frame of several blocks.
            let value = vec![7; if commit % 5 == 0 { 9000 } else { 10 }];
            let body = put(20, &commit.to_be_bytes(), &value, Version(0));
            let reply = m.commit(commit + 2, body);
            assert!(matches!(reply, StorageReply::Committed { .. }), "{reply:?}");
        }
        m.wal.reopen();
        m.data.reopen();
        m
    };
    let blocks = filled().wal.sectors_used / 8;
    let mut random = Random(208);
    let (mut named, mut torn) = (0, 0);
    for block in 1..blocks {
        let mut m = filled();
        // Among a frame's first bytes, as most of a block may be padding.
        let at = block * 4096 + random.below(64);
        m.wal.damage(at);
        match reopen(&mut m) {
            Some(message) => {
                assert!(message.contains("the log is damaged at"), "{message}");
                assert_eq!(torn, 0, "byte {at}: a frame before the last");
                named += 1;
            }
            None => {
                let rows = m.rows(TreeId(20)).map_or(0, |rows| rows.len() as u64);
                assert_eq!(rows, COMMITS - 1, "byte {at}: only the last commit is torn");
                torn += 1;
            }
        }
    }
    assert!(
        named > COMMITS && torn == 1,
        "{named} blocks of {blocks} named, {torn} torn"
    );
}
