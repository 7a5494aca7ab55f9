//! Nodes of ours over a store, which is in memory or a Redis that is started for it.

use std::{
    io::{self, Error},
    net::SocketAddr,
};

use engine_servers::Redis;

use crate::{
    load::ask,
    process::Server,
    servers::{Kind, STORE},
};

/// What the nodes have in common.
pub(super) enum Store {
    Memory,
    Redis(Redis),
}

/// Two nodes: events are sent at the first, and `server` is the process in which the second is, with its streams.
pub(super) struct Pair {
    pub(super) server: Server,
    pub(super) first: SocketAddr,
    pub(super) second: SocketAddr,
    /// The other process, if it is another.
    beside: Option<Server>,
    store: Store,
}

impl Store {
    /// A Redis of its own.
    pub(super) fn redis() -> io::Result<Self> {
        Redis::start().map(Self::Redis).map_err(|error| Error::other(error.to_string()))
    }

    /// Two nodes of which the second knows nobody yet.
    pub(super) fn pair(self) -> io::Result<Pair> {
        match &self {
            Self::Memory => {
                let server = Server::start(Kind::Memory)?;
                let (first, second) = (server.address, fresh(server.address)?);
                Ok(Pair { server, first, second, beside: None, store: self })
            }
            Self::Redis(redis) => {
                let url = redis.url();
                let beside = Server::start_beside(Kind::Redis, &[(STORE, &url)])?;
                let server = Server::start_with(Kind::Redis, &[(STORE, &url)])?;
                let (first, second) = (beside.address, server.address);
                Ok(Pair { server, first, second, beside: Some(beside), store: self })
            }
        }
    }
}

impl Pair {
    /// The process with the streams, and what has to last as long as it runs.
    pub(super) fn apart(self) -> (Server, (Option<Server>, Store)) {
        (self.server, (self.beside, self.store))
    }

    /// How often the second node has loaded the key that it has loaded most often.
    pub(super) fn loads(&self) -> io::Result<f64> {
        ask(self.second, "/loads")?.parse().map_err(Error::other)
    }

    /// Where the store listens, if it is one that others can use.
    pub(super) fn redis(&self) -> Option<SocketAddr> {
        match &self.store {
            Store::Memory => None,
            Store::Redis(redis) => Some(redis.address()),
        }
    }
}

fn fresh(first: SocketAddr) -> io::Result<SocketAddr> {
    ask(first, "/fresh")?.parse().map_err(Error::other)
}
