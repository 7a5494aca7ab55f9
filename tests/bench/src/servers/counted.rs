//! An engine that counts how often each topic is loaded.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use sse_tower::backplane::{
    Answer, Batch, Engine, EngineFuture, Feed, Loaded, Mark, Position, Topic, Want,
};

/// How often each topic was loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct Loads(Arc<Mutex<HashMap<Topic, usize>>>);

impl Loads {
    fn count(&self, wants: &[Want]) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for want in wants {
            *counts.entry(want.topic.clone()).or_default() += 1;
        }
    }

    /// Of the topic that was loaded most often.
    pub(super) fn most(&self) -> usize {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.values().copied().max().unwrap_or(0)
    }
}

/// The engine, and what counts.
#[derive(Debug)]
pub(super) struct Counted<E> {
    engine: E,
    loads: Loads,
}

impl<E: Engine> Counted<E> {
    pub(super) fn new(engine: E, loads: Loads) -> Self {
        Self { engine, loads }
    }
}

impl<E: Engine> Engine for Counted<E> {
    fn start(&self, feed: Feed) -> EngineFuture<'_, Mark> {
        self.engine.start(feed)
    }

    fn append(&self, batch: Batch) -> EngineFuture<'_, Vec<Answer>> {
        self.engine.append(batch)
    }

    fn load(&self, wants: Vec<Want>) -> EngineFuture<'_, Vec<Loaded>> {
        self.loads.count(&wants);
        self.engine.load(wants)
    }

    fn follow(&self, topics: Vec<Topic>) -> EngineFuture<'_, ()> {
        self.engine.follow(topics)
    }

    fn unfollow(&self, topics: Vec<Topic>) {
        self.engine.unfollow(topics);
    }

    fn mark(&self) -> EngineFuture<'_, Mark> {
        self.engine.mark()
    }

    fn restart_feed(&self) {
        self.engine.restart_feed();
    }

    fn changed(&self, after: Position, limit: usize) -> EngineFuture<'_, Vec<(Topic, Position)>> {
        self.engine.changed(after, limit)
    }

    fn durability(&self) -> &'static str {
        self.engine.durability()
    }

    fn close(&self) -> EngineFuture<'_, ()> {
        self.engine.close()
    }
}
