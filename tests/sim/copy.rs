//! COPY FROM STDIN under load: a COPY is there whole or not at all, for every snapshot.

use crate::block::{Block, Fate, Next};
use crate::check::{Books, number, text};
use crate::client::{Action, Client, Outcome, Row, Statement};
use crate::random::Random;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The table that is copied into.
pub fn setup() -> Vec<Statement> {
    vec![Statement::new(
        "CREATE TABLE copied (name text NOT NULL, n int NOT NULL, filler text)",
    )]
}

/// Every COPY by its name: its rows, and what became of it.
#[derive(Debug, Default)]
pub struct CopyBooks {
    copies: BTreeMap<String, (usize, Fate)>,
    pub acknowledged: u64,
}

pub type SharedCopyBooks = Rc<RefCell<CopyBooks>>;

impl CopyBooks {
    /// Names with counts of their rows, in one snapshot while others copy.
    fn audit(&self, rows: &[Row]) {
        for row in rows {
            let (name, count) = (text(&row[0]), number(&row[1]) as usize);
            let (expected, fate) = self.copies[name];
            assert!(fate != Fate::Refused, "{name} was refused, and is seen");
            assert_eq!(count, expected, "rows that are seen of {name}");
        }
    }
}

impl Books for CopyBooks {
    fn queries(&self) -> Vec<String> {
        vec!["SELECT name, n FROM copied".to_string()]
    }

    fn settle(&mut self, answers: &[Option<Vec<Row>>]) {
        let rows = answers[0].as_ref().expect("the table is there");
        let mut found: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
        for row in rows {
            let is_new = found
                .entry(text(&row[0]))
                .or_default()
                .insert(number(&row[1]));
            assert!(is_new, "row {row:?} is there twice");
        }
        for name in found.keys() {
            assert!(self.copies.contains_key(*name), "nobody knows of {name}");
        }
        for (name, (count, fate)) in &mut self.copies {
            match found.get(name.as_str()) {
                None => {
                    assert!(
                        *fate != Fate::Acknowledged,
                        "{name} was acknowledged, and is not there"
                    );
                    *fate = Fate::Refused;
                }
                Some(numbers) => {
                    assert!(*fate != Fate::Refused, "{name} was refused, and is there");
                    assert!(
                        numbers.iter().copied().eq(0..*count as i64),
                        "{name} is there in part: {} of {count} rows",
                        numbers.len()
                    );
                    *fate = Fate::Acknowledged;
                }
            }
        }
    }
}

/// A client that copies rows into the table.
pub struct Copier {
    books: SharedCopyBooks,
    name: usize,
    left: u64,
    number: u64,
    /// The COPY under way; none while it audits.
    block: Option<Block>,
}

impl Copier {
    pub fn new(name: usize, copies: u64, books: SharedCopyBooks) -> Copier {
        Copier {
            books,
            name,
            left: copies,
            number: 0,
            block: None,
        }
    }

    fn id(&self) -> String {
        format!("k{}-{}", self.name, self.number)
    }

    /// A COPY by itself or in a block; now and then the client gives up, or a line is malformed.
    fn begin(&mut self, random: &mut Random) -> Action {
        self.number += 1;
        let id = self.id();
        let count = random.between(1, 600) as usize;
        let filler = "f".repeat(random.below(60) as usize);
        let mut data = String::new();
        for n in 0..count {
            data.push_str(&format!("{id}\t{n}\t{filler}\n"));
        }
        if random.once_in(10) {
            data.push_str(&format!("{id}\tno number\t\n"));
        }
        let fails = random.once_in(10);
        let copy = Statement::copy("COPY copied FROM STDIN", data.into_bytes(), fails);
        let statements = if random.once_in(2) {
            vec![copy]
        } else {
            let end = if random.once_in(6) {
                "ROLLBACK"
            } else {
                "COMMIT"
            };
            vec![Statement::new("BEGIN"), copy, Statement::new(end)]
        };
        // Seen by another before the client hears of it.
        let entry = (count, Fate::Unknown);
        self.books.borrow_mut().copies.insert(id, entry);
        let block = Block::new(statements, &["22P02"]);
        let first = block.first();
        self.block = Some(block);
        Action::Run(first)
    }

    fn enter(&mut self, fate: Fate) {
        let id = self.id();
        let mut books = self.books.borrow_mut();
        books.acknowledged += u64::from(fate == Fate::Acknowledged);
        books.copies.get_mut(&id).expect("it was begun").1 = fate;
        self.block = None;
    }
}

impl Client for Copier {
    fn next(&mut self, outcome: Option<Outcome>, random: &mut Random) -> Action {
        match (outcome, &mut self.block) {
            (Some(outcome), Some(block)) => match block.next(outcome) {
                Next::Run(statement) => return Action::Run(statement),
                Next::Over(fate) => {
                    self.enter(fate);
                    self.left -= u64::from(fate == Fate::Acknowledged);
                    return Action::Sleep(random.between(10, 20_000));
                }
            },
            // An audit that failed is just none.
            (Some(Outcome::Done { rows, .. }), None) => self.books.borrow().audit(&rows),
            (Some(Outcome::Failed(failure)), None) => {
                crate::client::verdict(&failure, "an audit");
            }
            (None, _) => {}
        }
        if self.left == 0 {
            Action::Finish
        } else if random.once_in(3) {
            Action::Run(Statement::new(
                "SELECT name, count(*) FROM copied GROUP BY name",
            ))
        } else {
            self.begin(random)
        }
    }

    fn cut_off(&mut self) {
        if let Some(block) = &self.block {
            let fate = block.cut_off();
            self.enter(fate);
        }
    }
}
