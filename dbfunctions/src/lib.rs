//! The functions, as the host needs them: images for the VMs, entries for the thread backend, and what the gateway
//! must know of settings.
//!
//! The images are built by this crate's build script and embedded; `docs/decisions/images.md` says
//! how and why. The thread backend runs the same libraries, compiled for the host.

#[path = "../images/hostile/src/act.rs"]
mod act;

pub use act::Act;

use vireo_abi::message::error::SqlResult;
use vireo_abi::platform::ThreadEntry;
use vireo_runtime::{Echo, Ping, thread_entry};

/// The images, as ELF files.
#[derive(Clone, Copy, Debug)]
pub struct Images {
    /// SQL text to a plan.
    pub parse: &'static [u8],
    /// Plans to rows.
    pub execute: &'static [u8],
    /// The only writer.
    pub storage: &'static [u8],
    /// Answers each message with itself.
    pub echo: &'static [u8],
    /// Measures round trips to an echo function.
    pub ping: &'static [u8],
}

/// The same functions for host threads.
#[derive(Clone, Copy, Debug)]
pub struct ThreadEntries {
    /// SQL text to a plan.
    pub parse: ThreadEntry,
    /// Plans to rows.
    pub execute: ThreadEntry,
    /// The only writer.
    pub storage: ThreadEntry,
    /// Answers each message with itself.
    pub echo: ThreadEntry,
    /// Measures round trips to an echo function.
    pub ping: ThreadEntry,
}

/// The embedded images.
pub const fn images() -> Images {
    Images {
        parse: include_bytes!(concat!(env!("OUT_DIR"), "/parse.elf")),
        execute: include_bytes!(concat!(env!("OUT_DIR"), "/execute.elf")),
        storage: include_bytes!(concat!(env!("OUT_DIR"), "/storage.elf")),
        echo: include_bytes!(concat!(env!("OUT_DIR"), "/echo.elf")),
        ping: include_bytes!(concat!(env!("OUT_DIR"), "/ping.elf")),
    }
}

/// An image that misbehaves as it is told: a message whose body is the name of an [`Act`] starts
/// the act, every other message is answered with itself. For tests of isolation.
pub const fn hostile() -> &'static [u8] {
    include_bytes!(concat!(env!("OUT_DIR"), "/hostile.elf"))
}

/// Whether this processor has what the images are compiled for (x86-64-v3). Where it does not, the
/// functions run on host threads only.
pub fn is_host_supported() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("f16c")
        && has!("fma")
        && has!("lzcnt")
        && has!("movbe")
        && has!("popcnt")
        && has!("xsave")
}

/// What execute makes of a setting: its name and its value in the spelling of SHOW. For the gateway, which must refuse
/// a client at its startup.
///
/// # Errors
/// 42704, 55P02 or 22023: execute would not take it.
pub fn check_setting(name: &str, value: &str) -> SqlResult<(&'static str, String)> {
    vireo_query::guc::check(name, value)
}

/// What the thread backend runs.
pub fn thread_entries() -> ThreadEntries {
    ThreadEntries {
        parse: thread_entry::<vireo_parse::ParseFunction>,
        execute: thread_entry::<vireo_execute::ExecuteFunction>,
        storage: thread_entry::<vireo_storage_function::StorageFunction>,
        echo: thread_entry::<Echo>,
        ping: thread_entry::<Ping>,
    }
}
