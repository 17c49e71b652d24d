//! The database against what its clients know of it.

use crate::client::{Action, Client, Outcome, Row, Statement};
use crate::random::Random;
use std::cell::RefCell;
use std::rc::Rc;

/// What clients know of some tables.
pub trait Books {
    /// What to read of the database.
    fn queries(&self) -> Vec<String>;

    /// Compares the answers with what is known; what was unknown is known afterwards. A table that is not there has no
    /// answer.
    fn settle(&mut self, answers: &[Option<Vec<Row>>]);
}

/// Reads the tables, when nobody writes them, and compares.
pub struct Check {
    books: Rc<RefCell<dyn Books>>,
    answers: Vec<Option<Vec<Row>>>,
}

impl Check {
    pub fn new(books: Rc<RefCell<dyn Books>>) -> Check {
        Check {
            books,
            answers: Vec::new(),
        }
    }
}

impl Client for Check {
    fn next(&mut self, outcome: Option<Outcome>, _: &mut Random) -> Action {
        match outcome {
            Some(Outcome::Done { rows, .. }) => self.answers.push(Some(rows)),
            Some(Outcome::Failed(failure)) => match failure.sqlstate.as_str() {
                // Storage may be opening its database still.
                "57P03" => return Action::Sleep(1000),
                "42P01" => self.answers.push(None),
                _ => panic!("a check failed: {failure}"),
            },
            None => {}
        }
        let queries = self.books.borrow().queries();
        match queries.get(self.answers.len()) {
            Some(text) => Action::Run(Statement::new(text.clone())),
            None => {
                self.books.borrow_mut().settle(&self.answers);
                Action::Finish
            }
        }
    }
}

/// A number of a row.
pub fn number(value: &Option<String>) -> i64 {
    let text = text(value);
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// A text of a row.
pub fn text(value: &Option<String>) -> &str {
    value.as_deref().expect("not NULL")
}
