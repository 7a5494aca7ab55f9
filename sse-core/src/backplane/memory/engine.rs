//! `MemoryEngine`: one node's connection to the store.

use std::{fmt, future::ready, sync::Arc};

use super::{
    node::Node,
    store::{MemoryStore, Store},
};
use crate::backplane::{
    Answer, Batch, Engine, EngineError, EngineErrorKind, EngineFuture, Feed, FeedItem, Loaded,
    Mark, Position, Queue, Topic, Want,
};

/// One node of a [`MemoryStore`]. Every call is done when it returns; its future only brings the answer.
///
/// The feed is called by whoever made the change, on any node, outside of all of the store's locks, one item after
/// the other.
pub struct MemoryEngine {
    pub(super) store: Arc<Store>,
    pub(super) node: Arc<Node>,
}

impl MemoryStore {
    /// One more node's engine.
    #[must_use]
    pub fn engine(&self) -> MemoryEngine {
        MemoryEngine { store: self.0.clone(), node: self.0.node() }
    }
}

impl MemoryEngine {
    /// Whether a call may be made now.
    fn open(&self) -> Result<(), EngineError> {
        if !self.node.is_started() {
            return Err(EngineError::refused("this engine was not started"));
        }
        self.node.inbox(|inbox| if inbox.script.away { Err(away()) } else { Ok(()) })?;
        if self.node.is_closed() { Err(closed()) } else { Ok(()) }
    }

    pub(super) fn answer<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> Result<T, EngineError>,
    ) -> EngineFuture<'_, T> {
        Box::pin(ready(self.open().and_then(|()| call())))
    }
}

impl Engine for MemoryEngine {
    fn start(&self, feed: Feed) -> EngineFuture<'_, Mark> {
        if self.node.inbox(|inbox| inbox.script.away) {
            return Box::pin(ready(Err(away())));
        }
        let started = self.node.start(feed);
        let mark = self.answer(|| Ok(self.store.start(&self.node)));
        if started { mark } else { Box::pin(ready(Err(EngineError::refused("started before")))) }
    }

    fn append(&self, batch: Batch) -> EngineFuture<'_, Vec<Answer>> {
        self.answer(|| {
            let (before, after) = self.node.inbox(|inbox| {
                let before = take(&mut inbox.script.fail_before);
                (before, !before && take(&mut inbox.script.fail_after))
            });
            if before {
                return Err(away());
            }
            let answers = self.store.append(&batch)?;
            if after { Err(away()) } else { Ok(answers) }
        })
    }

    fn load(&self, wants: Vec<Want>) -> EngineFuture<'_, Vec<Loaded>> {
        let (fails, slow) =
            self.node.inbox(|inbox| (take(&mut inbox.script.fail_loads), inbox.script.slow_load));
        let loaded = self
            .open()
            .and_then(|()| if fails { Err(away()) } else { Ok(self.store.load(&wants)) });
        if slow.is_zero() {
            return Box::pin(ready(loaded));
        }
        Box::pin(async move {
            tokio::time::sleep(slow).await;
            loaded
        })
    }

    fn follow(&self, topics: Vec<Topic>) -> EngineFuture<'_, ()> {
        self.answer(|| {
            self.store.follow(&self.node, topics);
            Ok(())
        })
    }

    fn unfollow(&self, topics: Vec<Topic>) {
        self.store.unfollow(&self.node, &topics);
    }

    fn mark(&self) -> EngineFuture<'_, Mark> {
        self.answer(|| Ok(self.store.mark(&self.node)))
    }

    fn restart_feed(&self) {
        let restarts = self.node.inbox(|inbox| {
            let restarts = !inbox.script.broken && !inbox.script.away;
            if restarts {
                inbox.script.deaf = false;
                inbox.say(FeedItem::Broke);
                inbox.say(FeedItem::Whole);
            }
            restarts
        });
        if restarts {
            self.node.drain();
        }
    }

    fn changed(&self, after: Position, limit: usize) -> EngineFuture<'_, Vec<(Topic, Position)>> {
        self.answer(|| Ok(self.store.changed(after, limit)))
    }

    fn queue(&self) -> Option<&dyn Queue> {
        Some(self)
    }

    fn durability(&self) -> &'static str {
        "what it stores is in this process, and gone with it"
    }

    fn close(&self) -> EngineFuture<'_, ()> {
        self.node.close();
        self.store.leave(&self.node);
        Box::pin(ready(Ok(())))
    }
}

impl Drop for MemoryEngine {
    fn drop(&mut self) {
        self.node.close();
        self.store.leave(&self.node);
    }
}

impl fmt::Debug for MemoryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEngine").field("node", &self.node.number).finish_non_exhaustive()
    }
}

fn closed() -> EngineError {
    EngineError::new(EngineErrorKind::Closed, "this engine was closed")
}

pub(super) fn away() -> EngineError {
    EngineError::unavailable("the store does not answer")
}

/// Counts down: whether there was one left.
pub(super) fn take(left: &mut usize) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}
