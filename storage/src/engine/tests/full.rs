//! Full volumes: writers are refused with 53100, nothing is lost, and they go on when there is room.

use super::*;
use std::collections::BTreeSet;

const TREE: u32 = 20;

fn row(number: u64) -> Vec<u8> {
    put(
        TREE,
        &number.to_be_bytes(),
        &[number as u8; 900],
        Version(0),
    )
}

/// Commits rows from `from` on until one is refused: its number.
fn commit_until_refused(m: &mut Machine, from: u64) -> u64 {
    for number in from..from + 5000 {
        match m.commit(number + 10, row(number)) {
            StorageReply::Committed { .. } => {}
            StorageReply::Failed { error, .. } => {
                assert_eq!(error.state(), "53100", "{error}");
                return number;
            }
            reply => panic!("{reply:?}"),
        }
    }
    panic!("nothing was refused");
}

fn assert_rows(m: &Machine, expected: core::ops::Range<u64>) {
    let rows = m.rows(TreeId(TREE)).expect("the tree is there");
    let numbers: BTreeSet<u64> = rows
        .iter()
        .map(|(key, _)| u64::from_be_bytes(*key.first_chunk().expect("8 bytes")))
        .collect();
    assert!(numbers.iter().copied().eq(expected), "{numbers:?}");
    for (key, value) in rows {
        assert_eq!(value, [key[7]; 900]);
    }
}

fn stage_is_refused(m: &mut Machine, number: u64) -> bool {
    let request = m.request();
    let (txn, body) = (TxnId(1 << 40), row(number));
    m.send(1, StorageRequest::Stage { txn, request }, body);
    match m.reply() {
        StorageReply::Failed { error, .. } => {
            assert_eq!(error.state(), "53100", "{error}");
            true
        }
        StorageReply::Staged { .. } => {
            m.send(1, StorageRequest::Abort { txn }, Vec::new());
            false
        }
        reply => panic!("{reply:?}"),
    }
}

/// The log's circle fills while no checkpoint can end, because the data volume has no space.
#[test]
fn a_full_log_refuses_writers_until_the_data_volume_has_room() {
    let mut m = Machine::with_log(TestMemory::new(6000), 301, 1 << 20);
    assert!(m.open());
    assert!(matches!(
        m.commit(1, create(TREE)),
        StorageReply::Committed { .. }
    ));
    assert!(m.run_until(|m| m.engine.is_idle()));
    let mut next = 0;
    for round in 0..4 {
        m.data.is_full = true;
        let refused = commit_until_refused(&mut m, next);
        assert!(refused > next + 20, "round {round}: refused at {refused}");
        assert!(stage_is_refused(&mut m, refused));
        assert_rows(&m, 0..refused);
        // It stays so, also for an engine that starts anew, with or without power.
        if round % 2 == 1 {
            let (wal, data) = (&mut m.wal, &mut m.data);
            if round == 1 {
                wal.restart();
                data.restart();
            } else {
                wal.reopen();
                data.reopen();
            }
            m.restart();
            assert!(m.open());
            assert_rows(&m, 0..refused);
        }
        next = commit_until_refused(&mut m, refused);
        m.data.is_full = false;
        assert!(m.run_until(|m| !stage_is_refused(m, next)));
        for number in next..next + 30 {
            let reply = m.commit(number + 10, row(number));
            assert!(matches!(reply, StorageReply::Committed { .. }), "{reply:?}");
        }
        next += 30;
        assert_rows(&m, 0..next);
    }
    m.wal.restart();
    m.data.restart();
    m.restart();
    assert!(m.open());
    assert_rows(&m, 0..next);
}
