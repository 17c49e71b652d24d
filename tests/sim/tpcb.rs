//! The TPC-B-like load, its ledger, and what must hold of the two.
//!
//! Each transaction has a name of its own, which it leaves in the history. So after a crash the history says which
//! transactions are there, and from it follows what every balance must be: a transaction is there whole or not at all.
//!
//! 1. What was acknowledged is there; what was refused is not; what was cut off may be either.
//! 2. Each account, teller and branch is the sum of its deltas in the history.
//! 3. The balances that transactions read of their account after their update form a chain: each began where
//!    another ended, so none overwrote another.
//! 4. Counters, incremented by statements on their own, are what was acknowledged plus at most what was cut off.

use crate::block::Fate;
use crate::check::{Books, number, text};
use crate::client::{Action, Client, Failure, Outcome, Row, Statement, Verdict, verdict};
use crate::random::Random;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    pub branches: u64,
    pub tellers: u64,
    pub accounts: u64,
    pub counters: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    aid: u64,
    tid: u64,
    bid: u64,
    delta: i64,
    /// What it read of its account after its update.
    seen: i64,
    fate: Fate,
}

/// What the clients know of the database.
#[derive(Debug, Default)]
pub struct Ledger {
    transactions: BTreeMap<String, Entry>,
    /// Each counter's acknowledged value, and increments that may be there or not.
    counters: BTreeMap<u64, (i64, i64)>,
    /// Transactions that were acknowledged, and those tried again.
    pub acknowledged: u64,
    pub retried: u64,
    pub unknown: u64,
    pub audits: u64,
}

pub type SharedLedger = Rc<RefCell<Ledger>>;

/// The statements that make the tables and fill them.
pub fn setup(scale: Scale) -> Vec<Statement> {
    let mut statements = vec![
        Statement::new("CREATE TABLE branches (bid int NOT NULL, bbalance int, filler char(88))"),
        Statement::new(
            "CREATE TABLE tellers (tid int NOT NULL, bid int, tbalance int, filler char(84))",
        ),
        Statement::new(
            "CREATE TABLE accounts (aid int NOT NULL, bid int, abalance int, filler char(84))",
        ),
        Statement::new(
            "CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))",
        ),
        Statement::new("CREATE TABLE counters (id int PRIMARY KEY, n bigint NOT NULL)"),
    ];
    fill(
        &mut statements,
        "INSERT INTO branches (bid, bbalance) VALUES ",
        scale.branches,
        |n| format!("({n}, 0)"),
    );
    fill(
        &mut statements,
        "INSERT INTO tellers (tid, bid, tbalance) VALUES ",
        scale.tellers,
        |n| format!("({n}, {}, 0)", 1 + n % scale.branches),
    );
    fill(
        &mut statements,
        "INSERT INTO accounts (aid, bid, abalance, filler) VALUES ",
        scale.accounts,
        |n| format!("({n}, {}, 0, '')", 1 + n % scale.branches),
    );
    fill(
        &mut statements,
        "INSERT INTO counters (id, n) VALUES ",
        scale.counters,
        |n| format!("({n}, 0)"),
    );
    for (table, column) in [("branches", "bid"), ("tellers", "tid"), ("accounts", "aid")] {
        statements.push(Statement::new(format!(
            "ALTER TABLE {table} ADD PRIMARY KEY ({column})"
        )));
    }
    statements
}

fn fill(statements: &mut Vec<Statement>, insert: &str, rows: u64, row: impl Fn(u64) -> String) {
    let numbers: Vec<u64> = (1..=rows).collect();
    for some in numbers.chunks(50) {
        let values: Vec<String> = some.iter().map(|n| row(*n)).collect();
        statements.push(Statement::new(format!("{insert}{}", values.join(", "))));
    }
}

/// A client that runs TPC-B-like transactions.
pub struct Teller {
    name: usize,
    scale: Scale,
    ledger: SharedLedger,
    left: u64,
    number: u64,
    step: usize,
    entry: Entry,
}

impl Teller {
    pub fn new(name: usize, scale: Scale, transactions: u64, ledger: SharedLedger) -> Teller {
        let entry = Entry {
            aid: 0,
            tid: 0,
            bid: 0,
            delta: 0,
            seen: 0,
            fate: Fate::Refused,
        };
        Teller {
            name,
            scale,
            ledger,
            left: transactions,
            number: 0,
            step: FRESH,
            entry,
        }
    }

    fn id(&self) -> String {
        format!("c{}-{}", self.name, self.number)
    }

    fn begin(&mut self, random: &mut Random) {
        self.number += 1;
        self.step = 0;
        self.entry = Entry {
            aid: random.between(1, self.scale.accounts),
            tid: random.between(1, self.scale.tellers),
            bid: random.between(1, self.scale.branches),
            delta: random.below(10_001) as i64 - 5000,
            seen: 0,
            fate: Fate::Refused,
        };
    }

    /// What the transaction's next step says.
    fn statement(&self) -> Statement {
        let Entry {
            aid,
            tid,
            bid,
            delta,
            ..
        } = &self.entry;
        match self.step {
            0 => Statement::new("BEGIN"),
            1 => Statement::with(
                "UPDATE accounts SET abalance = abalance + $1 WHERE aid = $2",
                &[delta, aid],
            ),
            2 => Statement::with("SELECT abalance FROM accounts WHERE aid = $1", &[aid]),
            3 => Statement::with(
                "UPDATE tellers SET tbalance = tbalance + $1 WHERE tid = $2",
                &[delta, tid],
            ),
            4 => Statement::with(
                "UPDATE branches SET bbalance = bbalance + $1 WHERE bid = $2",
                &[delta, bid],
            ),
            5 => Statement::with(
                "INSERT INTO history (tid, bid, aid, delta, mtime, filler) \
                 VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP, $5)",
                &[tid, bid, aid, delta, &self.id()],
            ),
            COMMIT => Statement::new("COMMIT"),
            _ => Statement::new("ROLLBACK"),
        }
    }

    fn enter(&mut self, fate: Fate) {
        self.entry.fate = fate;
        let mut ledger = self.ledger.borrow_mut();
        match fate {
            Fate::Acknowledged => ledger.acknowledged += 1,
            Fate::Refused => ledger.retried += 1,
            Fate::Unknown => ledger.unknown += 1,
        }
        ledger.transactions.insert(self.id(), self.entry.clone());
    }

    fn failed(&mut self, failure: &Failure) {
        match (self.step, verdict(failure, &self.statement().text)) {
            (ROLLBACK, _) => {}
            (COMMIT, Verdict::Unknown) => self.enter(Fate::Unknown),
            _ => self.enter(Fate::Refused),
        }
    }

    fn done(&mut self, tag: &str, rows: &[Row]) {
        let expected = [
            "BEGIN",
            "UPDATE 1",
            "SELECT 1",
            "UPDATE 1",
            "UPDATE 1",
            "INSERT 0 1",
            "COMMIT",
        ];
        if let Some(expected) = expected.get(self.step) {
            assert_eq!(tag, *expected, "{:?} of {:?}", self.statement(), self.entry);
        }
        match self.step {
            2 => self.entry.seen = number(&rows[0][0]),
            COMMIT => {
                self.enter(Fate::Acknowledged);
                self.left -= 1;
            }
            _ => {}
        }
        self.step += 1;
    }
}

const COMMIT: usize = 6;
const ROLLBACK: usize = 7;
/// Nothing has begun.
const FRESH: usize = 9;

impl Client for Teller {
    fn next(&mut self, outcome: Option<Outcome>, random: &mut Random) -> Action {
        match outcome {
            None if self.step == FRESH => self.begin(random),
            // After a pause, with a transaction that has not begun.
            None => {}
            Some(Outcome::Done { tag, rows }) => {
                self.done(&tag, &rows);
                if self.step > COMMIT {
                    let has_failed = self.step > ROLLBACK;
                    if self.left == 0 {
                        return Action::Finish;
                    }
                    self.begin(random);
                    if has_failed {
                        return Action::Sleep(random.between(10, 3000));
                    }
                }
            }
            Some(Outcome::Failed(failure)) => {
                self.failed(&failure);
                if failure.is_in_block {
                    self.step = ROLLBACK;
                } else {
                    self.begin(random);
                    return Action::Sleep(random.between(10, 3000));
                }
            }
        }
        assert!(self.step <= ROLLBACK, "step {}", self.step);
        Action::Run(self.statement())
    }

    fn cut_off(&mut self) {
        match self.step {
            FRESH | ROLLBACK => {}
            // The COMMIT may have been on its way.
            COMMIT => self.enter(Fate::Unknown),
            _ => self.enter(Fate::Refused),
        }
        self.step = FRESH;
    }
}

/// A client that increments counters, each by a statement on its own.
pub struct Counter {
    scale: Scale,
    ledger: SharedLedger,
    left: u64,
    id: Option<u64>,
}

impl Counter {
    pub fn new(scale: Scale, increments: u64, ledger: SharedLedger) -> Counter {
        Counter {
            scale,
            ledger,
            left: increments,
            id: None,
        }
    }

    fn enter(&mut self, acknowledged: i64, unknown: i64) {
        if let Some(id) = self.id.take() {
            let mut ledger = self.ledger.borrow_mut();
            let counter = ledger.counters.entry(id).or_default();
            counter.0 += acknowledged;
            counter.1 += unknown;
        }
    }
}

const INCREMENT: &str = "UPDATE counters SET n = n + 1 WHERE id = $1";

impl Client for Counter {
    fn next(&mut self, outcome: Option<Outcome>, random: &mut Random) -> Action {
        match outcome {
            Some(Outcome::Done { tag, .. }) => {
                assert_eq!(tag, "UPDATE 1");
                self.enter(1, 0);
                self.left -= 1;
            }
            Some(Outcome::Failed(failure)) => {
                match verdict(&failure, INCREMENT) {
                    Verdict::Unknown => self.enter(0, 1),
                    Verdict::Again => self.enter(0, 0),
                }
                return Action::Sleep(random.between(10, 3000));
            }
            None => {}
        }
        if self.left == 0 {
            return Action::Finish;
        }
        let id = random.between(1, self.scale.counters);
        self.id = Some(id);
        Action::Run(Statement::with(INCREMENT, &[&id]))
    }

    fn cut_off(&mut self) {
        self.enter(0, 1);
    }
}

/// A client that compares the sums in one snapshot, while the others change them.
pub struct Auditor {
    ledger: SharedLedger,
    left: u64,
    step: usize,
    sums: Vec<i64>,
}

const SUMS: [&str; 4] = [
    "SELECT sum(abalance) FROM accounts",
    "SELECT tbalance FROM tellers",
    "SELECT bbalance FROM branches",
    "SELECT sum(delta) FROM history",
];

impl Auditor {
    pub fn new(audits: u64, ledger: SharedLedger) -> Auditor {
        Auditor {
            ledger,
            left: audits,
            step: 0,
            sums: Vec::new(),
        }
    }

    fn again(&mut self, random: &mut Random) -> Action {
        self.step = 0;
        self.sums.clear();
        if self.left == 0 {
            return Action::Finish;
        }
        Action::Sleep(random.between(100, 20_000))
    }
}

impl Client for Auditor {
    fn next(&mut self, outcome: Option<Outcome>, random: &mut Random) -> Action {
        let last = SUMS.len() + 1;
        match outcome {
            None => {}
            Some(Outcome::Done { rows, .. }) => {
                if (1..last).contains(&self.step) {
                    // A sum of no rows is NULL.
                    let values = rows.iter().filter(|row| row[0].is_some());
                    self.sums.push(values.map(|row| number(&row[0])).sum());
                }
                self.step += 1;
                if self.step > last {
                    if self.step == last + 1 {
                        let is_same = self.sums.iter().all(|sum| *sum == self.sums[0]);
                        assert!(is_same, "the sums in one snapshot differ: {:?}", self.sums);
                        self.ledger.borrow_mut().audits += 1;
                        self.left -= 1;
                    }
                    return self.again(random);
                }
            }
            Some(Outcome::Failed(failure)) => {
                verdict(&failure, "an audit");
                if !failure.is_in_block {
                    return self.again(random);
                }
                // Behind the last step: ROLLBACK.
                self.step = last + 1;
            }
        }
        Action::Run(match self.step {
            0 => Statement::new("BEGIN ISOLATION LEVEL REPEATABLE READ"),
            step if step < last => Statement::new(SUMS[step - 1]),
            step if step == last => Statement::new("COMMIT"),
            _ => Statement::new("ROLLBACK"),
        })
    }

    fn cut_off(&mut self) {
        self.step = 0;
        self.sums.clear();
    }
}

const CHECKS: [&str; 5] = [
    "SELECT filler, aid, tid, bid, delta FROM history",
    "SELECT aid, abalance FROM accounts",
    "SELECT tid, tbalance FROM tellers",
    "SELECT bid, bbalance FROM branches",
    "SELECT id, n FROM counters",
];

impl Books for Ledger {
    fn queries(&self) -> Vec<String> {
        CHECKS.map(str::to_string).to_vec()
    }

    fn settle(&mut self, answers: &[Option<Vec<Row>>]) {
        let [
            Some(history),
            Some(accounts),
            Some(tellers),
            Some(branches),
            Some(counters),
        ] = answers
        else {
            panic!("a table is not there");
        };
        self.settle_history(history);
        for (entry, balances) in [
            (Part::Account, accounts),
            (Part::Teller, tellers),
            (Part::Branch, branches),
        ] {
            self.compare(entry, balances);
        }
        self.check_chains(accounts);
        for row in counters {
            let (id, n) = (number(&row[0]) as u64, number(&row[1]));
            let (known, unknown) = self.counters.get(&id).copied().unwrap_or_default();
            assert!(
                (known..=known + unknown).contains(&n),
                "counter {id} is {n}, {known} were acknowledged and {unknown} cut off"
            );
            self.counters.insert(id, (n, 0));
        }
    }
}

impl Ledger {
    fn settle_history(&mut self, history: &[Row]) {
        let mut found = BTreeMap::new();
        for row in history {
            let name = text(&row[0]).trim_end().to_string();
            let values: Vec<i64> = row[1..].iter().map(number).collect();
            assert!(
                found.insert(name.clone(), values).is_none(),
                "{name} is there twice"
            );
        }
        for (name, values) in &found {
            let entry = self.transactions.get_mut(name);
            let entry = entry.unwrap_or_else(|| panic!("nobody knows of {name}"));
            assert!(
                entry.fate != Fate::Refused,
                "{name} was refused, and is there: {entry:?}"
            );
            let expected = [
                entry.aid as i64,
                entry.tid as i64,
                entry.bid as i64,
                entry.delta,
            ];
            assert_eq!(values[..], expected, "the history of {name}");
            entry.fate = Fate::Acknowledged;
        }
        for (name, entry) in &mut self.transactions {
            if !found.contains_key(name) {
                assert!(
                    entry.fate != Fate::Acknowledged,
                    "{name} was acknowledged, and is not there: {entry:?}"
                );
                entry.fate = Fate::Refused;
            }
        }
    }

    fn committed(&self) -> impl Iterator<Item = &Entry> {
        self.transactions
            .values()
            .filter(|entry| entry.fate == Fate::Acknowledged)
    }

    fn compare(&self, part: Part, balances: &[Row]) {
        let mut expected: BTreeMap<u64, i64> = BTreeMap::new();
        for entry in self.committed() {
            let id = match part {
                Part::Account => entry.aid,
                Part::Teller => entry.tid,
                Part::Branch => entry.bid,
            };
            *expected.entry(id).or_default() += entry.delta;
        }
        for row in balances {
            let (id, balance) = (number(&row[0]) as u64, number(&row[1]));
            let expected = expected.remove(&id).unwrap_or(0);
            assert_eq!(balance, expected, "the balance of {part:?} {id}");
        }
        assert!(
            expected.is_empty(),
            "no rows for {part:?} {:?}",
            expected.keys()
        );
    }

    fn check_chains(&self, accounts: &[Row]) {
        // Per account: the balances that were begun with, and those that were left behind.
        let mut ends: BTreeMap<u64, (Vec<i64>, Vec<i64>)> = BTreeMap::new();
        for row in accounts {
            let (aid, balance) = (number(&row[0]) as u64, number(&row[1]));
            ends.insert(aid, (vec![balance], vec![0]));
        }
        for entry in self.committed() {
            let (began, left) = ends.get_mut(&entry.aid).expect("an account");
            began.push(entry.seen - entry.delta);
            left.push(entry.seen);
        }
        for (aid, (mut began, mut left)) in ends {
            began.sort_unstable();
            left.sort_unstable();
            assert_eq!(began, left, "the updates of account {aid} are no chain");
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Account,
    Teller,
    Branch,
}

/// Writes every row once more, as it is.
pub fn touch_all() -> Vec<Statement> {
    let touches = [
        "BEGIN",
        "UPDATE accounts SET abalance = abalance + 0",
        "UPDATE tellers SET tbalance = tbalance + 0",
        "UPDATE branches SET bbalance = bbalance + 0",
        "UPDATE counters SET n = n + 0",
        "COMMIT",
    ];
    touches.map(Statement::new).to_vec()
}
