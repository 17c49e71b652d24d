//! The options of commands that open a database themselves.

use super::size;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use vireodb::{DataDir, Isolation, Options, Topology};

/// What functions are kept apart with.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum IsolationArgument {
    /// Virtual machines where there is /dev/kvm, else threads.
    Auto,
    /// A virtual machine each.
    Kvm,
    /// A host thread each: no isolation.
    Thread,
}

impl From<IsolationArgument> for Isolation {
    fn from(argument: IsolationArgument) -> Isolation {
        match argument {
            IsolationArgument::Auto => Isolation::Auto,
            IsolationArgument::Kvm => Isolation::Kvm,
            IsolationArgument::Thread => Isolation::Thread,
        }
    }
}

/// Which functions there are and what they run on.
#[derive(Args, Clone, Debug)]
pub struct FunctionArguments {
    /// What the functions are kept apart with.
    #[arg(long, value_enum)]
    pub isolation: Option<IsolationArgument>,
    /// Which functions there are: a TOML file.
    #[arg(long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
    /// Memory for pages, like 256MiB.
    #[arg(long, value_name = "SIZE", value_parser = size::mib)]
    pub pool: Option<u64>,
}

impl FunctionArguments {
    /// The options for a database in `data`, or a temporary one.
    ///
    /// # Errors
    /// If the topology's file cannot be read or does not fit.
    pub fn options(&self, data: Option<PathBuf>) -> anyhow::Result<Options> {
        let topology = match &self.topology {
            Some(file) => Some(Topology::from_file(file)?),
            None => None,
        };
        Ok(Options {
            admin: data.is_some(),
            data: data.map_or(DataDir::Temporary, DataDir::Path),
            isolation: self.isolation.map(Isolation::from),
            topology,
            data_pool_mib: self.pool,
            ..Options::default()
        })
    }
}
