//! An empty round trip through the real ring, both ends polling: between the host and an echo function, and between
//! two functions, timed by the one that sends.

use criterion::Criterion;
use vireodb::bench::{Echo, Pair};
use vireodb::{Isolation, SpinMode};

const SIZES: [u32; 3] = [0, 64, 4096];
const BACKENDS: [(&str, Isolation); 2] = [("thread", Isolation::Thread), ("kvm", Isolation::Kvm)];

fn host_and_function(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round trip, host and function");
    for (name, isolation) in BACKENDS {
        let mut echo = match Echo::start(isolation, SpinMode::Busy) {
            Ok(echo) => echo,
            Err(error) => {
                eprintln!("skipped: {name}: {error}");
                continue;
            }
        };
        for size in SIZES {
            let body = vec![7; size as usize];
            group.bench_function(format!("{name}, {size} bytes"), |bencher| {
                bencher.iter(|| echo.round_trip(&body).expect("an echo"));
            });
        }
    }
    group.finish();
}

fn two_functions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round trip, two functions");
    for (name, isolation) in BACKENDS {
        let mut pair = match Pair::start(isolation) {
            Ok(pair) => pair,
            Err(error) => {
                eprintln!("skipped: {name}: {error}");
                continue;
            }
        };
        for size in SIZES {
            group.bench_function(format!("{name}, {size} bytes"), |bencher| {
                bencher.iter_custom(|count| {
                    let count = u32::try_from(count).expect("criterion asks for millions at most");
                    pair.total(count, size).expect("round trips")
                });
            });
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    host_and_function(&mut criterion);
    two_functions(&mut criterion);
    criterion.final_summary();
}
