//! Plans.

use super::*;

#[test]
fn scratch() {
    for sql in [
        "select abalance from pgbench_accounts where aid = 5",
        "select abalance from pgbench_accounts where aid = $1",
        "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
        "select count(*) from pgbench_branches",
        "select 1",
        "select 1+1, -5, 'a' || 'b'",
        "select * from t, u where t.a = u.a",
        "select t.b from t left join k on t.a = k.id where k.n is null order by 1 limit 3",
    ] {
        match bound(sql) {
            Ok(b) => std::println!("{sql}\n  {:?}\n  {:?}", b.plan.body, b.info),
            Err(e) => std::println!("{sql}\n  {e:?}"),
        }
    }
}
