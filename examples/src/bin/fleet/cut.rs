//! A store that a node can be cut off from: an engine of one's own, which is another one with a switch before it.

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sse_tower::backplane::{
    Answer, Batch, Engine, EngineError, EngineFuture, Feed, FeedItem, Loaded, Mark, Position,
    Queue, Topic, Want,
};
use tokio::time::{Instant, sleep_until};

/// The engine, as the node's backplane has it.
#[derive(Debug)]
pub(crate) struct Cuttable {
    engine: Arc<dyn Engine>,
    switch: Switch,
}

/// The switch, as the node has it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    feed: OnceLock<Feed>,
}

#[derive(Debug, Default)]
struct State {
    /// Until when nothing passes, in either direction.
    cut_until: Option<Instant>,
    /// What the engine itself said of its feed last.
    broken: bool,
}

impl Switch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cut(&self) -> bool {
        self.state().cut_until.is_some()
    }

    /// Nothing passes for so long, as if somebody had pulled the plug between the node and its store. Another cut
    /// meanwhile makes it longer.
    pub(crate) async fn cut(&self, time: Duration) {
        let until = Instant::now() + time;
        {
            let mut state = self.state();
            if state.cut_until.replace(until).is_none() && !state.broken {
                self.put(FeedItem::Broke);
            }
        }
        sleep_until(until).await;
        let mut state = self.state();
        if state.cut_until == Some(until) {
            state.cut_until = None;
            if !state.broken {
                self.put(FeedItem::Whole);
            }
        }
    }

    /// What the engine's feed brings.
    fn pass(&self, item: FeedItem) {
        // Under the lock, so that nothing comes after the word that something may be missing.
        let mut state = self.state();
        match item {
            FeedItem::Broke => state.broken = true,
            FeedItem::Whole => state.broken = false,
            _ => {}
        }
        if state.cut_until.is_none() {
            self.put(item);
        }
    }

    fn put(&self, item: FeedItem) {
        if let Some(feed) = self.0.feed.get() {
            feed.put(item);
        }
    }
}

impl Cuttable {
    pub(crate) fn new(engine: Arc<dyn Engine>, switch: Switch) -> Self {
        Self { engine, switch }
    }

    fn through<'a, T: Send + 'static>(
        &'a self,
        call: impl FnOnce(&'a dyn Engine) -> EngineFuture<'a, T>,
    ) -> EngineFuture<'a, T> {
        if self.switch.is_cut() {
            return Box::pin(ready(Err(EngineError::unavailable("this node is cut off"))));
        }
        call(&*self.engine)
    }
}

impl Engine for Cuttable {
    fn start(&self, feed: Feed) -> EngineFuture<'_, Mark> {
        let switch = self.switch.clone();
        // A second start is for the engine to refuse.
        let _ = self.switch.0.feed.set(feed);
        self.through(|engine| engine.start(Feed::new(move |item| switch.pass(item))))
    }

    fn append(&self, batch: Batch) -> EngineFuture<'_, Vec<Answer>> {
        self.through(|engine| engine.append(batch))
    }

    fn load(&self, wants: Vec<Want>) -> EngineFuture<'_, Vec<Loaded>> {
        self.through(|engine| engine.load(wants))
    }

    fn follow(&self, topics: Vec<Topic>) -> EngineFuture<'_, ()> {
        self.through(|engine| engine.follow(topics))
    }

    fn unfollow(&self, topics: Vec<Topic>) {
        self.engine.unfollow(topics);
    }

    fn mark(&self) -> EngineFuture<'_, Mark> {
        self.through(|engine| engine.mark())
    }

    fn restart_feed(&self) {
        if !self.switch.is_cut() {
            self.engine.restart_feed();
        }
    }

    fn changed(&self, after: Position, limit: usize) -> EngineFuture<'_, Vec<(Topic, Position)>> {
        self.through(|engine| engine.changed(after, limit))
    }

    fn namespace(&self) -> &str {
        self.engine.namespace()
    }

    fn outbox_filled(&self) {
        self.engine.outbox_filled();
    }

    fn queue(&self) -> Option<&dyn Queue> {
        self.engine.queue()
    }

    fn durability(&self) -> &'static str {
        self.engine.durability()
    }

    fn close(&self) -> EngineFuture<'_, ()> {
        self.engine.close()
    }
}
