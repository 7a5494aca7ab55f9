//! What a server goes by.

use std::time::Duration;

use sse_tower_core::Drain;

use super::{Serve, SocketOptions};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) drain: Drain,
    pub(super) http2: bool,
    pub(super) direct: bool,
    pub(super) sockets: SocketOptions,
    pub(super) header_timeout: Duration,
    pub(super) buffer_bytes: usize,
    pub(super) max_connections: usize,
}

type Defaults = Serve<(), ()>;

impl Default for Settings {
    fn default() -> Self {
        Self {
            drain: Drain::new(),
            http2: true,
            direct: true,
            sockets: SocketOptions::new(),
            header_timeout: Defaults::DEFAULT_HEADER_TIMEOUT,
            buffer_bytes: Defaults::DEFAULT_BUFFER_BYTES,
            max_connections: Defaults::DEFAULT_MAX_CONNECTIONS,
        }
    }
}
