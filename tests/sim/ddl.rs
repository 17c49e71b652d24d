//! Tables that come and go while others write them.
//!
//! A table has one row of kind 0 with its generation: each CREATE TABLE and each TRUNCATE puts a new one there, in the same
//! transaction. One client shapes a table, so the order of its generations is known.
//!
//! 1. Who sees a table sees exactly one generation, which is one that it may have: no table is half there.
//! 2. A row that was written into a generation is there as long as that generation is, and not in the next.

use crate::block::{Block, Fate, Next};
use crate::check::{Books, number, text};
use crate::client::{Action, Client, Outcome, Row, Statement};
use crate::random::Random;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Tables that are shaped.
pub const TABLES: usize = 2;

/// What a writer may meet: the table is not there.
const GONE: &[&str] = &["42P01"];

/// A commit that changes nothing.
const BARRIER: &str = "UPDATE counters SET n = n + 0 WHERE id = 1";

/// A table's generation; none when it is not there.
type Generation = Option<i64>;

#[derive(Clone, Debug)]
struct Note {
    table: usize,
    generation: i64,
    fate: Fate,
}

/// Each table's possible generations, and the rows written.
#[derive(Debug)]
pub struct DdlBooks {
    tables: Vec<Vec<Generation>>,
    notes: BTreeMap<String, Note>,
    /// Tables made, truncated and dropped; rows written.
    pub shaped: u64,
    pub acknowledged: u64,
}

pub type SharedDdlBooks = Rc<RefCell<DdlBooks>>;

impl Default for DdlBooks {
    fn default() -> DdlBooks {
        DdlBooks {
            tables: vec![vec![None]; TABLES],
            notes: BTreeMap::new(),
            shaped: 0,
            acknowledged: 0,
        }
    }
}

impl DdlBooks {
    /// The table is as these rows of it say; with its generation as the only one of kind 0.
    fn settle_table(&mut self, table: usize, rows: Option<&[Row]>) {
        let is_mark = |row: &&Row| number(&row[0]) == 0;
        let marks: Vec<i64> = rows
            .iter()
            .flat_map(|rows| rows.iter().filter(is_mark))
            .map(|row| number(&row[1]))
            .collect();
        assert!(
            marks.len() == usize::from(rows.is_some()),
            "table {table} has the generations {marks:?}"
        );
        let generation = marks.first().copied();
        let possible = &mut self.tables[table];
        assert!(
            possible.contains(&generation),
            "table {table} is of generation {generation:?}, not of {possible:?}"
        );
        *possible = vec![generation];
        let mut found = BTreeSet::new();
        for row in rows
            .iter()
            .flat_map(|rows| rows.iter())
            .filter(|row| !is_mark(row))
        {
            let name = text(&row[2]);
            assert!(found.insert(name.to_string()), "{name} is there twice");
            let note = self.notes.get(name);
            let note = note.unwrap_or_else(|| panic!("nobody knows of {name}"));
            assert!(
                note.fate != Fate::Refused
                    && note.table == table
                    && Some(note.generation) == generation,
                "{name} is in table {table} of generation {generation:?}: {note:?}"
            );
        }
        for (name, note) in self
            .notes
            .iter_mut()
            .filter(|(_, note)| note.table == table)
        {
            if Some(note.generation) != generation {
                // It went with its generation, if it ever was there.
            } else if found.contains(name) {
                note.fate = Fate::Acknowledged;
            } else {
                assert!(
                    note.fate != Fate::Acknowledged,
                    "{name} was acknowledged, and is not there: {note:?}"
                );
                note.fate = Fate::Refused;
            }
        }
    }
}

impl Books for DdlBooks {
    fn queries(&self) -> Vec<String> {
        let query = |table| format!("SELECT kind, generation, name FROM shaped{table}");
        (0..TABLES).map(query).collect()
    }

    fn settle(&mut self, answers: &[Option<Vec<Row>>]) {
        for (table, rows) in answers.iter().enumerate() {
            self.settle_table(table, rows.as_deref());
        }
    }
}

/// A client that makes, truncates and drops a table.
pub struct Shaper {
    books: SharedDdlBooks,
    table: usize,
    left: u64,
    /// The last generation that was tried.
    generation: i64,
    work: Option<(Generation, Block)>,
    /// A commit of its own was acknowledged since it last did not know: what was on its way then is done, or never will be.
    is_certain: bool,
}

impl Shaper {
    pub fn new(table: usize, shapes: u64, books: SharedDdlBooks) -> Shaper {
        Shaper {
            books,
            table,
            left: shapes,
            generation: 0,
            work: None,
            is_certain: true,
        }
    }

    fn mark(&self) -> Statement {
        Statement::new(format!(
            "INSERT INTO shaped{} (kind, generation, name) VALUES (0, {}, 'mark')",
            self.table, self.generation
        ))
    }

    fn begin(&mut self, now: Generation, random: &mut Random) -> Action {
        let table = self.table;
        let (to, statements) = if now.is_some() && random.once_in(2) {
            let drop = Statement::new(format!("DROP TABLE shaped{table}"));
            (None, vec![drop])
        } else {
            self.generation += 1;
            let shape = match (now, random.once_in(2)) {
                (Some(_), _) => format!("TRUNCATE shaped{table}"),
                (None, true) => format!(
                    "CREATE TABLE shaped{table} (kind int, generation bigint, name text PRIMARY KEY)"
                ),
                (None, false) => {
                    format!("CREATE TABLE shaped{table} (kind int, generation bigint, name text)")
                }
            };
            let end = if random.once_in(5) {
                "ROLLBACK"
            } else {
                "COMMIT"
            };
            let statements = vec![
                Statement::new("BEGIN"),
                Statement::new(shape),
                self.mark(),
                Statement::new(end),
            ];
            (Some(self.generation), statements)
        };
        let block = Block::new(statements, &[]);
        let first = block.first();
        self.work = Some((to, block));
        Action::Run(first)
    }

    fn enter(&mut self, fate: Fate) {
        let Some((to, _)) = self.work.take() else {
            return;
        };
        let mut books = self.books.borrow_mut();
        match fate {
            Fate::Acknowledged => {
                books.tables[self.table] = vec![to];
                books.shaped += 1;
                self.left -= 1;
            }
            Fate::Refused => {}
            Fate::Unknown => {
                books.tables[self.table].push(to);
                self.is_certain = false;
            }
        }
    }
}

impl Client for Shaper {
    fn next(&mut self, outcome: Option<Outcome>, random: &mut Random) -> Action {
        match (outcome, &mut self.work) {
            (Some(outcome), Some((_, block))) => match block.next(outcome) {
                Next::Run(statement) => return Action::Run(statement),
                Next::Over(fate) => {
                    self.enter(fate);
                    return Action::Sleep(random.between(10, 30_000));
                }
            },
            (Some(Outcome::Done { .. }), None) if !self.is_certain => self.is_certain = true,
            // It looked whether what it does not know was done.
            (Some(Outcome::Done { rows, .. }), None) => {
                let generations: Vec<i64> = rows.iter().map(|row| number(&row[0])).collect();
                let [generation] = generations[..] else {
                    panic!("table {} has the generations {generations:?}", self.table);
                };
                self.found(Some(generation));
            }
            (Some(Outcome::Failed(failure)), None) => {
                if failure.sqlstate == "42P01" && self.is_certain {
                    self.found(None);
                } else {
                    crate::client::verdict(&failure, "a look at a table");
                    return Action::Sleep(random.between(10, 3000));
                }
            }
            (None, _) => {}
        }
        if self.left == 0 {
            return Action::Finish;
        }
        let possible = self.books.borrow().tables[self.table].clone();
        match possible[..] {
            [now] => self.begin(now, random),
            _ if !self.is_certain => Action::Run(Statement::new(BARRIER)),
            _ => Action::Run(Statement::new(generation_of(self.table))),
        }
    }

    fn cut_off(&mut self) {
        if let Some((_, block)) = &self.work {
            let fate = block.cut_off();
            self.enter(fate);
        }
    }
}

impl Shaper {
    fn found(&mut self, generation: Generation) {
        let mut books = self.books.borrow_mut();
        let possible = &mut books.tables[self.table];
        assert!(
            possible.contains(&generation),
            "table {} is of generation {generation:?}, not of {possible:?}",
            self.table
        );
        *possible = vec![generation];
    }
}

fn generation_of(table: usize) -> String {
    format!("SELECT generation FROM shaped{table} WHERE kind = 0")
}

/// A client that writes into the tables, whether they are there or not.
pub struct Scribe {
    books: SharedDdlBooks,
    name: usize,
    left: u64,
    number: u64,
    work: Option<(usize, Block)>,
}

impl Scribe {
    pub fn new(name: usize, tries: u64, books: SharedDdlBooks) -> Scribe {
        Scribe {
            books,
            name,
            left: tries,
            number: 0,
            work: None,
        }
    }

    fn enter(&mut self, fate: Fate) {
        let Some((table, block)) = self.work.take() else {
            return;
        };
        // A table that is seen has one generation. What was not seen was not committed either.
        let Some(rows) = block.results.get(2) else {
            assert!(fate == Fate::Refused, "the commit comes after the look");
            return;
        };
        assert_eq!(rows.len(), 1, "generations that are seen of table {table}");
        let note = Note {
            table,
            generation: number(&rows[0][0]),
            fate,
        };
        let mut books = self.books.borrow_mut();
        books.acknowledged += u64::from(fate == Fate::Acknowledged);
        books
            .notes
            .insert(format!("s{}-{}", self.name, self.number), note);
    }
}

impl Client for Scribe {
    fn next(&mut self, outcome: Option<Outcome>, random: &mut Random) -> Action {
        if let (Some(outcome), Some((_, block))) = (outcome, &mut self.work) {
            match block.next(outcome) {
                Next::Run(statement) => return Action::Run(statement),
                Next::Over(fate) => {
                    self.enter(fate);
                    return Action::Sleep(random.between(10, 10_000));
                }
            }
        }
        if self.left == 0 {
            return Action::Finish;
        }
        self.left -= 1;
        self.number += 1;
        let table = random.below(TABLES as u64) as usize;
        let name = format!("s{}-{}", self.name, self.number);
        let insert =
            format!("INSERT INTO shaped{table} (kind, generation, name) VALUES (1, 0, $1)");
        let block = Block::new(
            vec![
                Statement::new("BEGIN"),
                Statement::with(&insert, &[&name]),
                Statement::new(generation_of(table)),
                Statement::new("COMMIT"),
            ],
            GONE,
        );
        let first = block.first();
        self.work = Some((table, block));
        Action::Run(first)
    }

    fn cut_off(&mut self) {
        if let Some((_, block)) = &self.work {
            let fate = block.cut_off();
            self.enter(fate);
        }
    }
}
