//! `vireo topology`.

use super::table::Table;
use clap::Args;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `vireo topology` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The data directory of the running server.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// As the admin interface gives it.
    #[arg(long)]
    json: bool,
}

/// Shows the functions of a running server.
///
/// # Errors
/// If none runs there.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let topology = runtime.block_on(vireo_client::admin::topology(&arguments.data))?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &topology).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", functions(&topology))?;
        writeln!(out)?;
        write!(out, "{}", queues(&topology))?;
        if let Some(gateway) = topology.get("gateway").and_then(Value::as_object) {
            writeln!(out)?;
            let pairs = gateway
                .iter()
                .map(|(name, value)| format!("{name} {}", short(value)));
            writeln!(out, "gateway: {}", pairs.collect::<Vec<_>>().join(", "))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// A row for each function.
pub fn functions(topology: &Value) -> Table {
    let mut table = Table::new(
        4,
        &[
            "function",
            "role",
            "state",
            "isolation",
            "thread",
            "core",
            "mapped",
            "resident",
            "runs",
            "exits",
            "doorbells",
            "spin",
            "park",
            "requests",
            "boot",
            "restarts",
        ],
    );
    for function in list(topology, "functions") {
        let ms = |name: &str| format!("{:.1} ms", number(function, name) / 1e3);
        table.row([
            text(function, "name"),
            text(function, "role"),
            text(function, "state"),
            text(function, "isolation"),
            text(function, "thread"),
            text(function, "core"),
            mib(&function["memory"], "mapped"),
            mib(&function["memory"], "resident"),
            text(function, "runs"),
            text(function, "exits"),
            text(function, "doorbells"),
            ms("spin_us"),
            ms("park_us"),
            text(function, "requests"),
            ms("boot_us"),
            text(function, "restarts"),
        ]);
    }
    table
}

/// A row for each end of a queue pair in a function: what it may do to which memory is in the JSON.
pub fn queues(topology: &Value) -> Table {
    let names = [
        "function",
        "peer",
        "link",
        "depth",
        "sent",
        "received",
        "doorbells",
    ];
    let mut table = Table::new(3, &names);
    for function in list(topology, "functions") {
        for queue in list(function, "queues") {
            let is_up = queue["is_up"].as_bool().unwrap_or(false);
            table.row([
                text(function, "name"),
                text(queue, "peer"),
                if is_up { "up" } else { "down" }.to_owned(),
                text(queue, "depth"),
                text(queue, "sent"),
                text(queue, "received"),
                text(queue, "doorbells"),
            ]);
        }
    }
    table
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or(0.0)
}

fn text(value: &Value, name: &str) -> String {
    short(&value[name])
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        Value::Number(number) if number.is_f64() => {
            format!("{:.3}", number.as_f64().unwrap_or(0.0))
        }
        other => other.to_string(),
    }
}

fn mib(value: &Value, name: &str) -> String {
    format!("{:.1} MiB", number(value, name) / f64::from(1 << 20))
}
