//! `RedbEngine`: one node.

use std::{fmt, future::ready, sync::Arc};

use parking_lot::Mutex;
use sse_tower_core::backplane::{
    Answer, Batch, Engine, EngineError, EngineErrorKind, EngineFuture, Feed, Loaded,
    MAX_RECORD_BYTES, Mark, Queue, Topic, Want, ledger::RowLog,
};
use tokio::{runtime::Handle, sync::oneshot};

use super::{
    store::{RedbStore, Store},
    writer::{Log, Told, ended},
};

/// One node of a [`RedbStore`].
///
/// Writes are those of one thread, which commits whatever waits at once; loads read what was committed, on the
/// runtime's threads for blocking work. The feed is called by the writing thread.
pub struct RedbEngine {
    node: u64,
    state: Mutex<State>,
}

/// The state of an engine: made, started, closed.
enum State {
    Made(Arc<Store>),
    Started(Arc<Store>, Handle),
    Closed,
}

impl RedbStore {
    /// One more node's engine.
    #[must_use]
    pub fn engine(&self) -> RedbEngine {
        let state = Mutex::new(State::Made(self.0.clone()));
        RedbEngine { node: self.0.next_node(), state }
    }
}

impl RedbEngine {
    /// The store, while calls may be made.
    fn store(&self) -> Result<(Arc<Store>, Handle), EngineError> {
        match &*self.state.lock() {
            State::Made(_) => Err(EngineError::refused("this engine was not started")),
            State::Started(store, handle) => Ok((store.clone(), handle.clone())),
            State::Closed => Err(closed()),
        }
    }

    /// Lets the writer do something.
    pub(super) fn write<T: Send + 'static>(
        &self,
        call: impl FnMut(&mut Log<'_, '_>, &mut Told) -> Result<T, EngineError> + Send + 'static,
    ) -> EngineFuture<'_, T> {
        match self.store() {
            Ok((store, _)) => wait(store.writer.call(call)),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn end(&self) -> Option<Arc<Store>> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Closed) {
            State::Made(store) | State::Started(store, _) => Some(store),
            State::Closed => None,
        }
    }
}

fn wait<'a, T: Send + 'static>(
    answer: oneshot::Receiver<Result<T, EngineError>>,
) -> EngineFuture<'a, T> {
    Box::pin(async { answer.await.unwrap_or_else(|_| Err(ended())) })
}

impl Engine for RedbEngine {
    fn start(&self, feed: Feed) -> EngineFuture<'_, Mark> {
        let started = {
            let mut state = self.state.lock();
            match (&*state, Handle::try_current()) {
                (State::Made(store), Ok(handle)) => {
                    store.feeds.add(self.node, feed);
                    *state = State::Started(store.clone(), handle);
                    Ok(())
                }
                (State::Made(_), Err(_)) => Err(EngineError::refused("there is no tokio runtime")),
                (State::Started(..), _) => Err(EngineError::refused("started before")),
                (State::Closed, _) => Err(closed()),
            }
        };
        match started {
            Ok(()) => self.write(|log, _| Ok(log.mark())),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn append(&self, batch: Batch) -> EngineFuture<'_, Vec<Answer>> {
        // So that it takes no transaction of others with it.
        if batch.entries.iter().any(|entry| entry.change.bytes() > MAX_RECORD_BYTES) {
            let error =
                EngineError::refused(format!("a record has at most {MAX_RECORD_BYTES} bytes"));
            return Box::pin(ready(self.store().and(Err(error))));
        }
        self.write(move |log, told| {
            let appended = log.append(&batch)?;
            told.records.extend(appended.records);
            told.rings |= appended.queued;
            Ok(appended.answers)
        })
    }

    fn load(&self, wants: Vec<Want>) -> EngineFuture<'_, Vec<Loaded>> {
        match self.store() {
            Ok((store, handle)) => {
                let file = store.file.clone();
                let load = move || file.read(|rows| RowLog::load(rows, &wants));
                let load = handle.spawn_blocking(load);
                Box::pin(async { load.await.unwrap_or_else(|_| Err(ended())) })
            }
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn follow(&self, topics: Vec<Topic>) -> EngineFuture<'_, ()> {
        let store = self.store();
        Box::pin(ready(store.map(|(store, _)| store.feeds.follow(self.node, topics))))
    }

    fn unfollow(&self, topics: Vec<Topic>) {
        if let Ok((store, _)) = self.store() {
            store.feeds.unfollow(self.node, &topics);
        }
    }

    fn mark(&self) -> EngineFuture<'_, Mark> {
        let node = self.node;
        self.write(move |log, told| {
            log.sweep()?;
            told.marks.push(node);
            Ok(log.mark())
        })
    }

    fn restart_feed(&self) {
        let node = self.node;
        drop(self.write(move |_, told| {
            told.restarts.push(node);
            Ok(())
        }));
    }

    fn queue(&self) -> Option<&dyn Queue> {
        Some(self)
    }

    fn durability(&self) -> &'static str {
        "what it stores is on the disk before it says so, and outlives the process"
    }

    fn close(&self) -> EngineFuture<'_, ()> {
        let Some(store) = self.end() else { return Box::pin(ready(Ok(()))) };
        let node = self.node;
        let left = store.writer.call(move |_, told| {
            told.leaves.push(node);
            Ok(())
        });
        Box::pin(async move {
            wait(left).await?;
            // The last one waits until the file is free.
            if let Some(ended) = Arc::into_inner(store).and_then(Store::into_ended) {
                drop(ended.await);
            }
            Ok(())
        })
    }
}

impl Drop for RedbEngine {
    fn drop(&mut self) {
        if let Some(store) = self.end() {
            store.feeds.remove(self.node);
        }
    }
}

impl fmt::Debug for RedbEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbEngine").field("node", &self.node).finish_non_exhaustive()
    }
}

fn closed() -> EngineError {
    EngineError::new(EngineErrorKind::Closed, "this engine was closed")
}
