//! The engine on NATS keeps the contract of engines, on a real server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

use std::sync::Arc;

use engine_servers::Nats;
use sse_tower_backplane::nats::connect;
use sse_tower_core::backplane::{Engine, contract::Harness};

struct OnNats(Nats);

impl Harness for OnNats {
    fn is_wanted() -> bool {
        engine_servers::wanted("nats")
    }

    async fn fresh() -> Self {
        Self(Nats::start().await.unwrap())
    }

    async fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(connect(&self.0.url(), "contract").await.unwrap())
    }

    async fn restart(&mut self) -> bool {
        self.0.restart().await.unwrap();
        true
    }
}

sse_tower_core::engine_contract!(OnNats);

mod queue {
    use super::OnNats;

    sse_tower_core::queue_contract!(OnNats);
}
