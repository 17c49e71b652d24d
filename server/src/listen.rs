//! Where clients come in: TCP addresses and a Unix socket.

use crate::error::Error;
use crate::stream::Handover;
use crate::thread::Command;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// Sockets that listen; a Unix socket's file is removed with it.
#[derive(Debug)]
pub struct Listeners {
    tcp: Vec<std::net::TcpListener>,
    unix: Option<(std::os::unix::net::UnixListener, SocketFile)>,
}

/// A Unix socket's name in the file system.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone, with its directory.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listeners {
    /// Binds every address.
    ///
    /// # Errors
    /// [`Error::Listen`], of the first that fails.
    pub fn bind(tcp: &[SocketAddr], unix: Option<&(PathBuf, u16)>) -> Result<Listeners, Error> {
        let tcp = tcp
            .iter()
            .map(|address| bind_tcp(*address))
            .collect::<Result<_, _>>()?;
        let unix = match unix {
            Some((directory, port)) => Some(bind_unix(
                &directory.join(format!(".s.PGSQL.{port}")),
                0o777,
            )?),
            None => None,
        };
        Ok(Listeners { tcp, unix })
    }

    /// The TCP addresses, with the ports that the system chose for port 0.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.tcp
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Accepts clients for the gateway threads, one after another, until it is dropped.
    ///
    /// # Errors
    /// If a socket cannot be watched.
    pub async fn accept(self, threads: Vec<UnboundedSender<Command>>) -> io::Result<()> {
        let (sender, mut accepted) = tokio::sync::mpsc::channel(16);
        for listener in self.tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let sender = sender.clone();
            tokio::spawn(async move {
                loop {
                    let accepted = listener
                        .accept()
                        .await
                        .and_then(|(stream, _)| stream.into_std());
                    pass_on(&sender, accepted.map(Handover::Tcp)).await;
                }
            });
        }
        let mut file = None;
        if let Some((listener, name)) = self.unix {
            file = Some(name);
            let listener = tokio::net::UnixListener::from_std(listener)?;
            let sender = sender.clone();
            tokio::spawn(async move {
                loop {
                    let accepted = listener
                        .accept()
                        .await
                        .and_then(|(stream, _)| stream.into_std());
                    pass_on(&sender, accepted.map(Handover::Unix)).await;
                }
            });
        }
        let mut next = 0;
        while let Some(handover) = accepted.recv().await {
            if let Some(thread) = threads.get(next % threads.len().max(1)) {
                // A thread that has ended drops the connection.
                let _ = thread.send(Command::Serve(handover));
            }
            next += 1;
        }
        drop(file);
        Ok(())
    }
}

async fn pass_on(sender: &tokio::sync::mpsc::Sender<Handover>, accepted: io::Result<Handover>) {
    match accepted {
        // The receiver lives as long as this task.
        Ok(handover) => drop(sender.send(handover).await),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            // Out of file descriptors, most likely: not at once again.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn bind_tcp(address: SocketAddr) -> Result<std::net::TcpListener, Error> {
    let bind = || {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|source| Error::Listen {
        address: address.to_string(),
        source,
    })
}

/// Binds a Unix socket; the file of a server that is gone is replaced.
pub fn bind_unix(
    path: &Path,
    mode: u32,
) -> Result<(std::os::unix::net::UnixListener, SocketFile), Error> {
    use std::os::unix::net::{UnixListener, UnixStream};
    let bind = || {
        let listener = match UnixListener::bind(path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                if UnixStream::connect(path).is_ok() {
                    return Err(error);
                }
                std::fs::remove_file(path)?;
                UnixListener::bind(path)?
            }
            other => other?,
        };
        let file = SocketFile(path.to_owned());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        listener.set_nonblocking(true)?;
        Ok((listener, file))
    };
    bind().map_err(|source| Error::Listen {
        address: path.display().to_string(),
        source,
    })
}
