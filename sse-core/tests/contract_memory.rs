//! The engine in memory keeps the contract of engines.

use std::sync::Arc;

use sse_tower_core::backplane::{Engine, contract::Harness, memory::MemoryStore};

struct Memory(MemoryStore);

impl Harness for Memory {
    async fn fresh() -> Self {
        Self(MemoryStore::new())
    }

    async fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(self.0.engine())
    }

    /// All nodes are gone, the store is not.
    async fn restart(&mut self) -> bool {
        true
    }
}

sse_tower_core::engine_contract!(Memory);

mod queue {
    use super::Memory;

    sse_tower_core::queue_contract!(Memory);
}
