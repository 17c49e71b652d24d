//! Both sides of a queue: the bytes, a model, the wrap, hostile peers.

use super::*;
use crate::testing::{Area, Random};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use std::{print, println};

/// Four descriptors, available ring and used ring, back to back.
const SMALL: RingLayout = RingLayout::new(4, 0, 64, 80);
const SIZE: usize = 256;

fn bytes(memory: &impl RingMemory, at: usize, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length);
    memory.read_bytes(at, length, &mut out);
    out
}

fn buffer(address: u64, flags: u16, next: u16) -> Descriptor {
    Descriptor {
        address,
        length: 8,
        flags,
        next,
    }
}

#[test]
fn golden_bytes() {
    let area = Area::new(SIZE);
    let memory = area.memory();
    let mut driver = DriverQueue::new(&memory, SMALL).unwrap();
    let mut device = DeviceQueue::new(&memory, SMALL).unwrap();
    let first = Descriptor {
        address: 0x88,
        length: 0x10,
        flags: FLAG_NEXT,
        next: 3,
    };
    driver.set_descriptor(&memory, 2, first);
    driver.set_descriptor(&memory, 3, buffer(0x98, FLAG_WRITE, 0));
    driver.offer(&memory, 2);
    driver.publish(&memory);
    assert!(driver.arm(&memory).unwrap());
    assert_eq!(device.take(&memory).unwrap(), Some(2));
    let chain: Vec<_> = device.chain(&memory, 2).map(Result::unwrap).collect();
    assert_eq!(chain, [first, buffer(0x98, FLAG_WRITE, 0)]);
    device.give_back(&memory, 2, 5);
    device.publish(&memory);
    assert!(device.arm(&memory).unwrap());
    assert!(device.take_kick(&memory));
    assert_eq!(
        driver.take_used(&memory).unwrap(),
        Some(Used { head: 2, length: 5 })
    );
    driver.disarm(&memory);

    // Descriptors 2 and 3: address, length, flags, next.
    let golden = b"\x88\0\0\0\0\0\0\0\x10\0\0\0\x01\0\x03\0\x98\0\0\0\0\0\0\0\x08\0\0\0\x02\0\0\0";
    assert_eq!(bytes(&memory, 32, 32), golden);
    // Available: flags, index, ring, used_event.
    assert_eq!(bytes(&memory, 64, 14), b"\0\0\x01\0\x02\0\0\0\0\0\0\0\0\0");
    // Used: flags, index, ring of (id, length), available_event.
    let mut used = [0; 38];
    (used[2], used[4], used[8], used[36]) = (1, 2, 5, 1);
    assert_eq!(bytes(&memory, 80, 38), used);
}

#[test]
fn events_at_the_wrap() {
    assert!(need_event(0, 1, 0));
    assert!(!need_event(0, 2, 1));
    assert!(need_event(0xffff, 0, 0xffff));
    assert!(need_event(0xfffe, 2, 0xfffd));
    assert!(!need_event(2, 2, 0xfffd));
    assert!(!need_event(0xfffc, 2, 0xfffd));
}

/// What both sides should know, kept in plain queues.
#[derive(Default)]
struct Model {
    offered: VecDeque<u16>,
    published: VecDeque<u16>,
    taken: Vec<u16>,
    given_back: VecDeque<Used>,
    published_back: VecDeque<Used>,
    free: Vec<u16>,
    /// Whether the other side has been asked to ring and has not been given a reason since.
    driver_sleeps: bool,
    device_sleeps: bool,
}

fn run_model(seed: u64, steps: usize) {
    print!("seed {seed:#x}, ");
    let area = Area::new(SIZE);
    let memory = area.memory();
    let mut random = Random(seed);
    let mut driver = DriverQueue::new(&memory, SMALL).unwrap();
    let mut device = DeviceQueue::new(&memory, SMALL).unwrap();
    let mut model = Model {
        free: (0..4).collect(),
        ..Model::default()
    };
    for id in 0..4 {
        driver.set_descriptor(&memory, id, buffer(128 + u64::from(id) * 8, 0, 0));
    }
    for _ in 0..steps {
        match random.below(6) {
            0 if !model.free.is_empty() => {
                let id = model.free.swap_remove(random.below(model.free.len()));
                driver.offer(&memory, id);
                model.offered.push_back(id);
            }
            1 => {
                driver.publish(&memory);
                let is_new = !model.offered.is_empty();
                model.published.append(&mut model.offered);
                let kick = driver.take_kick(&memory);
                let must = is_new && core::mem::take(&mut model.device_sleeps);
                assert!(kick || !must, "nobody rang");
            }
            2 => {
                let id = device.take(&memory).unwrap();
                assert_eq!(id, model.published.pop_front());
                model.taken.extend(id);
                if id.is_none() {
                    model.device_sleeps = device.arm(&memory).unwrap();
                    assert!(model.device_sleeps);
                }
            }
            3 if !model.taken.is_empty() => {
                let head = model.taken.swap_remove(random.below(model.taken.len()));
                let length = random.number() as u32;
                device.give_back(&memory, head, length);
                model.given_back.push_back(Used { head, length });
            }
            4 => {
                device.publish(&memory);
                let is_new = !model.given_back.is_empty();
                model.published_back.append(&mut model.given_back);
                let kick = device.take_kick(&memory);
                let must = is_new && core::mem::take(&mut model.driver_sleeps);
                assert!(kick || !must, "nobody rang");
            }
            5 => {
                let used = driver.take_used(&memory).unwrap();
                assert_eq!(used, model.published_back.pop_front());
                model.free.extend(used.map(|used| used.head));
                if used.is_none() {
                    model.driver_sleeps = driver.arm(&memory).unwrap();
                    assert!(model.driver_sleeps);
                }
            }
            _ => {}
        }
        assert_eq!(usize::from(driver.in_flight()), 4 - model.free.len());
        assert_eq!(usize::from(device.taken()), model.taken.len());
    }
}

#[test]
fn model() {
    // 600,000 steps are some 100,000 chains: the indexes wrap.
    let (runs, steps) = if cfg!(miri) { (2, 500) } else { (4, 600_000) };
    for seed in 0..runs {
        run_model(seed, steps);
    }
    println!("ok");
}

#[test]
fn kicks_are_counted_over_a_whole_turn_of_the_index() {
    let area = Area::new(SIZE);
    let memory = area.memory();
    let mut driver = DriverQueue::new(&memory, SMALL).unwrap();
    let mut device = DeviceQueue::new(&memory, SMALL).unwrap();
    device.disarm(&memory);
    for _ in 0..0x1_0000 {
        driver.offer(&memory, 1);
        driver.publish(&memory);
        device.take(&memory).unwrap();
        device.give_back(&memory, 1, 0);
        device.publish(&memory);
        driver.take_used(&memory).unwrap();
    }
    assert!(
        driver.take_kick(&memory),
        "an index that is back where it was has passed every event"
    );
    assert!(!driver.take_kick(&memory));
}

/// What a driver with descriptors 0 and 1 in flight says to a device that wrote these used entries.
fn check_driver(index: u16, ids: [u32; 2], expected: Result<usize, RingError>) {
    let area = Area::new(SIZE);
    let memory = area.memory();
    let mut driver = DriverQueue::new(&memory, SMALL).unwrap();
    driver.offer(&memory, 0);
    driver.offer(&memory, 1);
    driver.publish(&memory);
    for (slot, id) in ids.into_iter().enumerate() {
        memory.write_u32(SMALL.used_slot(slot as u16), id);
    }
    memory.store_release(SMALL.used_index(), index);
    let mut count = 0;
    let result = loop {
        match driver.take_used(&memory) {
            Ok(Some(_)) => count += 1,
            Ok(None) => break Ok(count),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(result, expected);
}

#[test]
fn hostile_device() {
    check_driver(2, [1, 0], Ok(2));
    check_driver(
        3,
        [0, 1],
        Err(RingError::BadIndex {
            index: 3,
            last: 0,
            limit: 2,
        }),
    );
    check_driver(
        0xffff,
        [0, 1],
        Err(RingError::BadIndex {
            index: 0xffff,
            last: 0,
            limit: 2,
        }),
    );
    check_driver(1, [2, 0], Err(RingError::BadHead { id: 2 }));
    check_driver(1, [4, 0], Err(RingError::BadHead { id: 4 }));
    check_driver(1, [u32::MAX, 0], Err(RingError::BadHead { id: u32::MAX }));
    check_driver(2, [1, 1], Err(RingError::BadHead { id: 1 }));
}

/// What a device says to a driver that wrote this.
fn check_device(
    index: u16,
    head: u16,
    descriptors: &[Descriptor],
    expected: Result<usize, RingError>,
) {
    let area = Area::new(SIZE);
    let memory = area.memory();
    let mut driver = DriverQueue::new(&memory, SMALL).unwrap();
    let mut device = DeviceQueue::new(&memory, SMALL).unwrap();
    for (id, descriptor) in descriptors.iter().enumerate() {
        driver.set_descriptor(&memory, id as u16, *descriptor);
    }
    memory.write_u16(SMALL.available_slot(0), head);
    memory.store_release(SMALL.available_index(), index);
    let result = match device.take(&memory) {
        Err(error) => Err(error),
        Ok(None) => Ok(0),
        Ok(Some(head)) => device.chain(&memory, head).map(|d| d.map(|_| 1)).sum(),
    };
    assert_eq!(result, expected);
}

#[test]
fn hostile_driver() {
    let next = |next| buffer(128, FLAG_NEXT, next);
    let last = buffer(128, 0, 0);
    check_device(0, 0, &[], Ok(0));
    check_device(1, 0, &[last], Ok(1));
    check_device(1, 0, &[next(1), next(3), last, next(2)], Ok(4));
    check_device(
        5,
        0,
        &[last],
        Err(RingError::BadIndex {
            index: 5,
            last: 0,
            limit: 4,
        }),
    );
    check_device(
        0xffff,
        0,
        &[last],
        Err(RingError::BadIndex {
            index: 0xffff,
            last: 0,
            limit: 4,
        }),
    );
    check_device(1, 4, &[last], Err(RingError::BadHead { id: 4 }));
    check_device(1, 0, &[next(0)], Err(RingError::EndlessChain { head: 0 }));
    check_device(
        1,
        1,
        &[last, next(2), next(1)],
        Err(RingError::EndlessChain { head: 1 }),
    );
    check_device(1, 0, &[next(9)], Err(RingError::BadHead { id: 9 }));
    for (address, length, flags) in [
        (SIZE as u64, 1, 0),
        (SIZE as u64 - 7, 8, 0),
        (u64::MAX, 1, FLAG_WRITE),
        (u64::MAX - 7, 8, 0),
        (0, SIZE as u32 + 1, 0),
        (0, u32::MAX, 0),
        (128, 16, 4), // INDIRECT
        (128, 16, 0x8000),
    ] {
        let bad = Descriptor {
            address,
            length,
            flags,
            next: 0,
        };
        let error = RingError::BadDescriptor {
            id: 0,
            address,
            length,
            flags,
        };
        check_device(1, 0, &[bad], Err(error));
    }
}

#[test]
fn an_index_that_goes_back() {
    let area = Area::new(SIZE);
    let memory = area.memory();
    let mut device = DeviceQueue::new(&memory, SMALL).unwrap();
    memory.store_release(SMALL.available_index(), 3);
    assert_eq!(device.offered(&memory, 1).unwrap(), 3);
    memory.store_release(SMALL.available_index(), 2);
    let error = RingError::BadIndex {
        index: 2,
        last: 0,
        limit: 4,
    };
    assert_eq!(device.offered(&memory, 4), Err(error));
}

#[test]
fn memory_too_small() {
    let area = Area::new(SMALL.end() - 2);
    let error = RingError::MemoryTooSmall {
        size: SMALL.end() - 2,
        needed: SMALL.end(),
    };
    assert_eq!(DriverQueue::new(&area.memory(), SMALL).unwrap_err(), error);
    assert_eq!(DeviceQueue::new(&area.memory(), SMALL).unwrap_err(), error);
}

/// Each word of the queue's memory is overwritten while both sides run: every call ends, with an error
/// or with entries that a queue can have.
#[test]
fn corrupted_words() {
    let runs = if cfg!(miri) { 20 } else { 20_000 };
    for seed in 0..runs {
        let area = Area::new(SIZE);
        let memory = area.memory();
        let mut random = Random(seed);
        let mut driver = DriverQueue::new(&memory, SMALL).unwrap();
        let mut device = DeviceQueue::new(&memory, SMALL).unwrap();
        let mut free: Vec<u16> = (0..4).collect();
        let mut taken = Vec::new();
        for _ in 0..100 {
            if random.below(8) == 0 {
                let at = random.below(SMALL.end() / 2) * 2;
                let value = [0, 1, 2, 4, 0xffff, random.number() as u16][random.below(6)];
                memory.write_u16(at, value);
            }
            for id in free.drain(..) {
                driver.set_descriptor(&memory, id, buffer(128, FLAG_NEXT, id));
                driver.offer(&memory, id);
            }
            driver.publish(&memory);
            let Ok(head) = device.take(&memory) else {
                break;
            };
            if let Some(head) = head {
                assert!(head < 4 && device.chain(&memory, head).count() <= 5);
                taken.push(head);
            }
            if random.below(2) == 0
                && let Some(head) = taken.pop()
            {
                device.give_back(&memory, head, 0);
                device.publish(&memory);
            }
            driver.take_kick(&memory);
            device.take_kick(&memory);
            let Ok(used) = driver.take_used(&memory) else {
                break;
            };
            free.extend(used.map(|used| used.head));
            if driver.arm(&memory).is_err() || device.arm(&memory).is_err() {
                break;
            }
        }
    }
}
