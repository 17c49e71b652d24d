//! `vireo demo`: the tour of the first minute.

use super::demo_failover;
use super::embedded::FunctionArguments;
use super::signals::Guarded;
use super::topology;
use clap::Args;
use serde_json::Value;
use std::io::{self, Cursor, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use vireodb::{Connection, Database, Error, Isolation, Rows};

/// How long the functions may take to be in their loops.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Rows of the table.
const ORDERS: u32 = 100_000;

/// Rows that are shown of a result.
const SHOWN: usize = 5;

/// What `vireo demo` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    functions: FunctionArguments,
}

/// A statement, and what there is to see.
const STATEMENTS: [(&str, &str); 13] = [
    (
        "One row by its key: execute reads the page in place, in memory that it can only read.",
        "SELECT * FROM orders WHERE id = 4711",
    ),
    (
        "The same again: its plan is in the gateway's cache, so parse is not asked.",
        "SELECT * FROM orders WHERE id = 4711",
    ),
    (
        "A scan of all rows, in vectors.",
        "SELECT count(*), sum(amount), min(placed), max(placed) FROM orders",
    ),
    (
        "Groups.",
        "SELECT customer % 4 AS region, count(*), avg(amount)::numeric(10,2) FROM orders \
         GROUP BY customer % 4 ORDER BY 1",
    ),
    (
        "Groups that pass a condition.",
        "SELECT customer, sum(amount) AS total FROM orders GROUP BY customer \
         HAVING sum(amount) > 7500 ORDER BY total DESC LIMIT 5",
    ),
    (
        "A second table, filled from the first.",
        "CREATE TABLE customers (id integer PRIMARY KEY, name varchar(20) NOT NULL)",
    ),
    (
        "",
        "INSERT INTO customers SELECT DISTINCT customer, 'customer ' || customer FROM orders",
    ),
    (
        "A join.",
        "SELECT c.name, count(*) AS orders FROM customers c JOIN orders o ON o.customer = c.id \
         WHERE o.amount > 99 GROUP BY c.name ORDER BY orders DESC, c.name LIMIT 3",
    ),
    (
        "A change goes to storage, the only function that writes: it is on disk before this returns.",
        "UPDATE orders SET amount = amount + 1 WHERE id = 4711 RETURNING id, amount",
    ),
    (
        "A change of many rows, in one transaction.",
        "UPDATE orders SET note = 'large' WHERE amount > 95",
    ),
    (
        "A transaction that is taken back.",
        "BEGIN; DELETE FROM orders; SELECT count(*) FROM orders; ROLLBACK",
    ),
    ("Everything is there.", "SELECT count(*) FROM orders"),
    (
        "A mistake is an error with its SQLSTATE, as PostgreSQL words it.",
        "SELECT amuont FROM orders",
    ),
];

/// Gives the tour.
///
/// # Errors
/// If the database cannot be opened, or what must not fail fails.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let begin = Instant::now();
    let database = Database::open(arguments.functions.options(None)?)?;
    database.wait_ready(READY_LIMIT)?;
    let started = begin.elapsed();
    let guarded = Guarded::new(Some(database));
    guarded.end_on_signals(None)?;
    let result = tour(&guarded, started);
    guarded.close()?;
    result?;
    Ok(ExitCode::SUCCESS)
}

fn tour(guarded: &Guarded, started: Duration) -> anyhow::Result<()> {
    let out = &mut io::stdout();
    guarded.with(|database| boot(database, started, out))?;
    let mut session = guarded.with(Database::connect)?;
    load(&mut session, out)?;
    title(out, 3, "A dozen statements, each with its time")?;
    for (explanation, sql) in STATEMENTS {
        if !explanation.is_empty() {
            writeln!(out, "{explanation}")?;
        }
        statement(&mut session, sql, out)?;
    }
    title(out, 4, "A function is killed while sessions use it")?;
    demo_failover::show(guarded, out)?;
    writeln!(
        out,
        "The session from before goes on, and nothing is missing:"
    )?;
    statement(
        &mut session,
        "SELECT count(*), sum(amount) FROM orders",
        out,
    )?;
    session.close()?;
    let topology = guarded.with(|database| Ok::<_, Error>(database.topology()))?;
    inside(&topology, out)
}

fn boot(database: &Database, started: Duration, out: &mut dyn Write) -> anyhow::Result<()> {
    title(out, 1, "A database in this process, on function VMs")?;
    match database.isolation() {
        Isolation::Thread => writeln!(
            out,
            "The functions run on host threads, without isolation: /dev/kvm cannot be used, or was not asked for."
        )?,
        _ => writeln!(
            out,
            "Each function is a bare virtual machine: no kernel, no system call, only memory and queues."
        )?,
    }
    for function in database.boot_report().functions {
        writeln!(
            out,
            "  {:<9} on {:<6}  up in {}",
            function.name,
            function.isolation,
            time(function.time)
        )?;
    }
    writeln!(out, "All up {} after nothing was there.", time(started))?;
    Ok(())
}

fn load(session: &mut Connection, out: &mut dyn Write) -> anyhow::Result<()> {
    title(out, 2, "A table of 100,000 rows")?;
    statement(
        session,
        "CREATE TABLE orders (id integer PRIMARY KEY, customer integer NOT NULL, \
         amount numeric(10,2) NOT NULL, placed date NOT NULL, note text)",
        out,
    )?;
    let sql = "COPY orders FROM STDIN";
    let begin = Instant::now();
    let rows = session.copy_in(sql, Cursor::new(orders()))?;
    let took = begin.elapsed();
    let rate = rows as f64 / took.as_secs_f64();
    writeln!(out, "  {sql};")?;
    writeln!(out, "    {rows} rows, {rate:.0} a second  [{}]", time(took))?;
    Ok(())
}

/// The table's rows as COPY takes them; the same each time.
fn orders() -> String {
    use std::fmt::Write;
    let mut lines = String::with_capacity(40 * ORDERS as usize);
    for id in 1..=ORDERS {
        let mixed = u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let (customer, cents) = (mixed % 1000 + 1, mixed / 1000 % 10_000);
        let (month, day) = (id % 12 + 1, id % 28 + 1);
        // Writing to a String does not fail.
        let _ = writeln!(
            lines,
            "{id}\t{customer}\t{}.{:02}\t2026-{month:02}-{day:02}\t\\N",
            cents / 100,
            cents % 100
        );
    }
    lines
}

/// Runs a statement and shows the beginning of what it gives. That it fails is something to see.
fn statement(session: &mut Connection, sql: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "  {sql};")?;
    let begin = Instant::now();
    let result = session.execute(sql);
    let took = time(begin.elapsed());
    match result {
        Ok(results) => {
            for result in &results {
                match &result.rows {
                    Some(rows) => show(rows, out)?,
                    None => writeln!(out, "    {}", result.tag)?,
                }
            }
            writeln!(out, "    [{took}]")?;
        }
        Err(Error::Statement(error)) => writeln!(out, "    {error}  [{took}]")?,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn show(rows: &Rows, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<&str> = rows.columns().iter().map(String::as_str).collect();
    let mut table = super::table::Table::new(0, &names);
    for row in rows.iter().take(SHOWN) {
        table.row(row.iter().map(|value| value.unwrap_or("NULL").to_owned()));
    }
    for line in table.to_string().lines() {
        writeln!(out, "    {line}")?;
    }
    if rows.len() > SHOWN {
        writeln!(out, "    … {} rows", rows.len())?;
    }
    Ok(())
}

fn inside(all: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    title(out, 5, "What crossed each queue")?;
    write!(out, "{}", topology::functions(all))?;
    writeln!(out)?;
    write!(out, "{}", topology::queues(all))?;
    if let Some(exits) = all["gateway"]["exits_per_statement"].as_f64() {
        writeln!(out, "\nExits to the hypervisor a statement: {exits:.2}.")?;
    }
    writeln!(
        out,
        "\nNext: vireo sql (a shell), vireo serve --data DIR (for psql and drivers), vireo bench."
    )?;
    Ok(())
}

fn title(out: &mut dyn Write, number: u32, text: &str) -> io::Result<()> {
    writeln!(out, "\n{number}. {text}\n")
}

/// A duration in the unit that suits it.
pub fn time(duration: Duration) -> String {
    let us = duration.as_secs_f64() * 1e6;
    match us {
        us if us < 1e3 => format!("{us:.0} us"),
        us if us < 1e6 => format!("{:.2} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}
