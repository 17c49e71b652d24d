//! Starts of a function to its first reply: from nothing, and as a copy of a booted template.

use criterion::Criterion;
use std::time::Duration;
use vireodb::Isolation;
use vireodb::bench::Echo;

/// Before the first kill: the first machines are made only when the functions have run for a while.
const SETTLED: Duration = Duration::from_millis(250);
/// Between two kills: a machine for the next replacement is made meanwhile.
const BETWEEN_KILLS: Duration = Duration::from_millis(20);

fn boot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("boot");
    group.sample_size(10);
    for (name, isolation) in [("thread", Isolation::Thread), ("kvm", Isolation::Kvm)] {
        for (what, standbys) in [("from nothing", false), ("from a template", true)] {
            let mut echo = match Echo::start_mortal(isolation, standbys) {
                Ok(echo) => echo,
                Err(error) => {
                    eprintln!("skipped: {name}: {error}");
                    continue;
                }
            };
            std::thread::sleep(SETTLED);
            let mut start = || {
                std::thread::sleep(BETWEEN_KILLS);
                echo.replace().expect("a replacement").start_to_reply
            };
            group.bench_function(format!("{name}, {what}"), |bencher| {
                bencher.iter_custom(|count| (0..count).map(|_| start()).sum());
            });
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    boot(&mut criterion);
    criterion.final_summary();
}
