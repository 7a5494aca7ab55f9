//! The contract of engines, each rule on a server of its own.

use std::sync::Arc;

use engine_servers::Postgres as Server;
use sse_tower_backplane::postgres::Postgres;
use sse_tower_core::backplane::{Engine, contract::Harness};

struct Contract(Server);

impl Harness for Contract {
    async fn fresh() -> Self {
        Self(crate::support::server())
    }

    async fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(Postgres::new(&self.0.url(), "contract").unwrap())
    }

    async fn restart(&mut self) -> bool {
        self.0.restart().unwrap();
        true
    }
}

sse_tower_core::engine_contract!(Contract);
sse_tower_core::queue_contract!(Contract);
