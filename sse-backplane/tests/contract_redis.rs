//! Redis keeps the contract of engines. On a real server, which each rule has for itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

use std::sync::Arc;

use engine_servers::Redis;
use sse_tower_backplane::redis::RedisEngine;
use sse_tower_core::backplane::{Engine, contract::Harness};

struct OnRedis(Redis);

impl Harness for OnRedis {
    fn is_wanted() -> bool {
        engine_servers::wanted("redis")
    }

    async fn fresh() -> Self {
        Self(Redis::start().unwrap())
    }

    async fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(RedisEngine::new(&self.0.url(), "contract: *").unwrap())
    }

    async fn restart(&mut self) -> bool {
        self.0.restart().unwrap();
        true
    }
}

sse_tower_core::engine_contract!(OnRedis);

mod queue {
    use super::OnRedis;

    sse_tower_core::queue_contract!(OnRedis);
}
