//! Which server.

use std::io::{self, Error};

/// A server to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One `send` of prepared bytes for each subscriber, from an epoll loop: what no server can do without.
    Floor,
    /// `axum::response::Sse` with a tokio broadcast channel, and a map of mpsc channels.
    Axum,
    /// The same, with `into_make_service()`.
    AxumMakeService,
    /// Ours under `axum::serve`: the stream is the response's body.
    Body,
    /// The same, with sockets as they are without `SocketOptions`.
    BodyAlone,
    /// Ours under `sse_tower::serve`.
    Direct,
    /// Plain axum as a program has it: a dozen routes, extractors, state of several parts.
    AxumProgram,
    /// The same program with ours, under `axum::serve`.
    BodyProgram,
    /// The same program with ours, under `sse_tower::serve`.
    DirectProgram,
    /// Ours with a stream for each key, whose history is all that who comes back gets.
    History,
    /// The same with a snapshot.
    Snapshot,
    /// Ours on a backplane in memory.
    Memory,
    /// Ours on Redis.
    Redis,
    /// nginx with nchan on Redis.
    Nchan,
    /// hyper with a body of prepared bytes, over HTTP/1.1 and HTTP/2.
    Hyper,
    /// The same over TLS.
    HyperTls,
    /// Ours under `sse_tower::serve` with TLS.
    DirectTls,
}

impl Kind {
    pub(crate) const ALL: [Self; 17] = [
        Self::Floor,
        Self::Axum,
        Self::AxumMakeService,
        Self::Body,
        Self::BodyAlone,
        Self::Direct,
        Self::AxumProgram,
        Self::BodyProgram,
        Self::DirectProgram,
        Self::History,
        Self::Snapshot,
        Self::Memory,
        Self::Redis,
        Self::Nchan,
        Self::Hyper,
        Self::HyperTls,
        Self::DirectTls,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Axum => "axum",
            Self::AxumMakeService => "axum-make-service",
            Self::Body => "body",
            Self::BodyAlone => "body-alone",
            Self::Direct => "direct",
            Self::AxumProgram => "axum-program",
            Self::BodyProgram => "body-program",
            Self::DirectProgram => "direct-program",
            Self::History => "history",
            Self::Snapshot => "snapshot",
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Nchan => "nchan",
            Self::Hyper => "hyper",
            Self::HyperTls => "hyper-tls",
            Self::DirectTls => "direct-tls",
        }
    }

    /// Is it ours?
    pub(crate) const fn is_ours(self) -> bool {
        !matches!(
            self,
            Self::Floor
                | Self::Axum
                | Self::AxumMakeService
                | Self::AxumProgram
                | Self::Nchan
                | Self::Hyper
                | Self::HyperTls
        )
    }

    /// Does a client that comes back get what it missed?
    pub(crate) const fn replays(self) -> bool {
        self.is_ours() || matches!(self, Self::Floor | Self::Nchan)
    }

    pub(crate) fn parse(name: &str) -> io::Result<Self> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| Error::other(format!("there is no server `{name}`")))
    }
}
