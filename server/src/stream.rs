//! A client's byte stream: TCP, a Unix socket, or memory.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A client's byte stream.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// Memory of this process: the embedded database.
    Local(DuplexStream),
}

/// A stream on its way to the thread that will serve it.
#[derive(Debug)]
pub enum Handover {
    /// TCP.
    Tcp(std::net::TcpStream),
    /// A Unix socket.
    Unix(std::os::unix::net::UnixStream),
    /// Memory of this process.
    Local(DuplexStream),
}

impl Handover {
    /// The stream, in the runtime of the current thread.
    ///
    /// # Errors
    /// If the socket cannot be watched.
    pub fn accept(self) -> io::Result<Stream> {
        Ok(match self {
            Handover::Tcp(stream) => {
                stream.set_nodelay(true)?;
                Stream::Tcp(TcpStream::from_std(stream)?)
            }
            Handover::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
            Handover::Local(stream) => Stream::Local(stream),
        })
    }
}

impl Stream {
    /// The address that a client must be trusted at; none for those of this machine by their nature.
    pub fn peer(&self) -> Option<IpAddr> {
        match self {
            // One that cannot be told is nobody's to trust.
            Stream::Tcp(stream) => {
                let address = stream
                    .peer_addr()
                    .map(|address| address.ip().to_canonical());
                Some(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
            }
            Stream::Unix(_) | Stream::Local(_) => None,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Local(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Local(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(context),
            Stream::Local(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Local(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
