//! Transactions that are larger than execute keeps: storage has their writes before they commit.
//!
//! 1. A batch is there whole, with every byte, or not at all.
//! 2. The tally, which every batch increments in its transaction, is the number of batches that were committed.

use crate::block::{Block, Fate, Next};
use crate::check::{Books, number, text};
use crate::client::{Action, Client, Outcome, Row, Statement};
use crate::random::Random;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Rows of a batch, and what each is made of: together more than the 8 MiB that execute keeps.
const PARTS: usize = 9;
const WORD: usize = 16;
const WORDS: usize = 62_500;

/// The batches' table and the tally.
pub fn setup() -> Vec<Statement> {
    vec![
        Statement::new("CREATE TABLE batches (name text NOT NULL, part int NOT NULL, body text)"),
        Statement::new("CREATE TABLE tally (id int PRIMARY KEY, n bigint NOT NULL)"),
        Statement::new("INSERT INTO tally (id, n) VALUES (1, 0)"),
    ]
}

/// What a batch is known to be.
#[derive(Clone, Copy, Debug)]
struct Batch {
    inserted: Fate,
    deleted: Fate,
}

/// Every batch by its name.
#[derive(Debug, Default)]
pub struct BulkBooks {
    batches: BTreeMap<String, Batch>,
    /// Batches that were committed, and those that may have been.
    tally: (i64, i64),
    pub acknowledged: u64,
}

pub type SharedBulkBooks = Rc<RefCell<BulkBooks>>;

fn word(name: &str, part: usize) -> String {
    format!("{:.>WORD$}", format!("{name}/{part}"))
}

impl Books for BulkBooks {
    fn queries(&self) -> Vec<String> {
        let body = format!(
            "SELECT name, part, substr(body, 1, {WORD}), body = repeat(substr(body, 1, {WORD}), {WORDS}) FROM batches"
        );
        vec![body, "SELECT n FROM tally".to_string()]
    }

    fn settle(&mut self, answers: &[Option<Vec<Row>>]) {
        let [Some(rows), Some(tally)] = answers else {
            panic!("a table is not there");
        };
        let mut found: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
        for row in rows {
            let (name, part) = (text(&row[0]), number(&row[1]));
            assert_eq!(text(&row[2]), word(name, part as usize), "a body of {name}");
            assert_eq!(text(&row[3]), "t", "part {part} of {name} is damaged");
            let is_new = found.entry(name).or_default().insert(part);
            assert!(is_new, "part {part} of {name} is there twice");
        }
        for name in found.keys() {
            assert!(self.batches.contains_key(*name), "nobody knows of {name}");
        }
        for (name, batch) in &mut self.batches {
            let Some(parts) = found.get(name.as_str()) else {
                let may_lack =
                    batch.inserted != Fate::Acknowledged || batch.deleted != Fate::Refused;
                assert!(may_lack, "{name} is not there: {batch:?}");
                batch.deleted = Fate::Acknowledged;
                continue;
            };
            let may_be = batch.inserted != Fate::Refused && batch.deleted != Fate::Acknowledged;
            assert!(may_be, "{name} is there: {batch:?}");
            assert!(
                parts.iter().copied().eq(0..PARTS as i64),
                "of {name} parts {parts:?} are there"
            );
            (batch.inserted, batch.deleted) = (Fate::Acknowledged, Fate::Refused);
        }
        let (known, unknown) = self.tally;
        let n = number(&tally[0][0]);
        assert!(
            (known..=known + unknown).contains(&n),
            "the tally is {n}, {known} batches were committed and {unknown} may have been"
        );
        self.tally = (n, 0);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Work {
    Insert,
    Delete,
}

/// A client that inserts batches and deletes them again.
pub struct Loader {
    books: SharedBulkBooks,
    name: usize,
    left: u64,
    number: u64,
    work: Option<(Work, String, Block)>,
    /// Its batches that are there.
    kept: Vec<String>,
}

impl Loader {
    pub fn new(name: usize, batches: u64, books: SharedBulkBooks) -> Loader {
        Loader {
            books,
            name,
            left: batches,
            number: 0,
            work: None,
            kept: Vec::new(),
        }
    }

    fn insert(&mut self, random: &mut Random) -> Statement {
        self.number += 1;
        let name = format!("b{}-{}", self.name, self.number);
        let mut statements = vec![Statement::new("BEGIN")];
        if random.once_in(3) {
            let mut data = String::new();
            for part in 0..PARTS {
                let body = word(&name, part).repeat(WORDS);
                data.push_str(&format!("{name}\t{part}\t{body}\n"));
            }
            let text = "COPY batches FROM STDIN";
            statements.push(Statement::copy(text, data.into_bytes(), false));
        } else {
            statements.extend((0..PARTS).map(|part| {
                Statement::with(
                    "INSERT INTO batches (name, part, body) VALUES ($1, $2, repeat($3, $4))",
                    &[&name, &part, &word(&name, part), &WORDS],
                )
            }));
        }
        statements.push(Statement::new("UPDATE tally SET n = n + 1 WHERE id = 1"));
        let end = if random.once_in(5) {
            "ROLLBACK"
        } else {
            "COMMIT"
        };
        statements.push(Statement::new(end));
        let batch = Batch {
            inserted: Fate::Unknown,
            deleted: Fate::Refused,
        };
        self.books.borrow_mut().batches.insert(name.clone(), batch);
        self.begin(Work::Insert, name, statements)
    }

    fn delete(&mut self, name: String) -> Statement {
        let statement = Statement::with("DELETE FROM batches WHERE name = $1", &[&name]);
        self.begin(Work::Delete, name, vec![statement])
    }

    fn begin(&mut self, work: Work, name: String, statements: Vec<Statement>) -> Statement {
        // The pool may be full of what readers still see: that is an answer too.
        let block = Block::new(statements, &["53200"]);
        let first = block.first();
        self.work = Some((work, name, block));
        first
    }

    fn enter(&mut self, fate: Fate) {
        let Some((work, name, _)) = self.work.take() else {
            return;
        };
        let mut books = self.books.borrow_mut();
        let batch = books.batches.get_mut(&name).expect("it was begun");
        match work {
            Work::Insert => {
                batch.inserted = fate;
                books.tally.0 += i64::from(fate == Fate::Acknowledged);
                books.tally.1 += i64::from(fate == Fate::Unknown);
                books.acknowledged += u64::from(fate == Fate::Acknowledged);
                if fate == Fate::Acknowledged {
                    self.left -= 1;
                    self.kept.push(name);
                }
            }
            Work::Delete => {
                batch.deleted = fate;
                if fate == Fate::Refused {
                    self.kept.push(name);
                }
            }
        }
    }
}

impl Client for Loader {
    fn next(&mut self, outcome: Option<Outcome>, random: &mut Random) -> Action {
        if let (Some(outcome), Some((_, _, block))) = (outcome, &mut self.work) {
            match block.next(outcome) {
                Next::Run(statement) => return Action::Run(statement),
                Next::Over(fate) => {
                    self.enter(fate);
                    return Action::Sleep(random.between(10, 20_000));
                }
            }
        }
        if self.kept.len() > 1 || (!self.kept.is_empty() && random.once_in(3)) {
            let name = self.kept.remove(0);
            return Action::Run(self.delete(name));
        }
        if self.left == 0 {
            return Action::Finish;
        }
        Action::Run(self.insert(random))
    }

    fn cut_off(&mut self) {
        if let Some((_, _, block)) = &self.work {
            let fate = block.cut_off();
            self.enter(fate);
        }
    }
}
