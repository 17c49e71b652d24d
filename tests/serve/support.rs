//! The server's process, and clients.

use crate::raw::RawClient;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// What no step of a test may take longer than.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program.
pub fn vireo() -> Command {
    let program = std::env::var_os("VIREO").unwrap_or_else(|| env!("CARGO_BIN_EXE_vireo").into());
    Command::new(program)
}

/// A directory for a test: the data directory and the server's log are in it.
pub struct Place {
    directory: TempDir,
}

impl Place {
    pub fn new() -> Place {
        let directory = tempfile::Builder::new().prefix("vireo-test-").tempdir();
        Place {
            directory: directory.expect("a directory"),
        }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    fn log_file(&self) -> File {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .append(true)
            .open(self.path().join("log"));
        file.expect("a log")
    }

    /// Starts a server and waits until it is ready.
    pub fn serve(&self) -> Serve {
        let mut command = self.command("127.0.0.1:0");
        let mut child = command.spawn().expect("vireo is there");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line
            .strip_prefix("vireo is ready: listening at ")
            .and_then(|rest| rest.split_once(',')?.0.parse().ok());
        let Some(address) = address else {
            panic!("the server did not start: {line}{}", self.log());
        };
        Serve { child, address }
    }

    /// A server that must not start: what it says, and how long that took.
    pub fn refused(&self, listen: &str) -> (String, Duration) {
        let begin = Instant::now();
        let mut child = self.command(listen).spawn().expect("vireo is there");
        let status = wait(&mut child);
        let log = self.log();
        assert_eq!(status.code(), Some(1), "{log}");
        let last = log.lines().last().unwrap_or_default().to_owned();
        (last, begin.elapsed())
    }

    fn command(&self, listen: &str) -> Command {
        let mut command = vireo();
        command.args(["serve", "--listen", listen, "--data"]);
        command.arg(self.data());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(self.log_file());
        command
    }
}

/// A server that runs. Dropping it kills it.
pub struct Serve {
    child: Child,
    pub address: SocketAddr,
}

impl Serve {
    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        wait(&mut self.child);
    }

    /// A clean stop.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(status.expect("kill is there").success());
        assert!(wait(&mut self.child).success());
    }

    /// A client that speaks bytes, in a session.
    pub fn raw(&self) -> RawClient {
        let mut client = RawClient::connect(self.address);
        client.stream.set_read_timeout(Some(PATIENCE)).expect("set");
        client.start();
        client
    }

    /// A client that knows nothing of this project.
    pub async fn client(&self) -> Client {
        connect(self.address).await.expect("the server is up")
    }

    /// Kilobytes of memory that the process has.
    pub fn resident_kb(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let words = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        words.expect("a number")
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // It may have been ended by the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Opens a session.
pub async fn connect(address: SocketAddr) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host(address.ip().to_string()).port(address.port());
    config.user("postgres").dbname("postgres");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Runs a future on this thread, but not for ever.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let bounded = async { tokio::time::timeout(PATIENCE, future).await };
    runtime
        .expect("a runtime")
        .block_on(bounded)
        .expect("in time")
}

fn wait(child: &mut Child) -> ExitStatus {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the server does not end");
}
