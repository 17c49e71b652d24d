//! A server: a data directory, its functions, the gateway threads, and who listens.
//!
//! ```text
//!  Server ── DataDir (lock)
//!         ── Hypervisor ── parse, execute, storage
//!         ── gateway threads ── sessions
//!         ── control thread ── listeners, admin interface
//! ```
//!
//! Invariant: what was started last ends first; the data directory is unlocked when no function is
//! left that could write into it.

use crate::admin::{self, Admin};
use crate::config::{GatewayConfig, ServerConfig};
use crate::datadir::DataDir;
use crate::error::Error;
use crate::listen::{Listeners, SocketFile, bind_unix};
use crate::shared::Shared;
use crate::stream::Handover;
use crate::thread::{Command, GatewayThread};
use serde_json::Value;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::oneshot;
use vireo_abi::boot::Role;
use vireo_hypervisor::{
    Event, FileDisk, HostLink, Hypervisor, Isolation, Program, Stats, Topology, Volumes,
};

/// Bytes that wait in each direction of a local connection.
const LOCAL_BYTES: usize = 256 << 10;

/// A running server. Dropping it shuts it down.
pub struct Server {
    threads: Vec<GatewayThread>,
    next_thread: AtomicUsize,
    control: Option<(oneshot::Sender<()>, std::thread::JoinHandle<()>)>,
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    hypervisor: Arc<Hypervisor>,
    is_stopped: bool,
    _data_dir: DataDir,
}

impl Server {
    /// Starts a server: returns when it listens. The functions may still be starting; the first
    /// statements wait for them.
    ///
    /// # Errors
    /// The data directory is in use or of another version, an address is in use, the hypervisor
    /// cannot start.
    pub fn start(mut config: ServerConfig) -> Result<Server, Error> {
        let data_dir = DataDir::open(&config.data_dir, config.temporary)?;
        let listeners = Listeners::bind(&config.tcp, config.unix.as_ref())?;
        let admin_socket = if config.admin {
            Some(bind_unix(&data_dir.admin_socket(), 0o600)?)
        } else {
            None
        };
        let topology = topology(&config, &data_dir)?;
        fit_to_heaps(&mut config.gateway, &topology);
        let volumes = volumes(&config, &data_dir)?;
        let programs = config.programs.clone().unwrap_or_else(built_in_programs);
        let mut hypervisor =
            Hypervisor::start(topology, programs, Some(volumes), Box::new(log_event))?;
        let links = hypervisor.take_host_links();
        let shared = Arc::new(Shared::new());
        let threads = start_threads(&config, &shared, links)?;
        let hypervisor = Arc::new(hypervisor);
        let mut server = Server {
            threads,
            next_thread: AtomicUsize::new(0),
            control: None,
            addresses: listeners.addresses(),
            shared,
            hypervisor,
            is_stopped: false,
            _data_dir: data_dir,
        };
        server.start_control(listeners, admin_socket)?;
        for address in &server.addresses {
            tracing::info!(%address, "listening");
        }
        Ok(server)
    }

    /// A connection from within the process: speaks the protocol like any other. It needs no
    /// runtime to be made, and can be used in any.
    ///
    /// # Errors
    /// If the server is stopping.
    pub fn connect_local(&self) -> Result<DuplexStream, Error> {
        let (ours, theirs) = tokio::io::duplex(LOCAL_BYTES);
        let index = self.next_thread.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        let command = Command::Serve(Handover::Local(theirs));
        self.threads[index]
            .commands
            .send(command)
            .map_err(|_| Error::Stopping)?;
        Ok(ours)
    }

    /// The TCP addresses that it listens at.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until every function is in its loop.
    ///
    /// # Errors
    /// If that takes longer than the limit.
    pub fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        Ok(self.hypervisor.wait_ready(limit)?)
    }

    /// What the functions run on.
    pub fn isolation(&self) -> Isolation {
        self.hypervisor.isolation()
    }

    /// Every function at this moment.
    pub fn stats(&self) -> Stats {
        self.hypervisor.stats()
    }

    /// Every function and the gateway's counters, as `GET /topology` gives them.
    pub fn topology(&self) -> Value {
        admin::topology(&self.hypervisor, &self.shared)
    }

    /// Kills a function ("execute0") as a crash would; it is replaced.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn kill(&self, name: &str) -> Result<(), Error> {
        Ok(self.hypervisor.kill(name)?)
    }

    /// Asks a function to finish and replaces it.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn restart(&self, name: &str) -> Result<(), Error> {
        Ok(self.hypervisor.restart(name)?)
    }

    /// Takes no more clients, ends the sessions with 57P01, then the functions: storage writes its
    /// checkpoint.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if std::mem::replace(&mut self.is_stopped, true) {
            return;
        }
        if let Some((stop, control)) = self.control.take() {
            drop(stop);
            if control.join().is_err() {
                tracing::error!("the control thread panicked");
            }
        }
        for thread in &self.threads {
            // A thread that has ended needs no command to.
            let _ = thread.commands.send(Command::End);
        }
        self.threads.iter_mut().for_each(GatewayThread::join);
        self.hypervisor.stop();
        tracing::info!("stopped");
    }

    fn start_control(
        &mut self,
        listeners: Listeners,
        admin_socket: Option<(UnixListener, SocketFile)>,
    ) -> Result<(), Error> {
        let threads = self
            .threads
            .iter()
            .map(|thread| thread.commands.clone())
            .collect();
        let admin = Admin {
            hypervisor: Arc::clone(&self.hypervisor),
            shared: Arc::clone(&self.shared),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .build()
            .map_err(|source| Error::Thread { source })?;
        let (stop, stopped) = oneshot::channel::<()>();
        let body = move || {
            let file = runtime.block_on(async move {
                let mut file = None;
                if let Some((socket, name)) = admin_socket {
                    file = Some(name);
                    tokio::spawn(serve_admin(socket, admin));
                }
                tokio::select! {
                    result = listeners.accept(threads) => {
                        if let Err(error) = result {
                            tracing::error!(%error, "listening failed");
                        }
                    }
                    _ = stopped => {}
                }
                file
            });
            drop(runtime);
            drop(file);
        };
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(body);
        self.control = Some((stop, thread.map_err(|source| Error::Thread { source })?));
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

fn volumes(config: &ServerConfig, data_dir: &DataDir) -> Result<Volumes, Error> {
    let open = |path: &Path, capacity, preallocate| match config.temporary {
        true => FileDisk::open_temporary(path, capacity),
        false => FileDisk::open(path, capacity, preallocate),
    };
    let (wal_bytes, preallocated) = (config.wal_bytes, config.wal_preallocated_bytes);
    Ok(Volumes {
        wal: Box::new(open(&data_dir.wal(), wal_bytes, preallocated)?),
        data: Box::new(open(&data_dir.data(), config.data_bytes, 0)?),
    })
}

fn topology(config: &ServerConfig, data_dir: &DataDir) -> Result<Topology, Error> {
    let mut topology = match (&config.topology, data_dir.topology()) {
        (Some(topology), _) => topology.clone(),
        (None, Some(file)) => Topology::from_file(&file)?,
        (None, None) => Topology::default(),
    };
    if let Some(isolation) = config.isolation {
        topology.isolation = isolation;
    }
    for (role, spec) in [("parse", &topology.parse), ("execute", &topology.execute)] {
        if spec.instances == 0 {
            return Err(Error::NoFunction { role });
        }
    }
    Ok(topology)
}

/// Bounds what one message may hold: a function that has no memory for a message is lost, with all that it does.
/// A link's end holds the message, parse a copy; execute copies values into rows and write sets.
fn fit_to_heaps(gateway: &mut GatewayConfig, topology: &Topology) {
    let part = |heap_mib: u64, divisor: u64| {
        usize::try_from((heap_mib << 20) / divisor).unwrap_or(usize::MAX)
    };
    let statement = part(topology.parse.heap_mib, 4);
    let parameters = part(topology.execute.heap_mib, 8);
    gateway.statement_bytes_max = gateway.statement_bytes_max.min(statement);
    gateway.parameter_bytes_max = gateway.parameter_bytes_max.min(parameters);
}

/// The functions that are built in.
fn built_in_programs() -> Vec<Program> {
    let (images, entries) = (vireo_functions::images(), vireo_functions::thread_entries());
    let program = |role, image, entry| Program {
        role,
        image: Some(image),
        entry: Some(entry),
    };
    vec![
        program(Role::Parse, images.parse, entries.parse),
        program(Role::Execute, images.execute, entries.execute),
        program(Role::Storage, images.storage, entries.storage),
        program(Role::Echo, images.echo, entries.echo),
        program(Role::Ping, images.ping, entries.ping),
    ]
}

/// Starts the gateway threads and deals the links out to them.
fn start_threads(
    config: &ServerConfig,
    shared: &Arc<Shared>,
    links: Vec<HostLink>,
) -> Result<Vec<GatewayThread>, Error> {
    let count_of = |role| links.iter().filter(|link| link.role() == role).count();
    let count = config
        .gateway
        .threads
        .min(count_of(Role::Parse))
        .min(count_of(Role::Execute))
        .max(1);
    let mut shares: Vec<Vec<HostLink>> = (0..count).map(|_| Vec::new()).collect();
    for link in links {
        shares[link.instance() as usize % count].push(link);
    }
    let start = |(index, links)| {
        GatewayThread::start(index, config.gateway.clone(), Arc::clone(shared), links)
    };
    let threads: std::io::Result<Vec<_>> = shares.into_iter().enumerate().map(start).collect();
    threads.map_err(|source| Error::Thread { source })
}

async fn serve_admin(socket: UnixListener, admin: Admin) {
    let served = async {
        let listener = tokio::net::UnixListener::from_std(socket)?;
        axum::serve(listener, admin::router(admin)).await
    };
    if let Err(error) = served.await {
        tracing::error!(%error, "the admin interface ended");
    }
}

fn log_event(event: Event) {
    match event {
        Event::FunctionDown {
            role,
            instance,
            reason,
        } if reason.is_crash() => {
            tracing::error!(role = role.name(), instance, %reason, "function down");
        }
        Event::FunctionDown {
            role,
            instance,
            reason,
        } => {
            tracing::info!(role = role.name(), instance, %reason, "function down");
        }
        Event::FunctionUp {
            role,
            instance,
            restarts,
            boot_us,
        } => {
            tracing::info!(
                role = role.name(),
                instance,
                restarts,
                boot_us,
                "function up"
            );
        }
        other => tracing::info!(event = ?other, "hypervisor"),
    }
}
