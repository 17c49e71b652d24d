//! `vireo bench`: the harness of `vireodb::bench`, on virtual machines and on threads.

use super::bench_report::{Boots, Figures, Report, Throughput};
use clap::Args;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use vireodb::bench::{Accounts, BenchError, Echo, Load, Pair, Replacement};
use vireodb::{Isolation, SpinMode};

/// Round trips that are measured.
const ROUND_TRIPS: u32 = 200_000;
/// Round trips to a function that sleeps.
const PARKED_ROUND_TRIPS: usize = 2_000;
/// Boots that are measured.
const BOOTS: usize = 50;
/// Between two kills: a machine for the next replacement is made meanwhile.
const BETWEEN_KILLS: Duration = Duration::from_millis(20);
/// Before the first kill: the first machines are made only when the functions have run for a while.
const SETTLED: Duration = Duration::from_millis(250);

/// What `vireo bench` is told.
#[derive(Args, Debug)]
pub struct Arguments {
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// Seconds of each load.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Sessions of the loads.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    clients: u32,
    /// Branches of the loads' tables: 100,000 accounts each. With fewer than clients, TPC-B measures the wait for a row.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    scale: u32,
    /// Round trips and boots only.
    #[arg(long)]
    no_load: bool,
}

/// Measures.
///
/// # Errors
/// The first measurement that fails. Without /dev/kvm, what needs it is left out and said to be.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    match figures(arguments, Isolation::Kvm) {
        Ok(figures) => report.kvm = Some(figures),
        Err(BenchError::Hypervisor(error @ vireo_hypervisor::Error::KvmUnavailable { .. })) => {
            eprintln!("vireo: {error}; measured on threads only")
        }
        Err(error) => return Err(error.into()),
    }
    report.thread = Some(figures(arguments, Isolation::Thread)?);
    let mut out = std::io::stdout().lock();
    match arguments.json {
        true => {
            serde_json::to_writer_pretty(&mut out, &report.json()).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        false => write!(out, "{report}")?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn figures(arguments: &Arguments, isolation: Isolation) -> Result<Figures, BenchError> {
    let name = if isolation == Isolation::Kvm {
        "kvm"
    } else {
        "thread"
    };
    eprintln!("{name}: round trips");
    let round_trip = Echo::start(isolation, SpinMode::Busy)?.round_trips(ROUND_TRIPS as usize)?;
    let between = Pair::start(isolation)?.round_trips(ROUND_TRIPS, 0)?;
    let parked = Echo::start(isolation, SpinMode::Park)?.round_trips(PARKED_ROUND_TRIPS)?;
    eprintln!("{name}: boots");
    let boots = boots(isolation)?;
    let mut figures = Figures {
        round_trip,
        between,
        parked,
        boots,
        loads: Vec::new(),
    };
    if arguments.no_load {
        return Ok(figures);
    }
    eprintln!("{name}: filling {} branch(es)", arguments.scale);
    let accounts = Accounts::open(isolation, arguments.scale)?;
    let time = Duration::from_secs(arguments.seconds);
    let clients = arguments.clients as usize;
    for (load_name, load, clients) in [
        ("point reads, 1 client", Load::PointRead, 1),
        ("point reads", Load::PointRead, clients),
        ("TPC-B-like", Load::TpcB, clients),
    ] {
        eprintln!("{name}: {load_name}, {} s", arguments.seconds);
        let result = load.run(&accounts, clients, time)?;
        figures.loads.push(Throughput {
            name: load_name,
            clients,
            result,
        });
    }
    accounts.check_sums()?;
    accounts.close()?;
    Ok(figures)
}

fn boots(isolation: Isolation) -> Result<Boots, BenchError> {
    Ok(Boots {
        cold: replacements(isolation, false)?,
        cloned: replacements(isolation, true)?,
    })
}

fn replacements(isolation: Isolation, standbys: bool) -> Result<Vec<Replacement>, BenchError> {
    let mut echo = Echo::start_mortal(isolation, standbys)?;
    std::thread::sleep(SETTLED);
    // The first one finds the link as it was started: not counted.
    echo.replace()?;
    let mut replacements = Vec::new();
    for _ in 0..BOOTS {
        std::thread::sleep(BETWEEN_KILLS);
        replacements.push(echo.replace()?);
    }
    Ok(replacements)
}
