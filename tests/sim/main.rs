//! The three functions, their links and simulated disks on one thread, under a seeded scheduler and clock.
//!
//! Functions, links, messages and the block device's protocol are the real ones; simulated are the memory, the
//! disks' media, the gateway with its clients, and who runs when. All chance comes from the seed, so a seed is a
//! run: the same trace, byte for byte, in any process.
//!
//! ```text
//! VIREO_SIM_SEED=7 cargo test --test sim -- --nocapture     one seed again
//! VIREO_SIM_SEEDS=500 cargo test --test sim -- --nocapture  many
//! VIREO_SIM_TRACE=/tmp/trace                                with the trace in a file
//! ```

mod block;
mod bulk;
mod check;
mod client;
mod copy;
mod ddl;
mod device;
mod disk;
mod gateway;
mod link;
mod machine;
mod memory;
mod node;
mod random;
mod scheduler;
mod tpcb;
mod trace;
mod watchdog;

use random::Random;
use scheduler::{Plan, Report, Scheduler};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Seeds of a run without wishes.
const SEEDS: u64 = 10;

fn wish(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name}={value:?} is no number")),
    )
}

/// What a seed's run is. Small seeds have one thing that goes wrong each; every fourth has transactions of megabytes.
fn plan(seed: u64) -> Plan {
    let mut random = Random::new(seed ^ 0x5EED);
    let mut plan = Plan {
        executes: 1 + (seed ^ seed >> 2) % 2,
        tellers: random.between(2, 6),
        transactions: random.between(10, 40),
        copies: random.below(8),
        batches: if seed % 4 == 3 { 2 } else { 0 },
        shapes: random.below(12),
        power_cuts: 0,
        kills: 0,
        disk_faults: 0,
        cancels: false,
    };
    match seed {
        0 => {}
        1 => plan.power_cuts = 3,
        2 => plan.kills = 6,
        3 => plan.disk_faults = 4,
        _ => {
            plan.power_cuts = random.below(4);
            plan.kills = random.below(6);
            plan.disk_faults = if random.once_in(2) {
                random.below(4)
            } else {
                0
            };
            plan.cancels = random.once_in(2);
        }
    }
    plan
}

/// Runs a seed; if it fails, says which it was.
fn run(seed: u64, keeps_text: bool) -> Report {
    let result = catch_unwind(AssertUnwindSafe(|| {
        Scheduler::new(seed, plan(seed), keeps_text).run()
    }));
    match result {
        Ok(report) => report,
        Err(panic) => {
            eprintln!(
                "seed {seed} failed: VIREO_SIM_SEED={seed} cargo test --test sim -- --nocapture"
            );
            resume_unwind(panic)
        }
    }
}

fn say(seed: u64, report: &Report) {
    let Report {
        hash,
        lines,
        steps,
        executes,
        acknowledged,
        retried,
        unknown,
        audits,
        copies,
        batches,
        shapes,
        notes,
        text: _,
    } = report;
    println!(
        "seed {seed}: trace {hash:016x}, {lines} lines, {steps} steps, {executes} execute; \
         {acknowledged} transactions, {retried} retried, {unknown} cut off; {audits} audits; \
         {copies} copies, {batches} batches, {shapes} shapes, {notes} notes"
    );
}

#[test]
fn balances_hold_whatever_goes_wrong() {
    let seeds = match (wish("VIREO_SIM_SEED"), wish("VIREO_SIM_SEEDS")) {
        (Some(seed), count) => seed..seed + count.unwrap_or(1),
        (None, count) => 0..count.unwrap_or(SEEDS),
    };
    let keeps_text = std::env::var_os("VIREO_SIM_TRACE").is_some();
    for seed in seeds {
        let report = run(seed, keeps_text);
        trace::write_out(&report.text);
        say(seed, &report);
    }
}

#[test]
fn a_seed_is_a_run() {
    let seed = wish("VIREO_SIM_SEED").unwrap_or(5);
    let (first, second) = (run(seed, true), run(seed, true));
    if first != second {
        let lines = first.text.lines().zip(second.text.lines());
        let differing = lines.enumerate().find(|(_, (a, b))| a != b);
        panic!("the traces of seed {seed} differ: {differing:?}");
    }
    assert_ne!(first.hash, run(seed + 1, false).hash);
}

/// Clients would be told for ever that the database is starting.
#[test]
#[should_panic(expected = "the database cannot be opened")]
fn a_database_that_does_not_open_ends_the_run() {
    Scheduler::new(1, plan(1), false).run_with_damage();
}

/// Where things are in memory, and what a hash map makes of that, changes from process to process.
#[test]
fn a_seed_is_a_run_in_any_process() {
    let program = std::env::current_exe().expect("this program");
    let seed = wish("VIREO_SIM_SEED").unwrap_or(2);
    let says = || {
        let output = std::process::Command::new(&program)
            .args([
                "--exact",
                "balances_hold_whatever_goes_wrong",
                "--nocapture",
            ])
            .env("VIREO_SIM_SEED", seed.to_string())
            .env("VIREO_SIM_SEEDS", "2")
            .env_remove("VIREO_SIM_TRACE")
            .output()
            .expect("this program runs");
        assert!(
            output.status.success(),
            "seeds from {seed} fail in a process of their own"
        );
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines()
            .filter(|line| line.starts_with("seed "))
            .map(str::to_string)
            .collect::<Vec<_>>()
    };
    let first = says();
    assert_eq!(first.len(), 2);
    assert_eq!(first, says());
}
