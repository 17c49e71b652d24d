//! pgbench's tables in an embedded database.

use super::BenchError;
use crate::database::Database;
use crate::error::Error;
use crate::options::Options;
use std::fmt::Write;
use std::io::Cursor;
use std::time::Duration;
use vireo_server::Isolation;

/// Accounts of one branch.
pub(super) const ACCOUNTS: u32 = 100_000;
/// Tellers of one branch.
pub(super) const TELLERS: u32 = 10;

const TABLES: [&str; 4] = [
    "CREATE TABLE pgbench_branches (bid integer PRIMARY KEY, bbalance integer NOT NULL, filler char(88))",
    "CREATE TABLE pgbench_tellers (tid integer PRIMARY KEY, bid integer, tbalance integer NOT NULL, filler char(84))",
    "CREATE TABLE pgbench_accounts (aid integer PRIMARY KEY, bid integer, abalance integer NOT NULL, filler char(84))",
    "CREATE TABLE pgbench_history (tid integer, bid integer, aid integer, delta integer, mtime timestamp, filler char(22))",
];

/// An embedded database with pgbench's tables.
#[derive(Debug)]
pub struct Accounts {
    pub(super) database: Database,
    pub(super) branches: u32,
}

impl Accounts {
    /// A temporary database with so many branches of 100,000 accounts.
    ///
    /// # Errors
    /// If it cannot be opened or filled.
    pub fn open(isolation: Isolation, branches: u32) -> Result<Accounts, BenchError> {
        let database = Database::open(Options {
            isolation: Some(isolation),
            ..Options::default()
        })?;
        database.wait_ready(Duration::from_secs(10))?;
        let accounts = Accounts { database, branches };
        accounts.fill()?;
        Ok(accounts)
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// How many accounts there are.
    pub fn count(&self) -> u32 {
        self.branches * ACCOUNTS
    }

    fn fill(&self) -> Result<(), Error> {
        let mut session = self.database.connect()?;
        for table in TABLES {
            session.execute(table)?;
        }
        for branch in 1..=self.branches {
            let first_teller = (branch - 1) * TELLERS + 1;
            session.execute(&format!(
                "INSERT INTO pgbench_branches VALUES ({branch}, 0, '')"
            ))?;
            for teller in first_teller..first_teller + TELLERS {
                session.execute(&format!(
                    "INSERT INTO pgbench_tellers VALUES ({teller}, {branch}, 0, '')"
                ))?;
            }
            let first = (branch - 1) * ACCOUNTS + 1;
            let mut lines = String::with_capacity(16 * ACCOUNTS as usize);
            for account in first..first + ACCOUNTS {
                // Writing to a String does not fail.
                let _ = writeln!(lines, "{account}\t{branch}\t0\t");
            }
            session.copy_in("COPY pgbench_accounts FROM STDIN", Cursor::new(lines))?;
        }
        session.close()
    }

    /// Checks that the balances of accounts, tellers and branches agree with the history.
    ///
    /// # Errors
    /// [`BenchError::Sums`] if they do not.
    pub fn check_sums(&self) -> Result<(), BenchError> {
        let mut session = self.database.connect()?;
        let mut sums = Vec::new();
        for (column, table) in [
            ("abalance", "accounts"),
            ("tbalance", "tellers"),
            ("bbalance", "branches"),
            ("delta", "history"),
        ] {
            let sql = format!("SELECT coalesce(sum({column}), 0) FROM pgbench_{table}");
            let rows = session.query(&sql)?;
            sums.push(rows.get(0, 0).unwrap_or("NULL").to_owned());
        }
        if sums.iter().any(|sum| *sum != sums[0]) {
            let sums = sums.join(", ");
            return Err(BenchError::Sums { sums });
        }
        Ok(session.close()?)
    }

    /// Closes the database.
    ///
    /// # Errors
    /// If its directory cannot be removed.
    pub fn close(self) -> Result<(), BenchError> {
        Ok(self.database.close()?)
    }
}
