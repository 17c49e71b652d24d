//! How a database is opened.

use std::net::SocketAddr;
use std::path::PathBuf;
use vireo_server::{Isolation, Topology};

/// Where a database lives.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum DataDir {
    /// In a directory of its own that goes with it.
    #[default]
    Temporary,
    /// In this directory, which is made if it does not exist.
    Path(PathBuf),
}

/// How a database is opened. `Options::default()` is a temporary one on the default topology.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where it lives.
    pub data: DataDir,
    /// What its functions are kept apart with. None: what the topology says, else `Auto`.
    pub isolation: Option<Isolation>,
    /// Which functions there are. None: `topology.toml` of the data directory, else the default.
    pub topology: Option<Topology>,
    /// MiB of pages held in memory, an even number. None: what the topology says.
    pub data_pool_mib: Option<u64>,
    /// Whether to make the admin socket in the data directory: `vireo topology` and `vireo function`
    /// need it.
    pub admin: bool,
    /// TCP addresses to listen at, for clients outside the process; port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
}

impl Options {
    /// The database in a directory.
    pub fn path(path: impl Into<PathBuf>) -> Options {
        Options {
            data: DataDir::Path(path.into()),
            ..Options::default()
        }
    }
}
