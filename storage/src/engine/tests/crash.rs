//! Power cuts, failing disks and damage. What was acknowledged is there; what was not is there as a whole or
//! not at all; damage is an error.

use super::*;
use std::collections::BTreeMap;

/// All rows of the trees of the script; a tree is there or not.
type Model = BTreeMap<u32, BTreeMap<Vec<u8>, Vec<u8>>>;

const TREES: core::ops::Range<u32> = 20..25;
/// The counter's tree: the catalog.
const COUNTER: &[u8] = b"counter";

/// One transaction of the script.
pub(super) struct Step {
    /// Parts that are staged before the commit.
    stages: Vec<Vec<u8>>,
    body: Vec<u8>,
    durable: bool,
    /// The state after it.
    model: Model,
}

/// A script of commits that depend on nothing but the seed.
pub(super) fn script(seed: u64, steps: usize) -> Vec<Step> {
    let mut random = Random(seed | 1);
    let mut model = Model::new();
    let mut script = Vec::new();
    for number in 0..steps as u64 {
        let mut stages = Vec::new();
        let mut body = put(CATALOG_TREE.0, COUNTER, &number.to_le_bytes(), UNCHECKED);
        let tree = TREES.start + random.below(TREES.len() as u64) as u32;
        match (model.contains_key(&tree), random.below(12)) {
            (false, _) => {
                body.extend_from_slice(&create(tree));
                model.insert(tree, BTreeMap::new());
                if random.below(2) == 0 {
                    stages.push(writes(&mut random, &mut model, tree, 60, true));
                }
            }
            (true, 0) => {
                encode(Operation::DropTree { tree: TreeId(tree) }, &mut body);
                model.remove(&tree);
            }
            (true, 1 | 2) => {
                for _ in 0..random.below(3) + 1 {
                    let count = random.below(60);
                    stages.push(writes(&mut random, &mut model, tree, count, false));
                }
            }
            (true, _) => {
                let count = random.below(12);
                body.extend_from_slice(&writes(&mut random, &mut model, tree, count, false));
            }
        }
        model
            .entry(CATALOG_TREE.0)
            .or_default()
            .insert(COUNTER.to_vec(), number.to_le_bytes().to_vec());
        let durable = random.below(4) > 0;
        script.push(Step {
            stages,
            body,
            durable,
            model: model.clone(),
        });
    }
    script
}

fn writes(
    random: &mut Random,
    model: &mut Model,
    tree: u32,
    count: u64,
    only_new: bool,
) -> Vec<u8> {
    let mut body = Vec::new();
    let rows = model.entry(tree).or_default();
    for _ in 0..count {
        let key = random.below(400).to_be_bytes().to_vec();
        if !only_new && random.below(4) == 0 {
            let operation = Operation::Delete {
                tree: TreeId(tree),
                key: &key,
                version: UNCHECKED,
            };
            encode(operation, &mut body);
            rows.remove(&key);
        } else {
            let length = if random.below(30) == 0 {
                random.below(20_000)
            } else {
                random.below(300)
            };
            let value = vec![random.next() as u8; length as usize];
            body.extend_from_slice(&put(tree, &key, &value, UNCHECKED));
            rows.insert(key, value);
        }
    }
    body
}

/// Runs the script from `from` on, several transactions at a time, until its end or the engine's. Gives the number of the
/// last transaction that was durably acknowledged.
pub(super) fn run(m: &mut Machine, script: &[Step], from: usize) -> Option<usize> {
    let mut acknowledged = None;
    let mut requests = BTreeMap::new();
    let mut next = from;
    let mut outstanding = 0;
    while !m.is_dead() && (next < script.len() || outstanding > 0) {
        while outstanding < 3 && next < script.len() {
            let txn = TxnId(next as u64 + 1);
            for stage in &script[next].stages {
                let request = m.request();
                m.send(1, StorageRequest::Stage { txn, request }, stage.clone());
            }
            let request = m.request();
            let relied_on = Vec::new();
            let durable = script[next].durable;
            let commit = StorageRequest::Commit {
                txn,
                request,
                relied_on,
                durable,
            };
            m.send(1, commit, script[next].body.clone());
            requests.insert(request.0, next);
            if next % 17 == 5 {
                let request = m.request();
                m.send(1, StorageRequest::Checkpoint { request }, Vec::new());
            }
            next += 1;
            outstanding += 1;
        }
        m.poll();
        while let Some((_, reply)) = m.engine.reply() {
            match reply {
                StorageReply::Committed { request, .. } => {
                    let number = requests[&request.0];
                    if script[number].durable {
                        acknowledged = acknowledged.max(Some(number));
                    }
                    outstanding -= 1;
                }
                StorageReply::Failed { request, error } => {
                    assert!(["58030", "53100"].contains(&error.state()), "{error}");
                    if !m.engine.is_running() {
                        return acknowledged;
                    }
                    // A full disk: the same again, so that the script stays in order.
                    if let Some(number) = requests.get(&request.0) {
                        next = next.min(*number);
                        outstanding = 0;
                        requests.clear();
                        settle(m);
                        break;
                    }
                }
                StorageReply::Conflict { .. } => panic!("nothing is compared"),
                _ => {}
            }
        }
    }
    acknowledged
}

/// Lets what is under way end, and forgets its replies.
fn settle(m: &mut Machine) {
    m.engine.peer_down(1);
    for _ in 0..500 {
        m.poll();
        while m.engine.reply().is_some() {}
    }
}

/// The number of the last transaction that the database has, which must be exactly the state after it.
pub(super) fn verify(m: &Machine, script: &[Step]) -> Option<usize> {
    let number = m.rows(CATALOG_TREE).and_then(|rows| {
        let (_, value) = rows.into_iter().find(|(key, _)| key == COUNTER)?;
        Some(u64::from_le_bytes(value.try_into().expect("8 bytes")) as usize)
    });
    let empty = Model::new();
    let model = number.map_or(&empty, |number| &script[number].model);
    for tree in TREES {
        let rows = m.rows(TreeId(tree));
        let expected = model.get(&tree).map(|rows| {
            rows.iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect::<Vec<_>>()
        });
        assert_eq!(
            rows.is_some(),
            expected.is_some(),
            "tree {tree} after {number:?}"
        );
        assert!(rows == expected, "the rows of tree {tree} after {number:?}");
    }
    number
}

/// Fault at operation `at` of one disk; restart, verify; then to the script's end, and restart again. False if the script ended
/// before the fault came.
fn crash_at(memory: TestMemory, seed: u64, at: u64, on_wal: bool, fault: Fault) -> bool {
    let script = script(seed, 40);
    let mut m = Machine::with_log(memory, seed.wrapping_mul(31).wrapping_add(at), 1 << 20);
    m.config.checkpoint_bytes = 60 << 10;
    m.restart();
    let disk = if on_wal { &mut m.wal } else { &mut m.data };
    disk.fault_at(at, fault);
    let mut acknowledged = None;
    if m.open() {
        acknowledged = run(&mut m, &script, 0);
    }
    let disk = if on_wal { &m.wal } else { &m.data };
    let came = disk.operations() >= at;
    // Either process and power go, or the process alone.
    if seed.is_multiple_of(2) || fault == Fault::PowerCut {
        m.wal.restart();
        m.data.restart();
    } else {
        m.wal.reopen();
        m.data.reopen();
    }
    m.restart();
    check_goes_on(&mut m, &script, acknowledged);
    assert!(m.run_until(|m| m.engine.is_idle()));
    m.wal.restart();
    m.data.restart();
    m.restart();
    assert!(m.open());
    assert_eq!(verify(&m, &script), Some(script.len() - 1));
    came
}

/// It opens with all that was acknowledged, and runs the rest of the script.
#[track_caller]
fn check_goes_on(m: &mut Machine, script: &[Step], acknowledged: Option<usize>) {
    assert!(m.open(), "it opens again: {:?}", m.engine.event());
    let there = verify(m, script);
    assert!(
        there >= acknowledged,
        "{there:?} is there, {acknowledged:?} was acknowledged"
    );
    let from = there.map_or(0, |number| number + 1);
    run(m, script, from);
    assert_eq!(verify(m, script), Some(script.len() - 1));
}

/// The power goes while the database opens after it went before: at operation `at` of one disk. False if it was open before that.
fn crash_twice_at(memory: TestMemory, seed: u64, at: u64, on_wal: bool) -> bool {
    let script = script(seed, 25);
    let mut m = Machine::with_log(memory, seed.wrapping_mul(37).wrapping_add(at), 1 << 20);
    m.config.checkpoint_bytes = 60 << 10;
    m.restart();
    assert!(m.open());
    m.wal.fault_at(60 + seed % 7, Fault::PowerCut);
    let acknowledged = run(&mut m, &script, 0);
    m.wal.restart();
    m.data.restart();
    m.restart();
    let disk = if on_wal { &mut m.wal } else { &mut m.data };
    let before = disk.operations();
    disk.fault_at(before + at, Fault::PowerCut);
    // Until it is open, and what it does by itself then.
    m.open();
    for _ in 0..300 {
        m.poll();
    }
    let disk = if on_wal { &m.wal } else { &m.data };
    let came = disk.operations() >= before + at;
    m.wal.restart();
    m.data.restart();
    m.restart();
    check_goes_on(&mut m, &script, acknowledged);
    came
}

#[test]
fn power_cut_at_every_operation_of_recovery() {
    let memory = TestMemory::new(3000);
    for (seed, on_wal) in [(108, true), (109, false), (110, true), (111, false)] {
        let mut at = 1;
        while crash_twice_at(memory, seed, at, on_wal) {
            at += 1;
        }
        assert!(!on_wal || at > 1, "recovery flushes the log");
    }
}

fn every_operation(on_wal: bool, fault: Fault, seed: u64) {
    let memory = TestMemory::new(3000);
    let mut at = 1;
    loop {
        let came = std::panic::catch_unwind(|| crash_at(memory, seed, at, on_wal, fault))
            .unwrap_or_else(|_| panic!("seed {seed}, {fault:?} at {at}, on the log: {on_wal}"));
        if !came {
            break;
        }
        at += 1;
    }
    assert!(at > 20, "only {at} operations");
}

#[test]
fn power_cut_at_every_operation_of_the_log() {
    every_operation(true, Fault::PowerCut, 101);
}

#[test]
fn power_cut_at_every_operation_of_the_data() {
    every_operation(false, Fault::PowerCut, 102);
}

#[test]
fn error_at_every_operation_of_the_log() {
    every_operation(true, Fault::IoError, 103);
    every_operation(true, Fault::IoError, 104);
}

#[test]
fn error_at_every_operation_of_the_data() {
    every_operation(false, Fault::IoError, 105);
}

#[test]
fn no_space_at_every_operation() {
    every_operation(true, Fault::NoSpace, 106);
    every_operation(false, Fault::NoSpace, 107);
}

#[test]
fn random_power_cuts() {
    let memory = TestMemory::new(3000);
    let mut random = Random(4711);
    for _ in 0..150 {
        let seed = random.next() >> 8;
        let (at, on_wal) = (random.below(120) + 1, random.below(2) == 0);
        eprintln!("seed {seed} at {at} on the log: {on_wal}");
        crash_at(memory, seed, at, on_wal, Fault::PowerCut);
    }
}

#[test]
fn other_volumes_are_refused() {
    let memory = TestMemory::new(3000);
    let mut m = Machine::new(memory, 5);
    assert!(m.open());
    m.commit(1, create(20));
    let request = m.request();
    m.send(1, StorageRequest::Checkpoint { request }, Vec::new());
    assert!(matches!(m.reply(), StorageReply::Checkpointed { .. }));
    let why = |m: &mut Machine| {
        m.restart();
        assert!(!m.open());
        let request = m.request();
        m.send(1, StorageRequest::Checkpoint { request }, Vec::new());
        match m.reply() {
            StorageReply::Failed { error, .. } => error.message.clone(),
            reply => panic!("{reply:?}"),
        }
    };
    // Damage of a page that the superblock leads to.
    m.restart();
    assert!(m.open());
    let Phase::Running(running) = &m.engine.phase else {
        panic!("running")
    };
    let root = running.superblock.master_root.0;
    m.data.damage(root * 4096 + 1000);
    let message = why(&mut m);
    assert!(message.contains("checksum"), "{message}");
    m.data.damage(root * 4096 + 1000);
    // Both superblocks.
    m.data.damage(200);
    m.data.damage(4096 + 200);
    let message = why(&mut m);
    assert!(
        message.contains("superblock of the data volume is damaged"),
        "{message}"
    );
    m.data.damage(200);
    m.data.damage(4096 + 200);
    m.restart();
    assert!(m.open());
    // A log of another database, an empty one, a foreign one.
    m.wal
        .overwrite(0, &crate::superblock::encode_wal_header(99, 2 << 20));
    let message = why(&mut m);
    assert!(message.contains("another database"), "{message}");
    m.wal.overwrite(0, &[0; 4096]);
    let message = why(&mut m);
    assert!(message.contains("log volume is empty"), "{message}");
    m.wal.overwrite(0, &[b'x'; 4096]);
    let message = why(&mut m);
    assert!(message.contains("does not belong"), "{message}");
}
