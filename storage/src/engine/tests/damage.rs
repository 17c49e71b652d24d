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
