//! The topology: which functions there are, and what each may use.
//!
//! It comes from a TOML file; every field has a default, so an empty file is the default topology:
//!
//! ```toml
//! isolation = "auto"          # auto | kvm | thread
//! catalog_pool_mib = 64
//! data_pool_mib = 4096        # touched lazily, so what is empty costs nothing
//! runaway_ms = 5000           # CPU time without a heartbeat that makes a runaway loop
//! standbys = true             # a machine made ahead for each function
//!
//! [parse]
//! instances = 1
//! heap_mib = 1024             # touched lazily too; a statement takes some seven times its length
//! spin_us = 50                # at most, while spinning pays; or "busy", or "park"
//! cores = []                  # instance i is pinned to cores[i % length]
//!
//! [execute]
//! instances = 1
//! heap_mib = 1024
//!
//! [storage]
//! heap_mib = 512
//!
//! [echo]
//! instances = 0
//!
//! [ping]                      # ping i is linked to echo i
//! instances = 0
//! ```
//!
//! Invariants of a checked topology:
//! 1. There is one storage function, or none when there is no execute function either.
//! 2. Every function's links fit in its boot page, every announce page in the announce area.
//! 3. Every ping function has an echo function.
//! 4. All sizes are whole huge pages and fit in the address space that the memory map gives them.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::path::Path;
use vireo_abi::boot::Role;
use vireo_abi::memory_map::{
    CATALOG_POOL, DATA_POOL, EXECUTE_ANNOUNCE_PAGE, HEAP, LINKS, LINKS_MAX,
};

/// What a function is kept apart with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// KVM where there is /dev/kvm, else threads, with a warning.
    #[default]
    Auto,
    /// A virtual machine each; an error where there is no /dev/kvm.
    Kvm,
    /// A host thread each: no isolation.
    Thread,
}

/// How long a function looks for work before it parks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Spin {
    /// This many microseconds.
    Microseconds(u64),
    /// A mode.
    Mode(SpinMode),
}

/// The ends of the range of spinning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpinMode {
    /// Never park.
    Busy,
    /// Park at once.
    Park,
}

impl Spin {
    /// The budget in TSC ticks, as the control page has it.
    pub fn ticks(self, tsc_hz: u64) -> u64 {
        match self {
            Spin::Mode(SpinMode::Busy) => u64::MAX,
            Spin::Mode(SpinMode::Park) => 0,
            Spin::Microseconds(us) => {
                let ticks = u128::from(us) * u128::from(tsc_hz) / 1_000_000;
                u64::try_from(ticks).unwrap_or(u64::MAX)
            }
        }
    }
}

/// The functions of one role.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct FunctionSpec {
    /// How many there are.
    pub instances: u32,
    /// MiB of heap of each.
    pub heap_mib: u64,
    /// How long each spins before it parks.
    pub spin_us: Spin,
    /// Instance `i` is pinned to `cores[i % length]`; empty: to none.
    pub cores: Vec<usize>,
}

/// Which functions there are, and what each may use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Topology {
    /// What functions are kept apart with.
    pub isolation: Isolation,
    /// MiB of the catalog pool.
    pub catalog_pool_mib: u64,
    /// MiB of the data pool.
    pub data_pool_mib: u64,
    /// Milliseconds of CPU time without a heartbeat after which a function counts as a runaway.
    pub runaway_ms: u64,
    /// Milliseconds that a function has to act on a link that went down.
    pub acknowledge_ms: u64,
    /// Milliseconds that a function has to stop when it is asked to.
    pub stop_ms: u64,
    /// Whether each function has a machine made ahead that can take its place.
    pub standbys: bool,
    /// The parse functions.
    pub parse: FunctionSpec,
    /// The execute functions.
    pub execute: FunctionSpec,
    /// The storage function.
    pub storage: FunctionSpec,
    /// Functions that answer each message with itself: benchmarks and tests.
    pub echo: FunctionSpec,
    /// Functions that measure round trips to the echo function of their number: benchmarks.
    pub ping: FunctionSpec,
}

impl Default for Topology {
    fn default() -> Topology {
        let spec = |instances, heap_mib| FunctionSpec {
            instances,
            heap_mib,
            spin_us: Spin::Microseconds(50),
            cores: Vec::new(),
        };
        Topology {
            isolation: Isolation::Auto,
            catalog_pool_mib: 64,
            data_pool_mib: 4096,
            runaway_ms: 5000,
            acknowledge_ms: 2000,
            stop_ms: 30_000,
            standbys: true,
            parse: spec(1, 1024),
            execute: spec(1, 1024),
            storage: spec(1, 512),
            echo: spec(0, 16),
            ping: spec(0, 16),
        }
    }
}

/// The file, in which everything may be left out.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    isolation: Option<Isolation>,
    catalog_pool_mib: Option<u64>,
    data_pool_mib: Option<u64>,
    runaway_ms: Option<u64>,
    acknowledge_ms: Option<u64>,
    stop_ms: Option<u64>,
    standbys: Option<bool>,
    parse: PartialSpec,
    execute: PartialSpec,
    storage: PartialSpec,
    echo: PartialSpec,
    ping: PartialSpec,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PartialSpec {
    instances: Option<u32>,
    heap_mib: Option<u64>,
    spin_us: Option<Spin>,
    cores: Option<Vec<usize>>,
}

impl PartialSpec {
    fn over(self, default: FunctionSpec) -> FunctionSpec {
        FunctionSpec {
            instances: self.instances.unwrap_or(default.instances),
            heap_mib: self.heap_mib.unwrap_or(default.heap_mib),
            spin_us: self.spin_us.unwrap_or(default.spin_us),
            cores: self.cores.unwrap_or(default.cores),
        }
    }
}

impl Topology {
    /// The topology in a TOML text, checked.
    pub fn from_toml(text: &str) -> Result<Topology, Error> {
        let file: File = toml::from_str(text).map_err(|source| Error::TopologySyntax {
            source: Box::new(source),
        })?;
        let default = Topology::default();
        let topology = Topology {
            isolation: file.isolation.unwrap_or(default.isolation),
            catalog_pool_mib: file.catalog_pool_mib.unwrap_or(default.catalog_pool_mib),
            data_pool_mib: file.data_pool_mib.unwrap_or(default.data_pool_mib),
            runaway_ms: file.runaway_ms.unwrap_or(default.runaway_ms),
            acknowledge_ms: file.acknowledge_ms.unwrap_or(default.acknowledge_ms),
            stop_ms: file.stop_ms.unwrap_or(default.stop_ms),
            standbys: file.standbys.unwrap_or(default.standbys),
            parse: file.parse.over(default.parse),
            execute: file.execute.over(default.execute),
            storage: file.storage.over(default.storage),
            echo: file.echo.over(default.echo),
            ping: file.ping.over(default.ping),
        };
        topology.check()?;
        Ok(topology)
    }

    /// The topology in a file, checked.
    pub fn from_file(path: &Path) -> Result<Topology, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::TopologyFile {
            path: path.to_owned(),
            source,
        })?;
        Topology::from_toml(&text)
    }

    /// The functions of a role.
    pub fn spec(&self, role: Role) -> &FunctionSpec {
        match role {
            Role::Parse => &self.parse,
            Role::Execute => &self.execute,
            Role::Storage => &self.storage,
            Role::Echo => &self.echo,
            Role::Ping => &self.ping,
        }
    }

    /// Checks the invariants in the module's documentation.
    pub fn check(&self) -> Result<(), Error> {
        let most = [
            (
                "execute.instances",
                self.execute.instances,
                LINKS_MAX as u32 - 2,
            ),
            (
                "parse.instances",
                self.parse.instances,
                EXECUTE_ANNOUNCE_PAGE as u32,
            ),
            ("storage.instances", self.storage.instances, 1),
            ("ping.instances", self.ping.instances, self.echo.instances),
        ];
        for (field, value, max) in most {
            if value > max {
                return Err(invalid(field, u64::from(value), 0, u64::from(max)));
            }
        }
        if self.storage.instances == 0 && self.execute.instances > 0 {
            return Err(invalid("storage.instances", 0, 1, 1));
        }
        let mib = |start: u64, end: u64| (end - start) >> 20;
        let heap_max = mib(HEAP, LINKS);
        for role in Role::ALL {
            let field = match role {
                Role::Parse => "parse.heap_mib",
                Role::Execute => "execute.heap_mib",
                Role::Storage => "storage.heap_mib",
                Role::Echo => "echo.heap_mib",
                Role::Ping => "ping.heap_mib",
            };
            range(field, self.spec(role).heap_mib, 2, heap_max)?;
        }
        let catalog_max = mib(CATALOG_POOL, DATA_POOL);
        range("catalog_pool_mib", self.catalog_pool_mib, 2, catalog_max)?;
        // What one page of page directory pointers can map beside the rest, and the pages that the
        // tables have: see `page_table`.
        range("data_pool_mib", self.data_pool_mib, 2, 96 << 10)?;
        range("runaway_ms", self.runaway_ms, 10, 3_600_000)?;
        range("acknowledge_ms", self.acknowledge_ms, 10, 3_600_000)?;
        range("stop_ms", self.stop_ms, 10, 3_600_000)
    }
}

fn range(field: &'static str, value: u64, min: u64, max: u64) -> Result<(), Error> {
    let huge_pages_only = field.ends_with("_mib");
    if value < min || value > max || (huge_pages_only && !value.is_multiple_of(2)) {
        return Err(invalid(field, value, min, max));
    }
    Ok(())
}

fn invalid(field: &'static str, value: u64, min: u64, max: u64) -> Error {
    Error::TopologyValue {
        field,
        value,
        min,
        max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Topology, &str>) {
        let got = Topology::from_toml(text).map_err(|error| error.to_string());
        assert_eq!(got, expected.map_err(String::from), "{text}");
    }

    #[test]
    fn nothing_is_the_default() {
        check("", Ok(Topology::default()));
    }

    #[test]
    fn fields_are_taken_one_by_one() {
        let mut expected = Topology {
            isolation: Isolation::Thread,
            ..Topology::default()
        };
        expected.execute.instances = 3;
        expected.execute.cores = vec![0, 1];
        expected.parse.spin_us = Spin::Mode(SpinMode::Park);
        expected.storage.spin_us = Spin::Microseconds(7);
        check(
            "isolation = \"thread\"\n[execute]\ninstances = 3\ncores = [0, 1]\n\
             [parse]\nspin_us = \"park\"\n[storage]\nspin_us = 7\n",
            Ok(expected),
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check(
            "[execute]\ninstances = 31",
            Err("topology: execute.instances is 31, must be from 0 to 30"),
        );
        check(
            "[ping]\ninstances = 1",
            Err("topology: ping.instances is 1, must be from 0 to 0"),
        );
        check(
            "data_pool_mib = 3",
            Err("topology: data_pool_mib is 3, must be from 2 to 98304 and even"),
        );
        check(
            "[storage]\ninstances = 0",
            Err("topology: storage.instances is 0, must be from 1 to 1"),
        );
        assert!(Topology::from_toml("[execute]\nspeed = 1").is_err());
    }
}
