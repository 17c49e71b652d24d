//! Both ends of a link: the bytes, a model with sleepers, threads, hostile peers.

use super::*;
use crate::testing::{Area, Random};
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{print, println, thread};

/// Four buffers of 64 bytes a queue.
const SMALL: LinkLayout = LinkLayout::new(4, 256, 64);

fn pair(area: &Area, layout: LinkLayout) -> [Link; 2] {
    [Side::Driver, Side::Device]
        .map(|side| LinkEnd::with_layout(area.memory(), side, layout).unwrap())
}

fn bytes(area: &Area, at: usize, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length);
    area.memory().read_bytes(at, length, &mut out);
    out
}

#[test]
fn golden_bytes() {
    let area = Area::new(LINK_LAYOUT.size());
    let [mut driver, mut device] = pair(&area, LINK_LAYOUT);
    // Descriptor 1 of each queue: address, length 8064, flags.
    assert_eq!(
        bytes(&area, 0x10, 16),
        b"\x80\x9f\0\0\0\0\0\0\x80\x1f\0\0\0\0\0\0"
    );
    assert_eq!(
        bytes(&area, 0x4010, 16),
        b"\x80\x5f\x10\0\0\0\0\0\x80\x1f\0\0\x02\0\0\0"
    );
    // The device may fill all 128 buffers of queue 1.
    assert_eq!(bytes(&area, 0x4800, 10), b"\0\0\x80\0\0\0\x01\0\x02\0");

    driver.send(b"head", b"body!").unwrap();
    let golden = b"\x03\0\0\0\x09\0\0\0\0\0\0\0\x04\0\0\0\x05\0\0\0\0\0\0\0headbody!";
    assert_eq!(bytes(&area, 0x8000, 33), golden);
    assert_eq!(bytes(&area, 0x800, 6), b"\0\0\x01\0\0\0");
    let got = device.receive().unwrap().unwrap();
    assert_eq!((got.head, got.body), (&b"head"[..], &b"body!"[..]));

    // Two fragments: 8040 bytes, then 2.
    device.send(b"xy", &vec![b'b'; 8040]).unwrap();
    let first = b"\x01\0\0\0\x68\x1f\0\0\0\0\0\0\x02\0\0\0\x68\x1f\0\0\0\0\0\0xybbb";
    assert_eq!(bytes(&area, 0x10_4000, 29), first);
    let last = b"\x02\0\0\0\x02\0\0\0\x68\x1f\0\0\x02\0\0\0\x68\x1f\0\0\0\0\0\0bb\0";
    assert_eq!(bytes(&area, 0x10_4000 + 8064, 27), last);
    // Used: index 2; (0, 8064), (1, 26).
    assert_eq!(
        bytes(&area, 0x5000, 20),
        b"\0\0\x02\0\0\0\0\0\x80\x1f\0\0\x01\0\0\0\x1a\0\0\0"
    );
    assert_eq!(device.depth(), 2);
    assert_eq!(driver.receive().unwrap().unwrap().body.len(), 8040);
    assert_eq!(device.depth(), 0);
}

/// One end in the model: it works only while awake, and wakes only when rung.
struct Actor {
    end: Link,
    is_asleep: bool,
    was_rung: bool,
    /// Sent by the peer and not yet received here.
    expected: VecDeque<(Vec<u8>, Vec<u8>)>,
}

fn length(random: &mut Random, room: usize) -> usize {
    match random.below(8) {
        0 => 0,
        1..=4 => random.below(room),
        5 => room - 2 + random.below(4),
        6 => random.below(room * 5),
        _ => random.below(room * 300).min(200_000),
    }
}

/// One turn of actor `me`: perhaps receives, polls, sends, tries to sleep.
fn turn(actors: &mut [Actor; 2], me: usize, random: &mut Random, room: usize, may_send: bool) {
    if actors[me].is_asleep {
        if !core::mem::take(&mut actors[me].was_rung) {
            return;
        }
        actors[me].is_asleep = false;
        actors[me].end.woke();
    }
    for _ in 0..random.below(4) {
        let Actor { end, expected, .. } = &mut actors[me];
        let Some(got) = end.receive().unwrap() else {
            break;
        };
        let (head, body) = expected.pop_front().unwrap();
        assert_eq!((got.head, got.body), (&head[..], &body[..]));
    }
    actors[me].end.poll().unwrap();
    for _ in 0..if may_send { random.below(3) } else { 0 } {
        let all: Vec<u8> = (0..length(random, room))
            .map(|_| random.number() as u8)
            .collect();
        let (head, body) = all.split_at(random.below(all.len() + 1).min(all.len()));
        actors[me].end.send(head, body).unwrap();
        actors[1 - me]
            .expected
            .push_back((head.to_vec(), body.to_vec()));
    }
    if actors[me].end.take_kick() {
        actors[1 - me].was_rung = true;
    }
    if random.below(2) == 0 {
        actors[me].is_asleep = actors[me].end.prepare_sleep().unwrap();
    }
}

fn run_model(layout: LinkLayout, seed: u64, turns: usize) {
    print!("seed {seed:#x}, ");
    let area = Area::new(layout.size());
    let mut random = Random(seed);
    let room = layout.buffer_size - FRAGMENT_HEADER_SIZE;
    let mut actors = pair(&area, layout).map(|end| Actor {
        end,
        is_asleep: false,
        was_rung: false,
        expected: VecDeque::new(),
    });
    for _ in 0..turns {
        // A sender that runs far ahead would only fill its outbox.
        let may_send = actors.iter().all(|a| a.end.outbox_bytes() < 100 * room);
        let me = random.below(2);
        turn(&mut actors, me, &mut random, room, may_send);
    }
    for _ in 0..if cfg!(miri) { 2_000 } else { 100_000 } {
        let me = random.below(2);
        turn(&mut actors, me, &mut random, room, false);
    }
    for me in 0..2 {
        let (actor, peer) = (&actors[me], &actors[1 - me]);
        assert!(
            actor.expected.is_empty(),
            "{} messages slept over",
            actor.expected.len()
        );
        assert!(actor.is_asleep || actor.end.outbox_bytes() == 0);
        assert_eq!(actor.end.received(), peer.end.sent());
        assert_eq!((actor.end.depth(), actor.end.outbox_bytes()), (0, 0));
    }
}

#[test]
fn model() {
    let (runs, turns) = if cfg!(miri) { (1, 50) } else { (12, 20_000) };
    for seed in 0..runs {
        run_model(SMALL, seed, turns);
        run_model(LinkLayout::new(1, 256, 32), seed, turns);
        run_model(LINK_LAYOUT, seed, turns / 10);
    }
    println!("ok");
}

/// Counts and answers until `count` messages were received; parks when the link lets it.
fn echo(mut end: Link, peer: &thread::Thread, rung: [&AtomicBool; 2], count: u32, begins: bool) {
    let mut body = Vec::new();
    if begins {
        end.send(b"n", &[0; 100]).unwrap();
    }
    let mut left = count;
    while left > 0 || end.outbox_bytes() > 0 {
        let mut worked = end.poll().unwrap();
        if let Some(got) = end.receive().unwrap() {
            body.clear();
            body.extend_from_slice(got.body);
            body.iter_mut().for_each(|b| *b = b.wrapping_add(1));
            (worked, left) = (true, left - 1);
            if left > 0 || !begins {
                end.send(b"n", &body).unwrap();
            }
        }
        if end.take_kick() {
            rung[1].store(true, Ordering::Release);
            peer.unpark();
        }
        if !worked && end.prepare_sleep().unwrap() {
            while !rung[0].swap(false, Ordering::Acquire) {
                thread::park();
            }
            end.woke();
        }
    }
}

/// Two threads that sleep whenever they can: a lost ring would hang here. Under Miri, which also runs the
/// weak orderings of other machines, a missing ordering is a data race.
#[test]
fn threads() {
    let area = Area::new(SMALL.size());
    let [driver, device] = pair(&area, SMALL);
    let count = if cfg!(miri) { 30 } else { 20_000 };
    let flags = [AtomicBool::new(false), AtomicBool::new(false)];
    let here = thread::current();
    thread::scope(|scope| {
        let there = scope.spawn(|| echo(device, &here, [&flags[1], &flags[0]], count, false));
        echo(driver, there.thread(), [&flags[0], &flags[1]], count, true);
    });
}

#[test]
fn a_full_ring_fills_the_outbox() {
    let area = Area::new(SMALL.size());
    let [mut driver, mut device] = pair(&area, SMALL);
    for n in 0..10u8 {
        driver.send(&[n], &[n; 20]).unwrap();
    }
    assert_eq!(
        (driver.outbox_bytes(), driver.depth(), driver.is_congested()),
        (6 * 21, 10, false)
    );
    driver.send(&[], &vec![7; OUTBOX_CONGESTED]).unwrap();
    assert!(driver.is_congested());
    assert!(!driver.poll().unwrap());
    for n in 0..10u8 {
        assert_eq!(device.receive().unwrap().unwrap().head, &[n]);
        driver.poll().unwrap();
    }
    while device.receive().unwrap().is_none() {
        assert!(driver.poll().unwrap());
    }
    assert_eq!(
        (driver.outbox_bytes(), driver.depth(), driver.is_congested()),
        (0, 0, false)
    );
}

#[test]
fn a_message_too_long_costs_nothing_else() {
    let area = Area::new(SMALL.size());
    let [mut driver, mut device] = pair(&area, SMALL);
    let long = vec![0; MESSAGE_SIZE_MAX];
    let length = MESSAGE_SIZE_MAX + 1;
    assert_eq!(
        driver.send(&[1], &long),
        Err(LinkError::MessageTooLong { length })
    );
    driver.send(&[2], &[]).unwrap();
    assert_eq!(device.receive().unwrap().unwrap().head, &[2]);
}

/// What a device says to a driver that sent these bytes in one buffer.
fn check_fragment(words: [u32; 6], expected: Result<bool, LinkError>) {
    let area = Area::new(SMALL.size());
    let [mut driver, mut device] = pair(&area, SMALL);
    driver.send(b"head", b"body").unwrap();
    for (n, word) in words.into_iter().enumerate() {
        area.memory().write_u32(SMALL.buffers[0] + n * 4, word);
    }
    assert_eq!(device.receive().map(|got| got.is_some()), expected);
    if let Err(error) = expected {
        assert_eq!(device.send(&[], &[]), Err(error), "the link is finished");
        assert_eq!(device.receive(), Err(error));
        assert_eq!(device.poll(), Err(error));
        assert_eq!(device.prepare_sleep(), Err(error));
    }
}

#[test]
fn hostile_fragments() {
    let bad = |length, offset, message_length| {
        Err(LinkError::BadFragment {
            length,
            offset,
            message_length,
        })
    };
    check_fragment([3, 8, 0, 4, 4, 0], Ok(true));
    check_fragment([3, 0, 0, 0, 0, 0], Ok(true));
    check_fragment([1, 8, 0, 4, 5, 0], Ok(false));
    check_fragment([1, 40, 0, 1 << 30, 0, 0], Ok(false));
    check_fragment([0, 8, 0, 4, 4, 0], bad(8, 0, 8));
    check_fragment([7, 8, 0, 4, 4, 0], bad(8, 0, 8));
    check_fragment([3, 8, 0, 4, 4, 1], bad(8, 0, 8));
    check_fragment([3, 9, 0, 4, 4, 0], bad(9, 0, 8));
    check_fragment([1, 0, 0, 4, 4, 0], bad(0, 0, 8));
    check_fragment([1, 41, 0, 400, 4, 0], bad(41, 0, 404));
    check_fragment(
        [1, u32::MAX, 0, u32::MAX, 4, 0],
        bad(0xffff_ffff, 0, 0x1_0000_0003),
    );
    check_fragment([1, 8, 0, 1 << 30, 1, 0], bad(8, 0, (1 << 30) + 1));
    check_fragment(
        [2, 4, 4, 4, 4, 0],
        Err(LinkError::BadSequence {
            offset: 4,
            expected: 0,
        }),
    );
}

#[test]
fn fragments_of_two_messages_mixed() {
    for (at, value) in [(0, 3), (8, 41), (12, 2), (16, 59)] {
        let area = Area::new(SMALL.size());
        let [mut driver, mut device] = pair(&area, SMALL);
        driver.send(&[1], &[1; 60]).unwrap();
        area.memory().write_u32(SMALL.buffer(0, 1) + at, value);
        assert!(device.receive().is_err(), "{at} {value}");
    }
}

#[test]
fn memory_grows_with_what_arrives() {
    let area = Area::new(LINK_LAYOUT.size());
    let [mut driver, mut device] = pair(&area, LINK_LAYOUT);
    driver.send(&[], &vec![1; 100_000]).unwrap();
    // 12 fragments of 8040 bytes and the rest; each claims to be of a gigabyte.
    for id in 0..13 {
        let at = LINK_LAYOUT.buffer(0, id);
        area.memory().write_u32(at, u32::from(id == 0));
        area.memory().write_u32(at + 16, MESSAGE_SIZE_MAX as u32);
    }
    assert_eq!(device.receive(), Ok(None));
    assert!(
        device.assembly.capacity() <= 200_000,
        "{}",
        device.assembly.capacity()
    );
}

/// What one end does in a turn of the corruption tests. False once it ended with an error.
fn step(end: &mut Link, random: &mut Random) -> Result<(), LinkError> {
    let bytes = [random.number() as u8; 300];
    match random.below(6) {
        0 | 1 => end.send(&bytes[..random.below(20)], &bytes[..random.below(300)])?,
        2 | 3 => {
            if let Some(got) = end.receive()? {
                assert!(got.head.len() + got.body.len() <= MESSAGE_SIZE_MAX);
            }
        }
        4 => drop(end.poll()?),
        _ => {
            end.take_kick();
            end.prepare_sleep()?;
            end.woke();
        }
    }
    end.depth();
    Ok(())
}

/// Words of the area are overwritten while both ends run: every call ends, with an error or with
/// bytes of the length that was claimed.
#[test]
fn corrupted_words() {
    let runs = if cfg!(miri) { 10 } else { 20_000 };
    let mut finished = 0;
    for seed in 0..runs {
        let area = Area::new(SMALL.size());
        let mut random = Random(seed);
        let mut ends = pair(&area, SMALL);
        let mut alive = [true; 2];
        for _ in 0..200 {
            if random.below(10) == 0 {
                let at = random.below(SMALL.size() / 2) * 2;
                let value = [0, 1, 2, 3, 0xffff, random.number() as u16][random.below(6)];
                area.memory().write_u16(at, value);
            }
            let me = random.below(2);
            alive[me] = alive[me] && step(&mut ends[me], &mut random).is_ok();
        }
        finished += alive.iter().filter(|alive| !**alive).count();
    }
    println!("{finished} of {} ends finished", runs * 2);
    assert!(finished > 0);
}

#[test]
fn memory_too_small() {
    let area = Area::new(LINK_LAYOUT.size() - 64);
    let error = Link::new(area.memory(), Side::Driver).unwrap_err();
    let (needed, size) = (LINK_LAYOUT.size(), LINK_LAYOUT.size() - 64);
    assert_eq!(error, RingError::MemoryTooSmall { size, needed }.into());
    assert!(error.is_fatal());
}
