//! kill -9 in the middle of a TPC-B-like load, again and again, against a ledger of the clients.
//!
//! Each transaction inserts a history row with a number of its own. After each restart every number whose COMMIT
//! was acknowledged is there, none that was refused is, and every account, teller and branch is the sum of its
//! history: what was cut off is there whole or not at all.
//!
//! `VIREO_KILLS` says how often, 5 times unless given.

use crate::ledger::Ledger;
use crate::support::{Place, block_on, connect};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, Error, SimpleQueryMessage};

const KILLS: usize = 5;
const CONNECTIONS: i64 = 8;
const BRANCHES: i64 = 2;
const TELLERS: i64 = 20;
const ACCOUNTS: i64 = 2000;

const TABLES: &str = "
    CREATE TABLE branches (id int PRIMARY KEY, balance int NOT NULL);
    CREATE TABLE tellers (id int PRIMARY KEY, balance int NOT NULL);
    CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
    CREATE TABLE history (number bigint PRIMARY KEY, branch int, teller int, account int, delta int);";

#[test]
fn nothing_acknowledged_is_lost() {
    let kills = std::env::var("VIREO_KILLS").ok();
    let kills = kills.map_or(KILLS, |kills| kills.parse().expect("a number"));
    let place = Place::new();
    let mut server = place.serve();
    block_on(fill(server.address));
    let ledger = Mutex::new(Ledger::default());
    let mut random = Random(seed());
    eprintln!("seed {}", random.0);
    let begin = Instant::now();
    for round in 0..kills {
        let load = Duration::from_millis(100 + random.below(900));
        let (address, seed) = (server.address, random.next());
        std::thread::scope(|scope| {
            for connection in 0..CONNECTIONS {
                let ledger = &ledger;
                let first = (round as i64 * CONNECTIONS + connection) * 1_000_000;
                let random = Random(seed ^ (connection as u64) << 32 | 1);
                scope.spawn(move || block_on(transactions(address, first, random, ledger)));
            }
            std::thread::sleep(load);
            server.kill();
        });
        let restart = Instant::now();
        server = place.serve();
        let restart_ms = restart.elapsed().as_millis();
        let mut ledger = ledger.lock().expect("whole");
        let there = block_on(check(server.address));
        ledger.check(&there);
        ledger.decide(&there);
        let acknowledged = ledger.count();
        eprintln!(
            "kill {}: {acknowledged} acknowledged in all, open again in {restart_ms} ms",
            round + 1
        );
    }
    let ledger = ledger.into_inner().expect("whole");
    assert!(
        ledger.count() > kills * 10,
        "the load was none: {}",
        ledger.count()
    );
    eprintln!("{kills} kills in {:?}", begin.elapsed());
    server.stop();
}

async fn fill(address: SocketAddr) {
    let client = connect(address).await.expect("the server is up");
    client.batch_execute(TABLES).await.expect("made");
    for (table, count) in [
        ("branches", BRANCHES),
        ("tellers", TELLERS),
        ("accounts", ACCOUNTS),
    ] {
        let rows: Vec<String> = (1..=count).map(|id| format!("({id}, 0)")).collect();
        let text = format!("INSERT INTO {table} VALUES {}", rows.join(", "));
        client.batch_execute(&text).await.expect("filled");
    }
}

/// One client's transactions, until the server is gone.
async fn transactions(address: SocketAddr, first: i64, mut random: Random, ledger: &Mutex<Ledger>) {
    let Ok(client) = connect(address).await else {
        return;
    };
    for number in first.. {
        let mut has_begun_commit = false;
        let result = transaction(&client, number, &mut random, &mut has_begun_commit).await;
        let mut ledger = ledger.lock().expect("whole");
        match result {
            Ok(()) => ledger.acknowledged(number),
            Err(error) if error.code().is_some() => panic!("a transaction failed: {error}"),
            Err(_) if has_begun_commit => return ledger.unknown(number),
            Err(_) => return ledger.refused(number),
        }
    }
}

async fn transaction(
    client: &Client,
    number: i64,
    random: &mut Random,
    has_begun_commit: &mut bool,
) -> Result<(), Error> {
    let mut pick = |count: i64| 1 + random.below(count as u64) as i64;
    let (branch, teller, account) = (pick(BRANCHES), pick(TELLERS), pick(ACCOUNTS));
    let delta = pick(10_001) - 5001;
    client.batch_execute("BEGIN").await?;
    for (table, id) in [
        ("accounts", account),
        ("tellers", teller),
        ("branches", branch),
    ] {
        let text = format!("UPDATE {table} SET balance = balance + {delta} WHERE id = {id}");
        client.batch_execute(&text).await?;
    }
    let text =
        format!("INSERT INTO history VALUES ({number}, {branch}, {teller}, {account}, {delta})");
    client.batch_execute(&text).await?;
    *has_begun_commit = true;
    client.batch_execute("COMMIT").await
}

/// Every balance is the sum of its history; the numbers that are there.
async fn check(address: SocketAddr) -> BTreeSet<i64> {
    let client = connect(address).await.expect("the server is up");
    for (table, column) in [
        ("branches", "branch"),
        ("tellers", "teller"),
        ("accounts", "account"),
    ] {
        let text = format!(
            "SELECT t.id, t.balance, h.sum FROM {table} t \
             LEFT JOIN (SELECT {column} AS id, sum(delta) AS sum FROM history GROUP BY {column}) h \
             ON h.id = t.id WHERE t.balance <> coalesce(h.sum, 0)"
        );
        let messages = client.simple_query(&text).await.expect("read");
        let is_row = |message: &&SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
        let differing = messages.iter().filter(is_row).count();
        assert_eq!(
            differing, 0,
            "{table} differ from their history: {messages:?}"
        );
    }
    let rows = client.query("SELECT number FROM history", &[]).await;
    rows.expect("read").iter().map(|row| row.get(0)).collect()
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// Another one each time: a run says which, and how the processes meet is chance anyhow.
fn seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("after 1970").as_nanos() as u64
}
