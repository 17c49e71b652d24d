//! The images under the real hypervisor: they boot, answer, and end for the right reason.

mod support;

use std::time::{Duration, Instant};
use support::{has_kvm, start};
use vireo_abi::boot::Role;
use vireo_functions::{Act, hostile, images, is_host_supported, thread_entries};
use vireo_hypervisor::{Isolation, Program, Reason, SpinMode};

fn echo_program() -> Program {
    Program {
        role: Role::Echo,
        image: Some(images().echo),
        entry: Some(thread_entries().echo),
    }
}

/// What this machine can run functions on.
fn isolations() -> Vec<Isolation> {
    let mut isolations = vec![Isolation::Thread];
    if has_kvm() && is_host_supported() {
        isolations.push(Isolation::Kvm);
    }
    isolations
}

#[test]
fn the_echo_function_answers_messages_of_every_size() {
    for isolation in isolations() {
        for spin in [SpinMode::Busy, SpinMode::Park] {
            let mut machine = start(isolation, spin, echo_program());
            for size in [0, 1, 100, 8039, 8040, 8041, 100_000, 3 << 20] {
                let body: Vec<u8> = (0..size).map(|i: usize| (i * 7 + i / 255) as u8).collect();
                machine.echo(b"head", &body);
            }
            machine.hypervisor.stop();
        }
    }
}

#[test]
fn round_trips_do_not_hang_whether_it_spins_or_parks() {
    for isolation in isolations() {
        for (spin, count) in [(SpinMode::Busy, 20_000), (SpinMode::Park, 2000)] {
            let mut machine = start(isolation, spin, echo_program());
            machine.echo(b"", b"first");
            let mut times: Vec<Duration> = (0..count)
                .map(|_| {
                    let start = Instant::now();
                    machine.echo(b"12345678", b"");
                    start.elapsed()
                })
                .collect();
            times.sort();
            let (p50, p99) = (times[count / 2], times[count * 99 / 100]);
            println!("{isolation:?} {spin:?}: p50 {p50:?} p99 {p99:?}");
            machine.hypervisor.stop();
        }
    }
}

#[test]
fn a_hostile_function_ends_alone_and_for_the_right_reason() {
    if !has_kvm() || !is_host_supported() {
        return;
    }
    let program = Program {
        role: Role::Parse,
        image: Some(hostile()),
        entry: None,
    };
    let mut machine = start(Isolation::Kvm, SpinMode::Park, program);
    for act in Act::ALL {
        machine.echo(b"still", b"well-behaved");
        assert!(machine.send(b"", act.name().as_bytes()));
        let reason = machine.next_end();
        println!("{}: {reason}", act.name());
        assert!(is_expected(act, &reason), "{act:?}: {reason:?}");
    }
    machine.echo(b"at", b"last");
    machine.hypervisor.stop();
}

fn is_expected(act: Act, reason: &Reason) -> bool {
    match act {
        Act::WritesReadonlyPool
        | Act::WritesText
        | Act::ExecutesData
        | Act::JumpsToNull
        | Act::OverrunsStack
        | Act::WritesForeignLink
        | Act::PrivilegedInstruction => {
            matches!(
                reason,
                Reason::Fault { .. } | Reason::IsolationViolation { .. }
            )
        }
        Act::LoopsForever => matches!(reason, Reason::Runaway { .. }),
        Act::CorruptsRing => matches!(reason, Reason::LinkFault { .. }),
        Act::Panics => matches!(
            reason,
            Reason::Panicked { message } if message.ends_with(": as told")
                && message.starts_with("hostile/src/main.rs:")
        ),
        Act::ExhaustsHeap => matches!(
            reason,
            Reason::Panicked { message } if message.contains("memory allocation")
        ),
    }
}
