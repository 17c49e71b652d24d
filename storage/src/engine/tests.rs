//! The engine on simulated disks.

use super::*;
use crate::announce::Announcer;
use crate::frame::{AnnouncePage, test_memory};
use crate::simulated_disk::{Fault, SimulatedDisk};
use crate::tree::tests::Random;
use crate::{Cursor, PoolView, Snapshot, Value};
use std::eprintln;
use std::string::ToString;
use std::vec;
use vireo_abi::ids::RequestId;
use vireo_abi::ids::{CATALOG_TREE, TreeId, TxnId, Version};
use vireo_abi::memory_map::EXECUTE_ANNOUNCE_PAGE;
use vireo_abi::message::storage::{LockKey, LockMode, LockWait};
use vireo_abi::write_set::{Operation, UNCHECKED, encode};

mod crash;
mod damage;
mod full;
mod transactions;

/// Memory for an engine, to be used by one after the other.
#[derive(Clone, Copy)]
pub(super) struct TestMemory {
    catalog: (*mut u8, usize),
    data: (*mut u8, usize),
    announce: (*mut u8, usize),
}

impl TestMemory {
    pub(super) fn new(data_pages: usize) -> TestMemory {
        TestMemory {
            catalog: test_memory::memory(600),
            data: test_memory::memory(data_pages),
            announce: test_memory::memory(128),
        }
    }
}

/// An engine with its disks and one reader.
pub(super) struct Machine {
    pub(super) engine: Engine,
    pub(super) wal: SimulatedDisk,
    pub(super) data: SimulatedDisk,
    memory: TestMemory,
    now: Now,
    next_request: u64,
    pub(super) config: Config,
}

fn start(config: Config, memory: TestMemory) -> Engine {
    Engine::new(
        config,
        Memory {
            catalog: test_memory::area(memory.catalog),
            data: test_memory::area(memory.data),
            announce: test_memory::announce_area(memory.announce),
        },
    )
}

impl Machine {
    pub(super) fn new(memory: TestMemory, seed: u64) -> Machine {
        Machine::with_log(memory, seed, 2 << 20)
    }

    pub(super) fn with_log(memory: TestMemory, seed: u64, log_bytes: u64) -> Machine {
        let config = Config {
            seed: seed | 1,
            checkpoint_bytes: 300 << 10,
            locks_max: 10_000,
            leases_locks: false,
        };
        Machine {
            engine: start(config, memory),
            wal: SimulatedDisk::new(log_bytes, seed * 2 + 1),
            data: SimulatedDisk::new(64 << 20, seed * 2 + 2),
            memory,
            now: Now::default(),
            next_request: 1,
            config,
        }
    }

    /// A new engine on the disks as they are.
    pub(super) fn restart(&mut self) {
        self.engine = start(self.config, self.memory);
    }

    pub(super) fn poll(&mut self) -> bool {
        self.now.monotonic_ns += 1_000_000;
        let mut devices = Devices {
            wal: &mut self.wal,
            data: &mut self.data,
        };
        self.engine.poll(&mut devices, self.now)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.wal.is_dead || self.data.is_dead
    }

    /// Runs until the condition holds, or the power is gone.
    pub(super) fn run_until(&mut self, mut done: impl FnMut(&mut Machine) -> bool) -> bool {
        for _ in 0..200_000 {
            if done(self) {
                return true;
            }
            if self.is_dead() {
                return false;
            }
            self.poll();
        }
        panic!("no end in sight");
    }

    pub(super) fn open(&mut self) -> bool {
        self.run_until(|m| m.engine.is_running() || matches!(m.engine.phase, Phase::Failed(_)))
            && self.engine.is_running()
    }

    pub(super) fn request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    pub(super) fn send(&mut self, peer: u32, request: StorageRequest, body: Vec<u8>) {
        self.engine.request(peer, request, body);
    }

    /// The next reply.
    pub(super) fn reply(&mut self) -> StorageReply {
        let mut reply = None;
        self.run_until(|m| {
            reply = m.engine.reply();
            reply.is_some()
        });
        reply.expect("a reply").1
    }

    pub(super) fn commit(&mut self, txn: u64, body: Vec<u8>) -> StorageReply {
        let request = self.request();
        let commit = StorageRequest::Commit {
            txn: TxnId(txn),
            request,
            relied_on: Vec::new(),
            durable: true,
        };
        self.send(1, commit, body);
        self.reply()
    }

    pub(super) fn view(&self, data: bool) -> PoolView<'static> {
        let (start, size) = if data {
            self.memory.data
        } else {
            self.memory.catalog
        };
        test_memory::view(start, size)
    }

    pub(super) fn announce_page(&self) -> AnnouncePage<'static> {
        test_memory::announce_page(self.memory.announce, EXECUTE_ANNOUNCE_PAGE)
    }

    /// All rows of a tree in the newest snapshot; `None` if there is no such tree.
    pub(super) fn rows(&self, tree: TreeId) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        let data = self.view(true);
        let mut announcer = Announcer::new(self.announce_page());
        let snapshot = announcer.acquire(&data).expect("published");
        let rows = rows_in(&snapshot, &data, &self.view(false), tree);
        announcer.release(&snapshot);
        rows
    }

    /// The version of a row in the newest snapshot.
    pub(super) fn version(&self, tree: TreeId, key: &[u8]) -> Version {
        let data = self.view(true);
        let mut announcer = Announcer::new(self.announce_page());
        let snapshot = announcer.acquire(&data).expect("published");
        let tree = snapshot.tree(&data, tree).expect("sound").expect("exists");
        tree.get(&data, key)
            .expect("sound")
            .map_or(Version(0), |entry| entry.version)
    }
}

pub(super) fn rows_in(
    snapshot: &Snapshot,
    data: &PoolView<'static>,
    catalog: &PoolView<'static>,
    tree: TreeId,
) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let view = if tree == CATALOG_TREE { catalog } else { data };
    let tree = snapshot.tree(data, tree).expect("sound")?;
    let mut cursor: Cursor<'static> = tree.cursor(view);
    let mut rows = Vec::new();
    while cursor.next().expect("sound") {
        let entry = cursor.entry().expect("sound").expect("on a row");
        let mut value = Vec::new();
        match entry.value {
            Value::Inline(bytes) => value.extend_from_slice(bytes),
            Value::Overflow(overflow) => view.read_overflow(overflow, &mut value).expect("whole"),
            Value::Tombstone => panic!("a tombstone in a shared tree"),
        }
        rows.push((entry.key.to_vec(), value));
    }
    assert_eq!(tree.row_count, rows.len() as u64);
    Some(rows)
}

pub(super) fn put(tree: u32, key: &[u8], value: &[u8], version: Version) -> Vec<u8> {
    let mut body = Vec::new();
    encode(
        Operation::Put {
            tree: TreeId(tree),
            key,
            value,
            version,
        },
        &mut body,
    );
    body
}

pub(super) fn create(tree: u32) -> Vec<u8> {
    let mut body = Vec::new();
    encode(Operation::CreateTree { tree: TreeId(tree) }, &mut body);
    body
}
