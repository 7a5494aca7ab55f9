//! `SocketListener`: where connections come from.

use std::{future::Future, io};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

use super::socket::SocketOptions;

/// Where [`serve`](crate::serve) takes its connections from.
///
/// Implemented for tokio's `TcpListener` and `UnixListener`; implement it for anything else that
/// yields byte streams.
///
/// ```
/// use std::io;
/// use sse_tower::SocketListener;
/// use tokio::{io::DuplexStream, sync::mpsc};
///
/// /// Connections within the process, for tests.
/// struct Within(mpsc::Receiver<DuplexStream>);
///
/// impl SocketListener for Within {
///     type Io = DuplexStream;
///     type Peer = ();
///
///     async fn accept(&mut self) -> io::Result<(DuplexStream, ())> {
///         match self.0.recv().await {
///             Some(connection) => Ok((connection, ())),
///             None => std::future::pending().await,
///         }
///     }
/// }
/// ```
pub trait SocketListener: Send + 'static {
    /// One connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Who is at the other end; handlers see it as axum's `ConnectInfo<Peer>`.
    type Peer: Clone + Send + Sync + 'static;

    /// The next connection.
    ///
    /// # Errors
    /// One that concerns a single connection, or that may pass (too many open files), is skipped by
    /// the server after a pause; any other ends it.
    ///
    /// # Cancel safety
    /// Has to be cancel safe: the server drops the future whenever something else happens.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::Peer)>> + Send;

    /// Sets the listener itself up, once, before the first connection: on Linux what is set there
    /// costs no system call for each connection. Does nothing unless implemented.
    ///
    /// # Errors
    /// If the platform refuses. The listener is used all the same.
    fn prepare(&self, options: &SocketOptions) -> io::Result<()> {
        let _ = options;
        Ok(())
    }

    /// Sets a connection's socket up. Does nothing unless implemented.
    ///
    /// # Errors
    /// If the platform refuses. The connection is served all the same.
    fn set_up(connection: &Self::Io, options: &SocketOptions) -> io::Result<()> {
        let _ = (connection, options);
        Ok(())
    }

    /// Writes as much as the socket takes at once, and says how much that is. Spares the direct path to ask for each
    /// event what only has to be asked of a socket that is full. Takes nothing unless implemented, and is then polled.
    ///
    /// # Errors
    /// `WouldBlock` if the socket takes nothing now, which is polled from then on; any other ends the connection.
    fn try_write(connection: &mut Self::Io, bytes: &[u8]) -> io::Result<usize> {
        let _ = (connection, bytes);
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl SocketListener for TcpListener {
    type Io = TcpStream;
    type Peer = std::net::SocketAddr;

    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::Peer)>> + Send {
        Self::accept(self)
    }

    fn prepare(&self, options: &SocketOptions) -> io::Result<()> {
        options.prepare(self)
    }

    fn set_up(connection: &Self::Io, options: &SocketOptions) -> io::Result<()> {
        let socket = SockRef::from(connection);
        // One that came before the listener was prepared has nothing from it.
        if options.is_inherited(&socket) { Ok(()) } else { options.apply(&socket) }
    }

    fn try_write(connection: &mut Self::Io, bytes: &[u8]) -> io::Result<usize> {
        connection.try_write(bytes)
    }
}

#[cfg(unix)]
impl SocketListener for tokio::net::UnixListener {
    type Io = tokio::net::UnixStream;
    type Peer = tokio::net::unix::SocketAddr;

    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::Peer)>> + Send {
        Self::accept(self)
    }

    fn try_write(connection: &mut Self::Io, bytes: &[u8]) -> io::Result<usize> {
        connection.try_write(bytes)
    }
}
