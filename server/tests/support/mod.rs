//! A server whose functions are scripted: they run on threads, behind real links, and understand a
//! few statements made for tests. What they were asked is told by `select trace`.

#![allow(dead_code, reason = "each test binary uses a part")]

pub mod execute;
pub mod parse;
pub mod raw;

use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tempfile::TempDir;
use vireo_abi::boot::Role;
use vireo_runtime::{Function, Io, Start, thread_entry};
use vireo_server::{GatewayConfig, Isolation, Program, Server, ServerConfig, Topology};

/// The version of the scripted catalog: `bump` adds one, in every test at once.
pub static CATALOG_VERSION: AtomicU64 = AtomicU64::new(1);

/// A storage function that nobody asks for anything.
struct IdleStorage;

impl Function for IdleStorage {
    fn new(_: &Start, _: &mut Io) -> IdleStorage {
        IdleStorage
    }
    fn poll(&mut self, _: &mut Io) -> bool {
        false
    }
    fn link_down(&mut self, _: usize, _: &mut Io) {}
    fn link_up(&mut self, _: usize, _: &mut Io) {}
}

/// A configuration with scripted functions.
pub fn config(data_dir: &std::path::Path) -> ServerConfig {
    let topology = Topology {
        catalog_pool_mib: 2,
        data_pool_mib: 2,
        ..Topology::default()
    };
    let mut config = ServerConfig::new(data_dir);
    config.topology = Some(topology);
    config.isolation = Some(Isolation::Thread);
    config.wal_preallocated_bytes = 0;
    config.tcp = vec!["127.0.0.1:0".parse().unwrap()];
    config.programs = Some(vec![
        Program {
            role: Role::Parse,
            image: None,
            entry: Some(thread_entry::<parse::FakeParse>),
        },
        Program {
            role: Role::Execute,
            image: None,
            entry: Some(thread_entry::<execute::FakeExecute>),
        },
        Program {
            role: Role::Storage,
            image: None,
            entry: Some(thread_entry::<IdleStorage>),
        },
    ]);
    config
}

/// A running server and its directory.
pub struct Scripted {
    pub server: Server,
    pub directory: TempDir,
}

/// Starts a server with scripted functions.
pub fn start() -> Scripted {
    start_with(|_| {})
}

/// Starts a server with scripted functions and other gateway settings.
pub fn start_with(change: impl FnOnce(&mut GatewayConfig)) -> Scripted {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    change(&mut config.gateway);
    let server = Server::start(config).unwrap();
    server.wait_ready(Duration::from_secs(10)).unwrap();
    Scripted { server, directory }
}

impl Scripted {
    /// A client that knows nothing of this project.
    pub async fn client(&self) -> tokio_postgres::Client {
        let port = self.server.addresses()[0].port();
        let text = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
        let (client, connection) = tokio_postgres::connect(&text, tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client
    }

    /// A client that speaks bytes.
    pub fn raw(&self) -> raw::RawClient {
        raw::RawClient::connect(self.server.addresses()[0])
    }

    /// A gateway counter.
    pub fn counter(&self, name: &str) -> u64 {
        self.server.topology()["gateway"][name].as_u64().unwrap()
    }
}

/// What the requests of this session were, as the scripted execute saw them.
pub async fn trace(client: &tokio_postgres::Client) -> Vec<String> {
    let messages = client.simple_query("select trace").await.unwrap();
    rows_of(&messages)
}

/// The first column of every row.
pub fn rows_of(messages: &[tokio_postgres::SimpleQueryMessage]) -> Vec<String> {
    let value = |message: &tokio_postgres::SimpleQueryMessage| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().to_owned()),
        _ => None,
    };
    messages.iter().filter_map(value).collect()
}
