//! `ServeSettings`: what is set on a server before it runs.

use std::{fmt, time::Duration};

use sse_tower_core::Drain;

use super::socket::SocketOptions;

pub(super) const MAX_CONNECTIONS: usize = 1 << 18;
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// hyper reckons with instants: a year is as good as no timeout.
pub(super) const MAX_HEADER_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

pub(super) struct ServeSettings {
    pub(super) drain: Drain,
    pub(super) http2: bool,
    pub(super) direct: bool,
    pub(super) sockets: SocketOptions,
    pub(super) header_timeout: Duration,
    pub(super) buffer_bytes: usize,
    pub(super) max_connections: usize,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            drain: Drain::new(),
            http2: true,
            direct: true,
            sockets: SocketOptions::new(),
            header_timeout: HEADER_TIMEOUT,
            buffer_bytes: BUFFER_BYTES,
            max_connections: MAX_CONNECTIONS,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl fmt::Debug for ServeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeSettings")
            .field("drain", &self.drain)
            .field("http2", &self.http2)
            .field("direct", &self.direct)
            .field("sockets", &self.sockets)
            .field("header_timeout", &self.header_timeout)
            .field("buffer_bytes", &self.buffer_bytes)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
