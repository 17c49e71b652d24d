//! `vireo serve`.

use super::embedded::FunctionArguments;
use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use vireodb::{Database, Options};

/// How long the functions may take to be in their loops.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// What `vireo serve` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The data directory; made if it does not exist.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address to listen at; may be given several times.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5433")]
    listen: Vec<SocketAddr>,
    #[command(flatten)]
    functions: FunctionArguments,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// If it cannot start.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    // Before anything starts: a signal that comes early is not lost.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let directory = arguments.data.clone();
    let database = Database::open(Options {
        listen: arguments.listen,
        ..arguments.functions.options(Some(arguments.data))?
    })?;
    database.wait_ready(READY_LIMIT)?;
    tracing::info!(functions = %database.boot_report(), "functions are up");
    announce(&database, &directory.display().to_string())?;
    if let Some(signal) = signals.forever().next() {
        let name = if signal == SIGTERM {
            "SIGTERM"
        } else {
            "SIGINT"
        };
        tracing::info!(signal = name, "stopping");
    }
    database.close()?;
    Ok(ExitCode::SUCCESS)
}

/// The line that says that clients may come.
fn announce(database: &Database, directory: &str) -> std::io::Result<()> {
    let addresses: Vec<String> = database
        .addresses()
        .iter()
        .map(SocketAddr::to_string)
        .collect();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "vireo is ready: listening at {}, data directory {directory}",
        addresses.join(", "),
    )?;
    out.flush()
}
