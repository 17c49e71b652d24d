//! `vireo function`: acts on one function of a running server.

use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use vireo_client::admin;

/// What `vireo function` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand, Debug)]
enum Act {
    /// Kill it, as a crash would; it is replaced.
    Kill(Target),
    /// Let it finish what it has begun, then replace it.
    Restart(Target),
}

#[derive(Args, Debug)]
struct Target {
    /// Role and number, like execute0.
    name: String,
    /// The data directory of the running server.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
}

/// Acts on a function.
///
/// # Errors
/// If no server runs there, or it has no such function.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    match &arguments.act {
        Act::Kill(target) => runtime.block_on(admin::kill(&target.data, &target.name))?,
        Act::Restart(target) => runtime.block_on(admin::restart(&target.data, &target.name))?,
    }
    Ok(ExitCode::SUCCESS)
}
