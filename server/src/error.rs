//! Why a server does not start.

use std::io;
use std::path::PathBuf;

/// An error of a server's start or end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data directory cannot be read or made.
    #[error("data directory {}: {source}", path.display())]
    DataDir {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server runs on the data directory.
    #[error("data directory {} is in use by another server (process {process})", path.display())]
    DataDirInUse {
        /// Which.
        path: PathBuf,
        /// The other's process number, as it wrote it.
        process: String,
    },
    /// Something else wrote the data directory.
    #[error("data directory {} has version \"{found}\", this program reads \"{wanted}\"", path.display())]
    DataDirVersion {
        /// Which.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What it should say.
        wanted: &'static str,
    },
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// Which.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The hypervisor.
    #[error(transparent)]
    Hypervisor(#[from] vireo_hypervisor::Error),
    /// A thread could not be started.
    #[error("cannot start a gateway thread: {source}")]
    Thread {
        /// Why.
        source: io::Error,
    },
    /// The topology has no parse or no execute function.
    #[error("the topology has no {role} function")]
    NoFunction {
        /// Which.
        role: &'static str,
    },
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}
