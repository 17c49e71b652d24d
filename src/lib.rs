//! Vireo, embedded: a PostgreSQL-compatible SQL database whose functions run as bare virtual machines.
//!
//! [`Database::open`] starts the functions (parse, execute, storage) and the gateway in this process: each
//! function in a VM of its own where there is /dev/kvm, else on a host thread. [`Database::connect`] gives
//! sessions; each is an ordinary session of the gateway, only without a socket between.
//!
//! ```
//! use vireodb::{Database, Options};
//!
//! let database = Database::open(Options::default())?;
//! let mut session = database.connect()?;
//! session.execute("CREATE TABLE greeting (id integer PRIMARY KEY, words text)")?;
//! session.execute("INSERT INTO greeting VALUES (1, 'hello'), (2, NULL)")?;
//! let rows = session.query("SELECT id, words FROM greeting ORDER BY id")?;
//! assert_eq!(rows.columns(), ["id", "words"]);
//! assert_eq!(rows.get(0, 1), Some("hello"));
//! assert_eq!(rows.get(1, 1), None);
//! session.close()?;
//! database.close()?;
//! # Ok::<(), vireodb::Error>(())
//! ```
//!
//! Invariants:
//! 1. A database is open in at most one process; [`Error::Server`] says who has it.
//! 2. What `execute` returned from has been committed and flushed, unless a transaction block is open.
//! 3. A temporary database's directory is gone after [`Database::close`] or the drop of the database.
//!
//! Failure: a function that dies is replaced; the statements in flight fail with an SQLSTATE
//! ([`Error::Statement`]) and sessions go on. [`mod@bench`] holds the measurements that `vireo bench` makes.
#![forbid(unsafe_code)]

pub mod bench;
mod blocking;
mod boot_report;
mod connection;
mod database;
mod error;
mod options;
mod rows;

pub use boot_report::{BootReport, FunctionBoot};
pub use connection::Connection;
pub use database::Database;
pub use error::Error;
pub use options::{DataDir, Options};
pub use rows::{ResultSet, Rows};
pub use vireo_client::ServerError;
pub use vireo_server::{FunctionSpec, FunctionStats, Isolation, Spin, SpinMode, Stats, Topology};
