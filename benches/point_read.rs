//! One row by its key, through an embedded session with the simple protocol: one client, no socket.

use criterion::Criterion;
use vireodb::Isolation;
use vireodb::bench::Accounts;

fn point_read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("point read");
    for (name, isolation) in [("thread", Isolation::Thread), ("kvm", Isolation::Kvm)] {
        let accounts = match Accounts::open(isolation, 1) {
            Ok(accounts) => accounts,
            Err(error) => {
                eprintln!("skipped: {name}: {error}");
                continue;
            }
        };
        let mut session = accounts.database().connect().expect("a session");
        for (what, accounts) in [("one statement", 1), ("1,000 statements", 1000)] {
            let mut aid = 0;
            group.bench_function(format!("{name}, {what}"), |bencher| {
                bencher.iter(|| {
                    aid = aid % accounts + 1;
                    let sql = format!("SELECT abalance FROM pgbench_accounts WHERE aid = {aid}");
                    session.query(&sql).expect("a row")
                });
            });
        }
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    point_read(&mut criterion);
    criterion.final_summary();
}
