//! The gateway: PostgreSQL's protocol on one side, the functions' links on the other.
//!
//! A [`Server`] owns a data directory and its functions. Clients come in through TCP, a Unix socket,
//! or [`Server::connect_local`]; all are served by the same session code. It runs on the host because it
//! owns sockets; it knows of SQL only what the protocol makes it know.
//!
//! Where things are: `wire` the protocol's bytes; `startup`, `session`, `simple`, `extended`, `copy`
//! a client's side; `planning`, `run`, `transaction` a statement's way; `gateway`, `dispatch`, `port`,
//! `mailbox` the functions' side; `plan`, `plan_cache`; `server`, `datadir`, `listen`, `admin` what surrounds them.
#![forbid(unsafe_code)]

mod admin;
mod config;
mod connection;
mod copy;
mod counters;
mod datadir;
mod dispatch;
mod error;
mod extended;
mod gateway;
mod listen;
mod mailbox;
mod plan;
mod plan_cache;
mod planning;
mod port;
mod portal;
mod run;
mod server;
mod session;
mod settings;
mod shared;
mod simple;
mod startup;
mod stop;
mod stream;
mod thread;
mod transaction;
mod wire;

pub use config::{GatewayConfig, ServerConfig};
pub use datadir::admin_socket;
pub use error::Error;
pub use server::Server;
pub use settings::SERVER_VERSION;
pub use vireo_hypervisor::{
    FunctionSpec, FunctionStats, Isolation, Program, Spin, SpinMode, Stats, Topology,
};
