//! What the engine costs without a disk: reads, commits, bulk loads. `cargo bench -p vireo-storage`.
//!
//! The disk is memory and completes at once, so the figures are the engine's own time. One line each.

use std::alloc::{Layout, alloc_zeroed};
use std::hint::black_box;
use std::time::Instant;
use vireo_abi::ids::{RequestId, TreeId, TxnId, Version};
use vireo_abi::memory_map::EXECUTE_ANNOUNCE_PAGE;
use vireo_abi::message::storage::{LockKey, LockMode, LockWait, StorageReply, StorageRequest};
use vireo_abi::write_set::{Operation, UNCHECKED, encode};
use vireo_storage::announce::Announcer;
use vireo_storage::block::{BlockDevice, BlockStatus, Completion, Devices, Ticket};
use vireo_storage::{AnnounceArea, AnnouncePage, Config, Engine, Memory, Now, PoolArea, PoolView};

/// A disk that keeps nothing but its headers: enough for a database that is never opened again.
struct NullDisk {
    capacity: u64,
    done: Vec<(Ticket, usize)>,
    next: u64,
    zeros: Vec<u8>,
}

impl NullDisk {
    fn new(capacity: u64) -> NullDisk {
        NullDisk {
            capacity,
            done: Vec::new(),
            next: 0,
            zeros: vec![0; 65536],
        }
    }

    fn submit(&mut self, length: usize) -> Option<Ticket> {
        self.next += 1;
        self.done.push((Ticket(self.next), length));
        Some(Ticket(self.next))
    }
}

impl BlockDevice for NullDisk {
    fn capacity(&self) -> u64 {
        self.capacity
    }
    fn read(&mut self, _offset: u64, length: usize) -> Option<Ticket> {
        self.submit(length)
    }
    fn write(&mut self, _offset: u64, data: &[u8]) -> Option<Ticket> {
        black_box(data);
        self.submit(0)
    }
    fn write_durable(&mut self, offset: u64, data: &[u8]) -> Option<Ticket> {
        self.write(offset, data)
    }
    fn flush(&mut self) -> Option<Ticket> {
        self.submit(0)
    }
    fn complete(&mut self) -> Option<Completion<'_>> {
        let (ticket, length) = self.done.pop()?;
        Some(Completion {
            ticket,
            status: BlockStatus::Ok,
            data: &self.zeros[..length],
        })
    }
}

struct Machine {
    engine: Engine,
    wal: NullDisk,
    data: NullDisk,
    data_pool: (*mut u8, usize),
    announce: (*mut u8, usize),
    request: u64,
}

fn memory(size: usize) -> (*mut u8, usize) {
    let layout = Layout::from_size_align(size, 2 << 20).expect("a layout");
    // SAFETY: the size is not 0.
    (unsafe { alloc_zeroed(layout) }, size)
}

impl Machine {
    fn new() -> Machine {
        let (catalog, data_pool, announce) = (memory(64 << 20), memory(2 << 30), memory(2 << 20));
        // SAFETY: zeroed memory of their own, aligned, never freed.
        let memory = unsafe {
            Memory {
                catalog: PoolArea::new(catalog.0, catalog.1),
                data: PoolArea::new(data_pool.0, data_pool.1),
                announce: AnnounceArea::new(announce.0, announce.1),
            }
        };
        let config = Config {
            seed: 1,
            checkpoint_bytes: 64 << 20,
            locks_max: 1 << 20,
            leases_locks: false,
        };
        let mut machine = Machine {
            engine: Engine::new(config, memory),
            wal: NullDisk::new(1 << 30),
            data: NullDisk::new(16 << 30),
            data_pool,
            announce,
            request: 0,
        };
        while !machine.engine.is_running() {
            machine.poll();
        }
        machine
    }

    fn poll(&mut self) -> bool {
        let mut devices = Devices {
            wal: &mut self.wal,
            data: &mut self.data,
        };
        self.engine.poll(&mut devices, Now::default())
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

    fn commit(&mut self, txn: u64, body: Vec<u8>) {
        let (txn, relied_on, durable) = (TxnId(txn), Vec::new(), true);
        self.send(
            |request| StorageRequest::Commit {
                txn,
                request,
                relied_on,
                durable,
            },
            body,
        );
        let reply = self.reply();
        assert!(matches!(reply, StorageReply::Committed { .. }), "{reply:?}");
    }

    fn create(&mut self, tree: u32) {
        let mut body = Vec::new();
        encode(Operation::CreateTree { tree: TreeId(tree) }, &mut body);
        self.commit(1, body);
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

fn report(what: &str, count: u64, started: Instant) {
    let total = started.elapsed();
    let each = total.as_nanos() as f64 / count as f64;
    println!(
        "{what:<44} {count:>9} x {each:>9.0} ns  {:>8.3} s",
        total.as_secs_f64()
    );
}

const ROWS: u64 = 1_000_000;

fn main() {
    let mut m = Machine::new();
    for tree in 20..25 {
        m.create(tree);
    }
    let value = [7; 100];

    let started = Instant::now();
    for part in 0..ROWS / 20_000 {
        let mut body = Vec::new();
        for key in part * 20_000..(part + 1) * 20_000 {
            put(&mut body, 20, key, &value, Version(0));
        }
        m.send(
            |request| StorageRequest::Stage {
                txn: TxnId(2),
                request,
            },
            body,
        );
        assert!(matches!(m.reply(), StorageReply::Staged { .. }));
    }
    m.commit(2, Vec::new());
    report("stage and graft, a row of 100 bytes", ROWS, started);

    // SAFETY: the engine's memory, never freed; what is read is used while its snapshot is held.
    let view = unsafe { PoolView::attach(m.data_pool.0, m.data_pool.1) }.expect("published");
    // SAFETY: the area has that page, which is this reader's own.
    let page = unsafe { AnnouncePage::new(m.announce.0.add(EXECUTE_ANNOUNCE_PAGE * 4096)) };
    let mut announcer = Announcer::new(page);
    let snapshot = announcer.acquire(&view).expect("published");
    let tree = snapshot
        .tree(&view, TreeId(20))
        .expect("sound")
        .expect("exists");
    assert_eq!(tree.row_count, ROWS);
    let started = Instant::now();
    let mut key = 1u64;
    for _ in 0..ROWS {
        key = (key.wrapping_mul(6_364_136_223_846_793_005) + 1) % ROWS;
        black_box(tree.get(&view, &key.to_be_bytes()).expect("sound")).expect("there");
    }
    report("get, random, of a million", ROWS, started);
    let started = Instant::now();
    let mut cursor = tree.cursor(&view);
    let mut rows = 0;
    while cursor.next_leaf().expect("sound") {
        let leaf = cursor.leaf().expect("in a leaf");
        for index in 0..leaf.len() {
            black_box(leaf.entry(index).expect("sound"));
            rows += 1;
        }
    }
    assert_eq!(rows, ROWS);
    report("scan, leaf by leaf, a row", ROWS, started);
    let started = Instant::now();
    for _ in 0..ROWS {
        let snapshot = announcer.acquire(&view).expect("published");
        announcer.release(&snapshot);
    }
    report("acquire and release while one is held", ROWS, started);
    announcer.release_all();

    let started = Instant::now();
    let count = 200_000;
    for txn in 0..count {
        let mut body = Vec::new();
        put(&mut body, 20, txn * 7919 % ROWS, &value, UNCHECKED);
        m.commit(txn + 10, body);
    }
    report("commit of one row, alone, frame and all", count, started);

    let started = Instant::now();
    let count = 100_000;
    for group in 0..count / 8 {
        for i in 0..8 {
            tpcb(&mut m, group * 8 + i, &value);
        }
        for _ in 0..8 {
            assert!(matches!(m.reply(), StorageReply::Committed { .. }));
        }
    }
    report("TPC-B write set, groups of 8", count, started);

    let started = Instant::now();
    let count = 100_000;
    for i in 0..count {
        for (tree, key) in [(20, i * 7919 % ROWS), (21, i % 100), (22, i % 10)] {
            let key = LockKey {
                tree: TreeId(tree),
                key: key.to_be_bytes().to_vec(),
                mode: LockMode::Exclusive,
                version: UNCHECKED,
            };
            let (txn, wait) = (TxnId(1 << 40 | i), LockWait::Wait);
            let keys = vec![key];
            m.send(
                |request| StorageRequest::Lock {
                    txn,
                    request,
                    keys,
                    wait,
                },
                Vec::new(),
            );
            assert!(matches!(m.reply(), StorageReply::Locked { .. }));
        }
        tpcb(&mut m, 1 << 40 | i, &value);
        assert!(matches!(m.reply(), StorageReply::Committed { .. }));
    }
    report("TPC-B with three row locks, alone", count, started);

    let started = Instant::now();
    let mut body = Vec::new();
    for i in 0..ROWS {
        put(
            &mut body,
            23,
            i.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            &[1; 8],
            Version(0),
        );
        if body.len() > 1 << 20 {
            m.commit(1, core::mem::take(&mut body));
        }
    }
    m.commit(1, body);
    report("insert in random order, large write sets", ROWS, started);
}

fn tpcb(m: &mut Machine, number: u64, value: &[u8]) {
    let i = number & 0xff_ffff;
    let mut body = Vec::new();
    put(&mut body, 20, i * 7919 % ROWS, value, UNCHECKED);
    put(&mut body, 21, i % 100, value, UNCHECKED);
    put(&mut body, 22, i % 10, value, UNCHECKED);
    put(&mut body, 24, i, &value[..50], UNCHECKED);
    let (txn, relied_on, durable) = (TxnId(number), Vec::new(), true);
    let body = body;
    m.send(
        |request| StorageRequest::Commit {
            txn,
            request,
            relied_on,
            durable,
        },
        body,
    );
}
