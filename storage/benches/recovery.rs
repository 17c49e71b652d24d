//! How fast a log is replayed. `cargo bench -p vireo-storage --bench recovery`.
//!
//! The disks are memory and complete at once, so the figure is the engine's own time: reading and checking frames, and
//! applying their commits to the trees.

use std::alloc::{Layout, alloc_zeroed};
use std::time::Instant;
use vireo_abi::ids::{RequestId, TreeId, TxnId, Version};
use vireo_abi::message::storage::{StorageReply, StorageRequest};
use vireo_abi::write_set::{Operation, UNCHECKED, encode};
use vireo_storage::block::{BlockDevice, BlockStatus, Completion, Devices, Ticket};
use vireo_storage::{AnnounceArea, Config, Engine, Event, Memory, Now, PoolArea};

/// Rows of the table before the log begins.
const ROWS: u64 = 1_000_000;
/// Commits in the log, and how many share a frame.
const COMMITS: u64 = 300_000;
const GROUP: u64 = 32;
const LOG_BYTES: usize = 1 << 30;

/// A disk in memory.
struct MemoryDisk {
    bytes: Vec<u8>,
    done: Vec<(Ticket, usize, usize)>,
    next: u64,
}

impl MemoryDisk {
    fn new(capacity: usize) -> MemoryDisk {
        MemoryDisk {
            bytes: vec![0; capacity],
            done: Vec::new(),
            next: 0,
        }
    }

    fn submit(&mut self, offset: u64, length: usize) -> Option<Ticket> {
        self.next += 1;
        self.done.push((Ticket(self.next), offset as usize, length));
        Some(Ticket(self.next))
    }
}

impl BlockDevice for MemoryDisk {
    fn capacity(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn read(&mut self, offset: u64, length: usize) -> Option<Ticket> {
        self.submit(offset, length)
    }
    fn write(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        self.bytes[offset as usize..][..data.len()].copy_from_slice(data);
        self.submit(0, 0)
    }
    fn write_durable(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        self.write(offset, data)
    }
    fn flush(&mut self) -> Option<Ticket> {
        self.submit(0, 0)
    }
    fn complete(&mut self) -> Option<Completion<'_>> {
        let (ticket, offset, length) = self.done.pop()?;
        Some(Completion {
            ticket,
            status: BlockStatus::Ok,
            data: &self.bytes[offset..][..length],
        })
    }
}

fn memory(size: usize) -> (*mut u8, usize) {
    let layout = Layout::from_size_align(size, 2 << 20).expect("a layout");
    // SAFETY: the size is not 0.
    (unsafe { alloc_zeroed(layout) }, size)
}

struct Machine {
    engine: Engine,
    wal: MemoryDisk,
    data: MemoryDisk,
    request: u64,
}

fn engine() -> Engine {
    let (catalog, data, announce) = (memory(16 << 20), memory(1 << 30), memory(2 << 20));
    // SAFETY: zeroed memory of their own, aligned, never freed.
    let memory = unsafe {
        Memory {
            catalog: PoolArea::new(catalog.0, catalog.1),
            data: PoolArea::new(data.0, data.1),
            announce: AnnounceArea::new(announce.0, announce.1),
        }
    };
    let config = Config {
        seed: 1,
        checkpoint_bytes: LOG_BYTES as u64,
        locks_max: 1 << 20,
        leases_locks: false,
    };
    Engine::new(config, memory)
}

impl Machine {
    fn poll(&mut self) {
        let mut devices = Devices {
            wal: &mut self.wal,
            data: &mut self.data,
        };
        self.engine.poll(&mut devices, Now::default());
    }

    fn open(&mut self) {
        while !self.engine.is_running() {
            self.poll();
        }
    }

    fn send(&mut self, request: impl FnOnce(RequestId) -> StorageRequest, body: Vec<u8>) {
        self.request += 1;
        self.engine
            .request(0, request(RequestId(self.request)), body);
    }

    fn reply(&mut self) -> StorageReply {
        loop {
            if let Some((_, reply)) = self.engine.reply() {
                return reply;
            }
            self.poll();
        }
    }

    fn send_commit(&mut self, body: Vec<u8>) {
        let (txn, relied_on, durable) = (TxnId(self.request + 1), Vec::new(), true);
        self.send(
            |request| StorageRequest::Commit {
                txn,
                request,
                relied_on,
                durable,
            },
            body,
        );
    }

    fn committed(&mut self) {
        let reply = self.reply();
        assert!(matches!(reply, StorageReply::Committed { .. }), "{reply:?}");
    }
}

fn put(body: &mut Vec<u8>, tree: u32, key: u64, value: &[u8], version: Version) {
    encode(
        Operation::Put {
            tree: TreeId(tree),
            key: &key.to_be_bytes(),
            value,
            version,
        },
        body,
    );
}

fn main() {
    let mut m = Machine {
        engine: engine(),
        wal: MemoryDisk::new(LOG_BYTES),
        data: MemoryDisk::new(2 << 30),
        request: 0,
    };
    m.open();
    let value = [7; 100];
    let mut body = Vec::new();
    for tree in 20..24 {
        encode(Operation::CreateTree { tree: TreeId(tree) }, &mut body);
    }
    m.send_commit(std::mem::take(&mut body));
    m.committed();
    for key in 0..ROWS {
        put(&mut body, 20, key, &value, Version(0));
        if body.len() > 1 << 20 || key + 1 == ROWS {
            m.send_commit(std::mem::take(&mut body));
            m.committed();
        }
    }
    m.send(|request| StorageRequest::Checkpoint { request }, Vec::new());
    assert!(matches!(m.reply(), StorageReply::Checkpointed { .. }));
    // What pgbench's transaction writes: three updates of rows, and an insert.
    for group in 0..COMMITS / GROUP {
        for i in group * GROUP..(group + 1) * GROUP {
            let mut body = Vec::new();
            put(&mut body, 20, i * 7919 % ROWS, &value, UNCHECKED);
            put(&mut body, 21, i % 100, &value, UNCHECKED);
            put(&mut body, 22, i % 10, &value, UNCHECKED);
            put(&mut body, 23, i, &value[..50], UNCHECKED);
            m.send_commit(body);
        }
        for _ in 0..GROUP {
            m.committed();
        }
    }
    while m.engine.event().is_some() {}
    m.engine = engine();
    let started = Instant::now();
    m.open();
    let seconds = started.elapsed().as_secs_f64();
    let mut replayed = 0;
    while let Some(event) = m.engine.event() {
        if let Event::Started {
            replayed: count, ..
        } = event
        {
            replayed = count;
        }
    }
    assert_eq!(
        replayed,
        COMMITS / GROUP * GROUP,
        "no checkpoint came between"
    );
    println!(
        "opened in {seconds:.3} s: a table of {ROWS} rows loaded, {replayed} commits replayed, {:.0} a second",
        replayed as f64 / seconds
    );
}
