//! Locks, versions, stages, numbers.

use super::*;

fn machine(seed: u64) -> Machine {
    let mut machine = Machine::new(TestMemory::new(6000), seed);
    assert!(machine.open());
    let reply = machine.commit(1, create(20));
    assert!(matches!(reply, StorageReply::Committed { .. }), "{reply:?}");
    machine
}

fn lock_request(machine: &mut Machine, txn: u64, keys: &[(&[u8], Version)]) -> StorageRequest {
    StorageRequest::Lock {
        txn: TxnId(txn),
        request: machine.request(),
        keys: keys
            .iter()
            .map(|(key, version)| LockKey {
                tree: TreeId(20),
                key: key.to_vec(),
                mode: LockMode::Exclusive,
                version: *version,
            })
            .collect(),
        wait: LockWait::Wait,
    }
}

fn quiet(machine: &mut Machine) {
    for _ in 0..200 {
        machine.poll();
    }
    assert_eq!(machine.engine.reply(), None);
}

fn committed(reply: StorageReply) -> Version {
    match reply {
        StorageReply::Committed { version, .. } => version,
        reply => panic!("{reply:?}"),
    }
}

fn locked(reply: StorageReply) -> Vec<u32> {
    match reply {
        StorageReply::Locked { changed, .. } => changed,
        reply => panic!("{reply:?}"),
    }
}

fn failed(reply: StorageReply) -> String {
    match reply {
        StorageReply::Failed { error, .. } => error.state().to_string(),
        reply => panic!("{reply:?}"),
    }
}

#[test]
fn versions_are_compared() {
    let mut m = machine(1);
    let version = committed(m.commit(2, put(20, b"a", b"1", Version(0))));
    assert_eq!(m.version(TreeId(20), b"a"), version);
    let reply = m.commit(3, put(20, b"a", b"2", Version(0)));
    assert!(
        matches!(
            reply,
            StorageReply::Conflict {
                tree: TreeId(20),
                ..
            }
        ),
        "{reply:?}"
    );
    committed(m.commit(4, put(20, b"a", b"2", version)));
    committed(m.commit(5, put(20, b"a", b"3", UNCHECKED)));
    let reply = m.commit(6, put(99, b"a", b"3", UNCHECKED));
    assert!(
        matches!(
            reply,
            StorageReply::Conflict {
                tree: TreeId(99),
                ..
            }
        ),
        "{reply:?}"
    );
    assert_eq!(
        m.rows(TreeId(20)),
        Some(vec![(b"a".to_vec(), b"3".to_vec())])
    );
    failed(m.commit(7, b"\x09garbage".to_vec()));
}

#[test]
fn commits_are_grouped_and_see_each_other() {
    let mut m = machine(2);
    let flushes = m.wal.flushes;
    for txn in 0..40u64 {
        let key = (txn / 2).to_be_bytes();
        let request = m.request();
        let (relied_on, durable) = (Vec::new(), true);
        let commit = StorageRequest::Commit {
            txn: TxnId(txn + 10),
            request,
            relied_on,
            durable,
        };
        m.send(1, commit, put(20, &key, b"value", Version(0)));
    }
    let mut commits = 0;
    for _ in 0..40 {
        commits += usize::from(matches!(m.reply(), StorageReply::Committed { .. }));
    }
    assert_eq!(commits, 20, "one of each two");
    assert!(
        m.wal.flushes - flushes <= 3,
        "{} flushes",
        m.wal.flushes - flushes
    );
}

#[test]
fn a_lock_waits_and_tells_of_the_change() {
    let mut m = machine(3);
    let version = committed(m.commit(2, put(20, b"a", b"1", Version(0))));
    let first = lock_request(&mut m, 10, &[(b"a", version)]);
    m.send(1, first, Vec::new());
    assert!(locked(m.reply()).is_empty());
    let second = lock_request(&mut m, 11, &[(b"a", version)]);
    m.send(2, second, Vec::new());
    // A commit out of the blue waits as well.
    let (request, relied_on) = (m.request(), Vec::new());
    let commit = StorageRequest::Commit {
        txn: TxnId(12),
        request,
        relied_on,
        durable: true,
    };
    m.send(3, commit, put(20, b"a", b"blue", version));
    quiet(&mut m);
    committed(m.commit(10, put(20, b"a", b"2", version)));
    assert_eq!(locked(m.reply()), [0]);
    assert_eq!(
        m.rows(TreeId(20)),
        Some(vec![(b"a".to_vec(), b"2".to_vec())])
    );
    m.send(2, StorageRequest::Abort { txn: TxnId(11) }, Vec::new());
    assert!(matches!(m.reply(), StorageReply::Conflict { .. }));
}

#[test]
fn deadlocks_withdrawals_and_dead_peers_end_waits() {
    let mut m = machine(4);
    for (txn, key) in [(1, b"a"), (2, b"b")] {
        let lock = lock_request(&mut m, txn, &[(key, Version(0))]);
        m.send(txn as u32, lock, Vec::new());
        locked(m.reply());
    }
    let waits = lock_request(&mut m, 1, &[(b"b", Version(0))]);
    m.send(1, waits, Vec::new());
    quiet(&mut m);
    let closes = lock_request(&mut m, 2, &[(b"a", Version(0))]);
    m.send(2, closes, Vec::new());
    assert_eq!(failed(m.reply()), "40P01");
    // The first still waits; the second's end lets it go on.
    m.engine.peer_down(2);
    locked(m.reply());
    let third = lock_request(&mut m, 3, &[(b"c", Version(0)), (b"a", Version(0))]);
    let StorageRequest::Lock { request, .. } = third else {
        unreachable!()
    };
    m.send(3, third, Vec::new());
    quiet(&mut m);
    m.send(3, StorageRequest::Withdraw { request }, Vec::new());
    assert_eq!(failed(m.reply()), "57014");
    let free = lock_request(&mut m, 5, &[(b"c", Version(0))]);
    m.send(5, free, Vec::new());
    locked(m.reply());
}

#[test]
fn a_table_lock_excludes_rows() {
    let mut m = machine(5);
    let row = lock_request(&mut m, 1, &[(b"a", Version(0))]);
    m.send(1, row, Vec::new());
    locked(m.reply());
    let table = lock_request(&mut m, 2, &[(b"", Version(0))]);
    m.send(2, table, Vec::new());
    quiet(&mut m);
    // Nobody passes it.
    let row = lock_request(&mut m, 3, &[(b"z", Version(0))]);
    m.send(3, row, Vec::new());
    quiet(&mut m);
    m.send(1, StorageRequest::Abort { txn: TxnId(1) }, Vec::new());
    locked(m.reply());
    quiet(&mut m);
    m.send(2, StorageRequest::Abort { txn: TxnId(2) }, Vec::new());
    locked(m.reply());
}

fn stage(m: &mut Machine, txn: u64, body: Vec<u8>) -> Vec<(TreeId, vireo_abi::ids::PageId)> {
    let request = m.request();
    m.send(
        1,
        StorageRequest::Stage {
            txn: TxnId(txn),
            request,
        },
        body,
    );
    match m.reply() {
        StorageReply::Staged { roots, .. } => roots,
        reply => panic!("{reply:?}"),
    }
}

fn many(range: core::ops::Range<u64>, value: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for n in range {
        body.extend_from_slice(&put(20, &n.to_be_bytes(), value, Version(0)));
    }
    body
}

#[test]
fn staged_rows_are_private_until_the_commit() {
    let mut m = machine(6);
    let roots = stage(&mut m, 7, many(0..1000, b"staged"));
    assert_eq!(m.rows(TreeId(20)), Some(Vec::new()));
    let view = m.view(true);
    let tree = crate::Tree::at(roots[0].1);
    let entry = tree
        .get(&view, &500u64.to_be_bytes())
        .expect("sound")
        .expect("staged");
    assert_eq!(entry.value, Value::Inline(b"staged"));
    stage(&mut m, 7, many(1000..3000, b"staged"));
    assert!(
        tree.get(&view, &1500u64.to_be_bytes())
            .expect("sound")
            .is_none()
    );
    // Into an empty tree: as it is.
    committed(m.commit(7, Vec::new()));
    assert_eq!(m.rows(TreeId(20)).map(|rows| rows.len()), Some(3000));
    // Into a tree with rows: merged.
    stage(&mut m, 8, many(3000..5000, b"more"));
    committed(m.commit(8, Vec::new()));
    assert_eq!(m.rows(TreeId(20)).map(|rows| rows.len()), Some(5000));
    // One of them exists by now.
    stage(&mut m, 9, many(4999..5010, b"late"));
    let reply = m.commit(9, Vec::new());
    assert!(matches!(reply, StorageReply::Conflict { .. }), "{reply:?}");
    // Replacing, removing, and a new tree made by the commit itself.
    let version = m.version(TreeId(20), &1u64.to_be_bytes());
    let mut body = put(20, &1u64.to_be_bytes(), b"new", version);
    let key = 2u64.to_be_bytes();
    let version = m.version(TreeId(20), &key);
    encode(
        Operation::Delete {
            tree: TreeId(20),
            key: &key,
            version,
        },
        &mut body,
    );
    body.extend_from_slice(&put(21, b"k", b"v", Version(0)));
    stage(&mut m, 10, body);
    committed(m.commit(10, create(21)));
    let rows = m.rows(TreeId(20)).expect("exists");
    assert_eq!((rows.len(), &rows[1].1[..]), (4999, &b"new"[..]));
    assert_eq!(m.rows(TreeId(21)).map(|rows| rows.len()), Some(1));
}

#[test]
fn a_staged_commit_waits_for_row_locks() {
    let mut m = machine(12);
    committed(m.commit(2, many(0..10, b"old")));
    let key = 5u64.to_be_bytes();
    let version = m.version(TreeId(20), &key);
    let lock = lock_request(&mut m, 3, &[(&key, version)]);
    m.send(3, lock, Vec::new());
    locked(m.reply());
    stage(&mut m, 4, put(20, &key, b"staged", version));
    let (request, relied_on) = (m.request(), Vec::new());
    let commit = StorageRequest::Commit {
        txn: TxnId(4),
        request,
        relied_on,
        durable: true,
    };
    m.send(1, commit.clone(), Vec::new());
    quiet(&mut m);
    m.send(3, StorageRequest::Abort { txn: TxnId(3) }, Vec::new());
    let version = committed(m.reply());
    assert_eq!(m.version(TreeId(20), &key), version);
    // The same, but the holder commits.
    let lock = lock_request(&mut m, 5, &[(&key, version)]);
    m.send(3, lock, Vec::new());
    locked(m.reply());
    stage(&mut m, 6, put(20, &key, b"again", version));
    let (request, relied_on) = (m.request(), Vec::new());
    let commit = StorageRequest::Commit {
        txn: TxnId(6),
        request,
        relied_on,
        durable: true,
    };
    m.send(1, commit, Vec::new());
    quiet(&mut m);
    let (request, relied_on) = (m.request(), Vec::new());
    let commit = StorageRequest::Commit {
        txn: TxnId(5),
        request,
        relied_on,
        durable: true,
    };
    m.send(3, commit, put(20, &key, b"mine", version));
    committed(m.reply());
    assert!(matches!(m.reply(), StorageReply::Conflict { .. }));
    let rows = m.rows(TreeId(20)).expect("exists");
    assert_eq!(rows[5].1, b"mine");
}

fn reserve(m: &mut Machine, tree: u32, count: u32) -> u64 {
    let request = m.request();
    m.send(
        1,
        StorageRequest::Reserve {
            request,
            tree: TreeId(tree),
            count,
        },
        Vec::new(),
    );
    match m.reply() {
        StorageReply::Reserved { first, .. } => first,
        reply => panic!("{reply:?}"),
    }
}

#[test]
fn numbers_are_given_once() {
    let mut m = machine(7);
    assert_eq!(reserve(&mut m, 0, 2), 16384);
    assert_eq!(reserve(&mut m, 0, 1), 16386);
    committed(m.commit(2, put(20, &700u64.to_be_bytes(), b"x", Version(0))));
    assert_eq!(reserve(&mut m, 20, 10), 701);
    assert_eq!(reserve(&mut m, 20, 10), 711);
    committed(m.commit(3, put(20, &721u64.to_be_bytes(), b"x", Version(0))));
    m.data.restart();
    m.wal.restart();
    m.restart();
    assert!(m.open());
    assert!(reserve(&mut m, 0, 1) > 16386);
    assert!(reserve(&mut m, 20, 1) > 721);
}

/// Who still reads a tree that is dropped meanwhile must not be given the numbers of rows that it sees: it would see its own
/// in their place.
#[test]
fn a_dropped_tree_hands_out_no_number_twice() {
    let mut m = machine(12);
    let first = reserve(&mut m, 20, 3);
    let key = (first + 2).to_be_bytes();
    committed(m.commit(1, put(20, &key, b"there", Version(0))));
    m.restart();
    assert!(m.open());
    let mut announcer = Announcer::new(m.announce_page());
    let old = announcer.acquire(&m.view(true)).expect("published");
    let mut body = Vec::new();
    encode(Operation::DropTree { tree: TreeId(20) }, &mut body);
    committed(m.commit(2, body));
    assert!(reserve(&mut m, 20, 64) > first + 2);
    assert!(reserve(&mut m, 20, 1) > first + 66);
    announcer.release(&old);
}

#[test]
fn an_old_snapshot_keeps_its_rows() {
    let mut m = machine(8);
    committed(m.commit(2, many(0..500, b"old")));
    let (data, catalog) = (m.view(true), m.view(false));
    let mut announcer = Announcer::new(m.announce_page());
    let snapshot = announcer.acquire(&data).expect("published");
    for round in 0..30u64 {
        let mut body = Vec::new();
        for n in (0..500u64).step_by(3) {
            body.extend_from_slice(&put(20, &n.to_be_bytes(), &[round as u8; 300], UNCHECKED));
        }
        committed(m.commit(10 + round, body));
    }
    let rows = rows_in(&snapshot, &data, &catalog, TreeId(20)).expect("exists");
    assert!(rows.len() == 500 && rows.iter().all(|(_, value)| value == b"old"));
    announcer.release(&snapshot);
}

#[test]
fn updates_do_not_eat_space() {
    let mut m = machine(9);
    for round in 0..600u64 {
        let mut body = Vec::new();
        for n in 0..40u64 {
            let key = ((n * 7919 + round) % 2000).to_be_bytes();
            body.extend_from_slice(&put(20, &key, &[round as u8; 200], UNCHECKED));
        }
        committed(m.commit(10 + round, body));
    }
    // 2,000 rows of 230 bytes are some 120 to 160 pages.
    let Phase::Running(running) = &m.engine.phase else {
        panic!("running")
    };
    let store = &running.database.stores[crate::database::DATA];
    let (live, used) = (
        store.live_count(),
        store.high_water() - running.superblock.data_first,
    );
    assert!(live < 260, "{live} live pages");
    assert!(used < 12 * live, "{used} pages used for {live}");
}

#[test]
fn a_full_pool_is_an_error_and_no_more() {
    let mut m = Machine::with_log(TestMemory::new(700), 10, 8 << 20);
    assert!(m.open());
    committed(m.commit(1, create(20)));
    let mut is_full = false;
    for n in 0..40u64 {
        match m.commit(n + 2, many(n * 200..n * 200 + 200, &[1; 500])) {
            StorageReply::Committed { .. } => {}
            reply => {
                assert_eq!(failed(reply), "53200");
                is_full = true;
                break;
            }
        }
    }
    assert!(is_full);
    let rows = m.rows(TreeId(20)).expect("exists").len();
    let mut body = Vec::new();
    encode(Operation::DropTree { tree: TreeId(20) }, &mut body);
    committed(m.commit(100, body));
    assert!(rows > 500 && m.rows(TreeId(20)).is_none());
}

/// Readers on other threads see each commit as a whole, whatever is freed and used again meanwhile.
#[test]
fn readers_elsewhere_see_whole_commits() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    const ROWS: u64 = 300;
    let mut m = machine(11);
    let mut body = Vec::new();
    for n in 0..ROWS {
        body.extend_from_slice(&put(
            20,
            &n.to_be_bytes(),
            &100u64.to_le_bytes(),
            Version(0),
        ));
    }
    committed(m.commit(2, body));
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (1..3)
        .map(|instance| {
            let (data, catalog, stop) = (m.view(true), m.view(false), stop.clone());
            let announce = m.memory.announce;
            let page = test_memory::announce_page(announce, EXECUTE_ANNOUNCE_PAGE + instance);
            std::thread::spawn(move || {
                let mut announcer = Announcer::new(page);
                let mut rounds = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    let snapshot = announcer.acquire(&data).expect("published");
                    let rows = rows_in(&snapshot, &data, &catalog, TreeId(20)).expect("exists");
                    let sum: u64 = rows
                        .iter()
                        .map(|(_, v)| u64::from_le_bytes(*v.first_chunk().expect("8 bytes")))
                        .sum();
                    assert_eq!((rows.len() as u64, sum), (ROWS, ROWS * 100));
                    announcer.release(&snapshot);
                    rounds += 1;
                }
                rounds
            })
        })
        .collect();
    let mut random = Random(5);
    let mut values = [100u64; ROWS as usize];
    for round in 0..1500u64 {
        let (from, to) = (random.below(ROWS) as usize, random.below(ROWS) as usize);
        let amount = values[from].min(7);
        values[from] -= amount;
        values[to] += amount;
        let mut body = Vec::new();
        for n in [from, to] {
            // Of changing length, so that pages split and join.
            let mut value = vec![0; 8 + random.below(900) as usize];
            value[..8].copy_from_slice(&values[n].to_le_bytes());
            body.extend_from_slice(&put(20, &(n as u64).to_be_bytes(), &value, UNCHECKED));
        }
        committed(m.commit(10 + round, body));
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.join().expect("the reader saw nothing wrong") > 0);
    }
}
