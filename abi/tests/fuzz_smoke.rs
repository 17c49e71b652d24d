//! The fuzz targets over random bytes, with a fixed seed: no fuzzer needed. A run of the fuzzers
//! proper is in `docs/testing.md`.

#[path = "../../fuzz/src/targets.rs"]
mod targets;

use vireo_abi::ids::{Lsn, RequestId, TreeId, TxnId, Version};
use vireo_abi::message::storage::{LockKey, LockMode, LockWait, StorageReply, StorageRequest};
use vireo_abi::message::{encode, parse::ParseRequest};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self, length_max: u64) -> Vec<u8> {
        let length = self.number() % length_max;
        (0..length).map(|_| (self.number() >> 32) as u8).collect()
    }
}

fn check(target: fn(&[u8]), runs: u64, length_max: u64) {
    for seed in 0..runs {
        let mut random = Random(seed);
        let data = random.bytes(length_max);
        let result = std::panic::catch_unwind(|| target(&data));
        assert!(result.is_ok(), "seed {seed}: {data:?}");
    }
}

#[test]
fn ring_driver() {
    check(targets::ring_driver, 20_000, 400);
}

#[test]
fn ring_device() {
    check(targets::ring_device, 20_000, 400);
}

#[test]
fn link() {
    check(targets::link, 20_000, 600);
}

#[test]
fn block() {
    check(targets::block, 500, 600);
}

#[test]
fn message() {
    check(targets::message, 50_000, 300);
}

/// Archives that are right but for a few bytes come further than random ones.
#[test]
fn damaged_messages() {
    let key = LockKey {
        tree: TreeId(3),
        key: vec![1, 2, 3],
        mode: LockMode::Exclusive,
        version: Version(9),
    };
    let lock = StorageRequest::Lock {
        txn: TxnId(1),
        request: RequestId(2),
        keys: vec![key.clone(), key],
        wait: LockWait::Wait,
    };
    let parse = ParseRequest {
        request: RequestId(1),
        many: true,
        parameter_oids: vec![23, 25],
        catalog_changes: Vec::new(),
        user: "postgres".into(),
        database: "a database with a longer name".into(),
    };
    let committed = StorageReply::Committed {
        request: RequestId(5),
        version: Version(6),
        lsn: Lsn(7),
    };
    let archives = [
        (4, encode(&lock)),
        (0, encode(&parse)),
        (5, encode(&committed)),
    ];
    let mut random = Random(1);
    for (kind, archive) in archives {
        for _ in 0..20_000 {
            let mut data = vec![kind];
            data.extend_from_slice(&archive);
            for _ in 0..1 + random.number() % 4 {
                let at = 1 + (random.number() as usize) % (data.len() - 1);
                data[at] = random.number() as u8;
            }
            data.truncate(data.len() - (random.number() % 2 * (random.number() % 8)) as usize);
            let result = std::panic::catch_unwind(|| targets::message(&data));
            assert!(result.is_ok(), "{data:?}");
        }
    }
}
