//! `Home`: the runtime that the engine lives on.

use std::future::Future;

use sse_tower_core::backplane::{EngineError, EngineFuture};
use tokio::runtime::{Builder, Handle, Runtime};

use super::session::closed;

/// One thread with a runtime, for everything that the engine runs: what answers a renewal of a lease is whoever reads the
/// stream, so that has to go on while the program's own runtime stands still. Ends, with all that runs on it, when it is dropped.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) handle: Handle,
    runtime: Option<Runtime>,
}

impl Home {
    pub(super) fn new() -> Result<Self, EngineError> {
        let mut builder = Builder::new_multi_thread();
        let built = builder.worker_threads(1).thread_name("sse-tower-nats").enable_all().build();
        let runtime = built.map_err(|error| {
            EngineError::unavailable("no thread can be started for NATS").with_source(error)
        })?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Begins something here, which runs to its end, whoever still waits for it.
    pub(super) fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> EngineFuture<'static, T> {
        let task = self.handle.spawn(task);
        // It neither panics nor is it aborted, unless this goes.
        Box::pin(async move { task.await.unwrap_or_else(|_| Err(closed())) })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits for nothing, and so may be done on any runtime.
            runtime.shutdown_background();
        }
    }
}
