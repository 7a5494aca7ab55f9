//! The engine in a file keeps the contract of engines.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use sse_tower_backplane::redb::RedbStore;
use sse_tower_core::backplane::{Engine, contract::Harness};
use tempfile::TempDir;

struct File {
    folder: TempDir,
    store: Option<RedbStore>,
}

impl Harness for File {
    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = RedbStore::open(folder.path().join("events.redb"), "contract").unwrap();
        Self { folder, store: Some(store) }
    }

    async fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(self.store.as_ref().unwrap().engine())
    }

    async fn restart(&mut self) -> bool {
        let path = self.folder.path().join("events.redb");
        self.store = None;
        // The thread of a store that nobody has any more ends by itself.
        for _ in 0..1_000 {
            match RedbStore::open(&path, "contract") {
                Ok(store) => {
                    self.store = Some(store);
                    return true;
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        }
        panic!("the file is free when nobody has it")
    }
}

sse_tower_core::engine_contract!(File);

mod queue {
    use super::File;

    sse_tower_core::queue_contract!(File);
}
