//! The line that says where a program listens.

use std::io::{self, Write};
use std::net::SocketAddr;

use sse_tower::{SocketListener, SocketOptions};
use tokio::net::{TcpListener, TcpStream};

/// A listener that prints `listening on http://ADDR` on standard output when the server accepts for
/// the first time. Not before: a signal that comes between the line and the server would find
/// nobody who handles it.
#[derive(Debug)]
pub struct Announced {
    listener: TcpListener,
    said: bool,
}

impl Announced {
    /// `listener`, not announced so far.
    pub fn new(listener: TcpListener) -> Self {
        Self { listener, said: false }
    }
}

impl SocketListener for Announced {
    type Io = TcpStream;
    type Peer = SocketAddr;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        if !self.said {
            let mut out = io::stdout().lock();
            writeln!(out, "listening on http://{}", self.listener.local_addr()?)?;
            out.flush()?;
            self.said = true;
        }
        self.listener.accept().await
    }

    fn set_up(connection: &TcpStream, options: &SocketOptions) -> io::Result<()> {
        TcpListener::set_up(connection, options)
    }
}
