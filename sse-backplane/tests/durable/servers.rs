//! The engines that several processes can share.

use std::net::SocketAddr;

use engine_servers::{Nats, Postgres, Redis, wanted};

pub(crate) enum Server {
    Redis(Redis),
    Postgres(Postgres),
    Nats(Nats),
}

impl Server {
    /// `None` if it is not to be exercised.
    pub(crate) async fn start(name: &str) -> Option<Self> {
        if !wanted(name) {
            return None;
        }
        Some(match name {
            "redis" => Self::Redis(Redis::start().unwrap()),
            "postgres" => Self::Postgres(Postgres::start().unwrap()),
            _ => Self::Nats(Nats::start().await.unwrap()),
        })
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Redis(server) => server.url(),
            Self::Postgres(server) => server.url(),
            Self::Nats(server) => server.url(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Redis(server) => server.address(),
            Self::Postgres(server) => server.address(),
            Self::Nats(server) => server.address().parse().unwrap(),
        }
    }

    /// The same store through another address.
    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        self.url().replace(&self.address().to_string(), &address.to_string())
    }

    pub(crate) fn kill(&mut self) {
        match self {
            Self::Redis(server) => server.kill(),
            Self::Postgres(server) => server.kill(),
            Self::Nats(server) => server.kill(),
        }
    }

    pub(crate) async fn restart(&mut self) {
        match self {
            Self::Redis(server) => server.restart().unwrap(),
            Self::Postgres(server) => server.restart().unwrap(),
            Self::Nats(server) => server.restart().await.unwrap(),
        }
    }
}

/// A test for each engine.
macro_rules! on_each_engine {
    ($($test:ident)*) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test("redis").await })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test("postgres").await })*
        }
        mod nats {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test("nats").await })*
        }
    };
}
pub(crate) use on_each_engine;
