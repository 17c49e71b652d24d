//! A function that misbehaves as it is told, and is the echo function otherwise.
//!
//! It stands for a function that an attacker has taken over: whatever it does, it must die or be
//! cut off alone. A message whose body is the name of an [`Act`] starts the act; every other
//! message is answered with itself.
#![no_std]
#![no_main]
extern crate alloc;

mod act;

use act::Act;
use alloc::vec;
use alloc::vec::Vec;
use core::arch::asm;
use core::hint::black_box;
use vireo_abi::memory_map::{HUGE_PAGE_SIZE, IMAGE, LINK_SIZE, LINKS, LINKS_MAX};
use vireo_runtime::{Function, Io, Level, Start};

/// Bytes of a link's two queues.
const QUEUES_SIZE: usize = 32 << 10;

struct Hostile {
    start: Start,
}

impl Function for Hostile {
    fn new(start: &Start, _io: &mut Io) -> Hostile {
        Hostile {
            start: start.clone(),
        }
    }

    fn poll(&mut self, io: &mut Io) -> bool {
        let mut worked = false;
        for index in 0..io.ports.len() {
            let Some(received) = io.ports[index].receive() else {
                continue;
            };
            worked = true;
            let (head, body) = (Vec::from(received.head), Vec::from(received.body));
            match Act::ALL.iter().find(|act| act.name().as_bytes() == body) {
                Some(&act) => {
                    io.log(Level::Warn, format_args!("told to act: {}", act.name()));
                    self.act(act, index);
                }
                None => io.ports[index].send(&head, &body),
            }
            io.count_request();
        }
        worked
    }

    fn link_down(&mut self, _port: usize, _io: &mut Io) {}

    fn link_up(&mut self, _port: usize, _io: &mut Io) {}
}

impl Hostile {
    fn act(&self, act: Act, port: usize) {
        match act {
            Act::WritesReadonlyPool => write(self.start.catalog_pool.start.addr()),
            Act::WritesText => write(IMAGE as usize),
            Act::ExecutesData => {
                // A `ret`, were it executable.
                let code = Vec::from([0xC3u8; 64]);
                call(code.as_ptr().addr());
            }
            Act::JumpsToNull => call(0),
            Act::OverrunsStack => {
                black_box(recurse(1));
            }
            Act::WritesForeignLink => write(LINKS as usize + (LINKS_MAX - 1) * LINK_SIZE),
            Act::PrivilegedInstruction => {
                // SAFETY: none: at CPL 3 it faults, which is the point.
                unsafe { asm!("hlt") };
            }
            Act::LoopsForever => loop {
                core::hint::spin_loop();
            },
            Act::CorruptsRing => {
                // A function without block devices: port i is link i.
                let queues = (LINKS as usize + port * LINK_SIZE) as *mut u8;
                // SAFETY: the link's area is mapped and writable; that its other users cannot
                // bear this is the point.
                unsafe { queues.write_bytes(0xFF, QUEUES_SIZE) };
            }
            Act::Panics => panic!("as told"),
            Act::ExhaustsHeap => {
                let mut pieces = Vec::new();
                loop {
                    pieces.push(black_box(vec![1u8; HUGE_PAGE_SIZE]));
                }
            }
        }
    }
}

#[inline(never)]
fn write(address: usize) {
    // SAFETY: none: it faults or exits, which is the point.
    unsafe { (address as *mut u64).write_volatile(0xBAD) };
}

#[inline(never)]
fn call(address: usize) {
    // SAFETY: none: it faults, which is the point.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("C")) };
}

#[expect(unconditional_recursion, reason = "the point")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(depth + 1) + frame[(depth % 64) as usize]
}

vireo_runtime::image!(Hostile);
