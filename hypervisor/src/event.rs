//! What the hypervisor tells its user about functions, and why a function ended.

use std::fmt;
use vireo_abi::boot::Role;

/// A change that the user of the hypervisor may care for. Links have their own signal, see
/// [`crate::HostLink`]: an event is for people, logs and metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A function ended and is being replaced.
    FunctionDown {
        /// Its role.
        role: Role,
        /// Its number among its role.
        instance: u32,
        /// Why it ended.
        reason: Reason,
    },
    /// A function is in its loop, for the first time or again.
    FunctionUp {
        /// Its role.
        role: Role,
        /// Its number among its role.
        instance: u32,
        /// How many times it was started before.
        restarts: u32,
        /// Microseconds from the decision to start it to its loop.
        boot_us: u64,
    },
}

/// An instruction of a function.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CodeAddress {
    /// RIP.
    pub address: u64,
    /// The symbol it is in, with the offset, if the image has symbols.
    pub symbol: Option<String>,
}

impl fmt::Display for CodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.symbol {
            Some(symbol) => write!(f, "{:#x} ({symbol})", self.address),
            None => write!(f, "{:#x}", self.address),
        }
    }
}

/// Why a function ended.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// A processor exception: a page fault, a privileged or undefined instruction, a division by zero.
    Fault {
        /// Where.
        at: CodeAddress,
        /// The last faulting address; only a page fault sets it, so it may be an old one.
        cr2: u64,
    },
    /// An access that its memory map forbids and that reached the hypervisor: a write to memory that is
    /// read-only to it, or to a register that does not exist.
    IsolationViolation {
        /// Where.
        at: CodeAddress,
        /// The address it accessed.
        address: u64,
        /// Whether it wrote.
        is_write: bool,
    },
    /// KVM could not go on running it.
    InternalError {
        /// Where.
        at: CodeAddress,
        /// What KVM says.
        detail: String,
    },
    /// It panicked, or ran out of memory.
    Panicked {
        /// "file:line: message".
        message: String,
    },
    /// It ended by itself with this code.
    Exited {
        /// A [`vireo_abi::platform::exit_code`], or any number.
        code: u32,
    },
    /// It used this much CPU time without coming round its loop.
    Runaway {
        /// Where it was cut off.
        at: CodeAddress,
        /// CPU time since the last turn.
        milliseconds: u64,
    },
    /// It did not let go of a link in time after the link's peer had died.
    Unresponsive {
        /// What it was asked for.
        what: &'static str,
    },
    /// One end of a link found that the other had broken the protocol.
    LinkFault {
        /// The link.
        link: String,
    },
    /// It could not be started.
    StartFailed {
        /// Why.
        error: String,
    },
    /// The storage function ended, and this function read its pools.
    StorageRestarted,
    /// The operator killed it.
    Killed,
    /// The operator restarted it.
    Restarted,
    /// It was asked to stop and did.
    Stopped,
}

impl Reason {
    /// Whether nobody asked for it.
    pub fn is_crash(&self) -> bool {
        !matches!(
            self,
            Reason::StorageRestarted | Reason::Killed | Reason::Restarted | Reason::Stopped
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Fault { at, cr2 } => write!(f, "fault at {at}, CR2 {cr2:#x}"),
            Reason::IsolationViolation {
                at,
                address,
                is_write,
            } => {
                let access = if *is_write { "write to" } else { "read of" };
                write!(f, "isolation violation: {access} {address:#x} at {at}")
            }
            Reason::InternalError { at, detail } => {
                write!(f, "KVM internal error at {at}: {detail}")
            }
            Reason::Panicked { message } => write!(f, "panicked: {message}"),
            Reason::Exited { code } => write!(f, "exited with code {code}"),
            Reason::Runaway { at, milliseconds } => {
                write!(
                    f,
                    "runaway: no turn finished in {milliseconds} ms of CPU time, cut off at {at}"
                )
            }
            Reason::Unresponsive { what } => write!(f, "unresponsive: {what}"),
            Reason::LinkFault { link } => write!(f, "protocol broken on link {link}"),
            Reason::StartFailed { error } => write!(f, "could not be started: {error}"),
            Reason::StorageRestarted => f.write_str("the storage function was replaced"),
            Reason::Killed => f.write_str("killed by the operator"),
            Reason::Restarted => f.write_str("restarted by the operator"),
            Reason::Stopped => f.write_str("stopped"),
        }
    }
}
