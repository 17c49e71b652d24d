//! An embedded database: a server in this process.

use crate::boot_report::BootReport;
use crate::connection::Connection;
use crate::error::Error;
use crate::options::{DataDir, Options};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::DuplexStream;
use vireo_server::{Isolation, Server, ServerConfig, Stats, Topology};

/// How often a start that takes long looks whether functions die.
const READY_POLL: Duration = Duration::from_millis(50);

/// How often it asks whether the storage function has recovered.
const RECOVERY_POLL: Duration = Duration::from_micros(500);

/// How long the first session waits for the database to be open.
const OPEN_LIMIT: Duration = Duration::from_secs(60);

/// SQLSTATE cannot_connect_now: storage recovers.
const STARTING_UP: &str = "57P03";

/// Starts of one function after which it counts as one that does not start.
const STARTS_MAX: u32 = 3;

/// An open database.
#[derive(Debug)]
pub struct Database {
    server: Server,
    /// Whether a statement has been answered.
    is_open: Mutex<bool>,
    /// Removed after the server has stopped.
    temporary: Option<TempDir>,
}

impl Database {
    /// Opens a database, or makes it. Returns without waiting for the functions: the first session does,
    /// or [`Database::wait_ready`].
    ///
    /// # Errors
    /// The directory is in use, of another version, or cannot be made; `Isolation::Kvm` without /dev/kvm;
    /// a topology that does not fit.
    pub fn open(options: Options) -> Result<Database, Error> {
        let (config, temporary) = config(options)?;
        let server = Server::start(config)?;
        Ok(Database {
            server,
            is_open: Mutex::new(false),
            temporary,
        })
    }

    /// A new session. The first one waits until the database is open.
    ///
    /// # Errors
    /// If there are too many sessions, or the database is closing or cannot be opened.
    pub fn connect(&self) -> Result<Connection, Error> {
        Connection::open(self.connect_stream()?)
    }

    /// A byte stream that speaks PostgreSQL's protocol, for a client library of one's own choice:
    /// `tokio_postgres::Config::connect_raw` takes it. It works in any runtime.
    ///
    /// # Errors
    /// As [`Database::connect`].
    pub fn connect_stream(&self) -> Result<DuplexStream, Error> {
        self.wait_ready(OPEN_LIMIT)?;
        Ok(self.server.connect_local()?)
    }

    /// Waits until every function is in its loop and storage has recovered what was there.
    ///
    /// # Errors
    /// [`Error::FunctionDown`] when a function dies at each start, [`Error::Server`] when it takes longer
    /// than the limit, [`Error::Statement`] with the reason when the database cannot be opened.
    pub fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        let mut is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_open {
            let begin = Instant::now();
            self.wait_functions(begin, limit)?;
            self.wait_recovered(begin, limit)?;
            *is_open = true;
        }
        Ok(())
    }

    fn wait_functions(&self, begin: Instant, limit: Duration) -> Result<(), Error> {
        loop {
            let left = limit.saturating_sub(begin.elapsed());
            let Err(error) = self.server.wait_ready(left.min(READY_POLL)) else {
                return Ok(());
            };
            if let Some(error) = down(&self.server.stats()) {
                return Err(error);
            }
            if left.is_zero() {
                return Err(error.into());
            }
        }
    }

    fn wait_recovered(&self, begin: Instant, limit: Duration) -> Result<(), Error> {
        let mut session = Connection::open(self.server.connect_local()?)?;
        loop {
            match session.execute("SELECT 1") {
                Ok(_) => return session.close(),
                Err(error) if error.sqlstate() == Some(STARTING_UP) && begin.elapsed() < limit => {
                    std::thread::sleep(RECOVERY_POLL);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The TCP addresses that it listens at, with the ports that were taken.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.server.addresses()
    }

    /// What the functions run on: `Kvm` or `Thread`.
    pub fn isolation(&self) -> Isolation {
        self.server.isolation()
    }

    /// Every function, its memory, queues and counters, and the gateway's counters: an object with
    /// `functions`, as the admin interface gives it.
    pub fn topology(&self) -> Value {
        self.server.topology()
    }

    /// The same of the functions, as values.
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// Which functions run on what, and how long each took to start.
    pub fn boot_report(&self) -> BootReport {
        BootReport::new(&self.server.stats())
    }

    /// Kills a function ("execute0") as a crash would; it is replaced.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn kill_function(&self, name: &str) -> Result<(), Error> {
        Ok(self.server.kill(name)?)
    }

    /// Lets a function finish what it has begun, and replaces it.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn restart_function(&self, name: &str) -> Result<(), Error> {
        Ok(self.server.restart(name)?)
    }

    /// The directory of a temporary database.
    pub fn temporary_directory(&self) -> Option<&Path> {
        self.temporary.as_ref().map(TempDir::path)
    }

    /// Ends the sessions, writes a checkpoint, stops the functions. Dropping the database does the same
    /// and keeps errors to itself.
    ///
    /// # Errors
    /// If a temporary directory cannot be removed.
    pub fn close(self) -> Result<(), Error> {
        let Database {
            server, temporary, ..
        } = self;
        server.shutdown();
        match temporary {
            Some(directory) => directory
                .close()
                .map_err(|source| Error::Temporary { source }),
            None => Ok(()),
        }
    }
}

/// The function that dies at each start, if there is one: a damaged volume, an image that does not fit
/// the machine.
fn down(stats: &Stats) -> Option<Error> {
    let function = stats.functions.iter().find(|function| {
        function.restarts >= STARTS_MAX && !matches!(function.state, "ready" | "parked")
    })?;
    Some(Error::FunctionDown {
        name: function.name.clone(),
        reason: function.last_reason.clone().unwrap_or_default(),
    })
}

fn config(options: Options) -> Result<(ServerConfig, Option<TempDir>), Error> {
    let (path, temporary) = match options.data {
        DataDir::Path(path) => (path, None),
        DataDir::Temporary => {
            let made = tempfile::Builder::new().prefix("vireo-").tempdir();
            let directory = made.map_err(|source| Error::Temporary { source })?;
            (directory.path().to_owned(), Some(directory))
        }
    };
    let mut config = ServerConfig::new(path);
    config.admin = options.admin;
    config.tcp = options.listen;
    config.isolation = options.isolation;
    config.topology = options.topology;
    if temporary.is_some() {
        config.temporary = true;
    }
    if let Some(mib) = options.data_pool_mib {
        let topology = match config.topology.take() {
            Some(topology) => topology,
            None => stored_topology(&config.data_dir)?,
        };
        config.topology = Some(Topology {
            data_pool_mib: mib,
            ..topology
        });
    }
    Ok((config, temporary))
}

/// The topology that a server would take by itself.
fn stored_topology(directory: &Path) -> Result<Topology, Error> {
    let file = directory.join("topology.toml");
    if file.exists() {
        return Ok(Topology::from_file(&file).map_err(vireo_server::Error::from)?);
    }
    Ok(Topology::default())
}
