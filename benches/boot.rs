//! Starts of a function: from nothing to its first reply, and as a replacement copied from a template.

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;
use vireodb::bench::{Echo, cold_boot};
use vireodb::{Isolation, SpinMode};

/// Between two kills: a machine for the next replacement is made meanwhile.
const BETWEEN_KILLS: Duration = Duration::from_millis(40);

fn boot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("boot");
    group.sample_size(10);
    for (name, isolation) in [("thread", Isolation::Thread), ("kvm", Isolation::Kvm)] {
        let mut echo = match Echo::start(isolation, SpinMode::Busy) {
            Ok(echo) => echo,
            Err(error) => {
                eprintln!("skipped: {name}: {error}");
                continue;
            }
        };
        group.bench_function(format!("{name}, killed to replaced"), |bencher| {
            bencher.iter_custom(|count| {
                let mut time = Duration::ZERO;
                for _ in 0..count {
                    std::thread::sleep(BETWEEN_KILLS);
                    time += echo.replace().expect("a replacement").0;
                }
                time
            });
        });
        drop(echo);
        let cold = |count| {
            (0..count)
                .map(|_| cold_boot(isolation).expect("a boot").0)
                .sum()
        };
        group.bench_function(format!("{name}, from nothing"), |bencher| {
            bencher.iter_custom(cold);
        });
    }
    group.finish();
}

criterion_group!(benches, boot);
criterion_main!(benches);
