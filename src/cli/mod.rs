//! The commands of the `vireo` program, one to a file.
//!
//! What fails is one line on stderr, `vireo: …`, and exit status 1; a command line that does not parse is
//! clap's to report, with status 2.

mod bench;
mod bench_report;
mod demo;
mod demo_failover;
mod embedded;
mod function;
mod serve;
mod signals;
mod size;
mod sql;
mod table;
mod topology;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A PostgreSQL-compatible SQL database whose functions run as bare virtual machines.
#[derive(Parser, Debug)]
#[command(name = "vireo", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// A SQL shell on an embedded database, or on a server.
    Sql(sql::Arguments),
    /// A tour of the first minute: boot, load, query, kill a function, look inside.
    Demo(demo::Arguments),
    /// Serve a data directory to PostgreSQL clients.
    Serve(serve::Arguments),
    /// Every function of a running server: where it runs, its memory, queues and counters.
    Topology(topology::Arguments),
    /// Kill or restart a function of a running server.
    Function(function::Arguments),
    /// Measure round trips, boots and loads, on virtual machines and on threads.
    Bench(bench::Arguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let command = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments.command,
        Err(error) => error.exit(),
    };
    log(match command {
        Command::Serve(_) => "info",
        _ => "warn",
    });
    let result = match (command, matches.subcommand()) {
        (Command::Sql(arguments), Some((_, matches))) => sql::run(arguments, matches),
        (Command::Sql(_), None) => unreachable!("clap found the command"),
        (Command::Demo(arguments), _) => demo::run(&arguments),
        (Command::Serve(arguments), _) => serve::run(arguments),
        (Command::Topology(arguments), _) => topology::run(&arguments),
        (Command::Function(arguments), _) => function::run(&arguments),
        (Command::Bench(arguments), _) => bench::run(&arguments),
    };
    match result {
        Ok(code) => code,
        // Who reads our output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vireo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs to stderr what `RUST_LOG` asks for, else from `level` on.
fn log(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error
        .chain()
        .any(|cause| cause.downcast_ref().is_some_and(of))
}
