//! An empty round trip between the host and an echo function through the real ring, both polling.

use criterion::Criterion;
use vireodb::bench::Echo;
use vireodb::{Isolation, SpinMode};

fn round_trip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round trip");
    for (name, isolation) in [("thread", Isolation::Thread), ("kvm", Isolation::Kvm)] {
        let mut echo = match Echo::start(isolation, SpinMode::Busy) {
            Ok(echo) => echo,
            Err(error) => {
                eprintln!("skipped: {name}: {error}");
                continue;
            }
        };
        for size in [0, 64, 4096] {
            let body = vec![7; size];
            group.bench_function(format!("{name}, {size} bytes"), |bencher| {
                bencher.iter(|| echo.round_trip(&body).expect("an echo"));
            });
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    round_trip(&mut criterion);
    criterion.final_summary();
}
