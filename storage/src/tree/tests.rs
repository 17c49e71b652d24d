use super::*;
use crate::frame::test_memory;
use crate::snapshot::Tree;
use crate::{Cursor, Value};
use std::collections::BTreeMap;
use std::vec::Vec;
use std::{eprintln, format};

/// xorshift64*, enough for tests.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn store(pages: usize) -> Store {
    Store::new(test_memory::pool(pages, 100, 1 << 20), 1 << 20)
}

fn value_of(store: &Store, value: Value<'_>) -> Vec<u8> {
    match value {
        Value::Inline(bytes) => bytes.into(),
        Value::Overflow(overflow) => {
            let mut out = Vec::new();
            store
                .memory()
                .view()
                .read_overflow(overflow, &mut out)
                .expect("the value is whole");
            out
        }
        Value::Tombstone => Vec::new(),
    }
}

type Model = BTreeMap<Vec<u8>, (u64, Vec<u8>)>;

/// The tree has exactly the model's rows, forward, backward and by key.
fn check(store: &Store, root: PageId, model: &Model) {
    let view = store.memory().view();
    let mut cursor = Cursor::new(&view, root);
    for (key, (version, value)) in model {
        assert!(cursor.next().expect("sound"), "a row is missing");
        let entry = cursor.entry().expect("sound").expect("on a row");
        assert_eq!((entry.key, entry.version.0), (&key[..], *version));
        assert_eq!(&value_of(store, entry.value), value);
    }
    assert!(!cursor.next().expect("sound"));
    for (key, _) in model.iter().rev() {
        assert!(cursor.previous().expect("sound"));
        assert_eq!(
            cursor.entry().expect("sound").expect("on a row").key,
            &key[..]
        );
    }
    assert!(!cursor.previous().expect("sound"));
    let mut rows = 0;
    while cursor.next_leaf().expect("sound") {
        rows += cursor.leaf().expect("in a leaf").len();
    }
    assert_eq!(rows, model.len());
}

fn random_key(random: &mut Random, style: u64) -> Vec<u8> {
    let n = random.below(3000);
    match style {
        0 => n.to_be_bytes().to_vec(),
        1 => format!("common/prefix/{n:07}").into_bytes(),
        2 => format!("{n}").into_bytes(),
        3 => {
            let mut key = std::vec![(n % 7) as u8; random.below(40) as usize + 1];
            key.extend_from_slice(&n.to_be_bytes()[8 - (n % 8) as usize..]);
            key
        }
        _ => {
            let mut key = std::vec![b'k'; random.below(1000) as usize + 10];
            key.extend_from_slice(&n.to_be_bytes());
            key
        }
    }
}

fn run_model(seed: u64, style: u64, steps: usize) {
    eprintln!("seed {seed} style {style}");
    let mut random = Random(seed);
    let mut store = store(40_000);
    let mut root = create(&mut store).expect("room");
    let mut model = Model::new();
    for step in 0..steps {
        let key = random_key(&mut random, style);
        let deletes = if (step / 2000) % 2 == 1 { 7 } else { 3 };
        if random.below(10) < deletes {
            let before = delete(&mut store, &mut root, &key).expect("room");
            assert_eq!(before == Before::Present, model.remove(&key).is_some());
        } else {
            let length = match random.below(20) {
                0 => random.below(30_000),
                1..4 => random.below(1500),
                _ => random.below(100),
            };
            let value = std::vec![step as u8; length as usize];
            let new = NewValue::Bytes(&value);
            let before = put(&mut store, &mut root, &key, step as u64, new).expect("room");
            let old = model.insert(key, (step as u64, value));
            assert_eq!(before == Before::Present, old.is_some());
        }
        if random.below(50) == 0 {
            let epoch = store.epoch() + 1;
            store.begin_epoch(epoch, epoch);
            store.reclaim(epoch, epoch, 1000);
        }
        if step % 997 == 0 {
            check(&store, root, &model);
            for _ in 0..20 {
                seek_check(&store, root, &model, &random_key(&mut random, style));
            }
        }
    }
    check(&store, root, &model);
    for key in model.keys() {
        delete(&mut store, &mut root, key).expect("room");
    }
    check(&store, root, &Model::new());
    assert_eq!(store.live_count(), 1, "only the empty root is left");
}

fn seek_check(store: &Store, root: PageId, model: &Model, key: &[u8]) {
    let view = store.memory().view();
    let mut cursor = Cursor::new(&view, root);
    let expected = model.range(key.to_vec()..).next().map(|(k, _)| &k[..]);
    cursor.seek(key).expect("sound");
    assert_eq!(cursor.entry().expect("sound").map(|e| e.key), expected);
    let expected = model.range(..key.to_vec()).next_back().map(|(k, _)| &k[..]);
    cursor.seek_before(key).expect("sound");
    assert_eq!(cursor.entry().expect("sound").map(|e| e.key), expected);
    let got = Tree::at(root).get(&view, key).expect("sound");
    assert_eq!(got.map(|e| e.version.0), model.get(key).map(|v| v.0));
}

#[test]
fn behaves_like_a_map() {
    for style in 0..5 {
        for seed in 1..4 {
            run_model(seed * 7919 + style, style, 6000);
        }
    }
}

#[test]
fn appending_fills_pages() {
    let mut store = store(4000);
    let mut root = create(&mut store).expect("room");
    for n in 0..20_000u64 {
        let value = NewValue::Bytes(&[7; 78]);
        put(&mut store, &mut root, &n.to_be_bytes(), 1, value).expect("room");
    }
    // 14 + 8 + 78 bytes each: 40 to a page.
    let leaves = 20_000 / 40;
    assert!(
        store.live_count() <= leaves + 8,
        "{} pages",
        store.live_count()
    );
}

#[test]
fn a_dropped_tree_gives_all_pages_back() {
    let mut store = store(4000);
    let mut root = create(&mut store).expect("room");
    for n in 0..3000u64 {
        let value = std::vec![1; if n % 100 == 0 { 20_000 } else { 50 }];
        put(
            &mut store,
            &mut root,
            &n.to_be_bytes(),
            1,
            NewValue::Bytes(&value),
        )
        .expect("room");
    }
    store.begin_epoch(9, 9);
    let mut drop = Drop::new(root);
    while drop.step(&mut store, 10).expect("sound") {}
    assert_eq!(store.live_count(), 0);
    store.reclaim(9, 0, usize::MAX);
    assert_eq!(store.retired_count(), 0);
}

#[test]
fn published_pages_do_not_change() {
    let mut store = store(4000);
    let mut root = create(&mut store).expect("room");
    let mut model = Model::new();
    for n in 0..2000u64 {
        put(
            &mut store,
            &mut root,
            &n.to_be_bytes(),
            1,
            NewValue::Bytes(b"old"),
        )
        .expect("room");
        model.insert(n.to_be_bytes().to_vec(), (1, b"old".to_vec()));
    }
    store.begin_epoch(2, 2);
    let old = root;
    for n in (0..2000u64).step_by(3) {
        delete(&mut store, &mut root, &n.to_be_bytes()).expect("room");
        let key = (n + 1).to_be_bytes();
        put(&mut store, &mut root, &key, 2, NewValue::Bytes(b"newer")).expect("room");
    }
    check(&store, old, &model);
}

#[test]
fn damaged_pages_are_errors() {
    let mut random = Random(77);
    for round in 0..3000 {
        let mut store = store(200);
        let mut root = create(&mut store).expect("room");
        for n in 0..300u64 {
            let key = format!("key{n:05}");
            let value = std::vec![3; if n == 150 { 9000 } else { 20 }];
            put(
                &mut store,
                &mut root,
                key.as_bytes(),
                1,
                NewValue::Bytes(&value),
            )
            .expect("room");
        }
        let page = PageId(100 + random.below(store.live_count()));
        let bytes = store.page_mut(page);
        for _ in 0..=random.below(4) {
            let at = if round % 2 == 0 {
                random.below(200)
            } else {
                random.below(4096)
            } as usize;
            if !(8..24).contains(&at) {
                bytes[at] = random.next() as u8;
            }
        }
        // Any result will do that is not a panic or an endless walk.
        let view = store.memory().view();
        let mut cursor = Cursor::new(&view, root);
        for _ in 0..2000 {
            match cursor.next() {
                Ok(true) => {
                    if let Ok(Some(entry)) = cursor.entry()
                        && let Value::Overflow(overflow) = entry.value
                    {
                        let mut chunks = view.overflow_chunks(overflow);
                        while let Ok(Some(_)) = chunks.next_chunk() {}
                    }
                }
                _ => break,
            }
        }
        let _ = Tree::at(root).get(&view, b"key00077");
        let _ = Cursor::new(&view, root).seek_before(b"key00200");
    }
}
