//! Redis.

use std::{net::SocketAddr, sync::Arc};

use engine_servers::{Redis, Signal};
use redis::AsyncCommands;
use sse_tower_backplane::redis::RedisEngine;
use sse_tower_core::backplane::{Engine, Position};

use super::{scenarios::faults, store::Store};

struct OnRedis(Redis);

impl OnRedis {
    /// A connection of somebody else.
    async fn other(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.0.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

impl Store for OnRedis {
    /// How much it had appended.
    type Past = u64;

    async fn start() -> Self {
        Self(Redis::start().unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn engine(address: SocketAddr) -> Arc<dyn Engine> {
        Arc::new(RedisEngine::new(&format!("redis://{address}/"), "faults").unwrap())
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    async fn restart(&mut self) {
        self.0.restart().unwrap();
    }

    fn signal(&self, signal: Signal) {
        self.0.signal(signal).unwrap();
    }

    async fn remember(&mut self) -> u64 {
        self.0.written().unwrap()
    }

    /// Into the middle of what came first since then: a batch is gone as a whole.
    async fn go_back(&mut self, past: u64) {
        self.0.kill();
        self.0.lose_tail(self.0.written().unwrap() - past - 100).unwrap();
        self.0.restart().unwrap();
    }

    async fn forget_everything(&mut self) {
        let _: () = redis::cmd("FLUSHALL").query_async(&mut self.other().await).await.unwrap();
    }

    async fn be_ahead(&self, newest: Position) -> bool {
        let _: () = self.other().await.hset("{faults}:meta", "last", newest.get()).await.unwrap();
        true
    }
}

faults!(OnRedis, "redis");
