//! What a server is told at its start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use vireo_hypervisor::{Isolation, Program, Topology};

/// What a server is told at its start.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The data directory; made if it does not exist.
    pub data_dir: PathBuf,
    /// Addresses to listen at.
    pub tcp: Vec<SocketAddr>,
    /// Where to make a Unix socket, and the port number in its name: `DIR/.s.PGSQL.PORT`.
    pub unix: Option<(PathBuf, u16)>,
    /// Whether to make the admin socket in the data directory.
    pub admin: bool,
    /// Which functions there are. None: what `topology.toml` in the data directory says, or the default.
    pub topology: Option<Topology>,
    /// Overrides the topology's isolation.
    pub isolation: Option<Isolation>,
    /// The functions' code. None: the functions that are built in.
    pub programs: Option<Vec<Program>>,
    /// Whether nobody opens the data directory again after this server: then nothing is flushed to disk.
    pub temporary: bool,
    /// Bytes of the log's volume, where it does not exist.
    pub wal_bytes: u64,
    /// Bytes of the log's volume that are written at once, so that a later flush changes no metadata.
    pub wal_preallocated_bytes: u64,
    /// Bytes of the pages' volume, sparse, where it does not exist.
    pub data_bytes: u64,
    /// Settings of the gateway.
    pub gateway: GatewayConfig,
}

impl ServerConfig {
    /// A server on a data directory that listens nowhere: the embedded database.
    pub fn new(data_dir: impl Into<PathBuf>) -> ServerConfig {
        ServerConfig {
            data_dir: data_dir.into(),
            tcp: Vec::new(),
            unix: None,
            admin: true,
            topology: None,
            isolation: None,
            programs: None,
            temporary: false,
            wal_bytes: 1 << 30,
            wal_preallocated_bytes: 8 << 20,
            data_bytes: 1 << 40,
            gateway: GatewayConfig::default(),
        }
    }
}

/// Settings of the gateway: sessions, limits, waiting.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Threads that serve sessions. Each needs an execute and a parse instance of its own, so no
    /// more than the fewer of the two are used.
    pub threads: usize,
    /// How long the dispatcher looks at the rings, while requests are outstanding, before it sleeps.
    pub spin: Duration,
    /// Client connections at a time; more are answered with 53300.
    pub connections_max: usize,
    /// How long a client may take from its connection to the end of its startup.
    pub startup_timeout: Duration,
    /// Bytes of the longest message a client may send.
    pub message_bytes_max: usize,
    /// Bytes of the longest statement that parse is given; a longer one is answered with 53200. A server makes it
    /// no more than parse's heap has room for.
    pub statement_bytes_max: usize,
    /// Bytes of the most parameter values that execute is given with a statement, in the same way.
    pub parameter_bytes_max: usize,
    /// Bytes of plans and statement texts that the plan cache holds, on each thread.
    pub plan_cache_bytes: usize,
    /// Bytes of result that may wait for a slow client before its statement is held.
    pub session_buffer_bytes: usize,
    /// Bytes of result waiting for a client past which its statement ends with 53200. Reached
    /// only when the rows of one window are far larger than those before.
    pub session_buffer_bytes_max: usize,
    /// How long a statement waits for a function that is being replaced.
    pub function_wait: Duration,
}

impl Default for GatewayConfig {
    fn default() -> GatewayConfig {
        GatewayConfig {
            threads: 1,
            spin: Duration::from_micros(20),
            connections_max: 200,
            startup_timeout: Duration::from_secs(60),
            message_bytes_max: 0x3fff_ffff,
            statement_bytes_max: 0x3fff_ffff,
            parameter_bytes_max: 0x3fff_ffff,
            plan_cache_bytes: 16 << 20,
            session_buffer_bytes: 1 << 20,
            session_buffer_bytes_max: 256 << 20,
            function_wait: Duration::from_secs(30),
        }
    }
}
