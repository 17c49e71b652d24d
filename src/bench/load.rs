//! A load of prepared statements: clients that each send their next transaction when the last is done.
//!
//! All clients of a load are tasks of one thread, so that the load takes one processor at most.

use super::accounts::{Accounts, TELLERS};
use super::{BenchError, Latencies};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, Config, NoTls, Statement, error::SqlState};

/// What the clients do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Load {
    /// `pgbench -S`: one row by its key.
    PointRead,
    /// pgbench's default, like TPC-B: three updates, a read and an insert in a transaction.
    TpcB,
}

/// What a load came to.
#[derive(Clone, Debug)]
pub struct LoadResult {
    /// Transactions that were committed.
    pub transactions: u64,
    /// Transactions that ran again after a conflict.
    pub retries: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Of each transaction.
    pub latencies: Latencies,
    /// Exits of all functions to the hypervisor.
    pub exits: u64,
    /// Statements sent.
    pub statements: u64,
}

impl LoadResult {
    /// Transactions a second.
    pub fn throughput(&self) -> f64 {
        self.transactions as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Exits a statement.
    pub fn exits_per_statement(&self) -> f64 {
        self.exits as f64 / self.statements.max(1) as f64
    }
}

impl Load {
    /// Runs the load on so many sessions.
    ///
    /// # Errors
    /// The first statement that fails other than by a conflict.
    pub fn run(
        self,
        accounts: &Accounts,
        clients: usize,
        time: Duration,
    ) -> Result<LoadResult, BenchError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|source| BenchError::Client { source })?;
        runtime.block_on(self.run_clients(accounts, clients, time))
    }

    async fn run_clients(
        self,
        accounts: &Accounts,
        clients: usize,
        time: Duration,
    ) -> Result<LoadResult, BenchError> {
        let mut ready = Vec::new();
        for number in 0..clients {
            ready.push(LoadClient::open(self, accounts, number as u64).await?);
        }
        let exits_before = exits(accounts);
        let begin = Instant::now();
        let tasks: Vec<_> = ready
            .into_iter()
            .map(|client| tokio::spawn(client.run(begin + time)))
            .collect();
        let mut durations = Vec::new();
        let mut retries = 0;
        for task in tasks {
            let ended = task.await.map_err(|error| BenchError::Client {
                source: std::io::Error::other(error),
            })?;
            let (of_client, retried) = ended?;
            durations.extend(of_client);
            retries += retried;
        }
        let elapsed = begin.elapsed();
        let transactions = durations.len() as u64;
        Ok(LoadResult {
            transactions,
            retries,
            elapsed,
            latencies: Latencies::new(durations),
            exits: exits(accounts).saturating_sub(exits_before),
            statements: transactions * self.statements().len() as u64,
        })
    }

    fn statements(self) -> &'static [&'static str] {
        match self {
            Load::PointRead => &["SELECT abalance FROM pgbench_accounts WHERE aid = $1"],
            Load::TpcB => &[
                "BEGIN",
                "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2",
                "SELECT abalance FROM pgbench_accounts WHERE aid = $1",
                "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2",
                "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2",
                "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) \
                 VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
                "END",
            ],
        }
    }
}

fn exits(accounts: &Accounts) -> u64 {
    let functions = accounts.database.stats().functions;
    functions.iter().map(|function| function.exits.total).sum()
}

/// One client.
struct LoadClient {
    load: Load,
    client: Client,
    statements: Vec<Statement>,
    branches: u32,
    accounts: u32,
    random: u64,
}

impl LoadClient {
    async fn open(load: Load, accounts: &Accounts, number: u64) -> Result<LoadClient, BenchError> {
        let stream = accounts.database.connect_stream()?;
        let mut config = Config::new();
        config.user("postgres").dbname("postgres");
        let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(statement)?;
        tokio::spawn(connection);
        let mut statements = Vec::new();
        for sql in load.statements() {
            statements.push(client.prepare(sql).await.map_err(statement)?);
        }
        Ok(LoadClient {
            load,
            client,
            statements,
            branches: accounts.branches,
            accounts: accounts.count(),
            // Any odd number; clients must not all take the same accounts.
            random: (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        })
    }

    async fn run(mut self, end: Instant) -> Result<(Vec<Duration>, u64), BenchError> {
        let mut durations = Vec::new();
        let mut retries = 0;
        loop {
            let begin = Instant::now();
            if begin >= end {
                return Ok((durations, retries));
            }
            match self.transaction().await {
                Ok(()) => durations.push(begin.elapsed()),
                Err(error) if is_conflict(&error) => {
                    retries += 1;
                    self.client
                        .batch_execute("ROLLBACK")
                        .await
                        .map_err(statement)?;
                }
                Err(error) => return Err(statement(error)),
            }
        }
    }

    async fn transaction(&mut self) -> Result<(), tokio_postgres::Error> {
        let aid = self.number(self.accounts);
        if self.load == Load::PointRead {
            self.client.query_one(&self.statements[0], &[&aid]).await?;
            return Ok(());
        }
        let tid = self.number(self.branches * TELLERS);
        let bid = self.number(self.branches);
        let delta = self.number(10_001) - 5_001;
        let (client, statements) = (&self.client, &self.statements);
        client.execute(&statements[0], &[]).await?;
        client.execute(&statements[1], &[&delta, &aid]).await?;
        client.query_one(&statements[2], &[&aid]).await?;
        client.execute(&statements[3], &[&delta, &tid]).await?;
        client.execute(&statements[4], &[&delta, &bid]).await?;
        client
            .execute(&statements[5], &[&tid, &bid, &aid, &delta])
            .await?;
        client.execute(&statements[6], &[]).await?;
        Ok(())
    }

    /// From 1 to `most`, by xorshift64*.
    fn number(&mut self, most: u32) -> i32 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let high = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        let number = ((high * u64::from(most)) >> 32) + 1;
        i32::try_from(number).unwrap_or(i32::MAX)
    }
}

fn is_conflict(error: &tokio_postgres::Error) -> bool {
    let codes = [
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
    ];
    error.code().is_some_and(|code| codes.contains(&code))
}

fn statement(source: tokio_postgres::Error) -> BenchError {
    BenchError::Statement { source }
}
