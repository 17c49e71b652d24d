//! What can go wrong before a function runs, and with the hypervisor's own resources. Why a
//! running function ended is a [`crate::Reason`].

use std::io;
use std::path::PathBuf;

/// An error of the hypervisor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// KVM was asked for and is not usable.
    #[error("isolation \"kvm\" needs /dev/kvm, which cannot be used: {source}")]
    KvmUnavailable {
        /// Why.
        source: io::Error,
    },
    /// KVM lacks something.
    #[error("/dev/kvm lacks {what}")]
    KvmCapability {
        /// What is missing.
        what: &'static str,
    },
    /// A KVM call failed.
    #[error("{call} failed: {source}")]
    Kvm {
        /// The ioctl.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The host gave no memory.
    #[error("cannot map {size} bytes: {source}")]
    Memory {
        /// How much was asked for.
        size: usize,
        /// Why.
        source: io::Error,
    },
    /// The host gave no eventfd, thread or the like.
    #[error("cannot create {what}: {source}")]
    Host {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// An image is not what a function is built as.
    #[error("image of {role}: {problem}")]
    Image {
        /// Whose.
        role: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A role of the topology has no code for the backend.
    #[error("there is no {what} for role {role}")]
    NoProgram {
        /// Image or entry.
        what: &'static str,
        /// Whose.
        role: &'static str,
    },
    /// The page tables' room is full.
    #[error("the page tables of a function need more than {pages} pages")]
    PageTables {
        /// The room.
        pages: usize,
    },
    /// The topology file cannot be read.
    #[error("cannot read topology {}: {source}", path.display())]
    TopologyFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The topology file is not TOML, or has unknown fields.
    #[error("topology: {source}")]
    TopologySyntax {
        /// What the parser says, with the line.
        source: Box<toml::de::Error>,
    },
    /// A value of the topology is out of range.
    #[error("topology: {field} is {value}, must be from {min} to {max}{}", if field.ends_with("_mib") { " and even" } else { "" })]
    TopologyValue {
        /// Which.
        field: &'static str,
        /// What it is.
        value: u64,
        /// The least it may be.
        min: u64,
        /// The most it may be.
        max: u64,
    },
    /// A volume cannot be opened or made.
    #[error("volume {}: {source}", path.display())]
    Volume {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are functions that need volumes, and there are none.
    #[error("the storage function needs its volumes")]
    NoVolumes,
    /// There is no function of this name.
    #[error("there is no function \"{name}\"")]
    NoFunction {
        /// The name.
        name: String,
    },
    /// The hypervisor was stopped.
    #[error("the hypervisor is stopped")]
    Stopped,
    /// A function did not come up in time.
    #[error("function {name} is not ready after {milliseconds} ms")]
    NotReady {
        /// Which.
        name: String,
        /// How long it was waited for.
        milliseconds: u64,
    },
}

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Error::Memory { .. } | Error::Host { .. } | Error::NotReady { .. }
        )
    }
}

/// The error of the last system call.
pub(crate) fn host(what: &'static str) -> Error {
    Error::Host {
        what,
        source: io::Error::last_os_error(),
    }
}

/// A KVM call's error.
pub(crate) fn kvm(call: &'static str) -> impl Fn(kvm_ioctls::Error) -> Error {
    move |error| Error::Kvm {
        call,
        source: io::Error::from_raw_os_error(error.errno()),
    }
}
